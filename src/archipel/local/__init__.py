"""A whole archipelago on one machine: the process that owns the physics and serves every device, one process per cell,
and what starts, watches and ends them. A rehearsal of the field, in real time or faster. Needs the extra `field`.
"""

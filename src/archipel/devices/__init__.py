"""One file per kind of device: nameplate, today's local rule, physics, and columns in the schedule problem."""

"""Devices that follow the Archipel register map (archipel.model.register_map)."""

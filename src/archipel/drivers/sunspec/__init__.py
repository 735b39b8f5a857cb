"""SunSpec over Modbus TCP: definitions, codec, discovery and controls without I/O, and the driver around them."""

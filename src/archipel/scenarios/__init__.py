"""Small cases that run offline, each with its licence."""

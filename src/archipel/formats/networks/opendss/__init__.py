"""The door for OpenDSS: the engine runs in a fenced child process, and what it solved becomes a network."""

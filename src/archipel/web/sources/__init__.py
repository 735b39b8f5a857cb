"""What the server can show: each module makes one kind of `Source`."""

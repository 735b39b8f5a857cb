"""What is likely per interval, from what was seen."""

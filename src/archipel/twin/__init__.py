"""Host 1: controllers and true AC physics on one clock."""

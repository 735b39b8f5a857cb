"""Level 1: a cell's own schedule problem."""

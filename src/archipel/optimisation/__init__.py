"""Blocks of the schedule problem that devices, grid and cells fill, and doors to the solvers."""

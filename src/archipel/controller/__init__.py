"""Joins the levels for one cell: facts in, intentions out."""

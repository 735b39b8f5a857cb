"""Level 2: how cells agree, sideways and up and down; one file per method."""

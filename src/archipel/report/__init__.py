"""Tables, plots and statements about a run."""

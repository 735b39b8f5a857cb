"""Reading networks, series and scenarios, each with a report of what was lost."""

"""The operator's view: a live picture of the archipelago in the browser, and the API it is made from (extra `web`)."""

"""Level 3: portfolios of several owners: what members can give, what is bid, who delivers, what it was worth."""

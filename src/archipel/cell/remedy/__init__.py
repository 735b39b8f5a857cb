"""The doctor of infeasibility: what of a day cannot be kept by any plan, and the least change that mends it."""

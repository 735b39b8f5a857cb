"""Archipel runs a power grid as an archipelago of self-governing cells."""

import os

# Our matrices are small and many; threads inside each product cost more than they give, and a fixed
# order of summation keeps runs repeatable bit for bit. A user's own setting wins.
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

__version__ = "0.1.0"

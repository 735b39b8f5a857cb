"""Archipel runs a power grid as an archipelago of self-governing cells.

>>> import archipel
>>> case = archipel.scenario("district")
>>> run = archipel.run(case, ["uncoordinated", "distributed"])
>>> run.table()
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# Our matrices are small and many; threads inside each product cost more than they give, and a fixed
# order of summation keeps runs repeatable bit for bit. A user's own setting wins.
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

if TYPE_CHECKING:
    from archipel.formats.scenario import load_scenario as scenario
    from archipel.report.run import load_run
    from archipel.report.session import run

__all__ = ["load_run", "run", "scenario"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The short public names, loaded when first used: `archipel --help` need not wait for numpy."""
    if name == "scenario":
        from archipel.formats.scenario import load_scenario

        return load_scenario
    if name == "run":
        from archipel.report.session import run

        return run
    if name == "load_run":
        from archipel.report.run import load_run

        return load_run
    raise AttributeError(f"module 'archipel' has no attribute {name!r}; expected scenario, run or load_run")

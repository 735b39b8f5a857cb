"""In the child process: what the engine knows about the model, as plain tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def compile_model(dss: Any, master: str) -> dict[str, Any]:
    """Compile a master of the folder and solve it as a snapshot."""
    path = Path.cwd() / master
    dss.Text.Command("clear")
    dss.Text.Command(f'compile "{path}"')
    if dss.Basic.NumCircuits() == 0:
        raise ValueError("found no circuit (no line `New Circuit.name`); expected the master file of a feeder")
    dss.Text.Command("set mode=snapshot")
    dss.Solution.Solve()
    return {"circuit": dss.Circuit.Name(), "converged": bool(dss.Solution.Converged())}


def voltages(dss: Any) -> dict[str, Any]:
    """The solved node voltages: names (`bus.phase`) and complex volts to ground."""
    raw = np.asarray(dss.Circuit.AllBusVolts(), dtype=np.float64)
    return {"node": list(dss.Circuit.AllNodeNames()), "v": raw.view(np.complex128)}


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {"compile": compile_model, "voltages": voltages}

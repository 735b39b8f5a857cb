"""A circuit through our door is solved exactly as OpenDSS solves it: the engine on the original file is the referee."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.formats.formats_cases import data_folder

from archipel.formats.networks.opendss.child import OpenDssChild
from archipel.formats.networks.opendss.closure import root_of

pytest.importorskip("opendssdirect", reason="LEFT OUT: needs the OpenDSS engine (extra opendss)")

SHORT = {
    "IEEE 13": "13Bus/IEEE13Nodeckt.dss",
    "IEEE 34": "34Bus/ieee34Mod1.dss",
    "IEEE 37": "37Bus/ieee37.dss",
    "IEEE 123": "123Bus/IEEE123Master.dss",
}
LONG = {
    "IEEE 34, second": "34Bus/ieee34Mod2.dss",
    "IEEE 8500, balanced loads": "8500-Node/Master.dss",
    "IEEE 8500": "8500-Node/Master-unbal.dss",
    "European LV": "LVTestCase/Master.dss",
    "ckt5": "ckt5/Master_ckt5.dss",
    "J1": "epri_dpv/J1/Master_noPV.dss",
    "J1 with PV": "epri_dpv/J1/Master_withPV.dss",
}
REFEREE = """
import json, sys
import opendssdirect as dss
dss.Text.Command(f'compile "{sys.argv[1]}"')
try:
    dss.Solution.Solve()
except Exception as error:
    assert "#485" in str(error), error
if not dss.Solution.Converged():  # the file's own limit on iterations is too tight for its own circuit
    dss.Text.Command("set maxiterations=100 maxcontroliter=100")
    dss.Solution.Solve()
print(json.dumps({
    "node": dss.Circuit.AllNodeNames(), "v": list(dss.Circuit.AllBusVolts()),
    "total": list(dss.Circuit.TotalPower()), "losses": list(dss.Circuit.Losses()),
}))
"""


def check(file: str) -> None:
    """Every voltage and the powers of the door are those of the engine on the original file."""
    path = data_folder() / "networks" / "opendss" / file
    done = subprocess.run([sys.executable, "-c", REFEREE, str(path)], capture_output=True, text=True, check=True)
    there: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    root = root_of(path)
    with OpenDssChild(root, str(Path(path).relative_to(root))) as child:
        here = child.ask("alone")
    assert here["converged"]
    assert here["node"] == there["node"]
    v = np.array(there["v"]).view(np.complex128)
    assert np.count_nonzero(np.abs(v)) > 0
    np.testing.assert_allclose(here["v"], v, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(here["total"], there["total"], rtol=1e-12)
    np.testing.assert_allclose(here["losses"], np.array(there["losses"]) * 1e-3, rtol=1e-12)


@pytest.mark.parametrize("name", SHORT)
def test_a_circuit_is_solved_as_the_engine_solves_it(name: str) -> None:
    check(SHORT[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_a_large_circuit_is_solved_as_the_engine_solves_it(name: str) -> None:
    check(LONG[name])

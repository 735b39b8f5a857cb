"""Ten droop inverters of ANDES (model REGF1) after a load step, beside which ours are tested.

ANDES is GPL-3: no part of this project; nothing imports it but this script, and that only as a program of its own. In
an environment that has it:

    python andes_peer.py FOLDER

writes andes_default.csv, andes_fast.csv and andes_start.csv (as found in data/, made with ANDES 2.0.0 and numpy 2.4.6).

Same droops, filters, lines and loads on both sides. REGF1 has loops of voltage and current behind its droop, ours has
none: they are `default` or `fast`, ten times and more as quick. Its limiters of power are off, as their gains would add
to the droop. Loads are constant impedances, ANDES' default.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

F_HZ, DROOP, DROOP_Q, FILTER_S = 50.0, 0.02, 0.05, 0.03
R, X = 0.06, 0.30
"""Of each of ten lines in a ring [pu on 100 MVA, the inverters' rating]: as between feeders of a microgrid."""
P = [0.30 + 0.01 * i for i in range(10)]
"""Load at every node [pu on 100 MVA]."""
Q = 0.1
STEP = 0.5
"""More at node 3 [pu at 1 pu], from 1 s on."""
LOOPS: dict[str, dict[str, float]] = {
    "default": {},
    "fast": {"KPv": 20, "KIv": 400, "KPi": 5, "KIi": 200, "Te": 0.001},
}


def run(loops: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, frequencies of the inverters [Hz], and p, q, v [pu] at the start."""
    import andes

    andes.config_logger(40)
    ss = andes.System(default_config=True, options={"no_output": True})
    ss.config.freq = F_HZ
    for i in range(10):
        ss.add("Bus", {"idx": i, "Vn": 20.0, "v0": 1.0, "a0": 0.0})
    for i in range(10):
        line = {"idx": f"l{i}", "bus1": i, "bus2": (i + 1) % 10, "r": R, "x": X, "b": 0.0}
        ss.add("Line", line | {"fn": F_HZ, "Vn1": 20.0, "Vn2": 20.0})
        ss.add("PQ", {"idx": f"d{i}", "bus": i, "p0": P[i], "q0": Q, "Vn": 20.0})
    ss.add("Slack", {"idx": "g0", "bus": 0, "v0": 1.0, "a0": 0.0, "Vn": 20.0, "p0": 0.345, "q0": 0.0})
    for i in range(1, 10):
        ss.add("PV", {"idx": f"g{i}", "bus": i, "v0": 1.0, "p0": 0.345, "Vn": 20.0})
    for i in range(10):
        ss.add(
            "REGF1",
            {
                "idx": f"r{i}", "bus": i, "gen": f"g{i}", "Sn": 100.0, "fn": F_HZ, "wdrp": DROOP, "Qdrp": DROOP_Q,
                "Tr": FILTER_S, "KPplim": 0.0, "KIplim": 0.0, "KPqlim": 0.0, "KIqlim": 0.0, "xf": 0.15,
                "Pmax": 2.0, "Pmin": -2.0, "Qmax": 2.0, "Qmin": -2.0, **LOOPS[loops],
            },
        )  # fmt: skip
    ss.setup()
    if not ss.PFlow.run():
        raise SystemExit("ANDES found no power flow to start from")
    ss.TDS.config.fixt, ss.TDS.config.shrinkt, ss.TDS.config.tstep, ss.TDS.config.tf = 1, 0, 0.001, 1.0
    ss.TDS.config.criteria = 0
    ss.TDS.init()
    start = np.column_stack([ss.REGF1.Pe.v, ss.REGF1.Qe.v, ss.REGF1.v.v])
    ss.TDS.run()
    ss.PQ.set("Req", "d3", attr="v", value=(P[3] + STEP) / P[3] * ss.PQ.get("Req", "d3"))  # what it calls Req is 1/R
    ss.TDS.config.tf = 6.0
    ss.TDS.run()
    f = F_HZ + np.asarray(ss.dae.ts.get_data(ss.REGF1.dw_y)) / (2 * np.pi)
    return np.asarray(ss.dae.ts.t), f, start


def main(folder: Path) -> None:
    for loops in LOOPS:
        t, f, start = run(loops)
        seen = [*range(950, 2500, 10), len(t) - 1]
        table = [
            ["time_s", *(f"f_hz_{i}" for i in range(10))],
            *([f"{t[k]:.3f}", *(f"{value:.5f}" for value in f[k])] for k in seen),
            ["lowest", *(f"{value:.5f}" for value in f.min(axis=0))],
            ["lowest mean", f"{f.mean(axis=1).min():.5f}"],
        ]
        with (folder / f"andes_{loops}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(table)
    with (folder / "andes_start.csv").open("w", newline="") as file:
        values = [[f"{value:.9f}" for value in row] for row in start]
        csv.writer(file, lineterminator="\n").writerows([["p_pu", "q_pu", "v_pu"], *values])


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Makes data/andes_regf1.csv: ten droop inverters of ANDES (model REGF1) after a load step, beside which ours is tested.

Run by hand in an environment that has ANDES (GPL-3; it is no part of this project and nothing here imports it but this
script), from this folder:

    python andes_peer.py

Same droop, filters and network on both sides. REGF1's limiters of power are off (their gains would add to the droop) and
its inner voltage and current loops have their default gains. Loads are constant impedance, ANDES' default.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

F_HZ, DROOP, DROOP_Q, FILTER_S = 50.0, 0.02, 0.05, 0.03
R, X = 0.06, 0.30
"""Of each of ten lines in a ring [pu on 100 MVA, the inverters' rating]: as between feeders of a microgrid."""
P = [0.30 + 0.01 * i for i in range(10)]
"""Load at every node [pu on 100 MVA]."""
STEP = 0.5
"""More at node 3 [pu at its voltage before], from 1 s on."""


def main() -> None:
    import andes

    andes.config_logger(40)
    ss = andes.System(default_config=True, options={"no_output": True})
    ss.config.freq = F_HZ
    for i in range(10):
        ss.add("Bus", {"idx": i, "Vn": 20.0, "v0": 1.0, "a0": 0.0})
    for i in range(10):
        line = {"idx": f"l{i}", "bus1": i, "bus2": (i + 1) % 10, "r": R, "x": X, "b": 0.0}
        ss.add("Line", line | {"fn": F_HZ, "Vn1": 20.0, "Vn2": 20.0})
        ss.add("PQ", {"idx": f"d{i}", "bus": i, "p0": P[i], "q0": 0.1, "Vn": 20.0})
    ss.add("Slack", {"idx": "g0", "bus": 0, "v0": 1.0, "a0": 0.0, "Vn": 20.0, "p0": 0.345, "q0": 0.0})
    for i in range(1, 10):
        ss.add("PV", {"idx": f"g{i}", "bus": i, "v0": 1.0, "p0": 0.345, "Vn": 20.0})
    for i in range(10):
        ss.add(
            "REGF1",
            {
                "idx": f"r{i}", "bus": i, "gen": f"g{i}", "Sn": 100.0, "fn": F_HZ, "wdrp": DROOP, "Qdrp": DROOP_Q,
                "Tr": FILTER_S, "KPplim": 0.0, "KIplim": 0.0, "KPqlim": 0.0, "KIqlim": 0.0, "xf": 0.15,
                "Pmax": 2.0, "Pmin": -2.0, "Qmax": 2.0, "Qmin": -2.0,
            },
        )  # fmt: skip
    ss.setup()
    assert ss.PFlow.run()
    ss.TDS.config.fixt, ss.TDS.config.shrinkt, ss.TDS.config.tstep, ss.TDS.config.tf = 1, 0, 0.001, 1.0
    ss.TDS.config.criteria = 0
    ss.TDS.init()
    p0, q0, v0 = ss.REGF1.Pe.v.copy(), ss.REGF1.Qe.v.copy(), ss.REGF1.v.v.copy()
    ss.TDS.run()
    ss.PQ.set("Req", "d3", attr="v", value=(P[3] + STEP) / P[3] * ss.PQ.get("Req", "d3"))  # what it calls Req is 1/R
    ss.TDS.config.tf = 6.0
    ss.TDS.run()
    t = np.asarray(ss.dae.ts.t)
    f = F_HZ + np.asarray(ss.dae.ts.get_data(ss.REGF1.dw_y)) / (2 * np.pi)
    with Path("data/andes_regf1.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["time_s", *(f"f_hz_{i}" for i in range(10))])
        for k in range(900, len(t), 10):
            out.writerow([f"{t[k]:.3f}", *(f"{value:.6f}" for value in f[k])])
    with Path("data/andes_regf1_start.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["p_pu", "q_pu", "v_pu"])
        out.writerows([f"{x:.9f}" for x in row] for row in zip(p0, q0, v0, strict=True))
    print(f"lowest {f.mean(axis=1).min():.4f} Hz as a mean, at the end {f[-1]} Hz; {len(t)} steps")


if __name__ == "__main__":
    main()

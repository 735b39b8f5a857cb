"""CPU milliseconds per scenario of an island of ten inverters: 20 s in steps of 1 ms, 64 scenarios at once.

    python -m benchmarks.dynamics

A ring of ten inverters with a load at each node, one load more than doubled after 1 s. Traces every 10 ms are included.
Several runs, one after another: the least is what the work costs, the rest is what a shared machine adds.
"""

from __future__ import annotations

import os
import time

import numpy as np

from archipel.grid.dynamics import Following, Island, Load, LoadStep, Network, Start, Traces, droop, simulate

SCENARIOS, UNITS, RUNS = 64, 10, 5


def island(followers: int, z_share: float) -> Island:
    """Ten units of 1 MVA, the last of them followers."""
    y = np.zeros((UNITS, UNITS), dtype=np.complex128)
    for i in range(UNITS):
        j = (i + 1) % UNITS
        y[[i, j], [i, j]] += 1 / (0.06 + 0.3j)
        y[[i, j], [j, i]] -= 1 / (0.06 + 0.3j)
    forming = [droop(f"unit {i}", i, 1000.0, p_kw=-300.0) for i in range(UNITS - followers)]
    following = [
        Following(id=f"unit {i}", terminal=i, rating_kva=1000.0, p_kw=-300.0, p_kw_min=-300.0)
        for i in range(UNITS - followers, UNITS)
    ]
    loads = [Load(id=f"load {i}", terminal=i, p_kw=300.0 + 10 * i, q_kvar=100.0, z_share=z_share) for i in range(UNITS)]
    return Island(Network(y), (*forming, *following), tuple(loads))


def run(case: Island, *, spread_kw: float, scenarios: int, quasi_static: bool) -> Traces:
    """Loads of the scenarios differ by up to `spread_kw`."""
    rng = np.random.default_rng(1)
    p_kw = np.array([[load.p_kw for load in case.loads]]) + rng.uniform(-spread_kw, spread_kw, (scenarios, UNITS))
    more = LoadStep(time_s=1.0, load="load 3", p_kw=800.0, q_kvar=100.0)
    return simulate(case, [more], duration_s=20.0, start=Start(load_p_kw=p_kw), quasi_static=quasi_static)


def main() -> None:
    cases = {
        "10 forming, set-points may differ": (island(0, 1.0), 0.0, SCENARIOS, False),
        "10 forming, loads differ": (island(0, 1.0), 100.0, SCENARIOS, False),
        "10 forming, loads differ, rest left out": (island(0, 1.0), 100.0, SCENARIOS, True),
        "10 forming, loads differ, constant power": (island(0, 0.0), 100.0, SCENARIOS, False),
        "5 forming, 5 following, loads differ": (island(5, 1.0), 100.0, SCENARIOS, False),
        "10 forming, one scenario": (island(0, 1.0), 0.0, 1, False),
    }
    print(f"load of the machine at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name, (case, spread_kw, scenarios, quasi_static) in cases.items():
        spent = []
        for _ in range(RUNS):
            begun = time.process_time()
            run(case, spread_kw=spread_kw, scenarios=scenarios, quasi_static=quasi_static)
            spent.append((time.process_time() - begun) / scenarios * 1e3)
        print(f"{name:45s} {min(spent):6.1f} ms (median {sorted(spent)[RUNS // 2]:.1f})", flush=True)


if __name__ == "__main__":
    main()

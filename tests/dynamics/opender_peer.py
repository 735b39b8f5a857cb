"""EPRI's OpenDER (IEEE 1547-2018) as a program of its own: curves and steps, beside which our followers are tested.

In an environment that has `opender`:

    python opender_peer.py data/opender_1547.json

as found in data/, made with opender 2.2.0. A PV inverter of 100 kVA, 100 kW, without measuring and reaction delays, at
60 Hz. Every case: what is on, DC power, and what it gives [pu of rating] at voltages or frequencies held for 100 s
(`held`), or every 0.2 s after one step at 0 s (`step`).
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np

VOLTAGES = [round(float(v), 4) for v in np.linspace(0.885, 1.099, 24)]
FREQUENCIES = [round(float(f), 4) for f in np.linspace(58.6, 61.15, 18)]
CASES: list[dict[str, Any]] = [
    {"on": ["volt_var"], "normal": normal, "p_pu": p, "v_pu": VOLTAGES}
    for normal, p in (("A", 0.5), ("B", 0.5), ("B", 1.0))
] + [
    {"on": ["volt_watt"], "normal": "B", "p_pu": 0.9, "v_pu": VOLTAGES},
    {"on": ["volt_var", "volt_watt"], "normal": "B", "p_pu": 1.0, "v_pu": VOLTAGES},
    {"on": ["frequency_watt"], "normal": "B", "p_pu": 0.7, "f_hz": FREQUENCIES},
    {"on": ["frequency_watt"], "normal": "B", "p_pu": 0.5, "most_pu": 0.9, "f_hz": FREQUENCIES},
]
STEPS: list[dict[str, Any]] = [
    {"on": ["volt_var"], "normal": "A", "p_pu": 0.5, "v_pu": [1.0, 1.06]},
    {"on": ["volt_var"], "normal": "B", "p_pu": 0.5, "v_pu": [1.0, 0.94]},
    {"on": ["volt_watt"], "normal": "B", "p_pu": 0.9, "v_pu": [1.0, 1.09]},
    {"on": ["frequency_watt"], "normal": "B", "p_pu": 0.7, "f_hz": [60.0, 60.6]},
    {"on": ["frequency_watt"], "normal": "B", "p_pu": 0.5, "most_pu": 0.9, "f_hz": [60.0, 59.4]},
]


def unit(case: dict[str, Any], step_s: float) -> Any:
    from opender import DER, DER_PV

    logging.disable(logging.WARNING)  # it finds 480 V too much for the voltage it chose itself

    DER.t_s = step_s
    own = DER_PV()
    file = own.der_file
    file.NP_VA_MAX = file.NP_P_MAX = 100e3
    file.NP_AC_V_NOM, file.NP_Q_CAPABILITY_LOW_P = 480, "SAME"
    file.NP_NORMAL_OP_CAT, file.NP_ABNORMAL_OP_CAT = f"CAT_{case['normal']}", "CAT_III"
    file.QV_MODE_ENABLE = "volt_var" in case["on"]
    file.PV_MODE_ENABLE = "volt_watt" in case["on"]
    file.PF_MODE_ENABLE = "frequency_watt" in case["on"]
    if case["normal"] == "A":
        file.QV_OLRT = 10
    return own


def put(own: Any, case: dict[str, Any], v_pu: float, f_hz: float, seconds: float) -> list[list[float]]:
    """What it gives, step by step."""
    seen = []
    for _ in range(round(seconds / own.t_s)):
        own.update_der_input(p_dc_pu=case.get("most_pu", case["p_pu"]), v_pu=v_pu, f=f_hz)
        own.run()
        seen.append([own.p_out_pu, own.q_out_pu])
    return seen


def at(case: dict[str, Any], value: float) -> tuple[float, float]:
    return (value, 60.0) if "v_pu" in case else (1.0, value)


def begun(case: dict[str, Any], step_s: float) -> Any:
    """At rest at nominal voltage and frequency, at its set-point."""
    own = unit(case, step_s)
    own.der_file.AP_LIMIT_ENABLE, own.der_file.AP_LIMIT = "most_pu" in case, case["p_pu"]
    put(own, case, 1.0, 60.0, 50.0)
    return own


def main(file: Path) -> None:
    held, steps = [], []
    for case in CASES:
        key = "v_pu" if "v_pu" in case else "f_hz"
        values = [put(begun(case, 0.1), case, *at(case, value), 100.0)[-1] for value in case[key]]
        held.append(case | {"gives_pu": [[round(float(x), 6) for x in pair] for pair in values]})
    for case in STEPS:
        own = begun(case, 0.01)
        values = put(own, case, *at(case, case["v_pu" if "v_pu" in case else "f_hz"][1]), 15.0)[19::20]
        steps.append(case | {"gives_pu": [[round(float(x), 6) for x in pair] for pair in values]})
    file.write_text(json.dumps({"held": held, "steps": steps}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

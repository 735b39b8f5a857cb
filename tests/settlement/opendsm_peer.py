"""OpenDSM's hourly demand-response model as a program of its own: what it says a meter would have drawn.

In an environment that has `opendsm`:

    python opendsm_peer.py data/opendsm_days.json

as found in data/, made with opendsm 1.2.7 (Apache-2.0; it wants `multimethod` below 2). Four made-up homes and shops
for ten weeks by the hour: habits of workdays and weekends, heating that follows the temperature, noise that remembers,
and in the last two weeks requests of two hours on some workdays, in which they draw less. OpenDSM learns from the weeks
before and is told the temperature.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

DAYS, TAIL = 70, 14
START = "2016-01-11"
"""A Monday."""
EVENTS = {58: 17, 60: 8, 64: 18, 66: 17}
"""First hour of the request by day; it lasts two hours."""
CUT = 0.35


def meters(seed: int = 1) -> dict[str, Any]:
    """Temperature, what was drawn, and what would have been drawn without requests, by the hour."""
    rng = np.random.default_rng(seed)
    hour, day = np.tile(np.arange(24), DAYS), np.repeat(np.arange(DAYS), 24)
    weekend = day % 7 >= 5
    drift = np.convolve(rng.normal(0.0, 3.0, DAYS + 6), np.ones(7) / 7.0, "valid")[day]
    temperature = 4.0 + drift + 3.0 * np.cos(2.0 * np.pi * (hour - 15) / 24.0)
    evening, morning = np.exp(-((hour - 19) ** 2) / 8.0), np.exp(-((hour - 8) ** 2) / 6.0)
    noon = np.exp(-((hour - 12) ** 2) / 20.0)
    habit = np.where(weekend, 0.8 + 0.5 * evening + 0.5 * noon, 0.6 + evening + 0.6 * morning)
    shop = np.where(weekend, 0.5, 0.6 + 1.6 * ((hour >= 8) & (hour < 20)))
    event = np.zeros(DAYS * 24, dtype=bool)
    for d, h in EVENTS.items():
        event[24 * d + h : 24 * d + h + 2] = True
    out: dict[str, Any] = {"start": START, "temperature_c": temperature.round(3).tolist(), "meter": []}
    for shape, heat in ((habit, 0.0), (habit, 0.06), (shop, 0.0), (shop, 0.05)):
        noise = np.zeros(DAYS * 24)
        for k in range(1, len(noise)):
            noise[k] = 0.8 * noise[k - 1] + rng.normal(0.0, 0.03)
        would = 10.0 * (shape + heat * np.maximum(15.0 - temperature, 0.0)) * (1.0 + noise)
        drawn = np.where(event, (1.0 - CUT) * would, would)
        out["meter"].append({"would_kw": would.round(4).tolist(), "drawn_kw": drawn.round(4).tolist()})
    return out


def ask(told: dict[str, Any]) -> dict[str, Any]:
    """What OpenDSM predicts for the last two weeks of every meter [kW]."""
    from types import SimpleNamespace

    import pandas as pd
    from opendsm.drmeter.models.caltrack.model import Model

    index = pd.date_range(told["start"], periods=24 * DAYS, freq="h", tz="UTC")
    learn = 24 * (DAYS - TAIL)
    for meter in told["meter"]:
        frame = pd.DataFrame({"observed": meter["drawn_kw"], "temperature": told["temperature_c"]}, index=index)
        model = Model().fit(SimpleNamespace(df=frame.iloc[:learn]))
        found = model.predict(SimpleNamespace(df=frame.iloc[learn:]))
        meter["opendsm_kw"] = found["predicted"].round(4).tolist()
    return told


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(ask(meters()), separators=(",", ":")) + "\n", encoding="utf-8")

"""Baselines beside OpenDSM, a program that others wrote: it learns from eight weeks of meter and weather.

What it said is stored in data/, with the script that made it; `ARCHIPEL_OPENDSM` names an interpreter that has it, so
that it can be asked again.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opendsm_peer import CUT, DAYS, EVENTS, TAIL, meters

from archipel.market.baseline import RULES, Adjustment, baseline

HERE = Path(__file__).parent
STORED = HERE / "data" / "opendsm_days.json"
KIND = (np.arange(DAYS) % 7 >= 5).astype(np.int64)
ASKED = np.array([day in EVENTS for day in range(DAYS)])


def by_quarter(hourly: list[float], days: int = DAYS) -> Any:
    return np.repeat(np.array(hourly).reshape(days, 24), 4, axis=1)


def requests(rule: Any) -> list[tuple[float, float, float, float]]:
    """Of every meter and request: mean power by our baseline, by OpenDSM, in truth, and metered [kW]."""
    out = []
    for meter in json.loads(STORED.read_text(encoding="utf-8"))["meter"]:
        drawn, would = by_quarter(meter["drawn_kw"]), by_quarter(meter["would_kw"])
        theirs = by_quarter(meter["opendsm_kw"], TAIL)
        for day, hour in EVENTS.items():
            event = (np.arange(96) >= 4 * hour) & (np.arange(96) < 4 * hour + 8)
            how = {"today_kw": drawn[day], "event": event, "adjustment": Adjustment()}
            ours = baseline(rule, drawn[:day], KIND[:day], ASKED[:day], KIND[day], **how)
            all_of_them = (ours, theirs[day - DAYS + TAIL], would[day], drawn[day])
            out.append(tuple(float(kw[event].mean()) for kw in all_of_them))
    return out  # type: ignore[return-value]


@pytest.mark.parametrize("rule", RULES)
def test_adjusted_baselines_agree_with_opendsm_within_its_own_error(rule: Any) -> None:
    ours, theirs, truth, _ = np.array(requests(rule)).T
    apart, off = (ours - theirs) / truth, (theirs - truth) / truth
    assert len(apart) == 16
    assert np.abs(apart).mean() < 0.05
    assert np.abs(apart).max() < 0.12
    assert abs(apart.mean()) < 0.02
    assert np.abs((ours - truth) / truth).mean() < np.abs(off).mean(), "and lie nearer to what is true"


@pytest.mark.parametrize("rule", RULES)
def test_the_reduction_measured_is_the_one_that_was_made(rule: Any) -> None:
    ours, theirs, _, drawn = np.array(requests(rule)).T
    truth = drawn * CUT / (1.0 - CUT)
    assert (ours - drawn).sum() == pytest.approx(truth.sum(), rel=0.03)
    assert (ours - drawn).sum() == pytest.approx((theirs - drawn).sum(), rel=0.08)


def test_what_is_stored_is_what_the_script_makes() -> None:
    stored, made = json.loads(STORED.read_text(encoding="utf-8")), meters()
    assert stored["temperature_c"] == pytest.approx(made["temperature_c"], abs=2e-3)
    for old, new in zip(stored["meter"], made["meter"], strict=True):
        assert old["drawn_kw"] == pytest.approx(new["drawn_kw"], abs=2e-4)


@pytest.mark.slow
@pytest.mark.skipif("ARCHIPEL_OPENDSM" not in os.environ, reason="no interpreter that has opendsm")
def test_opendsm_still_says_what_is_stored(tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    subprocess.run([os.environ["ARCHIPEL_OPENDSM"], str(HERE / "opendsm_peer.py"), str(again)], check=True)
    stored, said = (json.loads(file.read_text(encoding="utf-8")) for file in (STORED, again))
    for old, new in zip(stored["meter"], said["meter"], strict=True):
        assert old["opendsm_kw"] == pytest.approx(new["opendsm_kw"], abs=0.01)

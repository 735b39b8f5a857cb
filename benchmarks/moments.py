"""The main grid is lost at random quarter hours of a year.

1. Moments are drawn, before anything runs.
2. One year beside the main grid by the devices' local rules. Batteries of what can form an island keep the energy that
   holds its critical load for the time promised, by the loads of the four weeks before (`strategies.promise`), looked
   up every day; what is missing is charged from the main grid. States before the drawn moments are kept.
3. At each moment the main grid is lost: `strategies.leaving`. What is promised is told from what is stored then.

With `kept` states (`*.npz`) and moments (`*.jsonl`) stay in a folder, and the same command goes on from there.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from archipel.devices import State
from archipel.formats.scenario import load_scenario
from archipel.model import Floats, IslandRules
from archipel.strategies.area_in_parts import AreaInParts, batteries
from archipel.strategies.connected import before, remembered
from archipel.strategies.leaving import Left, LeftIsland, leave
from archipel.strategies.promise import Promise, held_by_all

FIRST = datetime(2016, 1, 2, tzinfo=UTC)
QUARTERS = 364 * 96
WINDOW = (10.0, 0.1, 0.03)
"""Degrees, Hz, pu within which a switch may close."""


def moments(
    name: str, number: int, seed: int, hours: float, promised_h: float, kept: Path | None = None
) -> dict[str, Any]:
    """Lose the main grid of a scenario at `number` quarter hours of 2016 for `hours` each; figures over all."""
    drawn = np.random.default_rng(seed).choice(QUARTERS, number, replace=False)  # lived in this order: a part is fair
    at = [FIRST + timedelta(minutes=15 * int(k)) for k in drawn]
    area, rules = AreaInParts(load_scenario(name)), IslandRules()
    held = _held(area, rules.critical_share, promised_h)
    rows = [area.scenario.profiles.row(when) for when in at]
    stem = f"{name}-{number}-{seed}-{hours:g}-{promised_h:g}"
    states = _states(area, rows, held, None if kept is None else kept / f"{stem}.npz")
    file = None if kept is None else kept / f"{stem}.jsonl"
    done = [json.loads(line) for line in file.read_text().splitlines()] if file is not None and file.exists() else []
    for k in range(len(done), number):
        cpu = time.process_time()
        since = before(area.scenario, at[k], states[rows[k]], held(rows[k] - 1))
        left = leave(
            area, at[k], hours, rules=rules, promised_h=promised_h, since=since, seed=k, closing_in_dynamics=False
        )
        done.append({"at": at[k].isoformat(), "cpu_s": time.process_time() - cpu, **_moment(left)})
        if file is not None:
            with file.open("a") as lines:
                lines.write(json.dumps(done[-1]) + "\n")
        _progress(f"{name}: moments", k + 1, number)
    asked = {"scenario": name, "moments": number, "seed": seed, "hours": hours, "promised_h": promised_h}
    return {**asked, **_told(done, hours)}


def _held(area: AreaInParts, critical_share: float, promised_h: float) -> Callable[[int], Floats]:
    """What every battery keeps on the day of a row."""
    parts = [area.part(cell) for cell in area.forms(area.battery.e_kwh, {}).island]

    @lru_cache(maxsize=4)
    def on_day(day: int) -> Floats:
        promises = [Promise(part.scenario, critical_share, 96 * day, promised_h) for part in parts]
        return held_by_all(area.scenario, [(batteries(p), q) for p, q in zip(parts, promises, strict=True)])

    return lambda row: on_day(row // 96)


def _states(
    area: AreaInParts, rows: list[int], held: Callable[[int], Floats], file: Path | None
) -> dict[int, dict[str, State]]:
    """States of all fleets a quarter hour before each row, from one run of the year or from the file of one."""
    if file is not None and file.exists():
        out: dict[int, dict[str, Any]] = {row: {fleet.kind: {} for fleet in area.scenario.fleets} for row in rows}
        with np.load(file) as table:
            for key in table.files:
                row, kind, name = key.split("/")
                out[int(row)][kind][name] = table[key]
        return out
    cpu = time.process_time()
    found = {row + 1: states for row, states in remembered(area.scenario, [row - 1 for row in rows], held, _days)}
    sys.stderr.write(f"\n{time.process_time() - cpu:.0f} CPU s\n")
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        flat = {
            f"{row}/{kind}/{name}": value
            for row, states in found.items()
            for kind, state in states.items()
            for name, value in state.items()
        }
        np.savez_compressed(file, **flat)  # type: ignore[arg-type]
    return found


def _days(done: int, total: int) -> None:
    if done % 96 == 0:
        _progress("days beside the main grid", done // 96, total // 96)


def _progress(what: str, done: int, total: int) -> None:
    sys.stderr.write(f"\r{what}: {done} of {total}")


def _moment(left: Left) -> dict[str, Any]:
    return {
        "islands": [_island(one) for one in left.islands],
        "dark": len(left.dark),
        "dark_critical_kwh": sum(one.critical_unserved_kwh for one in left.dark),
    }


def _island(one: LeftIsland) -> dict[str, Any]:
    result, closing = one.result, one.closing
    f_hz, cut = result.f_hz, result.critical_unserved_kwh
    return {
        "name": one.name, "import_kw": one.import_kw, "stored_kwh": one.stored_kwh, "promised_h": one.promised_h,
        "held_h": one.held_h, "nadir_hz": float(one.traces.nadir_hz[0]), "peak_hz": float(one.traces.peak_hz[0]),
        "settled_hz": float(one.traces.settled_hz[0]), "trips": [trip.id for trip in one.traces.trips],
        "hours_hz": [] if f_hz is None else [float(f_hz.min()), float(f_hz.max())],
        "v_pu": [float(result.v_pu.min()), float(result.v_pu.max())], "loading": float(result.loading.max()),
        "unserved_kwh": float(result.unserved_kwh.sum()), "critical_kwh": 0.0 if cut is None else float(cut.sum()),
        "closing": None if closing is None else [closing.angle_deg, closing.f_hz, closing.v_pu, closing.after_s],
    }  # fmt: skip


def _told(done: list[dict[str, Any]], hours: float) -> dict[str, Any]:
    every = [one for moment in done for one in moment["islands"]]
    names = dict.fromkeys(one["name"] for one in every)
    cpu = [moment["cpu_s"] for moment in done]
    return {
        "without_any_island": sum(not moment["islands"] for moment in done),
        "all_islands": _figures(every, hours),
        "by_island": {name: _figures([one for one in every if one["name"] == name], hours) for name in names},
        "dark_cells": max((moment["dark"] for moment in done), default=0),
        "dark_critical_kwh_mean": float(np.mean([moment["dark_critical_kwh"] for moment in done])),
        "cpu_s_mean": float(np.mean(cpu)), "cpu_s_max": float(np.max(cpu)),
    }  # fmt: skip


def _figures(islands: list[dict[str, Any]], hours: float) -> dict[str, Any]:
    """Over some islands. Interrupted: a unit or load tripped, or critical load was cut, while a source was on."""
    if not islands:
        return {"formed": 0}
    held = np.array([one["held_h"] for one in islands])
    promised = np.array([min(one["promised_h"], hours) for one in islands])
    closings = [one["closing"] for one in islands if one["closing"] is not None]
    outside = sum(any(abs(v) > most for v, most in zip(one, WINDOW, strict=False)) for one in closings)
    tripped = np.array([bool(one["trips"]) for one in islands])
    return {
        "formed": len(islands),
        "held_as_promised_share": float(np.mean(held >= promised)),
        "held_all_hours_share": float(np.mean(held >= hours)),
        "shortest_promised_h": float(promised.min()), "shortest_held_h": float(held.min()),
        "nadir_hz": min(one["nadir_hz"] for one in islands), "peak_hz": max(one["peak_hz"] for one in islands),
        "trips": sum(len(one["trips"]) for one in islands), "interrupted": int(np.sum(tripped | (held < hours))),
        "v_pu": [min(one["v_pu"][0] for one in islands), max(one["v_pu"][1] for one in islands)],
        "loading": max(one["loading"] for one in islands),
        "unserved_kwh": sum(one["unserved_kwh"] for one in islands),
        "critical_kwh": sum(one["critical_kwh"] for one in islands),
        "closed": len(closings), "closed_outside": outside,
        "largest_angle_deg": max((abs(one[0]) for one in closings), default=None),
    }  # fmt: skip

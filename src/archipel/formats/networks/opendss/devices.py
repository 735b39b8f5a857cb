"""Loads, plants and shunts of a solved model as device rows, each at the power it had in the engine's snapshot."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from archipel.formats.device_rows import BatteryRows, DeviceRows, GeneratorRows, LoadRows, PvRows
from archipel.formats.networks.opendss.model import Model
from archipel.formats.networks.opendss.reduce import Reduced
from archipel.formats.networks.opendss.sequence import NEUTRAL_PU
from archipel.formats.networks.opendss.shapes import Shapes
from archipel.formats.source_columns import Notes
from archipel.grid.topology import live
from archipel.model import Floats, Shunts

SERIES = ("line", "transformer", "autotrans", "reactor")
CONTROLS = {
    "regcontrol": "regulators stand still at their solved tap",
    "capcontrol": "capacitors stand as the engine switched them",
    "swtcontrol": "switches stand as the file has them",
    "fuse": "protection is not part of a power flow",
    "relay": "protection is not part of a power flow",
    "recloser": "protection is not part of a power flow",
    "invcontrol": "inverters are ours: give them a volt-var curve in pv.csv",
    "expcontrol": "inverters are ours: give them a volt-var curve in pv.csv",
    "storagecontroller": "storage is scheduled by its cell",
    "gendispatcher": "generators are scheduled by their cell",
    "espvlcontrol": "plants are scheduled by their cell",
    "upfccontrol": "no such device here",
    "monitor": "a record of results",
    "energymeter": "a record of results",
    "sensor": "a record of results",
    "fault": "faults are not part of a network model",
}
PROCESSED = {"load", "pvsystem", "generator", "storage", "capacitor", "vsource", *SERIES, *CONTROLS}
EXACT = 0.01
"""A solved power within this share of the nominal one is constant power."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """The devices, and what of the engine became which of them."""

    rows: DeviceRows
    shunts: Shunts
    element: dict[str, str]
    """Engine name by device id."""
    p_kw: Floats
    q_kvar: Floats
    """Power drawn at every node in the engine's snapshot, by all that is no branch, no shunt and no source."""
    kept: Counter[str]
    """Devices kept, by the engine's class."""


def place(model: Model, reduced: Reduced, shapes: Shapes, notes: Notes) -> Placed:
    """The device rows of a model."""
    return _Placing(model, reduced, shapes, notes).all()


@final
class _Placing:
    def __init__(self, model: Model, reduced: Reduced, shapes: Shapes, notes: Notes) -> None:
        self.model, self.shapes, self.notes = model, shapes, notes
        self.live = live(reduced.grid)
        self.shunts = reduced.branches.shunts
        self.element: dict[str, str] = {}
        self.kept: Counter[str] = Counter()
        self.p_kw, self.q_kvar = np.zeros(len(model.bus)), np.zeros(len(model.bus))
        self.dead: list[str] = []

    def all(self) -> Placed:
        loads = self._loads()
        loads += self._others()
        load = LoadRows(
            tuple(row[0] for row in loads),
            np.array([row[1] for row in loads], dtype=np.int64),
            np.array([row[2] for row in loads], dtype=np.float64),
            np.array([row[3] for row in loads], dtype=np.float64),
            tuple(row[4] for row in loads),
        )
        rows = DeviceRows(load=load, pv=self._pv(), generator=self._generators(), battery=self._batteries())
        shunts = self._shunts()
        self.notes.drop("device", len(self.dead), "its node is not connected to the source", self.dead)
        return Placed(rows, shunts, self.element, self.p_kw, self.q_kvar, self.kept)

    def _at(self, name: str, prefix: str) -> tuple[str, int] | None:
        """Id and node of an element; None where its node is dead."""
        row = self.model.row[self.model.of(name)["bus"][0]]
        if not self.live[row]:
            self.dead.append(name)
            return None
        kind, _, rest = name.partition(".")
        plain = {"load": "load", "pvsystem": "pv", "generator": "generator", "storage": "battery"}.get(kind) == prefix
        device = f"{prefix}/{rest if plain else f'{kind}_{rest}'}"
        while device in self.element:
            device += "~2"
        self.element[device] = name
        self.kept[kind] += 1
        return device, row

    def _feeds(self, name: str) -> tuple[float, float]:
        """Solved power of an element, entered at its node."""
        element = self.model.of(name)
        p, q = element["p_kw"], element["q_kvar"]
        row = self.model.row[element["bus"][0]]
        self.p_kw[row] += p
        self.q_kvar[row] += q
        return p, q

    def _loads(self) -> list[tuple[str, int, float, float, str]]:
        table, found = self.model.tables["loads"], []
        moved: Counter[tuple[str, str]] = Counter()
        negative, short = [], []
        for i, name in enumerate(table["name"]):
            if name not in self.model.element or not self.model.of(name)["enabled"]:
                continue
            place = self._at(name, "load")
            if place is None:
                continue
            solved_p, solved_q = self._feeds(name)
            p, q = float(table["kw"][i]), float(table["kvar"][i])
            yearly, daily = table["yearly"][i], table["daily"][i]
            profile = self.shapes.of(yearly, daily)
            if abs(complex(solved_p - p, solved_q - q)) > EXACT * abs(complex(p, q)):
                kind = _MODELS.get(int(table["model"][i]), f"model {int(table['model'][i])}")
                moved[kind, "nominal power times its shape" if profile else "that of the engine's snapshot"] += 1
                p, q = (p, q) if profile else (solved_p, solved_q)
            if self.shapes.too_short(yearly, daily):
                short.append(name)
            if profile in self.shapes.peak:
                ratio = q / p if p else 0.0
                p = self.shapes.peak[profile]
                q = p * ratio
            if p < 0.0:
                negative.append(name)
                self.element.pop(place[0])
                self.kept["load"] -= 1
                continue
            found.append((*place, p, q, profile))
        for (kind, power), count in moved.items():
            self.notes.approximate(count, f"loads ({kind}): constant power, {power}")
        self.notes.drop(
            "load", len(negative), "negative loads are generation without a kind; name them in pv.csv", negative
        )
        self.notes.approximate(len(short), "loads whose load shape covers less than a day: constant power", short)
        return found

    def _shunts(self) -> Shunts:
        """Capacitors and reactors to earth: admittances by what they draw in the snapshot, at their own voltage."""
        found: list[tuple[str, str, int, float, float]] = []
        series = []
        for name in self.model.of_class("capacitor") + [n for n in self.shunts if self.model.of(n)["enabled"]]:
            element = self.model.of(name)
            bus = element["bus"][0]
            if len(element["bus"]) > 1 and element["bus"][1] != bus and any(element["nodes"][1]):
                series.append(name)
                continue
            row = self.model.row[bus]
            v = np.abs(self.model.v_pu(bus, tuple(n for n in element["nodes"][0] if n)))
            if not self.live[row]:
                self.dead.append(name)
                continue
            square = float(np.mean(v[v > NEUTRAL_PU] ** 2)) if np.any(v > NEUTRAL_PU) else 0.0
            if square == 0.0:
                continue  # earths a neutral
            kind, _, rest = name.partition(".")
            self.kept[kind] += 1
            p, q = element["p_kw"] / square, element["q_kvar"] / square
            found.append((f"shunt/{kind}_{rest}", name, row, max(p, 0.0), q))
        self.notes.drop("capacitor", len(series), "series capacitors have no counterpart", series)
        return Shunts(
            tuple(row[0] for row in found),
            tuple(row[1] for row in found),
            np.array([row[2] for row in found], dtype=np.int64),
            np.array([row[3] for row in found], dtype=np.float64),
            np.array([row[4] for row in found], dtype=np.float64),
        )

    def _others(self) -> list[tuple[str, int, float, float, str]]:
        """Further sources and whatever else draws power: constant power as solved."""
        found, named = [], []
        elements = self.model.tables["elements"]
        for i, name in enumerate(elements["name"]):
            kind = name.split(".", 1)[0]
            second = kind == "vsource" and name != self.model.of_class("vsource")[0]
            if not elements["enabled"][i] or (kind in PROCESSED and not second):
                continue
            p, q = float(elements["p_kw"][i]), float(elements["q_kvar"][i])
            if p < 0.0 or (place := self._at(name, "load")) is None:
                named.append(name)
                continue
            self._feeds(name)
            found.append((*place, p, q, ""))
        self.notes.approximate(len(found), "elements without a counterpart: constant power, as solved",
                               [self.element[row[0]] for row in found])  # fmt: skip
        self.notes.drop("element", len(named), "no counterpart, and it gives power or its node is dead", named)
        return found

    def _pv(self) -> PvRows:
        table, rows, profile = self.model.tables["pv"], [], []
        dark = []
        for i, name in enumerate(table["name"]):
            place = self._at(name, "pv")
            if place is None:
                continue
            self._feeds(name)
            shape = self.shapes.of(table["yearly"][i], table["daily"][i])
            if not shape:
                dark.append(name)
                shape = self.shapes.sun()
            profile.append(shape)
            peak = float(table["pmpp"][i])
            rows.append((*place, peak, max(float(table["kva"][i]), 0.0)))
        self.notes.approximate(
            len(dark), "PV systems without a shape of a day: a clear day, half a sine from 6 to 18 h", dark
        )
        return PvRows(
            tuple(row[0] for row in rows),
            np.array([row[1] for row in rows], dtype=np.int64),
            np.array([row[2] for row in rows], dtype=np.float64),
            np.array([row[3] for row in rows], dtype=np.float64),
            tuple(profile),
            np.zeros(len(rows), dtype=np.bool_),
        )

    def _generators(self) -> GeneratorRows:
        table, rows, profile = self.model.tables["generator"], [], []
        for i, name in enumerate(table["name"]):
            place = self._at(name, "generator")
            if place is None:
                continue
            self._feeds(name)
            shape = self.shapes.of(table["yearly"][i], table["daily"][i])
            profile.append("" if shape in self.shapes.peak else shape)
            kw = max(float(table["kw"][i]), 0.0)
            rows.append((*place, kw, max(_or(table["kva"][i], kw), kw)))
        names = [self.element[row[0]] for row in rows]
        self.notes.approximate(
            len(rows), "generators: the file does not say what drives them; entered as biomass", names
        )
        return GeneratorRows(
            tuple(row[0] for row in rows),
            np.array([row[1] for row in rows], dtype=np.int64),
            np.array([row[2] for row in rows], dtype=np.float64),
            np.array([row[3] for row in rows], dtype=np.float64),
            tuple(profile),
            ("biomass",) * len(rows),
        )

    def _batteries(self) -> BatteryRows:
        table, rows = self.model.tables["storage"], []
        for i, name in enumerate(table["name"]):
            place = self._at(name, "battery")
            if place is None:
                continue
            self._feeds(name)
            rated = float(table["kwrated"][i])
            rows.append(
                (
                    *place,
                    float(table["kwhrated"][i]),
                    rated * _or(table["%charge"][i], 100.0) / 100.0,
                    rated * _or(table["%discharge"][i], 100.0) / 100.0,
                    _or(table["%effcharge"][i], 90.0) / 100.0,
                    _or(table["%effdischarge"][i], 90.0) / 100.0,
                    _or(table["%stored"][i], 50.0) / 100.0,
                )
            )

        def column(k: int) -> Floats:
            return np.array([row[k] for row in rows], dtype=np.float64)

        return BatteryRows(
            tuple(row[0] for row in rows),
            np.array([row[1] for row in rows], dtype=np.int64),
            column(2),
            column(3),
            column(4),
            column(5),
            column(6),
            column(7),
            np.zeros(len(rows)),
        )


_MODELS = {
    1: "model 1 beyond its voltage limits",
    2: "model 2, constant impedance",
    3: "model 3, constant P and quadratic Q",
    4: "model 4, exponents for conservation voltage reduction",
    5: "model 5, constant current",
    6: "model 6, constant P and fixed Q",
    7: "model 7, constant P and fixed impedance Q",
    8: "model 8, ZIP",
}


def _or(value: Any, default: float) -> float:
    number = float(value)
    return number if np.isfinite(number) else default

"""The matrices of a MATPOWER case, checked: what any use of them may rely on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from archipel.formats.findings import MOST, did_you_mean
from archipel.formats.networks.matpower_lexer import CUT_OFF
from archipel.model import Floats, ImportRefused, Ints

BUS_I, BUS_TYPE, PD, QD, GS, BS, VM, VA, BASE_KV, VMAX, VMIN = 0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12
F_BUS, T_BUS, BR_R, BR_X, BR_B, RATE_A, TAP, SHIFT, BR_STATUS = 0, 1, 2, 3, 4, 5, 8, 9, 10
GEN_BUS, PG, QG, VG, MBASE, GEN_STATUS, PMAX = 0, 1, 2, 5, 6, 7, 8
"""Columns, counted from nought (MATPOWER User's Manual, appendix B)."""
PQ, PV, REF, ISOLATED = 1, 2, 3, 4
COLUMNS = {"bus": 13, "branch": 11, "gen": 10}
"""Fewest columns of the matrices that make a network."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A case that can be used."""

    source: str
    base_mva: float
    bus: Floats
    branch: Floats
    gen: Floats
    names: tuple[str, ...]
    """Name of every bus; empty where the file has none."""
    other: tuple[str, ...]
    """Fields of the case that make no part of the network, as `name (rows)`."""

    @property
    def number(self) -> Ints:
        """The file's own number of every bus."""
        return self.bus[:, BUS_I].astype(np.int64)


def checked(fields: dict[str, Any], source: str) -> Case:
    """The case of a file's fields. Raises ImportRefused with everything that is wrong with its numbers."""
    for name in ("baseMVA", "bus", "branch", "gen"):
        if name not in fields:
            known = did_you_mean(name, [one for one in fields if one not in {"version"}])
            cut = f" {CUT_OFF}" if "bus" in fields else ""
            raise ImportRefused(f"{source}: found no {name}; expected mpc.{name} of a MATPOWER case. {known}{cut}")
    base = fields["baseMVA"]
    if not isinstance(base, np.ndarray) or base.size != 1 or not 0.0 < float(base.item()) < 1e9:
        raise ImportRefused(f"{source}: mpc.baseMVA: found {base}; expected one positive number of MVA. Correct it.")
    for name, fewest in COLUMNS.items():
        table = fields[name]
        rows, columns = table.shape if isinstance(table, np.ndarray) else (-1, 0)
        if rows < 0 or (rows and columns < fewest) or (name == "bus" and not rows):
            raise ImportRefused(
                f"{source}: mpc.{name}: found {f'rows of {columns} numbers' if rows > 0 else 'no rows'}; "
                f"expected a matrix of at least {fewest} columns (case format 2). Complete it."
            )
    bus, branch, gen = (np.asarray(fields[name], dtype=np.float64) for name in ("bus", "branch", "gen"))
    branch, gen = (table if table.size else np.zeros((0, fewest)) for table, fewest in ((branch, 11), (gen, 10)))
    problems = [*_numbers(bus, branch, gen), *_references(bus, branch, gen)]
    if problems:
        more = [f"{len(problems) - MOST:,} more"] if len(problems) > MOST else []
        raise ImportRefused("\n".join(f"{source}: {one}" for one in [*problems[:MOST], *more]))
    cell = fields.get("bus_name", ())
    names = tuple(str(one).strip() for one in cell) if isinstance(cell, list) and len(cell) == len(bus) else ()
    other = tuple(
        f"{name} ({len(value)})" if isinstance(value, np.ndarray) else name
        for name, value in fields.items()
        if name not in {"baseMVA", "bus", "branch", "gen", "version", "bus_name", "gencost"}
        and isinstance(value, np.ndarray | dict | list)
        and (not isinstance(value, np.ndarray) or (len(value.shape) == 2 and value.shape[0] > 0 and value.shape[1] > 1))
    )
    return Case(source, float(base.item()), bus, branch, gen, names or ("",) * len(bus), other)


def _numbers(bus: Floats, branch: Floats, gen: Floats) -> Iterable[str]:
    """Values that no power flow can use, row by row."""
    used = (
        ("bus", bus, [BUS_I, BUS_TYPE, PD, QD, GS, BS, VM, VA, BASE_KV]),
        ("branch", branch, [F_BUS, T_BUS, BR_R, BR_X, BR_B, TAP, SHIFT, BR_STATUS]),
        ("gen", gen, [GEN_BUS, PG, QG, VG, GEN_STATUS]),
    )
    for name, table, columns in used:
        for row, column in np.argwhere(~np.isfinite(table[:, columns]) | (np.abs(table[:, columns]) >= 1e12)):
            value = table[row, columns[column]]
            yield (
                f"mpc.{name}: row {row + 1}, column {columns[column] + 1}: found {value}; "
                "expected a number smaller than 1e12. Correct it."
            )
    for row in np.flatnonzero(~(bus[:, BASE_KV] > 0.0)):
        yield (
            f"mpc.bus: row {row + 1}, column 10: found baseKV = {bus[row, BASE_KV]:g}; expected the nominal voltage "
            "in kV. Fill it in."
        )
    on = branch[:, BR_STATUS] != 0
    for row in np.flatnonzero(on & (np.hypot(branch[:, BR_R], branch[:, BR_X]) == 0.0)):
        yield (
            f"mpc.branch: row {row + 1}: found r = 0 and x = 0; expected an impedance. "
            "Give both ends one bus number, or a small reactance."
        )
    for row in np.flatnonzero(branch[:, BR_R] < 0.0):
        yield f"mpc.branch: row {row + 1}: found r = {branch[row, BR_R]:g}; expected at least 0. Correct it."
    for row in np.flatnonzero(branch[:, TAP] < 0.0):
        yield f"mpc.branch: row {row + 1}: found ratio = {branch[row, TAP]:g}; expected at least 0. Correct it."


def _references(bus: Floats, branch: Floats, gen: Floats) -> Iterable[str]:
    """Numbers that name no bus, or two."""
    number = bus[:, BUS_I]
    for row in np.flatnonzero((number != np.floor(number)) | (number < 0)):
        yield f"mpc.bus: row {row + 1}: found the number {number[row]:g}; expected a whole number. Correct it."
    seen: set[float] = set()
    for line, one in enumerate(number, 1):
        if one in seen:
            yield f"mpc.bus: row {line}: found the number {one:g} twice; expected every bus once. Renumber it."
        seen.add(float(one))
    for row in np.flatnonzero(~np.isin(bus[:, BUS_TYPE], [PQ, PV, REF, ISOLATED])):
        yield f"mpc.bus: row {row + 1}: found type {bus[row, BUS_TYPE]:g}; expected 1, 2, 3 or 4. Correct it."
    if not (bus[:, BUS_TYPE] == REF).any():
        yield (
            "mpc.bus: found no reference bus; expected one of type 3, where the network is fed. "
            "Set column 2 of that bus to 3."
        )
    for name, table, columns in (("branch", branch, (F_BUS, T_BUS)), ("gen", gen, (GEN_BUS,))):
        for column in columns:
            for row in np.flatnonzero(~np.isin(table[:, column], number)):
                near = did_you_mean(f"{table[row, column]:g}", (f"{n:g}" for n in number))
                yield (
                    f"mpc.{name}: row {row + 1}, column {column + 1}: found bus {table[row, column]:g}; "
                    f"expected a number of mpc.bus. {near}"
                )
    for row in np.flatnonzero(branch[:, F_BUS] == branch[:, T_BUS]):
        yield f"mpc.branch: row {row + 1}: found both ends at one bus; expected two different ones. Correct one end."

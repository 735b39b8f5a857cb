"""The reader: a master in, a reduced network out, with the three-phase source beside it unless told otherwise."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np

from archipel.formats.networks.base import Imported, ReadOptions, path_of
from archipel.formats.networks.opendss.account import account
from archipel.formats.networks.opendss.child import OpenDssChild
from archipel.formats.networks.opendss.closure import Closure, root_of
from archipel.formats.networks.opendss.devices import Placed, place
from archipel.formats.networks.opendss.model import Model
from archipel.formats.networks.opendss.reduce import Reduced, reduce_model
from archipel.formats.networks.opendss.shapes import profiles_of, read_shapes
from archipel.formats.source_columns import Notes
from archipel.model import ImportRefused

FOLDER = "opendss"
DEVICES, NODES, BRANCHES = (f"{FOLDER}/{name}.csv" for name in ("devices", "nodes", "branches"))


@final
@dataclass(frozen=True, slots=True)
class OpenDssReader:
    """OpenDSS masters: `.dss`."""

    name: str = "opendss"
    engine: str = "OpenDSS"
    files: str = "*.dss"
    extra: str = "opendss"

    def reads(self, source: str) -> bool:
        """Whatever is called `.dss`."""
        return source.lower().endswith(".dss")

    def read(self, source: str, options: ReadOptions) -> Imported:
        """The network the engine makes of it, reduced to positive sequence."""
        path = path_of(source)
        if not path.is_file():
            raise ImportRefused(f"{source}: found no such file; expected the master of an OpenDSS model (*.dss).")
        root = _root(path, options.root)
        with OpenDssChild(root, str(path.resolve().relative_to(root))) as child:
            closure = child.closure
            model = Model(child.ask("everything"), path.name)
        notes = Notes(path.name)
        reduced = reduce_model(model, notes)
        shapes = read_shapes(model.tables["shapes"])
        placed = place(model, reduced, shapes, notes)
        reduced = replace(reduced, grid=replace(reduced.grid, shunts=placed.shunts))
        rows = placed.rows
        profiles = profiles_of(
            shapes, rows.load.profile, [*rows.pv.profile, *rows.generator.profile], options.zone, notes
        )
        report = account(model, reduced, placed, closure.left_out, notes)
        none = ("",) * len(model.bus)
        files: Mapping[str, bytes] = {}
        tables: Mapping[str, Mapping[str, Any]] = {}
        if not options.reduce:
            files, tables = kept(model, reduced, placed, closure)
        return Imported(
            reduced.grid,
            rows,
            none,
            ("",) * len(reduced.grid.lines),
            report,
            customers=np.bincount(rows.load.node[rows.load.p_kw > 0.0], minlength=len(model.bus)),
            profiles=profiles,
            files=files,
            tables=tables,
        )

    def compare(self, source: str, imported: Imported) -> float | None:
        """Against the engine's positive-sequence voltages, measured while reading."""
        del source
        return imported.report.dv_pu_max


def _root(master: Path, named: Path | None) -> Path:
    """The folder nothing leaves: the one named, else the master's own or one above it."""
    if named is None:
        return root_of(master)
    if not named.is_dir() or not master.resolve().is_relative_to(named.resolve()):
        raise ImportRefused(f"--root {named}: found no folder above {master}; expected one that holds it.")
    return named.resolve()


def kept(
    model: Model, reduced: Reduced, placed: Placed, closure: Closure
) -> tuple[dict[str, bytes], dict[str, dict[str, Any]]]:
    """The three-phase source and what in it is which part of the scenario: files, and the table of the scenario."""
    files = {f"{FOLDER}/{name}": data for name, data in closure.files.items()}
    files[DEVICES] = _csv(("id", "element"), list(placed.element.items()))
    files[NODES] = _csv(
        ("node", "bus", "phases"),
        [(f"bus/{bus}", bus, _phases(nodes)) for bus, nodes in zip(model.bus, model.nodes, strict=True)],
    )
    branch = set(reduced.grid.branch_id)
    files[BRANCHES] = _csv(
        ("id", "element"), [(i, " ".join(names)) for i, names in reduced.elements.items() if i in branch]
    )
    table = {"folder": FOLDER, "master": closure.master, "devices": DEVICES, "nodes": NODES, "branches": BRANCHES}
    return files, {"network.three_phase": table}


def _phases(nodes: tuple[int, ...]) -> str:
    return ".".join(str(n) for n in nodes if n in {1, 2, 3}) or "1"


def _csv(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode()


__all__ = ["OpenDssReader", "kept"]

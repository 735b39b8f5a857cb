"""SimBench's CSV tables as the tables of a pandapower network.

A switch joins two nodes there, one of them often an auxiliary node that only a line or transformer hangs on: it is kept
as a switch between nodes, which is the same network. Units are those of the SimBench documentation (chapter "Grid
data"): MW, Mvar, MVA, kV, km, ohm/km, uS/km, A; `pCu` in kW; `chargeLevel` as a share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from archipel.formats.bounded import LARGEST_MB
from archipel.formats.findings import Findings, did_you_mean
from archipel.formats.loss_report import named
from archipel.formats.pandapower_json import Plain, Table, Tables
from archipel.formats.series import TIME
from archipel.formats.source_series import Series
from archipel.model import ImportRefused

NEEDED = {
    "Node": ("id", "vmR"),
    "Line": ("id", "nodeA", "nodeB", "type", "length"),
    "LineType": ("id", "r", "x", "b", "iMax"),
    "Transformer": ("id", "nodeHV", "nodeLV", "type"),
    "TransformerType": ("id", "sR", "vmHV", "vmLV", "vmImp", "pCu"),
    "Switch": ("id", "nodeA", "nodeB", "cond"),
    "ExternalNet": ("id", "node", "calc_type"),
    "Load": ("id", "node", "pLoad", "qLoad"),
    "RES": ("id", "node", "pRES"),
    "PowerPlant": ("id", "node", "pPP"),
    "Storage": ("id", "node", "eStore"),
    "Shunt": ("id", "node", "p0", "q0"),
    "Coordinates": ("id", "x", "y"),
    "DCLineType": ("id",),
}
"""Tables that are read, and the columns they must have."""
PROFILES = ("LoadProfile", "RESProfile", "PowerPlantProfile")
TYPES = ("LineType", "TransformerType", "Coordinates", "StudyCases", "DCLineType", "StorageProfile", *PROFILES)
"""Tables that hold no elements."""
Rows = dict[str, list[str]]


def is_folder(path: Path) -> bool:
    """Whether a folder holds the tables every SimBench network has."""
    return (path / "Node.csv").is_file() and (path / "ExternalNet.csv").is_file()


def read_folder(folder: Path) -> tuple[Tables, dict[str, int], list[str]]:
    """The tables, the number of rows by file, and notes. Raises ImportRefused with everything that is wrong."""
    findings = Findings()
    rows = {name: _read(folder, name, columns, findings) for name, columns in NEEDED.items()}
    if findings.problems:
        raise ImportRefused("\n".join(str(problem) for problem in findings.problems))
    counts = {name: len(one["id"]) for name, one in rows.items() if one["id"] and name not in TYPES}
    other = {path.stem: _lines(path) for path in sorted(folder.glob("*.csv")) if path.stem not in (*NEEDED, *TYPES)}
    node = {name: i for i, name in enumerate(rows["Node"]["id"])}
    made = _Maker(folder.name, rows, node, findings)
    tables = {
        "bus": made.nodes(),
        "line": made.lines(),
        "trafo": made.transformers(),
        "switch": made.switches(),
        "ext_grid": made.sources(),
        "load": made.elements("Load", "load", {"p_mw": "pLoad", "q_mvar": "qLoad", "sn_mva": "sR"}),
        "sgen": made.elements("RES", "sgen", {"p_mw": "pRES", "q_mvar": "qRES", "sn_mva": "sR"}),
        "gen": made.elements("PowerPlant", "gen", {"p_mw": "pPP", "sn_mva": "sR"}),
        "storage": made.storages(),
        "shunt": made.elements("Shunt", "shunt", {"p_mw": "p0", "q_mvar": "q0", "vn_kv": "vmR", "step": "step"}),
    }
    if findings.problems:
        raise ImportRefused("\n".join(str(problem) for problem in findings.problems))
    notes = [f"{count:,} rows of {name}.csv: not read" for name, count in other.items() if count]
    notes += made.notes
    counts |= {name: count for name, count in other.items() if count}
    return Tables(folder.name, 50.0, {n: t for n, t in tables.items() if len(t)}), counts, notes


def series_tables(folder: Path) -> list[Series]:
    """The profile tables of the folder."""
    found: list[Series] = []
    for name in PROFILES:
        path = folder / f"{name}.csv"
        if path.is_file():
            with path.open("rb") as stream:
                columns = stream.readline(2**20).decode("utf-8", "replace").strip().split(";")
            found.append((path.name, columns, partial(_profiles, path)))
    return found


def _profiles(path: Path, columns: Sequence[str]) -> pa.Table:
    try:
        table = pv.read_csv(
            path,
            parse_options=pv.ParseOptions(delimiter=";"),
            convert_options=pv.ConvertOptions(
                include_columns=list(columns),
                column_types={name: pa.string() if name == TIME else pa.float64() for name in columns},
            ),
        )
        stamps = pc.strptime(table[TIME], format="%d.%m.%Y %H:%M", unit="s")
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise ImportRefused(f"{path.name}: found {str(error).splitlines()[0]}; expected numbers and a column time of "
                            "stamps such as 31.12.2016 23:45. Correct it.") from error  # fmt: skip
    return table.set_column(table.column_names.index(TIME), TIME, stamps)


def _lines(path: Path) -> int:
    with path.open("rb") as stream:
        return max(0, sum(1 for _ in stream) - 1)


def _read(folder: Path, name: str, columns: Sequence[str], findings: Findings) -> Rows:
    """A table as columns of text, NULL as nothing; empty where there is no such file."""
    path, file = folder / f"{name}.csv", f"{name}.csv"
    none: Rows = {column: [] for column in columns}
    if not path.is_file():
        if name in {"Node", "ExternalNet"}:
            findings.add(file, name, "", "no such file", "the table", "Export the whole SimBench folder.")
        return none
    if not path.resolve().is_relative_to(folder.resolve()):
        findings.add(file, name, "", "a link out of the folder", "a file in it", "Copy the file into the folder.")
        return none
    if path.stat().st_size > LARGEST_MB * 2**20:
        findings.add(file, name, "", "a file too large", f"at most {LARGEST_MB} MB", "Look whether it is what it says.")
        return none
    try:
        content = path.read_bytes()
        if not content.strip():
            findings.add(file, name, "", "an empty file", "a header and rows", "Export the table again.")
            return none
        content.decode("utf-8")
        header = content.split(b"\n", 1)[0].decode("utf-8").strip().split(";")
        table = pv.read_csv(
            pa.BufferReader(content),
            parse_options=pv.ParseOptions(delimiter=";"),
            convert_options=pv.ConvertOptions(
                column_types={column: pa.string() for column in header},
                strings_can_be_null=True,
                null_values=["NULL", ""],
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError) as error:
        findings.add(file, name, "", f"unreadable text ({str(error).splitlines()[0]})",
                     "CSV in UTF-8 with semicolons and one header line", "Export the table again.")  # fmt: skip
        return none
    for column in columns:
        if column not in table.column_names:
            findings.add(file, name, column, "no such column", "a column of that name",
                         did_you_mean(column, table.column_names))  # fmt: skip
            return none
    found: Rows = {column: ["" if v is None else v for v in table[column].to_pylist()] for column in table.column_names}
    twice = (
        {one for one in found["id"] if found["id"].count(one) > 1} if len(set(found["id"])) < len(found["id"]) else ()
    )
    findings.add_each(file, name, [(one, "the id twice") for one in twice], "every id once", "Rename one of the rows.")
    return found


class _Maker:
    """Turns rows of text into tables; findings for numbers and references that are none."""

    def __init__(self, source: str, rows: dict[str, Rows], node: dict[str, int], findings: Findings) -> None:
        self.source, self.rows, self.node, self.findings = source, rows, node, findings
        self.notes: list[str] = []
        """What was left out on the way."""

    def text(self, name: str, column: str) -> list[str]:
        rows = self.rows[name]
        return rows.get(column, [""] * len(rows["id"]))

    def number(self, name: str, column: str, needed: bool = False) -> list[float | None]:
        found: list[float | None] = []
        wrong: list[tuple[str, str]] = []
        for one, text in zip(self.rows[name]["id"], self.text(name, column), strict=True):
            try:
                value = float(text) if text else None
            except ValueError:
                value = math.nan
            if (value is None and needed) or (value is not None and not math.isfinite(value)):
                wrong.append((one, f"{column} = {text or 'nothing'}"))
                value = None
            found.append(value)
        self.findings.add_each(f"{name}.csv", name, wrong, "a finite number", f"Correct {column}.")
        return found

    def node_of(self, name: str, column: str) -> list[int]:
        return self.row_of(name, column, self.node, "the id of a node")

    def row_of(self, name: str, column: str, known: dict[str, int], expected: str) -> list[int]:
        found = [known.get(text, -1) for text in self.text(name, column)]
        wrong = [
            (one, f"{column} = {text!r}", text)
            for one, text, row in zip(self.rows[name]["id"], self.text(name, column), found, strict=True)
            if row < 0
        ]
        for one, what, text in wrong[:20]:
            self.findings.add(f"{name}.csv", name, one, what, expected, did_you_mean(text, known))
        return found

    def table(
        self, name: str, called: str, columns: dict[str, Sequence[Plain]], keep: Sequence[int] | None = None
    ) -> Table:
        ids = self.rows[name]["id"]
        kept = range(len(ids)) if keep is None else keep
        columns = {"name": ids, **columns, "subnet": self.text(name, "subnet")}
        return Table(called, tuple(kept), {key: tuple(values[i] for i in kept) for key, values in columns.items()})

    def nodes(self) -> Table:
        places = {
            one: f'{{"coordinates": [{x}, {y}]}}'
            for one, x, y in zip(*(self.text("Coordinates", c) for c in ("id", "x", "y")), strict=True)
        }
        return self.table(
            "Node",
            "bus",
            {
                "vn_kv": self.number("Node", "vmR", needed=True),
                "min_vm_pu": self.number("Node", "vmMin"),
                "max_vm_pu": self.number("Node", "vmMax"),
                "geo": [places.get(one, "") for one in self.text("Node", "coordID")],
            },
        )

    def lines(self) -> Table:
        rows = self.rows["Line"]
        alternating = [i for i, one in enumerate(rows.get("type", [])) if one not in self.rows["DCLineType"]["id"]]
        direct = [one for i, one in enumerate(rows["id"]) if i not in set(alternating)]
        if direct:
            self.notes.append(f"{len(direct):,} x Line: direct current, not modelled{named(direct)}")
            self.rows["Line"] = {column: [cells[i] for i in alternating] for column, cells in rows.items()}
        kind = {one: i for i, one in enumerate(self.rows["LineType"]["id"])}
        at = self.row_of("Line", "type", kind, "the id of a row of LineType.csv")
        if -1 in at:
            return Table("line", (), {})

        def of_type(column: str, factor: float) -> list[Plain]:
            values = self.number("LineType", column, needed=True)
            return [None if values[i] is None else float(values[i] or 0.0) * factor for i in at]

        return self.table(
            "Line",
            "line",
            {
                "from_bus": self.node_of("Line", "nodeA"),
                "to_bus": self.node_of("Line", "nodeB"),
                "length_km": self.positive("Line", "length"),
                "r_ohm_per_km": of_type("r", 1.0),
                "x_ohm_per_km": of_type("x", 1.0),
                "c_nf_per_km": of_type("b", 1e3 / (2.0 * np.pi * 50.0)),
                "max_i_ka": of_type("iMax", 1e-3),
                "max_loading_percent": self.number("Line", "loadingMax"),
            },
        )

    def positive(self, name: str, column: str) -> list[float | None]:
        values = self.number(name, column, needed=True)
        wrong = [(one, f"{column} = {v:g}") for one, v in zip(self.rows[name]["id"], values, strict=True)
                 if v is not None and v <= 0.0]  # fmt: skip
        self.findings.add_each(f"{name}.csv", name, wrong, "a positive number", f"Correct {column}.")
        return values

    def transformers(self) -> Table:
        kind = {one: i for i, one in enumerate(self.rows["TransformerType"]["id"])}
        at = self.row_of("Transformer", "type", kind, "the id of a row of TransformerType.csv")
        if -1 in at:
            return Table("trafo", (), {})
        names = {"sn_mva": "sR", "vn_hv_kv": "vmHV", "vn_lv_kv": "vmLV", "vk_percent": "vmImp", "pfe_kw": "pFe",
                 "i0_percent": "iNoLoad", "shift_degree": "va0", "tap_step_percent": "dVm", "tap_neutral": "tapNeutr",
                 "tap_step_degree": "dVa", "pCu": "pCu"}  # fmt: skip
        typed = {key: [self.number("TransformerType", column)[i] for i in at] for key, column in names.items()}
        copper, rated = typed.pop("pCu"), typed["sn_mva"]
        loss: list[Plain] = [
            None if p is None or not s else p / (s * 1e3) * 100.0 for p, s in zip(copper, rated, strict=True)
        ]
        side = [self.text("TransformerType", "tapside")[i].lower() for i in at]
        return self.table(
            "Transformer",
            "trafo",
            {
                "hv_bus": self.node_of("Transformer", "nodeHV"),
                "lv_bus": self.node_of("Transformer", "nodeLV"),
                **typed,
                "vkr_percent": loss,
                "tap_side": side,
                "tap_pos": self.number("Transformer", "tappos"),
                "max_loading_percent": self.number("Transformer", "loadingMax"),
            },
        )

    def switches(self) -> Table:
        return self.table(
            "Switch",
            "switch",
            {
                "bus": self.node_of("Switch", "nodeA"),
                "element": self.node_of("Switch", "nodeB"),
                "et": ["b"] * len(self.rows["Switch"]["id"]),
                "closed": [value == 1.0 for value in self.number("Switch", "cond", needed=True)],
            },
        )

    def sources(self) -> Table:
        """External networks of calculation type vavm; others are left out, and told."""
        kind, node = self.text("ExternalNet", "calc_type"), self.node_of("ExternalNet", "node")
        held, angle = self.number("Node", "vmSetp"), self.number("Node", "vaSetp")
        keep = [i for i, one in enumerate(kind) if one == "vavm"]
        other = [self.rows["ExternalNet"]["id"][i] for i in range(len(kind)) if i not in keep]
        if other:
            self.notes.append(
                f"{len(other):,} x ExternalNet: of another calc_type than vavm, not modelled{named(other)}"
            )
        return self.table(
            "ExternalNet",
            "ext_grid",
            {"bus": node, "vm_pu": [held[i] if i >= 0 else None for i in node],
             "va_degree": [angle[i] if i >= 0 else None for i in node]},
            keep,
        )  # fmt: skip

    def elements(self, name: str, called: str, columns: dict[str, str]) -> Table:
        values: dict[str, Sequence[Plain]] = {key: self.number(name, column) for key, column in columns.items()}
        text = {key: self.text(name, key) for key in ("profile", "type")}
        return self.table(name, called, {"bus": self.node_of(name, "node"), **values, **text})

    def storages(self) -> Table:
        columns = {"p_mw": "pStor", "q_mvar": "qStor", "sn_mva": "sR", "max_e_mwh": "eStore",
                   "efficiency_percent": "etaStore", "self-discharge_percent_per_day": "sdStore", "min_p_mw": "pMin",
                   "max_p_mw": "pMax"}  # fmt: skip
        table = self.elements("Storage", "storage", columns)
        level = self.number("Storage", "chargeLevel")
        soc = tuple(None if value is None else 100.0 * value for value in level)
        return Table("storage", table.index, {**table.column, "soc_percent": soc})

"""The table [network.three_phase] of a scenario: a three-phase circuit kept beside the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from archipel.formats.findings import Findings, did_you_mean
from archipel.formats.tables import Column, Sheet, read_sheet
from archipel.model import Grid, Place, ThreePhase

TABLE = "[network.three_phase]"
DEVICES = (Column("id", "id"), Column("element", "text"))
NODES = (Column("node", "id"), Column("bus", "text"), Column("phases", "text"))
BRANCHES = (Column("id", "id"), Column("element", "text"))
FILES_MAX, BYTES_MAX = 2_000, 256 << 20
OWN_CLASSES = {"line": "Line", "trafo": "Transformer", "transformer": "Transformer"}
"""Class of the element that a branch is, by the first part of its id, where no table of branches says it."""


def read_three_phase(
    folder: Path, keys: Mapping[str, Any], grid: Grid, devices: Iterable[str], toml: str, findings: Findings
) -> ThreePhase | None:
    """The circuit; None where the scenario has none, or findings leave none to speak of.

    Nothing of the circuit itself is read here: that is the engine's, in its own process.
    """
    if not any(keys.get(key) for key in ("folder", "master", "devices", "nodes", "branches")):
        return None
    mark = len(findings)
    inside = _folder(folder, keys["folder"], toml, findings)
    if inside is not None and keys["master"]:
        _master(inside, keys["master"], toml, findings)
    places, elements, branches = (
        read_sheet(folder, keys[name], f"three_phase.{name}", columns, findings) if keys[name] else None
        for name, columns in (("nodes", NODES), ("devices", DEVICES), ("branches", BRANCHES))
    )
    node = {} if places is None else _places(places, grid, findings)
    device = {} if elements is None else _named(elements, set(devices), "device", findings)
    branch = _branches(grid) if branches is None else _groups(branches, grid, findings)
    if findings.since(mark) or inside is None or places is None or elements is None or not keys["master"]:
        return None
    return ThreePhase(inside, keys["master"], device, node, branch)


def _folder(folder: Path, name: str | None, toml: str, findings: Findings) -> Path | None:
    if not name:
        return None
    expected = "a folder in the scenario's folder or below it"
    windows, posix = PureWindowsPath(name), PurePosixPath(name)
    path = folder / name
    try:
        outside = (
            windows.drive or windows.is_absolute() or posix.is_absolute() or ".." in windows.parts or "\0" in name
        ) or not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        outside = True
    if outside:
        findings.add(toml, TABLE, "folder", f"{name!r}, which leads outside", expected,
                     "Copy the circuit there and name its folder without '..' or '/'.")  # fmt: skip
        return None
    if not path.is_dir():
        near = [p.name for p in folder.iterdir() if p.is_dir()]
        findings.add(toml, TABLE, "folder", f"{name!r}, which is no folder", expected, did_you_mean(name, near))
        return None
    files = total = 0
    for file in path.rglob("*"):
        files, total = files + 1, total + (file.stat().st_size if file.is_file() else 0)
        if files > FILES_MAX or total > BYTES_MAX:
            findings.add(toml, TABLE, "folder", f"{name!r} with more than {FILES_MAX:,} files or {BYTES_MAX >> 20} MiB",
                         "the files of one circuit", "Take out what the circuit does not need.")  # fmt: skip
            return None
    return path


def _master(folder: Path, master: str, toml: str, findings: Findings) -> None:
    path = folder / master
    if "\0" in master or not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        near = {p.relative_to(folder).as_posix() for p in folder.rglob("*.dss")}
        findings.add(toml, TABLE, "master", repr(master), f"a file in {folder.name}/", did_you_mean(master, near))


def _places(sheet: Sheet, grid: Grid, findings: Findings) -> dict[str, Place]:
    """Place by node id; a finding for nodes that are not in the network, or have none."""
    known = set(grid.nodes.id)
    out: dict[str, Place] = {}
    for node, bus, phases in zip(sheet.id, sheet.text["bus"], sheet.text["phases"], strict=True):
        wires = phases.split(".")
        if node not in known:
            findings.add(sheet.file, sheet.name, node, "a node the network does not have", "ids of nodes",
                         did_you_mean(node, known))  # fmt: skip
        elif not _name(bus):
            findings.add(sheet.file, sheet.name, node, f"bus = {bus!r}", "the name of a bus, without blanks or quotes",
                         "Write it as the circuit does.")  # fmt: skip
        elif not set(wires) <= {"1", "2", "3"} or len(set(wires)) != len(wires):
            findings.add(
                sheet.file, sheet.name, node, f"phases = {phases!r}", "some of 1.2.3", "Write 1, 2.3 or 1.2.3."
            )
        else:
            out[node] = Place(bus, tuple(sorted(int(wire) for wire in wires)))
    missing = [node for node in grid.nodes.id if node not in set(sheet.id)]
    findings.add_each(sheet.file, sheet.name, [(node, "no row for the node") for node in missing],
                      "a row for every node of the network", "Say at which bus it is.")  # fmt: skip
    return out


def _named(sheet: Sheet, known: set[str], what: str, findings: Findings) -> dict[str, str]:
    wrong = [one for one in sheet.id if one not in known]
    findings.add_each(sheet.file, sheet.name, [(one, f"a {what} the scenario does not have") for one in wrong],
                      f"ids of {what}s", "Correct the id, or take the row out.")  # fmt: skip
    elements = sheet.text["element"]
    bad = [(one, f"element = {name!r}") for one, name in zip(sheet.id, elements, strict=True) if not _element(name)]
    findings.add_each(sheet.file, sheet.name, bad, "class and name of an element, such as Load.s1a", "Correct it.")
    return dict(zip(sheet.id, elements, strict=True))


def _groups(sheet: Sheet, grid: Grid, findings: Findings) -> dict[str, tuple[str, ...]]:
    """Elements by branch; several are written with blanks between them."""
    known = set(grid.branch_id)
    wrong = [one for one in sheet.id if one not in known]
    findings.add_each(sheet.file, sheet.name, [(one, "a branch the network does not have") for one in wrong],
                      "ids of lines and transformers", "Correct the id, or take the row out.")  # fmt: skip
    out = {one: tuple(names.split()) for one, names in zip(sheet.id, sheet.text["element"], strict=True)}
    bad = [(one, f"element = {' '.join(names)!r}") for one, names in out.items() if not all(map(_element, names))]
    findings.add_each(sheet.file, sheet.name, bad, "class and name of elements, such as Line.l115", "Correct it.")
    return out


def _branches(grid: Grid) -> dict[str, tuple[str, ...]]:
    """Where no table says it: `line/l115` is Line.l115."""
    out: dict[str, tuple[str, ...]] = {}
    for branch in grid.branch_id:
        kind, _, name = branch.partition("/")
        if kind in OWN_CLASSES and _name(name):
            out[branch] = (f"{OWN_CLASSES[kind]}.{name}",)
    return out


def _element(name: str) -> bool:
    kind, _, rest = name.partition(".")
    return kind.isalnum() and _name(rest)


def _name(name: str) -> bool:
    """Whether it can be a name in the circuit: it becomes part of a command to the engine."""
    return 0 < len(name) <= 200 and name.isprintable() and not set(name) & set(" \"'`()[]{}=,;!|\\")

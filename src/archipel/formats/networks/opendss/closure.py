"""The files an OpenDSS master needs, found by reading it, and their copies that are safe to run.

OpenDSS files are scripts. They are followed as text: what a script redirects to or reads values from is taken along
if it lies under one stated folder, and the copies given to the engine keep only the commands an import needs. A line
that is left out becomes a comment, so that line numbers in messages of the engine stay right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import final

from archipel.formats.networks.opendss.commands import COMMANDS, COORDINATES, KEPT, OPTIONS_OUT, SCRIPTS
from archipel.model import ImportRefused

FILES_MAX = 2000
BYTES_MAX = 256 * 1024 * 1024

SHUT = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}
_WORD = re.compile(r"[\s=,]+")
_FILE = re.compile(
    r"(?<![\w.])(?:file|csvfile|sngfile|dblfile|pqcsvfile|pmult_file)\s*=\s*"
    r"(?:\"(?P<a>[^\"]*)\"|'(?P<b>[^']*)'|\[(?P<c>[^\]]*)\]|\((?P<d>[^)]*)\)|\{(?P<e>[^}]*)\}|(?P<f>[^\s,)\]}]+))",
    re.IGNORECASE,
)
_CODE = re.compile(r"(?<![\w.])((?:[\w.]*\.)?(?:user\w*|\w*dll\w*|shaft(?:model|data)))\s*=\s*\S+", re.IGNORECASE)
_PROGRAMS = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


@final
@dataclass(frozen=True, slots=True, eq=False)
class Closure:
    """A master and all it needs, by their paths under one folder."""

    master: str
    files: Mapping[str, bytes]
    """As they are in the source."""
    copies: Mapping[str, bytes]
    """As the engine gets them: commands that are not needed are comments."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Commands not run, and how often they stood there."""


def root_of(master: Path) -> Path:
    """The folder an import may read: the master's own, or one above it where its files lead there."""
    home = master.resolve().parent
    seen = {master.resolve()}
    queue = list(seen)
    while queue:
        path = queue.pop()
        for _, name, script in _references(_read(path), path.name):
            found = _find(home if path == master.resolve() else path.parent, name)
            if found is None or found in seen:
                continue
            if not found.is_relative_to(home) and found.is_relative_to(home.parent):
                return home.parent
            seen.add(found)
            if script and found.is_relative_to(home):
                queue.append(found)
    return home


def closure_of(root: Path, master: str) -> Closure:
    """The files under `root` that the script `master` (its path there) needs.

    Raises ImportRefused, naming file and line of every problem.
    """
    root = root.resolve()
    start = (root / master).resolve()
    if not start.is_file() or not start.is_relative_to(root):
        raise ImportRefused(f"{root / master}: found no such file under {root}; expected an OpenDSS script there.")
    files: dict[str, bytes] = {}
    copies: dict[str, bytes] = {}
    left_out: dict[str, int] = {}
    problems: list[str] = []
    queue: list[tuple[Path, str, bool, Path, tuple[Path, ...]]] = [
        (start, str(PurePosixPath(start.relative_to(root))), True, start.parent, ())
    ]
    total = 0
    while queue:
        path, at, script, home, before = queue.pop()
        if at in files:
            continue
        if len(files) >= FILES_MAX:
            raise ImportRefused(f"{start}: it needs more than {FILES_MAX:,} files; expected the model of one feeder.")
        total += path.stat().st_size
        if total > BYTES_MAX:
            raise ImportRefused(f"{start}: its files are larger than {BYTES_MAX // 1024**2} MiB in all; expected less.")
        data = path.read_bytes()
        if data.startswith(_PROGRAMS):
            raise ImportRefused(f"{path}: found a program or library; expected OpenDSS scripts and numbers.")
        files[at] = copies[at] = data
        if not script:
            continue
        text = _text(data, path)
        copies[at] = _safe(text, path, left_out, problems).encode()
        for line, name, is_script in _references(text, path.name):
            found = _find(home, name) or _find(path.parent, name)
            place = f"{path}, line {line}"
            if found is None:
                if _absolute(name):
                    problems.append(
                        f"{place}: found the absolute path {name!r}; expected a path relative to this file."
                    )
                continue  # the engine says what it misses, if it comes to that line at all
            if not found.is_relative_to(root):
                problems.append(
                    f"{place}: found {name!r}, which lies outside {root}; expected files under that folder only. "
                    "If it belongs to the model, name a folder that holds both with --root."
                )
                continue
            wanted = _lexical(home if _find(home, name) else path.parent, name)
            if wanted is None or not wanted.is_relative_to(root):
                problems.append(f"{place}: found {name!r}, which leaves {root} on its way; expected a plain path.")
                continue
            if is_script and found in (*before, path):
                problems.append(
                    f"{place}: found {name!r}, which leads back here; expected scripts that come to an end."
                )
                continue
            below = found.parent if is_script else home
            queue.append((found, str(PurePosixPath(wanted.relative_to(root))), is_script, below, (*before, path)))
    if problems:
        raise ImportRefused("\n".join(problems))
    return Closure(str(PurePosixPath(start.relative_to(root))), files, copies, left_out)


def _lines(text: str) -> list[tuple[int, str]]:
    """Numbered lines that are commands: without comments and block comments."""
    found, inside = [], False
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if inside or bare.startswith("/*"):
            inside = "*/" not in line
            continue
        if bare and not bare.startswith(("!", "//")):
            found.append((number, bare))
    return found


def _command(line: str) -> str:
    """The engine's command a line begins with; empty where it is none (a property, for instance)."""
    first = _WORD.split(line, maxsplit=1)[0]
    word = first.strip("\"'()[]{}").lower()
    if word in COMMANDS:
        return word
    if "." in word or line[len(first) :].lstrip().startswith("=") or not word:
        return ""
    return next((command for command in COMMANDS if command.startswith(word)), "")


def _argument(line: str) -> str:
    """The first parameter after the command, without its quotes and its name."""
    rest = _WORD.split(line, maxsplit=1)
    text = rest[1].strip() if len(rest) > 1 else ""
    text = re.sub(r"^file\s*=\s*", "", text, flags=re.IGNORECASE)
    if text[:1] in SHUT:
        return text[1:].split(SHUT[text[0]], 1)[0].strip()
    return re.split(r"[\s,!]|//", text, maxsplit=1)[0]


def _references(text: str, name: str) -> list[tuple[int, str, bool]]:
    """(line, name, whether it is a script) of every file a script speaks of."""
    del name
    found = []
    for number, line in _lines(text):
        command = _command(line)
        if command in SCRIPTS or command in COORDINATES:
            argument = _argument(line)
            if argument:
                found.append((number, argument, command in SCRIPTS))
            continue
        for match in _FILE.finditer(line.split("!", 1)[0]):
            value = next((part for part in match.groups() if part is not None), "").strip().strip("\"'")
            # `mult=(file=shape.csv, col=2, header=yes)`: the name ends at the comma
            found.append((number, value.split(",")[0].strip(), False))
    return [(number, value, script) for number, value, script in found if value and not value.startswith("@")]


def _safe(text: str, path: Path, left_out: dict[str, int], problems: list[str]) -> str:
    given = text.splitlines()
    lines = ["!"] * len(given)  # comments go: what the engine takes for one is not always what we do
    for number, line in _lines(text):
        lines[number - 1] = given[number - 1]
        command = _command(line)
        code = _CODE.search(line.split("!", 1)[0])
        if code:
            problems.append(
                f"{path}, line {number}: found {code.group(0)!r}, a program library to be loaded; expected a model of "
                "OpenDSS itself: files are data here, and nothing named in them is run."
            )
        option = _option_out(line) if command == "set" else ""
        if (command and command not in KEPT) or option:
            what = f"set {option}" if option else command
            left_out[what] = left_out.get(what, 0) + 1
            lines[number - 1] = "! " + lines[number - 1]
        elif command in SCRIPTS or command in COORDINATES or "\\" in line:
            lines[number - 1] = _slashes(lines[number - 1])
    return "\n".join(lines) + "\n"


def _option_out(line: str) -> str:
    """The option of a `set` line that steers files or programs, abbreviated or not; empty where there is none."""
    for word in re.findall(r"([\w%]+)\s*=", line.lower()):
        for option in OPTIONS_OUT:
            if len(word) >= 2 and option.startswith(word):
                return option
    return ""


def _slashes(line: str) -> str:
    """Folders are separated by `/` here."""
    return line if "\\" not in line else line.replace("\\", "/")


def _absolute(name: str) -> bool:
    return PurePosixPath(name).is_absolute() or bool(PureWindowsPath(name).drive) or name.startswith("\\\\")


def _lexical(folder: Path, name: str) -> Path | None:
    """`folder/name` with its dots resolved as text, as the copy will have it."""
    parts: list[str] = []
    for part in (*folder.parts, *PurePosixPath(name.replace("\\", "/")).parts):
        if part == "..":
            if len(parts) < 2:
                return None
            parts.pop()
        elif part != ".":
            parts.append(part)
    return Path(*parts)


def _find(folder: Path, name: str) -> Path | None:
    """The file meant, whatever the case of its letters; None where there is none or its path is absolute."""
    if _absolute(name):
        return None
    wanted = _lexical(folder, name)
    if wanted is None:
        return None
    try:
        if wanted.is_file():
            return wanted.resolve()
        same = [path for path in wanted.parent.iterdir() if path.name.lower() == wanted.name.lower()]
    except OSError:
        return None
    return same[0].resolve() if len(same) == 1 and same[0].is_file() else None


def _read(path: Path) -> str:
    return _text(path.read_bytes()[:BYTES_MAX], path)


def _text(data: bytes, path: Path) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if data.startswith((*_PROGRAMS, b"PK", b"\x1f\x8b")) or data[:65536].count(0) > len(data) / 100:
        raise ImportRefused(f"{path}: found binary data; expected an OpenDSS script (text).")
    return data.decode("utf-8-sig", errors="replace")

"""What is well and what is not, on this machine and for one cell; each finding says how to mend it.

ok     nothing to do
look   works now; a person should look at it
bad    the cell cannot do its work like this
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, final

from archipel.model.errors import ArchipelError

OPTIONAL = {
    "cryptography": "field",
    "eclipse-zenoh": "field",
    "pymodbus": "field",
    "pysunspec2": "field",
    "clarabel": "bench",
    "highspy": "bench",
    "pandapower": "verify",
}
"""Packages that some commands need, and the extra that brings each."""
CORE = ("numpy", "scipy", "pyarrow", "power-grid-model", "piqp")
FREE_BYTES = 1 << 30
FSYNC_S = 0.1
"""A journal waits this long for its disk, every tick."""
DAYS_LEFT = 7.0
BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)
"""No clock that is right says an earlier time."""
PATIENCE_S = 2.0


class Standing(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    LOOK = "look"
    BAD = "bad"


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor."""

    about: str
    standing: Standing
    found: str
    mend: str = ""

    def plain(self) -> dict[str, str]:
        """As JSON."""
        return {**asdict(self), "standing": self.standing.value}


def ok(about: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(about, Standing.OK, found)


def look(about: str, found: str, mend: str) -> Finding:
    """Works now."""
    return Finding(about, Standing.LOOK, found, mend)


def bad(about: str, found: str, mend: str) -> Finding:
    """The cell cannot work like this."""
    return Finding(about, Standing.BAD, found, mend)


def machine(software: str, *, for_a_cell: bool) -> Iterator[Finding]:
    """Versions, solvers and clock of this machine. `for_a_cell`: what the field needs must be there."""
    yield ok("archipel", software)
    version = ".".join(map(str, sys.version_info[:3]))
    yield ok("python", version) if sys.version_info >= (3, 11) else bad("python", version, "Install 3.11 or newer.")
    for package in CORE:
        found = installed(package)
        yield ok(package, found) if found else bad(package, "missing", "Install Archipel anew: pip install archipel")
    for package, extra in OPTIONAL.items():
        found, mend = installed(package), f"pip install 'archipel[{extra}]'"
        if found:
            yield ok(package, found)
        elif for_a_cell and extra == "field":
            yield bad(package, "missing", mend)
        else:
            yield ok(package, f"not installed; comes with the extra {extra}: {mend}")
    yield from solvers()
    yield from clock(datetime.now(UTC), _timedatectl())


def installed(package: str) -> str:
    """Its version; empty when it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def solvers() -> Iterator[Finding]:
    """Every solver there is solves min x^2/2 + y^2/2 - x - 2y over x + y = 2, x, y >= 0, whose answer is (0.5, 1.5)."""
    for name, solve in _SOLVERS.items():
        package = "scipy" if name.startswith("scipy") else name
        if not installed(package):
            continue
        try:
            found = solve()
        except Exception as error:  # whatever a broken library throws is the finding
            yield bad(f"solver {name}", f"fails: {type(error).__name__}: {error}", f"Install it anew: {package}")
            continue
        right = max(abs(found[0] - 0.5), abs(found[1] - 1.5)) < 1e-3
        text = f"({found[0]:.4f}, {found[1]:.4f})"
        yield (
            ok(f"solver {name}", f"solves {text}")
            if right
            else bad(f"solver {name}", f"found {text}; expected (0.5, 1.5)", f"Install it anew: {package}")
        )


def _piqp() -> tuple[float, float]:
    import numpy as np
    import piqp

    solver = piqp.DenseSolver()
    solver.settings.verbose = False
    solver.setup(np.eye(2), np.array([-1.0, -2.0]), np.array([[1.0, 1.0]]), np.array([2.0]), x_l=np.zeros(2))
    solver.solve()
    return float(solver.result.x[0]), float(solver.result.x[1])


def _scipy() -> tuple[float, float]:
    import numpy as np
    from scipy.optimize import linprog

    # the same answer as a linear problem: x may be at most a half and is worth having
    found = linprog([-1.0, 0.0], A_eq=[[1.0, 1.0]], b_eq=[2.0], bounds=[(0, 0.5), (0, None)], method="highs")
    x = np.asarray(found.x)
    return float(x[0]), float(x[1])


def _clarabel() -> tuple[float, float]:
    import clarabel
    import numpy as np
    from scipy import sparse

    settings = clarabel.DefaultSettings()
    settings.verbose = False
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(2)]
    a = sparse.csc_matrix([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    p, q, b = sparse.csc_matrix(np.eye(2)), np.array([-1.0, -2.0]), np.array([2.0, 0.0, 0.0])
    found = clarabel.DefaultSolver(p, q, a, b, cones, settings).solve()
    return float(found.x[0]), float(found.x[1])


_SOLVERS: dict[str, Callable[[], tuple[float, float]]] = {"piqp": _piqp, "scipy (HiGHS)": _scipy, "clarabel": _clarabel}


def clock(now: datetime, ntp: str) -> Iterator[Finding]:
    """Whether the time can be right, and whether something keeps it so (`ntp`: yes, no, or empty for not known)."""
    if now < BEGINNING:
        yield bad("clock", f"{now:%Y-%m-%d %H:%M} UTC", "Set the clock: certificates and agreements need the time.")
    else:
        yield ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC")
    if ntp == "yes":
        yield ok("time service", "synchronised")
    else:
        found = "not synchronised" if ntp == "no" else "not known here"
        yield look(
            "time service", found, "Cells need clocks within 2 s of each other: run chrony or systemd-timesyncd."
        )


def _timedatectl() -> str:
    program = shutil.which("timedatectl")
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, "show", "--property=NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def disk(folder: Path) -> Iterator[Finding]:
    """Room and the time one safe write takes, where the journal lies."""
    there = next((each for each in (folder, *folder.parents) if each.is_dir()), folder)
    free = shutil.disk_usage(there).free
    room = f"{free / (1 << 30):.1f} GiB free"
    yield ok("disk", room) if free >= FREE_BYTES else look("disk", room, "Make room: the journal needs some every day.")
    path = there / f".archipel-doctor-{os.getpid()}"
    try:
        took_s = []
        with path.open("wb") as file:
            for _ in range(5):
                file.write(bytes(4096))
                file.flush()
                begun_s = time.perf_counter()
                os.fsync(file.fileno())
                took_s.append(time.perf_counter() - begun_s)
    except OSError as error:
        yield bad("disk write", f"{error.strerror}", f"The cell's user must be able to write {there.name}/.")
        return
    finally:
        path.unlink(missing_ok=True)
    middle = sorted(took_s)[2]
    text = f"fsync {1000 * middle:.1f} ms"
    yield (
        ok("disk write", text) if middle < FSYNC_S else look("disk write", text, "Use a local disk, an SSD if you can.")
    )


def port(about: str, address: str, *, runs: bool) -> Finding:
    """Whether an address is free for the cell, or served by it."""
    host, _, number = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, int(number)))
    except OSError as error:
        if runs:
            return ok(about, f"{address} is served")
        return bad(
            about, f"{address}: {error.strerror}", "Another program has it, or it is none of this host's. Change it."
        )
    if runs:
        return bad(about, f"{address}: the cell runs and does not listen", "Look at its log; start it again.")
    return ok(about, f"{address} is free")


def certificate(folder: Path, cell: str, now: datetime) -> Iterator[Finding]:
    """The cell's certificate and the list of revoked ones."""
    from archipel.transport.identity import Identity
    from archipel.transport.trust import CertifiedTrust

    try:
        identity = Identity.load(folder, now)
    except ArchipelError as error:
        yield bad("certificate", str(error), "See above; a new one: archipel certs issue")
        return
    left = identity.certified.valid_until - now
    text = f"{identity.name} of {identity.area}, {left / timedelta(days=1):.1f} days left"
    if identity.name != cell:
        yield bad("certificate", text, f"It is not that of {cell}. Issue the right one.")
    elif left < timedelta(days=DAYS_LEFT):
        yield look("certificate", text, "Renew it now: archipel certs rotate")
    else:
        yield ok("certificate", text)
    if not identity.revocations:
        yield look("revocations", "no list", "Copy the authority's list into the cell's folder.")
        return
    trust = CertifiedTrust(identity)
    standing = trust.standing(identity.name, now)
    if not trust.revocations():
        yield bad("revocations", "a list that is not the authority's", "Copy the authority's list again.")
    elif standing is not None:
        yield bad("revocations", f"this cell's own certificate: {standing}", "Issue a new one in a new folder.")
    else:
        yield ok("revocations", "the list is the authority's; this cell is not on it")


def fetch_status(listen: str) -> dict[str, Any] | None:
    """The status page of a running cell; None when it is not served."""
    try:
        with urllib.request.urlopen(f"http://{listen}/status", timeout=PATIENCE_S) as page:
            found = json.loads(page.read(1 << 20))
    except (OSError, ValueError, urllib.error.URLError):
        return None
    return found if isinstance(found, dict) else None


def links(status: dict[str, Any] | None, *, runs: bool) -> Iterator[Finding]:
    """What a running cell says of its neighbours."""
    if not runs:
        yield ok("links", "the cell does not run")
        return
    told = (status or {}).get("links", {})
    if not isinstance(told, dict) or not {"expected", "actual"} <= told.keys():
        yield bad("links", "the running cell gives no status page", "Look at its log; start it again.")
        return
    missing = sorted(set(told["expected"]) - set(told["actual"]))
    both = f"{len(told['actual'])} of {len(told['expected'])}"
    if missing:
        mend = "Are they running and reachable, and their certificates good? archipel doctor there."
        yield look("links", f"{both}; no link to {', '.join(missing)}", mend)
    else:
        yield ok("links", both)
    for alarm in (status or {}).get("alarms", []):
        yield look("alarm", str(alarm), "See the cell's log.")

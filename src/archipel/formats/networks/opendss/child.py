"""A conversation with the OpenDSS engine in a fenced child process."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self, final

from archipel.formats.networks.opendss.closure import Closure, closure_of
from archipel.formats.networks.opendss.wire import FrameTooLongError, read_frame, write_frame
from archipel.model import ExtraMissing, ImportRefused

_PLACE = re.compile(r"\[file: \"?([^\"\]]+?)\"?, line: (\d+)\]")
_MISSING = re.compile(
    r"(?:opening file: |file not found: |file )\"(?P<name>[^\"]+)\"(?: could not be opened)?", re.IGNORECASE
)
"""How the engine says that a file is missing."""
PACKAGE = Path(__file__).resolve().parents[4]
"""The folder that holds the package `archipel`."""


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """What a child process may use."""

    seconds: float = 120.0
    """Longest time for one answer [s]."""
    memory: int = 4 << 30
    """Address space [bytes]."""
    file_size: int = 64 << 20
    """Largest file it may write [bytes]."""
    open_files: int = 256
    answer: int = 512 << 20
    """Longest answer [bytes]."""


@final
class OpenDssChild:
    """The engine with one model compiled. Use it as a context manager; `ask` until done.

    `folder` is the folder nothing leaves, `master` the path of the script in it. The files the master needs are
    copied into an empty temporary folder, where the engine runs with bounded memory, time and files, without editor,
    windows or commands of the system; on Linux the kernel keeps it from writing anywhere else. Raises ImportRefused
    (file, line and the engine's own words) where the model cannot be compiled, ExtraMissing where the engine is not
    installed.
    """

    def __init__(self, folder: Path, master: str, limits: Limits | None = None) -> None:
        self.folder = folder.resolve()
        self.limits = limits or Limits()
        self.closure: Closure = closure_of(folder, master)
        self.engine = ""
        """Name and version of the engine."""
        self.fenced = False
        """Whether the kernel holds the fence (Landlock)."""
        self._place: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if find_spec("opendssdirect") is None:
            raise ExtraMissing("opendssdirect.py", "opendss", "reading OpenDSS files")
        self._place = Path(tempfile.mkdtemp(prefix="archipel-opendss-")).resolve()
        try:
            for name, data in self.closure.copies.items():
                path = self._place / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            self._start()
            self.ask("compile", master=self.closure.master)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child process and remove its folder."""
        if self._process is not None:
            self._process.kill()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):  # its other end is gone
                        stream.close()
            self._process.wait()
            self._process = None
        if self._place is not None:
            shutil.rmtree(self._place, ignore_errors=True)
            self._place = None

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """The answer to one question; arguments and answers may hold numpy arrays. Raises ImportRefused."""
        return self._exchange({"command": command, "arguments": arguments, "seconds": self.limits.seconds}, command)

    def _start(self) -> None:
        assert self._place is not None
        environment = {
            name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "SYSTEMROOT") if name in os.environ
        } | {
            "PYTHONPATH": str(PACKAGE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self._place),
            "TMPDIR": str(self._place),
            "TEMP": str(self._place),
            "DSS_CAPI_ALLOW_DOSCMD": "0",
            "DSS_CAPI_ALLOW_EDITOR": "0",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-P", str(Path(__file__).with_name("start.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._place,
            env=environment,
            close_fds=True,
        )
        bounds = {
            "memory": self.limits.memory,
            "file_size": self.limits.file_size,
            "open_files": self.limits.open_files,
            "readable": [str(PACKAGE)],
        }
        started = self._exchange(bounds, "start")
        self.engine, self.fenced = started["engine"], started["fenced"]

    def _exchange(self, question: dict[str, Any], command: str) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise ImportRefused(f"{self._master}: the OpenDSS engine is not running any more; open the model again.")
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        watch = threading.Timer(self.limits.seconds, stop)
        watch.daemon = True
        watch.start()
        try:
            write_frame(process.stdin, question)
            answer = read_frame(process.stdout, self.limits.answer)
        except FrameTooLongError:
            self.close()
            raise ImportRefused(
                f"{self._master}: the answer of the OpenDSS engine is longer than {self.limits.answer >> 20} MiB; "
                "expected the model of one feeder."
            ) from None
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            answer = None
        finally:
            watch.cancel()
        if answer is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2.0)
            code = process.poll()
            self.close()
            raise ImportRefused(self._ended(late.is_set(), code, command))
        if answer.get("ok"):
            body = answer["answer"]
            return body if isinstance(body, dict) else {}
        raise ImportRefused(self._words(str(answer.get("kind")), str(answer.get("message")), command))

    @property
    def _master(self) -> Path:
        return self.folder / self.closure.master

    def _ended(self, late: bool, code: int | None, command: str) -> str:
        if late:
            return (
                f"{self._master}: the OpenDSS engine did not finish within {self.limits.seconds:g} s ({command}); "
                "expected one snapshot. Of a script that runs days or years, import the master it compiles."
            )
        return (
            f"{self._master}: the OpenDSS engine ended without an answer ({command}, exit code {code}): it broke down, "
            f"or needed more than {self.limits.memory >> 20} MiB; expected the model of one feeder."
        )

    def _words(self, kind: str, message: str, command: str) -> str:
        # Names of the copy become names of the source.
        text = message.replace(str(self._place), str(self.folder)).strip()
        if kind == "memory":
            return f"{self._master}: the OpenDSS engine needs more than {self.limits.memory >> 20} MiB; expected less."
        if kind == "engine":
            # "... [file: "x.dss", line: 12]" at the end of the engine's words; the last one is where it happened.
            places = _PLACE.findall(text)
            place = f"{places[0][0]}, line {places[0][1]}" if places else f"{self._master}"
            words = " ".join(_PLACE.sub("", text).split())
            missing = _MISSING.search(words)
            if missing and not (self._master.parent / missing["name"]).is_file():
                name = PurePosixPath(missing["name"].replace("\\", "/"))
                what = f"the folder {name.parts[0]}" if len(name.parts) > 1 else str(name)
                return (
                    f"{place}: found the name of a file that is not there, {str(name)!r}; expected it under "
                    f"{self._master.parent}. Copy {what} there, beside the script, or correct the name. "
                    f"OpenDSS says: {words}"
                )
            return (
                f"{place}: found a model OpenDSS refuses: {words}; expected one it can compile and solve. "
                "Correct that line, or see whether OpenDSS itself runs the file."
            )
        return f"{self._master}: the OpenDSS model could not be read ({command}): {text}"

"""Frames on the disk: a live source writes them as they come, and any moment of them is found again at once.

A recording is a folder: `recording.json` names the sections of a frame, and every hour of grid time has a file of rows
of one size,

    float64 grid time, float64 wall time measured [both s since 1970], uint64 seq, float32 values ...

little endian, oldest first. Rows are appended whole and never changed; a file may be read (by any process) while it is
written. A writer that is killed loses the row it was writing, a machine that loses power what its system had not
written yet: at most `SYNC_S`. When an hour is over, the means of its minutes are written beside it (`.means`), so that
a day of one element need not read a day of everything.

    with Recorder(folder, area.sections, every_s=1.0) as recorder:
        recorder.write(frame)                          # as often as you like; kept once per `every_s` of grid time
    recording = Recording(folder)
    recording.at(time)                                 # the Frame in force then
    times, values = recording.range(start, end, rows)  # some numbers of every frame over time
"""

from __future__ import annotations

import bisect
import os
import threading
import time as wall
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from archipel.model import ArchipelError
from archipel.web.nouns import Section
from archipel.web.source import Frame, NotShown

ABOUT = "recording.json"
ROWS, MEANS = ".rows", ".means"
HOUR_S, MINUTE_S = 3_600.0, 60.0
SYNC_S = 5.0
"""Wall seconds between two times the system is told to write to the disk."""
FINE_S = 6 * HOUR_S
"""Longer ranges are read from the means of minutes."""
MOST = 5_000
"""Points in a range, unless told otherwise."""


class RecordingUnusable(ArchipelError):
    """A folder is no recording, or not one of this frame."""


class _About(Struct, frozen=True, kw_only=True):
    version: int
    sections: list[Section]


def _row(count: int) -> np.dtype[Any]:
    return np.dtype([("time", "<f8"), ("measured", "<f8"), ("seq", "<u8"), ("values", "<f4", (count,))])


def _count(sections: Sequence[Section]) -> int:
    return sum(section.count for section in sections)


def _name(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y%m%dT%H}"


@final
class Recorder:
    """Appends frames. One writer per folder; goes on where an earlier one of the same sections ended."""

    def __init__(
        self, folder: Path, sections: Sequence[Section], *, every_s: float = 1.0, keep_h: int | None = None
    ) -> None:
        """Begin.

        Args:
            folder: made if it is not there.
            sections: of the frames, as in `Area.sections`.
            every_s: grid seconds between two rows; frames that come sooner are not kept.
            keep_h: hours kept; older ones are deleted as new ones begin. None: all.

        Raises:
            RecordingUnusable: the folder holds a recording of other sections.
        """
        self._folder, self._every_s, self._keep_h = folder, every_s, keep_h
        self._kind = _row(_count(sections))
        folder.mkdir(parents=True, exist_ok=True)
        about = msgspec.json.encode(_About(version=1, sections=list(sections)))
        path = folder / ABOUT
        if path.exists() and path.read_bytes() != about:
            raise RecordingUnusable(f"{folder}: holds a recording of other tables; give another folder")
        if not path.exists():
            fresh = path.with_suffix(".new")
            fresh.write_bytes(about)
            fresh.replace(path)
        self._file: int | None = None
        self._hour = ""
        self._synced_s = wall.monotonic()
        hours = _hours(folder)
        for hour in hours:
            _mend(folder / (hour + ROWS), self._kind.itemsize)
        last = _map(folder / (hours[-1] + ROWS), self._kind) if hours else None
        self._last_s = float(last["time"][-1]) if last is not None and len(last) else -np.inf
        for hour in hours[:-1]:
            _write_means(folder, hour, self._kind)

    def write(self, frame: Frame) -> bool:
        """Append a frame, unless it comes too soon after the last one or is older; whether it was kept."""
        time_s = frame.time.timestamp()
        if time_s < self._last_s + self._every_s * (1.0 - 1e-6):
            return False
        row = np.zeros(1, self._kind)
        row["time"], row["measured"], row["seq"] = time_s, frame.measured.timestamp(), frame.seq
        row["values"] = frame.values
        if _name(time_s) != self._hour or self._file is None:
            self._turn(_name(time_s))
        assert self._file is not None
        data = row.tobytes()
        if os.write(self._file, data) != len(data):
            raise RecordingUnusable(f"{self._folder}: a frame was written in part only; is the disk full?")
        self._last_s = time_s
        if wall.monotonic() - self._synced_s >= SYNC_S:
            os.fdatasync(self._file)
            self._synced_s = wall.monotonic()
        return True

    def close(self) -> None:
        """Write everything to the disk and end."""
        if self._file is not None:
            os.fdatasync(self._file)
            os.close(self._file)
            self._file = None

    def _turn(self, hour: str) -> None:
        """Begin the file of another hour."""
        over, self._hour = self._hour, hour
        self.close()
        path = self._folder / (hour + ROWS)
        _mend(path, self._kind.itemsize)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        if over:
            _write_means(self._folder, over, self._kind)
        if self._keep_h is not None:
            for old in _hours(self._folder)[: -self._keep_h]:
                (self._folder / (old + MEANS)).unlink(missing_ok=True)
                (self._folder / (old + ROWS)).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@final
class Recording:
    """Reads a recording, also while it is written. May be used by several threads."""

    def __init__(self, folder: Path) -> None:
        """Open. Raises `RecordingUnusable` where there is none."""
        self.folder = folder
        try:
            about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=_About)
        except (OSError, msgspec.MsgspecError) as error:
            raise RecordingUnusable(f"{folder}: is no recording ({error})") from error
        if about.version != 1:
            raise RecordingUnusable(f"{folder}: found version {about.version}; expected 1")
        self.sections: list[Section] = about.sections
        """Of every frame."""
        self._kind = _row(_count(about.sections))
        self._lock = threading.Lock()
        self._maps: dict[str, NDArray[Any]] = {}

    def span(self) -> tuple[datetime, datetime] | None:
        """Grid time of the first and the last frame; None where there is none."""
        filled = [rows for rows in (self._ends()) if len(rows)]
        if not filled:
            return None
        return _time(filled[0]["time"][0]), _time(filled[-1]["time"][-1])

    def at(self, time: datetime) -> Frame:
        """The frame in force at a time: the last one before or at it. Raises `NotShown` outside the recording."""
        time_s = time.timestamp()
        hours = _hours(self.folder)
        for hour in reversed(hours[: bisect.bisect_right(hours, _name(time_s))]):
            rows = self._rows(hour)
            k = int(np.searchsorted(rows["time"], time_s, side="right")) - 1
            if k >= 0:
                row = rows[k]
                values = np.array(row["values"], dtype=np.float32)
                return Frame(int(row["seq"]), _time(row["time"]), _time(row["measured"]), values)
        raise NotShown(f"time: found {time.isoformat()}; the recording begins later")

    def range(
        self, start: datetime, end: datetime, rows: Sequence[int] | NDArray[np.int64], most: int = MOST
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Some numbers of all frames from `start` to `end`.

        Args:
            start: first grid time.
            end: last grid time, included.
            rows: which numbers of a frame, by their place.
            most: points; where there are more, means over equal times take their place.

        Returns:
            Times [s since 1970] and values, shape (times, rows); NaN: not known.
        """
        first, last, pick = start.timestamp(), end.timestamp(), np.asarray(rows, dtype=np.int64)
        times, values = [np.zeros(0)], [np.zeros((0, len(pick)), np.float32)]
        for hour in _hours(self.folder):
            if _name(first) <= hour <= _name(last):
                found = self._coarse(hour) if last - first > FINE_S else self._rows(hour)
                a, b = np.searchsorted(found["time"], first), np.searchsorted(found["time"], last, side="right")
                times.append(np.array(found["time"][a:b]))
                values.append(found["values"][a:b][:, pick])
        return _at_most(np.concatenate(times), np.concatenate(values), most)

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            self._maps.clear()

    def _ends(self) -> list[NDArray[Any]]:
        """Rows of the first and the last hour; the last may just have begun."""
        hours = _hours(self.folder)
        return [self._rows(hour) for hour in dict.fromkeys((*hours[:1], *hours[-2:]))]

    def _coarse(self, hour: str) -> NDArray[Any]:
        """Means of the minutes where they are written, else all rows."""
        path = self.folder / (hour + MEANS)
        return _map(path, self._kind) if path.exists() else self._rows(hour)

    def _rows(self, hour: str) -> NDArray[Any]:
        """The rows of an hour, mapped again where the file has grown."""
        path = self.folder / (hour + ROWS)
        count = path.stat().st_size // self._kind.itemsize
        with self._lock:
            known = self._maps.get(hour)
            if known is None or len(known) != count:
                known = self._maps[hour] = _map(path, self._kind)
            return known


def _hours(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.iterdir() if path.suffix == ROWS)


def _map(path: Path, kind: np.dtype[Any]) -> NDArray[Any]:
    """The whole rows of a file, in place; a row that is being written does not count yet."""
    count = path.stat().st_size // kind.itemsize
    return np.memmap(path, kind, "r", shape=(count,)) if count else np.zeros(0, kind)


def _mend(path: Path, size: int) -> None:
    """Cut off a row that a killed writer began."""
    if path.exists() and (over := path.stat().st_size % size):
        os.truncate(path, path.stat().st_size - over)


def _write_means(folder: Path, hour: str, kind: np.dtype[Any]) -> None:
    """Write the means of the minutes of an hour that is over."""
    path = folder / (hour + MEANS)
    rows = _map(folder / (hour + ROWS), kind)
    if path.exists() or not len(rows):
        return
    times, values = _means(np.array(rows["time"]), np.array(rows["values"]), MINUTE_S)
    out = np.zeros(len(times), kind)
    out["time"], out["measured"], out["values"] = times, times, values
    fresh = path.with_suffix(".new")
    fresh.write_bytes(out.tobytes())
    fresh.replace(path)


def _at_most(
    times: NDArray[np.float64], values: NDArray[np.float32], most: int
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    if len(times) <= most:
        return times, values
    width_s = np.nextafter((times[-1] - times[0]) / max(1, most - 1), np.inf)
    return _means(times, values, float(width_s))


def _means(
    times: NDArray[np.float64], values: NDArray[np.float32], width_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Means over equal times, told at their begin; NaN counts for nothing."""
    number = np.floor(times / width_s)
    begins = np.flatnonzero(np.diff(number, prepend=-np.inf))
    known = ~np.isnan(values)
    sums = np.add.reduceat(np.where(known, values, 0.0), begins, axis=0, dtype=np.float64)
    counts = np.add.reduceat(known, begins, axis=0, dtype=np.int64)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float32)
    return number[begins] * width_s, means


def _time(seconds: Any) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)

"""Files that must be whole after a power cut, and secret where they say so."""

from __future__ import annotations

import os
from pathlib import Path

from archipel.transport.replay import next_epoch


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put `data` in the place of `path` at once: readers see the old file or the new one, also after a power cut."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def begin_epoch(path: Path, now_s: float) -> int:
    """The epoch of the life that begins now [s since 1970 or larger], written down in `path` before it is used.

    A file that cannot be read counts as lost: the clock alone then keeps epochs growing.
    """
    text = path.read_text("ascii", "replace").strip() if path.exists() else ""
    epoch = next_epoch(int(text) if text.isdigit() and len(text) < 19 else 0, now_s)
    write_whole(path, f"{epoch}\n".encode())
    return epoch

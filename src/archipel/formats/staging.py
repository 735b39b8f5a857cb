"""Writing a folder so that it appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archipel.model import ImportRefused


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` to write into; its files are moved in when the block ends without an error.

    A folder that is not there yet appears by one rename. Into one that is there, every file is moved by a rename of
    its own, replacing the file of that name. After an error nothing is left.
    """
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    staging = folder.parent / f".{folder.name}.{os.getpid()}.part"
    staging.mkdir(parents=True)
    try:
        yield staging
        if folder.exists():
            for file in sorted(path for path in staging.rglob("*") if path.is_file()):
                target = folder / file.relative_to(staging)
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
        else:
            staging.rename(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        for parent in missing[1:]:  # made on the way to the staging folder
            parent.rmdir()
        raise
    shutil.rmtree(staging, ignore_errors=True)


def inside(folder: Path, name: str) -> Path:
    """The path of a file below `folder`. Raises ImportRefused where the name leads out of it."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ImportRefused(f"{name}: found a path out of the folder; expected a file inside it. Move the file there.")
    return path

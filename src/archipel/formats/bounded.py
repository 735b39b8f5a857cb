"""Reading files of strangers: sizes are bounded before and after unpacking, and text is UTF-8 or refused."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from pathlib import Path

from archipel.model import ImportRefused

LARGEST_MB = 512
"""No network we know is larger, unpacked [MB]."""
MOST_FILES = 2000
"""Files in one archive or folder."""


def read_text(path: Path, expected: str, largest_mb: int = LARGEST_MB) -> str:
    """The text of a file, unpacked where it is called `.gz`. `expected` says what the file should be, for people.

    Raises ImportRefused where it is missing, empty, too large (unpacked), cut short, or not UTF-8.
    """
    raw = read_bytes(path, expected, largest_mb)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ImportRefused(
            f"{path.name}: line {line}: found the byte {raw[error.start]:#04x}, which is not UTF-8; "
            f"expected {expected} in UTF-8. Save it with that encoding."
        ) from error
    if "\x00" in text:
        raise ImportRefused(f"{path.name}: found binary data; expected {expected}. Name the network file itself.")
    if not text.strip():
        raise ImportRefused(f"{path.name}: found an empty file; expected {expected}. Write or download it again.")
    return text


def read_bytes(path: Path, expected: str, largest_mb: int = LARGEST_MB) -> bytes:
    """The bytes of a file, unpacked where it is called `.gz`; see `read_text`."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise ImportRefused(f"{path}: found {what}; expected {expected}. Check the path.")
    limit = largest_mb * 2**20
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path, "rb") as stream:
                raw = stream.read(limit + 1)
        else:
            with path.open("rb") as stream:
                raw = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ImportRefused(
            f"{path.name} cannot be read: found {str(error).rstrip('.')}; expected {expected}, plain or whole gzip. "
            "Download or write it again."
        ) from error
    if len(raw) > limit:
        raise ImportRefused(
            f"{path.name}: found more than {largest_mb} MB unpacked; expected {expected} of at most that size. "
            f"No network we know is that large: look whether it is what it says."
        )
    return raw


def check_archive(path: Path, largest_mb: int = LARGEST_MB) -> list[zipfile.ZipInfo]:
    """What is in a zip archive. Raises ImportRefused for paths that lead out of it, and for sizes beyond bounds.

    Sizes are those of the archive's own directory; unpack with `read_member`, which does not trust them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ImportRefused(
            f"{path.name} cannot be read: found {error}; expected a whole zip archive. Download or write it again."
        ) from error
    if len(members) > MOST_FILES:
        raise ImportRefused(f"{path.name}: found {len(members):,} files; expected at most {MOST_FILES:,}. Split it.")
    for one in members:
        if one.filename.startswith(("/", "\\")) or ".." in Path(one.filename.replace("\\", "/")).parts:
            raise ImportRefused(
                f"{path.name}: found the path {one.filename!r}, which leads out of the archive; expected plain names. "
                "Pack it again."
            )
        if one.flag_bits & 1:
            raise ImportRefused(f"{path.name}: {one.filename}: found encryption; expected plain files. Unlock it.")
    total = sum(one.file_size for one in members)
    if total > largest_mb * 2**20:
        raise ImportRefused(
            f"{path.name}: found {total / 2**20:,.0f} MB unpacked; expected at most {largest_mb} MB. "
            "No network we know is that large: look whether it is what it says."
        )
    return members


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: str, limit: int) -> bytes:
    """One file of an archive, at most `limit` bytes whatever the archive says of its size."""
    try:
        with archive.open(member) as stream:
            raw = stream.read(limit + 1)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
        raise ImportRefused(
            f"{source}: {member.filename}: found {error}; expected a whole zip archive. Download or write it again."
        ) from error
    if len(raw) > limit:
        raise ImportRefused(
            f"{source}: {member.filename}: found more than {limit / 2**20:,.0f} MB unpacked; expected less. "
            "Look whether it is what it says."
        )
    return raw

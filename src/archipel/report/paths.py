"""Names of files made from names that people chose."""

from __future__ import annotations

import hashlib

MOST = 60


def file_name(word: str) -> str:
    """A name that is safe as a file's, and different for different words: letters, digits, `-` and `_`."""
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in word)[:MOST].strip("-")
    if safe and safe == word:
        return safe
    return f"{safe or 'name'}-{hashlib.sha256(word.encode()).hexdigest()[:8]}"

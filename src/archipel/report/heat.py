"""A heat map as a tiny PNG inside the page: thousands of cells in a few kilobytes."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from archipel.model import Floats

DOWN = (213, 94, 0)
"""Colour of values above zero (Okabe-Ito vermillion)."""
UP = (0, 114, 178)
"""Colour of values below zero (Okabe-Ito blue)."""
STEPS = 100


def heat_png(values: Floats, largest: float) -> str:
    """A data address of a PNG with one pixel per value, shape (rows, columns).

    Zero is transparent, so the paper shows through in light and dark; `largest` and beyond are solid. Values that are
    not numbers are transparent.
    """
    scaled = np.nan_to_num(values / largest if largest > 0 else np.zeros_like(values))
    level = np.round(np.clip(scaled, -1.0, 1.0) * STEPS).astype(np.int64) + STEPS
    raw = np.concatenate([np.zeros((len(level), 1), dtype=np.uint8), level.astype(np.uint8)], axis=1).tobytes()
    palette = bytes(UP) * STEPS + bytes((255, 255, 255)) + bytes(DOWN) * STEPS
    # The square root lifts small flows, which would otherwise vanish on the page.
    alpha = bytes(round(255 * (abs(k) / STEPS) ** 0.6) for k in range(-STEPS, STEPS + 1))
    height, width = level.shape
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette),
        (b"tRNS", alpha),
        (b"IDAT", zlib.compress(raw, 9)),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in parts)
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

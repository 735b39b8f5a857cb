"""What a person may say about an adoption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, final

ProfileChoice = Literal["auto", "standard", "given"]


@final
@dataclass(frozen=True, slots=True)
class AdoptOptions:
    """Shares and sources; whatever is not said is drawn from statistics by the seed."""

    shares: Mapping[str, float] = field(default_factory=dict)
    """Share of the customers that get a kind of device, by the names of `KINDS`."""
    seed: int = 1
    name: str = ""
    """Name of the new scenario; that of the old one and `-adopted` where empty."""
    profiles: ProfileChoice = "auto"
    """Which loads get a standard profile: those without a series, all of them, or none."""
    year: int | None = None
    """Year of the new series; 2016 where the scenario's own series do not say otherwise."""
    start: str = ""
    """First day of the run; the hardest day of the year where empty."""
    price: str = "formula"
    """`formula`, `de-2016` or a file with prices."""
    ev_sessions: Path | None = None
    ev_zone: str = ""
    """Zone of the place where the sessions were metered."""
    ev_stamps: Literal["", "utc", "local"] = ""
    """What stamps without an offset in the session file are."""
    force: bool = False

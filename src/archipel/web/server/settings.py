"""What a server is told when it is made."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from archipel.web.nouns import Score
from archipel.web.server.tokens import OneTimeTokens, Tokens

STATIC = Path(__file__).parents[1] / "static"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a server behaves; everything but the audit folder has a default."""

    audit: Path
    """Folder of the audit; made with the first entry."""
    tokens: Tokens | None = None
    """Who may sign in; None: nobody but by a one-time token."""
    one_time: OneTimeTokens = field(default_factory=OneTimeTokens)
    names: frozenset[str] = frozenset()
    """Host names it is reached by beside those of loopback: the name a proxy in front of it has."""
    open_view: bool = True
    """Whether a browser on this machine sees without signing in; never through a proxy."""
    run_score: Callable[[str], Score] | None = None
    """The score of a finished run by its id; raises `NotShown`."""
    static: Path = STATIC
    """The page."""
    poll_s: float = 0.2
    """Between two looks at the source: at most five frames a second."""
    heartbeat_s: float = 15.0
    """Longest silence of the event stream."""
    clock: Callable[[], float] = time.monotonic
    """Seconds that never go back: what sessions, selections and sign-in limits run out by."""

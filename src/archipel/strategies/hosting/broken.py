"""One limit that was broken: which, where, when, by how much, in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, final

What = Literal[
    "voltage high",
    "voltage low",
    "line",
    "transformer",
    "import",
    "export",
    "curtailed",
    "missing",
    "comfort",
    "answer",
]
SAID = {
    "voltage high": "voltage too high at node",
    "voltage low": "voltage too low at node",
    "line": "current too high in line",
    "transformer": "transformer overloaded:",
    "import": "import above the firm limit of",
    "export": "export above the firm limit of",
    "curtailed": "too much curtailed",
    "missing": "energy missing",
    "comfort": "homes outside the comfort band",
    "answer": "no answer",
}

DIGITS = {"pu": 4, "%": 1, "kW": 0}
"""Behind the point, by unit."""


@final
@dataclass(frozen=True, slots=True)
class Broken:
    """A limit and the value that breaks it, in the same unit."""

    what: What
    where: str
    """Id of node or branch, `area` for what belongs to no element."""
    name: str
    """As the source calls it; may be empty."""
    cell: str
    time: str
    """Start of the step, UTC; empty for what is counted over the day."""
    value: float
    limit: float
    unit: str
    """pu, % (of the branch's limit, of energy), kW, K h."""
    more: str = ""

    @property
    def excess(self) -> float:
        """How far beyond, comparable between kinds: share of the limit, of the deviation from 1 pu for voltages."""
        if self.unit == "pu":
            return abs(self.value - self.limit) / max(abs(self.limit - 1.0), 0.01)
        return abs(self.value - self.limit) / max(abs(self.limit), 1e-9)

    def __str__(self) -> str:
        if self.what == "answer":
            return f"{SAID[self.what]}: {self.more}"
        place = "" if self.where == "area" else f" {self.where}"
        place += f" ({self.name})" if self.name and self.name != self.where else ""
        when = f" at {self.time[:16].replace('T', ' ')} UTC" if self.time else " over the day"
        return f"{SAID[self.what]}{place}{when}: {self.amount}"

    @property
    def amount(self) -> str:
        """Value and limit."""
        digits = DIGITS.get(self.unit, 2)
        return f"{self.value:.{digits}f} {self.unit}, limit {self.limit:.{digits}f}"

    @property
    def bound(self) -> str:
        """The limit with its unit."""
        return f"{self.limit:.{DIGITS.get(self.unit, 2)}f} {self.unit}"

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

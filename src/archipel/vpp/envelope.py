"""Operating envelopes as records: what each connection point may draw and give, for how long, and why no more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, final

import numpy as np

from archipel.model import Bools, Floats, Ints

Rule = Literal["equal", "proportional", "economic"]
"""How room is shared. `equal`: every point of a cell the same power, as far as its devices can use it; `proportional`:
every point of a cell the same share of its rating; `economic`: the largest total."""
RULES: tuple[Rule, ...] = ("equal", "proportional", "economic")

OWN_RATING = -1
"""In `import_why` and `export_why`: the point's own devices can take no more."""
THE_RULE = -2
"""In `import_why` and `export_why`: there was room, but the rule gives no more to this point."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Connection points: the nodes where devices stand that may choose their power, N of them."""

    node: Ints
    """Row of `Grid.nodes`, rising."""
    node_id: tuple[str, ...]
    cell: Ints
    """Row of the point's cell: points of a cell are treated alike by the rules."""
    cell_id: tuple[str, ...]
    """Ids of all cells, by row."""
    import_kw_max: Floats
    export_kw_max: Floats
    """Sum of the ratings of the flexible devices behind the point, non-negative."""
    q_kvar_max: Floats
    """Largest reactive power of inverters with a volt-var curve behind the point."""

    def __len__(self) -> int:
        return len(self.node)


@final
@dataclass(frozen=True, slots=True)
class Broken:
    """A limit that the fixed load alone breaks, whatever the points do."""

    interval: int
    what: Literal["voltage high", "voltage low", "loading", "import limit", "export limit", "no solution"]
    id: str
    """Id of the node or branch; of the side (import or export) where there is no solution."""
    by: float
    """How far beyond the limit (with the margins kept): pu, share of the limit, or kW."""

    def __str__(self) -> str:
        if self.what == "no solution":
            return f"voltage collapse: fixed load alone has no AC solution in interval {self.interval} ({self.id})"
        unit = {"voltage high": " pu", "voltage low": " pu", "loading": " of the limit"}.get(self.what, " kW")
        return f"{self.id}: {self.what} by {self.by:.4g}{unit} from fixed load alone in interval {self.interval}"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Envelopes:
    """Import and export limits of N connection points in T intervals of `dt_h` hours from `start`.

    Limits hold for the sum of the flexible devices behind a point; the fixed load of the point comes on top. A meter at
    the connection sees at most `import_kw + load_kw` and at least `load_kw - export_kw`.
    """

    points: Points
    start: datetime
    dt_h: float
    rule: Rule
    import_kw: Floats
    export_kw: Floats
    """Shape (N, T), non-negative."""
    default_import_kw: Floats
    default_export_kw: Floats
    """What holds when no envelope is known, shape (N,). Never above an envelope of an interval in which it is safe, so
    that some points may have lost their envelopes and others not."""
    load_kw: Floats
    """Fixed load at the points, as forecast, shape (N, T)."""
    limit: tuple[str, ...]
    """Names of the limits that bind anywhere: `voltage high bus/12`, `loading trafo/3`, ..."""
    import_why: Ints
    export_why: Ints
    """What keeps the limit from being higher: row of `limit`, OWN_RATING or THE_RULE, shape (N, T)."""
    broken: tuple[Broken, ...] = ()
    """What fixed load alone breaks; points that would make it worse get nothing."""
    expires: datetime | None = None
    """From when on the defaults hold, whatever the intervals say; None: from the end of the last interval."""

    @property
    def intervals(self) -> int:
        """Number of intervals T."""
        return int(self.import_kw.shape[1])

    @property
    def end(self) -> datetime:
        """When the lease lapses."""
        last = self.start + timedelta(hours=self.dt_h * self.intervals)
        return last if self.expires is None else min(last, self.expires)

    def at(self, now: datetime) -> tuple[Floats, Floats]:
        """(import, export) limits [kW] that hold `now`, shape (N,): the defaults before the start and once expired.

        Raises ValueError for a naive time.
        """
        if now.tzinfo is None:
            raise ValueError(f"found the time {now.isoformat()} without a zone; give one that says its zone, as in UTC")
        if not self.start <= now < self.end:
            return self.default_import_kw, self.default_export_kw
        t = int((now - self.start) / timedelta(hours=self.dt_h))
        return self.import_kw[:, t], self.export_kw[:, t]

    def why(self, point: int, t: int) -> tuple[str, str]:
        """What keeps (import, export) of a point in an interval from being higher, in words."""
        return self._word(int(self.import_why[point, t])), self._word(int(self.export_why[point, t]))

    def _word(self, row: int) -> str:
        return {OWN_RATING: "own rating", THE_RULE: "the rule"}.get(row) or self.limit[row]

    def allowed_kwh(self) -> tuple[float, float]:
        """Energy that all points together may (draw, give) over all intervals."""
        return float(self.import_kw.sum() * self.dt_h), float(self.export_kw.sum() * self.dt_h)


def inside(envelopes: Envelopes, p_kw: Floats, slack_kw: float = 1e-6) -> Bools:
    """Whether powers of the points (N, T), load convention, are inside their envelopes, shape (N, T)."""
    return np.asarray((p_kw <= envelopes.import_kw + slack_kw) & (p_kw >= -envelopes.export_kw - slack_kw))

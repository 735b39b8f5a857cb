"""What a member would have drawn if nothing had been asked: the baselines the trade uses.

    10-of-10        mean of the last 10 days of the same kind without a request
    high-5-of-10    of these 10 the 5 that drew most
    mid-4-of-6      of the last 6 the 4 that are left without the highest and the lowest
    before-after    a straight line from the last quarter hours before a request to the first after it

The first three may be adjusted to the day: scaled (or shifted) by what the member drew in the hours before the request,
within a cap. A kind of day (workday, weekend, holiday) is a number that the caller knows; days are compared only with
days of the same kind.

Source:
    CAISO, "Baseline Accuracy Assessment" (Nexant), 2017, and tariff section 4.13.4 (10-in-10, adjustment of at most
    20 %); PJM Manual 11, section 10.4.2 (high 4 of 5 and its relatives); NAESB WEQ-015 (meter before, meter
    after); ERCOT, "Demand Response Baseline Methodologies" (mid 8-of-10, here 4 of 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from archipel.model import Bools, Floats, Ints

Rule = Literal["10-of-10", "high-5-of-10", "mid-4-of-6"]
RULES: tuple[Rule, ...] = ("10-of-10", "high-5-of-10", "mid-4-of-6")
_LOOK_BACK = {"10-of-10": 10, "high-5-of-10": 10, "mid-4-of-6": 6}
LEAST_DAYS = 3
"""With fewer days of the same kind there is no baseline."""


@final
@dataclass(frozen=True, slots=True)
class Adjustment:
    """How a baseline follows the day itself."""

    hours: float = 4.0
    """Length of the window that is compared."""
    ends_before_h: float = 0.0
    """Time between the window's end and the request; more than nothing where the notice lets members prepare."""
    cap: float = 0.2
    """Largest change, as a share of the baseline; infinite for none."""
    way: Literal["scale", "shift"] = "scale"
    """Multiply by the ratio, or add the difference (for members whose power is near or below zero)."""


def baseline(
    rule: Rule,
    past_kw: Floats,
    past_kind: Ints,
    past_event: Bools,
    kind: int,
    *,
    today_kw: Floats | None = None,
    event: Bools | None = None,
    adjustment: Adjustment | None = None,
) -> Floats:
    """The baseline of one day [kW].

    Args:
        rule: One of `RULES`.
        past_kw: Metered means of earlier days, oldest first, shape (D, Q); NaN where a meter was silent. Days on which
            clocks change are to be brought to Q quarter hours by the caller (`even_day`).
        past_kind: Kind of every earlier day, shape (D,).
        past_event: Days on which something was asked; they are left out, shape (D,).
        kind: Kind of the day itself.
        today_kw: What was drawn on the day itself, shape (Q,); needed with an adjustment.
        event: Where something was asked today, shape (Q,); needed with an adjustment.
        adjustment: How the baseline follows the day; none by default.

    Returns:
        Shape (Q,).

    Raises:
        ValueError: there are fewer than `LEAST_DAYS` days to compare with, or the adjustment lacks its inputs.
    """
    like = np.flatnonzero((past_kind == kind) & ~past_event & np.isfinite(past_kw).all(axis=1))[-_LOOK_BACK[rule] :]
    if len(like) < LEAST_DAYS:
        raise ValueError(
            f"baseline {rule}: found {len(like)} whole days of the same kind without a request; expected at least "
            f"{LEAST_DAYS}. Hand in more days, or use before-after."
        )
    flat = past_kw[_chosen(rule, past_kw[like].sum(axis=1), like)].mean(axis=0)
    if adjustment is None:
        return np.asarray(flat)
    if today_kw is None or event is None:
        raise ValueError("baseline: an adjustment needs what was drawn today and where something was asked")
    return adjusted(flat, today_kw, event, adjustment)


def _chosen(rule: Rule, drawn: Floats, like: Ints) -> Ints:
    """Rows of the days whose mean is taken. Of equals the later counts as higher."""
    order = np.argsort(drawn, kind="stable")
    if rule == "high-5-of-10":
        return np.asarray(like[order[-5:]])
    if rule == "mid-4-of-6" and len(like) > 4:
        spare = len(like) - 4
        return np.asarray(like[order[spare // 2 : len(like) - (spare - spare // 2)]])
    return like


def adjusted(flat_kw: Floats, today_kw: Floats, event: Bools, adjustment: Adjustment) -> Floats:
    """A baseline (Q,) brought to the level of the hours before the first request of the day, within the cap.

    It is left as it is where nothing was asked, where the window lies before midnight or has silent meters, and, when
    scaled, where the window's own baseline is zero or of the other sign.
    """
    first = np.flatnonzero(event)
    if not len(first):
        return flat_kw
    end = first[0] - round(4.0 * adjustment.ends_before_h)
    window = slice(max(0, end - round(4.0 * adjustment.hours)), max(0, end))
    drawn, expected = today_kw[window], flat_kw[window]
    if not len(drawn) or not np.isfinite(drawn).all():
        return flat_kw
    cap = adjustment.cap
    if adjustment.way == "shift":
        most = cap * np.abs(expected).mean()
        return np.asarray(flat_kw + np.clip((drawn - expected).mean(), -most, most))
    if drawn.sum() * expected.sum() <= 0.0:
        return flat_kw
    return np.asarray(flat_kw * np.clip(drawn.sum() / expected.sum(), 1.0 - cap, 1.0 + cap))


def before_after(drawn_kw: Floats, event: Bools, *, before: int = 4, after: int = 4, rest: int = 0) -> Floats:
    """Meter before, meter after: a straight line between the means around every request [kW].

    Args:
        drawn_kw: Metered means, shape (S,).
        event: Where something was asked, shape (S,).
        before: Quarter hours before a request whose mean it starts from.
        after: Quarter hours after it whose mean it ends at.
        rest: Quarter hours after a request that are left out, in which members make up for it.

    Returns:
        Shape (S,): as drawn where nothing was asked. A request at the very start or end has a level line.

    Raises:
        ValueError: there is nothing before or after a request to go by.
    """
    out = np.asarray(drawn_kw, dtype=np.float64).copy()
    edge = np.flatnonzero(np.diff(np.concatenate([[False], event, [False]]).astype(np.int8)))
    for begin, end in zip(edge[::2], edge[1::2], strict=True):
        left = _mean(drawn_kw, event, slice(max(0, begin - before), begin))
        right = _mean(drawn_kw, event, slice(end + rest, end + rest + after))
        if np.isnan(left) and np.isnan(right):
            raise ValueError(f"before-after: found no metered quarter hour around the request of rows {begin} to {end}")
        left, right = (right if np.isnan(left) else left), (left if np.isnan(right) else right)
        place = (np.arange(end - begin) + 1.0) / (end - begin + 1.0)
        out[begin:end] = left + (right - left) * place
    return out


def _mean(drawn_kw: Floats, event: Bools, rows: slice) -> float:
    good = np.isfinite(drawn_kw[rows]) & ~event[rows]
    return float(drawn_kw[rows][good].mean()) if good.any() else float("nan")


def even_day(day_kw: Floats, shift: int, quarters: int = 96) -> Floats:
    """A day of 92 or 100 quarter hours brought to 96, so that it can be compared by the clock.

    Args:
        day_kw: Shape (92,), (96,) or (100,).
        shift: Number of the first quarter hour that clocks leap over or repeat (8 for 02:00).
        quarters: What an even day has.

    Returns:
        Shape (quarters,): an hour that was left out is a straight line between its neighbours, one that came twice is
        the mean of both.
    """
    extra = len(day_kw) - quarters
    if extra not in {-4, 0, 4}:
        raise ValueError(
            f"found a day of {len(day_kw)} quarter hours; expected {quarters - 4}, {quarters}, {quarters + 4}"
        )
    if extra > 0:
        both = 0.5 * (day_kw[shift : shift + 4] + day_kw[shift + 4 : shift + 8])
        return np.concatenate([day_kw[:shift], both, day_kw[shift + 8 :]])
    if extra < 0:
        gap = np.interp(np.arange(1, 5), [0, 5], [day_kw[max(shift - 1, 0)], day_kw[min(shift, len(day_kw) - 1)]])
        return np.concatenate([day_kw[:shift], gap, day_kw[shift:]])
    return np.asarray(day_kw, dtype=np.float64)

"""What a portfolio checks before it takes a member's word: numbers that make sense, and no more than is registered."""

from __future__ import annotations

from typing import final

import numpy as np

from archipel.model import ArchipelError, Bools, Flexibility, Floats

SLACK = 1e-9


@final
class FlexibilityRefused(ArchipelError):
    """What a member published cannot be used. Carries every problem found."""

    def __init__(self, member: str, problems: tuple[str, ...]) -> None:
        self.member, self.problems = member, problems
        super().__init__("\n".join([f"{member}: published flexibility is not taken.", *(f"  {p}" for p in problems)]))


def check_flexibility(
    flexibility: Flexibility,
    *,
    p_kw_up: float = float("inf"),
    p_kw_down: float = float("inf"),
    e_kwh: float = float("inf"),
) -> None:
    """Refuse what no member can mean, and what is more than its contract registers.

    A lie inside the registered size cannot be seen here; it shows when delivery is measured.

    Args:
        flexibility: as received.
        p_kw_up: most the member's devices can add to their baseline, by their registered ratings [kW].
        p_kw_down: most they can take from it.
        e_kwh: energy they can hold, by their registered sizes. Stores without energy bounds (cut sun) do not count.

    Raises:
        FlexibilityRefused: with a sentence for every problem.
    """
    problems = (*_shapes(flexibility),)
    problems = problems or (*_numbers(flexibility), *_bounds(flexibility))
    problems = problems or (*_registered(flexibility, p_kw_up, p_kw_down, e_kwh),)
    if problems:
        raise FlexibilityRefused(flexibility.member, problems)


def _shapes(f: Flexibility) -> list[str]:
    table, column = (f.stores, f.intervals), (f.stores,)
    wanted: dict[str, tuple[int, ...]] = dict.fromkeys(
        ("p_kw_min", "p_kw_max", "e_kwh_min", "e_kwh_max", "cost_eur_per_kwh"), table
    )
    wanted |= dict.fromkeys(("charge_efficiency", "discharge_efficiency", "keep"), column)
    out = [
        f"{name}: found shape {getattr(f, name).shape}; expected {shape} (stores, intervals)."
        for name, shape in wanted.items()
        if getattr(f, name).shape != shape
    ]
    if not (np.isfinite(f.dt_h) and f.dt_h > 0):
        out.append(f"dt_h: found {f.dt_h}; expected a length above 0 h.")
    if f.start.tzinfo is None:
        out.append(f"start: found {f.start.isoformat()} without a zone; expected a time in UTC.")
    return out


def _numbers(f: Flexibility) -> list[str]:
    out = []
    for name in ("base_kw", "p_kw_min", "p_kw_max", "e_kwh_start", "cost_eur_per_kwh"):
        value: Floats = getattr(f, name)
        if not np.isfinite(value).all():
            out.append(
                f"{name}{_where(~np.isfinite(value))}: found {value[~np.isfinite(value)][0]}; expected a number."
            )
    for name in ("e_kwh_min", "e_kwh_max"):
        value = getattr(f, name)
        if np.isnan(value).any():
            out.append(f"{name}{_where(np.isnan(value))}: found nan; expected a number, infinite where free.")
    for name in ("charge_efficiency", "discharge_efficiency", "keep"):
        value = getattr(f, name)
        bad = ~((value > 0.0) & (value <= 1.0))
        if bad.any():
            out.append(f"{name}{_where(bad)}: found {value[bad][0]:g}; expected above 0 and at most 1.")
    if not 0.0 <= f.confidence <= 1.0:
        out.append(f"confidence: found {f.confidence}; expected a probability.")
    if not f.ramp_kw_per_h >= 0.0:
        out.append(f"ramp_kw_per_h: found {f.ramp_kw_per_h}; expected at least 0, infinite where free.")
    return out


def _bounds(f: Flexibility) -> list[str]:
    out = []
    level = f.e_kwh_start[:, None] * np.cumprod(np.repeat(f.keep[:, None], f.intervals, axis=1), axis=1)
    for bad, found, expected in (
        (f.p_kw_min > SLACK, "p_kw_min above 0", "a change of 0 to be inside"),
        (f.p_kw_max < -SLACK, "p_kw_max below 0", "a change of 0 to be inside"),
        (f.e_kwh_min > f.e_kwh_max + SLACK, "e_kwh_min above e_kwh_max", "a level that keeps both"),
        ((level < f.e_kwh_min - 1e-6) | (level > f.e_kwh_max + 1e-6), "a level out of bounds when nothing is asked",
         "the baseline to be deliverable"),
        (f.cost_eur_per_kwh < 0.0, "cost_eur_per_kwh below 0", "a cost of at least 0: what pays is in the baseline"),
    ):  # fmt: skip
        if bad.any():
            out.append(f"store{_where(bad)}: found {found}; expected {expected}.")
    return out


def _registered(f: Flexibility, p_kw_up: float, p_kw_down: float, e_kwh: float) -> list[str]:
    bounded = np.isfinite(f.e_kwh_max) & np.isfinite(f.e_kwh_min)
    held = np.where(bounded, f.e_kwh_max - f.e_kwh_min, 0.0).sum(axis=0).max(initial=0.0)
    up, down = f.p_kw_max.sum(axis=0).max(initial=0.0), -f.p_kw_min.sum(axis=0).min(initial=0.0)
    return [
        f"{name}: found {found:.6g} {unit}; its contract registers {most:.6g} {unit}. Register the devices, "
        "or publish less."
        for name, found, most, unit in (
            ("p_kw_max", float(up), p_kw_up, "kW"),
            ("p_kw_min", float(down), p_kw_down, "kW"),
            ("e_kwh_max", float(held), e_kwh, "kWh"),
        )
        if found > most * (1.0 + 1e-6) + 1e-6
    ]


def _where(bad: Bools) -> str:
    place = np.argwhere(bad)[0].tolist()
    return f"[{', '.join(map(str, place))}]"

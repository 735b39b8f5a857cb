"""What numbers say about themselves: a wrong unit, zone or sign, values that cannot be, values that do not move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.formats.measured.gaps import runs
from archipel.formats.measured.notes import Notes
from archipel.model import Floats, Ints

USUAL = {"load": (0.25, 3.0), "pv": (0.3, 1.3)}
"""Highest quarter hour of a year relative to the nominal power of a device, for half of all devices."""
SEASON_DAYS = 60
"""A shorter series may well miss the days of high power."""
YEAR_KWH = (100.0, 100_000.0)
"""Annual energy of a customer where a scenario has no nominal power."""
LIMITS = {
    "temperature_c": (-60.0, 60.0), "wind_speed_m_per_s": (0.0, 75.0), "irradiance_w_per_m2": (-30.0, 1600.0),
    "price_eur_per_mwh": (-1000.0, 20_000.0),
}  # fmt: skip
MEAN_PRICE = (5.0, 600.0)


@final
@dataclass(slots=True)
class Sums:
    """Per meter, collected while series pass by: kW."""

    peak: Floats
    mean: Floats
    negative: Floats
    """Sum of what is below zero, in kW times quarter hours, as a positive number."""
    above_zero: Floats
    day: Floats
    """Mean day, all meters together: kW in each quarter hour of the day, UTC."""


def empty(meters: int) -> Sums:
    """Nothing collected yet."""
    nothing = np.zeros(meters)
    return Sums(nothing.copy(), nothing.copy(), nothing.copy(), nothing.copy(), np.zeros(96))


def collect(sums: Sums, columns: Ints, kw: Floats, first: int) -> None:
    """Add the meters `columns` with their power (rows, meters) from quarter hour `first`."""
    sums.peak[columns] = np.nanmax(np.abs(kw), axis=0, initial=0.0)
    sums.mean[columns] = kw.mean(axis=0)
    sums.negative[columns] = -np.minimum(kw, 0.0).sum(axis=0)
    sums.above_zero[columns] = np.maximum(kw, 0.0).sum(axis=0)
    total = kw.sum(axis=1)
    slot = (first + np.arange(len(total))) % 96
    sums.day += np.bincount(slot, total, 96) / np.maximum(np.bincount(slot, minlength=96), 1)


def check_series(kw: Floats, names: list[str], times: NDArray[np.datetime64], what: str, notes: Notes) -> None:
    """Outliers and flat lines in the power of some meters (rows, meters); told, not changed."""
    size = np.abs(kw)
    usual = np.quantile(size, 0.99, axis=0)
    far = size > 20.0 * np.maximum(usual, 1e-9)
    for k in np.flatnonzero(far.any(axis=0) & (usual > 0)):
        rows = np.flatnonzero(far[:, k])
        notes.doubt("outliers", names[k], f"{len(rows):,} quarter hours above 20 times what is usual, first "
                    f"{kw[rows[0], k]:,.4g} kW at {_at(times[rows[0]])}", f"values up to about {usual[k]:,.4g} kW",
                    "Correct them in the file, or empty those cells and name --gaps.", len(rows))  # fmt: skip
    still = np.diff(kw, axis=0) == 0
    day = 96
    # cheap first: a flat line of a day has two equal neighbours at every fourth of a day
    suspects = np.flatnonzero((still[:: day // 4].mean(axis=0) > 0) & (kw.shape[0] > day))
    for k in suspects:
        longest = max(runs(still[:, k]), key=lambda run: run[1], default=(0, 0))
        value = kw[longest[0], k]
        least = 7 * day if value == 0 or what == "pv" else day
        if least <= longest[1] < kw.shape[0] - 1:
            notes.tell("flat-line", names[k], f"{value:,.4g} kW without any change for {longest[1] / 4:,.0f} h from "
                       f"{_at(times[longest[0]])}", "Kept; a meter that stands still looks like this.")  # fmt: skip


def check_size(
    sums: Sums, nominal: Floats, what: str, unit: str, step_h: float, names: list[str], days: float, notes: Notes
) -> None:
    """Whether powers fit the devices they belong to; else which other unit would fit."""
    rated = nominal > 0
    if rated.any():
        ratio = float(np.median(sums.peak[rated] / nominal[rated]))
        low, high = USUAL[what]
        low *= 1.0 if days > SEASON_DAYS else 0.4
        words = f"half of all meters peak above {ratio:.3g} times the nominal power of their device"
        expected = f"a peak of {low:g} to {high:g} times the nominal power"
    else:
        ratio = float(np.median(sums.mean)) * 8760.0
        low, high = YEAR_KWH
        words, expected = f"half of all meters use more than {ratio:,.4g} kWh a year", f"{low:,.0f} to {high:,.0f} kWh"
    if ratio > 0 and not low <= ratio <= high:
        fits = [name for name, factor in _readings(unit, step_h) if low <= ratio * factor <= high]
        hint = f"It would fit if the unit were {' or '.join(fits)}: --unit." if fits else "Check unit and devices."
        notes.doubt("unit", f"unit {unit}", words, expected, hint)
    if rated.sum() > 4:
        each = np.where(rated, sums.peak / np.where(rated, nominal, 1.0), np.nan)
        middle = float(np.nanmedian(each))
        far = (each > 100 * middle) | (each < middle / 100)
        odd = np.flatnonzero(rated & far & (sums.peak > 0) & (middle > 0))
        for k in odd:
            notes.doubt("unit-of-one", names[k], f"a peak of {sums.peak[k]:,.4g} kW, {each[k]:.3g} times nominal; "
                        f"half of the others reach {middle:.3g} times", "meters in one unit",
                        "Bring it to the same unit as the others.")  # fmt: skip


def _readings(unit: str, step_h: float) -> list[tuple[str, float]]:
    """Other units that the same numbers could be in, and what each would do to the power."""
    kw = {"W": 1e-3, "kW": 1.0, "MW": 1e3, "Wh": 1e-3 / step_h, "kWh": 1.0 / step_h, "MWh": 1e3 / step_h}
    return [(name, factor / kw[unit]) for name, factor in kw.items() if name != unit and unit in kw]


def check_sun(day: Floats, longitude: float | None, exact: bool, zone: str, notes: Notes) -> None:
    """Whether the mean day of PV lies around noon of the sun.

    Noon is at 12 - longitude / 15 h UTC; `exact` says whether the longitude is that of the network or only that of
    its zone. The middle of the energy must be near; the share of energy more than 8.5 h from noon tells of night.
    """
    sun = np.maximum(day, 0.0)
    if sun.sum() <= 0:
        return
    angle = (np.arange(96) + 0.5) / 96 * 2 * np.pi
    centre = float(np.angle((sun * np.exp(1j * angle)).sum()) / (2 * np.pi) * 24 % 24)
    if longitude is None:
        return
    noon = (12.0 - longitude / 15.0) % 24
    away = (centre - noon + 12.0) % 24 - 12.0
    hour = (np.arange(96) + 0.5) / 4
    night = np.abs((hour - noon + 12.0) % 24 - 12.0) > 8.5
    share = float(sun[night].sum() / sun.sum())
    if abs(away) > (0.9 if exact else 1.75) or share > 0.02:
        notes.doubt("pv-at-night", "time", f"the middle of a day's energy at {centre:.1f} h UTC, {abs(away):.1f} h "
                    f"{'after' if away > 0 else 'before'} noon of the sun, {share:.1%} of it at night",
                    f"a middle near {noon:.1f} h UTC", f"Correct the zone (read as {zone or 'in the stamps'}): "
                    "--zone.")  # fmt: skip


def longitude_of(zone: str) -> float | None:
    """A longitude where people of a zone live, by its winter offset; None for stamps in UTC."""
    from archipel.formats.measured.clock import UnknownZone, local_midnight_offset

    if not zone or zone.upper() in {"UTC", "Z", "GMT"}:
        return None
    try:
        return local_midnight_offset(zone, 1_704_067_200_000_000) / 3.6e9 * 15.0
    except UnknownZone:
        return None


def check_limits(name: str, value: Floats, unit: str, notes: Notes) -> None:
    """Whether a series of weather or prices is one."""
    low, high = LIMITS[name]
    wrong = np.flatnonzero((value < low) | (value > high))
    if len(wrong):
        notes.doubt("limits", name, f"{len(wrong):,} values out of {low:g} to {high:g}, such as {value[wrong[0]]:.4g}, "
                    f"read as {unit}", f"{low:g} to {high:g}", "Check the unit: --unit.", len(wrong))  # fmt: skip
    if name == "price_eur_per_mwh" and len(value):
        mean = float(np.abs(value).mean())
        if not MEAN_PRICE[0] <= mean <= MEAN_PRICE[1]:
            others = [("EUR/MWh", 1.0), ("ct/kWh", 10.0), ("EUR/kWh", 1e3)]
            own = dict(others).get(unit, 1.0)
            fits = [word for word, f in others if MEAN_PRICE[0] <= mean * f / own <= MEAN_PRICE[1]]
            notes.doubt(
                "unit",
                f"unit {unit}",
                f"a mean of {mean:,.4g} EUR/MWh",
                "5 to 600 EUR/MWh",
                f"It would fit if the unit were {' or '.join(fits)}: --unit." if fits else "Check the unit.",
            )


def _at(moment: np.datetime64) -> str:
    return f"{str(moment.astype('datetime64[m]')).replace('T', ' ')} UTC"

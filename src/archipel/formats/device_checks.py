"""What must be true of a device's row beyond the bounds of each column, and of the series it names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archipel.formats.appliances import check_appliances
from archipel.formats.findings import Findings, did_you_mean
from archipel.formats.tables import Sheet
from archipel.model import Profiles

STORM_M_PER_S = 75.0
"""No quarter hour at a turbine was ever windier; a series that says so is in km/h or knots."""


def check_rows(table: str, sheet: Sheet, profiles: Profiles | None, findings: Findings) -> None:
    """Findings for the rows of one table; tables without further rules pass."""
    if table in _CHECKS:
        _CHECKS[table](sheet, profiles, findings)


def _wind(sheet: Sheet, profiles: Profiles | None, findings: Findings) -> None:
    first, rated, last = (sheet.numbers[f"speed_m_per_s_{name}"] for name in ("in", "rated", "out"))
    wrong = np.flatnonzero((first >= rated) | (rated >= last))
    findings.add_each(
        sheet.file,
        sheet.name,
        [(sheet.id[i], f"speeds of {first[i]:g} (in), {rated[i]:g} (rated), {last[i]:g} m/s (out)") for i in wrong],
        "cut-in below rated below cut-out speed",
        "Correct the three speeds; modern turbines have about 3, 12 and 25 m/s.",
    )
    _series(sheet, "profile", profiles, 0.0, STORM_M_PER_S, "wind speeds in m/s", "Divide a series in km/h by 3.6.",
            findings)  # fmt: skip


def _hydro(sheet: Sheet, profiles: Profiles | None, findings: Findings) -> None:
    flow, kept = sheet.numbers["inflow_m3_per_s"], sheet.numbers["residual_m3_per_s"]
    most = flow.copy()
    if profiles is not None:
        for i, name in enumerate(sheet.text["profile"]):
            if name in profiles.name:
                most[i] *= float(profiles.value[:, profiles.name.index(name)].max())
    short = np.flatnonzero((kept > most) & (kept > 0.0))
    findings.add_each(
        sheet.file,
        sheet.name,
        [(sheet.id[i], f"a residual flow of {kept[i]:g} m3/s and an inflow of at most {most[i]:g}") for i in short],
        "less residual flow than flows in at its best",
        "Lower residual_m3_per_s, or state inflow_m3_per_s at profile value one.",
    )
    _series(sheet, "profile", profiles, 0.0, 1e6, "inflow relative to inflow_m3_per_s", "Mend the negative values.",
            findings)  # fmt: skip


def _buildings(sheet: Sheet, profiles: Profiles | None, findings: Findings) -> None:
    sunny = [i for i, name in enumerate(sheet.text["solar_profile"]) if not name and sheet.numbers["solar_kw"][i] > 0]
    findings.add_each(
        sheet.file,
        sheet.name,
        [(sheet.id[i], f"solar_kw = {sheet.numbers['solar_kw'][i]:g} without a solar_profile") for i in sunny],
        "the series of the sun that warms it",
        "Name a series in solar_profile, or leave solar_kw out.",
    )
    if profiles is not None:
        for column in ("outdoor_profile", "solar_profile"):
            first: dict[str, int] = {}
            for i, name in enumerate(sheet.text[column]):
                if name and name not in profiles.name:
                    first.setdefault(name, i)
            for name, i in first.items():
                findings.add(sheet.file, sheet.name, sheet.id[i], f"{column} = {name!r}",
                             "a series of the profile files", did_you_mean(name, profiles.name))  # fmt: skip
    _series(sheet, "outdoor_profile", profiles, -70.0, 60.0, "temperatures in degrees Celsius",
            "Subtract 273.15 from a series in kelvin.", findings)  # fmt: skip
    _series(sheet, "solar_profile", profiles, 0.0, 2000.0, "sun relative to solar_kw",
            "Mend the negative values.", findings)  # fmt: skip


def _capacitors(sheet: Sheet, profiles: Profiles | None, findings: Findings) -> None:
    del profiles
    on, off = sheet.numbers["v_pu_on"], sheet.numbers["v_pu_off"]
    findings.add_each(
        sheet.file,
        sheet.name,
        [(sheet.id[i], f"on below {on[i]:g} and off above {off[i]:g} pu") for i in np.flatnonzero(on >= off)],
        "v_pu_on below v_pu_off",
        "Exchange the two, or leave a band between them wider than what one step moves the voltage.",
    )
    steps, start = sheet.numbers["steps"], sheet.numbers["steps_start"]
    for name, value in (("steps", steps), ("steps_start", start)):
        findings.add_each(
            sheet.file,
            sheet.name,
            [(sheet.id[i], f"{name} = {value[i]:g}") for i in np.flatnonzero(value != np.round(value))],
            "a whole number of steps",
            f"Correct {name}.",
        )
    findings.add_each(
        sheet.file,
        sheet.name,
        [(sheet.id[i], f"{start[i]:g} of {steps[i]:g} steps in at the start") for i in np.flatnonzero(start > steps)],
        "no more steps than there are",
        "Lower steps_start.",
    )


def _appliances(sheet: Sheet, profiles: Profiles | None, findings: Findings) -> None:
    del profiles
    check_appliances(sheet, findings)


def _series(
    sheet: Sheet,
    column: str,
    profiles: Profiles | None,
    low: float,
    high: float,
    what: str,
    mend: str,
    findings: Findings,
) -> None:
    """Every series that a column names lies in low..high; the first row that names it is told."""
    if profiles is None:
        return
    seen: set[str] = set()
    for i, name in enumerate(sheet.text[column]):
        if name in seen or name not in profiles.name:
            continue
        seen.add(name)
        value = profiles.value[:, profiles.name.index(name)]
        least, most = float(value.min()), float(value.max())
        if least < low or most > high:
            findings.add(sheet.file, sheet.name, sheet.id[i],
                         f"{column} = {name!r}, a series from {least:g} to {most:g}",
                         f"{what}, from {low:g} to {high:g}", mend)  # fmt: skip


_CHECKS: dict[str, Callable[[Sheet, Profiles | None, Findings], None]] = {
    "wind": _wind,
    "hydro": _hydro,
    "appliances": _appliances,
    "buildings": _buildings,
    "switched_capacitors": _capacitors,
}

"""Energy kept for the loss of the main grid, and how long critical load would be held without it.

The area forms one island, in which batteries share by state of charge; so what matters is their sum, and every battery
keeps the same share of its capacity. No centre is needed for it: what critical load and renewables of a cell were is
known in the cell, a sum up the tree of cells (the way of every plan) makes them those of the area, and the one number
that comes back down is the state of charge to keep. A cell without batteries keeps nothing and is held by the others, a
cell with many keeps more than it needs itself. (In the twin all read one set of series, so the sum is made at once;
a cell's batteries know these sums and nothing of any other cell.)

Stocks of dispatchable generators are not counted on in the reserve, for one may be empty by then; in a forecast of
survival they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import final

import numpy as np

from archipel.devices import (
    BatteryFleet,
    DispatchableFleet,
    GeneratorFleet,
    LoadFleet,
    PvFleet,
    SheddableFleet,
)
from archipel.forecasting.analogs import DAY, DAYS, HOUR, Bank, reserve_kwh
from archipel.forecasting.survival import MOST_H, Living, survival_h
from archipel.model import Floats, IslandRules, Profiles, Scenario
from archipel.model.horizon import STEP_MINUTES

PROBABILITIES = (0.9, 0.99, 0.999)
"""At which survival is told."""
LOSSES = 0.03
"""Of the network, on top of critical load; an island of `island` loses 1.2 % of what is wanted."""


def bank_of(scenario: Scenario) -> Bank | None:
    """All batteries of an area as one, efficiencies weighted by capacity; None where there are none."""
    fleets = [f for f in scenario.fleets if isinstance(f, BatteryFleet)]
    size = sum(float(f.e_kwh.sum()) for f in fleets)
    if size <= 0.0:
        return None
    charge = sum(float(f.e_kwh @ f.efficiency_charge) for f in fleets) / size
    discharge = sum(float(f.e_kwh @ f.efficiency_discharge) for f in fleets) / size
    p_charge = sum(float(f.p_kw_charge.sum()) for f in fleets)
    p_discharge = sum(float(f.p_kw_discharge.sum()) for f in fleets)
    return Bank(size, p_charge, p_discharge, charge, discharge)


def area_kw(scenario: Scenario, first_row: int, rows: int) -> tuple[Floats, Floats, Floats]:
    """(critical load, other load, renewables on offer) of the area [kW], (rows,) each; load with its losses.

    Vehicles and heat pumps are no part of it: without a main grid they are shed before any other load.
    """
    value = np.asarray(scenario.profiles.window(first_row, rows), dtype=np.float64)
    value = np.column_stack([value, np.ones(len(value))])
    load, shed, offered = np.zeros((3, len(value)))
    for f in scenario.fleets:
        if isinstance(f, LoadFleet):
            load += value[:, f.p_profile] @ f.p_kw
        elif isinstance(f, SheddableFleet):
            shed += value[:, f.p_profile] @ f.p_kw
        elif isinstance(f, PvFleet | GeneratorFleet):
            peak = f.p_kw_peak if isinstance(f, PvFleet) else f.p_kw
            offered += np.clip(value[:, f.profile] * peak, 0.0, f.s_kva).sum(axis=1)
        elif hasattr(f, "offered"):
            offered += f.offered(value).sum(axis=0)
    share = 1.0 if scenario.island.off_grid else scenario.island.critical_share  # off grid loads are cut in two already
    return (1.0 + LOSSES) * share * load, (1.0 + LOSSES) * ((1.0 - share) * load + shed), offered


class ReserveNotHeld(UserWarning):
    """A reserve takes more than all batteries hold; they are kept full, and it is told what that promises."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Reserve:
    """State of charge that batteries keep while the main grid is there.

    Renewed every 96 rows of the profiles, from those before; what is kept tomorrow is planned as what is kept today.
    """

    name: str
    """Of the area."""
    rules: IslandRules
    bank: Bank
    sums: Profiles
    """Critical load and renewables on offer of the whole area [kW]."""
    _days: dict[int, Floats] = field(default_factory=dict)

    def share(self, first_row: int, rows: int) -> Floats:
        """Least state of charge at the beginning of `rows` quarter hours, as known at the first, (rows,), at most 1."""
        return np.minimum(self.wanted_kwh(first_row, rows) / self.bank.e_kwh, 1.0)

    def wanted_kwh(self, first_row: int, rows: int) -> Floats:
        """Energy that should be stored, (rows,): more than batteries hold where the promise cannot be kept."""
        day = first_row // DAY
        if day not in self._days:
            self._days[day] = self._day(day, self.rules.reserve_for_h)
        return self._days[day][(first_row + np.arange(rows)) % DAY]

    def promised_h(self, row: int) -> float:
        """Hours that full batteries can promise all day, at most what is asked for."""
        low, high = 0, round(self.rules.reserve_for_h / HOUR)
        while low < high:
            middle = (low + high + 1) // 2
            fits = bool((self._day(row // DAY, middle * HOUR) <= self.bank.e_kwh).all())
            low, high = (middle, high) if fits else (low, middle - 1)
        return low * HOUR

    def why_not(self, row: int, wanted_kwh: float) -> str:
        """Why the reserve cannot be held at `row`, and the best safe answer."""
        rules = self.rules
        at = self.sums.start + row * timedelta(minutes=STEP_MINUTES)
        asked = f"{self.name}: critical load for {rules.reserve_for_h:g} h at {100 * rules.reserve_probability:g} %"
        if not np.isfinite(wanted_kwh):
            why = f"{asked} cannot be promised at {at:%Y-%m-%d %H:%M}, because the profiles have no day before it"
        else:
            why = (
                f"{asked} takes {wanted_kwh:,.0f} kWh at {at:%Y-%m-%d %H:%M}, and all batteries hold "
                f"{self.bank.e_kwh:,.0f} kWh; promised instead, that day: {self.promised_h(row):g} h"
            )
        return (
            f"{why}. Batteries are kept full. Lower reserve_for_h or reserve_probability in [island], or add batteries."
        )

    def _day(self, day: int, hours: float) -> Floats:
        steps = round(hours / HOUR)
        first = max(0, day - DAYS - 1 - steps // DAY)
        critical, offered = self.sums.window(first * DAY, (day - first) * DAY).astype(np.float64).T
        return reserve_kwh(critical, offered, steps, self.rules.reserve_probability, self.bank)


def reserve_of(scenario: Scenario) -> Reserve | None:
    """The reserve that the batteries of a scenario keep; None where they keep none."""
    for fleet in scenario.fleets:
        if isinstance(fleet, BatteryFleet) and isinstance(fleet.reserve, Reserve):
            return fleet.reserve
    return None


def with_reserve(scenario: Scenario) -> Scenario:
    """The same area, with batteries that keep what `[island] reserve_for_h` asks for; free where it asks nothing."""
    bare = tuple(replace(f, reserve=None) if isinstance(f, BatteryFleet) else f for f in scenario.fleets)
    scenario = replace(scenario, fleets=bare)
    bank = bank_of(scenario)
    if scenario.island.off_grid or scenario.island.reserve_for_h <= 0.0 or bank is None:
        return scenario
    critical, _, offered = area_kw(scenario, 0, len(scenario.profiles.value))
    value = np.stack([critical, offered], axis=1).astype(np.float32)
    sums = Profiles(scenario.profiles.start, ("critical", "offered"), value)
    kept = Reserve(scenario.name, scenario.island, bank, sums)
    fleets = (replace(f, reserve=kept) if isinstance(f, BatteryFleet) else f for f in scenario.fleets)
    return replace(scenario, fleets=tuple(fleets))


def island_reserve_kwh(scenario: Scenario, row: int) -> float:
    """Below what energy an island that begins at `row` serves critical load only, so that the promise is kept.

    What is wanted then, and a quarter hour of all load more, because a rule sees what is stored once per quarter hour.
    """
    kept, bank = reserve_of(scenario), bank_of(scenario)
    if kept is None or bank is None:
        return scenario.island.reserve_kwh
    first = max(0, row - DAY)
    critical, rest, _ = area_kw(scenario, first, row - first)
    quarter = float((critical + rest).max(initial=0.0)) * HOUR / bank.efficiency_discharge
    wanted = float(kept.wanted_kwh(row, 1)[0]) + quarter
    return min(max(scenario.island.reserve_kwh, wanted), bank.e_kwh)


def survival(
    scenario: Scenario,
    row: int,
    stored_kwh: float,
    probability: float,
    fuel_kwh: float | None = None,
    most_h: float = MOST_H,
) -> float:
    """Hours for which critical load is held without a main grid from `row` on, at this probability.

    Args:
        scenario: the area, with the rules it would live by.
        row: of the profiles; only rows before it are read.
        stored_kwh: in all batteries.
        probability: of the promise, above 0 and below 1.
        fuel_kwh: left in the stocks of dispatchable generators; what they begin with by default.
        most_h: how far to look.

    Raises:
        ValueError: for a probability that is none.
    """
    if not 0.0 < probability < 1.0:
        raise ValueError(f"probability: found {probability}; expected above 0 and below 1, since nothing is ever sure")
    bank = bank_of(scenario)
    if bank is None:
        return 0.0
    stock = [f for f in scenario.fleets if isinstance(f, DispatchableFleet)]
    rules = scenario.island
    rest = sum(stage.share for stage in rules.shedding)
    living = Living(
        bank=bank,
        stored_kwh=stored_kwh,
        fuel_kw=sum(float(f.p_kw_max.sum()) for f in stock),
        fuel_kwh=sum(float(f.e_kwh.sum()) for f in stock) if fuel_kwh is None else fuel_kwh,
        fuel_below_kwh=rules.fuel_below_kwh,
        stages=tuple((one.share / rest, one.below_kwh) for one in rules.shedding) if rest > 0 else (),
    )
    first = max(0, row - DAY * (DAYS + 1) - round(most_h / HOUR))
    return survival_h(living, *area_kw(scenario, first, row - first), probability, most_h)


def survival_words(scenario: Scenario, at: datetime, stored_kwh: float) -> str:
    """The forecast in a sentence, at every one of `PROBABILITIES`, for an area (or a part of it) without main grid."""
    row = scenario.profiles.row(at)
    if row < 96:
        return "For how long critical load is held from what is stored is not known: there are no days before."
    hours = {p: survival(scenario, row, stored_kwh, p) for p in PROBABILITIES}
    told = (f"{'at least ' if h >= MOST_H else ''}{h:g} h at {100 * p:g} %" for p, h in hours.items())
    return f"By what the days before were like, critical load is held for {', '.join(told)}."

"""What changes cost: a small table, every figure changeable.

Figures of a tariff come from the scenario. The others are round planning assumptions, not quotations: put in your own.
Investments are per year, at an annuity of 5 %: 10 % of the outlay a year over 15 years, 6 % over 40.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import final

from archipel.model import ArchipelError, Tariff


@final
@dataclass(frozen=True, slots=True)
class Prices:
    """EUR per unit. Those that end in `_a` are per year."""

    lost_load_eur_per_kwh: float = 10.0
    """The tariff's value of lost load."""
    curtailed_eur_per_kwh: float = 0.08
    """Feed-in not taken; about what feed-in tariffs pay."""
    storage_eur_per_kwh_a: float = 40.0
    """About 400 EUR/kWh outlay over 15 years."""
    storage_eur_per_kw_a: float = 15.0
    """Converter: about 150 EUR/kW outlay over 15 years."""
    transformer_eur_per_kva_a: float = 4.0
    """A distribution transformer with its station, about 65 EUR/kVA outlay over 40 years."""
    line_eur_per_kva_a: float = 12.0
    """A stronger or second cable of some hundred metres, about 200 EUR/kVA outlay over 40 years."""
    connection_eur_per_kw_a: float = 21.9
    """More firm power at the upstream connection: the tariff's charge for a kW of peak, on every day."""
    agreement_eur_per_kw_a: float = 21.9
    """More power in an envelope or agreement: as at the upstream connection."""
    late_vehicle_eur_per_h: float = 1.0
    """A vehicle that leaves an hour later."""
    vehicle_eur_per_kwh: float = 2.0
    """The tariff's price of a kWh missing at departure."""
    charger_eur_per_kw_a: float = 10.0
    """A stronger charger."""
    warmth_eur_per_k_h: float = 1.0
    """The tariff's price of a kelvin-hour outside the comfort band."""
    heat_pump_eur_per_kw_a: float = 90.0
    """A larger heat pump, per electrical kW."""
    reactive_eur_per_kvar_a: float = 3.0
    """A compensator, about 50 EUR/kvar outlay over 40 years."""
    generator_eur_per_kw_a: float = 60.0
    """A firm generator, without fuel."""
    fuel_eur_per_kwh: float = 0.25
    """What it burns."""
    visit_eur: float = 150.0
    """A crew's visit: to change a tap, or to throw a switch."""
    voltage_eur_per_pu_a: float = 50000.0
    """A wider voltage band is no investment but somebody's consent: priced so high that it is told after other ways."""
    reserve_eur_per_kwh: float = 1.0
    """A kWh less in reserve on a day."""
    promise_eur_per_kwh: float = 0.5
    """A promised kWh not delivered: twice a high day-ahead price, as penalties usually are."""
    smaller_eur_per_kw_a: float = 50.0
    """A device connected a kW smaller: what its owner forgoes."""
    days_a_year: float = 20.0
    """On how many days a year a day like this comes: what is paid by the day is compared with what is paid by the year
    on this assumption."""

    @staticmethod
    def of(tariff: Tariff) -> Prices:
        """The table with the tariff's own figures."""
        return Prices(
            lost_load_eur_per_kwh=tariff.voll_eur_per_kwh,
            vehicle_eur_per_kwh=tariff.ev_unserved_eur_per_kwh,
            warmth_eur_per_k_h=tariff.comfort_eur_per_k_h,
            connection_eur_per_kw_a=max(365.0 * tariff.peak_eur_per_kw_day, 1.0),
            agreement_eur_per_kw_a=max(365.0 * tariff.peak_eur_per_kw_day, 1.0),
        )

    def with_own(self, given: list[str]) -> Prices:
        """The table with figures given as `name=value`.

        Raises:
            ArchipelError: for a name that is not in the table, or a value that is no number above zero.
        """
        names = {f.name for f in fields(self)}
        changed = {}
        for one in given:
            name, _, text = one.partition("=")
            try:
                value = float(text)
            except ValueError:
                value = -1.0
            if name not in names or not 0.0 < value < float("inf"):
                raise ArchipelError(
                    f"--price: found {one}; expected NAME=VALUE above zero, with one of {', '.join(sorted(names))}"
                )
            changed[name] = value
        return replace(self, **changed)

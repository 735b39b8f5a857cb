"""The kinds of devices that can be adopted: one function per kind, and its line in `KINDS`.

Sizes, with their sources:

- *PV*: what covers the customer's use once over the year, times a draw (log-normal, 0.35), and never more than the
  roof: 9 kWp at homes (log-normal, 0.4, at most 25), 45 kWp at businesses and farms (0.8, at most 250). Medians of
  G. Barbose et al., "Tracking the Sun", LBNL: 6.4 kW at homes and 47 kW at others in 2018, homes larger since. Half of
  the inverters, drawn, follow a volt-var curve.
- *Batteries*: 1 kWh per kWp (log-normal, 0.25), 0.5 kW per kWh; J. Figgener et al., Journal of Energy Storage 33
  (2021): home storage in Germany is about as many kWh as its PV is kWp. Without PV 1 kWh per MWh used a year.
- *EV*: 11 kW (16 A on three phases), in 60 Hz networks 7.2 kW (30 A at 240 V); energy and times in `sessions.py`.
- *Heat pumps*: heat of 15,000 kWh a year (log-normal, 0.3; a house of 140 m2 at 105 kWh/m2) at homes, 30,000 at farms,
  by degree days (`weather.py`); seasonal performance 3.1 +- 0.3 (D. Günther et al., "WPsmart im Bestand",
  Fraunhofer ISE 2020, air to water); 15 % more power than the coldest hour needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from archipel.formats.adopting.session_file import read_session_file, spread_sessions
from archipel.formats.adopting.sessions import Sessions, drawn_sessions
from archipel.formats.adopting.setting import Placed, Setting
from archipel.formats.adopting.weather import YIELD_KWH, heat_demand, sun_of, temperature
from archipel.model import Floats, Ints

HOME_ROOF_KWP, OTHER_ROOF_KWP = 9.0, 45.0
LEAST_KWP = 2.0
CHARGER_KW = {50: 11.0, 60: 7.2}
HEAT_KWH = {"home": 15_000.0, "business": 60_000.0, "farm": 30_000.0}
HEAT_SERIES = "heat-by-degree-days"


@final
@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of device that customers can adopt."""

    table: str
    """Its key in [devices]."""
    place: Callable[[Setting, Ints], Placed]
    customers: tuple[str, ...] = ("home", "business", "farm")
    """Who may have one."""
    order: str = ""
    """Kinds with one order go to the same customers first; its own where empty."""
    words: str = ""


def place_pv(setting: Setting, who: Ints) -> Placed:
    """Panels on the roofs of customers."""
    kwp, roof = (
        np.round(pv_kwp(setting) * setting.customers.homes, 1)[who],
        setting.rng("roof").integers(0, 8, len(setting.customers))[who],
    )
    modern = setting.rng("volt-var").random(len(setting.customers))[who] < 0.5
    sun = sun_of(setting.clock)
    rows = [
        {"id": f"pv/{setting.customers.id[i]}", "node": setting.node[i], "p_kw_peak": kwp[k], "s_kva": kwp[k],
         "profile": f"sun-{roof[k] + 1}", "volt_var": str(bool(modern[k])).lower()}
        for k, i in enumerate(who)
    ]  # fmt: skip
    total = -sun @ np.bincount(roof, kwp, 8)
    return Placed(
        rows,
        lambda at: -kwp[:, None] * sun[at].T[roof],
        total,
        f"{kwp.sum():,.0f} kWp, {-total.sum() / 4e3:,.1f} MWh in the series",
        series={f"sun-{k + 1}": sun[:, k] for k in sorted(set(roof.tolist()))},
    )


def pv_kwp(setting: Setting) -> Floats:
    """Size of the plant a customer of every row would have [kWp], in steps of 0.1, shape (customers,)."""
    home = setting.customers.of("home")
    roof = np.where(
        home,
        np.minimum(setting.around("home roof", HOME_ROOF_KWP, 0.4), 25.0),
        np.minimum(setting.around("other roof", OTHER_ROOF_KWP, 0.8), 250.0),
    )
    wish = setting.around("pv wish", setting.e_kwh / YIELD_KWH, 0.35)
    return np.asarray(np.round(np.maximum(np.minimum(wish, roof), LEAST_KWP), 1))


def place_batteries(setting: Setting, who: Ints) -> Placed:
    """Home storage, sized by the panels it belongs to."""
    owners = np.isin(who, setting.taken.get("pv", who[:0]))
    kwp = np.where(owners, pv_kwp(setting)[who], np.clip(setting.e_kwh[who] / 1000.0, 2.0, 20.0))
    kwh = np.round(kwp * setting.customers.homes[who] * setting.around("battery", 1.0, 0.25)[who], 1)
    rows = [
        {"id": f"battery/{setting.customers.id[i]}", "node": setting.node[i], "e_kwh": kwh[k],
         "p_kw_charge": 0.5 * kwh[k], "p_kw_discharge": 0.5 * kwh[k], "efficiency_charge": 0.95,
         "efficiency_discharge": 0.95, "soc_start": 0.5, "wear_eur_per_kwh": 0.01}
        for k, i in enumerate(who)
    ]  # fmt: skip
    return Placed(
        rows,
        lambda at: np.zeros((len(who), len(at))),
        np.zeros(len(setting.clock)),
        f"{kwh.sum():,.0f} kWh, {0.5 * kwh.sum():,.0f} kW; {int(owners.sum())} of {len(who)} beside PV",
    )


def place_chargers(setting: Setting, who: Ints) -> Placed:
    """Chargers with the sessions of statistics or of a file."""
    options, clock = setting.options, setting.clock
    homes = setting.customers.homes
    rating = CHARGER_KW[60 if setting.f_hz > 55.0 else 50]
    everybody = np.full(len(homes), rating)
    p_kw = rating * homes[who]
    notes: tuple[str, ...] = ()
    if options.ev_sessions is None:
        at_work = setting.customers.of("business")[who]
        # Everybody's year is drawn, whoever is chosen: shares stay nested to the last session.
        drawn = drawn_sessions(setting.customers.of("business"), everybody, clock, setting.rng("sessions"))
        sessions = _pick(drawn, who, homes)
        notes = (f"{int(at_work.sum())} of {len(who)} chargers are at businesses (working days)",) if len(who) else ()
    else:
        file = read_session_file(options.ev_sessions, options.ev_zone, options.ev_stamps)
        spread, clipped = spread_sessions(file, everybody, clock, setting.rng("session file"))
        sessions = _pick(spread, who, homes)
        notes = (
            f"sessions of {options.ev_sessions.name}: {len(file):,} at {file.stations} stations, whole weeks moved",
        )
        if clipped:
            notes += (f"{clipped:,} sessions needed more than their charger gives until they leave, and got less",)
    ids = [f"ev/{setting.customers.id[i]}" for i in who]
    power = _plugged_in(sessions, p_kw)
    rows = [{"id": ids[k], "node": setting.node[i], "p_kw": p_kw[k]} for k, i in enumerate(who)]
    start = np.datetime64(clock.start.replace(tzinfo=None), "s")
    stamp = [f"{text}Z" for text in (start + np.timedelta64(900, "s") * np.arange(len(clock) + 1)).astype(str)]
    events = [
        {"charger": ids[c], "start": stamp[s], "end": stamp[e], "e_kwh": kwh}
        for c, s, e, kwh in zip(sessions.charger, sessions.start, sessions.end, sessions.e_kwh, strict=True)
    ]
    return Placed(
        rows,
        lambda at: power(at, len(who)),
        _plugged_total(sessions, p_kw, len(clock)),
        f"{p_kw.sum():,.0f} kW, {len(events):,} sessions, {sessions.e_kwh.sum() / 1e3:,.1f} MWh in the series",
        events,
        notes=notes,
    )


def _pick(sessions: Sessions, who: Ints, homes: Floats) -> Sessions:
    """The sessions of some customers, for all the homes each of them stands for."""
    keep = np.isin(sessions.charger, who)
    charger, e_kwh = sessions.charger[keep], sessions.e_kwh[keep]
    return Sessions(np.searchsorted(who, charger), sessions.start[keep], sessions.end[keep], e_kwh * homes[charger])


def _plugged_total(sessions: Sessions, p_kw: Floats, rows: int) -> Floats:
    """Power of all chargers that charge as soon as they can [kW], shape (rows,)."""
    full = np.floor(sessions.e_kwh / (p_kw[sessions.charger] * 0.25) + 1e-9).astype(np.int64)
    p = p_kw[sessions.charger]
    last = np.minimum(sessions.start + full, rows)
    whole = np.bincount(sessions.start, p, rows + 1) - np.bincount(last, p, rows + 1)
    rest = 4.0 * (sessions.e_kwh - full * p * 0.25)
    return np.asarray(np.cumsum(whole)[:rows] + np.bincount(last, rest, rows + 1)[:rows])


def _plugged_in(sessions: Sessions, p_kw: Floats) -> Callable[[Ints, int], Floats]:
    def power(at: Ints, chargers: int) -> Floats:
        found = np.zeros((chargers, len(at)))
        p = p_kw[sessions.charger]
        for k, row in enumerate(at):
            past = (row - sessions.start) * 0.25 * p
            now = (row >= sessions.start) & (row < sessions.end) & (past < sessions.e_kwh)
            drawn = np.minimum(p, 4.0 * (sessions.e_kwh - past))
            np.add.at(found[:, k], sessions.charger[now], drawn[now])
        return found

    return power


def place_heat_pumps(setting: Setting, who: Ints) -> Placed:
    """Heat pumps with a buffer, for houses that need heat by degree days."""
    demand = heat_demand(setting.clock, temperature(setting.clock, setting.rng("temperature")))
    hours = demand.sum() * 0.25 * 35040.0 / len(demand)
    e_kwh = (setting.around("heat", setting.by_kind(HEAT_KWH), 0.3) * setting.customers.homes)[who]
    heat_kw = np.round(e_kwh / hours, 2)
    cop = np.round(np.clip(3.1 + 0.3 * setting.rng("cop").standard_normal(len(setting.customers))[who], 2.4, 3.8), 2)
    p_kw = np.round(1.15 * heat_kw * demand.max() / cop, 2)
    rows = [
        {"id": f"heat_pump/{setting.customers.id[i]}", "node": setting.node[i], "p_kw": p_kw[k], "heat_kw": heat_kw[k],
         "profile": HEAT_SERIES, "cop": cop[k], "buffer_kwh_per_k": round(0.3 * heat_kw[k], 2), "band_k": 2.0}
        for k, i in enumerate(who)
    ]  # fmt: skip
    total = demand * (heat_kw / cop).sum()
    return Placed(
        rows,
        lambda at: (heat_kw / cop)[:, None] * demand[at][None, :],
        total,
        f"{p_kw.sum():,.0f} kW, {total.sum() / 4e3:,.1f} MWh in the series",
        series={HEAT_SERIES: demand} if len(who) else {},
    )


KINDS: dict[str, Kind] = {
    "pv": Kind("pv", place_pv, words="panels on the roof"),
    "battery": Kind("batteries", place_batteries, order="pv", words="batteries, first where there are panels"),
    "ev": Kind("ev_chargers", place_chargers, words="electric vehicles at a charger"),
    "heat-pump": Kind("heat_pumps", place_heat_pumps, ("home", "farm"), words="heat pumps, of homes and farms"),
}
"""The options of `archipel adopt`: share of the customers that have one."""

"""Kinds of change that may make an impossible day possible, as further variables of the programme.

Every kind is linear: each variable has a price, does something to limits (as power drawn at nodes, or to the limit
itself), and the least change of its kind is what the programme finds at the least price.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from scipy import sparse

from archipel.cell.remedy.case import Ask, Case
from archipel.cell.remedy.network import Limits, Rows
from archipel.cell.remedy.prices import Prices
from archipel.model import Bools, FirmLimits, Floats, Ints
from archipel.optimisation.programme import Programme

EFFICIENCY = 0.95
"""Each way, of storage that is added."""
PLACES = 4
"""Places at which something is added, at most."""
NEAR, WIDE = 0.6, 0.1
"""Effect on a limit, as a share of the largest, of nodes that count as near it and as behind it."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """Nodes behind a limit."""

    name: str
    """Of what they are behind."""
    nodes: Ints
    best: int
    """The node with the largest effect."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Something that is changed: what it is called, and its variables, scalar or one per interval."""

    kind: str
    thing: str
    cols: Ints
    unit: str
    scale: float = 1.0
    """Of the unit per unit of the variable."""
    beside: Ints | None = None
    """A second size: the power (kW) that goes with an energy."""


@final
@dataclass(slots=True, eq=False)
class Trial:
    """A programme with the changes of one or more kinds, under construction."""

    case: Case
    rows: Rows
    net_row: Ints
    """Rows of G of `rows`."""
    programme: Programme
    zones: tuple[Zone, ...]
    items: tuple[Ask, ...]
    """What is in conflict."""
    prices: Prices
    asks: dict[int, Ask]
    """Of devices, by row of G."""
    own: tuple[sparse.csc_matrix, sparse.csc_matrix]
    """A and G before any change."""
    pieces: list[Piece] = field(default_factory=list)
    inject: list[tuple[Ints, Floats, Floats]] = field(default_factory=list)
    """Variables (T,) and what each draws at the nodes, (nodes, T) kW and kvar per unit."""
    raised: list[tuple[str, str, int]] = field(default_factory=list)
    """Limits raised: (what, thing, variable)."""

    @property
    def per_day(self) -> float:
        """Share of a year's price that is compared with the price of a day."""
        return 1.0 / self.prices.days_a_year

    def draws(self, cols: Ints, p: Floats, q: Floats) -> None:
        """What variables `cols` (T,) draw at the nodes, (nodes,) or (nodes, T) per unit."""
        t_count = len(self.case.horizon)
        p, q = (x[:, None] if x.ndim == 1 else x for x in (p, q))
        shape = (len(p), t_count)
        p, q = np.broadcast_to(p, shape), np.broadcast_to(q, shape)
        self.inject.append((cols, p, q))
        rows, at = self.rows, self.rows.nodes
        value = (rows.on_p * p[at][:, rows.t].T + rows.on_q * q[at][:, rows.t].T).sum(axis=1)
        self.programme.fill("le", self.net_row, cols[rows.t], value)

    def unit_at(self, node: int) -> Floats:
        """One kW at a node, (nodes,)."""
        one = np.zeros(len(self.case.base_kw))
        one[node] = 1.0
        return one

    @property
    def places(self) -> list[Zone]:
        """Zones with different best nodes, a few."""
        seen: dict[int, Zone] = {}
        for zone in self.zones:
            seen.setdefault(zone.best, zone)
        return list(seen.values())[:PLACES]


def _taken_off(trial: Trial, kind: str, power: Floats, q: Floats, sign: float, eur_per_kwh: float) -> None:
    """Part of a fixed power, in the same share at all nodes of a zone."""
    t_count, dt_h = len(trial.case.horizon), trial.case.horizon.dt_h
    share = np.zeros((0, t_count), dtype=np.int64)
    where: list[Bools] = []
    for zone in trial.zones:
        inside = np.zeros(len(power), dtype=np.bool_)
        inside[zone.nodes] = True
        total = power[inside].sum(axis=0)
        if total.max(initial=0.0) < 1e-6 or any((inside == other).all() for other in where):
            continue
        where.append(inside)
        safe = np.maximum(total, 1e-9)
        cols = trial.programme.add(np.zeros(t_count), total, eur_per_kwh * dt_h)
        trial.draws(cols, -sign * power * inside[:, None] / safe, -sign * q * inside[:, None] / safe)
        trial.pieces.append(Piece(kind, zone.name, cols, "kW"))
        share = np.concatenate([share, cols[None]])
    if len(where) > 1:  # nothing can be taken off twice
        for node in range(len(power)):
            mine = [k for k, inside in enumerate(where) if inside[node]]
            if len(mine) > 1 and power[node].max(initial=0.0) > 1e-6 and node == _first(where, mine):
                row = trial.programme.rows("le", np.ones(t_count))
                for k in mine:
                    total = np.maximum(power[where[k]].sum(axis=0), 1e-9)
                    trial.programme.fill("le", row, share[k], 1.0 / total)


def _first(where: list[Bools], mine: list[int]) -> int:
    """The first node that lies in just these zones."""
    inside = np.all([where[k] for k in mine], axis=0)
    for k, other in enumerate(where):
        if k not in mine:
            inside &= ~other
    return int(np.argmax(inside))


def less_load(trial: Trial) -> None:
    """Fixed load behind a limit is not served."""
    case = trial.case
    _taken_off(trial, "load", case.load_kw, case.load_kvar, 1.0, trial.prices.lost_load_eur_per_kwh)


def less_made(trial: Trial) -> None:
    """Fixed feed-in behind a limit is not taken."""
    made = trial.case.made_kw
    _taken_off(trial, "feed-in", made, 0.0 * made, -1.0, trial.prices.curtailed_eur_per_kwh)


def storage(trial: Trial) -> None:
    """Storage is added; it ends as it began (in an outage it begins full)."""
    prices, t_count, dt_h = trial.prices, len(trial.case.horizon), trial.case.horizon.dt_h
    programme, per_day = trial.programme, trial.per_day
    for zone in trial.places:
        size = programme.add(0.0, np.inf, prices.storage_eur_per_kwh_a * per_day, 1)
        rating = programme.add(0.0, np.inf, prices.storage_eur_per_kw_a * per_day, 1)
        charge = programme.add(np.zeros(t_count), np.full(t_count, np.inf), 1e-4 * dt_h)
        give = programme.add(np.zeros(t_count), np.full(t_count, np.inf), 1e-4 * dt_h)
        level = programme.add(np.zeros(t_count + 1), np.full(t_count + 1, np.inf), 0.0)
        rows = programme.rows("eq", np.zeros(t_count))
        for cols, value in (
            (level[1:], np.ones(t_count)), (level[:-1], -np.ones(t_count)),
            (charge, -EFFICIENCY * dt_h), (give, dt_h / EFFICIENCY),
        ):  # fmt: skip
            programme.fill("eq", rows, cols, value)
        ends = programme.rows("eq", np.zeros(1))
        if trial.case.wishes.outage is None:
            programme.fill("eq", ends, np.array([level[0], level[-1]]), np.array([1.0, -1.0]))
        else:
            programme.fill("eq", ends, np.array([level[0], size[0]]), np.array([1.0, -1.0]))
        at_most = programme.rows("le", np.zeros(t_count + 1))
        programme.fill("le", at_most, level, 1.0)
        programme.fill("le", at_most, size, -1.0)
        both = programme.rows("le", np.zeros(t_count))  # the two directions share the converter
        programme.fill("le", both, charge, 1.0)
        programme.fill("le", both, give, 1.0)
        programme.fill("le", both, rating, -1.0)
        one = trial.unit_at(zone.best)
        trial.draws(charge, one, 0.0 * one)
        trial.draws(give, -one, 0.0 * one)
        trial.pieces.append(Piece("storage", zone.name, size, "kWh", beside=rating))
        for row, ask in trial.asks.items():
            if ask.what == "promise" and any(i.what == "promise" for i in trial.items):
                promise = next(p for p in trial.case.wishes.promises if p.name == ask.thing)
                programme.fill("le", np.array([row]), charge[[ask.t]], promise.side)
                programme.fill("le", np.array([row]), give[[ask.t]], -promise.side)


def generator(trial: Trial) -> None:
    """A generator that gives what is asked of it is added."""
    prices, t_count, dt_h = trial.prices, len(trial.case.horizon), trial.case.horizon.dt_h
    for zone in trial.places:
        size = trial.programme.add(0.0, np.inf, prices.generator_eur_per_kw_a * trial.per_day, 1)
        give = trial.programme.add(np.zeros(t_count), np.full(t_count, np.inf), prices.fuel_eur_per_kwh * dt_h)
        row = trial.programme.rows("le", np.zeros(t_count))
        trial.programme.fill("le", row, give, 1.0)
        trial.programme.fill("le", row, size, -1.0)
        one = trial.unit_at(zone.best)
        trial.draws(give, -one, 0.0 * one)
        trial.pieces.append(Piece("generator", zone.name, size, "kW"))


def reactive(trial: Trial) -> None:
    """A compensator is added."""
    t_count = len(trial.case.horizon)
    for zone in trial.places:
        size = trial.programme.add(0.0, np.inf, trial.prices.reactive_eur_per_kvar_a * trial.per_day, 1)
        q = trial.programme.add(np.full(t_count, -np.inf), np.full(t_count, np.inf), 0.0)
        for sign in (1.0, -1.0):
            row = trial.programme.rows("le", np.zeros(t_count))
            trial.programme.fill("le", row, q, sign)
            trial.programme.fill("le", row, size, -1.0)
        one = trial.unit_at(zone.best)
        trial.draws(q, 0.0 * one, one)
        trial.pieces.append(Piece("reactive", zone.name, size, "kvar"))


def raised(trial: Trial) -> None:
    """The limits in conflict are raised, each by as much in all intervals."""
    grid, prices = trial.case.scenario.grid, trial.prices
    lines = len(grid.lines)
    sorts = {i.what for i in trial.items} - {"energy", "warmth", "reserve", "promise"}
    if trial.case.wishes.outage is not None:
        sorts -= {"import limit", "export limit"}  # there is no main grid to give more
    # a voltage band is one setting for all nodes
    named = ((a.what, "" if a.what.startswith("voltage") else a.thing) for a in trial.rows.ask if a.what in sorts)
    for what, thing in dict.fromkeys(named):
        mine = [k for k, a in enumerate(trial.rows.ask) if a.what == what and thing in ("", a.thing)]
        unit, price = "kW", prices.connection_eur_per_kw_a
        scale = 1.0
        if what == "loading":
            branch = grid.branch_id.index(thing)
            if branch >= lines:
                k = branch - lines
                scale, unit = float(grid.transformers.sn_kva[k] * grid.transformers.loading_max[k]), "kVA"
                price = prices.transformer_eur_per_kva_a
            else:
                kv = float(grid.nodes.vn_kv[grid.lines.from_node[branch]])
                scale, unit = float(grid.lines.i_a_max[branch]), "A"
                price = prices.line_eur_per_kva_a * 3.0**0.5 * kv
        elif what.startswith("voltage"):
            unit, price = "pu", prices.voltage_eur_per_pu_a
        elif what.startswith("cell"):
            price = prices.agreement_eur_per_kw_a
        # the variable is the share of the limit, pu, or kW
        col = trial.programme.add(0.0, np.inf, price * scale * trial.per_day, 1)
        at = np.array(mine)
        trial.programme.fill("le", trial.net_row[at], col, -1.0 / trial.rows.scale[at])
        trial.raised.append((what, thing, int(col[0])))
        trial.pieces.append(Piece("limit: " + what, thing, col, unit, scale))


def less_energy(trial: Trial) -> None:
    """Vehicles leave with less."""
    for row, ask in trial.asks.items():
        if ask.what != "energy":
            continue
        session = next((s for s in trial.case.sessions if s.id == ask.thing), None)
        if session is None or not _touched(trial, ask.thing, session.node):
            continue
        col = trial.programme.add(0.0, session.kwh, trial.prices.vehicle_eur_per_kwh, 1)
        trial.programme.fill("le", np.array([row]), col, -1.0)
        trial.pieces.append(Piece("energy", ask.thing, col, "kWh"))


def rating(trial: Trial) -> None:
    """Chargers and heat pumps that are too weak for what is asked of them are replaced by stronger ones."""
    case, prices = trial.case, trial.prices
    asked = {i.thing for i in trial.items if i.what in ("energy", "warmth")}
    a, g = trial.own
    for n, name in enumerate(case.name):
        session = next((s for s in case.sessions if s.control == n), None)
        thing = session.id if session is not None else name
        if thing not in asked or case.kind[n] not in ("ev_charger", "heat_pump"):
            continue
        most = float(case.hi[n].max())
        price = prices.charger_eur_per_kw_a if session is not None else prices.heat_pump_eur_per_kw_a
        size = trial.programme.add(0.0, np.inf, price * trial.per_day, 1)
        full = session.p_kw if session is not None else most
        share = case.hi[n] / max(full, 1e-9)
        more = trial.programme.add(np.zeros(len(share)), np.where(share > 0.0, np.inf, 0.0), 0.0)
        row = trial.programme.rows("le", np.zeros(len(share)))
        trial.programme.fill("le", row, more, 1.0)
        trial.programme.fill("le", row, size, -share)
        for kind, matrix in (("eq", a), ("le", g)):
            block = matrix[:, case.u[n]].tocoo()
            # what it draws is told below
            inside = block.row < case.programme.count(kind)
            trial.programme.fill(kind, block.row[inside], more[block.col[inside]], block.data[inside])
        p, q = (np.asarray(m[:, [n]].todense()).ravel() for m in (case.p, case.q))
        trial.draws(more, p, q)
        trial.pieces.append(Piece("rating", name, size, "kW"))


def colder(trial: Trial) -> None:
    """It may be colder than the comfort band."""
    dt_h, t_count = trial.case.horizon.dt_h, len(trial.case.horizon)
    for device in dict.fromkeys(a.thing for a in trial.asks.values() if a.what == "warmth"):
        node = next(
            (int(trial.case.p[:, [n]].nonzero()[0][0]) for n, x in enumerate(trial.case.name) if x == device), -1
        )
        if not _touched(trial, device, node):
            continue
        cols = trial.programme.add(np.zeros(t_count), np.full(t_count, np.inf), trial.prices.warmth_eur_per_k_h * dt_h)
        for row, ask in trial.asks.items():
            if ask.what == "warmth" and ask.thing == device:
                trial.programme.fill("le", np.array([row]), cols[[ask.t]], -1.0)
        trial.pieces.append(Piece("warmth", device, cols, "K"))


def less_reserve(trial: Trial) -> None:
    """Batteries keep less for the loss of the main grid."""
    for device in dict.fromkeys(a.thing for a in trial.asks.values() if a.what == "reserve"):
        col = trial.programme.add(0.0, np.inf, trial.prices.reserve_eur_per_kwh, 1)
        for row, ask in trial.asks.items():
            if ask.what == "reserve" and ask.thing == device:
                trial.programme.fill("le", np.array([row]), col, -1.0)
        trial.pieces.append(Piece("reserve", device, col, "kWh"))


def less_promised(trial: Trial) -> None:
    """Less is promised, by as much in all intervals."""
    for promise in trial.case.wishes.promises:
        hours = float(trial.case.horizon.dt_h[np.isfinite(promise.p_kw)].sum())
        col = trial.programme.add(0.0, np.inf, trial.prices.promise_eur_per_kwh * hours, 1)
        for row, ask in trial.asks.items():
            if ask.what == "promise" and ask.thing == promise.name:
                trial.programme.fill("le", np.array([row]), col, -1.0)
        trial.pieces.append(Piece("promise", promise.name, col, "kW"))


def smaller(trial: Trial) -> None:
    """What is to be connected is smaller, its shape the same."""
    for one in trial.case.wishes.hosted:
        size = float(np.abs(one.p_kw).max(initial=0.0))
        if size <= 0.0:
            continue
        col = trial.programme.add(0.0, size, trial.prices.smaller_eur_per_kw_a * trial.per_day, 1)
        at = trial.unit_at(one.node)[:, None]
        trial.draws(np.full(len(one.p_kw), col[0]), -at * one.p_kw / size, -at * one.q_kvar / size)
        trial.pieces.append(Piece("smaller", one.name, col, "kW"))


KINDS: dict[str, Callable[[Trial], None]] = {
    "load": less_load,
    "feed-in": less_made,
    "storage": storage,
    "generator": generator,
    "reactive": reactive,
    "limit": raised,
    "energy": less_energy,
    "rating": rating,
    "warmth": colder,
    "reserve": less_reserve,
    "promise": less_promised,
    "smaller": smaller,
}
"""By name; a new kind is one more function."""


def _touched(trial: Trial, device: str, node: int) -> bool:
    """Whether a device is in the conflict or behind one of its limits."""
    return any(i.thing == device for i in trial.items) or any(node in zone.nodes for zone in trial.zones)


def changed_limits(limits: Limits, trial: Trial, x: Floats, branch_id: tuple[str, ...]) -> Limits:
    """The limits with what was raised."""
    low, high, loading = limits.v_pu_min.copy(), limits.v_pu_max.copy(), limits.loading.copy()
    firm, cells = limits.firm, dict(limits.cells)

    def more(old: FirmLimits, what: str, by: float) -> FirmLimits:
        if what.endswith("import") or what.startswith("import"):
            return FirmLimits(old.import_kw + by, old.export_kw)
        return FirmLimits(old.import_kw, old.export_kw + by)

    for what, thing, col in trial.raised:
        by = float(x[col])
        if what == "voltage high":
            high += by
        elif what == "voltage low":
            low -= by
        elif what == "loading":
            loading[branch_id.index(thing)] += by
        elif what.startswith("cell"):
            cells[thing] = more(cells[thing], what, by)
        else:
            firm = more(firm, what, by)
    return replace(limits, v_pu_min=low, v_pu_max=high, loading=loading, firm=firm, cells=cells)

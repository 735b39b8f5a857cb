"""Why a setpoint, a price or a refusal is what it is, in sentences for a control room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.model import Scenario
from archipel.model.kinds import CAN_WAIT, GIVES_BACK, RENEWABLE
from archipel.web.area_of import nameplates
from archipel.web.binding import Binding
from archipel.web.columns import FrameBuilder
from archipel.web.nouns import CommandState, Reason, TieAgreement, Why
from archipel.web.source import NotShown

LOCAL_RULE = {
    "load": "it draws what people use, and nobody steers it",
    "sheddable": "it draws what people use, and is cut only where power is short",
    "pv": "it gives what the sun offers",
    "generator": "it gives what its source offers",
    "battery": "it charges from the surplus of its own node and covers the demand there",
    "ev_charger": "vehicles charge as soon as they come, at full power",
    "heat_pump": "its thermostat decides",
    "soft_open_point": "it moves nothing unless both ends ask for it",
    "dispatchable": "it stands still until it is asked",
    "wind": "it gives what the wind offers",
    "appliance": "it starts when its window begins",
    "building": "its thermostat decides",
    "hydro": "it gives what flows in",
    "tap_changer": "it keeps the voltage behind its transformer in its band, one tap after the other",
    "switched_capacitor": "it steps in when the voltage is low and out when it is high",
    "v2g": "vehicles charge as soon as they come, at full power, and give nothing back",
}
GIVES = set(RENEWABLE)
NEAR_KW, NEAR_SHARE = 0.05, 0.01
FULL, EMPTY = 0.995, 0.005
NOTHING_EUR = 5e-5
"""Parts of a price below this [EUR/kWh] are not told: they would read as 0.0000."""
PARTS = {
    "energy": "energy from upstream",
    "losses": "losses on the way",
    "congestion": "limits of lines, transformers and the connection",
    "voltage": "limits of voltage",
    "fees": "network fees and the charge on the peak",
}


@final
@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What is known at a time."""

    time: datetime
    values: NDArray[np.float32]
    """A frame's numbers."""
    ties: Mapping[str, TieAgreement] = field(default_factory=dict)
    """What holds on every tie, by id."""
    made: datetime | None = None
    """When the plan in force was made."""
    until: datetime | None = None
    """When its setpoints lapse unless renewed."""
    held_by: str = ""
    """Who holds the device by hand, and until when; empty where nobody does."""
    node_price_eur_per_kwh: float | None = None
    """At the node of what is asked about."""
    expected_eur_per_kwh: float | None = None
    """Mean price over the plan's horizon, as the cell expected it."""


@final
class Reasons:
    """Answers why, from moments of one scenario. Never changed after it is made."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._builder = FrameBuilder(scenario)
        self._binding = Binding(scenario, self._builder)
        self._low, self._high, self._e_kwh = nameplates(scenario)
        self._device = {name: i for i, name in enumerate(scenario.device_id)}
        self._node = {name: i for i, name in enumerate(scenario.grid.nodes.id)}
        self._tie = {tie.id: i for i, tie in enumerate(scenario.archipelago.tie)}
        self._cell = [cell.id for cell in scenario.archipelago.cell]

    # ---------------------------------------------------------------- setpoints

    def node_of(self, element: str) -> int | None:
        """Row of the node a device or node is at; None for anything else."""
        if element in self._device:
            return int(self._scenario.device_node[self._device[element]])
        return self._node.get(element)

    def setpoint(self, moment: Moment, device: str) -> Why:
        """Why a device is told what it is told. Raises `NotShown` where there is no such device."""
        if device not in self._device:
            raise NotShown(f"device {device}: found no such device; expected one of `GET /api/v1/area`")
        row = self._device[device]
        kind = self._scenario.device_kind[row]
        p_kw, told = (float(self._builder.column(moment.values, "devices", c)[row]) for c in ("p_kw", "p_kw_set"))
        steered = bool(np.isfinite(told))
        text = self._told(moment, row, kind, told) if steered else f"{device} has no setpoint: {LOCAL_RULE[kind]}."
        reasons = [
            Reason(
                rule="lease" if steered else "rule",
                text=_until(moment)
                if steered
                else f"The local rule of a {kind.replace('_', ' ')}: {LOCAL_RULE[kind]}.",
                element=device,
                value=told if steered else _known(p_kw),
                unit="kW",
            )
        ]
        reasons += self._own_limits(moment, row, kind, p_kw, told)
        if steered:
            reasons += self._worth(moment, row, kind, told)
            reasons += self._near(moment, row)
            reasons += self._message(moment, row)
        return Why(subject="setpoint", element=device, time=moment.time, text=text, reasons=reasons)

    def _told(self, moment: Moment, row: int, kind: str, told: float) -> str:
        name = self._scenario.device_id[row]
        by = moment.held_by or ("the plan" if moment.made is None else f"the plan of {moment.made:%H:%M}")
        if kind in GIVES:
            if told <= self._low[row] * (1.0 - NEAR_SHARE):
                return f"{name} may give all that is on offer: {by} cuts nothing."
            return f"{name} is held to {_kw(-told)} by {by}."
        if kind in GIVES_BACK and abs(told) > NEAR_KW:
            return f"{name} is told to {'charge' if told > 0 else 'discharge'} with {_kw(abs(told))} by {by}."
        return f"{name} is told to {f'draw {_kw(told)}' if abs(told) > NEAR_KW else 'rest'} by {by}."

    def _own_limits(self, moment: Moment, row: int, kind: str, p_kw: float, told: float) -> list[Reason]:
        name, out = self._scenario.device_id[row], []
        soc = float(self._builder.column(moment.values, "devices", "soc")[row])
        if kind == "battery" and np.isfinite(soc) and (soc >= FULL or soc <= EMPTY):
            word, cannot = ("full", "charge") if soc >= FULL else ("empty", "discharge")
            text = f"{name} is {word} and cannot {cannot} any more."
            out.append(Reason(rule="limit", text=text, element=name, value=soc, bound=float(soc >= FULL), unit=""))
        for bound, most in ((self._low[row], "give"), (self._high[row], "draw")):
            if np.isfinite(bound) and abs(bound) > NEAR_KW and abs(p_kw - bound) <= NEAR_SHARE * abs(bound):
                text = f"{name} is at its rating: it can {most} {_kw(abs(bound))} at most."
                out.append(Reason(rule="limit", text=text, element=name, value=p_kw, bound=float(bound), unit="kW"))
        offer = kind in GIVES and told < p_kw  # a limit, not an order
        if kind in {"ev_charger", "v2g"} and not np.isfinite(soc):
            out.append(Reason(rule="limit", text=f"No vehicle is plugged in at {name}.", element=name))
        far = np.isfinite(told) and abs(p_kw - told) > max(NEAR_KW, NEAR_SHARE * abs(told))
        if far and not offer:
            text = f"It does not do what it is told: it draws {_kw(p_kw)} instead of {_kw(told)}."
            out.append(Reason(rule="limit", text=text, element=name, value=p_kw, bound=told, unit="kW"))
        return out

    def _worth(self, moment: Moment, row: int, kind: str, told: float) -> list[Reason]:
        """The price it answers to, and what the plan expects later."""
        cell = int(self._scenario.device_cell[row])
        price = moment.node_price_eur_per_kwh
        where = self._scenario.grid.nodes.id[int(self._scenario.device_node[row])]
        if price is None:
            price, where = self._cell_price(moment, cell), f"the boundary of {self._cell[cell]}"
        if price is None:  # a cell that agreed on none plans with the day-ahead price
            price, where = (
                _known(float(self._builder.column(moment.values, "area", "price_eur_per_kwh")[0])),
                "upstream",
            )
        if price is None:
            return []
        place = where if where == "upstream" else f"at {where}"
        text, later = f"A kWh {place} costs {_eur(price)} now", moment.expected_eur_per_kwh
        if later is not None and kind in {*GIVES_BACK, *CAN_WAIT}:
            side = "less than" if price < later else "more than"
            text += f", {side} the {_eur(later)} the plan expects on average"
            if kind in GIVES_BACK and (told > NEAR_KW) == (price < later) and abs(told) > NEAR_KW:
                text += ": worth storing" if told > 0 else ": worth giving back what is stored"
        elif kind in GIVES and price < 0.0:
            text += ": what is given now costs money"
        reason = Reason(rule="price", text=f"{text}.", element=where, value=price, bound=later, unit="EUR/kWh")
        return [reason]

    def _near(self, moment: Moment, row: int) -> list[Reason]:
        node, cell = int(self._scenario.device_node[row]), int(self._scenario.device_cell[row])
        found = self._binding.branches(moment.values, node) + self._binding.nodes(moment.values, cell)
        return found + self._binding.connection(moment.values)

    def _message(self, moment: Moment, row: int) -> list[Reason]:
        """What was agreed with the cell above."""
        cell = int(self._scenario.device_cell[row])
        tie = self._tie_above(moment, cell)
        if tie is None or tie.agreed_kw is None:
            return []
        price = "" if tie.price_eur_per_kwh is None else f" at {_eur(tie.price_eur_per_kwh)} per kWh"
        text = f"{tie.upper} and {tie.lower} agreed on {_kw(tie.agreed_kw)} into {tie.lower} over {tie.tie}{price}."
        return [Reason(rule="message", text=text, element=tie.tie, value=tie.agreed_kw, bound=tie.p_kw, unit="kW")]

    def _tie_above(self, moment: Moment, cell: int) -> TieAgreement | None:
        ties = self._scenario.archipelago.tie
        return moment.ties.get(ties[cell - 1].id) if cell else None

    def _cell_price(self, moment: Moment, cell: int) -> float | None:
        return _known(float(self._builder.column(moment.values, "cells", "price_eur_per_kwh")[cell]))

    # ---------------------------------------------------------------- prices

    def price(self, moment: Moment, element: str) -> Why:
        """Why a price at a tie, a node, a cell or `upstream` is what it is. Raises `NotShown` for anything else."""
        if element in {"upstream", self._cell[0]}:
            return self._day_ahead(moment, element)
        if element in self._cell:
            element = self._scenario.archipelago.tie[self._cell.index(element) - 1].id
        if element in self._tie:
            tie = moment.ties.get(element)
            node = self._scenario.archipelago.tie[self._tie[element]].upper_node  # its branch is the lower cell's
            return self._tie_price(moment, element, element, tie, int(node), None)
        if element not in self._node:
            raise NotShown(f"price of {element}: found no such tie, node or cell; expected one of `GET /api/v1/area`")
        node = self._node[element]
        cell = int(self._scenario.archipelago.node_cell[node])
        if cell == 0 and moment.node_price_eur_per_kwh is None:
            return self._day_ahead(moment, element)
        return self._tie_price(
            moment, element, element, self._tie_above(moment, cell), node, moment.node_price_eur_per_kwh
        )

    def _day_ahead(self, moment: Moment, element: str) -> Why:
        price = _known(float(self._builder.column(moment.values, "area", "price_eur_per_kwh")[0]))
        text = (
            f"Upstream a kWh costs {_eur(price)}: the day-ahead price." if price is not None else "No price is known."
        )
        reason = Reason(rule="price", text=text, element="upstream", value=price, unit="EUR/kWh")
        return Why(subject="price", element=element, time=moment.time, text=text, reasons=[reason])

    def _tie_price(
        self, moment: Moment, element: str, where: str, tie: TieAgreement | None, node: int, at_node: float | None
    ) -> Why:
        known = at_node if at_node is not None else None if tie is None else tie.price_eur_per_kwh
        if known is None:
            why = tie.why if tie is not None and tie.why else "nobody has told one"
            text = f"There is no price at {where}: {why}."
            reasons = [Reason(rule="rule", text=text, element=element)]
            return Why(subject="price", element=element, time=moment.time, text=text, reasons=reasons)
        reasons = []
        parts = {} if tie is None else {name: getattr(tie.parts, name) for name in PARTS}
        for name, words in PARTS.items():
            if (value := parts.get(name)) is not None and (abs(value) > NOTHING_EUR or name == "energy"):
                text = f"{_eur(value)} for {words}."
                at = tie.tie if tie is not None else element
                reasons.append(Reason(rule="price", text=text, element=at, value=value, unit="EUR/kWh"))
        if at_node is not None and tie is not None and tie.price_eur_per_kwh is not None:
            inside = at_node - tie.price_eur_per_kwh
            text = f"{_eur(inside)} for what happens inside {tie.lower}: losses and limits there."
            reasons.append(Reason(rule="price", text=text, element=tie.lower, value=inside, unit="EUR/kWh"))
        reasons += self._bound_by(moment, node, parts, inside_cell=at_node is not None)
        made = "" if tie is None or tie.since is None else f", agreed at {tie.since:%H:%M}"
        text = f"A kWh at {where} costs {_eur(known)}{made}."
        return Why(subject="price", element=element, time=moment.time, text=text, reasons=reasons)

    def _bound_by(
        self, moment: Moment, node: int, parts: Mapping[str, float | None], *, inside_cell: bool
    ) -> list[Reason]:
        """Which element is at the limit that a part of the price comes from."""
        binding, values = self._binding, moment.values
        found: list[Reason] = []
        if abs(parts.get("congestion") or 0.0) > NOTHING_EUR or inside_cell:
            found += binding.branches(values, node) + binding.connection(values)
        if abs(parts.get("voltage") or 0.0) > NOTHING_EUR or inside_cell:
            cell = int(self._scenario.archipelago.node_cell[node])
            found += binding.nodes(values, cell) or ([] if inside_cell else binding.nodes(values, None))
        return found


def refusal(state: CommandState, time: datetime) -> Why:
    """Why a command was refused, or failed; what became of it where it was neither."""
    command = state.command
    named = f"{command.act} {command.element}".strip()
    text = state.text or f"{named}: {state.phase}."
    low = text.lower()
    rule = "tag" if "tag" in low else "limit" if "limit" in low or "kw" in low else "rule"
    asked = [
        Reason(rule="limit", text=f"Asked for: {words} {_kw(value)}.", element=command.element, value=value, unit="kW")
        for words, value in (
            ("a power of", command.p_kw),
            ("an import of at most", command.import_kw_max),
            ("an export of at most", command.export_kw_max),
        )
        if value is not None
    ]
    first = Reason(rule="tag" if rule == "tag" else "limit" if rule == "limit" else "rule", text=text)
    why = f"{named} by {state.who}: {state.phase}. {text}" if state.text else text
    return Why(subject="refusal", element=command.id, time=time, text=why, reasons=[first, *asked])


def _until(moment: Moment) -> str:
    if moment.held_by:
        return f"Held by {moment.held_by}."
    if moment.made is None:
        return "A setpoint holds."
    until = "" if moment.until is None else f"; it lapses at {moment.until:%H:%M} unless a newer plan replaces it"
    return f"From the plan made at {moment.made:%H:%M}{until}."


def _kw(value: float) -> str:
    value = value if abs(value) >= NEAR_KW else 0.0  # never "-0.0 kW"
    return f"{value:,.0f} kW" if abs(value) >= 100 else f"{value:.1f} kW"


def _eur(value: float) -> str:
    return f"{value:.4f} EUR"


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None

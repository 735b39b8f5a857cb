"""What a switching would do, before it is done: power over the switch now, what is stored, how long that lasts."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta

import numpy as np

from archipel.devices import BatteryFleet
from archipel.local.clock import wall_now
from archipel.report.tally import END_USE
from archipel.web.nouns import Command, Reason, Selection
from archipel.web.source import CommandRefused
from archipel.web.sources.live_world import LiveWorld

VALID = timedelta(seconds=30)


def predicted(world: LiveWorld, command: Command) -> Selection:
    """What leaving the main grid, or coming back to it, would do. Raises `CommandRefused` where there is no switch."""
    if command.act not in {"island", "rejoin"}:
        raise CommandRefused(f"{command.act}: is no switching of this system; expected island or rejoin")
    file = world.files.get(command.element)
    if file is None:
        raise CommandRefused(f"{command.act}: found {command.element!r}; expected a cell.")
    if file.switch is None:
        raise CommandRefused(
            f"{command.act}: {command.element} has no switch to the main grid ([switch] in its CELL.toml), so it can "
            "neither leave it nor come back."
        )
    known = world.knowledge.of(command.element)
    at = known.said.get("main_grid", {})
    effects = [
        Reason(
            rule="limit",
            text=f"{world.exchange(command.element):.1f} kW flow over the switch now; they end.",
            element=file.switch.device,
            value=world.exchange(command.element),
            unit="kW",
        )
    ]
    why_not = [str(text) for text in at.get("why_not", [])]
    if known.silent(time.monotonic()):
        why_not.append(f"{command.element} does not answer")
    if command.act == "island":
        why_not += [str(text) for text in at.get("cannot_form", [])]
        effects += _stored(world, command.element)
    if at.get("refused"):
        why_not.append(str(at["refused"]))
    effects += [Reason(rule="limit", text=text, element=command.element) for text in dict.fromkeys(why_not)]
    return Selection(
        id=f"sel-{uuid.uuid4().hex[:16]}",
        command=command,
        allowed=not why_not,
        text="; ".join(dict.fromkeys(why_not)) or f"{command.element} can {command.act} now.",
        effects=effects,
        valid_until=wall_now() + VALID,
    )


def _stored(world: LiveWorld, cell: str) -> list[Reason]:
    """Energy in its stores, and how long that serves what it must serve."""
    seen, scenario = world.seen, world.scenario
    if seen is None:
        return []
    row = world.cells.index(cell)
    e_kwh = {
        name: float(e)
        for fleet in scenario.fleets
        if isinstance(fleet, BatteryFleet)
        for name, e in zip(fleet.id, fleet.e_kwh, strict=True)
    }
    own = [i for i, at in enumerate(scenario.device_cell.tolist()) if at == row]
    stored = sum(
        float(seen.moment.soc[i]) * e_kwh[scenario.device_id[i]]
        for i in own
        if scenario.device_id[i] in e_kwh and np.isfinite(seen.moment.soc[i])
    )
    load = sum(float(seen.moment.p_kw[i]) for i in own if scenario.device_kind[i] in END_USE)
    critical = scenario.island.critical_share * load
    held_h = stored / critical if critical > 0.0 else float("inf")
    text = f"{stored:.0f} kWh are stored: {held_h:.1f} h of the {critical:.1f} kW that are critical, without any sun."
    return [Reason(rule="limit", text=text, element=cell, value=stored, bound=critical, unit="kWh")]

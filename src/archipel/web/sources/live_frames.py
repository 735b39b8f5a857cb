"""Frames of a running system: the world's physics, and beside it what every cell says of itself."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import datetime
from typing import final

import numpy as np
from numpy.typing import NDArray

from archipel.local.telemetry import Moment, Seen
from archipel.model import Connection, Floats, Scenario
from archipel.report.tally import day_ahead
from archipel.web.columns import FrameBuilder
from archipel.web.source import Frame
from archipel.web.sources.live_knowledge import Known


@final
class LiveFrames:
    """Makes them for one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.builder = scenario, FrameBuilder(scenario)
        self._ties = [(tie.id, tie.upper, tie.lower) for tie in scenario.archipelago.tie]
        self._cells = [cell.id for cell in scenario.archipelago.cell]

    def frame(self, seen: Seen, known: Mapping[str, Known], price: Mapping[str, float]) -> Frame:
        """One frame.

        Args:
            seen: The physics.
            known: What cells say, by cell.
            price: Of the agreement in force, by tie [EUR/kWh]; what is missing is not known.
        """
        moment, build = seen.moment, self.builder
        upstream, q_kvar, losses, unserved, f_hz = (float(x) for x in moment.area)
        ends = (np.asarray(moment.tie_p_kw, np.float64).reshape(-1, 2), moment.tie_q_kvar.reshape(-1, 2))
        tie_price = np.array([price.get(name, np.nan) for name, _, _ in self._ties])
        area_price = self.day_ahead(seen.time)
        p_kw = np.asarray(moment.p_kw, np.float64)
        values = build.values(
            {
                ("area", "upstream_p_kw"): upstream,
                ("area", "upstream_q_kvar"): q_kvar,
                ("area", "losses_kw"): losses,
                ("area", "price_eur_per_kwh"): area_price,
                ("area", "f_hz"): f_hz,
                ("area", "unserved_kw"): unserved,
                **build.from_devices(p_kw, np.asarray(moment.soc, np.float64), _floats(moment, "available_kw")),
                **build.from_network(_floats(moment, "v_pu"), _floats(moment, "loading")),
                **build.from_ties(ends[0], np.asarray(ends[1], np.float64), upstream, p_kw),
                ("ties", "agreed_kw"): self._agreed(known),
                ("ties", "price_eur_per_kwh"): tie_price,
                ("cells", "price_eur_per_kwh"): build.cell_price(tie_price, area_price),
                ("devices", "p_kw"): moment.p_kw,
                ("devices", "q_kvar"): moment.q_kvar,
                ("devices", "soc"): moment.soc,
                ("devices", "p_kw_set"): moment.p_kw_set,
                **self._of_cells(known),
                **build.limited(self._told(known)),
            }
        )
        return Frame(seen.seq, seen.time, seen.measured, values)

    def day_ahead(self, at: datetime) -> float:
        """Day-ahead price then [EUR/kWh]; NaN where the scenario has none."""
        if not len(self.scenario.price):
            return float("nan")
        return float(day_ahead(self.scenario, np.array([at.replace(tzinfo=None)], "datetime64[s]"))[0])

    def _agreed(self, known: Mapping[str, Known]) -> Floats:
        """What the ends that answer hold to be agreed on every tie; NaN where one holds another thing, or none."""
        out, now_s = np.full(len(self._ties), np.nan), time.monotonic()
        for row, (tie, *ends) in enumerate(self._ties):
            there = [known[cell] for cell in ends if not known[cell].silent(now_s)]
            held = [found for cell in there if (found := cell.holding(tie)) is not None]
            if held and all(one.get("agreed") for one in held) and len({one["p_kw"] for one in held}) == 1:
                out[row] = held[0]["p_kw"]
        return out

    def _told(self, known: Mapping[str, Known]) -> Connection | None:
        """What the head of the area says it was limited to by an operator; None where it was not."""
        said = known[self._cells[0]].said.get("limit")
        if said is None:
            return None
        most = (math.inf if said[name] is None else float(said[name]) for name in ("import_kw_max", "export_kw_max"))
        return Connection(*most)

    def _of_cells(self, known: Mapping[str, Known]) -> dict[tuple[str, str], NDArray[np.float64]]:
        now_s = time.monotonic()
        cells = [known[name] for name in self._cells]
        armed = [np.nan if one.armed is None else float(one.armed) for one in cells]
        return {
            ("cells", "level"): np.array([np.nan if one.starts(now_s) else one.level(now_s) for one in cells]),
            ("cells", "mode"): np.array([one.mode for one in cells], np.float64),
            ("cells", "armed"): np.array(armed),
            ("cells", "age_s"): np.array([np.nan if one.starts(now_s) else one.age_s(now_s) for one in cells]),
        }


def _floats(moment: Moment, name: str) -> Floats:
    return np.asarray(getattr(moment, name), np.float64)

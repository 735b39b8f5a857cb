"""The demonstration without a clock: two worlds in lockstep, a story, and what people order. Same seed, same numbers.

cooperating     every cell's controller in a process of its own (where the system can fork), plans every half hour
uncoordinated   the same devices, weather and events, nobody decides for anybody
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from archipel.devices import BatteryFleet, State
from archipel.model import ArchipelError, Connection, GridError, IslandRules, Scenario
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import Truth
from archipel.twin.course import Course
from archipel.web.columns import FrameBuilder
from archipel.web.demo.orders import Orders
from archipel.web.demo.stage import Cast, cast_of, shaded
from archipel.web.demo.story import MINUTES, Story
from archipel.web.demo.tick import ALONE, COOPERATING, Tick
from archipel.web.demo.world import Held, World
from archipel.web.nouns import Card, Figure, Score
from archipel.web.score import score_of

if TYPE_CHECKING:  # they take half a second to load, and the first picture needs none of them
    from archipel.strategies.area_in_parts import AreaInParts
    from archipel.strategies.distributed import Distributed
    from archipel.strategies.leaving import Left
    from archipel.web.cards import CardRules
    from archipel.web.demo.outage import Island

BEGINS_H = 11
"""UTC hour at which it begins: the sun is high, and without cooperation lines and the connection are overloaded."""
REPLAN_STEPS = 2
"""Quarter hours between two plans."""
KEPT_CLEAR, KEPT_CLEAR_PU = 0.03, 0.003
"""Share of limits, and of voltages [pu], that plans keep clear of, because forecasts are wrong."""
NOISE = 0.01
"""What the seed draws: how far every profile is off the scenario's in every quarter hour (standard deviation)."""
PIECE = 60
"""Minutes in a piece of the record, once the story is over."""


@final
class Engine:
    """Steps the demonstration minute by minute."""

    def __init__(self, scenario: Scenario, *, seed: int, factor: float = 300.0) -> None:
        """`factor`: seconds of grid time in one second of the wall; physics does not depend on it.

        Raises:
            ArchipelError: for a scenario that cannot play it.
        """
        begin = scenario.start.replace(hour=BEGINS_H, minute=0, second=0, microsecond=0)
        scenario.check_time(begin + timedelta(minutes=MINUTES))
        self.cast: Cast = cast_of(scenario)
        self.story = Story(self.cast, begin, factor)
        case = shaded(scenario, self.cast.shaded, *self.story.cloud, self.story.cloud_leaves)
        self.scenario = replace(case, replan_steps=REPLAN_STEPS)
        self.seed, self.factor, self.begin = seed, factor, begin
        self.builder = FrameBuilder(self.scenario)
        self.cells: Distributed | None = None
        self.apart = sys.platform.startswith("linux")
        """Whether every cell has a process of its own."""
        self._together: World | None = None
        self._states = self._since_midnight()
        self.alone = self._world(Held(Uncoordinated(self.scenario)), None)
        self.orders = Orders(self)
        self.minute = 0
        self.limit: tuple[Connection, datetime] | None = None
        """A limit told for a time, and until when."""
        self.limits: list[tuple[datetime, datetime, Connection]] = []
        """All there were."""
        self.left: Left | None = None
        self._parts: AreaInParts | None = None
        self._back: datetime | None = None
        self._said: list[Card] = []
        self._card_rules: dict[str, CardRules] = {}
        self.plan = 0
        """Number of the last plan."""
        self._entry: dict[str, Any] | None = None

    # ---------------------------------------------------------------- beginning and end

    def first_look(self) -> Tick:
        """The first picture, by true power flow, before anybody has planned."""
        seen = self.alone.first_look()
        return Tick(-1, self.begin, {COOPERATING: seen, ALONE: seen})

    @property
    def together(self) -> World:
        """The world in which cells cooperate; their processes start when it is first asked for."""
        if self._together is None:
            from archipel.strategies.distributed import Distributed

            careful = replace(
                self.scenario, margin_loading=KEPT_CLEAR, margin_v_pu=KEPT_CLEAR_PU,
                connection=clear_of(self.scenario.connection, KEPT_CLEAR),
            )  # fmt: skip
            self.cells = Distributed(careful, forecast="naive", workers=1, gaps=False, apart=self.apart)
            self._held = Held(self.cells)
            self._together = self._world(self._held, self.cells)
        return self._together

    def _since_midnight(self) -> dict[str, State]:
        """How devices stand at the beginning: both worlds have lived by local rules since midnight."""
        midnight = self.begin.replace(hour=0)
        steps = round((self.begin - midnight) / timedelta(minutes=15))
        course = Course(self.scenario, Uncoordinated(self.scenario), start=midnight, steps=steps)
        while course.done < steps:
            course.step()
        return course.states

    def _world(self, strategy: Held, cells: Distributed | None) -> World:
        truth = Truth(profile_noise=NOISE)
        course = Course(
            self.scenario, strategy, start=self.begin, steps=MINUTES, dt_minutes=1, seed=self.seed, truth=truth,
            states=self._states,
        )  # fmt: skip
        return World(course, self.builder, self.factor, cells)

    @property
    def held(self) -> Held:
        """What people hold of the devices that cooperate."""
        assert self.together is not None
        return self._held

    def close(self) -> None:
        """End the processes of the cells."""
        if self.cells is not None:
            self.cells.close()

    # ---------------------------------------------------------------- time

    def step(self) -> Tick:
        """One minute."""
        world, minute, at = self.together, self.minute, self.together.now
        cells = self._cells_of()
        self.story.act(self, minute)
        phases = self.orders.act(at)
        self._end_what_is_over(at)
        decides = world.course.decides and world.outage is None
        limit = None if self.limit is None else self.limit[0]
        frames = {COOPERATING: world.step(cells.dead, limit), ALONE: self.alone.step(limit=limit)}
        agreements = {}
        if decides:
            from archipel.web.demo.plans import agreements_of

            for entry in world.course.decision.agreements:
                self.plan, self._entry = self.plan + 1, entry
            told = agreements_of(self.scenario, cells, world.course.decision, self._entry, self.plan, at)
            agreements = {COOPERATING: told}
        phases = (*phases, *self.orders.measured(at, frames[COOPERATING]))
        scenes = self.story.tell(self, minute, frames)
        cards = self._cards(at, frames)
        self.minute += 1
        score = None
        if self.minute == MINUTES:
            score = self._score()
        if self.minute >= MINUTES and (self.minute - MINUTES) % PIECE == 0:
            world.course.turn_over(PIECE)
            self.alone.course.turn_over(PIECE)
        priced = world.course.decision.priced if decides else None
        return Tick(
            minute,
            at,
            frames,
            scenes,
            cards,
            phases,
            agreements,
            believed=world.course.decision.believed if decides else None,
            node_price_eur_per_kwh=None if priced is None else priced.node[:, 0].astype(np.float32),
            score=score,
        )

    def _cards(self, at: datetime, frames: dict[str, NDArray[np.float32]]) -> dict[str, tuple[Card, ...]]:
        """What the rules for cards make of this minute, and what the story says."""
        from archipel.web.card_signals import CardFacts
        from archipel.web.cards import CardRules
        from archipel.web.demo.plans import record_of

        if not self._card_rules:
            levels = {COOPERATING: 0, ALONE: 4}
            self._card_rules = {
                name: CardRules(self.scenario, name, normal_level=level) for name, level in levels.items()
            }
        plan = None if self._entry is None else record_of(self._entry)
        facts = {COOPERATING: CardFacts(plan=plan, why=self._why_dark()), ALONE: CardFacts()}
        changed = {name: tuple(self._card_rules[name].see(at, frames[name], facts[name])) for name in frames}
        changed[COOPERATING] += tuple(self._said)
        self._said = []
        return changed

    def _why_dark(self) -> dict[str, str]:
        """Why cells are no island while the main grid is away."""
        if self.left is None or self.together.outage is None:
            return {}
        return {dark.cell: dark.why[0] for dark in self.left.dark}

    def _cells_of(self) -> Distributed:
        assert self.cells is not None, "made with the world they live in"
        return self.cells

    def _end_what_is_over(self, at: datetime) -> None:
        if self.limit is not None and at >= self.limit[1]:
            self.unlimit()
        if self._back is not None and at >= self._back:
            self.regain()

    # ---------------------------------------------------------------- what can happen

    def say(self, card: Card) -> None:
        """Show a card, or a new face of one."""
        self._said.append(card)

    def kill(self, cell: str) -> None:
        """End a cell's process as a crash would."""
        self._cells_of().kill_cell(cell)

    def start(self, cell: str) -> None:
        """Start it again; it takes part in the next plan, made at the next quarter hour."""
        self._cells_of().start_cell(cell)
        self._cells_of().plan_next()

    def set_limit(self, most: Connection, until: datetime) -> None:
        """Tell the root of a limit at the connection until a time; a plan that keeps to it is made at once."""
        self.limit = (most, until)
        self.limits.append((self.together.now, until, most))
        self._cells_of().limit(clear_of(most, KEPT_CLEAR), until)
        self._cells_of().plan_next()

    def unlimit(self) -> None:
        """The limit is over."""
        if self.limit is not None:
            at = self.together.now
            begun, until, most = self.limits[-1]
            self.limits[-1] = (begun, min(until, at), most)
        self.limit = None
        self._cells_of().limit(None, self.together.now)
        self._cells_of().plan_next()

    def lose(self, away: timedelta, closed_after: timedelta) -> None:
        """The main grid is lost. Raises GridError where nothing can form an island.

        Args:
            away: Until it is back.
            closed_after: From the loss until all switches are closed again.
        """
        from archipel.strategies.area_in_parts import AreaInParts
        from archipel.strategies.connected import Before
        from archipel.strategies.leaving import leave
        from archipel.web.demo.outage import Island, Outage

        world, alone = self.together, self.alone
        islands: tuple[Island, ...] = ()
        if world.last is not None:
            self._parts = self._parts or AreaInParts(self.scenario)
            states = world.course.states
            before = Before(states, world.last)
            left = leave(
                self._parts, world.now, away / timedelta(hours=1), rules=self._island_rules(), since=before,
                seed=self.seed, closing_in_dynamics=False,
            )  # fmt: skip
            row = {cell.id: i for i, cell in enumerate(self.scenario.archipelago.cell)}
            islands = tuple(
                Island(self.scenario, self._parts.part(row[one.name]), one, world.now, states) for one in left.islands
            )
            self.left = left
        world.outage, alone.outage = Outage(world.course, islands), Outage(alone.course, ())
        self._back = world.now + closed_after

    def _island_rules(self) -> IslandRules:
        rules = self.scenario.island
        size = sum(float(f.e_kwh.sum()) for f in self.scenario.fleets if isinstance(f, BatteryFleet))
        return replace(rules, reserve_kwh=rules.reserve_kwh or 0.25 * size, fuel_below_kwh=rules.fuel_below_kwh or size)

    def regain(self) -> None:
        """All switches are closed again; cells plan at once."""
        self.together.outage = self.alone.outage = self._back = None
        self._cells_of().plan_next()

    def prepare(self) -> None:
        """Work out beforehand which parts could be islands, while there is time; changes nothing."""
        from archipel.strategies.area_in_parts import AreaInParts

        if self._parts is not None:
            return
        try:
            self._parts = AreaInParts(self.scenario)
            held = next(f for f in self.scenario.fleets if isinstance(f, BatteryFleet)).e_kwh
            self._parts.forms(held, {})
        except GridError:
            self.story.cannot_lose = True

    # ---------------------------------------------------------------- the score

    def _score(self) -> Score:
        from archipel.report.kpis import all_kpis

        results = [self.together.result, self.alone.result]
        figures = all_kpis(self.scenario, results, self.begin, 1, "naive", self.seed)
        score = score_of(figures, "The same five hours, with and without cooperation")
        beyond = Figure(
            name="beyond_told_limit_kwh",
            title="Energy beyond the limit told for an hour",
            unit="kWh",
            best="low",
            values={result.strategy: self._beyond(result.time, result.upstream_p_kw) for result in results},
        )
        telling = [figure for figure in score.figures if len(set(figure.values.values())) > 1]
        return replace_figures(score, [*telling, beyond] if self.limits else telling)

    def _beyond(self, time: NDArray[np.datetime64], upstream_p_kw: NDArray[np.float64]) -> float:
        total = 0.0
        for begin, until, most in self.limits:
            first, last = (np.datetime64(t.replace(tzinfo=None), "s") for t in (begin, until))
            kw = upstream_p_kw[(time >= first) & (time < last)]
            total += float(np.maximum(np.maximum(kw - most.import_kw_max, -kw - most.export_kw_max), 0.0).sum()) / 60.0
        return total


def replace_figures(score: Score, figures: Sequence[Figure]) -> Score:
    """The same score with other figures."""
    return Score(title=score.title, strategies=score.strategies, figures=list(figures), complete=score.complete)


def clear_of(limit: Connection, share: float) -> Connection:
    """A limit that plans keep to so that the true one is kept."""
    return Connection((1.0 - share) * limit.import_kw_max, (1.0 - share) * limit.export_kw_max)


def played(engine: Engine, minutes: int) -> list[Tick]:
    """So many minutes, one after the other."""
    if minutes < 1:
        raise ArchipelError(f"minutes: found {minutes}; expected at least one")
    return [engine.step() for _ in range(minutes)]

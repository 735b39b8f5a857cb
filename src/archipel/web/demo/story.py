"""What the first minute tells: when something happens, and what is said of it, with figures as they were measured."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from archipel.model import Connection, GridError
from archipel.web.demo.stage import Cast
from archipel.web.nouns import Card, Scene

if TYPE_CHECKING:
    from archipel.strategies.leaving import LeftIsland
    from archipel.web.demo.engine import Engine

MINUTES = 300
"""Grid time the story takes: five hours, a minute of the wall at the usual speed."""
CLOUD, HELP, KILL, START, LIMIT, LOSE, BACK, SCORE = 75, 92, 120, 165, 180, 240, 285, 299
"""Minutes of grid time at which each part begins."""
CLOUD_MINUTES, LIMIT_MINUTES, AWAY_MINUTES = 60, 60, 39
"""How long each lasts; islands and dark cells wait five minutes more until the main grid has proven itself."""
CLOUD_LEAVES = 0.1
"""Of the sun."""
Frames = Mapping[str, NDArray[np.float32]]


@final
class Story:
    """Acts on an engine at its minutes, and tells scenes."""

    def __init__(self, cast: Cast, begin: datetime, factor: float) -> None:
        self._cast, self._begin, self._factor = cast, begin, factor
        self.cloud_leaves = CLOUD_LEAVES
        self.cannot_lose = False
        """Whether nothing in the area can live without its main grid; known once it was asked."""
        self._before: dict[str, float] = {}
        self._worst = 0.0
        self._limit_kw, self._limits_export = 0.0, True
        self._minutes = [0, CLOUD, HELP, KILL, START, LIMIT, LOSE, BACK, SCORE]

    @property
    def cloud(self) -> tuple[datetime, datetime]:
        """When the cloud comes, and when it has gone."""
        return self.at(CLOUD), self.at(CLOUD + CLOUD_MINUTES)

    def at(self, minute: int) -> datetime:
        """Grid time of a minute."""
        return self._begin + timedelta(minutes=minute)

    # ---------------------------------------------------------------- acting

    def act(self, engine: Engine, minute: int) -> None:
        """What happens at the beginning of a minute."""
        if minute == KILL and engine.apart and self._cast.killed:
            engine.kill(self._cast.killed)
        elif minute == START and engine.apart and self._cast.killed:
            engine.start(self._cast.killed)
        elif minute == LIMIT:
            self._limit(engine)
        elif minute == LOSE and not self.cannot_lose:
            try:
                engine.lose(timedelta(minutes=AWAY_MINUTES), timedelta(minutes=BACK - LOSE))
            except GridError:
                self.cannot_lose = True

    def _limit(self, engine: Engine) -> None:
        last = engine.together.last
        now_kw = 0.0 if last is None else float(last.flow.upstream_p_kw)
        self._limits_export = now_kw < 0.0
        self._limit_kw = max(50.0, 50.0 * np.floor(0.6 * abs(now_kw) / 50.0))
        most = Connection(export_kw_max=self._limit_kw) if now_kw < 0.0 else Connection(import_kw_max=self._limit_kw)
        engine.set_limit(most, self.at(LIMIT + LIMIT_MINUTES))

    # ---------------------------------------------------------------- telling

    def tell(self, engine: Engine, minute: int, frames: Frames) -> tuple[Scene, ...]:
        """Scenes that begin in a minute; `frames` are those of this minute."""
        if KILL <= minute < START:
            self._worst = max(self._worst, self._loading(engine, frames["distributed"]))
        if minute == CLOUD - 1:
            self._before = self._figures(engine, frames)
        if minute not in self._minutes:
            return ()
        told = getattr(self, f"_scene_{self._minutes.index(minute)}")(engine, self._figures(engine, frames))
        if told is None:
            return ()
        title, text, cells = told
        scene = Scene(
            number=self._minutes.index(minute) + 1,
            of=len(self._minutes),
            title=title,
            text=text,
            begins_s=round(60.0 * minute / self._factor, 3),
            cells=list(cells),
        )
        return (scene,)

    def _figures(self, engine: Engine, frames: Frames) -> dict[str, float]:
        """What scenes speak of [kW, Hz]."""
        build, now = engine.builder, frames["distributed"]
        names = [cell.id for cell in engine.scenario.archipelago.cell]
        shaded = [names.index(name) for name in self._cast.shaded]
        others = [i for i in range(len(names)) if i not in shaded]

        def cells(column: str) -> NDArray[np.float64]:
            return np.nan_to_num(build.column(now, "cells", column).astype(np.float64))

        own, gives = cells("own_kw"), cells("discharging_kw") - cells("charging_kw")
        out = {f"into {name}": float(cells("p_kw")[i]) for i, name in enumerate(names)}
        out |= {f"store {name}": float(gives[i]) for i, name in enumerate(names)}
        out |= {
            "upstream": float(build.column(now, "area", "upstream_p_kw")[0]),
            "ghost": float(build.column(frames["uncoordinated"], "area", "upstream_p_kw")[0]),
            "f_hz": float(build.column(now, "area", "f_hz")[0]),
            "available": float(cells("available_kw").sum()),
            "curtailed": float((cells("available_kw") - cells("renewable_kw")).sum()),
            "shaded": float(own[shaded].sum()),
            "others": float(gives[others].sum()),
            "loading": self._loading(engine, now),
            "ghost loading": self._loading(engine, frames["uncoordinated"]),
            "helper": float(max(others, key=lambda i: gives[i])),
            "giver": float(np.argmin(own)),
        }
        return out

    @staticmethod
    def _loading(engine: Engine, frame: NDArray[np.float32]) -> float:
        return float(np.nanmax(engine.builder.column(frame, "branches", "loading")))

    def _scene_0(self, engine: Engine, now: dict[str, float]) -> tuple[str, str, tuple[str, ...]]:
        names = [cell.id for cell in engine.scenario.archipelago.cell]
        giver = names[int(now["giver"])]
        text = (
            f"A sunny afternoon. {len(names)} cells agree every half hour; each knows only itself and its neighbours. "
            f"{giver} gives {-now['into ' + giver]:.0f} kW to others. {_flow(now['upstream'])}; the most loaded line "
            f"or transformer is at {100 * now['loading']:.0f} %. Without cooperation: {_flow(now['ghost'])}, and "
            f"{100 * now['ghost loading']:.0f} %."
        )
        return "Neighbours share the sun", text, (giver,)

    def _scene_1(self, engine: Engine, now: dict[str, float]) -> tuple[str, str, tuple[str, ...]]:
        del now
        text = (
            f"A cloud takes {100 * (1 - CLOUD_LEAVES):.0f} % of the sun from {len(self._cast.shaded)} cells. "
            "No forecast knew. Until they plan again, what is missing comes over their ties."
        )
        engine.say(self._card("cloud", f"Cloud over {self._cast.shaded[0]}", text, CLOUD, CLOUD + CLOUD_MINUTES))
        return "A cloud passes", text, self._cast.shaded

    def _scene_2(self, engine: Engine, now: dict[str, float]) -> tuple[str, str, tuple[str, ...]]:
        helper = engine.scenario.archipelago.cell[int(now["helper"])].id
        before = self._before
        text = f"Cells have planned again. The shaded ones {_turned(before['shaded'], now['shaded'])}."
        if before["curtailed"] > now["curtailed"] + 10.0:
            text += (
                f" There is room for the others' sun: {before['curtailed']:,.0f} kW of it were held back, "
                f"now {now['curtailed']:,.0f} kW are."
            )
        stores = now["others"] > before["others"] + 10.0
        if stores:
            text += f" Their stores {_stores(before['others'], now['others'])}, most in {helper}."
        return "Neighbours help", text, (*((helper,) if stores else ()), *self._cast.shaded)

    def _killed_text(self) -> str:
        return (
            f"The process of {self._cast.killed} was ended with kill -9. Its devices follow their own local rules; the "
            "others plan without it and hold what was last agreed for what it draws."
        )

    def _scene_3(self, engine: Engine, now: dict[str, float]) -> tuple[str, str, tuple[str, ...]] | None:
        if not engine.apart or not self._cast.killed:
            return None
        record = engine.together.course.decision.agreements
        passed = "Their new plan passed its AC check. " if record and record[-1]["accepted"] else ""
        text = f"{self._killed_text()} {passed}{_flow(now['upstream'])}."
        return "A cell's process is killed", text, (self._cast.killed,)

    def _scene_4(self, engine: Engine, now: dict[str, float]) -> tuple[str, str, tuple[str, ...]] | None:
        if not engine.apart or not self._cast.killed:
            return None
        text = (
            f"The process of {self._cast.killed} was started again. It knows nothing of before and agrees at once. "
            f"While it was away the most loaded line or transformer rose to {100 * self._worst:.0f} %."
        )
        return "It is back", text, (self._cast.killed,)

    def _scene_5(self, engine: Engine, now: dict[str, float]) -> tuple[str, str, tuple[str, ...]]:
        way = "export" if self._limits_export else "import"
        text = (
            f"The grid operator limits {way} to {self._limit_kw:,.0f} kW for an hour. Only the head of the area "
            f"is told; prices carry it on. {_flow(now['upstream'])}. Without cooperation: {_flow(now['ghost'])}."
        )
        engine.say(
            self._card(
                "limit",
                f"Limit at the connection: {self._limit_kw:.0f} kW",
                text,
                LIMIT,
                LIMIT + LIMIT_MINUTES,
            )
        )
        return "The connection is limited", text, (engine.scenario.archipelago.cell[0].id,)

    def _scene_6(self, engine: Engine, now: dict[str, float]) -> tuple[str, str, tuple[str, ...]] | None:
        left = engine.left
        if left is None or self.cannot_lose:
            return None
        lines = [_lives_on(one, engine.scenario.grid.f_hz) for one in left.islands]
        dark = [one.cell for one in left.dark]
        reasons = _short(left.dark[0].why[0]) if left.dark else ""
        text = "The main grid is lost. " + ". ".join(lines) + ("." if lines else "No cell can form an island.")
        if dark:
            text += f" {len(dark)} cells are dark: {reasons}, or no store that can hold them."
        text += " Without cooperation devices as sold today switch off with the main grid: all is dark."
        return "The main grid is lost", text, tuple(one.name for one in left.islands)

    def _scene_7(self, engine: Engine, now: dict[str, float]) -> tuple[str, str, tuple[str, ...]] | None:
        left = engine.left
        if left is None or self.cannot_lose:
            return None
        angles = [one.closing.angle_deg for one in left.islands if one.closing is not None]
        turned = f" Islands turned to within {max(map(abs, angles)):.1f} degrees before they closed." if angles else ""
        text = (
            f"The main grid was back after {AWAY_MINUTES} minutes and had to stay healthy for five.{turned} "
            f"Cells agree again. {_flow(now['upstream'])}."
        )
        return "Together again", text, ()

    def _scene_8(self, engine: Engine, now: dict[str, float]) -> tuple[str, str, tuple[str, ...]]:
        del engine, now
        text = (
            "The same five hours with and without cooperation: the same weather and events, every figure from AC power "
            "flow. More sun held back means limits kept. From here on it goes on, and you may act."
        )
        return "The score", text, ()

    def _card(self, name: str, title: str, text: str, begin: int, end: int) -> Card:
        """Something to know that no measurement tells."""
        return Card(
            id=f"story-{name}",
            severity="information",
            title=title,
            text=text,
            cause=name,
            begun=self.at(begin),
            ended=self.at(end),
        )


def _lives_on(one: LeftIsland, f_hz: float) -> str:
    from archipel.strategies.first_seconds import SECONDS, back_after_s

    low, high = float(one.traces.nadir_hz[0]), float(one.traces.peak_hz[0])
    after = back_after_s(one.traces, f_hz)
    back = (
        f"back at {f_hz:g} Hz after {after:.1f} s" if np.isfinite(after) else f"still turning back after {SECONDS:g} s"
    )
    return f"{one.name} lives on, between {low:.2f} and {high:.2f} Hz and {back}"


def _flow(kw: float) -> str:
    return f"{abs(kw):,.0f} kW {'flow out' if kw < 0 else 'flow in'}"


def _turned(before: float, now: float) -> str:
    def said(kw: float) -> str:
        return f"{'gave' if kw < 0 else 'took'} {abs(kw):,.0f} kW"

    return f"{said(before)} before and now {said(now).replace('gave', 'give').replace('took', 'take')}"


def _stores(before: float, now: float) -> str:
    def said(kw: float) -> str:
        return f"{'give' if kw > 0 else 'take'} {abs(kw):,.0f} kW"

    return f"{said(now)} ({said(before)} before)"


def _short(why: str) -> str:
    """A reason up to its first colon's explanation, for a card."""
    return why if len(why) < 140 else why[:137] + "..."

"""What the demonstration shows of its scenario, and which commands it takes."""

from __future__ import annotations

from archipel.web.area_of import area_of
from archipel.web.demo.engine import Engine
from archipel.web.demo.tick import ALONE, COOPERATING
from archipel.web.nouns import Act, Area, Span

ACTS: tuple[Act, ...] = ("default", "limit", "hold", "free", "acknowledge")
OF_PROCESSES: tuple[Act, ...] = ("kill", "start")


def area_shown(engine: Engine) -> Area:
    """Everything that does not change."""
    span = Span(start=engine.begin, end=engine.begin, step_s=60.0, live=True, factor=engine.factor)
    acts = (*ACTS, *OF_PROCESSES) if engine.apart else ACTS
    return area_of(engine.scenario, "demo", span, (COOPERATING, ALONE), acts)

"""What a person must know to read an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from archipel.model import Scenario
from archipel.strategies.hosting.broken import Broken
from archipel.strategies.hosting.question import Question
from archipel.strategies.hosting.sky import DESIGN_HEAT, SKY

NO_RATING_A = 9_999.0
"""Currents above this are no rating of a line; sources write 99999 where they know none."""


def notes(scenario: Scenario, question: Question, answers: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is assumed or missing, in sentences without a full stop; empty where nothing is."""
    said: list[str] = []
    stopped = False
    lines = scenario.grid.lines
    if bare := int((lines.i_a_max > NO_RATING_A).sum()):
        said.append(f"{bare} of {len(lines)} lines have no current limit in the source: they are never what binds")
    if SKY in scenario.profiles.name:
        said.append("the scenario has no series of sun: a clear sky at 51 N 10 E is taken")
    if DESIGN_HEAT in scenario.profiles.name:
        said.append("the scenario has no series of heat demand: a cold year of Central Europe is taken")
    for strategy in question.strategies:
        mine = [one for one in answers if one["strategy"] == strategy]
        if mine and all(one["above_devices"] == 0 for one in mine):
            limit = Broken(**mine[0]["first_limit"])
            said.append(f"{strategy}: a limit is broken without any new device: {limit}; so it can host none")
            stopped = True
        off = max((one["off_pu"] for one in mine), default=0.0)
        if off > 1e-6 and np.isfinite(off):
            said.append(f"{strategy}: the power flow that judged is {off:.1e} pu off the run's own")
    if stopped and not question.beyond_today:
        said.append(
            "to count only what gets worse than today: --beyond-today; limits themselves: v_pu_min and v_pu_max in "
            "nodes.csv, i_a_max in lines.csv"
        )
    if question.beyond_today:
        said.append("limits broken today are widened to the worst of this day when nobody decides and nothing is new")
    return said

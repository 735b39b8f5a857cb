"""Limits that are broken already, widened to the worst of today: what counts is what new devices make worse."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from archipel.model import Scenario
from archipel.strategies.hosting.question import Question
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin.course import Course


def as_today(scenario: Scenario, question: Question) -> Scenario:
    """A prepared scenario that is never outside its limits today.

    Today are the days of the question without new devices when nobody decides. A limit of voltage, of a line or a
    transformer that breaks becomes the worst value of these days, the same for every strategy; a firm limit stays.
    """
    nodes, lines, trafos = scenario.grid.nodes, scenario.grid.lines, scenario.grid.transformers
    high, low, loading = nodes.v_pu_max.copy(), nodes.v_pu_min.copy(), np.ones(len(scenario.grid.branch_id))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what did not settle is seen in the power flow that judges
        steps = 96 * question.days
        course = Course(scenario, Uncoordinated(scenario), start=question.start, steps=steps)
        for _ in range(steps):
            flow = course.step().flow
            live = flow.v_pu > 0.0
            np.maximum(high, flow.v_pu, out=high, where=live)
            np.minimum(low, flow.v_pu, out=low, where=live)
            np.maximum(loading, flow.loading, out=loading)
    grid = replace(
        scenario.grid,
        nodes=replace(nodes, v_pu_max=high, v_pu_min=low),
        lines=replace(lines, i_a_max=lines.i_a_max * loading[: len(lines)]),
        transformers=replace(trafos, loading_max=trafos.loading_max * loading[len(lines) :]),
    )
    return replace(scenario, grid=grid)

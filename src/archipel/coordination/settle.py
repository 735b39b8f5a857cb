"""The true AC state of the tree, found together: powers go up, voltages come down, a few rounds of it.

Each cell solves only its own network, with its children as constant powers and its boundary voltage given. The voltage
moves a child's power by its losses only, so every round gains about three digits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from archipel.coordination.message import Body
from archipel.coordination.tree import Ask, Gather, Tell
from archipel.model import Floats


class Solved(Protocol):
    """A solved network of one cell."""

    p_b_kw: Floats
    q_b_kvar: Floats


@final
@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """What a cell knows after settling."""

    state: Any
    """Its own solved network."""
    child_pq: Floats
    """What the children said last, (children, 2, T)."""
    said: Floats
    """What this cell said last to its parent, (2, T): both ends hold the same numbers."""
    v_pu: Floats
    """Voltage at the boundary (T,)."""


def settle(
    evaluate: Callable[[Floats, Floats], Any],
    child_voltages: Callable[[Any], Floats],
    v_pu: Floats,
    *,
    root: bool,
    rounds: int,
) -> Generator[Any, Any, Settled]:
    """A cell's program. `evaluate(child_pq, v)` solves its network, `child_voltages(state)` reads (children, T)."""
    t_count = len(v_pu)
    state: Any = None
    for _ in range(rounds):
        heard: list[Body] = yield Gather()
        child_pq = np.stack([body["pq"] for body in heard]) if heard else np.zeros((0, 2, t_count))
        if state is None or heard:
            state = evaluate(child_pq, v_pu)
        said = np.stack([state.p_b_kw, state.q_b_kvar])
        if not root:
            told = yield Ask({"pq": said})
            v_pu = told["v"]
            state = evaluate(child_pq, v_pu)
        yield Tell([{"v": v} for v in child_voltages(state)])
    return Settled(state, child_pq, said, v_pu)


def vote(
    worst: Floats,
    *,
    root: bool,
    accept: Callable[[Floats], bool],
    parts: Floats | None = None,
    below: Callable[[Floats], Floats] | None = None,
) -> Generator[Any, Any, tuple[bool, Floats, Floats]]:
    """Largest of what the cells found (an array of figures, larger is worse), and the root's judgement of it.

    Down with the judgement go the parts of the price at each boundary: `parts` are the root's own, `below` finds those
    of all children (children, ...) from a cell's own. Returns whether it is accepted, the worst, and the own parts.
    """
    heard: list[Body] = yield Gather()
    for body in heard:
        worst = np.maximum(worst, body["worst"])
    told: Body
    if root:
        told = {"accept": np.array(float(accept(worst))), "worst": worst, "parts": np.zeros(0)}
        told = told if parts is None else {**told, "parts": parts}
    else:
        told = yield Ask({"worst": worst})
    handed = [told["parts"]] * len(heard) if below is None else below(told["parts"])
    yield Tell([{**told, "parts": one} for one in handed])
    return bool(told["accept"]), np.asarray(told["worst"]), np.asarray(told["parts"])

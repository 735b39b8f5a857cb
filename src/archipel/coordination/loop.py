"""The conversation of the cells around one loop: were its tie closed, which branch had best be opened?

        o  junction            The cells on the two ways from the tie's ends towards the source, to where these meet.
       / \\                     A cell knows its own branches on the way: resistance, current in every interval (its
      o   o                    meters tell it, or its forecast), and which of them it may open.
      |   |
      a- -b  open tie

    trip 1   up     R = sum of r and D = sum of s r J over the branches so far     2 T + 1 numbers
             down   R and D of the whole loop                                      2 T + 1
    trip 2   up     what opening the best branch so far saves, its number          2
             down   the same for the whole loop                                    2

J is the current of a branch from its from to its to end, s is +1 where that is the way around the loop (out to a, over
the tie, back from b) and -1 where it is not. Closing the tie and opening branch k sends the current C = -s_k J_k around
the loop and changes the losses by

    sum of r |J + s C|^2 - r |J|^2  =  R |C|^2 + 2 Re(conj(C) D)          in every interval

as long as loads draw constant current. So R and D are all that a cell must hear to judge its own branches. The least
losses would need C = -D / R, the optimal flow pattern of this loop; the best branch comes nearest to it over the day.

Sources: loss change of a branch exchange, S. Civanlar et al., "Distribution feeder reconfiguration for loss reduction",
IEEE Trans. Power Delivery 3 (1988), doi:10.1109/61.193906, and M. E. Baran, F. F. Wu, "Network reconfiguration in
distribution systems for loss reduction and load balancing", ibid. 4 (1989), doi:10.1109/61.25627. Optimal flow pattern:
D. Shirmohammadi, H. W. Hong, "Reconfiguration of electric distribution networks for resistive line losses reduction",
ibid. 4 (1989), doi:10.1109/61.25637. The two trips and the sum over a day's complex currents are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archipel.coordination.message import Body
from archipel.coordination.tree import Ask, Conversation, Gather, Tell
from archipel.grid.branch_model import BASE_KVA
from archipel.model import Bools, Floats, Ints

Currents = NDArray[np.complexfloating[Any, Any]]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """One cell's own part of a loop; every column has one row per branch."""

    branch: Ints
    """Numbers of the branches in the network's list."""
    sign: Floats
    """+1 where a branch runs from its from to its to end along the loop's direction, -1 where it does not."""
    r_pu: Floats
    current: Currents
    """From the from to the to end [pu], shape (branches, T)."""
    may_open: Bools


@final
@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """The stretches of a loop: the junction's own, and those of either way from there outwards."""

    junction: Stretch
    ways: tuple[tuple[Stretch, ...], tuple[Stretch, ...]]


@final
@dataclass(slots=True)
class Tally:
    """What was said."""

    loops: int = 0
    """Conversations around a loop."""
    messages: int = 0
    bytes: int = 0


def best_opening(loop: Loop, dt_h: float, tally: Tally) -> tuple[float, int]:
    """What closing the tie and opening the loop's best branch saves [kWh], and its number; -1: there is none."""
    tally.loops += 1

    def program(own: Stretch, outer: int, top: bool) -> Generator[Any, Any, Body]:
        return _judge(own, outer, dt_h, top)

    saves, branch = _around(loop, program, tally)["saves"]
    return float(saves), int(branch)


def round_current(loop: Loop, branch: int, tally: Tally) -> Currents:
    """The current C that opening `branch` sends around the loop, shape (T,), told to all by the cell that owns it.

    With it every cell knows the currents of its branches after the exchange, as far as loads draw constant current.
    """

    def program(own: Stretch, outer: int, top: bool) -> Generator[Any, Any, Body]:
        mine = -(own.sign * (own.branch == branch)) @ own.current
        return pool({"c": np.stack([mine.real, mine.imag])}, lambda a, b: {"c": a["c"] + b["c"]}, outer, root=top)

    real, imaginary = _around(loop, program, tally)["c"]
    return np.asarray(real + 1j * imaginary)


def pool(own: Body, fold: Callable[[Body, Body], Body], children: int, *, root: bool) -> Generator[Any, Any, Body]:
    """A cell's program: what all cells of a tree know, folded together on the way up, told to all on the way back."""
    heard: list[Body] = yield Gather()
    for body in heard:
        own = fold(own, body)
    if not root:
        own = yield Ask(own)
    yield Tell([own] * children)
    return own


def converse(
    parents: Mapping[str, str], program: Callable[[str, int, bool], Generator[Any, Any, Body]], tally: Tally
) -> Body:
    """Let cells talk along a tree until nobody has more to say; returns what the root ends with.

    `parents` gives the parent of every cell by name, "" for the root; `program` makes a cell's program from its name,
    the number of its children and whether it is the root.
    """
    children: dict[str, list[str]] = {name: [] for name in parents}
    for name, parent in parents.items():
        if parent:
            children[parent].append(name)
    talks = {
        name: Conversation(1, name, parent, tuple(below := children[name]), program(name, len(below), not parent))
        for name, parent in parents.items()
    }
    mail = [message for talk in talks.values() for message in talk.open()]
    while mail:
        message = mail.pop()
        mail += talks[message.receiver].receive([message])
    tally.messages += sum(talk.sent_messages for talk in talks.values())
    tally.bytes += sum(talk.sent_bytes for talk in talks.values())
    outcome: Body = next(talks[name].outcome for name, parent in parents.items() if not parent)
    return outcome


def _judge(own: Stretch, outer: int, dt_h: float, top: bool) -> Generator[Any, Any, Body]:
    """One cell's program in both trips; `outer` neighbours lie further out."""
    d = (own.sign * own.r_pu) @ own.current
    sums: Body = {"r": np.array(own.r_pu.sum()), "d": np.stack([d.real, d.imag])}
    whole = yield from pool(sums, lambda a, b: {"r": a["r"] + b["r"], "d": a["d"] + b["d"]}, outer, root=top)
    mine = _best(own, float(whole["r"]), whole["d"][0] + 1j * whole["d"][1], dt_h)
    return (yield from pool(mine, _larger, outer, root=top))


def _best(own: Stretch, r: float, d: Currents, dt_h: float) -> Body:
    """The own branch whose opening saves most."""
    if not own.may_open.any():
        return {"saves": np.array([-np.inf, -1.0])}
    c = -own.sign[:, None] * own.current
    change_kw = BASE_KVA * (r * np.abs(c) ** 2 + 2.0 * (np.conj(c) * d).real)
    saves_kwh = np.where(own.may_open, -dt_h * change_kw.sum(axis=1), -np.inf)
    k = int(saves_kwh.argmax())
    return {"saves": np.array([saves_kwh[k], own.branch[k]])}


def _larger(a: Body, b: Body) -> Body:
    return max(a, b, key=lambda body: tuple(body["saves"]))


def _around(loop: Loop, program: Callable[[Stretch, int, bool], Generator[Any, Any, Body]], tally: Tally) -> Body:
    """Two chains of cells that meet at the junction. A cell may lie on a loop twice, so here it goes by its place."""
    own, parents = {"junction": loop.junction}, {"junction": ""}
    for side, way in zip("ab", loop.ways, strict=True):
        for i, stretch in enumerate(way):
            own[f"{side}{i}"], parents[f"{side}{i}"] = stretch, f"{side}{i - 1}" if i else "junction"
    return converse(parents, lambda name, outer, top: program(own[name], outer, top), tally)

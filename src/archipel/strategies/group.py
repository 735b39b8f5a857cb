"""Controllers that live together in one process, and the same in a process of its own."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, final

from archipel.cell.prices import node_prices
from archipel.controller.absent import taking_part
from archipel.controller.agreeing import Agreed, RootFacts
from archipel.controller.believed import CellBelief, belief
from archipel.controller.controller import CellController, Readings
from archipel.coordination.message import Message
from archipel.devices.base import State
from archipel.model import Floats, Horizon, Ints
from archipel.optimisation.block import Block


@final
@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What a host may know of a cell's plan: what it agreed at its boundary and how it went; nothing behind it."""

    price: Floats
    boundary: Floats
    """(2, T) each."""
    parts: Floats | None
    """What the price is the sum of [EUR/kWh, EUR/kvarh], (parts, 2, T) in the order of `PRICE_PARTS`."""
    children: tuple[str, ...]
    """Those that took part."""
    child_boundary: Floats
    """What it holds to be agreed with each of them (children, 2, T)."""
    gave: tuple[str, ...]
    rounds: int
    passes: int
    gap: float
    cost: float
    gross: float
    excess: Floats
    accepted: bool
    way: str
    primal_kw: float
    primal_v_pu: float
    dual_eur_per_kwh: float
    """See `Agreed`."""
    silent: str
    """Neighbour whose silence ended the plan; empty when it ended well."""
    messages: int
    bytes: int


@final
class Group:
    """Some cells' controllers; messages between them are passed on here, others are handed out."""

    def __init__(self, controllers: list[CellController]) -> None:
        self.by_id = {c.site.id: c for c in controllers}
        self.outlet: Callable[[list[Message]], None] | None = None
        """Where messages that leave the group go at once, so that others can work meanwhile; else they are returned."""

    def begin(
        self, plan: int, horizon: Horizon, readings: Mapping[str, Readings], root: RootFacts | None
    ) -> list[Message]:
        """Start a plan at every cell; returns what leaves the group."""
        out: list[Message] = []
        for name, controller in self.by_id.items():
            out += controller.begin(plan, horizon, readings[name], None if controller.site.parent else root)
        return self._inside(out)

    def deliver(self, inbox: list[Message]) -> list[Message]:
        """Hand messages to the cells; returns what leaves the group."""
        return self._inside(inbox)

    def tick(self) -> list[Message]:
        """Time passes without news."""
        return self._inside([m for c in self.by_id.values() for m in c.tick()])

    def _inside(self, queue: list[Message]) -> list[Message]:
        out: list[Message] = []
        at = 0
        while at < len(queue):
            message = queue[at]
            at += 1
            answers = self.by_id[message.receiver].receive([message]) if message.receiver in self.by_id else [message]
            leaving = [m for m in answers if m.receiver not in self.by_id]
            queue += [m for m in answers if m.receiver in self.by_id]
            if self.outlet is None:
                out += leaving
            elif leaving:
                self.outlet(leaving)
        return out

    def open(self) -> bool:
        """Whether some cell still waits."""
        return any(c.conversation is not None and c.conversation.outcome is None for c in self.by_id.values())

    def outcomes(self) -> dict[str, Outcome | None]:
        """How the last plan went, by cell; None where nothing was ever agreed."""
        return {name: _outcome(c) for name, c in self.by_id.items()}

    def beliefs(self, horizon: Horizon) -> dict[str, CellBelief | None]:
        """What every cell believes after the plan for `horizon`: for the record of a run, never used to decide."""
        return {name: belief(c, horizon) for name, c in self.by_id.items()}

    def setpoints(
        self, now: datetime, states: Mapping[str, Mapping[str, State]]
    ) -> dict[str, list[tuple[Floats, Floats]]]:
        """Leases of every cell's fleets."""
        return {name: c.setpoints(now, states[name]) for name, c in self.by_id.items()}

    def planned_kw(
        self, members: Mapping[str, Mapping[str, Mapping[str, Ints]]]
    ) -> dict[str, dict[str, tuple[Horizon, Floats]]]:
        """What the devices of every contract draw together by the last plan, by cell and contract: `members` names rows
        of a cell's fleets by cell, contract and kind."""
        told: dict[str, dict[str, tuple[Horizon, Floats]]] = {}
        for name, contracts in members.items():
            controller = self.by_id.get(name)
            if controller is None or controller.agreed is None:
                continue
            sums = {contract: controller.planned_kw(rows) for contract, rows in contracts.items()}
            horizon = controller.agreed.duty.horizon
            told[name] = {contract: (horizon, kw) for contract, kw in sums.items() if kw is not None}
        return told

    def problems(self) -> dict[str, tuple[Block, Floats]]:
        """Linear problems and controls, for measuring a plan against a central one; never used to decide."""
        return {name: (c.agreed.block, c.agreed.u) for name, c in self.by_id.items() if c.agreed is not None}

    def node_prices(self) -> dict[str, Floats]:
        """Prices of P and Q at every cell's nodes [EUR/kWh, EUR/kvarh], (2, nodes, T): for the record of a run, never
        used to decide."""
        return {
            name: node_prices(taking_part(c.site, c.agreed.children), c.agreed.duty, c.agreed.priced)
            for name, c in self.by_id.items()
            if c.agreed is not None and c.agreed.priced is not None
        }


def _outcome(controller: CellController) -> Outcome | None:
    agreed: Agreed | None = controller.agreed
    talk = controller.conversation
    if agreed is None or talk is None:
        return None
    return Outcome(
        agreed.price,
        agreed.boundary,
        None if agreed.priced is None else agreed.priced.parts / agreed.duty.horizon.dt_h,
        agreed.children,
        agreed.child_boundary,
        agreed.gave,
        agreed.rounds,
        agreed.passes,
        agreed.gap,
        agreed.cost,
        agreed.gross,
        agreed.excess,
        agreed.accepted,
        agreed.way,
        agreed.primal_kw,
        agreed.primal_v_pu,
        agreed.dual_eur_per_kwh,
        controller.silent,
        talk.sent_messages,
        talk.sent_bytes,
    )


@final
class RemoteGroup:
    """A `Group` in a process of its own. Messages cross as bytes. Calls are sent with `start`, answered by `finish`.

    A process that has died answers every call with None; `dead` says so.
    """

    def __init__(self, controllers: list[CellController]) -> None:
        here, there = multiprocessing.Pipe()
        self._pipe = here
        self.pending = 0
        """Calls not answered yet."""
        self.dead = False
        """Whether its process is known to have died."""
        self.names = {c.site.id for c in controllers}
        context = multiprocessing.get_context("fork")
        self._process = context.Process(target=_serve, args=(there, here, controllers), daemon=True)
        self._process.start()
        there.close()

    def start(self, call: str, *args: Any) -> None:
        """Ask for a call of `Group`."""
        if call == "deliver":
            args = ([m.to_bytes() for m in args[0]],)
        self.pending += 1
        if self.dead:
            return
        try:
            self._pipe.send((call, args))
        except OSError:  # nobody is left at the other end
            self.dead = True

    def finish(self) -> Any:
        """Its answer, None where its process has died; raises what it raised there."""
        self.pending -= 1
        if self.dead:
            return None
        try:
            ok, value = self._pipe.recv()
        except (EOFError, OSError):
            self.dead = True
            return None
        if not ok:
            raise value
        return [Message.from_bytes(b) for b in value] if isinstance(value, list) else value

    @property
    def pid(self) -> int | None:
        """Number of its process."""
        return self._process.pid

    def kill(self) -> None:
        """End its process as a crash would (SIGKILL): it can save nothing and say nothing."""
        self._process.kill()
        self._process.join()
        self.dead, self.pending = True, 0

    def close(self) -> float:
        """End the process; returns the CPU seconds it used."""
        used = 0.0
        try:
            if self._process.is_alive():
                self._pipe.send(("close", ()))
                while self._pipe.poll(10.0):
                    answer = self._pipe.recv()  # an answer nobody waited for, after Ctrl-C, or the last one
                    if isinstance(answer, float):
                        used = answer
                        break
        except (EOFError, OSError):
            used = 0.0  # it is gone already, and its clock with it
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.terminate()
        self._pipe.close()
        return used


def _serve(pipe: Connection, other_end: Connection, controllers: list[CellController]) -> None:
    other_end.close()  # else its host could die, and this would never hear of it
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the host, which then closes us
    group = Group(controllers)
    begun = time.process_time()
    while True:
        try:
            call, args = pipe.recv()
        except EOFError:
            return
        if call == "close":
            pipe.send(time.process_time() - begun)
            return
        try:
            if call == "deliver":
                args = ([Message.from_bytes(b) for b in args[0]],)
            value = getattr(group, call)(*args)
            if isinstance(value, list):
                value = [m.to_bytes() for m in value]
            pipe.send((True, value))
        except Exception as error:  # carried over the pipe and raised where it was asked for
            pipe.send((False, error))

"""The engine in a process of its own, a few seconds of the wall ahead of what is shown, so that nobody waits for plans.

to the engine       ("shown", number)  ("order", Command)  ("end",)
from the engine     ("area", Area, step)  ("tick", Tick)  ("failed", text)
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from multiprocessing.connection import Connection
from typing import Any, final

from archipel.web.nouns import Command

LEAD_S, LONG_LEAD_S = 2.5, 15.0
"""Wall seconds the engine is ahead, least and most: little, so that people see soon what they have ordered; much where
plans take long because the machine is busy, and before the main grid is lost, which takes longer than any plan."""
LEAD_IN_PLANS = 2.5
"""The lead in lengths of the slowest minute of late: two plans in a row and a little more must not be waited for."""
FORGETS = 0.995
"""What is left of the slowest minute of late after another one: half of it after two hours and a quarter."""
PATIENCE_S = 1.0
"""Wall seconds the engine may take to end by itself."""
PREPARES_AT = 20
"""Minute of grid time after which there is time to work out what could be an island."""


def run_engine(pipe: Connection, scenario: str, seed: int, factor: float) -> None:
    """Entry point of the process; ends when the other end of the pipe says so or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then closes us
    from archipel.model import ArchipelError

    try:
        _run(pipe, scenario, seed, factor)
    except ArchipelError as error:
        _tell(pipe, ("failed", str(error)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # nobody is left to show it to


def _run(pipe: Connection, name: str, seed: int, factor: float) -> None:
    from archipel.formats.scenario import load_scenario
    from archipel.web.demo.engine import Engine
    from archipel.web.demo.shown import area_shown
    from archipel.web.demo.story import KILL, LOSE

    engine = Engine(load_scenario(name), seed=seed, factor=factor)
    shown, prepared, slowest_s = -1, False, 0.0
    per_s = factor / 60.0
    try:
        pipe.send(("area", area_shown(engine)))
        pipe.send(("tick", engine.first_look()))
        while True:
            lead_s = LONG_LEAD_S if KILL < engine.minute <= LOSE else lead_for(slowest_s)
            full = engine.minute - shown > per_s * lead_s
            if full and not prepared and engine.minute > PREPARES_AT:
                engine.prepare()
                prepared = True
            if pipe.poll(1.0 if full else 0.0):
                said = pipe.recv()
                if said[0] == "end":
                    return
                if said[0] == "shown":
                    shown = max(shown, said[1])
                else:
                    engine.orders.take(said[1])
            elif not full:
                begun_s = time.monotonic()
                pipe.send(("tick", engine.step()))
                slowest_s = max(FORGETS * slowest_s, time.monotonic() - begun_s)
    finally:
        engine.close()


def lead_for(slowest_s: float) -> float:
    """Wall seconds to be ahead where the slowest minute of late took so long."""
    return min(max(LEAD_S, LEAD_IN_PLANS * slowest_s), LONG_LEAD_S)


def _tell(pipe: Connection, said: tuple[Any, ...]) -> None:
    try:
        pipe.send(said)
    except OSError:
        return  # nobody is left to hear it


@final
class EngineProcess:
    """The process, from the side of the server."""

    def __init__(self, scenario: str, seed: int, factor: float) -> None:
        context = multiprocessing.get_context("spawn")  # it forks cells later, so it begins clean, without threads
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=run_engine, args=(there, scenario, seed, factor), daemon=False)
        self._process.start()
        there.close()

    def hear(self, timeout_s: float) -> tuple[Any, ...] | None:
        """What it says next, None where it says nothing in time. Raises EOFError when it is gone."""
        try:
            return self._pipe.recv() if self._pipe.poll(timeout_s) else None
        except (ConnectionResetError, OSError) as error:
            raise EOFError("the engine is gone") from error

    def shown(self, number: int) -> None:
        """A minute has been shown."""
        _tell(self._pipe, ("shown", number))

    def order(self, command: Command) -> None:
        """Hand over a command that was accepted."""
        _tell(self._pipe, ("order", command))

    @property
    def pid(self) -> int | None:
        """Number of the process."""
        return self._process.pid

    def close(self) -> None:
        """End it, and with it the processes of the cells: they end when nobody holds the other end of their pipes."""
        _tell(self._pipe, ("end",))
        self._process.join(PATIENCE_S)
        if self._process.is_alive():  # in the middle of a plan
            self._process.kill()
            self._process.join()
        self._pipe.close()

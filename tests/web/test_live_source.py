"""A rehearsal of real processes as a source: what it shows, what it was told to do, what it does about trouble.

One rehearsal goes through all steps of this file, in their order; nothing here asserts how long things take.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

from hamlet import CELLS, START, hamlet

from archipel.local.rehearsal import Standing, Wish, up
from archipel.web.nouns import Card, Command, CommandState
from archipel.web.source import CommandRefused, Frame, NotShown
from archipel.web.sources.live import LiveSource, open_live
from archipel.web.sources.live_knowledge import NO_ANSWER

FACTOR = 60.0
BEGIN = START + timedelta(minutes=30)
"""Cells plan a quarter hour before the hour."""
PATIENCE_S = 300.0
"""The machine may be busy."""


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    folder = tmp_path_factory.mktemp("live")
    wish = Wish(str(hamlet(folder / "hamlet")), BEGIN, FACTOR, armed=True, tick_s=0.2)
    made = up(wish, folder / "up")
    try:
        yield made
    finally:
        made.processes.stop()


@pytest.fixture(scope="module")
def source(standing: Standing) -> Iterator[LiveSource]:
    made = open_live(standing.layout.folder)
    yield made
    made.close()


def wait(what: str, until: Callable[[], Any]) -> Any:
    end_s = time.monotonic() + PATIENCE_S
    while not (found := until()):
        assert time.monotonic() < end_s, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.1)
    return found


def newest(source: LiveSource) -> Frame:
    found = source.latest()
    assert found is not None
    return found


def column(source: LiveSource, table: str, name: str, frame: Frame | None = None) -> np.ndarray:
    """A column by the sections that the API tells."""
    first = 0
    for section in source.area().sections:
        if (section.table, section.column) == (table, name):
            return (newest(source) if frame is None else frame).values[first : first + section.count]
        first += section.count
    raise AssertionError(f"{table}.{name}")


def of(source: LiveSource, table: str, name: str, element: str) -> float:
    area = source.area()
    ids = {"devices": area.devices.id, "cells": [c.id for c in area.cells], "ties": [t.id for t in area.ties]}
    return float(column(source, table, name)[ids[table].index(element)])


def later(source: LiveSource, hours: float) -> datetime:
    return newest(source).time + timedelta(hours=hours)


def give(source: LiveSource, number: int, act: Any, element: str = "", **what: Any) -> Command:
    command = Command(id=f"live-test-{number:03d}", act=act, element=element, why="a test", **what)
    source.carry_out(command, "Ada")
    return command


def became(source: LiveSource, command: Command) -> CommandState:
    def done() -> CommandState | None:
        state = next(one for one in source.commands() if one.command.id == command.id)
        return state if state.phase in {"measured", "failed", "refused"} else None

    return wait(f"{command.act} {command.element}", done)


def card(source: LiveSource, cause: str) -> Card | None:
    return next((one for one in source.cards("", None) if one.cause == cause), None)


def test_frames_come_as_the_world_moves_and_cells_say_how_they_are(source: LiveSource) -> None:
    first = newest(source)
    wait("a new frame", lambda: newest(source).seq > first.seq)
    assert newest(source).time > first.time
    wait("every cell answers", lambda: bool((column(source, "cells", "age_s") < 3.0).all()))
    assert (column(source, "cells", "armed") == 1.0).all()
    area = source.area()
    assert [cell.id for cell in area.cells] == list(CELLS)
    assert area.span.live
    assert area.span.factor == FACTOR
    assert "island" not in area.acts, "no cell of it has a switch to the main grid"
    assert len(newest(source).values) == sum(section.count for section in area.sections)
    into = column(source, "ties", "p_kw")
    assert of(source, "cells", "p_kw", "lv") == into[1]
    assert column(source, "area", "upstream_p_kw")[0] == pytest.approx(into[0], abs=1.0)


def test_two_readers_see_whole_frames_of_growing_time_while_the_world_writes(source: LiveSource) -> None:
    troubles: list[str] = []

    def read() -> None:
        last, count = newest(source), 0
        end_s = time.monotonic() + PATIENCE_S
        while count < 5 and time.monotonic() < end_s:
            frame = newest(source)
            if frame.seq == last.seq:
                continue
            p_kw, losses = column(source, "devices", "p_kw", frame), column(source, "area", "losses_kw", frame)[0]
            upstream = column(source, "area", "upstream_p_kw", frame)[0]
            if frame.time < last.time or abs(upstream - p_kw.sum() - losses) > 0.1:
                troubles.append(f"{frame.seq}: {upstream} kW are not {p_kw.sum()} and {losses} kW")
            last, count = frame, count + 1
        if count < 5:
            troubles.append("no frames came")

    readers = [Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert not troubles


def test_who_agreed_what_and_what_a_cell_believed_comes_from_the_journals(source: LiveSource) -> None:
    def everyone_cooperates() -> bool:
        return all(source.belief("", cell, None).level == "cooperating" for cell in CELLS)

    wait("every tie agreed", lambda: np.isfinite(column(source, "ties", "agreed_kw")).all() and everyone_cooperates())
    found = source.agreements("", None)
    assert found.plan is not None
    assert found.plan.accepted
    for tie in found.ties:
        assert tie.agreed_kw == pytest.approx(of(source, "ties", "agreed_kw", tie.tie), rel=1e-5)
        assert tie.until is not None
        assert tie.until > newest(source).time
        parts = [getattr(tie.parts, name) for name in ("energy", "losses", "congestion", "voltage", "fees")]
        assert sum(parts) == pytest.approx(tie.price_eur_per_kwh, abs=5e-5)
    lv = next(tie for tie in found.ties if tie.lower == "lv")
    belief = source.belief("", "lv", None)
    assert belief.level == "cooperating"
    curve = {one.name: one for one in belief.curves}
    assert curve["p_kw"].believed[0] is not None
    assert lv.agreed_kw in [pytest.approx(value, abs=1e-3) for value in curve["p_kw"].believed[:16]]
    assert len(belief.start) == len(belief.hours) == len(curve["load_kw"].true)
    view = {one.neighbour: one for one in belief.neighbours}
    assert view["feeder"].state == "agreed"
    with pytest.raises(NotShown):
        source.belief("", "nowhere", None)
    before = source.belief("", "lv", BEGIN)
    assert (before.made, before.curves, before.level) == (None, [], "rules"), "then it had no plan"
    why = source.why("", "setpoint", "storage/0", None)
    assert "storage/0" in why.text
    assert "agreed on" in " ".join(reason.text for reason in why.reasons)
    assert source.why("", "price", "trafo/0", None).reasons


def test_what_was_is_found_again_also_after_the_server_was_started_anew(source: LiveSource, standing: Standing) -> None:
    at = newest(source).time
    wait("time to pass", lambda: newest(source).time > at + timedelta(minutes=5))
    frame = source.frame("", at)
    assert frame.time <= at
    wait("a series", lambda: len(source.series("", "devices", "sgen/0", ["p_kw"], BEGIN, newest(source).time).time) > 3)
    series = source.series("", "devices", "sgen/0", ["p_kw"], BEGIN, newest(source).time)
    assert len(series.time) == len(series.columns["p_kw"])
    second = open_live(standing.layout.folder)
    try:
        assert second.span().start == source.span().start
        assert second.frame("", frame.time).values == pytest.approx(frame.values, nan_ok=True)
    finally:
        second.close()
    for wrong in (("nodes", "bus/9", ["v_pu"]), ("nodes", "bus/1", ["p_kw"]), ("poems", "bus/1", ["v_pu"])):
        with pytest.raises(NotShown):
            source.series("", *wrong, START, at)
    with pytest.raises(NotShown):
        source.frame("", START - timedelta(hours=1))


def test_a_hold_goes_through_every_phase_until_the_meter_shows_it(source: LiveSource) -> None:
    command = give(source, 1, "hold", "storage/0", p_kw=-3.0, until=later(source, 6.0))
    state = became(source, command)
    assert state.phase == "measured", state.text
    assert list(state.at) == ["requested", "accepted", "executed", "measured"]
    assert state.at == dict(sorted(state.at.items(), key=lambda one: one[1]))
    assert of(source, "devices", "p_kw", "storage/0") == pytest.approx(-3.0, abs=0.2)
    assert of(source, "devices", "p_kw_set", "storage/0") == pytest.approx(-3.0, abs=0.1)
    assert "Ada" in source.why("", "setpoint", "storage/0", None).text
    told = [one.body["phase"] for one in source.happened(0) if one.body.get("command", {}).get("id") == command.id]
    assert told == ["requested", "accepted", "executed", "measured"]
    again = source.carry_out(command, "Ada")
    assert (again.phase, again.at) == ("measured", state.at), "the same id is carried out once"


@pytest.mark.parametrize(
    ("number", "act", "element", "what", "why"),
    [
        (10, "hold", "storage/0", {"p_kw": -5.5}, "its plate allows -5 to 5 kW"),
        (11, "hold", "load/1", {"p_kw": 1.0}, "no device of lv"),
        (12, "hold", "nothing/9", {"p_kw": 1.0}, "expected a device"),
        (13, "limit", "lv", {}, "neither import nor export"),
        (14, "tag", "sgen/9", {}, "expected a device"),
        (15, "kill", "world", {}, "expected a cell"),
        (16, "island", "lv", {}, "cannot be given here"),
        (17, "untag", "sgen/1", {}, "has no tag"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason_and_changes_nothing(
    source: LiveSource, number: int, act: Any, element: str, what: dict[str, Any], why: str
) -> None:
    until = later(source, 1.0) if act in {"hold", "limit"} else None
    with pytest.raises(CommandRefused, match=why):
        give(source, number, act, element, until=until, **what)
    state = next(one for one in source.commands() if one.command.id == f"live-test-{number:03d}")
    assert state.phase == "refused"
    assert why in source.why("", "refusal", state.command.id, None).text
    with pytest.raises(CommandRefused):
        source.select(Command(id="select-0001", act="island", element="lv"), "Ada")


def test_a_tag_stops_all_writes_to_its_device_and_stands_against_holding_it(source: LiveSource) -> None:
    state = became(source, give(source, 20, "tag", "sgen/1"))
    assert state.phase == "measured", state.text
    assert "no write" in state.text
    with pytest.raises(CommandRefused, match="safety tag"):
        give(source, 21, "hold", "sgen/1", p_kw=-1.0, until=later(source, 1.0))
    assert became(source, give(source, 22, "untag", "sgen/1")).phase == "measured"
    assert became(source, give(source, 23, "free", "storage/0")).phase == "measured"


def test_a_limit_shows_at_the_tie(source: LiveSource) -> None:
    state = became(source, give(source, 30, "limit", "lv", export_kw_max=6.0, until=later(source, 3.0)))
    assert state.phase == "measured", state.text
    assert of(source, "cells", "p_kw", "lv") >= -7.5
    assert became(source, give(source, 31, "free", "lv")).phase == "measured"


def test_a_limit_told_to_the_head_of_the_area_is_in_frames_while_it_holds(source: LiveSource) -> None:
    def limit() -> float:
        return float(column(source, "area", "import_kw_max")[0])

    firm = limit()
    give(source, 32, "limit", "root", import_kw_max=55.0, until=later(source, 3.0))
    wait("the limit to show", lambda: limit() == 55.0)
    give(source, 33, "free", "root")
    wait("the limit to be gone", lambda: np.array_equal([limit()], [firm], equal_nan=True))


def test_a_frozen_cell_grows_old_and_is_one_card(source: LiveSource, standing: Standing) -> None:
    open_before = {one.id for one in source.cards("", None) if one.ended is None}
    standing.processes.signal("lv", signal.SIGSTOP)
    try:
        wait("its age to grow", lambda: of(source, "cells", "age_s", "lv") > 3.0)
        assert of(source, "cells", "level", "lv") == NO_ANSWER
        assert of(source, "cells", "age_s", "root") < 3.0, "the others go on"
        shown = wait("its card", lambda: card(source, "silent lv"))
        assert (shown.severity, shown.ended, shown.cell) == ("action", None, "lv")
        wait("it to be told", lambda: [one for one in source.happened(0) if one.body.get("cause") == "silent lv"])
        time_then = newest(source).time
        wait("more time", lambda: newest(source).time > time_then + timedelta(minutes=2))
        fresh = [one for one in source.cards("", None) if one.ended is None and one.id not in open_before]
        assert not [one for one in fresh if one.cause == "level feeder"], "what follows from it is no card of its own"
    finally:
        standing.processes.signal("lv", signal.SIGCONT)
    wait("it is young again", lambda: of(source, "cells", "age_s", "lv") < 3.0)


def test_a_killed_cell_is_seen_and_started_again(source: LiveSource) -> None:
    assert became(source, give(source, 40, "kill", "lv")).phase == "measured"
    with pytest.raises(CommandRefused, match="does not run"):
        give(source, 41, "hold", "storage/0", p_kw=1.0, until=later(source, 1.0))
    assert became(source, give(source, 42, "start", "lv")).phase == "measured"


def test_everything_goes_back_to_its_default_whatever_is_the_matter_with_one_cell(
    source: LiveSource, standing: Standing
) -> None:
    standing.processes.signal("lv", signal.SIGKILL)
    wait("lv is dead", lambda: standing.processes.state("lv") == "dead")
    ledger = standing.layout.cell("lv") / "journal" / "ledger.db"
    data = bytearray(ledger.read_bytes())
    data[100:2000] = bytes(1900)
    ledger.write_bytes(bytes(data))
    for beside in ("ledger.db-wal", "ledger.db-shm"):  # what is not in the file yet would heal it
        ledger.with_name(beside).unlink(missing_ok=True)
    state = became(source, give(source, 50, "default"))
    assert state.phase == "measured", state.text
    assert "lv: its journal does not say" in next(
        one.body["text"] for one in source.happened(0)
        if one.body.get("phase") == "accepted" and one.body["command"]["id"] == state.command.id
    )  # fmt: skip
    assert np.isnan(column(source, "devices", "p_kw_set")).all(), "no device holds an order"
    assert of(source, "cells", "armed", "feeder") == 0.0
    shown = wait("a card of the journal", lambda: card(source, "journal lv"))
    give(source, 51, "acknowledge", shown.id)
    assert wait("it is seen", lambda: (one := card(source, "journal lv")) and one.acknowledged_by) == "Ada"
    assert became(source, give(source, 52, "arm", "feeder")).phase == "measured"

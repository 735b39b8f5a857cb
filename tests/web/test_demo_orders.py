"""What people order in the demonstration: checked, carried out at a quarter hour, and measured."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import pytest
from demo_village import engine

from archipel.strategies.distributed import can_fork
from archipel.web.demo.commands import Commands
from archipel.web.demo.engine import Engine
from archipel.web.demo.shown import area_shown
from archipel.web.demo.tick import COOPERATING, Phased, Tick
from archipel.web.nouns import Act, Command
from archipel.web.source import CommandRefused


@pytest.fixture
def one() -> Iterator[Engine]:
    with engine() as running:
        running.step()
        yield running


def until_phase(one: Engine, wanted: str, minutes: int = 60) -> tuple[Tick, Phased]:
    """Step until a command comes to a phase."""
    for _ in range(minutes):
        tick = one.step()
        for phased in tick.phases:
            if phased.phase == wanted:
                return tick, phased
    raise AssertionError(f"no command was {wanted} within {minutes} minutes")


def command(act: Act, element: str, until: datetime | None = None, **more: float) -> Command:
    return Command(id=f"{act}-{element.replace('/', '-')}-0001", act=act, element=element, until=until, **more)


def test_a_held_battery_is_measured_at_what_it_was_told_from_the_next_quarter_hour_on(one: Engine) -> None:
    one.orders.take(command("hold", "storage/1", one.begin + timedelta(hours=1), p_kw=-2.0))
    tick, done = until_phase(one, "executed", 16)
    assert tick.time.minute % 15 == 0
    assert "hold -2 kW until 12:00" in done.text
    row = one.scenario.device_id.index("storage/1")
    tick = one.step()
    assert one.builder.column(tick.frames[COOPERATING], "devices", "p_kw")[row] == pytest.approx(-2.0)
    assert one.builder.column(tick.frames[COOPERATING], "devices", "p_kw_set")[row] == pytest.approx(-2.0)


def test_a_hold_ends_by_itself_and_at_once_with_free(one: Engine) -> None:
    one.orders.take(command("hold", "storage/1", one.begin + timedelta(minutes=30), p_kw=-2.0))
    until_phase(one, "measured")
    while one.together.now < one.begin + timedelta(minutes=31):
        one.step()
    assert not one.held.holds
    one.orders.take(command("hold", "storage/2", one.begin + timedelta(hours=9), p_kw=-1.0))
    until_phase(one, "measured")
    one.orders.take(command("free", "storage/2"))
    until_phase(one, "measured")
    assert not one.held.holds


def test_what_a_device_cannot_do_is_told_as_failed_with_what_it_does(one: Engine) -> None:
    one.orders.take(command("hold", "ev/0", one.begin + timedelta(hours=9), p_kw=7.0))  # nobody is plugged in
    _, failed = until_phase(one, "failed", 90)
    assert failed.text == "ev/0 draws 0.0 kW"


def test_a_limit_at_the_connection_is_measured_and_ends(one: Engine) -> None:
    firm = one.builder.column(one.step().frames[COOPERATING], "area", "export_kw_max").copy()
    one.orders.take(command("limit", "upstream", one.begin + timedelta(hours=1), export_kw_max=60.0))
    tick, measured = until_phase(one, "measured")
    assert measured.text.endswith("flow out")
    assert -one.builder.column(tick.frames[COOPERATING], "area", "upstream_p_kw")[0] <= 61.2
    assert [one.builder.column(frame, "area", "export_kw_max")[0] for frame in tick.frames.values()] == [60.0, 60.0]
    while one.together.now <= one.begin + timedelta(hours=1):
        tick = one.step()
    assert one.limit is None
    np.testing.assert_equal(one.builder.column(tick.frames[COOPERATING], "area", "export_kw_max"), firm)
    assert -one.builder.column(tick.frames[COOPERATING], "area", "upstream_p_kw")[0] > 61.2


@pytest.mark.skipif(not can_fork(), reason="cells have no processes of their own where the system cannot fork")
def test_a_killed_cell_is_killed_at_once_and_default_brings_everything_back(one: Engine) -> None:
    one.orders.take(command("kill", "lv"))
    one.orders.take(command("hold", "storage/0", one.begin + timedelta(hours=9), p_kw=0.5))
    tick = one.step()
    assert {p.phase for p in tick.phases if p.id.startswith("kill")} == {"executed", "measured"}
    while one.together.now.minute % 15 != 1:
        one.step()
    assert one.held.holds
    one.orders.take(command("default", ""))
    until_phase(one, "measured")
    assert not one.held.holds
    assert one.cells is not None
    assert one.cells.dead == frozenset()
    for _ in range(16):
        tick = one.step()
    assert (one.builder.column(tick.frames[COOPERATING], "cells", "level") == 0).all()


def test_default_works_at_any_time_even_without_a_main_grid(one: Engine) -> None:
    while not one.together.course.decides:
        one.step()
    one.lose(timedelta(minutes=15), timedelta(minutes=30))
    one.step()
    one.orders.take(command("default", ""))
    _, done = until_phase(one, "executed", 16)
    assert "nothing is held or limited" in done.text


NOW = datetime.fromisoformat("2016-06-10T12:00:00+00:00")
SOON = NOW + timedelta(hours=1)


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    with engine() as running:
        yield Commands(area_shown(running))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (command("hold", "storage/1", SOON, p_kw=-9.0), "nameplate goes from -5 to 5 kW"),
        (command("hold", "storage/1", SOON, p_kw=float("nan")), "found no power"),
        (command("hold", "load/0", SOON, p_kw=1.0), "draws what people use"),
        (command("hold", "nothing", SOON, p_kw=1.0), "no such device"),
        (command("hold", "storage/1", None, p_kw=1.0), "found no end"),
        (command("hold", "storage/1", NOW, p_kw=1.0), "expected a grid time after"),
        (command("hold", "storage/1", NOW + timedelta(hours=25), p_kw=1.0), "at most 24 h ahead"),
        (command("limit", "upstream", SOON), "found no power"),
        (command("limit", "upstream", SOON, export_kw_max=-1.0), "from 0 up"),
        (command("limit", "upstream", SOON, export_kw_max=float("inf")), "from 0 up"),
        (command("limit", "trafo/0", SOON, export_kw_max=1.0), "agreed here, not capped"),
        (command("limit", "nothing", SOON, export_kw_max=1.0), "there is no such element"),
        (command("kill", "storage/1"), "no such cell"),
        (command("free", "nothing"), "no such device"),
        (command("island", "lv"), "takes no such command"),
    ],
)
def test_what_is_beyond_a_limit_or_is_not_there_is_refused_with_the_reason(
    commands: Commands, wrong: Command, said: str
) -> None:
    with pytest.raises(CommandRefused, match=said):
        commands.accept(wrong, "eva", NOW)
    assert commands.known(wrong.id) is None


def test_who_holds_a_device_is_known_until_it_is_freed() -> None:
    with engine() as running:
        desk = Commands(area_shown(running))
    held = command("hold", "storage/1", SOON, p_kw=1.0)
    assert desk.accept(held, "eva", NOW).phase == "accepted"
    assert desk.held_by("storage/1", NOW) == ""
    desk.goes_on(held.id, "executed", "")
    assert desk.held_by("storage/1", NOW) == "eva until 13:00"
    assert desk.held_by("storage/1", SOON + timedelta(minutes=1)) == ""
    freed = desk.accept(command("free", "storage/1"), "eva", NOW)
    desk.goes_on(freed.command.id, "measured", "")
    assert desk.held_by("storage/1", NOW) == ""
    assert [state.command.act for state in desk.newest()] == ["free", "hold"]
    assert set(desk.newest()[1].at) == {"requested", "accepted", "executed"}


def test_ages_and_powers_in_a_frame_are_numbers_or_not_known_never_infinite(one: Engine) -> None:
    for _ in range(3):
        for values in one.step().frames.values():
            assert not np.isinf(values).any()

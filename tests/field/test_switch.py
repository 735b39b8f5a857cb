"""What the field knows at the switch to the main grid, and what it does there: too old is not known, tagged is left."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

from commissioning_rig import WALL
from hamlet import hamlet

from archipel.cell.mode import Facts, Mode
from archipel.controller.facts import AtSwitch, Form
from archipel.controller.notes import life_note, unable_note
from archipel.drivers import DeviceState, Quality, Reading, Sides
from archipel.field.access import Access
from archipel.field.build import build
from archipel.field.cell_file import CellFile, CellTable, DeviceTable, StatusTable, TransportTable
from archipel.field.devices import Unit, Units
from archipel.field.permission import FieldState, Permission, Tag
from archipel.field.permission import Mode as FieldMode
from archipel.field.state import apart, armed, tagged
from archipel.field.switch import ANGLE_OLDEST_S, OLDEST_S, SwitchPost
from archipel.field.switch_table import FormerTable, SwitchTable
from archipel.field.words import in_words

SIDES = Sides(1.0, 50.0, 0.99, 50.05, 20.0)


def file(path: Path, *, s_kva: float = 500.0, main: Any = "first") -> CellFile:
    return CellFile(
        path=path / "CELL.toml",
        cell=CellTable("lv", str(hamlet(path / "hamlet", switch=True)), 100.0, 100.0),
        transport=TransportTable("127.0.0.1:1"),
        status=StatusTable("127.0.0.1:1"),
        switch=SwitchTable("switch/0", main=main),
        device=(
            DeviceTable("switch/0", "archipel", "modbus://h:1/1"),
            DeviceTable("storage/0", "sunspec", "modbus://h:2/1"),
            DeviceTable("shed/0", "archipel", "modbus://h:3/1"),
        ),
        former=(FormerTable("storage/0", "modbus://h:4/1", s_kva),),
    )


class Told(Units):
    """Units that only write down what they are told."""

    def __init__(self, units: Units) -> None:
        super().__init__(units.devices, units.meters, units.mono_s, units.formers)
        self.orders: list[tuple[str, Any]] = []

    async def operate(self, unit: Unit, wish: Any, lease_s: float, wall_s: float) -> None:
        del lease_s, wall_s
        self.orders.append((unit.id, wish))


ARMED = armed(FieldState(), dict.fromkeys(("switch/0", "storage/0", "shed/0"), "mark"), "digest")


class Post:
    """A post at the switch, with readings put into the units by hand."""

    def __init__(self, path: Path, state: FieldState = ARMED, **how: Any) -> None:
        made = file(path, **how)
        self.built = build(made)
        units = {row.id: Unit(row.id, None, trouble="", connected=True) for row in made.device}  # type: ignore[arg-type]
        former = {"storage/0": Unit("former", None, trouble="", connected=True)}  # type: ignore[arg-type]
        self.units = Told(Units(units, {}, lambda: 0.0, former))
        self.access = Access(None, dict, rehearsal=True)  # type: ignore[arg-type]
        self.access.permission = Permission(state, {}, {"switch/0"})
        assert made.switch is not None
        self.post = SwitchPost(made, made.switch, self.built, lambda: self.units, self.access, 1.0)

    def read(self, state: DeviceState = DeviceState.OPEN, **values: Any) -> None:
        reading = Reading(0.0, Quality.GOOD, state=state, sides=SIDES)
        self.units.devices["switch/0"].reading = replace(reading, **values)

    def obeyed(self, at: AtSwitch | None, now_s: float = 0.0) -> list[tuple[str, Any]]:
        self.units.orders.clear()
        asyncio.run(self.post.obey(at, now_s))
        return list(self.units.orders)


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path)


def test_a_fresh_reading_says_what_is_on_both_sides_with_the_angle_moved_on_by_its_age(post: Post) -> None:
    post.read()
    known = post.post.facts(0.2)
    assert (known.closed, known.main_v_pu, known.main_f_hz, known.own_v_pu, known.own_f_hz) == (
        False, 1.0, 50.0, 0.99, 50.05,
    )  # fmt: skip
    assert known.angle_deg == pytest.approx(20.0 + 360.0 * 0.05 * 0.2)
    assert known.cannot_form == ()


def test_a_switch_whose_second_node_is_the_main_grids_is_turned_round(tmp_path: Path) -> None:
    turned = Post(tmp_path, main="second")
    turned.read()
    known = turned.post.facts(0.0)
    assert (known.main_v_pu, known.own_v_pu, known.angle_deg) == (0.99, 1.0, -20.0)


def test_what_is_too_old_is_not_known(post: Post) -> None:
    nothing = [None] * 6
    assert _measured(post.post.facts(0.0)) == nothing, "never read"
    post.read()
    assert post.post.facts(1.01 * ANGLE_OLDEST_S).angle_deg is None
    assert post.post.facts(0.99 * OLDEST_S).main_v_pu == 1.0
    assert _measured(post.post.facts(1.01 * OLDEST_S)) == nothing
    post.read(quality=Quality.STALE)
    assert _measured(post.post.facts(0.0)) == nothing
    post.read(sides=None)
    assert _measured(post.post.facts(0.0)) == [False, *nothing[1:]]
    post.read(DeviceState.FAULT)
    assert post.post.facts(0.0).closed is None


def _measured(known: Facts) -> list[Any]:
    return [known.closed, known.main_v_pu, known.main_f_hz, known.own_v_pu, known.own_f_hz, known.angle_deg]


def test_no_island_without_a_unit_that_answers_and_may_be_commanded(tmp_path: Path) -> None:
    post = Post(tmp_path)
    post.units.formers["storage/0"].trouble = "silent"
    assert post.post.facts(0.0).cannot_form == ("no grid-forming unit of the cell answers",)
    post.units.formers["storage/0"].trouble = ""
    post.access.permission = Permission()
    assert post.post.facts(0.0).cannot_form == ("the cell is in shadow",)


def test_no_island_where_protection_would_not_see_a_fault(tmp_path: Path) -> None:
    weak = Post(tmp_path, s_kva=0.0).post.facts(0.0).cannot_form
    assert weak[0].startswith("line/1: a fault draws 8 A, its protection needs 392 A")
    assert len(weak) == 1, "lines beyond the switch are not the cell's"


def test_stores_that_do_not_tell_count_as_empty(post: Post) -> None:
    assert post.post.stored_soc() is None
    post.units.devices["storage/0"].reading = Reading(0.0, Quality.GOOD, soc=0.4)
    assert post.post.stored_soc() == pytest.approx(0.4)
    post.units.devices["storage/0"].trouble = "silent"
    assert post.post.stored_soc() is None


def test_orders_go_to_switch_and_grid_formers_and_end_when_they_are_no_longer_wanted(
    post: Post,
) -> None:
    steer = AtSwitch(Mode.RESYNCHRONISING, True, 3.0, Form(50.02, 1.01))
    forming = ("former", {"f_hz": 50.02, "v_pu": 1.01})
    assert post.obeyed(steer) == [("switch/0", {"closed": True}), forming]
    assert post.obeyed(replace(steer, closed=None)) == [("switch/0", None), forming]
    assert post.obeyed(replace(steer, closed=None)) == [forming]
    assert post.obeyed(steer, now_s=3.0) == [forming], "an order that is too old is not given"
    assert post.obeyed(AtSwitch(Mode.CONNECTED, None, 3.0, None)) == [("former", {"f_hz": 0.0})]
    assert post.obeyed(None) == []


def test_a_tag_set_while_the_switch_waits_for_its_window_ends_the_wait(post: Post) -> None:
    close = AtSwitch(Mode.RESYNCHRONISING, True, 3.0, None)
    post.obeyed(close)
    post.access.permission = Permission(tagged(ARMED, "switch/0", "Ada", "joint open", WALL), {}, {"switch/0"})
    assert post.obeyed(close)[0] == ("switch/0", None)
    assert "joint open (Ada" in post.post.refusal
    assert "joint open (Ada" in post.post.facts(0.0).tags[0]
    assert post.post.status(close, 0)["refused"] == post.post.refusal


@given(
    st.builds(
        FieldState,
        mode=st.sampled_from(FieldMode),
        armed=st.dictionaries(st.sampled_from(["switch/0", "storage/0"]), st.just("mark")),
        tags=st.dictionaries(st.sampled_from(["switch/0", "trafo/0"]), st.just(Tag("x", "Ada", "work", WALL))),
        certain=st.booleans(),
    ),
    st.sampled_from([True, False]),
)
def test_a_switch_is_operated_only_armed_untagged_and_with_a_journal_that_is_certain(
    post_made: Post, state: FieldState, closed: bool
) -> None:
    post_made.access.permission = Permission(state, {"switch/0": ["trafo/0"]}, {"switch/0"})
    done = dict(post_made.obeyed(AtSwitch(Mode.DEGRADED, closed, 3.0, None)))
    may = state.mode is FieldMode.ARMED and "switch/0" in state.armed and not state.tags and state.certain
    assert (done.get("switch/0") == {"closed": closed}) == may
    assert bool(post_made.post.refusal) == (not may)
    assert ("former" in done) == (state.mode is FieldMode.ARMED and "storage/0" in state.armed)


@pytest.fixture(scope="module")
def post_made(tmp_path_factory: pytest.TempPathFactory) -> Post:
    return Post(tmp_path_factory.mktemp("switch"))


def test_what_is_not_critical_is_known_from_the_scenario_and_shed_only_where_it_can_be_ordered(post: Post) -> None:
    beside = post.built.controller.main_grid
    assert beside is not None
    assert beside.sheds == ("shed/0",), "charger and heat pump are no [[device]] of the file"


def test_an_operators_wish_is_a_fact_and_stays_when_tags_come_and_go(post: Post) -> None:
    state = tagged(apart(ARMED, island=True), "switch/0", "Ada", "joint open", WALL)
    post.access.permission = Permission(state, {}, {"switch/0"})
    assert post.post.facts(0.0).wants_island


def test_changes_of_mode_and_what_keeps_a_cell_in_one_are_told_in_words() -> None:
    said = [
        in_words(life_note(1.0, "island", "resynchronising", "healthy")),
        in_words(unable_note(1.0, "island", ("tag",))),
    ]
    assert said == ["main grid: island -> resynchronising (healthy)", "main grid: stays island: tag"]

"""Holds and limits: kept over restarts, ended by their time, refused with the limit that stands against them."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commissioning_rig import WALL, a_cell
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

from hamlet import START, hamlet

from archipel.cli.main import main
from archipel.controller.facts import Cap
from archipel.controller.planner import DeviceFacts, ExactPlanner
from archipel.drivers import Quality, Reading
from archipel.field import operator
from archipel.field import state as states
from archipel.field.access import Access
from archipel.field.belief import Believer
from archipel.field.build import Built, build
from archipel.field.cell_file import CellFile
from archipel.field.intents import Intents
from archipel.field.keeping import Keeper, known_of
from archipel.field.operator import Command, carry_out
from archipel.field.permission import FieldState, Hold, Limit, Mode
from archipel.field.state import OperatorRefused, read_state
from archipel.formats.scenario import load_scenario
from archipel.journal import Journal
from archipel.local.arming import arm
from archipel.local.clock import SimulatedClock
from archipel.local.layout import Layout
from archipel.local.prepare import write_cells
from archipel.local.served import devices

LATER = START + timedelta(hours=1)
HOLD = Hold("storage/0", -3.0, LATER, "Ada", "test", "cmd-0001")


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> tuple[CellFile, Built]:
    """The low-voltage cell of the hamlet, armed, as its process would build it; no process runs."""
    folder = tmp_path_factory.mktemp("intents")
    path = hamlet(folder / "hamlet")
    scenario = load_scenario(path)
    layout = Layout(folder / "up")
    layout.folder.mkdir()
    clock = SimulatedClock(START, datetime.now(UTC), 60.0)
    at = {device.id: f"modbus://127.0.0.1:{2000 + i}/1" for i, device in enumerate(devices(scenario))}
    files = {file.cell.id: file for file in write_cells(layout, scenario, str(path), clock, at)}
    return files["lv"], build(files["lv"])


@dataclass
class Rig:
    """A running cell's intents, with a clock and readings that a test turns."""

    journal: Journal
    file: CellFile
    built: Built
    utc: datetime = START + timedelta(minutes=1)
    soc: float = 0.5
    stopped: bool = False
    intents: Intents = field(init=False)
    access: Access = field(init=False)

    def __post_init__(self) -> None:
        self.built.estimator.start(self.utc)
        self.access = Access(self.journal, dict, True)
        self.access.refresh()
        fleets = self.built.estimator.site.fleets
        self.intents = Intents(
            self.file, fleets, self.access, lambda: self.utc, self.readings, lambda: self.built.controller, self.facts
        )

    def stop(self) -> None:
        """The cell's process ends: its journal is free."""
        if not self.stopped:
            self.stopped = True
            self.journal.close()

    def readings(self) -> dict[str, Reading]:
        return {"storage/0": Reading(0.0, Quality.GOOD, p_kw=0.0, soc=self.soc)}

    def facts(self) -> DeviceFacts:
        return DeviceFacts(dict(self.built.estimator.states), 1.0, {}, self.intents.cap())

    def give(self, act: str, element: str = "", **what: object) -> str:
        command = Command(act, "Ada", "a reason", element, until=what.pop("until", LATER.isoformat()), **what)  # type: ignore[arg-type]
        text = carry_out(self.file, self.journal, command, now=WALL, wall=WALL, judge=self.intents)
        self.access.refresh()
        return text


@pytest.fixture
def rig(cell: tuple[CellFile, Built], tmp_path: Path):
    file = replace(cell[0], cell=replace(cell[0].cell, journal=str(tmp_path / "journal")))
    arm(file, WALL)
    made = Rig(Journal(file.journal), file, cell[1])
    yield made
    made.stop()


def test_a_hold_takes_the_place_of_the_plans_order_and_ends_by_itself(rig: Rig) -> None:
    plan = {"storage/0": (2.0, 0.5), "hp/0": (1.0, math.nan)}
    assert rig.intents.applied(plan) is plan
    assert rig.give("hold", "storage/0", p_kw=-3.0) == "storage/0 is held at -3 kW until 2016-06-08 12:00 UTC"
    assert rig.intents.applied(plan) == {"storage/0": (-3.0, 0.5), "hp/0": (1.0, plan["hp/0"][1])}
    assert rig.intents.applied({})["storage/0"][0] == -3.0, "also where no plan orders anything"
    rig.utc = LATER
    assert rig.intents.applied(plan) is plan
    assert rig.intents.status()["holds"] == {}


@pytest.mark.parametrize(
    ("device", "p_kw", "why"),
    [
        ("storage/0", -5.1, r"found -5.1 kW; its plate allows -5 to 5 kW"),
        ("sgen/0", 1.0, r"its plate allows -33 to 0 kW"),
        ("ev/0", 11.5, r"its plate allows 0 to 11 kW"),
        ("load/0", 1.0, "no device of lv"),
        ("storage/9", 1.0, "no device of lv"),
        ("storage/0", math.nan, "expected a number"),
    ],
)
def test_a_hold_outside_of_what_the_device_can_do_is_refused_with_the_limit(
    rig: Rig, device: str, p_kw: float, why: str
) -> None:
    with pytest.raises(OperatorRefused, match=why):
        rig.give("hold", device, p_kw=p_kw)
    assert not read_state(rig.journal).holds


def test_a_store_that_is_empty_cannot_be_held_giving_and_rests_when_it_runs_empty(rig: Rig) -> None:
    rig.soc = 0.001
    with pytest.raises(OperatorRefused, match=r"its store is at 0.1%"):
        rig.give("hold", "storage/0", p_kw=-3.0)
    rig.soc = 0.5
    rig.give("hold", "storage/0", p_kw=-3.0)
    rig.soc = 0.001
    assert rig.intents.applied({})["storage/0"][0] == 0.0


def test_a_tagged_device_is_neither_held_nor_stays_held(rig: Rig) -> None:
    rig.give("hold", "storage/0", p_kw=-3.0)
    rig.give("tag", "storage/0")
    assert rig.intents.applied({}) == {}
    assert "safety tag" in rig.intents.status()["holds"]["storage/0"]["refused"]
    with pytest.raises(OperatorRefused, match="safety tag"):
        rig.give("hold", "storage/0", p_kw=-1.0)


def test_disarming_ends_every_hold_and_limit_and_a_cell_in_shadow_takes_none(rig: Rig) -> None:
    rig.give("hold", "storage/0", p_kw=-3.0)
    rig.give("limit", "lv", import_kw_max=500.0)
    rig.give("disarm")
    assert rig.intents.applied({}) == {}
    assert rig.intents.cap() is None
    for act, what in (("hold", {"p_kw": 1.0, "element": "storage/0"}), ("limit", {"import_kw_max": 9.0})):
        with pytest.raises(OperatorRefused, match="shadow"):
            rig.give(act, **what)  # type: ignore[arg-type]


def test_what_was_held_and_limited_is_there_after_a_restart(rig: Rig) -> None:
    rig.give("hold", "storage/0", p_kw=-3.0)
    rig.give("limit", "lv", export_kw_max=400.0)
    before = read_state(rig.journal)
    rig.stop()
    with Journal(rig.file.journal) as journal:
        assert read_state(journal) == before
    assert before.limit is not None
    assert (before.limit.export_kw_max, before.limit.import_kw_max, before.limit.until) == (400.0, None, LATER)
    assert before.holds["storage/0"].until == LATER


def test_a_limit_is_kept_by_the_cells_own_plan(rig: Rig) -> None:
    planner = rig.built.controller.planner
    assert isinstance(planner, ExactPlanner)
    _, before = planner.exchange_alone(rig.utc, rig.facts(), {})
    assert before[0] < -20.0, "it gives what the sun gives"
    assert rig.give("limit", "lv", export_kw_max=10.0).startswith("lv is limited to 10 kW of export until")
    assert rig.intents.cap() == Cap(export_kw_max=10.0)
    _, after = planner.exchange_alone(rig.utc, rig.facts(), {})
    assert after[0] == pytest.approx(-10.0, abs=0.5)
    rig.give("free", "lv")
    assert rig.intents.cap() is None


def test_a_limit_that_cannot_be_kept_is_refused_with_what_it_would_be(rig: Rig) -> None:
    rig.utc = START + timedelta(hours=9)  # no sun, people at home
    rig.built.estimator.start(rig.utc)
    with pytest.raises(OperatorRefused, match=r"cannot be kept: .* limits the import to 0 kW, this would be"):
        rig.give("limit", "lv", import_kw_max=0.0, until=(rig.utc + timedelta(hours=3)).isoformat())
    assert rig.intents.cap() is None


def test_plans_of_all_keep_a_cap_and_none_that_passes_it_is_promised(rig: Rig) -> None:
    planner = rig.built.controller.planner
    assert isinstance(planner, ExactPlanner)
    capped = replace(rig.facts(), cap=Cap(export_kw_max=10.0))
    orders = planner.alone(rig.utc, capped, {})
    given = sum(p_kw for name, (p_kw, _) in orders.items() if name.startswith("sgen"))
    free = sum(p for name, (p, _) in planner.alone(rig.utc, rig.facts(), {}).items() if name.startswith("sgen"))
    assert given > free + 10.0, "panels are held back"


@pytest.mark.parametrize(
    "until", ["", "soon", START.isoformat(), (START + timedelta(hours=25)).isoformat(), "2016-06-08T10:00:00"]
)
def test_nothing_is_held_without_an_end_within_a_day(rig: Rig, until: str) -> None:
    with pytest.raises(OperatorRefused, match="until"):
        rig.give("hold", "storage/0", p_kw=1.0, until=until)


@pytest.mark.parametrize("sides", [{}, {"import_kw_max": -1.0}, {"export_kw_max": math.inf}])
def test_a_limit_names_a_side_and_is_not_negative(rig: Rig, sides: dict[str, float]) -> None:
    with pytest.raises(OperatorRefused, match="limit: found"):
        rig.give("limit", "lv", **sides)


def test_freeing_what_is_not_held_says_what_is(rig: Rig) -> None:
    rig.give("hold", "storage/0", p_kw=1.0)
    with pytest.raises(OperatorRefused, match="ev/0 is not held; held are: storage/0"):
        rig.give("free", "ev/0")
    assert rig.give("free", "storage/0") == "storage/0 is free again"
    with pytest.raises(OperatorRefused, match="has no limit"):
        rig.give("free", "lv")


def test_a_cell_that_does_not_run_holds_nothing_but_can_be_freed(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    rig.give("hold", "storage/0", p_kw=1.0)
    rig.stop()
    with pytest.raises(OperatorRefused, match="does not run"):
        operator.order(
            rig.file, Command("hold", "Ada", element="storage/0", until=LATER.isoformat(), p_kw=1.0), now=WALL
        )
    assert operator.order(rig.file, Command("free", "Ada", element="storage/0"), now=WALL).done
    capsys.readouterr()


def test_the_commands_say_why_a_cell_that_does_not_run_takes_no_wish(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = str(a_cell(tmp_path).path)
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert main(["hold", cell, "storage/0", "--p-kw", "-5", "--until", until, "--who", "Ada"]) == 2
    assert "does not run" in capsys.readouterr().err
    assert main(["limit", cell, "--import-kw", "5", "--minutes", "30", "--who", "Ada"]) == 2
    assert "does not run" in capsys.readouterr().err
    assert main(["free", cell, "--who", "Ada"]) == 2
    assert "has no limit" in capsys.readouterr().err


def test_arming_without_a_report_is_for_simulated_devices_only(rig: Rig) -> None:
    rig.give("disarm")
    assert rig.give("arm", report=operator.SIMULATED) == "armed: 6 simulated devices"
    real = replace(rig.file, clock=None)
    afar = replace(rig.file, device=(replace(rig.file.device[0], endpoint="modbus://10.0.0.7/1"),))
    for file in (real, afar):
        command = Command("arm", "Ada", report=operator.SIMULATED)
        with pytest.raises(OperatorRefused, match="no rehearsal"):
            carry_out(file, rig.journal, command, now=WALL, wall=WALL)


@settings(max_examples=15, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["a", "b"]), st.floats(-9.0, 9.0)),
    st.none() | st.tuples(st.none() | st.floats(0.0, 1e6), st.none() | st.floats(0.0, 1e6)),
)
def test_the_state_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, holds: dict[str, float], sides: tuple[float | None, float | None] | None
) -> None:
    state = FieldState(
        mode=Mode.ARMED,
        armed={"a": "x"},
        holds={name: Hold(name, p_kw, LATER, "Ada", "why", "id") for name, p_kw in holds.items()},
        limit=None if sides is None else Limit(*sides, LATER, "Ada", "why", "id2"),
    )
    with Journal(tmp_path_factory.mktemp("state")) as journal:
        states.record(journal, states.Decision("one", "hold", "Ada", "why"), state, now=WALL)
        assert read_state(journal) == state
        assert states.disarmed(state).holds == {}


def test_what_a_plan_was_made_from_holds_its_cap(rig: Rig) -> None:
    fleets = rig.built.estimator.site.fleets
    facts = replace(rig.facts(), cap=Cap(export_kw_max=10.0), peaks_kw={"2016-06-08": 7.5})
    Keeper(rig.journal, 60.0, 90).knew(fleets, facts, {}, rig.utc)
    rig.journal.commit()
    read = rig.journal.measurements.read("known", rig.utc, rig.utc + timedelta(seconds=1))
    again, _ = known_of(fleets, {row.source: row.values for row in read})
    assert again.cap == facts.cap
    assert again.peaks_kw == facts.peaks_kw


def test_a_cell_writes_down_what_it_believes_once_per_plan(rig: Rig) -> None:
    planner = rig.built.controller.planner
    assert isinstance(planner, ExactPlanner)
    believer = Believer(planner)
    planner.alone(rig.utc, rig.facts(), {})
    first = believer.renewed()
    assert first is not None
    key, body = first
    assert key == "own/2016-06-08T11:00:00+00:00"
    assert body["how"] == "own"
    assert len(body["columns"]["load_kw"]) == len(body["steps"])
    assert believer.renewed() is None
    planner.alone(rig.utc + timedelta(minutes=15), rig.facts(), {})
    assert believer.renewed() is None, "own plans are kept once an hour"
    planner.alone(rig.utc + timedelta(hours=1), rig.facts(), {})
    assert believer.renewed() is not None

"""What a cell keeps of its readings, and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from small_scenario import scenario

from archipel.cell.parts import cut
from archipel.controller.facts import Instant
from archipel.controller.planner import DeviceFacts
from archipel.drivers import Quality, Reading
from archipel.field.devices import Unit, Units
from archipel.field.keeping import PERSONAL, Keeper, known_of
from archipel.field.peaks import Peaks
from archipel.journal import DamagedJournal, Journal

NOON = datetime(2016, 6, 8, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal") as made:
        yield made


@dataclass
class Yard:
    units: Units = field(default_factory=lambda: Units({}, {}, lambda: 0.0))

    def reads(self, at_s: float, **values: float) -> Units:
        unit = Unit("battery/1", cast("Any", None))
        unit.reading = Reading(at_s, Quality.GOOD, **values)
        self.units.devices["battery/1"] = unit
        return self.units


def kept(journal: Journal, kind: str) -> list[Any]:
    journal.commit()
    return list(journal.measurements.read(kind, NOON - 400 * DAY, NOON + 400 * DAY))


def test_a_reading_is_kept_once_with_the_time_it_was_measured_at(journal: Journal) -> None:
    keeper, yard = Keeper(journal, every_s=60.0, personal_days=90), Yard()
    units = yard.reads(95.0, p_kw=2.0, soc=0.5)
    keeper.keep(units, NOON, 100.0)
    keeper.keep(units, NOON + timedelta(seconds=70), 170.0)
    (row,) = kept(journal, "device")
    assert row.time == NOON - timedelta(seconds=5)
    assert dict(row.values) == {"p_kw": 2.0, "soc": 0.5}


def test_readings_between_two_that_are_kept_are_not(journal: Journal) -> None:
    keeper, yard = Keeper(journal, every_s=60.0, personal_days=90), Yard()
    for second in range(0, 130, 10):
        keeper.keep(yard.reads(float(second), p_kw=float(second)), NOON + timedelta(seconds=second), float(second))
    assert [row.values["p_kw"] for row in kept(journal, "device")] == [0.0, 60.0, 120.0]


def test_what_a_plan_was_made_from_can_be_read_again_to_the_last_digit(journal: Journal) -> None:
    parts = cut(scenario())
    fleets = parts.sites[-1].fleets
    states = {fleet.kind: fleet.initial(0) for fleet in fleets}
    states["battery"] = {"e_kwh": states["battery"]["e_kwh"] / 3.0}
    told = {fleets[0].id[0]: (1.0 / 3.0, float("nan"))}
    keeper = Keeper(journal, every_s=60.0, personal_days=90)
    keeper.knew(fleets, DeviceFacts(states, 1.01, {"2016-06-08": 7.5}), told, NOON)
    rows = {row.source: row.values for row in kept(journal, "known")}
    facts, orders = known_of(fleets, rows)
    assert facts.v_pu == 1.01
    assert facts.peaks_kw == {"2016-06-08": 7.5}
    assert orders.keys() == told.keys()
    assert np.array_equal(orders[fleets[0].id[0]], told[fleets[0].id[0]], equal_nan=True)
    for kind, state in states.items():
        assert state.keys() == facts.states[kind].keys()
        for key, column in state.items():
            assert np.array_equal(column, facts.states[kind][key], equal_nan=True)


def test_a_damaged_file_of_readings_is_said_and_does_not_end_the_cell(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def damaged(day: object) -> None:
        raise DamagedJournal(journal.measurements.path, "hour 3 is not as it was written")

    monkeypatch.setattr(journal, "export_parquet", damaged)
    keeper = Keeper(journal, every_s=60.0, personal_days=90)
    keeper.turn(NOON, NOON)
    keeper.turn(NOON + DAY, NOON)
    assert "readings of 2016-06-08 are not exported" in capsys.readouterr().err


def test_states_of_several_values_per_device_are_kept_too(journal: Journal) -> None:
    @dataclass(frozen=True)
    class Tanks:
        kind: str = "tanks"
        id: tuple[str, ...] = ("tank/1", "tank/2")

        def initial(self, row: int) -> dict[str, np.ndarray]:
            return {"t_k": np.zeros((2, 3)), "e_kwh": np.zeros(2)}

    fleets = (cast("Any", Tanks()),)
    state = {"t_k": np.arange(6.0).reshape(2, 3), "e_kwh": np.array([1.0, 2.0])}
    Keeper(journal, every_s=60.0, personal_days=90).knew(fleets, DeviceFacts({"tanks": state}, 1.0), {}, NOON)
    facts, _ = known_of(fleets, {row.source: row.values for row in kept(journal, "known")})
    for key, column in state.items():
        assert np.array_equal(facts.states["tanks"][key], column)


def test_a_peak_is_the_highest_mean_of_a_quarter_hour_and_survives_a_restart(journal: Journal) -> None:
    peaks = Peaks(journal, epoch=1, most_kw=1000.0)
    for minute in range(46):
        p_kw = 100.0 if minute < 15 else 40.0 if minute < 30 else 90_000.0  # a meter wrong by a thousand
        peaks.count(Instant(NOON + timedelta(minutes=minute), 60.0 * minute), p_kw)
    assert peaks.kw == pytest.approx({"2016-06-08": (14 * 100.0 + 40.0) / 15})
    journal.commit()
    again = Peaks(journal, epoch=2, most_kw=1000.0)
    again.restore(NOON + timedelta(hours=1))
    assert again.kw == peaks.kw
    tomorrow = Peaks(journal, epoch=2, most_kw=1000.0)
    tomorrow.restore(NOON + DAY)
    assert tomorrow.kw == {}


def test_after_midnight_the_day_is_written_as_parquet(journal: Journal) -> None:
    keeper, yard = Keeper(journal, every_s=60.0, personal_days=90), Yard()
    keeper.turn(NOON, NOON)
    keeper.keep(yard.reads(0.0, p_kw=1.0), NOON, 0.0)
    journal.commit()
    keeper.turn(NOON + timedelta(hours=11), NOON)
    assert not list(journal.folder.glob("days/**/*.parquet"))
    keeper.turn(NOON + timedelta(hours=13), NOON)
    assert [path.stem for path in journal.folder.glob("days/kind=device/*")] == ["2016-06-08"]


def test_what_is_personal_is_forgotten_after_its_time_and_nothing_else(journal: Journal) -> None:
    keeper, yard = Keeper(journal, every_s=60.0, personal_days=30), Yard()
    units = yard.reads(0.0, p_kw=1.0)
    units.meters["trafo/1"] = Unit("meter trafo/1", cast("Any", None), Reading(0.0, Quality.GOOD, p_kw=5.0))
    keeper.keep(units, NOON, 0.0)
    journal.commit()
    keeper.turn(NOON + 29 * DAY, NOON)
    keeper.turn(NOON + 29 * DAY + timedelta(hours=13), NOON)
    assert len(kept(journal, "device")) == 1, "thirty whole days have not passed"
    keeper.turn(NOON + 30 * DAY + timedelta(hours=13), NOON)
    assert kept(journal, "device") == []
    assert len(kept(journal, "meter")) == 1
    assert set(PERSONAL) == {"device", "known"}

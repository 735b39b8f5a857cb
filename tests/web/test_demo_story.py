"""The first minute of the demonstration, minute by minute of grid time, on a small stage."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pytest
from demo_village import engine, village

from archipel.formats.scenario import load_scenario
from archipel.model import ArchipelError, IslandRules
from archipel.report.kpis import kpis
from archipel.strategies.distributed import can_fork
from archipel.web.demo.engine import Engine, played
from archipel.web.demo.stage import cast_of, shaded
from archipel.web.demo.story import BACK, CLOUD, HELP, KILL, LIMIT, LOSE, MINUTES, SCORE, START
from archipel.web.demo.tick import ALONE, COOPERATING, Tick

Played = tuple[Engine, list[Tick]]


@pytest.fixture(scope="module")
def minute() -> Played:
    """The whole story and a little more."""
    with engine() as one:
        ticks = played(one, MINUTES - 1)
        results = (one.together.result, one.alone.result)  # the last minute of the story is still written into them
        ticks += played(one, 21)
        one.kept_results = results  # type: ignore[attr-defined]
    return one, ticks


def column(one: Engine, tick: Tick, table: str, name: str, strategy: str = COOPERATING) -> np.ndarray:
    return one.builder.column(tick.frames[strategy], table, name)


def test_the_same_seed_gives_the_same_frames_bit_for_bit_and_another_seed_others(minute: Played) -> None:
    _, ticks = minute
    with engine() as again:
        for before, now in zip(ticks[: LIMIT + 1], played(again, LIMIT + 1), strict=True):
            for name in (COOPERATING, ALONE):
                assert before.frames[name].tobytes() == now.frames[name].tobytes(), (before.number, name)
            assert before.scenes == now.scenes
            assert before.cards == now.cards
            assert before.agreements == now.agreements
    with engine(seed=2) as other:
        assert played(other, 1)[0].frames[ALONE].tobytes() != ticks[0].frames[ALONE].tobytes()


@pytest.mark.skipif(not can_fork(), reason="the killed process is left out where the system cannot fork")
def test_scenes_come_in_their_order_at_their_time(minute: Played) -> None:
    _, ticks = minute
    told = [(tick.number, scene.number, scene.begins_s) for tick in ticks for scene in tick.scenes]
    at = [0, CLOUD, HELP, KILL, START, LIMIT, LOSE, BACK, SCORE]
    assert told == [(when, number + 1, when / 5.0) for number, when in enumerate(at)]
    assert all(scene.of == len(at) for tick in ticks for scene in tick.scenes)
    assert all(scene.title and scene.text for tick in ticks for scene in tick.scenes)


def test_a_minute_of_grid_time_is_a_frame_and_time_never_stands_still(minute: Played) -> None:
    one, ticks = minute
    assert [tick.time for tick in ticks] == [one.begin + timedelta(minutes=k) for k in range(len(ticks))]
    assert all(set(tick.frames) == {COOPERATING, ALONE} for tick in ticks)
    assert all(frame.shape == (one.builder.size,) for tick in ticks for frame in tick.frames.values())


def test_the_cloud_takes_the_sun_in_both_worlds_alike(minute: Played) -> None:
    one, ticks = minute
    sun = [float(np.nansum(column(one, tick, "cells", "available_kw", ALONE))) for tick in ticks]
    assert sun[CLOUD + 15] < 0.5 * sun[CLOUD - 10]
    assert sun[CLOUD + 80] > 1.5 * sun[CLOUD + 15]
    for tick in ticks[::20]:
        together, alone = (column(one, tick, "cells", "available_kw", s) for s in (COOPERATING, ALONE))
        assert together.tobytes() == alone.tobytes() or KILL <= tick.number < START


@pytest.mark.skipif(not can_fork(), reason="the killed process is left out where the system cannot fork")
def test_the_killed_cell_tells_nothing_any_more_and_its_age_grows_while_the_others_agree(minute: Played) -> None:
    one, ticks = minute
    row = [cell.id for cell in one.scenario.archipelago.cell].index(one.cast.killed)
    away = ticks[KILL:START]
    assert all(column(one, tick, "cells", "level")[row] == 5 for tick in away)
    age = [float(column(one, tick, "cells", "age_s")[row]) for tick in away]
    assert age == pytest.approx([0.2 * (k + 1) for k in range(len(away))])
    stored = {column(one, tick, "cells", "stored_kwh")[row].tobytes() for tick in away}
    assert len(stored) == 1, "what only it could tell stays as it was last told"
    plan = next(a for tick in ticks[KILL : KILL + 1] for a in tick.agreements.values()).plan
    assert plan is not None
    assert plan.silent == [one.cast.killed]
    assert plan.accepted
    assert column(one, ticks[START], "cells", "level")[row] == 0
    assert column(one, ticks[START], "cells", "age_s")[row] == 0
    said = [card.title for tick in away for card in tick.cards[COOPERATING]]
    assert f"{one.cast.killed} does not answer" in said


def test_the_limit_binds_only_where_cells_cooperate(minute: Played) -> None:
    one, ticks = minute
    (begin, until, most), *_ = one.limits
    assert (begin, until) == (one.story.at(LIMIT), one.story.at(LIMIT + 60))
    given = [
        np.array([-column(one, tick, "area", "upstream_p_kw", name)[0] for tick in ticks[LIMIT:LOSE]])
        for name in (COOPERATING, ALONE)
    ]
    assert given[0].mean() <= most.export_kw_max
    assert given[1].mean() > most.export_kw_max


def test_without_a_main_grid_what_is_no_island_is_dark_and_unserved(minute: Played) -> None:
    one, ticks = minute
    for tick in ticks[LOSE:BACK]:
        assert (column(one, tick, "cells", "mode", ALONE) == 7).all()
        assert (column(one, tick, "nodes", "v_pu", ALONE) == 0).all()
        assert column(one, tick, "area", "upstream_p_kw")[0] == 0
        assert column(one, tick, "area", "unserved_kw", ALONE)[0] > 0
    after = ticks[BACK]
    assert (column(one, after, "cells", "mode") == 0).all()
    assert (column(one, after, "nodes", "v_pu") > 0.8).all()


def test_the_score_is_the_kpis_of_what_was_recorded(minute: Played) -> None:
    one, ticks = minute
    scores = [tick.score for tick in ticks if tick.score is not None]
    assert [tick.number for tick in ticks if tick.score is not None] == [SCORE]
    (score,) = scores
    assert score.strategies == [COOPERATING, ALONE]
    truth = {result.strategy: kpis(one.scenario, result) for result in one.kept_results}  # type: ignore[attr-defined]
    told = {figure.name: figure.values for figure in score.figures}
    for name in ("cost_eur", "unserved_kwh", "branch_overload_h", "connection_violation_h", "curtailed_kwh", "co2_kg"):
        values = {strategy: figures[name] for strategy, figures in truth.items()}
        differs = len(set(values.values())) > 1
        assert (told[name] == values) if differs else (name not in told), f"{name} is told where it tells something"
    assert "cost_eur" in told
    for result in one.kept_results:  # type: ignore[attr-defined]
        kw = result.upstream_p_kw[LIMIT : LIMIT + 60]
        beyond = np.maximum(-kw - one.limits[0][2].export_kw_max, 0.0).sum() / 60.0
        assert told["beyond_told_limit_kwh"][result.strategy] == pytest.approx(float(beyond))


def test_an_area_without_a_main_grid_or_sun_cannot_play_it_and_says_what_can() -> None:
    dark = dataclasses.replace(village(), fleets=tuple(f for f in village().fleets if f.kind in {"load", "battery"}))
    with pytest.raises(ArchipelError, match=r"no renewable sources.*--scenario district"):
        cast_of(dark)
    with pytest.raises(ArchipelError, match="without a main grid"):
        cast_of(dataclasses.replace(village(), island=IslandRules(off_grid=True)))


def test_the_cloud_passes_over_the_branch_with_much_sun_and_little_storage() -> None:
    cast = cast_of(load_scenario("district"))
    assert cast.shaded[0] == "Feeder13"
    assert cast.killed == "LV3.304"


def test_a_cloud_changes_the_sun_of_its_cells_and_of_nobody_else() -> None:
    case = load_scenario("district")
    begin = case.start + timedelta(hours=12)
    cloudy = shaded(case, ["LV3.305"], begin, begin + timedelta(hours=1), 0.25)
    row, cell = case.profiles.row(begin), case.archipelago.index("LV3.305")
    for fleet, other in zip(case.fleets, cloudy.fleets, strict=True):
        if fleet.kind != "pv":
            assert fleet is other
            continue
        before, after = (
            each.profiles.value[:, np.asarray(f.profile)]  # type: ignore[attr-defined]
            for each, f in ((case, fleet), (cloudy, other))
        )
        under = case.archipelago.node_cell[fleet.node] == cell
        assert under.any()
        assert (after[:, ~under] == before[:, ~under]).all()
        assert after[row : row + 4, under] == pytest.approx(0.25 * before[row : row + 4, under])
        outside = np.r_[row - 20 : row, row + 4 : row + 20]
        assert (after[outside][:, under] == before[outside][:, under]).all()

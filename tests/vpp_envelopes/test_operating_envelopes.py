"""Any behaviour inside the envelopes is safe, they are shared by the rule, and they lapse to a default."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from envelope_towns import START, hours, town
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.model import Connection, GridError, Scenario
from archipel.vpp.envelope import OWN_RATING, RULES, THE_RULE, Envelopes, Rule, inside
from archipel.vpp.envelope_trial import by_chance, by_intent, trial
from archipel.vpp.envelopes import EnvelopeMaker, operating_envelopes

SEEDS = st.integers(0, 10_000)


def broken_by(maker: EnvelopeMaker, envelopes: Envelopes, rows: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    loads = maker.loads(hours(maker.scenario, rows))
    count = 0
    for t in range(rows):
        for p in (by_chance(envelopes, t, 60, rng), by_intent(envelopes, t, maker.wires)):
            count += trial(maker.wires, p, loads, t, rng).violations
    return count


@given(seed=SEEDS, rule=st.sampled_from(RULES), pv_kw=st.sampled_from([20.0, 60.0, 200.0]))
@settings(max_examples=10)
def test_any_behaviour_inside_is_safe_by_ac_power_flow(seed: int, rule: Rule, pv_kw: float) -> None:
    maker = EnvelopeMaker(town(seed, pv_kw=pv_kw, export_kw_max=150.0), rule)
    envelopes = maker.make(hours(maker.scenario))
    assert not envelopes.broken
    assert broken_by(maker, envelopes, 2, seed) == 0


def test_a_limit_a_tenth_higher_would_not_have_been_safe() -> None:
    maker = EnvelopeMaker(town(3, pv_kw=200.0), "economic", load_margin=0.0)
    envelopes = maker.make(hours(maker.scenario))
    more = replace(envelopes, import_kw=1.1 * envelopes.import_kw, export_kw=1.1 * envelopes.export_kw)
    assert broken_by(maker, envelopes, 2, 0) == 0
    assert broken_by(maker, more, 2, 0) > 0


@given(seed=SEEDS, rule=st.sampled_from(RULES))
@settings(max_examples=5)
def test_whoever_lost_the_envelope_and_holds_the_default_is_inside_it(seed: int, rule: Rule) -> None:
    maker = EnvelopeMaker(town(seed, pv_kw=150.0), rule)
    envelopes = maker.make(hours(maker.scenario))
    assert (envelopes.default_export_kw[:, None] <= envelopes.export_kw + 1e-6).all()
    assert (envelopes.default_import_kw[:, None] <= envelopes.import_kw + 1e-6).all()


@given(seed=SEEDS)
@settings(max_examples=5)
def test_equal_gives_all_points_of_a_cell_the_same_as_far_as_they_can_use_it(seed: int) -> None:
    maker = EnvelopeMaker(town(seed, pv_kw=150.0), "equal")
    envelopes = maker.make(hours(maker.scenario))
    points = maker.points
    for t in range(2):
        for cell in np.unique(points.cell):
            here = points.cell == cell
            given_kw, most = envelopes.export_kw[here, t], points.export_kw_max[here]
            short = given_kw < most - 1e-6
            if short.any():
                np.testing.assert_allclose(given_kw[short], given_kw[short].max(), rtol=1e-6)
                assert (given_kw[~short] <= given_kw[short].max() + 1e-6).all()


@given(seed=SEEDS)
@settings(max_examples=5)
def test_proportional_gives_all_points_of_a_cell_the_same_share_of_their_rating(seed: int) -> None:
    maker = EnvelopeMaker(town(seed, pv_kw=150.0), "proportional")
    envelopes = maker.make(hours(maker.scenario))
    points = maker.points
    for cell in np.unique(points.cell):
        here = (points.cell == cell) & (points.export_kw_max > 0)
        if here.any():
            part = envelopes.export_kw[here] / points.export_kw_max[here][:, None]
            np.testing.assert_allclose(part, np.broadcast_to(part.max(axis=0), part.shape), atol=1e-6)


@given(seed=SEEDS)
@settings(max_examples=5)
def test_economic_allows_at_least_what_the_other_rules_allow(seed: int) -> None:
    scenario = town(seed, pv_kw=150.0)
    allowed = {rule: operating_envelopes(scenario, hours(scenario), rule=rule).allowed_kwh()[1] for rule in RULES}
    assert allowed["economic"] >= max(allowed.values()) * 0.995


@given(seed=SEEDS, rule=st.sampled_from(("economic", "equal")), tighter=st.sampled_from(["voltage", "loading", "firm"]))
@settings(max_examples=5)
def test_tighter_limits_of_the_network_allow_less(seed: int, rule: Rule, tighter: str) -> None:
    scenario = town(seed, pv_kw=150.0, export_kw_max=300.0)
    grid = scenario.grid
    other: Scenario
    if tighter == "voltage":
        other = replace(scenario, grid=replace(grid, nodes=replace(grid.nodes, v_pu_max=grid.nodes.v_pu_max - 0.02)))
    elif tighter == "loading":
        trafos = replace(grid.transformers, loading_max=0.6 * grid.transformers.loading_max)
        lines = replace(grid.lines, i_a_max=0.6 * grid.lines.i_a_max)
        other = replace(scenario, grid=replace(grid, transformers=trafos, lines=lines))
    else:
        other = replace(scenario, connection=Connection(export_kw_max=150.0))
    wide, tight = (EnvelopeMaker(s, rule).make(hours(s)).allowed_kwh()[1] for s in (scenario, other))
    assert tight <= wide * 1.005 + 0.5


def test_points_with_a_larger_worth_get_more_of_the_economic_total() -> None:
    scenario = town(5, pv_kw=200.0, export_kw_max=100.0)
    plain = EnvelopeMaker(scenario, "economic")
    worth = np.ones(len(plain.points))
    favoured = plain.points.cell == plain.points.cell[0]
    worth[favoured] = 3.0
    dear = EnvelopeMaker(scenario, "economic", worth=worth)
    ours, theirs = (m.make(hours(scenario)).export_kw for m in (dear, plain))
    assert ours[favoured].sum() >= theirs[favoured].sum() - 1e-6
    assert ours[favoured].sum() > ours[~favoured].sum()


def test_a_wish_caps_a_limit_and_leaves_the_room_to_others() -> None:
    scenario = town(5, pv_kw=200.0, export_kw_max=100.0)
    maker = EnvelopeMaker(scenario, "proportional")
    wish = maker.points.export_kw_max.copy()
    first = int(np.argmax(wish))
    wish[first] = 0.0
    without = maker.make(hours(scenario), wish_export_kw=wish)
    plain = maker.make(hours(scenario))
    assert (without.export_kw[first] == 0.0).all()
    others = np.arange(len(wish)) != first
    assert without.export_kw[others].sum() > plain.export_kw[others].sum()


def test_an_envelope_lapses_to_its_default() -> None:
    scenario = town(1)
    envelopes = EnvelopeMaker(scenario, "equal").make(hours(scenario, 4), lasts=timedelta(minutes=30))
    start = START + timedelta(minutes=15 * 40)
    assert envelopes.start == start
    at = envelopes.at(start + timedelta(minutes=20))
    assert (at[1] == envelopes.export_kw[:, 1]).all()
    for away in (start - timedelta(seconds=1), start + timedelta(minutes=30), start + timedelta(days=1)):
        assert (envelopes.at(away)[0] == envelopes.default_import_kw).all()
        assert (envelopes.at(away)[1] == envelopes.default_export_kw).all()
    with pytest.raises(ValueError, match="zone"):
        envelopes.at(start.replace(tzinfo=None))


def test_it_is_said_what_keeps_a_limit_from_being_higher() -> None:
    scenario = town(5, pv_kw=200.0, export_kw_max=100.0)
    envelopes = operating_envelopes(scenario, hours(scenario), rule="proportional")
    assert "export limit ext_grid/0" in {envelopes.why(n, 0)[1] for n in range(len(envelopes.points))}
    no_export = int(np.flatnonzero(envelopes.points.export_kw_max == 0.0)[0])
    assert envelopes.export_why[no_export, 0] == OWN_RATING
    assert envelopes.why(no_export, 0)[1] == "own rating"
    small = operating_envelopes(town(5, pv_kw=2.0), hours(scenario), rule="equal")
    assert set(np.unique(small.export_why)) <= {OWN_RATING, THE_RULE}


@pytest.mark.parametrize("load_kw", [120.0, 250.0])
def test_what_fixed_load_breaks_alone_is_said_and_nothing_is_made_worse(load_kw: float) -> None:
    scenario = town(2, load_kw=load_kw)
    maker = EnvelopeMaker(scenario, "equal")
    envelopes = maker.make(hours(scenario))
    assert envelopes.broken
    worst = envelopes.broken[0]
    assert worst.what in ("loading", "voltage low")
    assert worst.by > 0
    assert worst.id in str(worst)
    assert worst.id in (*scenario.grid.nodes.id, *scenario.grid.branch_id)
    for broken in envelopes.broken:
        behind = maker.wires.slope[row_of(scenario, broken.id)] > 0.0
        assert (envelopes.import_kw[behind, broken.interval] == 0.0).all()
    assert envelopes.allowed_kwh()[1] > 0.0, "giving helps there, and stays allowed"


def row_of(scenario: Scenario, name: str) -> int:
    nodes = scenario.grid.nodes.id
    return nodes.index(name) if name in nodes else len(nodes) + scenario.grid.branch_id.index(name)


def test_inside_tells_powers_within_limits_from_others() -> None:
    envelopes = operating_envelopes(town(1), hours(town(1)))
    assert inside(envelopes, envelopes.import_kw).all()
    assert inside(envelopes, -envelopes.export_kw).all()
    assert not inside(envelopes, envelopes.import_kw + 1.0).any()


def test_a_meshed_network_is_refused_with_what_to_do() -> None:
    scenario = town(1)
    lines = replace(scenario.grid.lines, to_closed=np.ones(len(scenario.grid.lines), dtype=bool))
    with pytest.raises(GridError, match="open a switch"):
        EnvelopeMaker(replace(scenario, grid=replace(scenario.grid, lines=lines)), "equal")


def test_an_unknown_rule_and_an_impossible_margin_are_refused() -> None:
    with pytest.raises(ValueError, match="equal, proportional, economic"):
        EnvelopeMaker(town(1), "loudest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="share"):
        EnvelopeMaker(town(1), "equal", load_margin=1.5)


def test_inverters_that_may_do_anything_leave_less_room_than_those_on_their_curve() -> None:
    scenario = town(3, pv_kw=200.0)
    curve, anything, nothing = (
        EnvelopeMaker(scenario, "economic", reactive=kind).make(hours(scenario)).allowed_kwh()[1]
        for kind in ("volt-var", "any", "unity")
    )
    assert anything < curve <= nothing + 1e-6


def test_wishes_that_are_no_power_and_scenarios_without_a_choice_are_refused() -> None:
    scenario = town(1)
    maker = EnvelopeMaker(scenario, "equal")
    wish = maker.points.export_kw_max.copy()
    wish[2] = np.nan
    with pytest.raises(ValueError, match=maker.points.node_id[2]):
        maker.make(hours(scenario), wish_export_kw=wish)
    wish[2] = -1.0
    with pytest.raises(ValueError, match="0 or more"):
        maker.make(hours(scenario), wish_import_kw=wish)
    with pytest.raises(ValueError, match="points by intervals"):
        maker.make(hours(scenario), wish_import_kw=wish[:3])
    with pytest.raises(ValueError, match="plain load"):
        EnvelopeMaker(replace(scenario, fleets=scenario.fleets[:1]), "equal")


def test_a_limit_held_for_an_hour_is_safe_in_each_of_its_quarters() -> None:
    maker = EnvelopeMaker(town(6, pv_kw=150.0), "economic")
    hourly = maker.make(hours(maker.scenario, 8), hold=4)
    assert hourly.intervals == 2
    assert hourly.dt_h == 1.0
    assert hourly.end - hourly.start == timedelta(hours=2)
    quarters = replace(
        hourly, import_kw=np.repeat(hourly.import_kw, 4, axis=1), export_kw=np.repeat(hourly.export_kw, 4, axis=1)
    )
    assert broken_by(maker, quarters, 8, 6) == 0


@given(seed=st.integers(0, 500), rule=st.sampled_from(RULES))
@settings(max_examples=5)
def test_without_margins_limits_are_kept_all_the_same(seed: int, rule: Rule) -> None:
    scenario = town(seed, pv_kw=150.0, export_kw_max=200.0, margin_v_pu=0.0, margin_loading=0.0)
    maker = EnvelopeMaker(scenario, rule)
    envelopes = maker.make(hours(scenario))
    assert envelopes.allowed_kwh()[1] > 0.0
    assert broken_by(maker, envelopes, 2, seed) == 0

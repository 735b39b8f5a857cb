"""An impossible day is answered with changes that make it possible, none larger than it must be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.impossible import FAMILIES, Drawn, firm_import, problem
from benchmarks.remedies import measure

from archipel.cell.remedy.apply import applied
from archipel.cell.remedy.case import Wishes
from archipel.cell.remedy.doctor import diagnose
from archipel.cell.remedy.prices import Prices
from archipel.cell.remedy.words import diagnosis_json, diagnosis_text, one_line, up
from archipel.model import ArchipelError, Connection, FirmLimits

FEW = (1, 3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 17)


@pytest.mark.parametrize("seed", FEW)
def test_the_cheapest_change_makes_an_impossible_day_possible_and_no_smaller_one_does(seed: int) -> None:
    figures = measure(range(seed, seed + 1), every=False, quiet=True)
    (one,) = figures["each"]
    assert one["found_impossible"], one
    assert one["mended"], one
    assert one["minimal"], one


@pytest.mark.slow
def test_two_hundred_impossible_problems_are_all_mended_by_least_changes() -> None:
    figures = measure(range(200), quiet=True)
    assert {problem(seed).kind for seed in range(len(FAMILIES))} == set(FAMILIES)
    assert figures["found_impossible"] == figures["mended"] == figures["minimal"] == 200, [
        one for one in figures["each"] if not (one["mended"] and one["minimal"])
    ]


def _drawn() -> tuple[Drawn, Wishes]:
    drawn = Drawn(np.random.default_rng(3), "lv-1")
    wishes, _ = firm_import(drawn)
    return drawn, wishes


def test_a_day_that_can_be_kept_needs_nothing() -> None:
    drawn, wishes = _drawn()
    free = replace(drawn.scenario, connection=Connection())
    done = diagnose(free, drawn.horizon, wishes, kinds=())
    assert done.possible
    assert "can be kept" in diagnosis_text(done)


def test_an_answer_carried_out_is_kept_and_half_of_it_is_not() -> None:
    drawn, wishes = _drawn()
    done = diagnose(drawn.scenario, drawn.horizon, wishes, kinds=("limit", "storage", "load"))
    (conflict,) = done.conflicts
    assert {way.kind for way in conflict.alternatives} == {"limit", "storage", "load"}
    for way in conflict.alternatives:
        scenario, asked = applied(done.case, way)
        assert diagnose(scenario, drawn.horizon, asked, kinds=()).possible, way.kind
    (raised,) = [way for way in conflict.alternatives if way.kind == "limit"]
    half = replace(raised, changes=tuple(replace(c, amount=0.5 * c.amount) for c in raised.changes))
    scenario, asked = applied(done.case, half)
    assert not diagnose(scenario, drawn.horizon, asked, kinds=()).possible


def test_words_say_which_thing_when_how_much_and_at_what_price() -> None:
    drawn, wishes = _drawn()
    done = diagnose(drawn.scenario, drawn.horizon, wishes, kinds=("limit", "load"))
    told = diagnosis_text(done)
    assert "the upstream connection takes" in told.lower()
    assert "kW more than is allowed at" in told
    assert "EUR" in told
    assert "fixed load behind it" in told
    assert "needs" in one_line(done)
    plain = diagnosis_json(done)
    assert plain["possible"] is False
    prices = [way["eur_per_year"] for way in plain["conflicts"][0]["alternatives"]]
    assert prices == sorted(prices)


def test_a_cheaper_price_of_ones_own_comes_first() -> None:
    drawn, wishes = _drawn()
    cheap = Prices().with_own(["lost_load_eur_per_kwh=0.0001"])
    done = diagnose(drawn.scenario, drawn.horizon, wishes, cheap, kinds=("limit", "load"))
    assert done.conflicts[0].alternatives[0].kind == "load"
    with pytest.raises(ArchipelError, match="expected NAME=VALUE above zero"):
        Prices().with_own(["gold=1"])
    with pytest.raises(ArchipelError, match="expected NAME=VALUE above zero"):
        Prices().with_own(["fuel_eur_per_kwh=nan"])


def test_an_envelope_that_cannot_be_held_is_told_by_its_cell() -> None:
    drawn = Drawn(np.random.default_rng(5), "lv-0")
    drawn.loads()
    drawn.widen()
    cell = drawn.archipelago.cell[-1].id
    tight = FirmLimits(np.full(24, 1.0), np.full(24, np.inf))
    done = diagnose(drawn.scenario, drawn.horizon, Wishes(cells={cell: tight}), kinds=("limit",))
    assert f"cell {cell} takes" in diagnosis_text(done).lower().replace("cell " + cell.lower(), "cell " + cell)


def test_load_that_nothing_feeds_is_told_with_the_switch_that_would_feed_it() -> None:
    drawn = Drawn(np.random.default_rng(4), "rural")
    drawn.loads(1.0, 0.02)
    drawn.widen()
    lines = drawn.grid.lines
    fed = int(np.flatnonzero(lines.from_closed & lines.to_closed)[-1])
    open_ = lines.from_closed.copy()
    open_[fed] = False
    drawn.grid = replace(drawn.grid, lines=replace(lines, from_closed=open_))
    done = diagnose(drawn.scenario, drawn.horizon, kinds=())
    assert done.dark
    assert any(lines.id[fed] in (name for name, _ in one.switches) for one in done.dark)
    assert "is fed by nothing" in diagnosis_text(done)


@pytest.mark.parametrize(
    ("value", "told"), [(38.21, "38.3"), (0.012341, "0.0124"), (1234.1, "1,240"), (0.0, "0"), (5.0, "5")]
)
def test_amounts_are_rounded_up_so_that_they_still_suffice(value: float, told: str) -> None:
    assert up(value) == told

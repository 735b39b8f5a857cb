"""Payments at the prices of boundaries: they close, whatever the prices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import made_up
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.market.local_prices import payments
from archipel.report.folder import RunWriter
from archipel.report.html import report
from archipel.report.payments import PARTS, local_payments
from archipel.report.run import load_run


@given(st.integers(0, 2**31))
def test_what_cells_pay_adds_up_to_the_upstream_cost_at_any_prices(seed: int) -> None:
    tree = made_up.scenario().archipelago
    rng = np.random.default_rng(seed)
    flow, price = rng.normal(0, 100, (2, len(tree.tie), 5))
    price[rng.random(price.shape) < 0.2] = np.nan
    upstream, day_ahead = rng.normal(0, 100, 5), rng.normal(0.04, 0.05, 5)
    paid = payments(
        tree,
        into_lower_kw=flow,
        price_eur_per_kwh=price,
        upstream_kw=upstream,
        upstream_price_eur_per_kwh=day_ahead,
        dt_h=0.25,
    )
    assert paid.sum() == pytest.approx(0.25 * day_ahead @ upstream, abs=1e-9)


def test_a_cell_behind_a_scarce_line_pays_its_price_and_the_cell_above_receives_the_rent() -> None:
    tree = made_up.scenario().archipelago
    tie = tree.tie[-1]
    flow, price = np.zeros((len(tree.tie), 1)), np.full((len(tree.tie), 1), 0.04)
    flow[-1], price[-1] = 100.0, 0.10
    paid = payments(
        tree,
        into_lower_kw=flow,
        price_eur_per_kwh=price,
        upstream_kw=np.zeros(1),
        upstream_price_eur_per_kwh=np.full(1, 0.04),
        dt_h=1.0,
    )
    assert paid[tree.index(tie.lower)] == pytest.approx(10.0)
    assert paid[tree.index(tie.upper)] == pytest.approx(-10.0)


def test_parts_of_payments_add_up_and_the_report_says_who_pays(tmp_path: Path) -> None:
    case = made_up.scenario()
    with RunWriter(tmp_path, case, start=made_up.START, days=1, forecast="perfect", seed=1) as writer:
        writer.add(made_up.result(case, "distributed"))
    run = load_run(writer.path, case)
    found = local_payments(run, "distributed", case)
    network = sum(found[part] for part in PARTS)
    np.testing.assert_allclose(found["one_price"] + network, found["local"], atol=1e-6)
    assert all(abs(found[part].sum()) < 1e-9 for part in PARTS)
    assert (found["soft_open_points"] == 0.0).all()
    assert "What cells would pay at local prices" in report(run)


def test_hours_agreed_without_parts_of_prices_are_left_white(tmp_path: Path) -> None:
    case = made_up.scenario()
    result = made_up.result(case, "distributed")
    parts, price = np.array(result.tie_price_parts), result.tie_price.copy()
    parts[..., 40:44] = np.nan
    with RunWriter(tmp_path, case, start=made_up.START, days=1, forecast="perfect", seed=1) as writer:
        writer.add(replace(result, tie_price_parts=parts, tie_price=price))
    page = report(load_run(writer.path, case))
    assert "What a price is made of" in page
    assert "nan" not in page.replace("nance", "")

from __future__ import annotations

from datetime import date
from decimal import Decimal

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_cases import archipelago, local

from archipel.market.base import Bid
from archipel.market.local_market import LocalMarket
from archipel.market.market_day import MarketDay
from archipel.testing.market_bids import random_bids

DAY = MarketDay(date(2016, 2, 10))
T = 96


def at(cell: str, *steps: tuple[float, float], owner: str = "") -> Bid:
    return Bid(owner or f"owner of {cell}", "energy", DAY.start, steps, cell)


def flat(value: float) -> np.ndarray:
    return np.full(T, value)


def test_neighbours_are_served_before_the_upstream_grid() -> None:
    market = local(DAY, import_price_eur_per_kwh=flat(0.3), export_price_eur_per_kwh=flat(0.05))
    found = market.clear([at("cell 1", (4.0, 0.4)), at("cell 2", (-3.0, 0.1))])
    assert found.accepted_kw.tolist() == [4, -3]
    assert found.upstream_kw[0] == pytest.approx(1.0)
    assert found.price.tolist() == [0.3, 0.3]


def test_a_tie_that_binds_parts_the_prices_and_its_rent_goes_to_the_network() -> None:
    market = LocalMarket(DAY, archipelago(0, 0), np.array([2.0, 5.0]))
    found = market.clear([at("cell 1", (10.0, 0.4)), at("cell 2", (-10.0, 0.1))])
    assert found.accepted_kw.tolist() == [2, -2]
    assert found.price.tolist() == [0.4, 0.1]
    rent = [p for p in market.settle(found) if p.payee == "network"]
    assert [(p.payer, p.what, p.amount_eur) for p in rent] == [("market", "congestion_rent", Decimal("0.15"))]


def test_a_cell_behind_an_open_tie_trades_with_itself() -> None:
    market = LocalMarket(DAY, archipelago(0, 0), np.array([0.0, 0.0]))
    found = market.clear(
        [at("cell 1", (3.0, 0.4), owner="a"), at("cell 1", (-5.0, 0.2), owner="b"), at("cell 2", (3.0, 1.0))]
    )
    assert found.accepted_kw.tolist() == [3, -3, 0]


def test_losses_make_far_power_dearer_and_are_bought() -> None:
    market = LocalMarket(DAY, archipelago(0), np.array([50.0]), flat(0.18), loss=np.array([0.1]))
    found = market.clear([at("cell 1", (9.0, 0.5))])
    assert found.upstream_kw[0] == pytest.approx(10.0)
    assert found.price[0] == pytest.approx(0.2)
    assert sum(p.amount_eur for p in market.settle(found) if p.what == "congestion_rent") == 0


def test_no_energy_is_sent_in_a_circle_to_lose_it_when_prices_are_negative() -> None:
    market = LocalMarket(DAY, archipelago(0), np.array([50.0]), flat(0.3), loss=np.array([0.1]))
    found = market.clear([at("root", (-20.0, -0.4)), at("cell 1", (9.0, -0.1))])
    assert found.accepted_kw.tolist() == [-10, 9]


def test_ties_within_a_cell_share_pro_rata_across_owners() -> None:
    market = LocalMarket(DAY, archipelago(0), np.array([6.0]))
    bids = [at("cell 1", (9.0, 0.3)), at("root", (-4.0, 0.1), owner="a"), at("root", (-8.0, 0.1), owner="b")]
    assert market.clear(bids).accepted_kw.tolist() == [6, -2, -4]


def test_limits_losses_and_prices_that_cannot_be_are_refused() -> None:
    two = archipelago(0, 0)
    with pytest.raises(
        ValueError, match=r"found limits of ties .* expected at least 0 in the shape \(2,\) or \(2, 96\)"
    ):
        LocalMarket(DAY, two, np.array([1.0]))
    with pytest.raises(ValueError, match="found limits of ties"):
        LocalMarket(DAY, two, np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="expected one share per tie"):
        LocalMarket(DAY, two, np.ones(2), loss=np.array([0.1, 1.0]))
    with pytest.raises(ValueError, match="export price above the import price"):
        LocalMarket(DAY, two, np.ones(2), flat(0.1), flat(0.2))
    with pytest.raises(ValueError, match="import price: found no value"):
        LocalMarket(DAY, two, np.ones(2), flat(np.nan))


def central_welfare(market: LocalMarket, bids: list[Bid], t: int) -> float:
    """The same interval by HiGHS, one column per step and one free flow per tie (no losses) [EUR/h]."""
    cells, steps = market.terms.cells, [(b.cell, q, p) for b in bids for q, p in b.steps]
    steps += [("root", -market.import_kw_max, market.import_price_eur_per_kwh[t])]  # type: ignore[index]
    steps += [("root", 1e6, market.export_price_eur_per_kwh[t])]  # type: ignore[index]
    highs = highspy.Highs()
    highs.silent()
    balance = {cell: [] for cell in cells}
    objective = []
    for cell, q, p in steps:
        x = highs.addVariable(0.0, abs(q))
        balance[cell].append((1.0 if q < 0 else -1.0) * x)
        objective.append((p if q > 0 else -p) * x)
    for tie, limit in zip(market.archipelago.tie, market.tie_kw_max, strict=True):
        flow = highs.addVariable(-limit, limit)
        balance[tie.upper].append(-1.0 * flow)
        balance[tie.lower].append(1.0 * flow)
    for terms in balance.values():
        if terms:
            highs.addConstr(sum(terms[1:], terms[0]) == 0)
    highs.maximize(sum(objective[1:], objective[0]))
    return float(highs.getObjectiveValue())


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_the_local_clearing_is_the_optimum_of_highs_and_its_rent_is_not_negative(seed: int) -> None:
    market = local(DAY)
    bids = random_bids(np.random.default_rng(seed), market.terms)
    found = market.clear(bids)
    rows = {start: i for i, start in enumerate(market.terms.edges)}
    for t in {rows[b.start] for b in bids}:
        mine = [i for i, b in enumerate(bids) if rows[b.start] == t]
        best = central_welfare(market, [bids[i] for i in mine], t)
        worth = 0.0
        for i in mine:
            left = abs(found.accepted_kw[i])
            kw = found.accepted_kw[i]
            for size, limit in bids[i].steps:
                if size * kw > 0:
                    taken = min(left, abs(size))
                    worth, left = worth + np.sign(size) * taken * limit, left - taken
        upstream = found.upstream_kw[t]
        paid = market.import_price_eur_per_kwh if upstream > 0 else market.export_price_eur_per_kwh
        assert worth - upstream * paid[t] == pytest.approx(best, rel=1e-6, abs=2e-5)  # type: ignore[index]
    rent = [p.amount_eur for p in market.settle(found) if p.what == "congestion_rent"]
    assert all(amount >= Decimal("-0.0001") for amount in rent)
    assert (np.abs(found.flow_kw) <= market.tie_kw_max[:, None] + 1e-6).all()


def test_cells_at_the_same_price_share_pro_rata() -> None:
    market = LocalMarket(DAY, archipelago(0, 0, 0), np.full(3, 50.0), flat(0.3))
    bids = [at("cell 1", (6.0, 0.5)), at("cell 2", (-9.0, 0.1)), at("cell 3", (-3.0, 0.1))]
    assert market.clear(bids).accepted_kw == pytest.approx([6.0, -4.5, -1.5], abs=1e-5)


def test_where_a_tie_binds_the_others_share_the_rest() -> None:
    market = LocalMarket(DAY, archipelago(0, 0, 0, 0), np.array([50.0, 2.0, 50.0, 50.0]), flat(0.3))
    bids = [at("cell 1", (10.0, 0.5)), *(at(f"cell {i}", (-8.0, 0.1)) for i in (2, 3, 4))]
    assert market.clear(bids).accepted_kw == pytest.approx([10.0, -2.0, -4.0, -4.0], abs=1e-5)


def test_at_the_same_price_a_neighbour_comes_before_the_upstream_grid() -> None:
    market = LocalMarket(DAY, archipelago(0, 0), np.full(2, 50.0), flat(0.3), flat(0.3))
    found = market.clear([at("cell 1", (4.0, 0.3)), at("cell 2", (-3.0, 0.3))])
    assert found.accepted_kw == pytest.approx([4.0, -3.0], abs=1e-5)

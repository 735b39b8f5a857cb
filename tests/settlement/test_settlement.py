"""Settling a portfolio: what every account pays, that it closes, and who bears what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import a_pool
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.market.books import Books
from archipel.market.days import delivery_days
from archipel.market.errors import SettlementRefused
from archipel.market.settle_check import check_portfolios
from archipel.market.settlement import Settlement, received_from, settle
from archipel.model import SPLITS, Contract, Portfolio

BERLIN = ZoneInfo("Europe/Berlin")


def booked(settlement: Settlement) -> Books:
    books = Books()
    books.post(settlement.postings)
    return books


def paid(books: Books, what: str, account: str = "pool") -> Decimal:
    """What an account received less what it paid for a product."""
    of = [entry.payment for entry in books.entries(account) if entry.payment.what == what]
    return sum((p.amount_eur if p.payee == account else -p.amount_eur for p in of), Decimal(0))


@given(st.integers(0, 10**6), st.sampled_from(SPLITS), st.integers(1, 4), st.sampled_from([1, 4, 24]))
def test_a_portfolio_ends_at_zero_and_all_books_close_exactly(seed: int, split: Any, members: int, per: int) -> None:
    delivery = a_pool.busy(members, 24, seed)
    done = settle(
        delivery, a_pool.portfolio(members, split, share=0.7, fee_eur_per_kw_year=20.0), group=np.arange(24) // per
    )
    books = booked(done)
    assert books.balance("pool") == 0
    assert sum(books.balances().values(), Decimal(0)) == 0
    assert (done.part.sum(axis=0) == done.pot).all()
    assert books.balance("operator") == Decimal(int(done.operator.sum())).scaleb(-8)


@given(st.integers(0, 10**6))
def test_energy_bought_missed_and_called_is_the_metered_energy(seed: int) -> None:
    delivery = a_pool.busy(3, 24, seed)
    books = booked(settle(delivery, a_pool.portfolio()))
    kinds = ("energy", "imbalance", "afrr_energy")
    booked_kwh = sum(e.payment.quantity for e in books.entries("market") if e.payment.what in kinds)
    assert abs(float(booked_kwh) - delivery.metered_kw.sum() / 4) < 1e-4


def test_a_quiet_day_costs_what_was_drawn_and_leaves_nothing_to_share() -> None:
    books = booked(settle(a_pool.quiet(), a_pool.portfolio()))
    assert books.balance("market") == Decimal("36.00")  # 3 x 240 kWh x 0.05
    assert books.balances() == {"owner 0": -12, "owner 1": -12, "owner 2": -12, "pool": 0, "market": 36}


def test_a_shift_from_dear_to_cheap_hours_is_shared_by_what_each_delivered() -> None:
    d = a_pool.quiet(quarters=8)
    price = np.where(np.arange(8) < 4, 0.20, 0.10)
    change = np.array([[2.0], [1.0], [0.0]]) * np.where(np.arange(8) < 4, -1.0, 1.0)
    moved = d.baseline_kw + change
    asked = np.where(change != 0.0, moved, np.nan)
    d = replace(d, price_eur_per_kwh=price, asked_kw=asked, metered_kw=moved, bought_kw=moved.sum(axis=0))
    done = settle(d, a_pool.portfolio(share=0.8), group=np.zeros(8, dtype=int))
    books = booked(done)
    # 3 kWh moved at 0.10 EUR/kWh: 0.30 EUR; two thirds and one third of it, the operator keeps a fifth
    assert paid(books, "share", "owner 0") == Decimal("0.16")
    assert paid(books, "share", "owner 1") == Decimal("0.08")
    assert paid(books, "share", "owner 2") == 0
    assert paid(books, "operator", "operator") == Decimal("0.06")
    assert done.worse_off() == ()


def test_below_zero_prices_turn_payments_around() -> None:
    d = replace(a_pool.quiet(), price_eur_per_kwh=-0.05 * np.ones(96))
    books = booked(settle(d, a_pool.portfolio()))
    assert books.balance("owner 0") == 12, "who draws is paid"
    assert books.balance("market") == -36


@pytest.mark.parametrize(
    "name", ["price_eur_per_kwh", "imbalance_price_eur_per_kwh", "bought_kw", "metered_kw", "baseline_kw"]
)
def test_a_missing_value_is_refused_with_its_time(name: str) -> None:
    d = a_pool.quiet()
    value = getattr(d, name).copy()
    value[..., [5, 6, 7, 8]] = np.nan
    with pytest.raises(SettlementRefused, match=f"{name} is missing at 2016-01-11 01:15, 2016-01-11 01:30.*and 1 more"):
        settle(replace(d, **{name: value}), a_pool.portfolio())


def test_a_price_may_be_missing_where_nothing_is_priced_by_it() -> None:
    nothing = np.full(96, np.nan)
    d = replace(a_pool.quiet(), fcr_price_eur_per_kw_h=nothing, event_price_eur_per_kwh=nothing)
    assert booked(settle(d, a_pool.portfolio())).balance("market") == 36
    kept = d.fcr_kw.copy()
    kept[1, 3] = 2.0
    with pytest.raises(SettlementRefused, match="fcr_price_eur_per_kw_h is missing at 2016-01-11 00:45"):
        settle(replace(d, fcr_kw=kept), a_pool.portfolio())


@pytest.mark.parametrize(("day", "quarters"), [(datetime(2016, 3, 27), 92), (datetime(2016, 10, 30), 100)])  # noqa: DTZ001
def test_days_on_which_clocks_change_are_booked_whole(day: datetime, quarters: int) -> None:
    start = day.replace(tzinfo=BERLIN).astimezone(UTC)
    group = delivery_days(start, quarters + 96, BERLIN)
    assert np.bincount(group).tolist() == [quarters, 96]
    done = settle(a_pool.quiet(quarters=quarters + 96, start=start), a_pool.portfolio(), group=group)
    first, second = [e.payment for e in booked(done).entries("owner 0")]
    assert (first.time, second.time) == (start, start + timedelta(minutes=15 * quarters))
    assert first.quantity == Decimal(quarters) * Decimal("2.5")
    assert first.amount_eur == first.quantity * Decimal("0.05")


def lying() -> Any:
    """Two members are asked for 4 kW less; the first gives all of it, the second, which said it could, 1."""
    d = a_pool.quiet(2, 8)
    event = np.arange(8) >= 4
    cut = 4.0 * np.ones((2, 1)) * event
    return replace(
        d, cut_kw=cut, asked_kw=np.where(event, d.baseline_kw - cut, np.nan), bought_kw=20.0 - cut.sum(axis=0),
        metered_kw=d.baseline_kw - cut * np.array([[1.0], [0.25]]),
    )  # fmt: skip


@pytest.mark.parametrize("split", SPLITS)
def test_a_member_that_said_it_could_more_pays_for_it_and_gains_nothing(split: Any) -> None:
    done = settle(lying(), a_pool.portfolio(2, split), group=np.zeros(8, dtype=int))
    books = booked(done)
    assert done.verified.availability.tolist() == [1.0, 0.0]
    assert done.verified.accuracy.tolist() == [1.0, 0.25]
    assert paid(books, "penalty", "owner 1") == Decimal("-1.5")  # 3 kWh at 0.50
    assert paid(books, "penalty_shared", "owner 0") == Decimal("1.5"), "it goes to who kept the promise"
    assert paid(books, "event") == Decimal("1.5")  # 5 kWh at 0.30
    assert paid(books, "share", "owner 0") > 3 * max(paid(books, "share", "owner 1"), Decimal(0))
    assert done.worse_off() == ("contract 1",)


def test_where_nobody_kept_its_promise_the_operator_keeps_the_penalties() -> None:
    d = lying()
    d = replace(d, metered_kw=d.baseline_kw)
    done = settle(d, a_pool.portfolio(2), group=np.zeros(8, dtype=int))
    assert done.penalty_shared.sum() == 0
    assert done.penalty.sum() == 4 * 10**8  # 8 kWh at 0.50
    assert booked(done).balance("pool") == 0


def test_what_is_asked_of_an_owner_that_stays_out_is_not_owed() -> None:
    d = lying()
    away = ((d.start + timedelta(hours=1), d.start + timedelta(hours=2)),)
    done = settle(d, a_pool.portfolio(2, away=away), group=np.zeros(8, dtype=int))
    assert not done.verified.due.any()
    assert done.penalty.sum() == 0
    assert done.verified.availability.tolist() == [1.0, 1.0]


def test_nothing_is_owed_within_the_notice_of_a_request() -> None:
    done = settle(lying(), a_pool.portfolio(2, notice_s=1800.0), group=np.zeros(8, dtype=int))
    assert np.flatnonzero(done.verified.due[0]).tolist() == [6, 7]
    assert done.penalty.sum() == 75_000_000  # 1.5 kWh at 0.50


def test_power_kept_ready_is_paid_and_less_to_who_was_not_available() -> None:
    d = lying()
    d = replace(d, afrr_up_kw=10.0 * np.ones((2, 8)))
    done = settle(d, a_pool.portfolio(2, fee_eur_per_kw_year=87.6), group=np.zeros(8, dtype=int))
    assert done.kept_ready[:, 0].tolist() == [20_000_000, 0]  # 10 kW, 2 h, 0.01 EUR per kW h


def test_reserve_called_is_paid_once() -> None:
    d = a_pool.quiet(1, 4)
    called = -2.0 * np.ones((1, 4))  # up: draws less
    d = replace(d, afrr_energy_kw=called, afrr_up_kw=2.0 * np.ones((1, 4)), metered_kw=d.baseline_kw + called)
    books = booked(settle(d, a_pool.portfolio(1)))
    assert paid(books, "imbalance") == 0
    assert paid(books, "afrr_energy") == Decimal("0.2")  # 2 kWh at 0.10
    assert paid(books, "afrr_capacity") == Decimal("0.04")  # 2 kW, 1 h, 0.02
    assert paid(books, "share", "owner 0") == Decimal("0.24")
    assert books.balance("owner 0") == Decimal("0.24") - Decimal("0.50")


@given(st.integers(0, 10**6))
def test_a_nested_portfolio_splits_exactly_what_its_parent_paid_it(seed: int) -> None:
    parent_delivery, group = a_pool.busy(2, 24, seed), np.arange(24) // 8
    parent = a_pool.portfolio(2, "shapley")
    nested = replace(parent, contracts=(replace(parent.contracts[0], owner="child"), parent.contracts[1]))
    above = settle(parent_delivery, nested, group=group)
    contracts = tuple(Contract(f"c{k}", f"home {k}", "child", parent.contracts[0].products) for k in range(3))
    child = Portfolio("child", "A child", "aggregator", "marginal", contracts, parent="pool")
    d = a_pool.busy(3, 24, seed + 1)
    d = replace(d, portfolio="child", contract=tuple(c.id for c in contracts))
    below = settle(d, child, group=group, received=received_from(above, "child"))
    books = booked(above)
    books.post(below.postings)
    assert books.balance("child") == 0
    assert books.balance("pool") == 0
    assert "market" not in booked(below).balances()


def test_settling_again_books_nothing_new_and_a_doubled_message_changes_nothing() -> None:
    done = settle(a_pool.busy(), a_pool.portfolio(split="shapley"))
    books = booked(done)
    head = books.head
    assert books.post(settle(a_pool.busy(), a_pool.portfolio(split="shapley")).postings) == 0
    assert books.post(list(done.postings.payments())[::-1]) == 0
    assert books.head == head


def wrong(pool: Portfolio, /, **change: Any) -> Portfolio:
    first, *rest = pool.contracts
    return replace(pool, contracts=(replace(first, **change), *rest))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "contract 1"}, "contract contract 1: found 2 contracts of this id"),
        ({"portfolio": "another"}, "found the portfolio another, but it stands in pool"),
        ({"share": 1.2}, "share: found 1.2; expected 0 to 1"),
        ({"share": float("nan")}, "share: found nan"),
        ({"availability": -0.1}, "availability: found -0.1"),
        ({"penalty_eur_per_kwh": -1.0}, "penalty_eur_per_kwh: found -1.0; expected 0 or more"),
        ({"notice_s": float("inf")}, "notice_s: found inf"),
        ({"products": ("energy", "gold")}, "found the product gold"),
        ({"owner": "market"}, "market: found an owner or portfolio of this id"),
        ({"away": ((a_pool.START, a_pool.START),)}, "not after the start"),
        (
            {
                "away": (
                    (a_pool.START, a_pool.START + timedelta(hours=2)),
                    (a_pool.START + timedelta(hours=1), a_pool.START + timedelta(hours=3)),
                )
            },
            "which overlap",
        ),
    ],
)
def test_contracts_that_contradict_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettlementRefused, match=words):
        settle(a_pool.quiet(), wrong(a_pool.portfolio(), **change))


def test_every_finding_is_said_at_once() -> None:
    with pytest.raises(SettlementRefused) as caught:
        settle(a_pool.quiet(), wrong(a_pool.portfolio(), share=2.0, availability=3.0, notice_s=-1.0))
    assert len(caught.value.findings) == 3


def test_portfolios_that_contradict_each_other_are_found() -> None:
    one = a_pool.portfolio()
    other = replace(one, id="other", contracts=(Contract("x", "nobody", "other", ("energy",)),), parent="pool")
    found = "\n".join(
        check_portfolios([replace(one, parent="other"), other], ["owner 0", "owner 1", "owner 2", "other"])
    )
    assert "portfolio pool: found it to be a member of itself" in found
    assert "its owner nobody is unknown" in found
    assert "its operator operator is unknown" in found
    assert "other: found an owner and a portfolio of this id" in found
    assert check_portfolios([one], ["operator", "owner 0", "owner 1", "owner 2"]) == ()


def test_a_product_that_the_contract_does_not_allow_is_refused() -> None:
    with pytest.raises(SettlementRefused, match="contract 0 sold event, which it does not allow; expected only energy"):
        settle(lying(), wrong(a_pool.portfolio(2), products=("energy",)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"portfolio": "another"}, "found a delivery of another"),
        ({"contract": ("contract 0", "contract 1", "contract 7")}, "has no contract contract 7"),
        ({"contract": ("contract 0", "contract 1", "contract 1")}, "contract contract 1 comes 2 times"),
        ({"cut_kw": np.zeros((3, 95))}, r"cut_kw: found the shape \(3, 95\); expected \(3, 96\)"),
        ({"fcr_kw": -np.ones((3, 96))}, "fcr_kw is negative"),
        ({"start": datetime(2016, 1, 11, 0, 7, tzinfo=UTC)}, "expected the start of a quarter hour"),
        ({"start": datetime(2016, 1, 11)}, "without a zone"),  # noqa: DTZ001
    ],
)
def test_a_delivery_that_does_not_fit_its_portfolio_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettlementRefused, match=words):
        settle(replace(a_pool.quiet(), **change), a_pool.portfolio())


def test_groups_with_a_gap_are_refused() -> None:
    with pytest.raises(ValueError, match="without a gap"):
        settle(a_pool.quiet(quarters=4), a_pool.portfolio(), group=np.array([0, 0, 2, 2]))

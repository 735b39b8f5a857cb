"""A real run settled: that its books close to the cent, to its meters, and stay closed when it is settled again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import a_pool
import a_run
import numpy as np
import pytest

from archipel.cli import main as cli
from archipel.grid.power_flow import PowerFlow
from archipel.market.errors import BooksDamaged, BooksRefused, SettlementRefused
from archipel.market.settle_network import Metered, loss_shares, settle_network
from archipel.model import Delivery, Owner, Ownership, RunNotFound, Tariff
from archipel.report.books_file import read_books, write_books
from archipel.report.deliveries import read_deliveries, strategies_of, write_delivery
from archipel.report.loss_factors import loss_factors
from archipel.report.paths import file_name
from archipel.report.run import Run, load_run
from archipel.report.settle_run import CLOSES, RunSettlement, book, settle_run

UNCOORDINATED = "uncoordinated"


@pytest.fixture(scope="module")
def done(day: Run) -> RunSettlement:
    return settle_run(day, UNCOORDINATED)


def test_books_of_a_real_run_add_up_to_zero_and_to_its_meters(done: RunSettlement) -> None:
    books, new = book(done)
    assert new == len(books) > 100
    assert sum(books.balances().values()) == 0
    assert books.balance("pool") == 0
    assert done.gap < CLOSES
    assert abs(done.booked_kwh - done.upstream_kwh) < 1e-3 * abs(done.upstream_kwh)
    assert abs(done.network.unmetered_kwh) < 1e-3 * done.network.metered_kwh


def without_portfolio(day: Run, folder: Path) -> Path:
    return Path(
        shutil.copytree(day.path, folder / "run", ignore=shutil.ignore_patterns("portfolio", "books*", "settl*"))
    )


def test_network_fees_and_energy_are_those_of_the_runs_own_bill(day: Run, tmp_path: Path) -> None:
    plain = load_run(without_portfolio(day, tmp_path), replace(day.scenario, ownership=Ownership()))
    books, _ = book(settle_run(plain, UNCOORDINATED))
    bill = day.kpis["strategies"][UNCOORDINATED]["cost_parts"]
    for level in ("hv", "mv", "lv"):
        found = sum(e.payment.amount_eur for e in books.entries("network") if e.payment.what == f"network_fee_{level}")
        assert float(found) == pytest.approx(bill[f"{level}_fee_eur"], abs=1e-4)
    peak = sum(e.payment.amount_eur for e in books.entries("network") if e.payment.what == "network_fee_peak")
    assert float(peak) == pytest.approx(bill["peak_eur"], abs=1e-6)
    assert float(books.balance("market")) == pytest.approx(bill["energy_eur"], abs=1e-4)


def test_losses_are_passed_on_to_the_last_unit(done: RunSettlement) -> None:
    books, _ = book(done)
    losses = [e.payment for e in books.entries("network") if e.payment.what == "losses"]
    assert sum(p.amount_eur if p.payee == "network" else -p.amount_eur for p in losses) == 0
    assert done.network.losses_kwh.sum() == pytest.approx(done.metered.losses_kw.sum() / 4)


def test_what_one_more_kilowatt_adds_to_losses_is_the_power_flows_own_difference(day: Run) -> None:
    grid = day.scenario.grid
    low = np.flatnonzero(grid.nodes.vn_kv < 1.0)
    rng = np.random.default_rng(0)
    p = np.zeros((len(grid.nodes), 2))
    p[low] = rng.normal(0.5, 2.0, (len(low), 2))
    found = loss_factors(grid, p, 0.3 * p)
    flow = PowerFlow(grid)
    for node in rng.choice(low, 6):
        step = np.zeros(len(grid.nodes))
        step[node] = 0.5
        more, less = (flow.solve(p[:, 1] + s, 0.3 * p[:, 1]).losses_kw for s in (step, -step))
        assert found[node, 1] == pytest.approx(more - less, rel=1e-3, abs=1e-6)


def meters(**change: Any) -> Metered:
    """Two owners in one cell: the first draws 8 kW far away, the second gives 3 kW near it and relieves the line."""
    one = np.ones(4)
    return replace(
        Metered(
            start=a_pool.START, owner=("far", "near"), cell=np.array([1, 1]), net_kw=np.array([8.0 * one, -3.0 * one]),
            supplied_kw=np.array([8.0 * one, -3.0 * one]), lv_use_kw=np.array([8.0 * one, 0.0 * one]),
            marginal_kw=np.array([0.6 * one, -0.2 * one]), own_import_kw=np.array([0.05 * one, 5.2 * one]),
            upstream_kw=5.25 * one, losses_kw=0.25 * one, price_eur_per_kwh=0.1 * one, day=np.zeros(4, dtype=np.int64),
        ),
        **change,
    )  # fmt: skip


def test_who_relieves_the_network_is_paid_for_it_and_standing_losses_go_by_energy() -> None:
    found = loss_shares(meters())
    standing = 0.25 - 0.5 * (0.6 - 0.2)
    np.testing.assert_allclose(found[:, 0], [0.3 + standing * 8 / 11, -0.1 + standing * 3 / 11])
    without = loss_shares(meters(losses_kw=0.2 * np.ones(4)))
    assert (without[1] < 0).all()


def test_fees_fall_on_who_draws_and_a_cell_without_owners_is_borne_by_all() -> None:
    tariff = Tariff(hv_fee_eur_per_kwh=0.02, mv_fee_eur_per_kwh=0.01, lv_fee_eur_per_kwh=0.03, peak_eur_per_kw_day=1.0)
    done = settle_network(meters(), tariff, group=np.zeros(4, dtype=int))
    paid = {(p.payer, p.what): p.amount_eur for p in done.postings.payments()}
    assert paid["far", "network_fee_hv"] == Decimal("0.105")  # 5.25 kWh
    assert paid["far", "network_fee_mv"] == Decimal("0.0525")  # 5.2 kWh of its own cell and 0.05 of the other
    assert paid["far", "network_fee_lv"] == Decimal("0.24")
    assert paid["far", "network_fee_peak"] == Decimal("5.25")
    assert not any(payer == "near" and what.startswith("network_fee") for payer, what in paid)
    assert paid["near", "energy"] == Decimal("-0.3")


def test_missing_meters_and_reserved_names_are_refused() -> None:
    with pytest.raises(SettlementRefused) as caught:
        settle_network(meters(net_kw=np.full((2, 4), np.nan), owner=("market", "near")), Tariff())
    assert "net_kw: found 8 values that are no numbers" in caught.value.findings[0]
    assert "market: found an owner of this id" in caught.value.findings[1]


def test_below_zero_prices_pay_for_losses_too() -> None:
    done = settle_network(meters(price_eur_per_kwh=-0.1 * np.ones(4)), Tariff())
    assert sum(p.amount_eur for p in done.postings.payments() if p.payee == "market" and p.what == "losses") < 0


def same(a: Delivery, b: Delivery) -> bool:
    return all(np.array_equal(getattr(a, n), getattr(b, n), equal_nan=n not in {"portfolio", "contract", "start"})
               if isinstance(getattr(a, n), np.ndarray) else getattr(a, n) == getattr(b, n)
               for n in a.__dataclass_fields__)  # fmt: skip


def test_a_delivery_comes_back_as_it_was_written(tmp_path: Path) -> None:
    one, other = a_pool.busy(), replace(a_pool.quiet(2, 4), portfolio="../=evil", contract=("a/b", "=c"))
    write_delivery(tmp_path, one, strategy="distributed")
    file = write_delivery(tmp_path, other)
    assert file.parent == tmp_path / "portfolio"
    found = {d.portfolio: d for d in read_deliveries(tmp_path)}
    assert same(found["pool"], one)
    assert same(found["../=evil"], other)
    assert [d.portfolio for d in read_deliveries(tmp_path, strategy="alone")] == ["../=evil"]
    assert strategies_of(tmp_path) == ("distributed",)


def test_a_file_that_holds_no_delivery_is_refused(tmp_path: Path) -> None:
    (tmp_path / "portfolio").mkdir()
    (tmp_path / "portfolio" / "x.parquet").write_bytes(b"not parquet")
    with pytest.raises(RunNotFound, match="found no delivery of a portfolio"):
        read_deliveries(tmp_path)


def test_names_of_files_are_safe_and_different() -> None:
    names = [file_name(word) for word in ("a", "../a", "..\\a", "=a", "-a", "", "ä", "x" * 99, "x" * 98)]
    assert len(set(names)) == len(names)
    assert all(name and not set(name) & set("/\\.=") and name[0] != "-" for name in names)


def test_books_of_a_file_are_the_same_and_damage_of_the_file_is_found(done: RunSettlement, tmp_path: Path) -> None:
    books, _ = book(done)
    file = tmp_path / "books.parquet"
    write_books(file, books)
    assert read_books(file).columns() == books.columns()
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(BooksDamaged, match="cannot be read"):
        read_books(file)


def test_settled_again_nothing_changes_and_another_result_needs_a_correction(day: Run, done: RunSettlement) -> None:
    books, _ = book(done)
    head = books.head
    assert book(settle_run(day, UNCOORDINATED), books)[1] == 0
    assert books.head == head
    quarterly = settle_run(day, UNCOORDINATED, by="quarter")
    with pytest.raises(BooksRefused, match=r"payments that this settlement does not have|booked with another content"):
        book(quarterly, books)
    assert books.head == head
    book(quarterly, books, correct=True)
    assert books.verify() == len(books) > len(done.postings) + len(quarterly.postings)
    assert {k: v for k, v in books.balances().items() if v} == {
        k: v for k, v in book(quarterly)[0].balances().items() if v
    }


def test_by_the_quarter_hour_or_by_the_day_everybody_pays_the_same_for_energy(day: Run, done: RunSettlement) -> None:
    """Splits are made per group and may differ; prices times meters may not."""

    def paid(one: RunSettlement, account: str) -> Decimal:
        of = (e.payment for e in book(one)[0].entries(account))
        return sum((p.amount_eur for p in of if p.what not in {"share", "operator", "penalty_shared"}), Decimal(0))

    quarterly = settle_run(day, UNCOORDINATED, by="quarter")
    for owner in a_run.OWNERS[:3]:
        assert paid(quarterly, owner.id) == paid(done, owner.id)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda o: replace(o, portfolio=()), "the scenario has no such portfolio"),
        (lambda o: replace(o, portfolio=(*o.portfolio, o.portfolio[0])), "found 2 contracts of this id"),
        (lambda o: replace(o, owner=o.owner[:3]), "its operator operator is unknown"),
        (lambda o: replace(o, owner=(*o.owner, Owner("market"))), "market: found an owner or portfolio of this id"),
    ],
)
def test_a_run_whose_contracts_contradict_is_refused(day: Run, change: Any, words: str) -> None:
    case = day.scenario
    if change(case.ownership).portfolio == ():
        gone = np.full(len(case.device_id), -1)
        case = replace(case, ownership=replace(case.ownership, device_contract=gone))
    wrong = load_run(day.path, replace(case, ownership=change(case.ownership)))
    with pytest.raises(SettlementRefused, match=words):
        settle_run(wrong, UNCOORDINATED)


def test_a_delivery_of_other_hours_than_the_runs_is_refused(day: Run, tmp_path: Path) -> None:
    shutil.copytree(day.path, tmp_path / "run")
    write_delivery(tmp_path / "run", replace(a_pool.quiet(), contract=read_deliveries(day.path)[0].contract))
    with pytest.raises(SettlementRefused, match="expected the run's 96 from 2016-05-26"):
        settle_run(load_run(tmp_path / "run", day.scenario), UNCOORDINATED)


def test_a_delivery_that_its_meters_do_not_confirm_is_refused(day: Run, tmp_path: Path) -> None:
    shutil.copytree(day.path, tmp_path / "run")
    (said,) = read_deliveries(day.path)
    flattered = said.metered_kw.copy()
    flattered[1] -= 1.0
    write_delivery(tmp_path / "run", replace(said, metered_kw=flattered), strategy=UNCOORDINATED)
    with pytest.raises(SettlementRefused, match=r"of =HYPERLINK\(1\): found a delivery that is 24.000 kWh off"):
        settle_run(load_run(tmp_path / "run", day.scenario), UNCOORDINATED)


def test_the_commands_settle_and_write_statements(day: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # the commands load the shipped scenario, which names no owners: every cell is one
    run = str(without_portfolio(day, tmp_path))
    assert cli.main(["settle", run]) == 0
    said = capsys.readouterr().out
    assert "apart by 0.0000 %" in said
    assert said.rstrip().splitlines()[-1].split() == ["sum", "0.00"]
    assert cli.main(["settle", run, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["new"] == 0
    assert sum(Decimal(eur) for eur in told["balances_eur"].values()) == 0
    assert cli.main(["settle", run, "--by", "quarter"]) == 2
    assert "add --correct" in capsys.readouterr().err
    assert cli.main(["statement", run, "--owner", "LV3.304"]) == 0
    assert sorted(p.suffix for p in (tmp_path / "run" / "statements").iterdir()) == [".csv", ".html"]
    assert cli.main(["statement", run, "--owner", "nobody"]) == 2
    assert "found no account nobody" in capsys.readouterr().err
    assert cli.main(["settle", run, "--strategy", "central"]) == 2
    assert "found no strategy central" in capsys.readouterr().err

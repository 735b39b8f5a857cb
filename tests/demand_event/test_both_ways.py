"""An event in a village, by orders and by price: who may be asked, what comes, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from small_scenario import START, scenario

from archipel.cli.main import main
from archipel.model import ArchipelError, Contract, IslandRules, Owner, Ownership, Portfolio, Scenario
from archipel.report.event_page import event_page
from archipel.report.event_page_figures import DAYS, figures, results, text
from archipel.strategies.demand_event import LEAD_H, DemandEvent, demand_event
from archipel.strategies.event_asked import EventImpossible, asked_devices
from archipel.vpp.event import Event

AT = START + timedelta(days=2, hours=17)
KINDS = ("battery", "ev_charger", "heat_pump", "sheddable")


def village() -> Scenario:
    """Three houses whose batteries differ: else all of them answer the same price at once, or none."""
    made = scenario(pv_kw=20.0)
    wear = np.array([0.01, 0.03, 0.06])
    fleets = tuple(replace(f, wear_eur_per_kwh=wear) if f.kind == "battery" else f for f in made.fleets)  # type: ignore[type-var]
    return replace(made, fleets=fleets)


def owned(case: Scenario, products: tuple[str, ...] = ("event",), kind: str = "heat_pump", **more: object) -> Scenario:
    """Devices of one kind under a contract, everything else under none."""
    contract = Contract("warm", "homes", "pool", products, **more)  # type: ignore[arg-type]
    heat = np.array(case.device_kind) == kind
    return replace(
        case,
        ownership=Ownership(
            owner=(Owner("homes"), Owner("pool")),
            cell_owner=np.zeros(3, dtype=np.int64),
            device_owner=np.zeros(len(heat), dtype=np.int64),
            portfolio=(Portfolio("pool", "Pool", "pool", "pro_rata", (contract,)),),
            device_contract=np.where(heat, 0, -1),
        ),
    )


@pytest.fixture(scope="module")
def done() -> DemandEvent:
    return demand_event(village(), AT, 1.0, reduction_kw=8.0)


def test_the_centre_delivers_what_was_asked_in_every_quarter_hour(done: DemandEvent) -> None:
    assert done.central.came.delivered_share > 0.99
    assert done.most_kw > 8.0


def test_a_price_brings_most_of_it_without_ordering_anybody(done: DemandEvent) -> None:
    assert done.price.came.delivered_share > 0.75
    assert (done.price_eur_per_kwh > 0.0).all()
    assert done.searches[0].at == AT - timedelta(hours=1)
    held = done.searches[-1].rounds[-1].price_eur_per_kwh
    assert done.price_eur_per_kwh[-1] == held


def test_nobody_acts_before_the_announcement(done: DemandEvent) -> None:
    for way in done.ways:
        assert way.none.p_kw.shape == way.asked.p_kw.shape
        np.testing.assert_array_equal(way.none.p_kw[:, : 4 * LEAD_H], way.asked.p_kw[:, : 4 * LEAD_H])


def test_what_was_not_drawn_comes_back(done: DemandEvent) -> None:
    for way in done.ways:
        assert way.came.before_kwh + way.came.rebound_kwh > 0.5 * way.came.delivered_kwh


def test_nobody_goes_without_for_an_event_that_can_be_held(done: DemandEvent) -> None:
    for way in done.ways:
        assert way.asked.ev_unserved_kwh.sum() <= way.none.ev_unserved_kwh.sum() + 1e-6
        assert way.asked.comfort_missed_k_h.sum() <= way.none.comfort_missed_k_h.sum() + 1e-6
        assert way.asked.unserved_kwh.sum() == way.none.unserved_kwh.sum() == 0.0


def test_all_days_begin_from_the_same_states(done: DemandEvent) -> None:
    stored = {result.stored_kwh[0] for result in results(done)}
    assert len(stored) == 1


def test_the_figures_are_json_and_the_table_fits_a_hundred_columns(done: DemandEvent) -> None:
    found = json.loads(json.dumps(figures(done), allow_nan=False))
    assert tuple(found["days"]) == DAYS
    assert found["asked_devices"] == dict.fromkeys(KINDS, 3)
    price = found["ways"]["price"]
    assert price["paid_eur"] == pytest.approx(done.price_eur_per_kwh.mean() * price["delivered_kwh"], rel=0.2)
    assert max(len(line) for line in text(found).splitlines()) <= 100


def test_the_page_shows_both_ways_and_escapes_names(done: DemandEvent) -> None:
    named = replace(done, scenario=replace(done.scenario, name="<b>village</b>"))
    page = event_page(named)
    assert "Central dispatch" in page
    assert "Price to the cells" in page
    assert page.count("<svg") == 7
    assert "<b>village" not in page


def test_without_owners_all_that_can_draw_less_is_asked() -> None:
    case = village()
    asked = asked_devices(case, Event(AT, 1.0, AT, 1.0))
    assert set(np.array(case.device_kind)[asked]) == set(KINDS)
    assert asked.sum() == 12


def test_with_owners_only_devices_under_a_contract_for_events_are_asked() -> None:
    case = owned(village())
    asked = asked_devices(case, Event(AT, 1.0, AT, 1.0))
    assert set(np.array(case.device_kind)[asked]) == {"heat_pump"}


@pytest.mark.parametrize(
    ("contract", "why"),
    [
        ({"products": ("energy",)}, "warm does not serve events"),
        ({"away": ((AT - timedelta(hours=5), AT + timedelta(minutes=30)),)}, "the owner of warm is away"),
        ({"notice_s": 7200.0}, "warm wants 7200 s of notice"),
    ],
)
def test_nobody_to_ask_is_said_with_the_reason(contract: dict[str, object], why: str) -> None:
    with pytest.raises(EventImpossible, match=why):
        demand_event(owned(village(), **contract), AT)  # type: ignore[arg-type]


def test_more_than_can_be_held_is_refused_with_what_can() -> None:
    with pytest.raises(EventImpossible, match=r"found a reduction of 500 kW; expected at most \d+ kW"):
        demand_event(owned(village()), AT, 1.0, reduction_kw=500.0)


def test_asked_devices_answer_the_price_and_others_do_not_undo_it() -> None:
    case = owned(village(), kind="battery")
    done = demand_event(case, AT, 1.0, reduction_kw=5.0, price_eur_per_kwh=0.2)
    batteries = np.array(case.device_kind) == "battery"
    less = (done.price.none.p_kw - done.price.asked.p_kw)[:, 12:16].mean(axis=1)
    assert less[batteries].sum() > 5.0
    # at one price all day vehicles of the same houses would charge when batteries give
    assert np.abs(less[~batteries]).sum() < 0.1
    assert done.price.came.at_connection_kwh > 0.9 * done.price.came.delivered_kwh
    assert done.central.came.at_connection_kwh > 0.9 * done.central.came.delivered_kwh
    (search,) = done.searches
    assert [told.price_eur_per_kwh for told in search.rounds] == [0.2]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"start": AT.replace(tzinfo=None)}, "time without zone"),
        ({"start": AT + timedelta(minutes=5)}, "whole quarter hour"),
        ({"start": START + timedelta(hours=20)}, "outside the series"),
        ({"start": START + timedelta(days=3, hours=20)}, "outside the series"),
        ({"hours": 13.0}, "12 h"),
        ({"hours": 0.3}, "quarter hours"),
        ({"notice_h": -1}, "notice of -1 h"),
        ({"reduction_kw": -3.0}, "reduction of -3 kW"),
        ({"price_eur_per_kwh": 0.0}, "price of 0 EUR/kWh"),
    ],
)
def test_what_cannot_be_is_refused_in_words(change: dict[str, object], found: str) -> None:
    with pytest.raises(ArchipelError, match=found):
        demand_event(village(), **{"start": AT, **change})  # type: ignore[arg-type]


def test_an_area_without_a_main_grid_has_nobody_who_asks() -> None:
    with pytest.raises(ArchipelError, match="no main grid"):
        demand_event(replace(village(), island=IslandRules(off_grid=True)), AT)


def test_an_area_that_cannot_draw_less_is_told_so() -> None:
    with pytest.raises(EventImpossible, match="Add some to the scenario"):
        demand_event(scenario(only=("load", "pv")), AT)


def test_the_command_leaves_a_page_and_figures_and_tells_what_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], done: DemandEvent
) -> None:
    monkeypatch.setattr("archipel.formats.scenario.load_scenario", lambda _: village())
    monkeypatch.setattr("archipel.strategies.demand_event.demand_event", lambda *_args, **_more: done)
    words = ["event", "village", "--runs", str(tmp_path), "--quiet", "--json"]
    code = main(words)
    shares = [way.came.delivered_share for way in done.ways]
    assert code == (0 if min(shares) >= 0.9 else 1)
    found = json.loads(capsys.readouterr().out)
    assert main(words) == code
    folders = sorted(folder.name for folder in tmp_path.iterdir())
    assert folders == ["event-village-20160610T1700", "event-village-20160610T1700-2"]
    assert json.loads((tmp_path / folders[0] / "event.json").read_text("utf-8")) == found
    assert (tmp_path / folders[0] / "event.html").stat().st_size > 10_000
    assert main([*words, "--at", "soon"]) == 2
    assert "--at: found 'soon'" in capsys.readouterr().err

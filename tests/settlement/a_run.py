"""A real day of `district`, run once, with three owners and two portfolios made up on top of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from pathlib import Path

import numpy as np

import archipel
from archipel.market.tariff import settled
from archipel.model import PRODUCTS, Contract, Delivery, Owner, Ownership, Portfolio, Scenario
from archipel.report.deliveries import write_delivery
from archipel.report.run import Run, load_run

OWNERS = (
    Owner("anna", "Anna Muster"),
    Owner("=HYPERLINK(1)", "=cmd|'/C calc'!A0"),
    Owner("<b>carl</b>", "<script>alert('Carl')</script> & Sons"),
    Owner("operator", "Pool operator"),
)
FLEXIBLE = ("battery", "ev_charger", "heat_pump")
TERMS = {"share": 0.8, "penalty_eur_per_kwh": 0.2, "fee_eur_per_kw_year": 30.0, "notice_s": 300.0}


def owned(case: Scenario, split: str = "shapley") -> Scenario:
    """The first three owners have every third cell each; their batteries, chargers and heat pumps are in a pool."""
    kind = np.array(case.device_kind)
    owner = case.device_cell % 3
    contracts = tuple(
        Contract(f"contract of {one.id}", one.id, "pool", PRODUCTS, kinds=FLEXIBLE, **TERMS)  # type: ignore[arg-type]
        for one in OWNERS[:3]
    )
    pool = Portfolio("pool", "Flexible homes", "operator", split, contracts)  # type: ignore[arg-type]
    return replace(
        case,
        ownership=Ownership(
            owner=OWNERS,
            cell_owner=np.arange(len(case.archipelago.cell)) % 3,
            device_owner=owner,
            portfolio=(pool,),
            device_contract=np.where(np.isin(kind, FLEXIBLE), owner, -1),
        ),
    )


def delivered(run: Run, case: Scenario, strategy: str, seed: int = 1) -> Delivery:
    """What the pool is said to have asked so that its members drew what the run metered."""
    rng = np.random.default_rng(seed)
    power = settled(run.array("devices", "p_kw", strategy).astype(np.float64), run.dt_h(strategy))
    metered = np.array([power[case.ownership.device_contract == k].sum(axis=0) for k in range(3)])
    price = settled(run.array("area", "price_eur_per_kwh", strategy)[0], run.dt_h(strategy))
    quarters = metered.shape[1]
    hour = np.arange(quarters) / 4.0
    busy = (hour > 6) & (hour < 9) | (hour > 17) & (hour < 21)
    # dear hours: members draw less than they would have; the second gives a third of what it was asked for
    change = np.where(busy, -1.0, np.where(hour < 5, 0.5, 0.0)) * np.array([[12.0], [9.0], [20.0]])
    kept = np.array([[1.0], [0.33], [1.0]]) + rng.normal(0.0, 0.02, metered.shape)
    baseline = metered - change * kept
    asked = np.where(change != 0.0, baseline + change, np.nan)
    called = np.where((np.arange(quarters) % 16 == 5) & ~busy, 1.0, 0.0) * np.array([[-2.0], [-1.0], [-3.0]])
    asked = np.where(called != 0.0, baseline + np.where(np.isfinite(asked), change, 0.0) + called, asked)
    one = np.ones(quarters)
    plan = np.where(np.isfinite(asked), asked, baseline) - called
    cut = np.where((hour >= 18) & (hour < 20), -change, 0.0)
    return Delivery(
        portfolio="pool", contract=tuple(c.id for c in case.ownership.contracts),
        start=run.time(strategy)[0].astype("datetime64[us]").item().replace(tzinfo=UTC),
        price_eur_per_kwh=price, imbalance_price_eur_per_kwh=price + 0.02,
        bought_kw=plan.sum(axis=0) + rng.normal(0.0, 1.0, quarters), baseline_kw=baseline, asked_kw=asked,
        metered_kw=metered, fcr_kw=0.0 * metered, fcr_price_eur_per_kw_h=0.01 * one,
        afrr_up_kw=np.abs(called).max(axis=1, keepdims=True) * np.ones(quarters), afrr_down_kw=0.0 * metered,
        afrr_up_price_eur_per_kw_h=0.012 * one, afrr_down_price_eur_per_kw_h=0.008 * one, afrr_energy_kw=called,
        afrr_energy_price_eur_per_kwh=0.11 * one, cut_kw=cut, event_price_eur_per_kwh=0.25 * one,
    )  # fmt: skip


def a_day(folder: Path) -> Run:
    """A day of `district` on the rules of its devices, with what its pool delivered."""
    case = owned(archipel.scenario("district"))
    plain = archipel.run(case, ["uncoordinated"], runs=folder)
    write_delivery(plain.path, delivered(plain, case, "uncoordinated"), strategy="uncoordinated")
    return load_run(plain.path, case)

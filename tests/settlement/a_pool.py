"""Portfolios and deliveries made up for tests; every number is drawn from a seed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from archipel.model import PRODUCTS, Contract, Delivery, Portfolio

START = datetime(2016, 1, 11, tzinfo=UTC)


def portfolio(members: int = 3, split: Any = "pro_rata", **of_contract: Any) -> Portfolio:
    contracts = tuple(
        Contract(f"contract {k}", f"owner {k}", "pool", PRODUCTS, **{"penalty_eur_per_kwh": 0.5, **of_contract})
        for k in range(members)
    )
    return Portfolio("pool", "The pool", "operator", split, contracts)


def quiet(members: int = 3, quarters: int = 96, start: datetime = START) -> Delivery:
    """Nothing was asked, all drew 10 kW, which were bought; 0.05 EUR/kWh."""
    one, each = np.ones(quarters), np.ones((members, quarters))
    return Delivery(
        portfolio="pool", contract=tuple(f"contract {k}" for k in range(members)), start=start,
        price_eur_per_kwh=0.05 * one, imbalance_price_eur_per_kwh=0.08 * one, bought_kw=10.0 * members * one,
        baseline_kw=10.0 * each, asked_kw=np.nan * each, metered_kw=10.0 * each, fcr_kw=0.0 * each,
        fcr_price_eur_per_kw_h=0.01 * one, afrr_up_kw=0.0 * each, afrr_down_kw=0.0 * each,
        afrr_up_price_eur_per_kw_h=0.02 * one, afrr_down_price_eur_per_kw_h=0.015 * one, afrr_energy_kw=0.0 * each,
        afrr_energy_price_eur_per_kwh=0.1 * one, cut_kw=0.0 * each, event_price_eur_per_kwh=0.3 * one,
    )  # fmt: skip


def busy(members: int = 3, quarters: int = 96, seed: int = 0, start: datetime = START) -> Delivery:
    """Everything at once: shifting, power kept and called, events, deviations, prices of either sign."""
    rng = np.random.default_rng(seed)
    shape = (members, quarters)
    baseline = rng.normal(5.0, 10.0, shape)
    asked = np.where(rng.random(shape) < 0.5, baseline + rng.normal(0.0, 4.0, shape), np.nan)
    called = np.where(rng.random(quarters) < 0.3, rng.normal(0.0, 3.0, quarters), 0.0) * rng.random((members, 1))
    cut = np.where(rng.random(quarters) < 0.1, rng.random(shape) * 3.0, 0.0)
    plan = np.where(np.isfinite(asked), asked, baseline - cut + called)
    return Delivery(
        portfolio="pool", contract=tuple(f"contract {k}" for k in range(members)), start=start,
        price_eur_per_kwh=rng.normal(0.04, 0.05, quarters), imbalance_price_eur_per_kwh=rng.normal(0.04, 0.1, quarters),
        bought_kw=plan.sum(axis=0) + rng.normal(0.0, 2.0, quarters), baseline_kw=baseline, asked_kw=asked,
        metered_kw=plan + rng.normal(0.0, 1.0, shape), fcr_kw=rng.random(shape),
        fcr_price_eur_per_kw_h=rng.random(quarters) * 0.02, afrr_up_kw=rng.random(shape) * 3.0,
        afrr_down_kw=rng.random(shape), afrr_up_price_eur_per_kw_h=rng.random(quarters) * 0.02,
        afrr_down_price_eur_per_kw_h=rng.random(quarters) * 0.01, afrr_energy_kw=called,
        afrr_energy_price_eur_per_kwh=rng.normal(0.1, 0.05, quarters), cut_kw=cut,
        event_price_eur_per_kwh=rng.random(quarters),
    )  # fmt: skip

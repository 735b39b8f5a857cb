"""Wind, V2G, hydro, buildings and appliances under all four strategies, and in every list that names kinds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from small_town import KINDS, START, town

from archipel.devices import KINDS as ALL
from archipel.model.kinds import BY_VOLTAGE, END_USE, RENEWABLE
from archipel.report.html import MANY
from archipel.report.kpis import kpis
from archipel.report.tally import tally
from archipel.strategies.alone import Alone
from archipel.strategies.central import Central
from archipel.strategies.distributed import Distributed
from archipel.strategies.uncoordinated import Uncoordinated
from archipel.twin import run
from archipel.web.area_of import nameplates
from archipel.web.explain import LOCAL_RULE

MONEY = 2e-5
"""Share of a day's cost that plans of different solvers may differ by."""


def four(kind: str, *, hours_later: int, steps: int, replan: int, **limits: float) -> dict[str, dict[str, Any]]:
    """Figures of every strategy, and the power of the devices of that kind under `devices`."""
    case = town(kind, steps=replan, **limits)
    out = {}
    for name, strategy in (
        ("uncoordinated", Uncoordinated(case)),
        ("alone", Alone(case)),
        ("distributed", Distributed(case, workers=1, gaps=False)),
        ("central", Central(case)),
    ):
        try:
            result = run(case, strategy, start=START + timedelta(hours=hours_later), steps=steps)
        finally:
            if isinstance(strategy, Distributed):
                strategy.close()
        own = np.array(case.device_kind) == kind
        out[name] = kpis(case, result) | {"devices": result.p_kw[own].astype(float), "tally": tally(case, result)}
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_with_every_kind_is_no_dearer_agreed_than_alone_and_as_cheap_as_the_central_one(kind: str) -> None:
    strategy = Distributed(town(kind), workers=1, gaps=True)
    try:
        (gap,) = run(town(kind), strategy, start=START, steps=1).gaps
    finally:
        strategy.close()
    gross = gap["gross_eur"]
    assert gap["distributed"] <= gap["alone"] + gap["alone_limits_eur"] + MONEY * gross
    assert -1e-6 <= (gap["distributed"] - gap["central"]) / gross <= 2e-4


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_runs_under_all_four_strategies(kind: str) -> None:
    found = four(kind, hours_later=16, steps=6, replan=6)
    for figures in found.values():
        assert figures["voltage_violation_node_h"] == figures["branch_overload_h"] == 0.0
        assert figures["unserved_kwh"] == 0.0
        assert np.isfinite(figures["cost_eur"])
    assert max(np.abs(figures["devices"]).max() for figures in found.values()) > 1.0
    agreed = found["distributed"]["devices"]
    assert np.abs(agreed - found["central"]["devices"]).max() <= 0.5, "the same plan, found in two ways"
    if kind != "wind":  # which has nothing to choose while nothing is congested
        assert np.abs(agreed - found["uncoordinated"]["devices"]).max() > 1.0


def test_wind_is_cut_to_what_the_connection_bears_when_cells_agree() -> None:
    found = four("wind", hours_later=0, steps=4, replan=4, load_share=0.1, export_kw_max=20.0)
    assert found["uncoordinated"]["connection_violation_h"] > 0.0
    assert found["distributed"]["connection_violation_h"] == 0.0
    assert found["distributed"]["curtailed_kwh"] > 1.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_day_of_every_kind_is_no_dearer_agreed_than_alone(kind: str) -> None:
    found = four(kind, hours_later=0, steps=96, replan=8)
    cost = {name: figures["cost_eur"] for name, figures in found.items()}
    assert cost["distributed"] <= cost["alone"] + MONEY * cost["alone"]
    assert cost["distributed"] <= cost["uncoordinated"] + MONEY * cost["uncoordinated"]
    served = ("unserved_kwh", "ev_unserved_kwh", "comfort_missed_k_h")
    assert all(found["distributed"][name] <= found["uncoordinated"][name] + 0.05 for name in served)


@pytest.mark.parametrize("kind", ALL)
def test_every_kind_of_device_has_its_place_in_every_list(kind: str) -> None:
    assert kind in MANY, "the report says how many there are"
    assert kind in LOCAL_RULE, "the operator's page says why it does what it does"
    assert kind in {*END_USE, *RENEWABLE, *BY_VOLTAGE, "battery", "soft_open_point"}, (
        "its power is somewhere in the sums"
    )


def test_nameplates_tell_what_every_new_kind_can_draw_give_and_hold() -> None:
    case = town(*KINDS)
    low, high, energy = nameplates(case)
    kind = np.array(case.device_kind)
    told = {name: (low[kind == name][0], high[kind == name][0], energy[kind == name][0]) for name in KINDS}
    assert told["wind"][:2] == (-40.0, 0.0)
    assert told["v2g"] == (-11.0, 11.0, 60.0)
    assert told["hydro"][:2] == (-30.0, 0.0)
    assert told["hydro"][2] == pytest.approx(9.81 * 12 * 0.85 * 3000 / 3600)
    assert told["building"][:2] == (0.0, 8.0)
    assert told["appliance"][:2] == (0.0, 6.0)

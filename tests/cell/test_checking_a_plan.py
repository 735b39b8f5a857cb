from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from stands import stand

from archipel.cell.check import excess, what_gave
from archipel.cell.linear import SOON_STEPS, Memory


def test_excess_is_the_largest_amount_beyond_a_limit_soon_and_later() -> None:
    s = stand(2, pv_kw=140.0)
    memory = Memory()
    soon, later = excess(s.site, s.what.horizon, s.point.flow, memory)
    first = s.what.horizon.first < SOON_STEPS
    v, load = np.abs(s.point.flow.v), s.point.flow.loading
    for found, when in ((soon, first), (later, ~first)):
        assert found.loading == pytest.approx(load[:, when].max() - 1.0)
        high, low = v - s.site.v_pu_max[:, None], s.site.v_pu_min[:, None] - v
        assert found.v_pu == pytest.approx(max(high[:, when].max(), low[:, when].max()))
        assert found.connection == -1.0
    assert soon.loading > 0.0
    assert int(np.argmax(load[:, 0])) in memory.branch


def test_a_state_within_its_limits_has_room_left_and_nothing_to_remember() -> None:
    s = stand(2, pv_kw=1.0, v=1.0)
    memory = Memory()
    for found in excess(s.site, s.what.horizon, s.point.flow, memory):
        assert (found.array() < 0.0).all()
    assert not memory.high
    assert not memory.low
    assert not memory.branch


@pytest.mark.parametrize(("p_kw", "over"), [(220.0, 0.1), (-300.0, 1.0), (100.0, -0.5)])
def test_excess_at_the_connection_is_a_share_of_its_firm_limit(p_kw: float, over: float) -> None:
    s = stand(0)
    flow = replace(s.point.flow, p_b_kw=np.full(len(s.what.horizon), p_kw))
    soon, later = excess(s.site, s.what.horizon, flow, Memory())
    assert soon.connection == later.connection == pytest.approx(over)


def test_low_voltage_counts_as_much_as_high_voltage() -> None:
    s = stand(2, pv_kw=1.0, v=0.9)
    memory = Memory()
    soon, _ = excess(s.site, s.what.horizon, s.point.flow, memory)
    assert soon.v_pu == pytest.approx((s.site.v_pu_min[:, None] - np.abs(s.point.flow.v))[:, :SOON_STEPS].max())
    assert soon.v_pu > 0.0
    assert memory.low
    assert not memory.high


def test_what_gave_says_what_which_and_how_much() -> None:
    s = stand(2, pv_kw=140.0)
    block = s.block()
    y = block.hinges.bound.copy()
    loading = next(r for r, (name, _) in enumerate(block.hinges.label) if name == "loading")
    fee = next(r for r, (name, _) in enumerate(block.hinges.label) if name.startswith("fee"))
    y[loading] += 0.07 / block.hinges.scale[loading]
    y[fee] += 50.0
    inside = np.clip(block.store_lo, None, block.store_hi)
    inside = np.where(np.isfinite(inside), inside, 0.0)
    assert what_gave(block, y, inside) == [f"loading {block.hinges.label[loading][1]}: 0.07 beyond"]
    assert what_gave(block, block.hinges.bound, inside) == []


def test_what_gave_names_the_device_whose_energy_is_missing_and_its_price() -> None:
    block = stand(2).block()
    e = np.where(np.isfinite(block.store_lo), block.store_lo, 0.0)
    names = [block.columns[g].device[k] for g, k, _ in block.where[: len(block.gain)]]
    store = next(k for k in range(len(e)) if names[int(block.store_first[k])].startswith("ev"))
    e[store, -1] = block.store_lo[store, -1] - 1.25
    said = what_gave(block, block.hinges.bound, e)
    price = f"{block.store_price[store, 0]:.3g} EUR per unit"
    assert said == [f"energy of {names[int(block.store_first[store])]}: 1.25 missing at {price}"]

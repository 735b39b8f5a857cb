"""The world is the twin: the same orders give the same powers, whether they come as arrays or over Modbus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hamlet import START, loaded, standing

from archipel.drivers import Endpoint, MappedDevice, SunSpecDevice, parse
from archipel.drivers.base import Driver, Status
from archipel.farm import Farm, Fault
from archipel.local.physics import Physics
from archipel.model import Floats, Scenario
from archipel.twin import Decision
from archipel.twin.base import Truth
from archipel.twin.outside import Outside
from archipel.twin.plant import Happened, Plant
from archipel.twin.record import Meters

ORDERS = {
    "sgen/0": (-8.0, 3.0),
    "sgen/1": (-33.0, np.nan),
    "wind/0": (-12.0, np.nan),
    "storage/0": (2.5, np.nan),
    "ev/0": (7.0, np.nan),
    "hp/0": (0.9, np.nan),
    "shed/0": (0.3, np.nan),
}
Story = Callable[[Scenario, Farm, Physics, dict[str, str]], Awaitable[None]]


def told(folder: Path, story: Story, **how: Any) -> None:
    """Tell a story in a hamlet, for at most half a minute."""

    async def whole() -> None:
        scenario = loaded(folder / "scenario", **how)
        farm, physics, at = await standing(scenario)
        try:
            async with asyncio.timeout(30):
                await story(scenario, farm, physics, at)
        finally:
            await farm.stop()

    asyncio.run(whole())


def quarter(physics: Physics, part_s: float = 60.0) -> tuple[Floats, Happened]:
    """Mean powers of a quarter hour, and its last part."""
    total: Floats = np.zeros(len(physics.scenario.device_node))
    for _ in range(round(900 / part_s)):
        happened = physics.step(part_s)
        total = total + happened.p_kw * part_s / 900.0
    return total, happened


def twin(scenario: Scenario, decision: Decision, parts: int, quarters: int = 1) -> tuple[Floats, Happened]:
    """The same in the twin's plant, in equal parts; the last of so many quarter hours."""
    first = scenario.profiles.row(START)
    plant, outside = Plant(scenario, Truth(), first), Outside(scenario.profiles, 15, 0.0, scenario.seed)
    for number in range(quarters):
        weather = outside.weather(first + number, 0)
        happened = [plant.step(weather, decision, 0.25 / parts) for _ in range(parts)]
    return np.asarray(np.mean([one.p_kw for one in happened], axis=0)), happened[-1]


def ordered(scenario: Scenario) -> Decision:
    free = Decision.free(len(scenario.device_node), 0)
    p, q = free.p_kw.copy(), free.q_kvar.copy()
    for name, (p_kw, q_kvar) in ORDERS.items():
        i = scenario.device_id.index(name)
        p[i], q[i] = p_kw, q_kvar
    return replace(free, p_kw=p, q_kvar=q)


def driver(address: str, *, mapped: bool = False, seconds: list[float] | None = None) -> Driver:
    host, port, unit = parse(address)
    clock = (lambda: seconds[0]) if seconds is not None else (lambda: 0.0)
    kind = MappedDevice if mapped else SunSpecDevice
    return kind(Endpoint(host, port, unit, timeout_s=2.0), writable=True, clock=clock)


async def order_all(at: dict[str, str], *, lease_s: float) -> None:
    """Give every device its order, as a cell does."""
    seconds = [0.0]
    for name, (p_kw, q_kvar) in ORDERS.items():
        mapped = name.split("/")[0] in {"ev", "hp", "shed"}
        one = driver(at[name], mapped=mapped, seconds=seconds)
        await one.connect()
        power = {"p_kw" if name in {"storage/0", "hp/0"} else "p_limit_kw": p_kw}
        wish = power if np.isnan(q_kvar) else {**power, "q_kvar": q_kvar}
        for _ in range(3):  # one request a second and device
            seconds[0] += 1.1
            done = await one.write_setpoint(**wish, lease_s=lease_s)
        assert done.status is Status.WRITTEN, name
        await one.close()


def test_without_orders_every_device_follows_the_twins_rule(tmp_path: Path) -> None:
    async def story(scenario: Scenario, farm: Farm, physics: Physics, at: dict[str, str]) -> None:
        del farm, at
        free = Decision.free(len(scenario.device_node), 0)
        found, last = quarter(physics)
        expected, end = twin(scenario, free, parts=15)
        assert found == pytest.approx(expected, abs=1e-3)
        assert last.q_kvar == pytest.approx(end.q_kvar, abs=0.05)
        assert abs(expected).min() > 0.0 or "hp/0" in scenario.device_id, "all of them do something"

    told(tmp_path, story)


def test_orders_over_modbus_are_the_same_quarter_hour_as_in_the_twin(tmp_path: Path) -> None:
    async def story(scenario: Scenario, farm: Farm, physics: Physics, at: dict[str, str]) -> None:
        await order_all(at, lease_s=3600)
        found, last = quarter(physics, part_s=15.0)
        expected, end = twin(scenario, ordered(scenario), parts=1)
        assert found == pytest.approx(expected, abs=0.1)
        assert last.flow.upstream_p_kw == pytest.approx(end.flow.upstream_p_kw, abs=0.1)
        assert last.q_kvar == pytest.approx(end.q_kvar, abs=0.1)
        assert farm.writes.total > len(ORDERS) - 1
        for name, (p_kw, _) in ORDERS.items():
            if name not in {"sgen/1"}:  # told to give all it can
                assert expected[scenario.device_id.index(name)] == pytest.approx(p_kw, abs=0.1), "it was really ordered"

    told(tmp_path, story)


def test_a_lease_that_lapses_returns_every_device_to_its_rule(tmp_path: Path) -> None:
    async def story(scenario: Scenario, farm: Farm, physics: Physics, at: dict[str, str]) -> None:
        await order_all(at, lease_s=300)
        _, free = twin(scenario, Decision.free(len(scenario.device_node), 0), parts=15)
        for _ in range(5):
            held = physics.step(50.0)
        for _ in range(3):
            lapsed = physics.step(50.0)
        for name, (p_kw, _) in ORDERS.items():
            i = scenario.device_id.index(name)
            if name != "sgen/1":  # was told to give all it can
                assert held.p_kw[i] == pytest.approx(p_kw, abs=0.1), name
                assert abs(free.p_kw[i] - p_kw) > 0.3, f"{name}: its rule is something else"
            if name != "hp/0":  # its thermostat has another past
                assert lapsed.p_kw[i] == pytest.approx(free.p_kw[i], abs=0.1), name
        assert farm.demand()["storage/0"].p_kw == pytest.approx(lapsed.p_kw[scenario.device_id.index("storage/0")])

    told(tmp_path, story)


@pytest.mark.parametrize("metered_at", ["upper", "lower"])
def test_both_cells_read_the_metered_end_of_their_tie(tmp_path: Path, metered_at: str) -> None:
    async def story(scenario: Scenario, farm: Farm, physics: Physics, at: dict[str, str]) -> None:
        del farm
        happened = physics.step(60.0)
        tie_p, _ = Meters(scenario).read(happened.flow)
        for number, tie in enumerate(scenario.archipelago.tie):
            expected = -tie_p[number, 0] if metered_at == "upper" else tie_p[number, 1]
            assert abs(tie_p[number].sum()) > (0.1 if tie.id == "trafo/0" else 0.001), "the ends differ by the losses"
            for cell in (tie.upper, tie.lower):
                meter = driver(at[f"meter/{tie.id}/{cell}"])
                await meter.connect()
                found = await meter.read()
                # the meter of the line, made for 10 MW, has steps of 1 kW
                assert found.p_kw == pytest.approx(expected, abs=0.006 if tie.id == "trafo/0" else 0.51)
                await meter.close()
        upstream = driver(at["meter/upstream"])
        await upstream.connect()
        assert (await upstream.read()).p_kw == pytest.approx(happened.flow.upstream_p_kw, abs=0.51)
        await upstream.close()

    told(tmp_path, story, metered_at=metered_at)


def test_registers_tell_what_the_plant_found(tmp_path: Path) -> None:
    async def story(scenario: Scenario, farm: Farm, physics: Physics, at: dict[str, str]) -> None:
        del farm
        for _ in range(2):
            happened = physics.step(60.0)
        for name in ("sgen/0", "wind/0", "storage/0", "ev/0", "shed/0", "hp/0"):
            i = scenario.device_id.index(name)
            one = driver(at[name], mapped=name.split("/")[0] in {"ev", "hp", "shed"})
            await one.connect()
            found = await one.read()
            assert found.p_kw == pytest.approx(happened.p_kw[i], abs=0.05), name
            assert found.v_pu == pytest.approx(happened.flow.v_pu[scenario.device_node[i]], abs=2e-3), name
            if name == "storage/0":
                battery = next(f for f in happened.delivered if np.isfinite(f.soc).any() and len(f.soc) == 1)
                assert found.soc == pytest.approx(battery.soc[0], abs=2e-3)
            if name == "ev/0":
                assert found.ends_in_s == pytest.approx(5 * 3600 - 120, abs=1.0)
                assert found.e_kwh_wanted is not None
                assert 0.0 < found.e_kwh_wanted < 40.0
            await one.close()

    told(tmp_path, story)


def test_a_device_that_ignores_its_order_follows_its_rule(tmp_path: Path) -> None:
    async def story(scenario: Scenario, farm: Farm, physics: Physics, at: dict[str, str]) -> None:
        await order_all(at, lease_s=3600)
        for name in ORDERS:
            farm.devices[name].fault = Fault(ignores_setpoints=True)
        found, _ = quarter(physics)
        expected, _ = twin(scenario, Decision.free(len(scenario.device_node), 0), parts=15)
        assert found == pytest.approx(expected, abs=0.1)

    told(tmp_path, story)


def test_a_part_may_not_cross_a_quarter_hour(tmp_path: Path) -> None:
    async def story(scenario: Scenario, farm: Farm, physics: Physics, at: dict[str, str]) -> None:
        del scenario, farm, at
        physics.step(890.0)
        with pytest.raises(ValueError, match="ends within it"):
            physics.step(20.0)

    told(tmp_path, story)


def test_an_inverter_that_trips_shows_it_and_tries_again(tmp_path: Path) -> None:
    async def story(scenario: Scenario, farm: Farm, physics: Physics, at: dict[str, str]) -> None:
        del at
        older = scenario.device_id.index("sgen/1")
        for _ in range(2):
            happened = physics.step(60.0)
        assert happened.tripped[older]
        assert farm.demand()["sgen/1"].p_kw == pytest.approx(0.0, abs=1e-9)
        physics.plant._trip = False
        happened = physics.step(60.0)
        assert happened.p_kw[older] < -20.0
        assert farm.demand()["sgen/1"].p_kw == pytest.approx(happened.p_kw[older], abs=0.01)

    told(tmp_path, story, source_v_pu=1.13)

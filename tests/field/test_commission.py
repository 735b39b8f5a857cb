"""Devices are tried, the cell signs what was found, and only what passed is armed."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from commissioning_rig import WALL, FarmTime, a_cell, battery, mapped, on_a_farm, panel

from archipel.farm import Farm, Fault, Inverter, Refusal
from archipel.field.cell_file import CellFile, write_cell_file
from archipel.field.commission import commission
from archipel.field.permission import FieldState, Mode, Tag
from archipel.field.report import JSON, MARKDOWN, check_report, write_report
from archipel.field.state import OperatorRefused
from archipel.model.register_map import Kind
from archipel.transport.identity import Authority

DEVICES = ("battery", "pv", "charger", "heat pump", "load", "switch")


def all_devices() -> list[Any]:
    return [
        battery(),
        panel(),
        mapped("charger", Kind.CHARGER, 11.0, p_kw_least=1.4),
        mapped("heat pump", Kind.HEAT_PUMP, 6.0, p_kw_least=1.5),
        mapped("load", Kind.SHEDDABLE_LOAD, 20.0),
        mapped("switch", Kind.SWITCH, 400.0),
    ]


async def tried(farm: Farm, file: CellFile, clock: FarmTime | None = None) -> dict[str, Any]:
    clock = clock or FarmTime(farm)
    farm.step(max(30.0, farm.now_s))
    body = await commission(file, FieldState(), wall=WALL, software="0.1", clock=clock)
    return {**body, "by": {row["id"]: row for row in body["devices"]}}


def test_healthy_devices_of_every_kind_pass_and_are_left_at_their_own_default(tmp_path: Path) -> None:
    async def story(farm: Farm, file: CellFile) -> None:
        farm.observe(available_kw={"pv": 25.0, "charger": 7.0, "heat pump": 3.0, "load": 15.0})
        farm.step(0.0)
        farm.step(30.0)
        before = farm.demand()
        found = (await tried(farm, file))["by"]
        assert {name: row["verdict"] for name, row in found.items()} == dict.fromkeys(DEVICES, "passed"), found
        farm.step(farm.now_s + 60)
        for name, demand in farm.demand().items():
            assert demand.p_kw == pytest.approx(before[name].p_kw, abs=0.1)
        assert farm.writes.count["switch"] == 0
        steps = found["battery"]["steps"]
        assert [step["target_kw"] for step in steps] == [5.0, -5.0]
        assert [step["reached_kw"] for step in steps] == pytest.approx([5.0, -5.0], abs=0.1)
        assert all(20 <= step["returned_after_s"] <= 24 for step in steps)
        assert found["pv"]["steps"][0]["target_kw"] == pytest.approx(-22.0, abs=0.1)
        assert found["charger"]["steps"][0]["settled_after_s"] <= 5

    on_a_farm(a_cell(tmp_path), all_devices(), story)


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        (Fault(reading="wrong sign"), "sign"),
        (Fault(reading="x1000"), "measurement"),
        (Fault(reading="missing"), "measurement"),
        (Fault(ignores_setpoints=True), "size"),
        (Fault(overshoot=1.5), "size"),
        (Fault(refuses_writes=Refusal.DEVICE_FAILURE), "refused"),
    ],
    ids=["wrong sign", "x1000", "missing", "ignores", "overshoots", "refuses"],
)
@pytest.mark.parametrize("name", ["pv", "charger"])
def test_a_faulty_device_fails_with_what_is_wrong(tmp_path: Path, name: str, fault: Fault, wrong: str) -> None:
    device = next(each for each in all_devices() if each.id == name)

    async def story(farm: Farm, file: CellFile) -> None:
        farm.observe(available_kw={"pv": 25.0} if name == "pv" else {})
        farm.step(0.0)
        farm.step(20.0)
        farm.devices[name].fault = fault
        row = (await tried(farm, file))["devices"][0]
        assert row["verdict"] == "failed", row
        assert wrong in row["why"]

    on_a_farm(a_cell(tmp_path), [device], story)


def test_a_battery_with_its_sign_turned_fails(tmp_path: Path) -> None:
    async def story(farm: Farm, file: CellFile) -> None:
        farm.devices["battery"].fault = Fault(reading="wrong sign")
        row = (await tried(farm, file))["devices"][0]
        assert row["verdict"] == "failed"
        assert "it went from 0 to -5 kW instead of 5" in row["why"]

    on_a_farm(a_cell(tmp_path), [battery()], story)


def test_a_device_whose_orders_never_lapse_fails(tmp_path: Path) -> None:
    async def story(farm: Farm, file: CellFile) -> None:
        clock = FarmTime(farm)
        device = farm.devices["battery"]
        assert isinstance(device, Inverter)

        def broken() -> None:
            for timer in device._timers:
                timer.left_s = None  # the order stays for ever

        clock.events = dict.fromkeys((40, 45), broken)
        row = (await tried(farm, file, clock))["devices"][0]
        assert row["verdict"] == "failed"
        assert "reversion" in row["why"]

    on_a_farm(a_cell(tmp_path), [battery()], story)


def test_what_cannot_be_tried_now_is_said_and_stays_unarmed(tmp_path: Path) -> None:
    async def story(farm: Farm, file: CellFile) -> None:
        farm.observe(available_kw={"pv": 0.0, "charger": 0.0})
        clock = FarmTime(farm)
        farm.step(30.0)
        farm.devices["mute"].fault = Fault(deaf=True)
        state = FieldState(tags={"tagged": Tag("tagged", "Ada", "people at work", WALL)})
        body = await commission(file, state, wall=WALL, software="0.1", clock=clock)
        assert {row["id"]: row["verdict"] for row in body["devices"]} == dict.fromkeys(
            ("pv", "charger", "mute", "tagged"), "not tested"
        )
        why = {row["id"]: row["why"] for row in body["devices"]}
        assert "gives only 0" in why["pv"]
        assert "draws only 0" in why["charger"]
        assert "people at work" in why["tagged"]
        assert farm.writes.count["tagged"] == 0
        write_report(file, body, WALL)
        assert check_report(file, WALL).passed == {}

    charger = mapped("charger", Kind.CHARGER, 11.0)
    on_a_farm(a_cell(tmp_path), [panel(), charger, battery("mute"), battery("tagged")], story)


def test_a_cloud_during_the_trial_is_no_fault_of_the_panel(tmp_path: Path) -> None:
    async def story(farm: Farm, file: CellFile) -> None:
        farm.observe(available_kw={"pv": 25.0})
        clock = FarmTime(farm)
        clock.events = {40: lambda: farm.observe(available_kw={"pv": 8.0})}
        row = (await tried(farm, file, clock))["devices"][0]
        assert (row["verdict"], "changed meanwhile" in row["why"]) == ("not tested", True), row

    on_a_farm(a_cell(tmp_path), [panel()], story)


def test_an_armed_cell_is_not_commissioned(tmp_path: Path) -> None:
    async def story(farm: Farm, file: CellFile) -> None:
        with pytest.raises(OperatorRefused, match="disarm"):
            await commission(
                file, FieldState(Mode.ARMED, {"battery": "x"}), wall=WALL, software="0.1", clock=FarmTime(farm)
            )
        assert farm.writes.total == 0

    on_a_farm(a_cell(tmp_path), [battery()], story)


@pytest.fixture
def reported(tmp_path: Path) -> CellFile:
    """A cell with a report of one battery."""
    kept = []

    async def story(farm: Farm, file: CellFile) -> None:
        body = await commission(file, FieldState(), wall=WALL, software="0.1", clock=FarmTime(farm))
        write_report(file, body, WALL)
        kept.append(file)

    on_a_farm(a_cell(tmp_path), [battery()], story)
    return kept[0]


def test_a_report_says_what_passed_and_can_be_read_by_people(reported: CellFile) -> None:
    report = check_report(reported, WALL + timedelta(days=1))
    assert list(report.passed) == ["battery"]
    assert "| battery | battery | passed | p_kw |" in (reported.folder / MARKDOWN).read_text()


def test_a_report_counts_for_ninety_days_also_when_the_keys_were_renewed(reported: CellFile) -> None:
    authority = Authority.load(reported.folder.parent / "authority")
    late = WALL + timedelta(days=89)
    authority.rotate(reported.certificates, late)
    assert check_report(reported, late).passed
    with pytest.raises(OperatorRefused, match="91 days old"):
        check_report(reported, WALL + timedelta(days=91))


def test_a_report_from_the_future_is_refused(reported: CellFile) -> None:
    body = json.loads((reported.folder / JSON).read_text())["report"]
    write_report(reported, {**body, "time": "2026-06-01T12:06:00.000000Z"}, WALL)
    with pytest.raises(OperatorRefused, match="at most 90 days"):
        check_report(reported, WALL)
    assert check_report(reported, WALL + timedelta(minutes=1)).passed


def test_a_report_whose_signer_is_revoked_is_refused(reported: CellFile) -> None:
    authority = Authority.load(reported.folder.parent / "authority")
    authority.revoke("north", WALL)
    (reported.certificates / "cell.pem").unlink()
    authority.issue("north", reported.certificates, WALL)
    with pytest.raises(OperatorRefused, match="revoked"):
        check_report(reported, WALL)


def test_a_report_with_any_figure_changed_is_refused(reported: CellFile) -> None:
    path = reported.folder / JSON
    whole = json.loads(path.read_text())
    for change in ("verdict", "reached_kw", "fingerprint"):
        forged = json.loads(path.read_text())
        row = forged["report"]["devices"][0]
        if change == "reached_kw":
            row["steps"][0][change] += 0.1
        else:
            row[change] = "passed " if change == "verdict" else "another"
        path.write_text(json.dumps(forged))
        with pytest.raises(OperatorRefused, match="wrong signature"):
            check_report(reported, WALL)
        path.write_text(json.dumps(whole))
    assert check_report(reported, WALL).passed


def test_a_report_of_another_cell_or_another_endpoint_is_refused(reported: CellFile, tmp_path: Path) -> None:
    authority = Authority.load(reported.folder.parent / "authority")
    other = a_cell(tmp_path, "south", authority)
    (other.folder / JSON).write_bytes((reported.folder / JSON).read_bytes())
    with pytest.raises(OperatorRefused, match="signature of north"):
        check_report(other, WALL)
    from dataclasses import replace

    moved = replace(reported, device=(replace(reported.device[0], endpoint="modbus://127.0.0.1:9/1"),))
    write_cell_file(moved)
    with pytest.raises(OperatorRefused, match=r"modbus://127.0.0.1:9/1 in cell.toml"):
        check_report(moved, WALL)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"report": 1}', b"\xff", b"[" * 100_000])
def test_a_report_that_is_none_is_refused(reported: CellFile, content: bytes) -> None:
    (reported.folder / JSON).write_bytes(content)
    with pytest.raises(OperatorRefused, match="no report"):
        check_report(reported, WALL)


def test_a_panel_in_weak_light_is_tried_with_half_of_what_it_gives(tmp_path: Path) -> None:
    async def story(farm: Farm, file: CellFile) -> None:
        farm.observe(available_kw={"pv": 2.0})
        row = (await tried(farm, file))["devices"][0]
        assert row["verdict"] == "passed", row
        assert row["steps"][0]["target_kw"] == pytest.approx(-1.0, abs=0.01)

    on_a_farm(a_cell(tmp_path), [panel()], story)

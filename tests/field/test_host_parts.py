"""The pieces of the field host: what states devices are in, letters as bytes, the status page."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from small_scenario import scenario

from archipel.cell.parts import cut
from archipel.controller.facts import Mail
from archipel.controller.outlook import outlook_of
from archipel.coordination.handshake import Acceptance
from archipel.coordination.message import Message
from archipel.drivers import Quality, Reading
from archipel.field.cell_file import ClockTable
from archipel.field.clock import CellClock
from archipel.field.estimate import Estimator
from archipel.field.mail import JournalOutbox, opened, post
from archipel.field.status import serve_status
from archipel.journal import Journal
from archipel.transport import Form, Pending

NOON = datetime(2016, 6, 8, 12, tzinfo=UTC)


def estimator() -> Estimator:
    case = scenario()
    parts = cut(case)
    made = Estimator(parts.sites[-1], outlook_of(case, "perfect", 4))
    made.start(NOON)
    return made


def reading(**values: float) -> Reading:
    return Reading(0.0, Quality.GOOD, **values)


def battery(known: Estimator):
    return next(fleet for fleet in known.site.fleets if fleet.kind == "battery")


def test_the_model_runs_along_on_what_devices_were_told() -> None:
    known = estimator()
    fleet = battery(known)
    before = known.states["battery"]["e_kwh"].copy()
    known.advance(NOON + timedelta(minutes=20), {fleet.id[0]: (1.0, 0.0)}, 1.0)
    gained = known.states["battery"]["e_kwh"][0] - before[0]
    assert gained == pytest.approx(fleet.efficiency_charge[0] / 3.0)


def test_parts_of_a_quarter_hour_add_up_to_the_whole() -> None:
    whole, parts = estimator(), estimator()
    orders = {battery(whole).id[0]: (1.0, 0.0)}
    whole.advance(NOON + timedelta(minutes=45), orders, 1.0)
    for minute in range(1, 46):
        parts.advance(NOON + timedelta(minutes=minute), orders, 1.0)
    for kind, state in whole.states.items():
        for name, value in state.items():
            np.testing.assert_allclose(parts.states[kind][name], value, rtol=0, atol=1e-9, err_msg=f"{kind} {name}")


def test_a_reading_within_its_resolution_leaves_the_model_alone_and_another_sets_it_right() -> None:
    known = estimator()
    fleet = battery(known)
    soc = float(known.states["battery"]["e_kwh"][0] / fleet.e_kwh[0])
    before = known.states["battery"]["e_kwh"].copy()
    known.correct(NOON, {fleet.id[0]: reading(soc=soc + 0.001)})
    np.testing.assert_array_equal(known.states["battery"]["e_kwh"], before)
    known.correct(NOON, {fleet.id[0]: reading(soc=soc + 0.05)})
    assert known.states["battery"]["e_kwh"][0] == pytest.approx((soc + 0.05) * fleet.e_kwh[0])


def test_readings_that_are_no_good_change_nothing() -> None:
    known = estimator()
    fleet = battery(known)
    before = known.states["battery"]["e_kwh"].copy()
    known.correct(NOON, {fleet.id[0]: Reading(0.0, Quality.IMPLAUSIBLE, soc=0.9)})
    known.correct(NOON, {fleet.id[0]: reading()})
    np.testing.assert_array_equal(known.states["battery"]["e_kwh"], before)


def letters() -> list[Mail]:
    body = {"pq": np.arange(6.0).reshape(2, 3)}
    return [
        Mail("a", "b", Message(7, 1, True, "a", "b", body)),
        Mail("a", "b", Acceptance("trafo/5", 7, "f" * 64)),
    ]


def test_letters_arrive_as_they_were_sent() -> None:
    class Wire:
        def __init__(self) -> None:
            self.came: list[tuple[str, bytes]] = []

        def publish(self, topic, kind, payload, now, form=Form.BYTES) -> None:
            self.came.append((kind, payload))

        def send(self, receiver, key, kind, payload, now, *, expires_at, form=Form.BYTES) -> None:
            assert expires_at > now
            assert key == "trafo/5/7/ffffffffffffffff"
            self.came.append((kind, payload))

    class Came:
        def __init__(self, kind: str, payload: bytes) -> None:
            self.sender, self.payload = "a", payload
            self.envelope = type("Envelope", (), {"kind": kind})

    wire = Wire()
    for letter in letters():
        post(wire, letter, "shadow", timedelta(seconds=30))
    first, second = (opened(Came(*each), "b") for each in wire.came)
    assert [kind for kind, _ in wire.came] == ["plan", "acceptance_shadow"]
    np.testing.assert_array_equal(first.said.body["pq"], letters()[0].said.body["pq"])
    assert second == letters()[1]
    for kind, payload in wire.came:
        for cut_at in range(0, len(payload), 7):
            assert opened(Came(kind, payload[:cut_at]), "b") is None


def test_what_must_arrive_waits_in_the_journal_over_a_restart(tmp_path: Path) -> None:
    until = datetime(2030, 1, 1, tzinfo=UTC)
    item = Pending("b", "trafo/5/7", "acceptance_armed", b"\x00yes", Form.JSON, until)
    with Journal(tmp_path / "journal") as journal:
        JournalOutbox(journal).add(item)
        JournalOutbox(journal).add(item)
        journal.commit()
    with Journal(tmp_path / "journal") as journal:
        outbox = JournalOutbox(journal)
        assert list(outbox.pending()) == [item]
        assert outbox.acknowledge("b", "trafo/5/7")
        assert not outbox.acknowledge("b", "trafo/5/7")
        journal.commit()
        outbox.add(item)
        assert list(outbox.pending()) == [], "once acknowledged it is not sent a second time"


def test_the_status_page_answers_one_question_and_refuses_all_others(free_address: str) -> None:
    async def ask(request: bytes) -> bytes:
        host, port = free_address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async def talk() -> list[bytes]:
        server = await serve_status(free_address, lambda: {"cell": "LV1", "utc": NOON})
        try:
            return [
                await ask(b"GET /status HTTP/1.1\r\n\r\n"),
                await ask(b"POST /status HTTP/1.1\r\n\r\n"),
                await ask(b"GET / HTTP/1.1\r\n\r\n"),
                await ask(b"x" * 10_000),
                await ask(b"\r\n\r\n"),
            ]
        finally:
            server.close()

    good, post_, other, long, empty = asyncio.run(talk())
    assert json.loads(good.split(b"\r\n\r\n", 1)[1])["cell"] == "LV1"
    assert b" 405 " in post_
    assert b" 404 " in other
    assert long == b""
    assert b" 405 " in empty


def test_both_clocks_of_a_rehearsal_run_together() -> None:
    clock = CellClock(ClockTable(3600.0, NOON, datetime.now(UTC)))
    first = clock.now()
    second = clock.now()
    assert second.mono_s >= first.mono_s
    assert (second.utc - first.utc).total_seconds() == pytest.approx(second.mono_s - first.mono_s, abs=1e-3)
    assert abs((first.utc - NOON).total_seconds()) < 3600.0 * 5

"""The process of one cell: real devices, real messages, a journal, and the controller of the twin.

    wake (message, or every tick)
      -> take in messages -> controller.step -> notes to the disk -> mail out -> orders to devices

The controller may be wrong, slow or dead: devices fall back by their own timers.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, final

from archipel.controller.facts import Instant, Intentions, Mail, Note, Snapshot
from archipel.controller.planner import DeviceFacts, ExactPlanner
from archipel.drivers import DeviceState
from archipel.field.access import Access
from archipel.field.belief import KIND, Believer
from archipel.field.build import Built, build
from archipel.field.cell_file import CellFile, DeviceTable, read_cell_file
from archipel.field.clock import CellClock, wall
from archipel.field.devices import Units, open_units
from archipel.field.intents import Intents
from archipel.field.keeping import Keeper
from archipel.field.mail import MODES, JournalOutbox, opened, post, rights
from archipel.field.notify import notify
from archipel.field.operator import Answer, attend, open_inbox, reply
from archipel.field.peaks import Peaks
from archipel.field.sections import touches
from archipel.field.shadow import ShadowLog
from archipel.field.state import fingerprint
from archipel.field.status import serve_status
from archipel.field.switch import SwitchPost
from archipel.field.words import in_words
from archipel.journal import Journal, JournalBusy
from archipel.transport import Messenger, Received, Station
from archipel.transport.files import begin_epoch
from archipel.transport.identity import Identity
from archipel.transport.trust import CertifiedTrust
from archipel.transport.zenoh import zenoh_messenger

READ_EVERY_S = 10.0
"""Wall seconds in which every device is read once; meters are read at every tick."""
MODE_EVERY_S = 2.0
METER_OLDEST_S = 5.0
"""Wall seconds after which a meter's value says nothing of now."""
JOURNAL_PATIENCE_S = 3.0
FIRST_READING_S = 2.0
"""How long the first step waits for devices."""
RESTORED_H = 6.0
"""Agreements that started earlier than this are of no use any more."""


def run_file(path: Path) -> int:
    """Run the cell of a file until it is told to end (SIGTERM, SIGINT). Returns the exit code."""
    file = read_cell_file(path)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # drivers say in better words what is the matter
    asyncio.run(_run(file))
    return 0


async def _run(file: CellFile) -> None:
    loop = asyncio.get_running_loop()
    wake, end = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    identity = Identity.load(file.certificates, wall())
    with await _journal(file.journal) as journal:
        epoch = begin_epoch(file.journal / "epoch", time.time())
        open_inbox(file.folder)
        built = build(file)
        neighbours = [row.cell for row in file.neighbour]
        station = Station(
            CertifiedTrust(identity),
            epoch=epoch,
            rights=rights(file.cell.id, neighbours),
            neighbours=neighbours,
            outbox=JournalOutbox(journal),
        )
        dial = {row.cell: row.address for row in file.neighbour if row.address}
        with zenoh_messenger(
            station,
            identity,
            listen=file.transport.listen,
            connect=dial,
            on_alarm=lambda alarm: _say(f"alarm: {alarm.text}"),
            on_arrival=lambda: _wake(loop, wake),
        ) as messenger:
            host = CellHost(file, CellClock(file.clock), built, journal, messenger, epoch)
            host.restore()
            server = await serve_status(file.status.listen, host.status)
            devices = len(host.units.devices)
            _say(f"{file.cell.id}: {host.access.mode}, {devices} devices, status on {file.status.listen}")
            notify("READY=1")
            try:
                await host.run(wake, end)
            finally:
                server.close()
                await host.units.close()


async def _journal(folder: Path) -> Journal:
    """The cell's journal; an operator's command may hold it for a moment. Raises `JournalBusy` when it stays held."""
    end_s = time.monotonic() + JOURNAL_PATIENCE_S
    while True:
        try:
            return Journal(folder)
        except JournalBusy:
            if time.monotonic() > end_s:
                raise
        await asyncio.sleep(0.1)


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """From another thread; a loop that has just ended needs no waking."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(event.set)


@final
class CellHost:
    """Everything one cell process holds."""

    def __init__(
        self, file: CellFile, clock: CellClock, built: Built, journal: Journal, messenger: Messenger, epoch: int
    ) -> None:
        self.file, self.clock, self.journal, self.messenger, self.epoch = file, clock, journal, messenger, epoch
        self.controller, self.estimator = built.controller, built.estimator
        self.access = Access(journal, lambda: touches(built.grid, built.nodes, self._positions()), bool(file.clock))
        self.units = Units({}, {}, clock.mono_s)
        self.access.refresh()
        self._open_units()
        self._post = None
        if file.switch is not None:
            self._post = SwitchPost(file, file.switch, built, lambda: self.units, self.access, clock.factor)
        self._inbox: list[Received] = []
        self._modes: dict[str, str] = {}
        """Mode that each neighbour last said it is in."""
        self._last: Intentions | None = None
        self._peaks = Peaks(journal, epoch, sum(side.most_kw for side in built.controller.ties) or math.inf)
        outlook = built.estimator.outlook
        self._shadow = ShadowLog(outlook.day_ahead, outlook.profiles.start)
        self._keeper = Keeper(journal, file.records.every_s, file.records.personal_days)
        self._intents = Intents(
            file,
            self.estimator.site.fleets,
            self.access,
            lambda: clock.now().utc,
            lambda: self.units.readings(),  # noqa: PLW0108  units are made anew with every change of mode
            lambda: self.controller,
            self._facts,
        )
        planner = built.controller.planner
        self._believer = Believer(planner) if isinstance(planner, ExactPlanner) else None
        self._said_mode_s = float("-inf")
        self._reads = self._steps = self._no_letters = 0
        self._late_s = 0.0

    # ---------------------------------------------------------------- life

    async def run(self, wake: asyncio.Event, end: asyncio.Event) -> None:
        """Step whenever a message comes and at every tick, until `end`."""
        me = self.file.cell.id
        for mode in MODES:
            self.messenger.subscribe(f"{mode}/{me}", self._inbox.append)
            self.messenger.subscribe(f"to/acceptance_{mode}", self._inbox.append)
        self.messenger.subscribe("mode", self._inbox.append)
        tick_s = self.file.controller.tick_s
        first = asyncio.Event()
        reading = [asyncio.create_task(self._keep_reading(end, first))]
        if self._post is not None:
            reading.append(asyncio.create_task(self._post.watch(end, wake)))
        with suppress(TimeoutError):  # to fall at once for want of readings would be a step down too many
            await asyncio.wait_for(first.wait(), FIRST_READING_S)
        due = time.monotonic()
        ending = asyncio.create_task(end.wait())
        while not end.is_set():
            wait_s = max(0.0, due - time.monotonic())
            waking = asyncio.create_task(wake.wait())
            await asyncio.wait({waking, ending}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            waking.cancel()
            wake.clear()
            ticked = time.monotonic() >= due
            self._step()
            if self._post is not None and self._last is not None:
                await self._post.obey(self._last.at_switch, self.clock.mono_s())
            if ticked:
                self._late_s = max(self._late_s, time.monotonic() - due)
                due = max(time.monotonic(), min(due + tick_s, time.monotonic() + self._next_step_s()))
                await self._attend()
                await self._obey()
                notify("WATCHDOG=1")
        ending.cancel()
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)

    def _next_step_s(self) -> float:
        """Wall seconds until the next step of agreements begins: orders change then, not a tick later."""
        step_s = self.controller.settings.step_s
        into_s = self.clock.now().utc.timestamp() % step_s
        return (step_s - into_s) / self.clock.factor + 1e-3

    async def _keep_reading(self, end: asyncio.Event, first: asyncio.Event) -> None:
        """Meters at every tick; devices in turn, all of them every `READ_EVERY_S`. `first` is set after all of them."""
        tick_s, known = self.file.controller.tick_s, None
        turns = max(1, round(READ_EVERY_S / tick_s))
        while not end.is_set():
            begun = time.monotonic()
            units = self.units
            watched = None if self._post is None else self._post.unit
            every = [unit for unit in units.devices.values() if unit is not watched]
            now = every if units is not known else every[self._reads % turns :: turns]
            known = units
            self._reads += 1
            await units.read([*units.meters.values(), *units.formers.values(), *now], begun)
            first.set()
            await asyncio.sleep(max(0.05, tick_s - (time.monotonic() - begun)))

    # ---------------------------------------------------------------- the step

    def _step(self) -> None:
        self.messenger.pump(wall())
        clock, now = self.clock, self.clock.now()
        flows = self.units.flows(METER_OLDEST_S * clock.factor)
        v_pu = self._v_pu()
        told = self._last.orders if self._last is not None and self.access.armed else {}
        self.estimator.advance(now.utc, told, v_pu)
        self.estimator.correct(now.utc, self.units.readings())
        self._peaks.count(now, flows.get("", (None, None))[0])
        facts = self._facts()
        ties = {tie: p_kw for tie, (p_kw, _) in flows.items() if tie}
        if not self.access.armed:
            ties = {}  # what is metered is the work of others and contradicts nothing
        snapshot = Snapshot(facts, self._trouble(), self._neighbours(), ties, cap=facts.cap)
        if self._post is not None:
            known, soc = self._post.facts(now.mono_s), self._post.stored_soc()
            snapshot = replace(snapshot, at_switch=known, stored_soc=soc)
        planned = self.controller.step(now, snapshot, self._letters())
        done = replace(planned, orders=self._intents.applied(planned.orders))
        self._last = done
        self._steps += 1
        for note in done.notes:
            self._write_down(note, now)
            if note.kind == "begun":
                # what the plan was made from: it does not know of holds
                self._keeper.knew(self.estimator.site.fleets, facts, planned.orders, now.utc)
        if self._believer is not None and (new := self._believer.renewed()) is not None:
            body = {**new[1], "utc": now.utc.isoformat()}
            self.journal.append(KIND, f"{self.epoch}/{self._steps}/{new[0]}", body, time=wall())
        self._keeper.keep(self.units, now.utc, now.mono_s)
        self._keeper.turn(now.utc, wall())
        if not self.access.armed:
            self._watch_shadow(now, done, {tie: p_kw for tie, (p_kw, _) in flows.items()})
        self.journal.commit()
        keep = timedelta(seconds=self.file.controller.lead_s / clock.factor + 5.0)
        for letter in done.mail:
            post(self.messenger, letter, self.access.mode, keep)
        if time.monotonic() - self._said_mode_s >= MODE_EVERY_S:
            self._said_mode_s = time.monotonic()
            self.messenger.publish("mode", self.access.mode, b"", wall())

    def _v_pu(self) -> float:
        """Voltage at the boundary: as metered, else that of upstream."""
        flows = self.units.flows(METER_OLDEST_S * self.clock.factor)
        return next((v for _, v in flows.values() if v is not None), self.estimator.outlook.v_pu)

    def _facts(self) -> DeviceFacts:
        """What the planner knows of the own devices now."""
        states, peaks = dict(self.estimator.states), dict(self._peaks.kw)
        return DeviceFacts(states, self._v_pu(), peaks, self._intents.cap())

    async def _attend(self) -> None:
        """Carry out what operators ordered; devices are released before a change of mode."""
        self.access.marks = {row.id: fingerprint(row, self.units.devices[row.id].driver) for row in self._connected()}
        self.access.switches = self.units.switches()
        disarming = attend(
            self.file, self.journal, now=wall(), wall=wall(), found=self.access.marks, judge=self._intents
        )
        if disarming:
            released = await self.units.release(self.access.release_refusal)
            for command in disarming:
                silent = sum(bool(trouble) for trouble in released.values())
                text = f"in shadow; {len(released) - silent} of {len(released)} devices released"
                reply(self.file.folder, command.id, Answer(True, text, released))
        if self.access.refresh():
            await self._change_mode()

    def _connected(self) -> list[DeviceTable]:
        """Devices that have told who they are."""
        return [row for row in self.file.device if self.units.devices[row.id].connected]

    def _positions(self) -> dict[str, bool]:
        """How own switches stand, as far as they were read."""
        read = self.units.readings()
        return {name: read[name].state is not DeviceState.OPEN for name in self.units.switches() if name in read}

    def _open_units(self) -> None:
        armed = self.access.permission.state.armed
        self.units = open_units(self.file, self.clock.mono_s, lambda device: device in armed)

    async def _change_mode(self) -> None:
        """Drivers are made anew, for whether they may write is fixed in them; nothing agreed in one mode holds in the
        other."""
        _say(f"{self.file.cell.id}: {self.access.mode} from now on")
        await self.units.close()
        self._open_units()
        self.controller = self.controller.renewed()

    async def _obey(self) -> None:
        """Give the orders that hold to the devices; in shadow drivers count what they would have written."""
        done = self._last
        if done is None or self.clock.mono_s() >= done.until_s:
            return
        await self.units.order(done.orders, self.file.controller.lease_s, self.access.refusal, time.monotonic())

    def _letters(self) -> list[Mail]:
        came, self._inbox[:] = list(self._inbox), []
        out = []
        for received in came:
            if received.envelope.topic == "mode":
                self._modes[received.sender] = received.envelope.kind
                continue
            letter = opened(received, self.file.cell.id)
            if letter is None:
                self._no_letters += 1
            elif self._modes.get(received.sender) == self.access.mode:
                out.append(letter)
            if received.envelope.key:
                self.messenger.acknowledge(received, wall())
        return out

    def _neighbours(self) -> frozenset[str]:
        now = wall()
        same = (side.neighbour for side in self.controller.ties if self._modes.get(side.neighbour) == self.access.mode)
        return frozenset(name for name in same if self.messenger.may_agree(name, now))

    def _trouble(self) -> str:
        lost = [unit.id for unit in self.units.devices.values() if unit.trouble]
        if self.units.devices and len(lost) > 0.5 * len(self.units.devices):
            return f"{len(lost)} of {len(self.units.devices)} devices do not answer, {lost[0]} among them"
        return ""

    def _watch_shadow(self, now: Instant, done: Intentions, metered: Mapping[str, float]) -> None:
        """Write down what was not done."""
        up = next((side.id for side in self.controller.ties if side.upward), None)
        held = None if up is None else self.controller.holdings(now.utc)[up]
        agreed_kw = held.p_kw if held is not None and held.record is not None else None
        entry = self._shadow.observe(now, done.orders, agreed_kw, None if up is None else metered.get(up))
        if entry is not None:
            self.journal.append("shadow", f"{entry[0]}/{self.epoch}", entry[1], time=wall())

    def _apart(self) -> dict[str, Any]:
        """Where a cell with a switch to the main grid stands towards it."""
        if self._post is None or self.controller.main_grid is None:
            return {}
        at = None if self._last is None else self._last.at_switch
        return {"main_grid": self._post.status(at, self.controller.main_grid.shed)}

    # ---------------------------------------------------------------- journal

    def _write_down(self, note: Note, now: Instant) -> None:
        body = {**note.body, "utc": now.utc.isoformat(), "mode": self.access.mode}
        self.journal.append(note.kind, f"{self.epoch}/{self._steps}/{note.key}", body, time=wall())
        if (words := in_words(note)) is not None:
            _say(f"{now.utc:%m-%d %H:%M:%S} {words}")

    def restore(self) -> None:
        """Take up the agreements and the latched ladder of the life before, where it was in the same mode."""
        now = self.clock.now()
        notes: list[Note] = []
        for kind in ("agreement", "mode"):
            for number, entry in enumerate(self.journal.newest(kind)):
                old = now.utc - datetime.fromisoformat(entry.body["utc"]) > timedelta(hours=RESTORED_H)
                if old and (kind == "agreement" or number):
                    break  # the newest mode counts however old it is: it may have been latched for days
                if entry.body.get("mode") == self.access.mode:
                    notes.append(Note(kind, entry.key, entry.body))
        self.controller.restore(notes[::-1], now)
        self._peaks.restore(now.utc)

    # ---------------------------------------------------------------- status

    def status(self) -> Mapping[str, Any]:
        """What may be seen from outside."""
        now = self.clock.now()
        links, stats = self.messenger.links(), self.messenger.stats()
        units = self.units.devices.values()
        return {
            "cell": self.file.cell.id,
            "pid": os.getpid(),
            "mode": self.access.mode,
            "level": self.controller.level.name,
            "ladder": self.controller.ladder.level.name,
            "latched": self.controller.ladder.latched,
            **self._apart(),
            "utc": now.utc.isoformat(),
            "holdings": {
                tie: {"p_kw": held.p_kw, "agreed": held.record is not None, "why": held.why}
                for tie, held in self.controller.holdings(now.utc).items()
            },
            "neighbours": sorted(self._neighbours()),
            "links": {"expected": sorted(links.expected), "actual": sorted(links.actual)},
            "alarms": [alarm.text for alarm in self.messenger.alarms()],
            **self._intents.status(),
            "splits": self.controller.splits,
            "devices": {"all": len(units), "silent": sorted(u.id for u in units if u.trouble)[:20]},
            "writes": sum(u.writes for u in units),
            "orders_kept_back": 0 if self.access.armed or self._last is None else len(self._last.orders),
            "shadow_worth_eur": round(self._shadow.worth_eur, 3),
            "steps": self._steps,
            "late_s": round(self._late_s, 3),
            "messages": {"sent": stats.sent, "accepted": stats.accepted, "refused": sum(stats.refused.values())},
        }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

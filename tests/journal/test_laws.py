"""Whatever is done to a journal, in whatever order, it says what a dictionary would say."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from archipel.journal import Journal, JournalUnavailable, KeyTaken, Reading
from archipel.journal.entry import canonical

T0 = datetime(2016, 6, 9, 22, tzinfo=UTC)
names = st.sampled_from(["a", "b", "c", "d", "e"])
numbers = st.floats(allow_nan=False)
moments = st.integers(0, 240).map(lambda minutes: T0 + timedelta(minutes=minutes))
kinds = st.sampled_from(["load", "pv"])


class Sick(sqlite3.Connection):
    """Fails the next commit of a file, before or after it has reached the disk."""

    file, when = "", ""

    def __init__(self, database: str, *args: Any, **how: Any) -> None:
        super().__init__(database, *args, **how)
        self.database, self.writing = database, False

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.startswith("BEGIN"):
            self.writing = sql == "BEGIN IMMEDIATE"
        if sql == "COMMIT" and self.writing and Sick.file and Sick.file in self.database:
            if Sick.when == "after":
                super().execute(sql)
            Sick.file = ""
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return super().execute(sql, *values)


class JournalAgainstDictionaries(RuleBasedStateMachine):
    """Committed state and what waits for the next commit, each as plain dictionaries."""

    taken: Bundle[str] = Bundle("taken")

    @initialize()
    def make(self) -> None:
        Sick.file = ""
        self.folder = Path(tempfile.mkdtemp(prefix="journal-"))
        self.journal = Journal(self.folder, factory=Sick)
        self.entries: dict[tuple[str, str], Any] = {}
        self.staged: dict[tuple[str, str], Any] = {}
        self.readings: dict[tuple[str, datetime, str], float] = {}
        self.staged_readings: dict[tuple[str, datetime, str], float] = {}
        # entries that reached the disk although their commit failed: seen after the next opening
        self.on_disk: dict[tuple[str, str], Any] = {}

    def take(self, key: tuple[str, str], body: Any) -> bool | None:
        """What appending should answer; None when it should refuse."""
        stands = self.staged.get(key, self.entries.get(key))
        if stands is None:
            self.staged[key] = body
            return True
        return False if stands == body else None

    @rule(kind=st.sampled_from(["mode", "agreement"]), key=names, value=st.sampled_from([1.5, 2, "x", None]))
    def append(self, kind: str, key: str, value: Any) -> None:
        wanted = self.take((kind, key), {"value": value})
        if wanted is None:
            with pytest.raises(KeyTaken):
                self.journal.append(kind, key, {"value": value}, time=T0)
        else:
            assert self.journal.append(kind, key, {"value": value}, time=T0) == wanted

    @rule(target=taken, key=names)
    def put(self, key: str) -> str:
        wanted = self.take(("outbox", key), "message")
        assert self.journal.put(key, b"message", time=T0) == wanted
        return key

    @rule(key=consumes(taken))
    def acknowledge(self, key: str) -> None:
        waiting = {**self.entries, **self.staged}
        wanted = ("outbox", key) in waiting and ("acknowledged", key) not in waiting
        if wanted:
            self.staged["acknowledged", key] = "acknowledged"
        assert self.journal.acknowledge(key, time=T0) == wanted

    @rule(time=moments, kind=kinds, source=names, p_kw=numbers)
    def measure(self, time: datetime, kind: str, source: str, p_kw: float) -> None:
        key = (kind, time, source)
        stands = self.staged_readings.get(key, self.readings.get(key))
        if stands is not None and repr(stands) != repr(p_kw):
            with pytest.raises(KeyTaken):
                self.journal.measure(Reading(time, kind, source, {"p_kw": p_kw}))
            return
        assert self.journal.measure(Reading(time, kind, source, {"p_kw": p_kw})) == (stands is None)
        if stands is None:
            self.staged_readings[key] = p_kw

    @rule()
    def commit(self) -> None:
        self.entries |= self.staged
        self.readings |= self.staged_readings
        self.staged, self.staged_readings = {}, {}
        self.on_disk = {}
        assert self.journal.commit() == self.journal.ledger.seq

    @rule(file=st.sampled_from(["ledger.db", "meas.db"]), when=st.sampled_from(["before", "after"]))
    def fail_to_commit(self, file: str, when: str) -> None:
        ledger = file == "ledger.db"
        if self.on_disk:
            self.commit()
        if not (self.staged if ledger else self.staged_readings):
            return
        if not ledger:  # the ledger comes first
            self.entries |= self.staged
            self.staged = {}
        if when == "after" and ledger:
            self.on_disk = dict(self.staged)
        elif when == "after":  # reading looks at what is on the disk
            self.readings |= self.staged_readings
            self.staged_readings = {}
        Sick.file, Sick.when = file, when
        with pytest.raises(JournalUnavailable):
            self.journal.commit()

    @rule(before=moments, kind=kinds)
    def forget(self, before: datetime, kind: str) -> None:
        self.commit()
        gone = {key for key in self.readings if key[0] == kind and key[1] < before}
        self.readings = {key: value for key, value in self.readings.items() if key not in gone}
        seq = self.journal.ledger.seq
        assert self.journal.forget_before(before, {kind}, time=T0) == len(gone)
        if gone:
            self.entries["forgotten", str(seq + 1)] = len(gone)

    @rule()
    def open_again(self) -> None:
        self.journal.close()
        self.entries |= self.on_disk
        self.staged, self.staged_readings = {}, {}
        self.on_disk = {}
        self.journal = Journal(self.folder, factory=Sick)

    @rule()
    def verify(self) -> None:
        assert self.journal.verify() == (len(self.entries), len(self.readings))

    @invariant()
    def it_says_what_the_dictionaries_say(self) -> None:
        if not hasattr(self, "journal"):
            return
        found = {(entry.kind, entry.key): entry for entry in self.journal.entries()}
        assert list(found) == list(self.entries), "all of them, in the order of their commits"
        for (kind, key), body in self.entries.items():
            if kind in {"mode", "agreement"}:
                assert found[kind, key].body == body
        for kind in ("mode", "agreement"):
            assert [e.key for e in self.journal.newest(kind)] == [k for n, k in reversed(self.entries) if n == kind]
        acknowledged = {key for kind, key in (*self.entries, *self.staged) if kind == "acknowledged"}
        waiting = [key for kind, key in self.entries if kind == "outbox" and key not in acknowledged]
        assert [message.key for message in self.journal.pending()] == waiting
        for kind in ("load", "pv"):
            read = self.journal.measurements.read(kind, T0, T0 + timedelta(days=1))
            wanted = sorted(key[1:] for key in self.readings if key[0] == kind)
            assert [(r.time, r.source) for r in read] == wanted

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            shutil.rmtree(self.folder)


TestJournal = JournalAgainstDictionaries.TestCase
TestJournal.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

bodies = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | numbers.filter(lambda x: abs(x) < 1e308) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@given(bodies)
def test_a_body_has_one_text_whatever_the_order_of_its_names(body: dict[str, Any]) -> None:
    assert canonical(dict(reversed(body.items())), "a body") == canonical(body, "a body")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.text(max_size=6), bodies), max_size=6, unique_by=lambda pair: pair[0]))
def test_any_body_under_any_key_is_read_back_as_it_was(pairs: list[tuple[str, dict[str, Any]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Journal(Path(folder)) as journal:
            for key, body in pairs:
                journal.append("operator", key, body, time=T0)
            journal.commit()
        with Journal(Path(folder)) as journal:
            assert [(entry.key, entry.body) for entry in journal.entries()] == pairs
            journal.verify()

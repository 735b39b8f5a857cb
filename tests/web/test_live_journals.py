"""What a running system's journals tell: agreements, beliefs, cards; no process runs here."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

from hamlet import CELLS, START, hamlet

from archipel.field.cell_file import CellFile, CellTable, StatusTable, TransportTable
from archipel.formats.scenario import load_scenario
from archipel.journal import Journal
from archipel.local.clock import SimulatedClock
from archipel.model import Scenario
from archipel.web.columns import FrameBuilder
from archipel.web.nouns import Card
from archipel.web.source import Frame, NotShown
from archipel.web.sources import live_journals
from archipel.web.sources.live_agreements import LiveAgreements
from archipel.web.sources.live_cards import LiveCards
from archipel.web.sources.live_journals import Journals
from archipel.web.sources.live_knowledge import Known

FACTOR = 60.0
WALL = datetime(2026, 6, 1, 12, tzinfo=UTC)
NOON = START + timedelta(hours=1)
P_KW = [7.0, 8.0, 9.0, 10.0]


@dataclass
class Written:
    """Journals that a test writes."""

    folder: Path
    files: dict[str, CellFile]
    scenario: Scenario
    clock: SimulatedClock
    journals: Journals
    count: int = 0

    def note(self, cell: str, kind: str, at: datetime, **body: Any) -> None:
        """One note, as the host of a cell writes it."""
        self.count += 1
        wall = WALL + (at - START) / FACTOR
        with Journal(self.files[cell].journal) as journal:
            said = {"mode": "armed", **body, "utc": at.isoformat()}
            journal.append(kind, f"1/{self.count}", said, time=wall)
            journal.commit()

    def agreed(
        self, tie: str, *cells: str, at: datetime = NOON - timedelta(minutes=10), start: datetime = NOON
    ) -> None:
        """Both ends accept and confirm a record."""
        body = {"tie": tie, "plan": 5, "start": start.isoformat(), "step_s": 900, "p_kw": P_KW, "why": ""}
        for cell in cells:
            self.note(cell, "agreement", at, event="accepted", **body)
            self.note(cell, "agreement", at, event="confirmed", **body)

    def agreements(self) -> LiveAgreements:
        return LiveAgreements(self.scenario, self.journals, self.means, lambda tie, at: 1.5)

    def means(
        self, cell: str, columns: Sequence[str], starts: Sequence[datetime], ends: Sequence[datetime]
    ) -> dict[str, list[float | None]]:
        return {name: [float(i) for i in range(len(starts))] for name in columns}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    monkeypatch.setattr(live_journals, "EVERY_S", 0.0)
    files = {
        name: CellFile(
            tmp_path / name / "CELL.toml",
            CellTable(name, "hamlet", 1.0, 1.0),
            TransportTable("127.0.0.1:1"),
            StatusTable("127.0.0.1:1"),
        )
        for name in CELLS
    }
    clock = SimulatedClock(START, WALL, FACTOR)
    scenario = load_scenario(hamlet(tmp_path / "hamlet"))
    return Written(tmp_path, files, scenario, clock, Journals(files, clock))


def test_an_agreement_holds_from_its_start_to_its_end_when_both_ends_hold_it(written: Written) -> None:
    written.agreed("trafo/0", "feeder", "lv")
    found = written.agreements()
    before = found.tie("trafo/0", NOON - timedelta(minutes=1))
    assert (before.agreed_kw, before.plan) == (None, "")
    assert "nothing is agreed" in before.why
    for quarter, p_kw in enumerate(P_KW):
        tie = found.tie("trafo/0", NOON + timedelta(minutes=15 * quarter + 14))
        assert (tie.agreed_kw, tie.plan, tie.why) == (p_kw, "5", "")
        assert (tie.since, tie.until) == (NOON, NOON + timedelta(hours=1))
        assert tie.p_kw == 1.5
    assert found.tie("trafo/0", NOON + timedelta(minutes=61)).agreed_kw is None


def test_what_only_one_end_holds_is_no_agreement_and_it_is_said_who_does_not(written: Written) -> None:
    written.agreed("trafo/0", "feeder")
    tie = written.agreements().tie("trafo/0", NOON)
    assert tie.agreed_kw is None
    assert tie.why == "lv: nothing is agreed"


def test_an_agreement_that_was_left_held_until_then(written: Written) -> None:
    written.agreed("trafo/0", "feeder", "lv")
    left = NOON + timedelta(minutes=20)
    body = {"tie": "trafo/0", "plan": 5, "start": NOON.isoformat(), "step_s": 900, "p_kw": P_KW}
    written.note("lv", "agreement", left, event="contradicted", why="metered 30 kW, agreed 8 kW", **body)
    found = written.agreements()
    assert found.tie("trafo/0", left - timedelta(minutes=1)).agreed_kw == 8.0
    assert found.tie("trafo/0", left).agreed_kw is None
    assert "metered 30 kW" in found.tie("trafo/0", left).why


def test_what_was_agreed_in_shadow_does_not_hold_for_a_cell_that_is_armed(written: Written) -> None:
    written.agreed("trafo/0", "feeder", "lv")
    written.note(
        "lv", "mode", NOON, what="acts", before="RULES", after="RULES", why="armed", latched=False, mode="shadow"
    )
    assert written.agreements().tie("trafo/0", NOON).agreed_kw is None


def belief(start: datetime, **more: Any) -> dict[str, Any]:
    columns = {"p_kw": [7.0, 8.0, None], "price_eur_per_kwh": [0.1, 0.2, 0.3], "load_kw": [1.0, 2.0, 3.0]}
    parts = {"energy": [0.08] * 3, "losses": [0.02] * 3}
    return {
        "how": "agreed", "start": start.isoformat(), "steps": [1, 1, 4], "columns": columns, "parts": parts,
        "children": {}, "rounds": 9, "gap": 1e-6, "cost_eur": 3.5, "accepted": True, "gave": [], **more,
    }  # fmt: skip


def test_a_belief_is_the_newest_then_and_never_one_that_came_later(written: Written) -> None:
    written.agreed("trafo/0", "feeder", "lv")
    made = NOON - timedelta(minutes=12)
    written.note("lv", "belief", made, **belief(NOON))
    written.note("lv", "mode", NOON, what="acts", before="FALLBACK", after="COOPERATING", why="agreed", latched=False)
    found = written.agreements()
    early = found.belief("lv", made - timedelta(seconds=1))
    assert (early.made, early.start, early.curves, early.level) == (None, [], [], "rules")
    at = found.belief("lv", NOON + timedelta(minutes=5))
    assert (at.made, at.level) == (made, "cooperating")
    assert at.start == [NOON, NOON + timedelta(minutes=15), NOON + timedelta(minutes=30)]
    assert at.hours == [0.25, 0.25, 1.0]
    curve = next(one for one in at.curves if one.name == "p_kw")
    assert curve.believed == [7.0, 8.0, None], "what was not known is no guess"
    assert curve.true == [0.0, 1.0, 2.0]
    (view,) = at.neighbours
    assert (view.neighbour, view.state, view.p_kw) == ("feeder", "agreed", [7.0, 8.0, 9.0])
    with pytest.raises(NotShown, match="expected one of"):
        found.belief("moon", NOON)


def test_a_price_is_told_with_its_parts_only_while_its_agreement_holds(written: Written) -> None:
    written.agreed("trafo/0", "feeder", "lv")
    written.note("lv", "belief", NOON - timedelta(minutes=12), **belief(NOON))
    found = written.agreements()
    tie = found.tie("trafo/0", NOON + timedelta(minutes=16))
    assert (tie.price_eur_per_kwh, tie.parts.energy, tie.parts.losses, tie.parts.fees) == (0.2, 0.08, 0.02, None)
    assert found.prices(NOON + timedelta(minutes=16)) == {"trafo/0": 0.2}
    assert found.tie("trafo/0", NOON - timedelta(minutes=1)).price_eur_per_kwh is None


def test_a_plan_names_the_cells_that_took_no_part(written: Written) -> None:
    written.note("root", "belief", NOON, **belief(NOON, children={"feeder": [1.0] * 3}))
    written.note("feeder", "belief", NOON, **belief(NOON, children={}))
    plan = written.agreements().plan(NOON)
    assert plan is not None
    assert (plan.silent, plan.accepted, plan.rounds) == (["lv"], True, 9)
    assert written.agreements().plan(NOON - timedelta(minutes=1)) is None


def test_a_neighbour_without_a_word_is_silent_in_what_the_cell_believed(written: Written) -> None:
    written.agreed("trafo/0", "feeder", "lv")
    written.note(
        "feeder", "mode", NOON, what="acts", before="COOPERATING", after="FOLLOWING", why="no word from lv",
        latched=False,
    )  # fmt: skip
    views = {one.neighbour: one.state for one in written.agreements().belief("feeder", NOON).neighbours}
    assert views == {"lv": "silent", "root": "unknown"}


def test_a_journal_that_cannot_be_read_is_said_and_the_others_go_on(written: Written) -> None:
    written.agreed("trafo/0", "feeder", "lv")
    ledger = written.files["lv"].journal / "ledger.db"
    data = bytearray(ledger.read_bytes())
    data[100:3000] = bytes(2900)
    ledger.write_bytes(bytes(data))
    assert written.journals.notes("lv") == []
    assert list(written.journals.troubles()) == ["lv"]
    assert len(written.journals.notes("feeder")) == 2
    shown = LiveCards(written.scenario, written.journals, FACTOR).cards(NOON)
    assert [(one.cause, one.severity) for one in shown] == [("journal lv", "action")]


def test_a_journal_is_read_on_where_it_grew(written: Written) -> None:
    written.agreed("trafo/0", "feeder")
    assert len(written.journals.notes("feeder")) == 2
    written.agreed("line/0", "feeder")
    assert len(written.journals.notes("feeder")) == 4
    assert len(written.journals.notes("feeder", NOON - timedelta(hours=1))) == 0


# ------------------------------------------------------------------ cards


class Watched:
    """Cards of frames in which cells are as a test says."""

    def __init__(self, written: Written) -> None:
        self.cards = LiveCards(written.scenario, written.journals, FACTOR)
        self.builder, self.seq, self.at = FrameBuilder(written.scenario), 0, NOON
        self.plan = LiveAgreements(written.scenario, written.journals, written.means, lambda tie, at: None).plan(NOON)

    def see(self, seconds: float, level: Sequence[float], age_s: Sequence[float]) -> list[Card]:
        """Half-second steps of the wall with these levels and ages."""
        said = {"mode": "armed", "holdings": {}}
        for _ in range(round(2 * seconds)):
            self.seq, self.at = self.seq + 1, self.at + timedelta(seconds=0.5 * FACTOR)
            values = self.builder.values(
                {("cells", "level"): level, ("cells", "age_s"): age_s, ("cells", "mode"): 0.0}  # type: ignore[dict-item]
            )
            now_s = time.monotonic()
            words = ("COOPERATING", "FOLLOWING", "FALLBACK", "ALONE", "RULES", "RULES")
            known = {
                name: Known({**said, "level": words[int(level[i])]}, now_s - age_s[i]) for i, name in enumerate(CELLS)
            }
            self.cards.see(Frame(self.seq, self.at, WALL, values), known, self.plan)
        return self.cards.cards(self.at)


WELL = ([0.0, 0.0, 0.0], [0.5, 0.5, 0.5])


def test_a_cell_that_falls_silent_is_one_card_with_what_follows_from_it(written: Written) -> None:
    written.note("root", "belief", NOON - timedelta(minutes=12), **belief(NOON))
    watched = Watched(written)
    assert watched.see(2.0, *WELL) == []
    assert watched.see(2.0, [0.0, 1.0, 0.0], [0.5, 0.5, 2.0]) == [], "a neighbour noticed first: not a card at once"
    left = watched.at
    body = {"tie": "trafo/0", "plan": 5, "start": NOON.isoformat(), "step_s": 900, "p_kw": P_KW}
    written.note("feeder", "agreement", left, event="contradicted", why="metered 0 kW, agreed 7 kW", **body)
    (shown,) = watched.see(10.0, [0.0, 1.0, 5.0], [0.5, 0.5, 9.0])
    assert (shown.cause, shown.severity, shown.ended) == ("silent lv", "action", None)
    assert any("follows its last agreement" in text for text in shown.children)
    assert any("metered 0 kW, agreed 7 kW" in text for text in shown.children)
    (shown,) = watched.see(10.0, *WELL)
    assert shown.severity == "compliant"
    assert shown.ended is not None


def test_before_the_first_plan_nobody_misses_an_agreement(written: Written) -> None:
    watched = Watched(written)
    assert watched.plan is None
    assert watched.see(20.0, [2.0, 2.0, 2.0], WELL[1]) == []


def test_a_lower_level_for_another_reason_is_a_card_of_its_own(written: Written) -> None:
    written.note("root", "belief", NOON - timedelta(minutes=12), **belief(NOON))
    watched = Watched(written)
    watched.see(2.0, *WELL)
    (shown,) = watched.see(20.0, [0.0, 2.0, 0.0], WELL[1])
    assert shown.cause == "level feeder"


def test_an_agreement_that_was_left_is_a_card_when_nobody_is_silent(written: Written) -> None:
    body = {"tie": "trafo/0", "plan": 5, "start": NOON.isoformat(), "step_s": 900, "p_kw": P_KW}
    for cell in ("lv", "feeder"):
        written.note(cell, "agreement", NOON, event="contradicted", why="metered 30 kW, agreed 7 kW", **body)
    (shown,) = LiveCards(written.scenario, written.journals, FACTOR).cards(NOON + timedelta(minutes=1))
    assert (shown.cause, shown.severity, len(shown.children)) == ("agreement trafo/0", "information", 1)
    assert not LiveCards(written.scenario, written.journals, FACTOR).cards(NOON - timedelta(minutes=1))


def test_who_has_seen_a_card_is_told_and_news_are_told_once(written: Written) -> None:
    body = {"plan": 5, "start": NOON.isoformat(), "why": "not ready by its start, when it still waited for lv"}
    written.note("feeder", "late", NOON, **body)
    cards = LiveCards(written.scenario, written.journals, FACTOR)
    at = NOON + timedelta(minutes=1)
    (shown,) = cards.news(cards.cards(at))
    assert cards.news(cards.cards(at)) == []
    cards.acknowledge(shown.id, "Ada")
    (again,) = cards.news(cards.cards(at))
    assert again == msgspec.structs.replace(shown, acknowledged_by="Ada")

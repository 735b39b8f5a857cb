"""The law of the desk: whatever is sent by whomever, no command gets past a role, a tag, a limit or a selection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_source import ACTS, CELLS, DEVICES, TIES
from server_stand import Stand, stand

ADMINISTERS = {"untag", "kill", "start"}
SWITCHING = {"open", "close", "island", "rejoin"}
ALWAYS = {"default", "disarm"}
WHO = ("", "view", "operate", "other", "administer")
NAMEPLATE = {"LV1.battery": (-10.0, 10.0), "LV2.battery": (-20.0, 20.0), "LV1.pv": (-5.0, 0.0)}
MOST = {"MV": (400.0, 400.0), "LV1": (100.0, 100.0), "LV2": (100.0, 100.0), "upstream": (400.0, 200.0)}

ELEMENTS = st.sampled_from((*CELLS, *DEVICES, *TIES, "upstream", "card-1", "", "LV9"))
POWERS = st.none() | st.sampled_from((-21.0, -10.0, 0.0, 5.0, 10.5, 100.0, 201.0, 401.0))


@dataclass(frozen=True)
class Step:
    """Somebody sends something, or time passes."""

    what: str
    who: str
    act: str
    element: str
    p_kw: float | None
    import_kw_max: float | None
    export_kw_max: float | None
    hours: float | None
    selection: int | None
    """Which of the selections made so far, from the newest."""
    again: bool
    """Whether it has the id of the command before."""


STEPS = st.builds(
    Step,
    what=st.sampled_from(("command", "command", "command", "select", "select", "wait")),
    who=st.sampled_from(WHO),
    act=st.sampled_from((*ACTS, *sorted(SWITCHING))),
    element=ELEMENTS,
    p_kw=POWERS,
    import_kw_max=POWERS,
    export_kw_max=POWERS,
    hours=st.none() | st.sampled_from((-1.0, 0.5, 24.0, 25.0)),
    selection=st.none() | st.integers(0, 2),
    again=st.booleans(),
)


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(tmp_path_factory.mktemp("laws")) as found:
        yield found


@dataclass
class Chosen:
    """A selection, as the test saw it."""

    id: str
    who: str
    act: str
    element: str
    allowed: bool
    made_s: float
    used: bool = False


class Witness:
    """Sends steps, and looks at everything that reached the source."""

    def __init__(self, at: Stand) -> None:
        self.at, self.source = at, at.source
        self.source.tags, self.source.reached = {"MV-LV2", "LV2.battery"}, []
        self.chosen: list[Chosen] = []
        self.last = "command-of-nobody"
        self.count = 0

    def send(self, step: Step) -> None:
        if step.what == "wait":
            self.at.clock.more_s += 16.0
            return
        body = self.body(step)
        tags, before = set(self.source.tags), len(self.source.reached)
        path = "selections" if step.what == "select" else "commands"
        answer = self.at.ask(path, step.who, method="POST", body=body)
        assert answer.status < 500, answer
        assert answer.status < 400 or answer.error
        new = self.source.reached[before:]
        if step.what == "select":
            assert not new
            if answer.status == 200:
                found = answer.json
                self.chosen.append(
                    Chosen(found["id"], step.who, step.act, step.element, found["allowed"], self.at.clock())
                )
            return
        assert len(new) == (answer.status == 202)
        if step.act in ALWAYS and step.who in {"operate", "other", "administer"}:
            assert answer.status in {200, 202}, "back to what is safe is never refused"
        for command, who in new:
            self.judge(command, who, step, tags)

    def body(self, step: Step) -> dict[str, Any]:
        """What is sent: fields of its own act mostly, others now and then."""
        if not step.again:
            self.last = f"law-{id(self)}-{self.count}"
            self.count += 1
        body: dict[str, Any] = {"id": self.last, "act": step.act, "element": step.element}
        if step.act == "hold" or (step.p_kw == 5.0):
            body["p_kw"] = step.p_kw
        if step.act == "limit" or step.import_kw_max == 5.0:
            body |= {"import_kw_max": step.import_kw_max, "export_kw_max": step.export_kw_max}
        if step.hours is not None and (step.act in {"limit", "hold"} or step.hours == 25.0):
            body["until"] = (self.source.now + timedelta(hours=step.hours)).isoformat()
        if step.selection is not None and step.selection < len(self.chosen) and step.act in SWITCHING:
            body["selection"] = self.chosen[-1 - step.selection].id
        return body

    def judge(self, command: Any, who: str, step: Step, tags: set[str]) -> None:
        """The law, said again in words of its own."""
        assert who == step.who
        assert who == "administer" or (who in {"operate", "other"} and command.act not in ADMINISTERS)
        if command.act in ALWAYS:
            return
        assert command.element not in tags or command.act in {"tag", "untag"}
        if command.act in {"limit", "hold"}:
            assert command.until is not None
            assert timedelta(0) < command.until - self.source.now <= timedelta(hours=24)
        if command.act == "hold":
            low, high = NAMEPLATE[command.element]
            assert low <= command.p_kw <= high
        if command.act == "limit":
            for value, most in zip((command.import_kw_max, command.export_kw_max), MOST[command.element], strict=True):
                assert value is None or 0.0 <= value <= most
        if command.act in SWITCHING:
            chosen = next(one for one in self.chosen if one.id == command.selection)
            assert (chosen.who, chosen.act, chosen.element) == (who, command.act, command.element)
            assert chosen.allowed
            assert not chosen.used
            assert self.at.clock() - chosen.made_s <= 30.0
            chosen.used = True


@given(st.lists(STEPS, max_size=20))
@settings(max_examples=60)
def test_no_command_gets_past_a_role_a_tag_a_limit_or_a_selection(at: Stand, steps: list[Step]) -> None:
    witness = Witness(at)
    for step in steps:
        witness.send(step)


@given(
    who=st.sampled_from(("operate", "other", "administer")),
    act=st.sampled_from(sorted(SWITCHING)),
    element=st.sampled_from((*CELLS, *TIES)),
    waits=st.integers(0, 3),
    by=st.sampled_from(("operate", "other", "administer")),
    instead=st.sampled_from((*CELLS, *TIES)) | st.none(),
)
@settings(max_examples=100)
def test_a_selection_opens_one_switch_for_one_person_for_thirty_seconds(
    at: Stand, who: str, act: str, element: str, waits: int, by: str, instead: str | None
) -> None:
    witness = Witness(at)
    rest: dict[str, Any] = dict.fromkeys(("p_kw", "import_kw_max", "export_kw_max", "hours"))
    witness.send(Step("select", who, act, element, selection=None, again=False, **rest))
    for _ in range(waits):
        witness.send(Step("wait", "", act, element, selection=None, again=False, **rest))
    other = element if instead is None else instead
    for _ in range(2):
        witness.send(Step("command", by, act, other, selection=0, again=False, **rest))
    is_good = bool(witness.chosen) and witness.chosen[0].allowed and who == by and other == element and waits <= 1
    assert len(witness.source.reached) == is_good


@given(
    who=st.sampled_from(WHO[1:]),
    act=st.sampled_from(("hold", "limit")),
    element=st.sampled_from((*DEVICES, *CELLS, "upstream")),
    powers=st.tuples(*[st.none() | st.floats(-30.0, 450.0) | st.sampled_from((-5.0, 0.0, 10.0, 100.0))] * 3),
    hours=st.none() | st.floats(-2.0, 30.0),
)
@settings(max_examples=300)
def test_nothing_is_held_or_capped_beyond_what_it_is_built_for_or_for_longer_than_a_day(
    at: Stand, who: str, act: str, element: str, powers: tuple[float | None, ...], hours: float | None
) -> None:
    Witness(at).send(Step("command", who, act, element, *powers, hours, None, again=False))


@pytest.mark.slow
@given(st.lists(STEPS, min_size=20, max_size=60))
@settings(max_examples=2_000)
def test_no_command_gets_past_anything_in_long_days(at: Stand, steps: list[Step]) -> None:
    witness = Witness(at)
    for step in steps:
        witness.send(step)

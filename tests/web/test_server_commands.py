"""Commands at the desk: who may, what must be said, how far it reaches, and what is written down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from scripted_source import ACTS, ScriptedSource
from server_stand import Stand, eventually, stand, wish

from archipel.web.nouns import Act, Command
from archipel.web.source import CommandRefused

SWITCHING = {"open": "MV-LV1", "close": "LV1-LV2", "island": "LV1", "rejoin": "LV1"}
ADMINISTERS = {"untag", "kill", "start"}


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path) as found:
        yield found


def until(at: Stand, hours: float) -> str:
    return str((at.source.now + timedelta(hours=hours)).isoformat())


def well(at: Stand, act: str) -> dict[str, Any]:
    """What an act must say to be carried out."""
    more: dict[str, Any] = {}
    if act in {"limit", "hold"}:
        more["until"] = until(at, 1)
    if act == "limit":
        more |= {"element": "upstream", "import_kw_max": 100.0}
    elif act == "hold":
        more |= {"element": "LV1.battery", "p_kw": 5.0}
    elif act == "acknowledge":
        more["element"] = "card-1"
    else:
        more["element"] = SWITCHING.get(act, "LV1")
    return more


@pytest.mark.parametrize("act", ACTS)
def test_every_act_needs_its_role_and_reaches_the_source_with_it(at: Stand, act: str) -> None:
    said = well(at, act)
    for who in ("", "view", "operate", "administer"):
        more = dict(said)
        if act in SWITCHING and who in {"operate", "administer"}:
            more["selection"] = at.select(who, act, SWITCHING[act]).json["id"]
        answer = at.command(who, act, **more)
        may = who == "administer" or (who == "operate" and act not in ADMINISTERS)
        assert answer.status == (202 if may else 403), answer
        if may:
            assert answer.json["who"] == who
            assert at.source.reached[-1][0].act == act
    assert {who for _, who in at.source.reached} == (
        {"administer"} if act in ADMINISTERS else {"operate", "administer"}
    )


def test_the_acts_of_the_tests_are_all_there_are() -> None:
    assert set(ACTS) == set(get_args(Act))


@pytest.mark.parametrize("act", ["default", "disarm"])
@pytest.mark.parametrize(
    "more",
    [
        {}, {"element": "LV9"}, {"element": 7}, {"until": "1700-01-01T00:00:00Z"}, {"until": "never"}, {"p_kw": "much"},
        {"id": "x"}, {"id": None}, {"selection": "none"}, {"nonsense": [1]}, {"why": "x" * 5_000}, {"why": {"a": 1}},
        {"import_kw_max": -1e300},
    ],
    ids=str,
)  # fmt: skip
def test_back_to_what_is_safe_is_refused_for_nothing_but_the_role(at: Stand, act: str, more: dict[str, Any]) -> None:
    for element in ("", "MV-LV2"):
        body = {**wish(act, element), **more}
        assert at.ask("commands", "operate", method="POST", body=body).status == 202
        assert at.source.reached[-1][0].act == act
    assert at.ask("commands", "view", method="POST", body=body).status == 403


def test_back_to_what_is_safe_passes_when_the_id_was_used_for_something_else(at: Stand) -> None:
    assert at.command("operate", "arm", "LV1", id="same-same").status == 202
    answer = at.command("other", "default", "LV1", id="same-same")
    assert answer.status == 202
    assert answer.json["command"]["id"] != "same-same"
    assert [command.act for command, _ in at.source.reached] == ["arm", "default"]


def test_back_to_what_is_safe_passes_while_every_other_command_is_stuck(tmp_path: Path) -> None:
    stuck = threading.Event()
    source = ScriptedSource(before_carrying_out=lambda command: command.act == "arm" and stuck.wait(30))
    with stand(tmp_path, source) as at:
        threads = [threading.Thread(target=at.command, args=("operate", "arm", "LV1")) for _ in range(20)]
        for thread in threads:
            thread.start()
        try:
            eventually(lambda: sum(one["became"] == "requested" for one in at.audit()) >= 16)
            assert at.command("operate", "default").status == 202
        finally:
            stuck.set()
            for thread in threads:
                thread.join()


def test_without_an_audit_nothing_happens_but_the_way_back_to_what_is_safe(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with stand(tmp_path, audit=tmp_path / "file") as at:
        answer = at.command("administer", "arm", "LV1")
        assert answer.status == 409
        assert "audit" in answer.error
        assert at.select("operate", "open", "MV-LV1").status == 409
        assert at.source.reached == []
        assert at.command("operate", "default").status == 202
        assert at.command("operate", "disarm", "LV1").status == 202


# ---------------------------------------------------------------- what must be said


@pytest.mark.parametrize(
    ("act", "more", "told"),
    [
        ("arm", {"id": "short"}, "id"),
        ("arm", {"id": "with space in it"}, "id"),
        ("arm", {"id": "x" * 65}, "id"),
        ("arm", {"element": ""}, "element"),
        ("arm", {"element": "x" * 201}, "too long"),
        ("arm", {"why": "x" * 1_001}, "too long"),
        ("arm", {"until": "2016-06-09T13:00:00Z"}, "until"),
        ("arm", {"p_kw": 1.0}, "p_kw"),
        ("arm", {"selection": "selection-1"}, "selection"),
        ("arm", {"force": True}, "force"),
        ("launch", {}, "act"),
        ("hold", {"p_kw": 1.0}, "until"),
        ("hold", {"until": "2016-06-09T13:00:00Z"}, "p_kw"),
        ("hold", {"p_kw": "5", "until": "2016-06-09T13:00:00Z"}, "p_kw"),
        ("hold", {"p_kw": 1.0, "until": "0001-01-01T00:00:00Z"}, "until"),
        ("hold", {"p_kw": 1.0, "until": "2016-06-09T13:00:00Z", "import_kw_max": 1.0}, "import_kw_max"),
        ("limit", {"until": "2016-06-09T13:00:00Z"}, "import_kw_max"),
    ],
)
def test_a_command_that_does_not_say_what_it_must_is_refused_by_name(
    at: Stand, act: str, more: dict[str, Any], told: str
) -> None:
    answer = at.ask("commands", "administer", method="POST", body={**wish(act, "LV1"), **more})
    assert answer.status == 400
    assert told in answer.error
    assert at.source.reached == []
    assert at.audit()[-1]["became"] == "refused"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"1", b'"default"', b"\xff\xfe", b'{"act":"default"', b"[" * 9_999]
)
def test_a_body_that_is_no_command_is_refused_and_written_down(at: Stand, body: bytes) -> None:
    answer = at.ask("commands", "operate", method="POST", body=body)
    assert answer.status == 400
    assert answer.error
    assert (at.audit()[-1]["became"], at.audit()[-1]["asked"]) == ("refused", None)


def test_numbers_no_float_can_hold_are_refused(at: Stand) -> None:
    for number in (b"1e999", b"-1e999", b"NaN", b"Infinity"):
        body = (
            b'{"id":"12345678","act":"hold","element":"LV1.battery","until":"2016-06-09T13:00:00Z","p_kw":'
            + number
            + b"}"
        )
        assert at.ask("commands", "operate", method="POST", body=body).status == 400
    assert at.source.reached == []


# ---------------------------------------------------------------- how far it may reach


@pytest.mark.parametrize("act", ["limit", "hold"])
@pytest.mark.parametrize(("hours", "status"), [(-0.01, 409), (0.0, 409), (0.01, 202), (24.0, 202), (24.01, 409)])
def test_what_ends_by_itself_ends_within_a_day_of_grid_time(at: Stand, act: str, hours: float, status: int) -> None:
    at.source.seconds = 7_200
    assert at.command("operate", act, **{**well(at, act), "until": until(at, hours)}).status == status


@pytest.mark.parametrize(
    ("device", "p_kw", "status"),
    [
        ("LV1.battery", 10.0, 202), ("LV1.battery", 10.01, 409), ("LV1.battery", -10.01, 409), ("LV1.pv", 0.1, 409),
        ("LV1.pv", -5.0, 202), ("LV9.battery", 0.0, 404), ("LV2.battery", 1.0, 409),
    ],
)  # fmt: skip
def test_a_device_is_held_within_its_nameplate_and_never_when_tagged(
    at: Stand, device: str, p_kw: float, status: int
) -> None:
    answer = at.command("operate", "hold", device, p_kw=p_kw, until=until(at, 1))
    assert answer.status == status
    assert len(at.source.reached) == (status == 202)


@pytest.mark.parametrize(
    ("element", "kw", "status"),
    [("LV1", 100.0, 202), ("LV1", 100.1, 409), ("LV1", -0.1, 409), ("upstream", 400.0, 202), ("upstream", 401.0, 409),
     ("LV1.battery", 1.0, 404), ("LV9", 1.0, 404)],
)  # fmt: skip
def test_a_cap_lies_within_what_a_tie_or_the_connection_carries(
    at: Stand, element: str, kw: float, status: int
) -> None:
    assert at.command("operate", "limit", element, import_kw_max=kw, until=until(at, 1)).status == status
    assert len(at.source.reached) == (status == 202)


def test_over_a_run_nothing_can_be_commanded(tmp_path: Path) -> None:
    with stand(tmp_path, ScriptedSource(kind="run", acts=())) as at:
        answer = at.command("administer", "arm", "LV1")
        assert answer.status == 409
        assert "cannot be given here" in answer.error


# ---------------------------------------------------------------- select before operate


@pytest.mark.parametrize("act", SWITCHING)
def test_a_switch_is_operated_only_after_a_selection_of_the_same_person_and_once(at: Stand, act: str) -> None:
    element = SWITCHING[act]
    assert at.command("operate", act, element).status == 409
    assert at.command("operate", act, element, selection="selection-1").status == 409
    chosen = at.select("operate", act, element).json
    assert chosen["allowed"]
    assert at.command("other", act, element, selection=chosen["id"]).status == 409, "another person's; and it is gone"
    assert at.command("operate", act, element, selection=chosen["id"]).status == 409
    chosen = at.select("operate", act, element).json
    assert at.command("operate", act, element, selection=chosen["id"]).status == 202
    assert at.command("operate", act, element, selection=chosen["id"]).status == 409
    assert len(at.source.reached) == 1


def test_a_selection_is_for_what_was_selected_and_for_nothing_else(at: Stand) -> None:
    for act, element in (("close", "MV-LV1"), ("open", "LV1-LV2"), ("island", "LV1")):
        chosen = at.select("operate", "open", "MV-LV1").json
        answer = at.command("operate", act, element, selection=chosen["id"])
        assert answer.status == 409
        assert "select again" in answer.error
    assert at.source.reached == []


def test_a_selection_holds_for_thirty_seconds(at: Stand) -> None:
    chosen = at.select("operate", "open", "MV-LV1").json
    at.clock.more_s = 31.0
    answer = at.command("operate", "open", "MV-LV1", selection=chosen["id"])
    assert answer.status == 409
    assert "older than 30 s" in answer.error
    at.clock.more_s = 0.0
    chosen = at.select("operate", "open", "MV-LV1").json
    at.clock.more_s = 29.0
    assert at.command("operate", "open", "MV-LV1", selection=chosen["id"]).status == 202


def test_what_a_selection_says_no_to_is_not_operated(at: Stand) -> None:
    chosen = at.select("operate", "island", "MV").json
    assert chosen["allowed"] is False
    answer = at.command("operate", "island", "MV", selection=chosen["id"])
    assert answer.status == 409
    assert "balance" in answer.error
    assert at.source.reached == []


def test_only_switching_is_selected_and_only_by_who_may(at: Stand) -> None:
    assert at.select("operate", "arm", "LV1").status == 400
    assert at.select("view", "open", "MV-LV1").status == 403
    assert at.select("operate", "open", "MV-LV9").status == 404
    assert at.select("operate", "open", "MV-LV2").status == 409, "a tag stands on it"
    assert at.source.reached == []


# ---------------------------------------------------------------- the same id


def test_the_same_command_again_is_carried_out_once(at: Stand) -> None:
    chosen = at.select("operate", "open", "MV-LV1").json
    body = wish("open", "MV-LV1", selection=chosen["id"])
    first = at.ask("commands", "operate", method="POST", body=body)
    again = at.ask("commands", "operate", method="POST", body=body)
    assert (first.status, again.status) == (202, 200)
    assert again.json == first.json
    at.source.step()
    assert at.ask("commands", "operate", method="POST", body=body).json["phase"] == "executed", "what became of it"
    assert len(at.source.reached) == 1
    assert at.ask("commands", "other", method="POST", body=body).status == 409
    assert at.ask("commands", "operate", method="POST", body={**body, "why": "x"}).status == 409


def test_the_same_command_twice_at_once_is_carried_out_once(tmp_path: Path) -> None:
    go = threading.Event()
    source = ScriptedSource(before_carrying_out=lambda command: bool(go.wait(30)))
    with stand(tmp_path, source) as at:
        body, found = wish("arm", "LV1"), []
        threads = [
            threading.Thread(
                target=lambda: found.append(at.ask("commands", "operate", method="POST", body=body).status)
            )
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        eventually(lambda: any(one["became"] == "requested" for one in at.audit()))
        go.set()
        for thread in threads:
            thread.join()
        assert sorted(found) == [200, 200, 200, 200, 202]
        assert len(source.reached) == 1


def test_a_command_from_before_the_server_began_again_is_known(tmp_path: Path) -> None:
    source = ScriptedSource()
    body = wish("arm", "LV1")
    for folder, status in (("one", 202), ("two", 200)):
        (tmp_path / folder).mkdir()
        with stand(tmp_path / folder, source) as at:
            assert at.ask("commands", "operate", method="POST", body=body).status == status
    assert len(source.reached) == 1


def test_a_refused_command_may_be_given_again_with_its_id(at: Stand) -> None:
    body = wish("arm", "MV-LV2")
    assert at.ask("commands", "operate", method="POST", body=body).status == 409
    at.source.tags.clear()
    assert at.ask("commands", "operate", method="POST", body=body).status == 202


# ---------------------------------------------------------------- what is written down


def test_every_command_is_in_the_audit_with_who_what_and_what_became_of_it(at: Stand) -> None:
    at.command("view", "arm", "LV1", why="to see <b>")
    at.command("operate", "arm", "MV-LV2")
    chosen = at.select("operate", "open", "MV-LV1").json
    at.command("operate", "open", "MV-LV1", selection=chosen["id"], why="works on line/2\nand more")
    at.source.step(1)
    at.source.step(1)
    eventually(lambda: at.audit()[-1]["became"] == "measured")
    assert [(one["who"], one["became"], one["asked"]["act"]) for one in at.audit()] == [
        ("view", "refused", "arm"),
        ("operate", "requested", "arm"),
        ("operate", "refused", "arm"),
        ("operate", "selected", "open"),
        ("operate", "requested", "open"),
        ("operate", "accepted", "open"),
        ("archipel", "measured", "open"),
    ]
    assert all(one["address"] == "127.0.0.1" for one in at.audit()[:-1])
    assert at.audit()[5]["asked"]["why"] == "works on line/2\nand more"
    assert {path.stat().st_mode & 0o777 for path in at.settings.audit.iterdir()} == {0o600}


def test_the_audit_says_that_it_will_happen_before_it_happens(tmp_path: Path) -> None:
    seen: list[str] = []
    source = ScriptedSource()
    with stand(tmp_path, source) as at:
        source.before_carrying_out = lambda command: seen.append(at.audit()[-1]["became"])
        at.command("operate", "arm", "LV1")
    assert seen == ["requested"]


def test_a_source_that_refuses_what_it_should_not_is_a_409_and_written_down(tmp_path: Path) -> None:
    def no(command: Command) -> None:
        raise CommandRefused("the bridge is up")

    with stand(tmp_path, ScriptedSource(before_carrying_out=no)) as at:
        answer = at.command("operate", "default")
        assert (answer.status, answer.error) == (409, "the bridge is up")
        assert at.audit()[-1]["text"] == "the bridge is up"


def test_commands_are_listed_newest_first_with_their_phases(at: Stand) -> None:
    for element in ("LV1", "LV2"):
        at.command("operate", "arm", element)
    at.source.step(2)
    found = at.ask("commands").json
    assert [one["command"]["element"] for one in found] == ["LV2", "LV1"]
    assert {one["phase"] for one in found} == {"executed"}
    times = msgspec.convert(found[0]["at"], dict[str, datetime])
    assert times["requested"] <= times["accepted"] <= times["executed"] <= datetime.now(UTC)

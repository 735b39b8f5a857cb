"""`archipel reconfigure` as the pages tell people to type it, on a day short enough for a test."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from reading import commands

from archipel import twin
from archipel.cli.main import main
from archipel.strategies import reconfiguration

TYPED = sorted({words for _, words in commands() if words[:2] == ("archipel", "reconfigure")})


@pytest.fixture(autouse=True)
def _two_steps_at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(scenario: Any, strategy: Any, *, start: Any, days: int) -> Any:
        del days
        return twin.run(scenario, strategy, start=start + timedelta(hours=12), steps=2)

    monkeypatch.setattr(reconfiguration, "run", short)


@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_a_command_of_the_docs_names_switches_or_says_that_there_is_nothing_to_operate(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words[1:]) == 0
    said = capsys.readouterr().out
    if "--json" in words:
        found = json.loads(said)
        assert {"today", "decided"} <= set(found["figures"])
        return
    assert re.search(r"^1\. close line/\d+ \(switch/\d+\), then open line/\d+", said, re.MULTILINE) or (
        "Nothing to operate" in said
    )
    assert "losses [kWh]" in said


def test_what_is_forbidden_appears_in_no_operation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconfigure", "island", "--least-kwh", "0", "--json"]) == 0
    free = json.loads(capsys.readouterr().out)["transfers"]
    assert free
    tagged = free[0]["close_switches"][0]
    assert main(["reconfigure", "island", "--least-kwh", "0", "--json", "--forbid", tagged]) == 0
    held = json.loads(capsys.readouterr().out)
    assert all(tagged not in (*one["close_switches"], *one["open_switches"]) for one in held["transfers"])
    assert free[0]["close"] not in {one["close"] for one in held["transfers"]}


def test_opening_first_says_how_many_nodes_are_dark_for_a_moment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconfigure", "island", "--least-kwh", "0", "--break-first"]) == 0
    said = capsys.readouterr().out
    assert re.search(
        r"^1\. open line/\d+ \(switch/\d+\), then close line/\d+ .*; \d+ nodes are dark", said, re.MULTILINE
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--forbid", "switch/none"), "'switch/none'"),
        (("--date", "tomorrow"), "expected a day from 2015-12-31 to"),
        (("--date", "1999-01-01"), "expected a day from 2015-12-31 to"),
    ],
)
def test_what_cannot_be_used_is_one_message_and_exit_code_two(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reconfigure", "island", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("archipel: ")
    assert told in said

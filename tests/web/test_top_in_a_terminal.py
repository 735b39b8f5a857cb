"""`archipel top`: one moment for scripts, and a picture that keys walk through the past with."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parent))

from scripted_source import ScriptedSource

from archipel.cli.main import main
from archipel.web.glance import CellLine, OfSource, look
from archipel.web.server import Settings, serving
from archipel.web.terminal import Picture, bar, kw, said
from archipel.web.top import Watch, keys_in

PATIENCE_S = 60.0


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with serving(ScriptedSource(kind="run"), Settings(audit=tmp_path)) as served:
        yield served.url


def drawn(source: ScriptedSource, width: int, **how: object) -> str:
    out = StringIO()
    console = Console(file=out, width=width, **how)  # type: ignore[arg-type]
    console.print(Picture(look(OfSource(source))))
    return out.getvalue()


@pytest.mark.parametrize("width", [30, 40, 60, 80, 100, 140])
def test_no_line_is_wider_than_the_terminal_and_every_cell_has_one(width: int) -> None:
    text = drawn(ScriptedSource(), width)
    assert max(map(len, text.splitlines())) <= width
    for cell in ("MV", "LV1", "LV2"):
        assert re.search(rf"^ +{cell}\b.*([+-]\d|\?)", text, re.MULTILINE)


def test_what_is_not_known_is_a_question_mark_and_never_a_zero() -> None:
    assert kw(None) == "?"
    assert kw(0.0) == "0.0"
    assert kw(-1234.5, sign=True) == "-1,234" or kw(-1234.5, sign=True) == "-1,235"


def test_an_open_card_says_that_not_all_is_well() -> None:
    text = drawn(ScriptedSource(), 100)
    assert "Not all is well: 1 action." in text
    assert "<b>Voltage</b> low" in text


def test_text_from_a_file_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in said("\x1b[2J\x1b]0;owned\x07name")
    assert said("Füßen 3") == "Füßen 3"


def test_without_colour_nothing_but_letters_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in drawn(ScriptedSource(), 100, force_terminal=True)


def line(**given: object) -> CellLine:
    empty = dict.fromkeys(CellLine.__dataclass_fields__)
    return CellLine(
        **{**empty, "id": "A", "depth": 0, "level": "", "mode": "", "stale": False, "stores": True, **given}
    )


def test_a_bar_is_as_long_as_what_a_cell_lives_on_and_unknown_where_a_part_is() -> None:
    parts = {"renewable_kw": 30.0, "battery_kw": -30.0, "p_kw": 60.0}
    assert bar(line(**parts), 120.0, plain=True).plain == "###+++------"
    assert bar(line(**parts), 240.0, plain=True).plain == "##+---" or len(bar(line(**parts), 240.0, plain=True)) == 6
    assert bar(line(**{**parts, "p_kw": None}), 120.0, plain=True).plain == "?"


def test_keys_walk_through_the_past_and_never_out_of_it() -> None:
    source = ScriptedSource(kind="run")
    span = source.span()
    watch = Watch(OfSource(source))
    watch.press("left")
    assert watch.time == span.end - timedelta(seconds=1)
    watch.press("home")
    watch.press("left")
    assert watch.time == span.start
    watch.press("page down")
    watch.press("right")
    assert watch.time == span.end
    watch.press("s")
    assert watch.strategy == "alone"
    watch.press("q")
    assert watch.over


def test_space_plays_a_run_and_ends_at_its_end() -> None:
    source = ScriptedSource(kind="run")
    watch = Watch(OfSource(source))
    watch.press("space")
    assert watch.playing
    assert watch.time == source.span().start
    watch.passes(1.0)
    assert watch.time == source.span().start + timedelta(seconds=4)
    watch.passes(1e6)
    assert not watch.playing
    assert watch.time == source.span().end


def test_beyond_the_end_of_what_is_live_there_is_only_now() -> None:
    source = ScriptedSource()
    source.step(100)
    watch = Watch(OfSource(source))
    watch.press("left")
    assert watch.time is not None
    watch.press("right")
    assert watch.time is None


def test_old_values_are_said_to_be_old() -> None:
    source = ScriptedSource()
    glance = look(OfSource(source), now=datetime.now(UTC) + timedelta(seconds=60))
    assert glance.stale
    assert all(cell.stale for cell in glance.cells)


def test_keys_are_known_by_what_terminals_send() -> None:
    assert keys_in("q\x1b[D\x1b[5~ x") == ["q", "left", "page up", "space", "x"]


def test_one_moment_of_a_server_is_printed_for_scripts(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", address, "--once"]) == 0
    told = capsys.readouterr().out
    assert "LV1" in told
    assert "\x1b" not in told
    assert main(["top", address, "--json", "--strategy", "alone"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [cell["id"] for cell in told["cells"]] == ["MV", "LV1", "LV2"]
    assert told["strategy"] == "alone"


def test_what_is_not_there_is_said_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "nowhere", "--runs", str(tmp_path), "--once"]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert main(["top", "http://127.0.0.1:9", "--once"]) == 2
    assert "127.0.0.1:9" in capsys.readouterr().err
    assert main(["top", "run", "--live", "up"]) == 2


def read_until(terminal: int, pattern: str, seen: bytearray) -> None:
    """Read what a program draws until it has drawn something."""
    end = time.monotonic() + PATIENCE_S
    while not re.search(pattern, seen.decode("utf-8", "replace")):
        left = end - time.monotonic()
        assert left > 0, f"waited in vain for {pattern}: {bytes(seen[-2000:])!r}"
        ready, _, _ = select.select([terminal], [], [], left)
        if ready:
            seen += os.read(terminal, 65_536)


def test_in_a_terminal_keys_move_the_picture_and_q_ends_it(address: str) -> None:
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    command = [sys.executable, "-m", "archipel.cli.main", "top", address]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, close_fds=True) as process:
        os.close(theirs)
        seen = bytearray()
        try:
            read_until(ours, r"13:00:00 UTC", seen)
            read_until(ours, r"q quit", seen)
            os.write(ours, b"\x1b[D")
            read_until(ours, r"12:59:59 UTC", seen)
            os.write(ours, b"q")
            read_until(ours, r"\x1b\[\?1049l", seen)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            os.close(ours)

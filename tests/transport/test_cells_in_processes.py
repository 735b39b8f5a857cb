"""Cells as processes on loopback: killed, hung, with wrong certificates, dying with a session open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rigs import RIGHTS, free_port

from archipel.transport import Messenger, Refusal, Station, Trouble
from archipel.transport.errors import LinkUnusable
from archipel.transport.identity import Authority, Identity, utc_now
from archipel.transport.trust import CertifiedTrust
from archipel.transport.zenoh import zenoh_messenger

HERE = Path(__file__).parent
PATIENCE_S = 60


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """Folder with cells a, b, c of one area and m of another authority."""
    ours = Authority.create(tmp_path / "ours", "demo", utc_now())
    theirs = Authority.create(tmp_path / "theirs", "demo", utc_now())
    for name in "abc":
        ours.issue(name, tmp_path / name, utc_now())
    theirs.issue("m", tmp_path / "m", utc_now())
    return tmp_path


@contextmanager
def process(area: Path, name: str, listen: int, *neighbours: str) -> Iterator[subprocess.Popen[str]]:
    """The cell `name` in a process of its own, open when this begins and killed when it ends."""
    script = str(HERE / "transport_process.py")
    words = [sys.executable, script, str(area / name), f"127.0.0.1:{listen}", "1", *neighbours]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as cell:
        try:
            assert cell.stdout is not None
            assert cell.stdout.readline() == "open\n"
            yield cell
        finally:
            cell.kill()


def opened(
    area: Path,
    name: str,
    listen: int,
    neighbours: str,
    connect: dict[str, str] | None = None,
    wake: Callable[[], None] | None = None,
) -> Messenger:
    identity = Identity.load(area / name, utc_now())
    station = Station(CertifiedTrust(identity), epoch=1, rights=RIGHTS, neighbours=neighbours)
    return zenoh_messenger(
        station, identity, listen=f"127.0.0.1:{listen}", connect=connect or {}, on_arrival=wake, grace_s=0.5
    )


def until(cell: Messenger, happens: Callable[[], bool], woken: threading.Event | None = None) -> float:
    """Seconds until it happens; the cell pumps when woken, or every 20 ms."""
    begin = time.monotonic()
    while not happens():
        assert time.monotonic() - begin < PATIENCE_S, (cell.members(), cell.links(), cell.stats())
        if woken is None:
            time.sleep(0.02)
        else:
            woken.wait(0.02)
            woken.clear()
        cell.pump(utc_now())
    return time.monotonic() - begin


def test_a_neighbour_that_is_killed_or_hangs_is_known_soon(area: Path, capsys: pytest.CaptureFixture[str]) -> None:
    woken, here, there = threading.Event(), free_port(), free_port()
    with (
        opened(area, "a", here, "b", wake=woken.set) as a,
        process(area, "b", there, f"a=127.0.0.1:{here}") as b,
    ):
        until(a, lambda: a.alive("b") and a.may_agree("b", utc_now()), woken)
        b.send_signal(signal.SIGSTOP)
        hung_s = until(a, lambda: not a.alive("b"), woken)
        assert not a.may_agree("b", utc_now())
        b.send_signal(signal.SIGCONT)
        back_s = until(a, lambda: a.may_agree("b", utc_now()), woken)
        os.kill(b.pid, signal.SIGKILL)
        killed_s = until(a, lambda: not a.alive("b") and a.links().missing == {"b"}, woken)
        until(a, lambda: [alarm.trouble for alarm in a.alarms()] == [Trouble.LINK_MISSING], woken)
    with capsys.disabled():
        print(f"\n  known after: kill -9 {killed_s:.3f} s, SIGSTOP {hung_s:.2f} s; back {back_s:.2f} s after SIGCONT")


def test_a_neighbour_that_ends_is_gone_although_somebody_still_holds_its_token_of_life(area: Path) -> None:
    here, there, beside = free_port(), free_port(), free_port()
    with (
        opened(area, "a", here, "bc") as a,
        opened(area, "c", beside, "a", connect={"a": f"127.0.0.1:{here}"}) as c,
    ):
        until(a, lambda: a.alive("c"))
        with process(area, "b", there, f"a=127.0.0.1:{here}") as b:
            until(a, lambda: a.links().missing == frozenset() and a.may_agree("b", utc_now()))
            life = next(life for name, life in a._carrier._lives if name == "b")
            kept = c._carrier._session.liveliness().declare_token(f"archipel/demo/alive/b/{life}")
            time.sleep(0.3)
            b.kill()
            until(a, lambda: not a.alive("b"))
            assert ("b", life) in a._carrier._lives, "the transport still believes in it"
        kept.undeclare()


def test_of_a_cell_of_another_authority_no_byte_gets_in_and_its_link_is_an_alarm(area: Path) -> None:
    here, there = free_port(), free_port()
    with (
        opened(area, "b", there, "mc") as b,
        process(area, "m", free_port(), f"b=127.0.0.1:{there}"),
        process(area, "c", here, f"b=127.0.0.1:{there}"),
    ):
        heard: list[str] = []
        b.subscribe("measured/**", lambda received: heard.append(received.sender))
        until(b, lambda: heard.count("c") >= 10 and bool(b.alarms()))
        assert set(heard) == {"c"}
        assert b.members() == b.links().actual == {"c"}
        assert [(alarm.trouble, alarm.who) for alarm in b.alarms()] == [(Trouble.LINK_MISSING, "m")]
        assert "one of the two certificates is refused" in b.alarms()[0].text
        # nothing of m came as far as a message; c may have spoken before it showed its certificate
        assert set(b.stats().refused) <= {Refusal.UNKNOWN_SENDER}


def test_a_cell_of_the_area_that_is_no_neighbour_gets_nothing_through(area: Path) -> None:
    there = free_port()
    with (
        opened(area, "b", there, "a") as b,
        process(area, "c", free_port(), f"b=127.0.0.1:{there}"),
        process(area, "a", free_port(), f"b=127.0.0.1:{there}"),
    ):
        heard: list[str] = []
        b.subscribe("measured/**", lambda received: heard.append(received.sender))
        until(b, lambda: heard.count("a") >= 10 and bool(b.alarms()))
        assert set(heard) == {"a"}
        assert b.members() == {"a"}
        assert [(alarm.trouble, alarm.who) for alarm in b.alarms()] == [(Trouble.LINK_UNEXPECTED, "c")]


def test_a_cell_that_dials_goes_on_until_the_other_is_there_again_and_again(area: Path) -> None:
    here, there = free_port(), free_port()
    with opened(area, "b", here, "a", {"a": f"127.0.0.1:{there}"}) as b:
        until(b, lambda: bool(b.alarms()))
        for _ in range(2):
            with opened(area, "a", there, "b"):
                until(b, lambda: b.alive("a") and not b.alarms())
            until(b, lambda: not b.alive("a") and bool(b.alarms()))


def test_a_port_that_is_taken_and_a_stranger_to_dial_are_said(area: Path) -> None:
    here = free_port()
    with opened(area, "a", here, "b"):
        with pytest.raises(LinkUnusable, match=r"b: cannot listen on .* Is another process of this cell running"):
            opened(area, "b", here, "a")
        with pytest.raises(LinkUnusable, match="b: would dial c, expected neighbours only"):
            opened(area, "b", free_port(), "a", {"c": "127.0.0.1:1"})


def test_a_process_that_fails_with_its_transport_open_still_ends(area: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(HERE)!r})\n"
        "from pathlib import Path\n"
        "from test_cells_in_processes import opened, utc_now\n"
        f"cell = opened(Path({str(area)!r}), 'a', {free_port()}, 'b')\n"
        "cell.subscribe('measured/**', print)\n"
        "cell.publish('measured/x', 'sample', b'', utc_now())\n"
        "raise SystemError('as if by a mistake')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "SystemError: as if by a mistake" in done.stderr
    assert "Timeout" not in done.stderr, "the watchdog was not needed"

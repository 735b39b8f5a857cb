"""The demonstration as it is served: real processes, released by the clock, commanded, and gone without a trace."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from archipel.cli.main import main
from archipel.strategies.distributed import can_fork
from archipel.web.demo.source import DemoSource
from archipel.web.nouns import Command
from archipel.web.source import CommandRefused, NotShown

WAIT_S = 20.0
proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


def wait_until(what: Callable[[], bool], why: str) -> None:
    """Poll with a deadline."""
    end = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < end, why
        time.sleep(0.02)


def below(pid: int) -> set[int]:
    """All processes that descend from one, itself included."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended while we looked
                continue
            if words[0] != "Z":
                parents[int(entry.name)] = int(words[1])
    found, new = {pid}, {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def alive(pids: set[int]) -> set[int]:
    out = set()
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            out.add(pid)
    return out


@pytest.fixture(scope="module")
def source() -> Iterator[DemoSource]:
    one = DemoSource("district", seed=1, speed=10.0)
    yield one
    one.close()


def shown(source: DemoSource, minutes: int) -> None:
    """Wait until so many minutes are shown."""
    area = source.area()
    wait_until(lambda: source.span().end - area.span.start >= timedelta(minutes=minutes), source.failed or "too slow")


def test_it_shows_the_district_both_ways_and_says_what_can_be_ordered(source: DemoSource) -> None:
    area = source.area()
    assert (area.name, area.kind) == ("district", "demo")
    assert area.strategies == ["distributed", "uncoordinated"]
    assert len(area.cells) == 14
    assert ("kill" in area.acts) == can_fork()
    assert area.span.factor == pytest.approx(3000.0)
    assert area.span.live


def test_frames_come_one_after_the_other_and_can_be_found_again(source: DemoSource) -> None:
    shown(source, 5)
    first = source.latest()
    assert first is not None
    wait_until(lambda: (source.latest() or first).seq > first.seq, "no second frame")
    again = source.frame("", first.time)
    assert again.values.tobytes() == first.values.tobytes()
    assert again.time == first.time
    ghost = source.frame("uncoordinated", first.time)
    assert ghost.values.shape == first.values.shape
    assert ghost.values.tobytes() != first.values.tobytes()
    for wrong in (source.span().start - timedelta(hours=1), source.span().end + timedelta(hours=1)):
        with pytest.raises(NotShown, match="nothing is kept of it"):
            source.frame("", wrong)
    with pytest.raises(NotShown, match="expected one of distributed, uncoordinated"):
        source.frame("central", first.time)


def test_series_agreements_beliefs_and_reasons_are_told_of_any_moment_kept(source: DemoSource) -> None:
    shown(source, 10)
    span = source.span()
    series = source.series("", "cells", "LV3.304", ["p_kw", "soc"], span.start, span.end)
    assert len(series.time) == len(series.columns["p_kw"]) >= 10
    assert all(value is not None for value in series.columns["p_kw"])
    told = source.agreements("", None)
    assert told.plan is not None
    assert told.plan.accepted
    vertical = [tie for tie in told.ties if tie.agreed_kw is not None]
    assert len(vertical) == 13
    for tie in vertical:
        assert tie.p_kw is not None
        parts = [getattr(tie.parts, name) for name in ("energy", "losses", "congestion", "voltage", "fees")]
        assert sum(parts) == pytest.approx(tie.price_eur_per_kwh, abs=1e-6)
    assert source.agreements("uncoordinated", None).ties == []
    belief = source.belief("", "LV3.304", None)
    assert belief.made == span.start
    curves = {curve.name: curve for curve in belief.curves}
    assert {"p_kw", "renewable_kw", "soc"} <= set(curves)
    assert curves["p_kw"].true[0] is not None
    assert curves["p_kw"].true[-1] is None, "what is to come is not known"
    assert [view.neighbour for view in belief.neighbours] == ["Feeder12"]
    battery = next(
        i for i, kind in zip(source.area().devices.id, source.area().devices.kind, strict=True) if kind == "pv"
    )
    assert source.why("", "setpoint", battery, None).reasons
    assert "kWh" in source.why("", "price", vertical[0].tie, None).text
    with pytest.raises(NotShown, match="no such element"):
        source.series("", "cells", "nowhere", ["p_kw"], span.start, span.end)


def test_a_command_goes_from_accepted_to_measured_and_the_same_id_is_carried_out_once(source: DemoSource) -> None:
    shown(source, 3)
    area = source.area()
    row = area.devices.kind.index("battery")
    name = area.devices.id[row]
    until = source.span().end + timedelta(hours=3)
    order = Command(id="hold-battery-1", act="hold", element=name, p_kw=0.0, until=until)
    assert source.carry_out(order, "eva").phase == "accepted"
    assert source.carry_out(order, "eva").command == order
    wait_until(lambda: source.commands()[0].phase in {"measured", "failed"}, source.failed or "never measured")
    done = source.commands()[0]
    assert done.phase == "measured", done.text
    assert set(done.at) == {"requested", "accepted", "executed", "measured"}
    assert len([state for state in source.commands() if state.command.id == order.id]) == 1
    phases = [h.body["phase"] for h in source.happened(0) if h.kind == "command"]
    assert phases == ["accepted", "executed", "measured"]
    assert source.why("", "setpoint", name, None).text.endswith(f"by eva until {until:%H:%M}.")
    with pytest.raises(CommandRefused, match="nameplate"):
        source.carry_out(Command(id="hold-battery-2", act="hold", element=name, p_kw=1e6, until=until), "eva")


def test_happenings_are_numbered_without_gaps_and_tell_the_story(source: DemoSource) -> None:
    shown(source, 26)
    told = source.happened(0)
    assert [one.id for one in told] == list(range(1, len(told) + 1))
    assert source.happened(told[-1].id) == [] or source.happened(told[-1].id)[0].id == told[-1].id + 1
    assert next(one for one in told if one.kind == "story").body["number"] == 1
    assert {"story", "card", "span"} <= {one.kind for one in told}


def test_a_card_that_is_acknowledged_stays_so(source: DemoSource) -> None:
    wait_until(lambda: bool(source.cards("", None)), source.failed or "no card")
    card = source.cards("", None)[0]
    state = source.carry_out(Command(id="acknowledge-1", act="acknowledge", element=card.id), "eva")
    assert state.phase == "measured"
    assert next(one for one in source.cards("", None) if one.id == card.id).acknowledged_by == "eva"
    with pytest.raises(CommandRefused, match="no such card"):
        source.carry_out(Command(id="acknowledge-2", act="acknowledge", element="nothing"), "eva")


def start_demo(*more: str) -> tuple[subprocess.Popen[str], str]:
    """`archipel demo` as people start it; where it listens."""
    words = [sys.executable, "-m", "archipel.cli.main", "demo", "--no-browser", "--port", "0", *more]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/#token=\S+", line)
    assert found, f"found {line!r}; {process.stderr.read() if process.poll() is not None and process.stderr else ''}"
    return process, found.group(0)


@proc
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_no_process_is_left_behind(how: signal.Signals) -> None:
    process, _ = start_demo()
    try:
        cells = 14 if can_fork() else 0
        wait_until(lambda: len(below(process.pid)) >= 2 + cells, "cells never started")
        all_of_them = below(process.pid)
    finally:
        process.send_signal(how)
    process.communicate(timeout=WAIT_S)
    wait_until(lambda: not alive(all_of_them), f"left behind: {alive(all_of_them)}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--speed", "0"], "expected 0.1 to 10"),
        (["--speed", "fast"], "invalid"),
        (["--port", "70000"], "expected 0 to 65535"),
        (["--seed", "-1"], "expected a whole number"),
        (["--strategy", "alone"], "unrecognized arguments"),
    ],
)
def test_options_that_cannot_be_are_refused_with_what_is_expected(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("name", "said"), [("nowhere", "nowhere"), ("island-year", "without a main grid")])
def test_a_scenario_that_cannot_play_it_ends_with_a_sentence(
    name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--scenario", name, "--no-browser", "--port", "0"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_numbers_of_the_page_do_not_depend_on_when_it_looks(source: DemoSource) -> None:
    shown(source, 12)
    at = source.span().start + timedelta(minutes=8)
    assert np.array_equal(source.frame("", at).values, source.frame("", at).values, equal_nan=True)
    assert source.frame("", at + timedelta(seconds=59)).time == at

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from archipel.controller.facts import Intentions
from archipel.grid.power_flow import PowerFlow
from archipel.twin.faults import Cut, Faults, Spell, draw, simulate
from archipel.twin.faults.__main__ import main
from archipel.twin.faults.books import Books
from archipel.twin.faults.host import Host
from archipel.twin.faults.simulate import Simulation
from archipel.twin.faults.village import NAMES, PARENT, village


def test_on_a_good_day_every_tie_is_agreed_all_the_time_and_nothing_splits() -> None:
    story = simulate(1, 6, Faults())
    assert story.violations == ()
    assert (story.splits, story.counts["contradicted"], story.counts["mismatches"]) == (0, 0, 0)
    assert story.counts["agreed"] == 7 * 5, "seven ties, a plan a minute, the first after a minute"


def test_the_same_seed_gives_the_same_trace_also_with_another_order_of_sets() -> None:
    here = simulate(7, 6).trace
    assert simulate(7, 6).trace == here
    assert simulate(8, 6).trace != here
    code = "from archipel.twin.faults import simulate; print(simulate(7, 6).trace)"
    for hash_seed in ("0", "4711"):
        env = os.environ | {"PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == here


def everything_wanted(seed: int, patch: pytest.MonkeyPatch, *, every_tick: bool) -> list[tuple[object, ...]]:
    """What controllers wrote down, said and ordered, with its time; an order counts when it changes."""
    said: list[tuple[object, ...]] = []
    ordered: dict[str, object] = {}
    booked = Books.stepped

    def stepped(self: Books, host: Host, wants: Intentions, now_s: float) -> None:
        said.extend((now_s, host.name, note.kind, note.key, dict(note.body)) for note in wants.notes)
        said.extend((now_s, host.name, mail.receiver, repr(mail.said)) for mail in wants.mail)
        if ordered.get(host.name) != (orders := dict(wants.orders)):
            ordered[host.name] = orders
            said.append((now_s, host.name, str(orders)))
        booked(self, host, wants, now_s)

    with patch.context() as within:
        within.setattr(Books, "stepped", stepped)
        simulation = Simulation(seed, 600.0, None, tell=False)
        simulation.every_tick = every_tick
        simulation.run()
    return said


@pytest.mark.parametrize("seed", [*range(0, 60, 4), 77])
def test_a_controller_that_is_not_asked_while_it_is_quiet_does_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_always = everything_wanted(seed, monkeypatch, every_tick=True)
    assert asked_always
    assert everything_wanted(seed, monkeypatch, every_tick=False) == asked_always


def test_seeds_draw_few_and_many_kinds_of_faults_and_all_of_them_end_before_healing() -> None:
    drawn = [draw(seed, 600.0) for seed in range(200)]
    lists = ("cuts", "crashes", "hangs", "clocks", "readings", "devices", "outside", "tags", "replays", "forgeries")
    kinds = [sum(bool(getattr(f, name)) for name in lists) for f in drawn]
    assert min(kinds) <= 1
    assert max(kinds) >= 7
    for name in lists:
        assert 20 < sum(bool(getattr(f, name)) for f in drawn) < 180, name
    for f in drawn:
        for spell in (*f.cuts, *f.crashes, *f.hangs, *f.clocks, *f.readings, *f.devices, *f.outside, *f.tags):
            assert 0.0 < spell.start_s <= spell.end_s <= f.heal_s
        assert 0.0 <= f.loss <= 0.5


def test_a_cell_cut_off_for_longer_than_its_agreement_falls_to_its_default_and_comes_back() -> None:
    alone = Cut(65.0, 320.0, frozenset(NAMES), frozenset({"moss"}))
    story = simulate(3, 10, Faults(heal_s=330.0, cuts=(alone,)), tell=True)
    assert story.violations == ()
    fell = [
        line for line in story.lines if "moss" in line and "acts/" in line and ("FALLBACK" in line or "ALONE" in line)
    ]
    assert any(120.0 < float(line.split()[0]) < 320.0 for line in fell)


def test_a_killed_cell_leaves_its_devices_at_their_default_when_their_orders_end() -> None:
    story = simulate(3, 10, Faults(heal_s=330.0, crashes=(Spell(130.0, 230.0, "ash", "at once"),)))
    assert story.counts["crashes"] == 1
    assert story.violations == ()


def test_a_forged_or_replayed_letter_changes_nothing() -> None:
    forgeries = tuple(50.0 + 2.0 * k for k in range(100))
    plain = simulate(5, 10, Faults(heal_s=330.0))
    story = simulate(5, 10, Faults(heal_s=330.0, forgeries=forgeries, replays=forgeries))
    assert story.counts["refused"] == 200
    assert story.violations == ()
    assert story.counts["agreed"] == plain.counts["agreed"]


@pytest.mark.parametrize("how", ["stale", "nan", "large", "sign"])
def test_an_instrument_that_lies_never_moves_a_battery_out_of_its_band(how: str) -> None:
    lies = tuple(Spell(60.0, 300.0, name, f"soc {how}") for name in ("oak", "ash", "moss"))
    assert simulate(11, 10, Faults(heal_s=330.0, readings=lies)).violations == ()


def test_the_village_is_a_radial_network_that_carries_what_its_cells_may_do_alone() -> None:
    for seed in range(20):
        place = village(seed, 20)
        flow = PowerFlow(place.grid)
        for sign in (1.0, -1.0):
            p_kw = np.zeros(len(place.grid.nodes))
            for name in PARENT:
                here = place.place[name]
                p_kw[here.node + 2] = here.import_kw if sign > 0 else -here.export_kw
            found = flow.solve(p_kw, 0.2 * np.abs(p_kw))
            assert found.loading.max() < 1.0
            assert 0.9 < found.v_pu.min() <= found.v_pu.max() < 1.1


def test_the_command_tells_a_story_and_names_bad_requests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["2", "--minutes", "6"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("seed 2: ")
    assert f"trace {simulate(2, 6).trace}" in told
    assert main(["--seeds", "2-3", "--minutes", "6"]) == 0
    assert "2 of 2 seeds, 0 with violations" in capsys.readouterr().err
    for bad, word in (
        (["1", "--minutes", "1"], "at least 6"),
        (["--seeds", "9"], "expected two numbers"),
        ([], "one SEED"),
    ):
        with pytest.raises(SystemExit):
            main(bad)
        assert word in capsys.readouterr().err

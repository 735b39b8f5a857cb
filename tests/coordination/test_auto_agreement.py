from __future__ import annotations

from collections.abc import Sequence

import pytest
from automatically import programs
from hypothesis import given
from hypothesis import strategies as st

from archipel.coordination import auto, exact, robust
from archipel.coordination.auto import CALM, LATE, choose
from archipel.coordination.outcome import Before
from archipel.coordination.tree import Program
from archipel.testing import check_coordination
from archipel.testing.post import Post
from archipel.testing.trees import Tree, random_tree


def short(iterations: int, gap: float = 1e-6) -> auto.Options:
    return auto.Options(
        exact.Options(gap=gap, iterations=iterations),
        robust.Options(gap=3e-3, rounds=iterations, every=min(10, iterations)),
    )


def test_the_choice_of_both_keeps_every_promise() -> None:
    def by_auto(tree: Tree, iterations: int) -> Sequence[Program]:
        return programs(tree, short(min(iterations, 60)))

    check_coordination(by_auto, seeds=(1,))


def test_without_loss_it_is_the_exact_way_bit_for_bit_with_one_round_trip_more() -> None:
    tree = random_tree(5)
    ours, plain = (Post(tree, programs(tree, method)).run() for method in (auto.DEFAULT, exact.DEFAULT))
    for a, b in zip(ours, plain, strict=True):
        assert a.u.tobytes() == b.u.tobytes()
        assert a.price.tobytes() == b.price.tobytes()
        assert a.boundary.tobytes() == b.boundary.tobytes()
        assert (a.way, a.gap, a.cost, a.iterations) == ("exact", b.gap, b.cost, b.iterations)
        assert a.round_trips == b.round_trips + 1


@pytest.mark.parametrize(
    ("before", "way"),
    [
        (None, "exact"),
        (Before("exact", True, 75, 0), "exact"),
        (Before("exact", True, 75, 100), "exact"),
        (Before("exact", True, 75, 300), "robust"),
        (Before("exact", False), "robust"),
        (Before("robust", False), "robust"),
        (Before("robust", True, 120, 80), "robust"),
        (Before("robust", True, 120, 12), "exact"),
    ],
)
def test_exact_is_left_when_plans_come_late_and_taken_up_again_when_all_is_calm(before: Before, way: str) -> None:
    assert choose(before) == way


@given(waits=st.integers(1, 1000), ticks=st.integers(0, 10_000))
def test_between_late_and_calm_the_way_is_kept(waits: int, ticks: int) -> None:
    after_exact, after_robust = (choose(Before(way, True, waits, ticks)) for way in ("exact", "robust"))
    assert {after_exact, after_robust} != {"robust"} or ticks > LATE * waits
    if CALM * waits < ticks <= LATE * waits:
        assert (after_exact, after_robust) == ("exact", "robust")


@pytest.mark.parametrize("before", [Before("exact", False), Before("robust", True, 10, 10)])
def test_the_root_alone_decides_and_every_cell_follows(before: Before) -> None:
    tree = random_tree(1, depth=2)
    found = Post(tree, programs(tree, short(100), before)).run()
    assert {cell.way for cell in found} == {"robust"}
    assert found[0].converged

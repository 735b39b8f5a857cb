"""Which neighbours are there when tokens of life may be stale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from archipel.transport.presence import UNDER_WAY, Presence

NOON = datetime(2016, 6, 9, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
A, AB, NONE = frozenset("a"), frozenset("ab"), frozenset[str]()


def lost() -> Presence:
    known = Presence()
    known.see(AB, NOON)
    known.see(A, NOON + SECOND)
    return known


def test_a_member_that_never_had_a_link_of_ours_is_there() -> None:
    assert Presence().present(AB, NONE) == AB


def test_a_neighbour_whose_link_ended_is_gone_at_once_and_until_it_is_back() -> None:
    known = Presence()
    known.see(AB, NOON)
    assert known.present(AB, A) == A, "before the next look"
    assert lost().present(AB, A) == A
    assert lost().present(AB, AB) == AB


def test_a_neighbour_that_is_heard_over_others_is_there_without_its_link() -> None:
    known = lost()
    known.heard("b", NOON + SECOND + UNDER_WAY)
    assert known.present(AB, A) == A, "it may have said that before its end"
    known.heard("b", NOON + SECOND + 2 * UNDER_WAY)
    assert known.present(AB, A) == AB


def test_who_holds_no_token_is_not_there_whatever_was_heard() -> None:
    known = lost()
    known.heard("b", NOON + 60 * SECOND)
    assert known.present(A, A) == A

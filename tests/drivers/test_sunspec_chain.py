"""Discovery ends, whatever a device answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import COMMON, chain, model

from archipel.drivers.errors import DecodeError
from archipel.drivers.sunspec.chain import BASES, MODELS_MOST, Chain, walk

Memory = Callable[[int, int], Sequence[int] | None]


def walked(memory: Memory) -> tuple[Chain, int]:
    """The chain and how many reads it took."""
    steps = walk()
    ask, reads = next(steps), 0
    while True:
        reads += 1
        assert reads <= MODELS_MOST + len(BASES) + 1
        assert 0 <= ask[0] <= 0x10000 - ask[1]
        try:
            ask = steps.send(memory(*ask))
        except StopIteration as end:
            return end.value, reads


def at(base: int, registers: list[int]) -> Memory:
    """Memory that holds registers from `base` on and refuses all else."""

    def memory(address: int, count: int) -> Sequence[int] | None:
        start = address - base
        return registers[start : start + count] if start >= 0 and start + count <= len(registers) else None

    return memory


@pytest.mark.parametrize("base", BASES)
def test_a_chain_is_found_at_each_of_the_three_places(base: int) -> None:
    found, reads = walked(at(base, chain(COMMON, model(701), model(704))))
    assert found.base == base
    assert [each.model for each in found.entries] == [1, 701, 704]
    assert [each.address for each in found.entries] == [base + 2, base + 70, base + 225]
    assert reads == BASES.index(base) + 1 + 4


def test_models_we_do_not_read_are_passed_over() -> None:
    found, _ = walked(at(40000, chain(COMMON, [64000, 3, 0, 0, 0], model(103))))
    assert [each.model for each in found.entries] == [1, 64000, 103]
    assert found.first(701, 103) == found.entries[2]
    assert found.first(701) is None


@pytest.mark.parametrize(
    ("registers", "said"),
    [
        ([1, 2, 3], "found no mark 'SunS' at 40000, 0, 50000"),
        ([0x5375, 0x6E53], "after the mark 'SunS' found no registers at 40002"),
        (chain(COMMON)[:-2], "after model 1 at 40002 found no registers at 40070"),
        ([0x5375, 0x6E53, 1, 65000], "after model 1 at 40002 found no registers at 105004"),
        ([0x5375, 0x6E53, 0, 5], "found model 0 of length 5 at 40002"),
        ([0x5375, 0x6E53, 701, 0], "found model 701 of length 0 at 40002"),
        ([0x5375, 0x6E53, *[7, 1, 0] * 500], f"more than {MODELS_MOST} models"),
    ],
)
def test_a_damaged_chain_is_told_with_its_place(registers: list[int], said: str) -> None:
    with pytest.raises(DecodeError, match=said):
        walked(at(40000, registers))


@given(st.binary(min_size=0, max_size=600), st.sampled_from(BASES), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_memory_ends_in_a_chain_or_a_decode_error(data: bytes, base: int, endless: bool) -> None:
    words = [0x5375, 0x6E53, *(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2))]

    def round_and_round(address: int, count: int) -> Sequence[int]:
        return [words[(address - base + k) % len(words)] for k in range(count)]

    memory = round_and_round if endless else at(base, words)
    try:
        found, reads = walked(memory)
    except DecodeError:
        return
    assert reads == BASES.index(found.base) + 2 + len(found.entries)

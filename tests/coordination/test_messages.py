from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from archipel.coordination.message import Kind, Message, pack, unpack

names = st.text(max_size=8)
bodies = st.dictionaries(names, hn.arrays(np.float64, hn.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))


@settings(max_examples=60, deadline=None)
@given(plan=st.integers(0, 2**40), number=st.integers(0, 2**40), up=st.booleans(), a=names, b=names, body=bodies)
def test_a_message_comes_back_bit_for_bit(
    plan: int, number: int, up: bool, a: str, b: str, body: dict[str, np.ndarray]
) -> None:
    message = Message(plan, number, up, a, b, body)
    again = Message.from_bytes(message.to_bytes())
    assert (again.plan, again.number, again.up, again.sender, again.receiver) == (plan, number, up, a, b)
    assert list(again.body) == list(body)
    for name, value in body.items():
        assert again.body[name].shape == value.shape
        assert again.body[name].tobytes() == value.tobytes()
    assert again.to_bytes() == message.to_bytes()


@given(kind=st.sampled_from(Kind), attempt=st.integers(0, 9), count=st.integers(0, 9))
def test_kind_attempt_and_count_come_back_and_are_written_only_when_they_are_not_as_usual(
    kind: Kind, attempt: int, count: int
) -> None:
    message = Message(7, 2, True, "a", "b", {}, kind, attempt, count)
    data = message.to_bytes()
    again = Message.from_bytes(data)
    assert (again.kind, again.attempt, again.count) == (kind, attempt, count)
    header = json.loads(data[4:])
    assert header.keys() - {"plan", "number", "up", "sender", "receiver", "shapes"} == {
        name for name, usual in (("kind", "say"), ("attempt", 0), ("count", 0)) if getattr(message, name) != usual
    }


def good() -> bytes:
    return Message(7, 2, True, "a", "b", {"pq": np.arange(6.0).reshape(2, 3), "mu": np.array(0.1)}).to_bytes()


def with_header(**changes: Any) -> bytes:
    (length,) = struct.unpack_from("<I", good())
    header = json.loads(good()[4 : 4 + length]) | changes
    text = json.dumps({k: v for k, v in header.items() if v is not None}).encode()
    return struct.pack("<I", len(text)) + text + good()[4 + length :]


def test_a_message_cut_short_anywhere_is_refused() -> None:
    whole = good()
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="bytes"):
            Message.from_bytes(whole[:length])


def test_a_message_with_something_behind_it_is_refused() -> None:
    with pytest.raises(ValueError, match="message from a: 3 bytes more"):
        Message.from_bytes(good() + b"abc")


@pytest.mark.parametrize(
    "changes",
    [
        {"shapes": None},
        {"sender": None},
        {"shapes": {"pq": [-1], "mu": []}},
        {"shapes": {"pq": [2, 10**30], "mu": []}},
        {"shapes": {"pq": [2.5], "mu": []}},
        {"shapes": {"pq": 6, "mu": []}},
        {"shapes": [1]},
        {"plan": "x"},
        {"number": [1]},
        {"kind": "shout"},
        {"attempt": "x"},
        {"count": [1]},
    ],
)
def test_a_header_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    assert Message.from_bytes(with_header()).plan == 7
    with pytest.raises(ValueError, match="do not add up"):
        Message.from_bytes(with_header(**changes))


@pytest.mark.parametrize("text", [b"[]", b"3", b"\xff\xfe", b"", b"[" * 100_000])
def test_a_header_that_is_no_header_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="do not add up"):
        Message.from_bytes(struct.pack("<I", len(text)) + text)


def read_or_complaint(data: bytes) -> Message | str:
    try:
        return Message.from_bytes(data)
    except ValueError as error:
        return str(error)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_bytes_from_anywhere_are_a_message_or_a_value_error(noise: bytes, at: int) -> None:
    whole = good()
    for data in (noise, whole[:at] + noise + whole[at + len(noise) :]):
        read = read_or_complaint(data)
        assert isinstance(read, Message) or "message" in read


@given(st.integers(0, 6), st.integers(0, 10**6))
def test_a_symmetric_matrix_is_packed_without_loss(size: int, seed: int) -> None:
    half = np.random.default_rng(seed).normal(size=(size, size))
    matrix = half + half.T
    row = pack(matrix)
    assert len(row) == size * (size + 1) // 2
    assert np.array_equal(unpack(row, size), matrix)


def test_a_message_tells_how_many_bytes_its_numbers_are() -> None:
    message = Message(1, 0, False, "a", "b", {"x": np.zeros((2, 5)), "y": np.array(1.0)})
    assert message.size == 88
    assert message.size < len(message.to_bytes()) < message.size + 200

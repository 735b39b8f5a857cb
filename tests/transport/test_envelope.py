from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.transport import MAX_BYTES, Envelope, Form, Refusal, decode
from archipel.transport.payload import MAX_NESTING, read_json, write_json

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
names = st.from_regex(r"\w[\w.:+=,()-]{0,9}", fullmatch=True)
topics = st.lists(names, min_size=1, max_size=3).map("/".join)


def seal(body: bytes) -> bytes:
    """As good as a signature where only its place matters."""
    return struct.pack(">Q", len(body)) * 8


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    direct = draw(st.booleans())
    return Envelope(
        area=draw(names),
        sender=draw(names),
        receiver=draw(names) if direct else "",
        topic="" if direct else draw(topics),
        epoch=draw(st.integers(0, 2**63 - 1)),
        counter=draw(st.integers(1, 2**63 - 1)),
        sent_at=draw(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))),  # noqa: DTZ001
        kind=draw(names),
        key=draw(topics) if direct and draw(st.booleans()) else "",
        payload=draw(st.binary(max_size=50)),
        form=draw(st.sampled_from(Form)),
    )


def good(payload: bytes = b"12.5") -> Envelope:
    return Envelope("demo", "a", "", "measured/tie-1", 3, 7, NOW, "sample", "", payload).signed(seal)


@settings(max_examples=80, deadline=None)
@given(envelopes())
def test_an_envelope_comes_back_as_it_was_and_has_one_way_to_be_written(envelope: Envelope) -> None:
    signed = envelope.signed(seal)
    data = signed.to_bytes()
    assert decode(data) == signed
    assert len(data) == signed.size


@settings(max_examples=250, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 200))
def test_bytes_from_anywhere_are_an_envelope_or_a_refusal(noise: bytes, at: int) -> None:
    whole = good().to_bytes()
    for data in (noise, b"AR\x01" + noise, whole[:at] + noise + whole[at + len(noise) :]):
        read = decode(data)
        if isinstance(read, Envelope):
            # whatever is read is what was written, to the last byte
            assert read.to_bytes() == data
        else:
            assert read in Refusal


def test_an_envelope_cut_anywhere_is_truncated_and_one_with_more_is_malformed() -> None:
    whole = good().to_bytes()
    assert {decode(whole[:length]) for length in range(len(whole))} == {Refusal.TRUNCATED}
    assert decode(whole + b"\0") is Refusal.MALFORMED


def test_another_version_is_named_whatever_follows() -> None:
    whole = bytearray(good().to_bytes())
    for version in (0, 2, 255):
        whole[2] = version
        assert decode(bytes(whole)) is Refusal.WRONG_VERSION
        assert decode(bytes(whole[:5])) is Refusal.WRONG_VERSION


def test_more_than_a_mebibyte_is_refused_before_it_is_read_and_cannot_be_made() -> None:
    assert decode(b"AR\x01" + bytes(MAX_BYTES)) is Refusal.OVERSIZED
    header = bytearray(good().to_bytes())
    header[34:38] = (MAX_BYTES).to_bytes(4, "big")
    assert decode(bytes(header)) is Refusal.OVERSIZED
    room = MAX_BYTES - good(b"").size
    assert isinstance(decode(good(bytes(room)).to_bytes()), Envelope)
    with pytest.raises(ValueError, match="at most 1048576; split it"):
        good(bytes(room + 1))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"sender": ""}, "sender of a message: found ''"),
        ({"sender": "a/b"}, "sender"),
        ({"sender": "*"}, "sender"),
        ({"sender": ".."}, "sender"),
        ({"sender": "x" * 65}, "sender"),
        ({"sender": "ä" * 33}, "sender"),
        ({"topic": ""}, "either a receiver or a topic"),
        ({"receiver": "b"}, "either a receiver or a topic"),
        ({"topic": "a//b"}, "topic"),
        ({"topic": "a/**"}, "topic"),
        ({"key": "k"}, "key"),
        ({"counter": 0}, "counter"),
        ({"epoch": -1}, "epoch"),
        ({"sent_at": datetime(2026, 1, 1)}, "expected UTC"),  # noqa: DTZ001
        ({"sent_at": NOW.astimezone(tz=None).replace(tzinfo=None)}, "expected UTC"),
    ],
)
def test_an_envelope_that_makes_no_sense_cannot_be_made(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        replace(good(), **changes)


def test_an_envelope_without_a_signature_does_not_travel() -> None:
    with pytest.raises(ValueError, match="message from a is not signed"):
        replace(good(), signature=b"").to_bytes()


@pytest.mark.parametrize("micros", [-(2**63), 2**63 - 1])
def test_a_time_that_no_calendar_has_is_malformed(micros: int) -> None:
    data = bytearray(good().to_bytes())
    data[20:28] = struct.pack(">q", micros)
    assert decode(bytes(data)) is Refusal.MALFORMED


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return opening * depth + closing * depth


def test_json_is_read_up_to_its_depth_and_refused_beyond() -> None:
    assert read_json(nested(MAX_NESTING)) != Refusal.TOO_DEEP
    assert read_json(nested(MAX_NESTING + 1)) is Refusal.TOO_DEEP
    assert read_json(b'{"a":' * (MAX_NESTING + 1) + b"1" + b"}" * (MAX_NESTING + 1)) is Refusal.TOO_DEEP
    assert read_json(nested(400_000)) is Refusal.TOO_DEEP
    assert read_json(b"[" * 1_000_000) is Refusal.TOO_DEEP


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":1,"a":2}', b"[NaN]", b"[-Infinity]", b"\xff", b"1" * 5000, b"1 2"])
def test_json_that_is_not_strict_is_malformed(text: bytes) -> None:
    assert read_json(text) is Refusal.MALFORMED


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    ),
    st.binary(max_size=40),
)
def test_strict_json_comes_back_and_noise_is_refused_or_read(value: Any, noise: bytes) -> None:
    assert read_json(write_json(value)) == value
    read_json(noise)


def test_json_is_never_written_with_numbers_that_are_none() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_json([float("nan")])


def test_an_address_follows_from_the_envelope() -> None:
    assert good().address == "archipel/demo/pub/a/measured/tie-1"
    direct = Envelope("demo", "a", "b", "", 1, 1, NOW + timedelta(0), "agreement", "k", b"")
    assert direct.address == "archipel/demo/to/b/a/agreement"

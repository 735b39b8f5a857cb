from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rigs import MemoryRig, ZenohRig

from archipel.testing import PromiseBroken, check_transport
from archipel.transport import Parcel


def test_the_memory_transport_keeps_all_promises() -> None:
    check_transport(MemoryRig())


def test_the_memory_transport_keeps_all_promises_with_certificates(tmp_path: Path) -> None:
    check_transport(MemoryRig(tmp_path))


@pytest.mark.parametrize("seed", range(3))
def test_promises_hold_when_messages_are_lost_and_doubled(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def route(sender: str, receiver: str, parcel: Parcel) -> Sequence[Parcel]:
        del sender, receiver
        # the suite sends its burst once and wants the last of it, so control data may be doubled only
        lose = 0.3 if "/to/" in parcel.address else 0.0
        return [] if rng.random() < lose else [parcel] * int(rng.integers(1, 3))

    check_transport(MemoryRig(route=route))


def test_zenoh_keeps_all_promises(tmp_path: Path) -> None:
    check_transport(ZenohRig(tmp_path))


def test_the_suite_finds_a_transport_that_loses_everything() -> None:
    with pytest.raises(PromiseBroken, match="control data reaches"):
        check_transport(MemoryRig(route=lambda sender, receiver, parcel: []))


def test_the_suite_finds_a_transport_that_changes_what_it_carries() -> None:
    def route(sender: str, receiver: str, parcel: Parcel) -> Sequence[Parcel]:
        del sender, receiver
        return [Parcel(parcel.address, parcel.data[:-1] + bytes([parcel.data[-1] ^ 1]))]

    with pytest.raises(PromiseBroken, match="control data reaches"):
        check_transport(MemoryRig(route=route))

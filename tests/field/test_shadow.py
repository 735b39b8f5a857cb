from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from archipel.controller.facts import Instant
from archipel.field.shadow import ShadowLog

START = datetime(2016, 6, 8, tzinfo=UTC)


def through(log: ShadowLog, seconds: int, agreed_kw: float | None, metered_kw: float | None, step_s: int = 60):
    orders = {"sgen/0": (-3.0, math.nan)}
    steps = (START + timedelta(seconds=s) for s in range(0, seconds + 1, step_s))
    found = [log.observe(Instant(at, at.timestamp()), orders, agreed_kw, metered_kw) for at in steps]
    return [entry for entry in found if entry is not None]


def test_every_quarter_hour_is_written_down_once_with_what_would_have_been_done() -> None:
    entries = through(ShadowLog(np.full(96, 0.1), START), 3600, 10.0, 14.0)
    assert [key for key, _ in entries] == [(START + timedelta(minutes=m)).isoformat() for m in (0, 15, 30, 45)]
    assert all(body["would"] == {"sgen/0": [-3.0, None]} for _, body in entries)


def test_what_following_would_have_been_worth_is_told_at_the_price_of_the_day() -> None:
    log = ShadowLog(np.arange(96) / 100.0, START)
    entries = through(log, 1800, 10.0, 14.0)
    assert [body["worth_eur"] for _, body in entries] == pytest.approx([0.0, 4.0 * 0.01 * 0.25])
    assert log.worth_eur == pytest.approx(0.01)


@pytest.mark.parametrize(("agreed_kw", "metered_kw"), [(None, 14.0), (10.0, None)])
def test_nothing_is_claimed_where_nothing_was_agreed_or_metered(agreed_kw, metered_kw) -> None:
    log = ShadowLog(np.full(96, 0.1), START)
    assert all(body["worth_eur"] is None for _, body in through(log, 1800, agreed_kw, metered_kw))
    assert log.worth_eur == 0.0

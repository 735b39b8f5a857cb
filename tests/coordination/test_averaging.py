"""Secondary control by averaging: frequency back, power shared, with a fifth of all messages lost and a cell silent."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.coordination.averaging import Gains, Heard, Secondary, slope_hz_per_kw

TICK_S = 0.2


@dataclass
class Island:
    """Droop units on one frequency, told apart only by their slopes; messages are lost and late."""

    rating: np.ndarray
    load_kw: float
    seed: int
    lose: float = 0.2
    silent: int | None = None
    soc: np.ndarray | None = None
    now: float = 0.0
    f: float = 50.0
    seen: float = 50.0
    cells: list[Secondary] = field(default_factory=list)
    posted: list[tuple[float, int, int, Heard]] = field(default_factory=list)
    heard: list[dict[str, Heard]] = field(default_factory=list)

    def __post_init__(self) -> None:
        n = len(self.rating)
        self.rng = np.random.default_rng(self.seed)
        soc = np.ones(n) if self.soc is None else self.soc
        self.slope = np.array([slope_hz_per_kw(0.02, r, s, giving=True) for r, s in zip(self.rating, soc, strict=True)])
        self.cells = [Secondary() for _ in range(n)]
        self.heard = [{} for _ in range(n)]
        # a ring with one chord: nobody hears all
        self.links = [(i, (i + 1) % n) for i in range(n)] + [(0, n // 2)]

    def powers(self) -> np.ndarray:
        omega = np.array([cell.omega_hz for cell in self.cells])
        self.f = 50.0 + ((omega / self.slope).sum() - self.load_kw) / (1.0 / self.slope).sum()
        return np.asarray((omega + 50.0 - self.f) / self.slope)

    def run(self, seconds: float) -> np.ndarray:
        """Frequencies by tick."""
        out = []
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            self.powers()
            out.append(self.f)
            self.seen += 0.6 * (self.f - self.seen)
            for at, sender, to, word in [one for one in self.posted if one[0] <= self.now]:
                self.posted.remove((at, sender, to, word))
                self.heard[to][str(sender)] = word
            for i, cell in enumerate(self.cells):
                omega, share = cell.step(self.now, self.seen, 1.0, 1.0, 0.0, self.heard[i])
                for a, b in self.links:
                    if i not in (a, b):
                        continue
                    to = b if i == a else a
                    if self.silent not in (i, to) and self.rng.random() >= self.lose:
                        late = self.now + float(self.rng.uniform(0.05, 0.6))
                        self.posted.append((late, i, to, Heard(omega, share, self.now)))
        return np.array(out)


@pytest.mark.parametrize("silent", [None, 2])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 12), step=st.floats(-0.6, 0.6))
def test_frequency_is_back_in_ten_seconds_and_everybody_takes_its_share(
    silent: int | None, seed: int, n: int, step: float
) -> None:
    rating = np.random.default_rng(seed).uniform(50.0, 500.0, n)
    island = Island(rating, 0.3 * rating.sum(), seed, silent=silent)
    island.run(30.0)
    island.load_kw += step * 0.5 * rating.sum()
    f = island.run(10.0)
    assert abs(f[-1] - 50.0) < 0.020
    shares = island.powers() / rating
    assert np.abs(shares - shares.mean()).max() < 0.02


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_who_has_little_stored_gives_less(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rating, soc = np.full(6, 100.0), rng.uniform(0.05, 0.45, 6)
    island = Island(rating, 120.0, seed, soc=soc)
    island.run(30.0)
    given_kw = island.powers()
    np.testing.assert_allclose(given_kw / given_kw.sum(), soc / soc.sum(), atol=0.01)


def test_shifts_stay_inside_whatever_a_neighbour_says() -> None:
    cell = Secondary(gains=Gains(most_hz=0.5))
    for second in range(100):
        heard = {"liar": Heard(1e9, 0.0, float(second))}
        cell.step(float(second), 47.0, 1.0, 1.0, 0.0, heard)
    assert cell.omega_hz == 0.5


def test_a_cell_that_hears_nobody_for_long_holds_what_it_has() -> None:
    cell = Secondary(gains=Gains(alone_s=10.0))
    for second in range(60):
        cell.step(float(second), 49.99, 1.0, 1.0, 0.0, {})
    held = cell.omega_hz
    for second in range(60, 90):
        cell.step(float(second), 49.99, 1.0, 1.0, 0.0, {})
    assert cell.omega_hz == held > 0.0


def test_voltage_is_held_by_who_hears_nobody_and_corrected_by_who_is_alone() -> None:
    deaf, alone = Secondary(), Secondary()
    for second in range(5):
        deaf.step(float(second), 50.0, 0.98, 1.0, 0.0, {})
        alone.step(float(second), 50.0, 0.98, 1.0, 0.0, {}, alone=True)
    assert deaf.e_pu == 0.0
    assert alone.e_pu > 0.0


def test_time_that_runs_backwards_is_refused() -> None:
    cell = Secondary()
    cell.step(5.0, 50.0, 1.0, 1.0, 0.0, {})
    with pytest.raises(ValueError, match="4 s follows 5 s"):
        cell.step(4.0, 50.0, 1.0, 1.0, 0.0, {})

"""The shipped markets, each made for a day, and a small archipelago for those with a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archipel.market.base import Market
from archipel.market.day_ahead import DayAhead, PriceTaker
from archipel.market.local_market import LocalMarket
from archipel.market.market_day import MarketDay
from archipel.market.reserve import AfrrEnergy, afrr_capacity, fcr
from archipel.market.retail import DynamicPrice, FlatPrice, Retail
from archipel.model import Archipelago, Cell, Floats, Tie


def archipelago(*parents: int) -> Archipelago:
    """A substation, and a cell below the cell of every given row."""
    cells = [Cell("root", "", "substation")]
    ties = []
    for i, parent in enumerate(parents, start=1):
        cells.append(Cell(f"cell {i}", cells[parent].id, "lv"))
        ties.append(Tie(f"line/{i}", "vertical", cells[parent].id, f"cell {i}", parent, i, True))
    return Archipelago(tuple(cells), tuple(ties), np.arange(len(cells)))


def wave(count: int, low: float, high: float) -> Floats:
    """A price that goes up and down, and below zero where `low` is."""
    return np.round(low + (high - low) * (0.5 - 0.5 * np.cos(np.arange(count))), 5)


def quarters(day: MarketDay) -> int:
    return len(day.edges("quarter_hour")) - 1


def hourly(day: MarketDay) -> int:
    return len(day.edges("hour")) - 1


def local(day: MarketDay, **changes: object) -> LocalMarket:
    n = quarters(day)
    what: dict[str, object] = {
        "tie_kw_max": np.array([20.0, 5.0, 0.0, 8.0]),
        "import_price_eur_per_kwh": wave(n, -0.05, 0.4),
        "export_price_eur_per_kwh": wave(n, -0.1, 0.3),
        "import_kw_max": 40.0,
    }
    return LocalMarket(day, archipelago(0, 0, 1, 1), **(what | changes))  # type: ignore[arg-type]


def retail(day: MarketDay) -> Retail:
    draw = DynamicPrice(day, wave(hourly(day), -0.1, 0.3), 0.15, factor=1.19)
    return Retail(day, draw, FlatPrice(0.08), base_eur_per_day=0.3)


MARKETS: dict[str, Callable[[MarketDay], Market]] = {
    "day-ahead, hours": lambda day: DayAhead(day, "hour"),
    "day-ahead, quarter hours": lambda day: DayAhead(
        day, "quarter_hour", imbalance_price_eur_per_kwh=wave(quarters(day), -0.2, 0.3)
    ),
    "price-taker": lambda day: PriceTaker(day, wave(hourly(day), -0.1, 0.5)),
    "FCR": lambda day: fcr(day, np.full(6, 30e3), penalty_times=2.0),
    "aFRR capacity, as bid": lambda day: afrr_capacity(day, np.full(6, 40e3), np.full(6, 1e3)),
    "aFRR capacity, as cleared": lambda day: afrr_capacity(day, np.full(6, 9e3), np.full(6, 2e6), pricing="as_cleared"),
    "aFRR energy": lambda day: AfrrEnergy(day, np.full(quarters(day), 33.3), np.full(quarters(day), 1000.0)),
    "aFRR energy, as bid": lambda day: AfrrEnergy(
        day, np.full(quarters(day), 12.0), np.full(quarters(day), 20.0), pricing="as_bid"
    ),
    "local": local,
    "local with losses": lambda day: local(day, loss=np.array([0.02, 0.05, 0.01, 0.1])),
    "local island": lambda day: local(day, import_price_eur_per_kwh=None, export_price_eur_per_kwh=None),
    "local, upstream without limit": lambda day: LocalMarket(
        day, archipelago(0, 0, 1, 1, 2), np.full(5, 12.0), np.full(quarters(day), 0.2)
    ),
    "retail": retail,
}

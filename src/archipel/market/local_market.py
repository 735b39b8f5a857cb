"""A local energy market on the tree of cells: who is near is served over ties, as far as they carry.

    maximise    sum(price * bought) - sum(price * sold) - import_price * imported + export_price * exported
    for every cell:  sold + arriving - bought - sent = 0         (dual: the cell's price)
    for every tie:   0 <= sent each way <= its limit, what arrives is (1 - loss) * sent

Optimal spatial exchange and its prices as duals: P. Samuelson, "Spatial Price Equilibrium and Linear Programming",
American Economic Review 42 (1952); F. C. Schweppe et al., Spot Pricing of Electricity (1988). Buyers pay and sellers
get their cell's price. What is left is the rent of ties that bind and of losses; it is paid to `network`, with what
rounding leaves.

Ties. Of all optimal clearings the one with the least sum over steps of accepted^2 / (2 size) - 2 accepted is taken. So
steps at the same price share pro rata, in one cell and across cells, as far as ties let them; more is traded rather
than less; and a neighbour comes before the upstream grid at the same price. Power is cleared as active power only; what
ties carry is for whoever sets their limits (operating envelopes) to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
from scipy.sparse import csr_array, hstack

from archipel.market.auction import pro_rata
from archipel.market.base import EXCHANGE, MARKET, NETWORK, Bid, Clearing, Metered, Terms
from archipel.market.bids import Columns, read, to_kw
from archipel.market.exact import ENERGY, check_inputs, exact, imbalances, money, remainders, series, trades
from archipel.market.local_optimum import solve
from archipel.market.market_day import MarketDay, Resolution, hours
from archipel.model import Archipelago, Floats, Ints, Payment


@final
@dataclass(frozen=True, slots=True, eq=False)
class LocalMarket:
    """Energy traded between the cells of an archipelago, and with the upstream grid at its prices."""

    day: MarketDay
    archipelago: Archipelago
    tie_kw_max: Floats
    """Limit of the power sent over the tie above `cell[1]`, `cell[2]`, ..., shape (cells - 1,) or (cells - 1, T)."""
    import_price_eur_per_kwh: Floats | None = None
    """What upstream energy costs at the root, shape (T,); None: there is no upstream grid."""
    export_price_eur_per_kwh: Floats | None = None
    """What it pays, at most the import price, shape (T,); None: it takes nothing."""
    import_kw_max: float = np.inf
    export_kw_max: float = np.inf
    loss: Floats | None = None
    """Share of what is sent over a tie that does not arrive, 0..1, shape (cells - 1,); None: losses are neglected."""
    resolution: Resolution = "quarter_hour"
    name: str = "local"
    price_min: float = -0.5
    price_max: float = 4.0
    imbalance_price_eur_per_kwh: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no market.

        Raises:
            ValueError: values are missing, limits or losses cannot be, or upstream pays more than it asks.
        """
        edges = self.terms.edges
        shape, shapes = self.tie_kw_max.shape, ((self._ties,), (self._ties, len(edges) - 1))
        if shape not in shapes or not (self.tie_kw_max >= 0).all():
            expected = f"expected at least 0 in the shape {shapes[0]} or {shapes[1]}"
            raise ValueError(f"{self.name}: found limits of ties {self.tie_kw_max} in the shape {shape}; {expected}.")
        loss = self._loss
        if loss.shape != (self._ties,) or not ((loss >= 0) & (loss < 1)).all():
            raise ValueError(f"{self.name}: found losses {loss}; expected one share per tie, from 0 to below 1.")
        bid, ask = self.export_price_eur_per_kwh, self.import_price_eur_per_kwh
        for what, value in (("import", ask), ("export", bid), ("imbalance", self.imbalance_price_eur_per_kwh)):
            if value is not None:
                series(f"{self.name}: {what} price", value, edges)
        if bid is not None and (ask is None or (np.asarray(bid) > np.asarray(ask)).any()):
            why = "found an export price above the import price (or no import price); expected at most that"
            raise ValueError(f"{self.name}: {why}, or energy would be bought to be sold back.")

    @property
    def _ties(self) -> int:
        return len(self.archipelago.cell) - 1

    @property
    def _loss(self) -> Floats:
        return np.zeros(self._ties) if self.loss is None else np.asarray(self.loss, dtype=np.float64)

    @property
    def terms(self) -> Terms:
        """Energy, bought and sold at any cell."""
        cells = tuple(cell.id for cell in self.archipelago.cell)
        edges = self.day.edges(self.resolution)
        sides = {"energy": "both"}
        return Terms(self.name, edges, sides, self.price_min, self.price_max, cells=cells, whole_bids=False)  # type: ignore[arg-type]

    def clear(self, bids: Sequence[Bid]) -> Clearing:
        """Clear all cells together, every interval by itself.

        Raises:
            BidsRefused: some cannot be used.
            SolverFailed: no optimum was found.
        """
        terms = self.terms
        columns = read(bids, terms)
        shape = (len(terms.cells), terms.intervals)
        price, flow, upstream = np.full(shape, np.nan), np.zeros((shape[0] - 1, shape[1])), np.zeros(shape[1])
        accepted = np.zeros(len(columns.bid), dtype=np.int64)
        interval = columns.interval[columns.bid]
        order = np.argsort(interval, kind="stable")
        cuts = np.searchsorted(interval[order], np.arange(shape[1] + 1))
        for t in range(shape[1]):
            rows = order[cuts[t] : cuts[t + 1]]
            if len(rows):
                found = self._interval(columns, rows, t)
                accepted[rows], price[:, t], flow[:, t], upstream[t] = found
        ticks = columns.per_bid(accepted)
        return Clearing(
            terms.market,
            columns.bids,
            to_kw(ticks, terms.tick_kw),
            price[columns.cell, columns.interval],
            {("energy", cell): price[i] for i, cell in enumerate(terms.cells)},
            flow_kw=flow,
            upstream_kw=upstream,
        )

    def settle(self, clearing: Clearing, metered: Sequence[Metered] = ()) -> tuple[Payment, ...]:
        """Trades at the cells' prices, energy from and to upstream, the rent, and imbalance where it has a price.

        Raises:
            ReadingsRefused: some readings cannot be used.
        """
        terms = self.terms
        check_inputs(clearing, metered, self.terms)
        paid = trades(clearing, terms)
        for t, (kw, length) in enumerate(zip(clearing.upstream_kw.tolist(), hours(terms.edges).tolist(), strict=True)):
            at, quantity = terms.edges[t], exact(abs(kw) * length, ENERGY)
            price = self.import_price_eur_per_kwh if kw > 0 else self.export_price_eur_per_kwh
            if quantity and price is not None:
                payer, payee = (MARKET, EXCHANGE) if kw > 0 else (EXCHANGE, MARKET)
                name = f"{terms.market}/upstream/{at:%Y-%m-%dT%H:%MZ}"
                amount = money(quantity, float(price[t]))
                paid.append(Payment(name, at, payer, payee, amount, "energy", quantity))
        paid += remainders(terms, paid, NETWORK, "congestion_rent")
        return (*paid, *imbalances(clearing, terms, metered, self.imbalance_price_eur_per_kwh))

    def _interval(self, columns: Columns, rows: Ints, t: int) -> tuple[Ints, Floats, Floats, float]:
        """One interval: ticks accepted of every step in `rows`, prices of cells, flows over ties, upstream power."""
        classes = _Classes.of(columns, rows)
        limit = self.tie_kw_max if self.tie_kw_max.ndim == 1 else self.tie_kw_max[:, t]
        outside = [
            (sign, float(price[t]), most)
            for sign, price, most in (
                (-1.0, self.import_price_eur_per_kwh, self.import_kw_max),
                (1.0, self.export_price_eur_per_kwh, self.export_kw_max),
            )
            if price is not None
        ]
        sign = np.append(classes.sign, [s for s, *_ in outside])
        cost = -sign * np.append(classes.price, [p for _, p, _ in outside])
        cell = np.append(classes.cell, np.zeros(len(outside), dtype=np.int64))
        most = np.concatenate([to_kw(classes.ticks, self.terms.tick_kw), [m for *_, m in outside], limit, limit])
        trade = csr_array((-sign, (cell, np.arange(len(cell)))), shape=(self._ties + 1, len(cell)))
        n = len(classes.ticks)
        whole = np.append(cost, np.zeros(2 * self._ties))
        x, dual = solve(whole, hstack([trade, self._network()]).tocsc(), most, ties=self._ties, bids=n)
        taken = np.clip(np.rint(x[:n] / self.terms.tick_kw).astype(np.int64), 0, classes.ticks)
        flow = x[len(cell) : len(cell) + self._ties] - x[len(cell) + self._ties :]
        upstream = -float(sign[n:] @ x[n : len(cell)])
        if not taken.any():
            dual = np.full(len(dual), np.nan)
        return classes.shared(columns, rows, taken), classes.within_limits(dual, taken), flow, upstream

    def _network(self) -> csr_array:
        """What one kW sent down, then up, every tie brings to every cell, shape (cells, 2 ties)."""
        ties, arrives, parents = np.arange(self._ties), 1.0 - self._loss, np.array(self.archipelago.parents()[1:])
        above, below = parents.astype(np.int64), ties + 1
        row = np.concatenate([above, below, above, below])
        column = np.concatenate([ties, ties, ties + self._ties, ties + self._ties])
        one = np.ones(self._ties)
        value = np.concatenate([-one, arrives, arrives, -one])
        return csr_array((value, (row, column)), shape=(self._ties + 1, 2 * self._ties))


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Classes:
    """Steps of one interval that are alike (same cell, side and price), in the order of these."""

    of_step: Ints
    cell: Ints
    sign: Floats
    price: Floats
    ticks: Ints
    """What all of a class have together."""

    @staticmethod
    def of(columns: Columns, rows: Ints) -> _Classes:
        cell, sign = columns.cell[columns.bid[rows]], np.sign(columns.ticks[rows]).astype(np.float64)
        alike, of_step = np.unique(np.stack([cell, sign, columns.price[rows]]), axis=1, return_inverse=True)
        ticks = np.zeros(alike.shape[1], dtype=np.int64)
        np.add.at(ticks, of_step, np.abs(columns.ticks[rows]))
        return _Classes(of_step, alike[0].astype(np.int64), alike[1], alike[2], ticks)

    def shared(self, columns: Columns, rows: Ints, taken: Ints) -> Ints:
        """Ticks of every step, with its sign: all of its class, none, or pro rata."""
        accepted = np.where(taken[self.of_step] == self.ticks[self.of_step], columns.ticks[rows], 0)
        for k in np.flatnonzero((taken > 0) & (taken < self.ticks)).tolist():
            mine = np.flatnonzero(self.of_step == k)
            share = pro_rata(np.abs(columns.ticks[rows[mine]]), int(taken[k]), partial(_name, columns, rows[mine]))
            accepted[mine] = np.sign(columns.ticks[rows[mine]]) * share
        return np.asarray(accepted, dtype=np.int64)

    def within_limits(self, dual: Floats, taken: Ints) -> Floats:
        """Duals, moved by the solver's tolerance so that no accepted step is beyond its limit."""
        low, high = np.full((2, len(dual)), [[-np.inf], [np.inf]])
        some, part = taken > 0, taken < self.ticks
        sells, buys = self.sign < 0, self.sign > 0
        for floor in (sells & some, buys & part):
            np.maximum.at(low, self.cell[floor], self.price[floor])
        for ceiling in (buys & some, sells & part):
            np.minimum.at(high, self.cell[ceiling], self.price[ceiling])
        return np.where(low <= high, np.clip(dual, low, high), dual)


def _name(columns: Columns, rows: Ints, i: int) -> str:
    return columns.name_of(int(rows[i]))

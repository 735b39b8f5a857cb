"""What every cell would pay if power crossed each boundary at the price agreed there, beside one price for all."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from archipel.market.local_prices import payments
from archipel.market.tariff import metered_into_lower
from archipel.model import PRICE_PARTS, Floats, Ints, Scenario
from archipel.report.figures import grouped
from archipel.report.run import Run

PARTS = (*(name for name in PRICE_PARTS if name != "energy"), "soft_open_points")
MOST = 14
"""Cells listed; the others are summed up."""
WORTH_EUR = 0.005
"""A cell that pays and receives less than this in all is not listed."""
OWNERS = "owners of soft open points"


def local_payments(run: Run, strategy: str, scenario: Scenario) -> dict[str, Floats]:
    """By cell, in the order of the scenario's cells, and at last the owners of soft open points [kWh, EUR].

    Returns:
        `own_kwh` drawn from outside, `one_price` (the day-ahead price for it), `local` (the price of every boundary for
        what crosses it, and of its node for what a soft open point brings or takes there), and of their difference
        `losses`, `congestion`, `voltage`, `fees` and `soft_open_points`.

    Sums of `one_price` and of `local` are both the upstream energy cost; sums of the rest are zero, because what cells
    pay for the network is what the cells above them, whose network it is, and the owners of soft open points receive.
    """
    tree, dt_h = scenario.archipelago, run.dt_h(strategy)
    flow = metered_into_lower(tree, _both_ends(run, "p_kw", strategy))
    upstream = run.array("area", "upstream_p_kw", strategy)[0]
    day_ahead = run.array("area", "price_eur_per_kwh", strategy)[0]

    def paid(price: Floats, at_head: Floats) -> Floats:
        of_cells = payments(
            tree, into_lower_kw=flow, price_eur_per_kwh=price, upstream_kw=upstream, upstream_price_eur_per_kwh=at_head,
            dt_h=dt_h,
        )  # fmt: skip
        return np.append(of_cells, 0.0)

    one, nothing = np.ones_like(flow), np.zeros_like(upstream)
    local = _both_ends(run, "price_eur_per_kwh", strategy)[:, 0]
    ends = np.flatnonzero(np.array(scenario.device_kind) == "soft_open_point")
    brought = -run.array("devices", "p_kw", strategy)[ends]
    at_node = price_at(run, strategy, scenario, ends, day_ahead)

    def beside(price: Floats) -> Floats:
        """What cells pay for what soft open points bring, the owners receiving it."""
        out = np.zeros(len(tree.cell) + 1)
        worth = (brought * price).sum(axis=1) * dt_h
        np.add.at(out, scenario.device_cell[ends], worth)
        out[-1] = -worth.sum()
        return out

    everywhere = np.broadcast_to(day_ahead, brought.shape)
    found = {
        "own_kwh": paid(one, np.ones_like(upstream)) + beside(np.ones_like(brought)),
        "one_price": paid(one * day_ahead, day_ahead) + beside(everywhere),
        "local": paid(local, day_ahead) + beside(at_node),
    }
    for part in PARTS[:-1]:
        found[part] = paid(np.nan_to_num(_both_ends(run, f"{part}_eur_per_kwh", strategy)[:, 0]), nothing)
    found[PARTS[-1]] = beside(at_node) - beside(everywhere)
    return found


def price_at(run: Run, strategy: str, scenario: Scenario, devices: Ints, day_ahead: Floats) -> Floats:
    """Price at the nodes of some devices (devices, steps) [EUR/kWh]; the day-ahead price where none was agreed."""
    if not len(devices):
        return np.zeros((0, len(day_ahead)))
    known = run.array("nodes", "price_eur_per_kwh", strategy)[scenario.device_node[devices]]
    return np.where(np.isfinite(known), known, day_ahead)


def payments_table(run: Run, scenario: Scenario) -> str:
    """The cells for which it makes most difference; empty where no strategy has prices at boundaries."""
    if f"{PRICE_PARTS[0]}_eur_per_kwh" not in run.columns("boundaries"):
        return ""  # written before prices were told in parts
    strategy = "distributed"
    if strategy not in run.strategies or not run.steps(strategy):
        return ""
    if not np.isfinite(run.array("boundaries", f"{PRICE_PARTS[0]}_eur_per_kwh", strategy)).any():
        return ""
    found = local_payments(run, strategy, scenario)
    differs = found["local"] - found["one_price"]
    parts = PARTS if "soft_open_point" in scenario.device_kind else PARTS[:-1]
    owners = len(differs) - 1
    order = [int(i) for i in np.argsort(-np.abs(differs)) if np.abs(found["local"][i]) > WORTH_EUR and i != owners]
    rows = [_row(scenario.archipelago.cell[i].id, found, [i], parts) for i in order[:MOST]]
    if rest := [i for i in range(owners) if i not in order[:MOST]]:
        rows.append(_row(f"{len(rest)} others", found, rest, parts))
    if len(parts) == len(PARTS):
        rows.append(_row(OWNERS, found, [owners], parts))
    rows.append(_row("all cells", found, list(range(owners + 1)), parts, kind="sum"))
    titles = [part.replace("_", " ") for part in parts]
    heads = ("drawn, kWh", "at the day-ahead price", "at local prices", "difference", *titles)
    head = "".join(f"<th>{escape(words)}</th>" for words in heads)
    return f'<div class="scroll"><table><tr><th class="left">Cell</th>{head}</tr>{"".join(rows)}</table></div>'


def _row(name: str, found: dict[str, Floats], cells: list[int], parts: tuple[str, ...], kind: str = "") -> str:
    of = {key: float(value[cells].sum()) for key, value in found.items()}
    values = [of["one_price"], of["local"], of["local"] - of["one_price"], *(of[part] for part in parts)]
    words = [_signed(of["own_kwh"], 0), *(_signed(value, 2) for value in values)]
    tag = ("<b>", "</b>") if kind else ("", "")
    cells_html = "".join(f"<td>{tag[0]}{word}{tag[1]}</td>" for word in words)
    return f'<tr><td class="left">{tag[0]}{escape(name)}{tag[1]}</td>{cells_html}</tr>'


def _signed(value: float, digits: int) -> str:
    words = grouped(value, digits)
    return words.lstrip("-") if not words.strip("-0.") else words.replace("-", "−")


def _both_ends(run: Run, column: str, strategy: str) -> Any:
    """A column of `boundaries`, shape (ties, 2, steps)."""
    values = run.array("boundaries", column, strategy)
    return values.reshape(-1, 2, values.shape[-1])

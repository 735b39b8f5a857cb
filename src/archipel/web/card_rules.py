"""What is worth a card, in words, and which of it follows from what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

from archipel.model import Scenario
from archipel.web.card_signals import Found, Signals
from archipel.web.nouns import Severity
from archipel.web.paths import Paths

HARD_V_PU = (0.90, 1.10)
"""Beyond these a voltage is an alarm. Source: EN 50160, 4.2.2."""
HARD_LOADING, HARD_CONNECTION = 1.2, 1.1
SILENT_ONE_BY_ONE = 3
"""More cells than this that do not answer are one card: what they share is the cause."""
LEVEL = (
    "cooperates",
    "follows its last agreement",
    "holds a tie at its default",
    "plans alone",
    "is left to its rules",
)
MODE = (
    "",
    "leaves the main grid",
    "is an island",
    "comes back to the main grid",
    "",
    "is degraded",
    "starts from black",
)
ISLANDING, ISLAND, DEGRADED, BLACK_START, DARK = 1, 2, 5, 6, 7


@final
@dataclass(frozen=True, slots=True)
class Condition:
    """One abnormal thing."""

    key: str
    """What and where, such as `voltage LV3.304`."""
    rule: str
    severity: Severity
    title: str
    text: str
    cell: str = ""
    element: str = ""
    size: float = 0.0
    """How bad it is, in the unit of its rule."""
    beyond: bool = True
    """False: not well inside its limit yet; it keeps a card open and begins none."""
    cause: str = ""
    """Key of the condition it follows from; its own where it follows from none."""


@final
class Rules:
    """Turns signals into conditions, each with its cause."""

    def __init__(self, scenario: Scenario) -> None:
        archipelago, grid = scenario.archipelago, scenario.grid
        self._cell = [cell.id for cell in archipelago.cell]
        self._node, self._branch = grid.nodes.id, grid.branch_id
        self._node_cell = archipelago.node_cell
        self._paths = Paths(scenario)
        ends = [*grid.lines.to_node.tolist(), *grid.transformers.lv_node.tolist()]
        starts = [*grid.lines.from_node.tolist(), *grid.transformers.hv_node.tolist()]
        cells = self._node_cell.tolist()
        parent = self._paths.parent
        self._branch_cell = [
            cells[a] if parent[cells[a]] == cells[b] else cells[b] for a, b in zip(starts, ends, strict=True)
        ]

    def conditions(self, signals: Signals) -> list[Condition]:
        """All that is abnormal, what causes other things first."""
        found = [
            *self._modes(signals),
            *self._silent(signals),
            *self._levels(signals),
            *self._plans(signals),
            *self._network(signals),
            *self._service(signals),
        ]
        lost = any(condition.key == "main grid" for condition in found)
        return [_follows(condition) for condition in found] if lost else found

    # ---------------------------------------------------------------- apart from the main grid

    def _modes(self, signals: Signals) -> Iterator[Condition]:
        modes, wanted = dict(signals.mode), set(signals.facts.wanted_islands)
        if modes.get(0, 0) and self._cell[0] not in wanted:
            islands = sum(mode in {ISLANDING, ISLAND} for mode in modes.values())
            dark = sum(mode == DARK for mode in modes.values())
            text = (
                f"The area is on its own: {_count(islands, 'cell')} as islands, {_count(dark, 'cell')} without voltage."
            )
            title, size = "The main grid is lost", float(islands + 2 * dark)
            yield Condition("main grid", "grid", "alarm", title, text, element="upstream", size=size)
        for row, mode in signals.mode:
            cell = self._cell[row]
            apart = [up for up in self._paths.cells_above(row) if up in modes]
            cause = f"mode {self._cell[apart[-1]]}" if apart else ""
            yield _apart(cell, mode, cause, signals.facts.why.get(cell, ""), wanted=cell in wanted)

    # ---------------------------------------------------------------- who does not take part

    def _silent(self, signals: Signals) -> list[Condition]:
        late = {row for row, _ in signals.stale}
        told = set(signals.facts.silent) | set(signals.facts.plan.silent if signals.facts.plan is not None else ())
        rows = sorted({row for row, cell in enumerate(self._cell) if cell in told} | late)
        out = []
        for row in rows:
            cell = self._cell[row]
            text = f"{cell} has not answered; its neighbours go on without it."
            out.append(Condition(f"silent {cell}", "silent", "action", f"{cell} does not answer", text, cell, cell))
        if len(out) > SILENT_ONE_BY_ONE:
            title = f"{len(out)} cells do not answer"
            out = [replace(one, cause=out[0].key, title=title) for one in out]
        return out

    def _levels(self, signals: Signals) -> Iterator[Condition]:
        silent = [c.cell for c in self._silent(signals)]
        for row, level in signals.level:
            cell = self._cell[row]
            near = [name for name in silent if self._adjacent(cell, name)] or silent
            why = signals.facts.why.get(cell, "")
            text = f"{cell} {LEVEL[level]}{f': {why}' if why else ''}."
            severity: Severity = "information" if level == 1 else "action"
            cause = f"silent {near[0]}" if near else ""
            yield Condition(
                f"level {cell}",
                "level",
                severity,
                f"{cell} {LEVEL[level]}",
                text,
                cell,
                cell,
                float(level),
                cause=cause,
            )

    def _adjacent(self, a: str, b: str) -> bool:
        i, j = self._cell.index(a), self._cell.index(b)
        return self._paths.parent[i] == j or self._paths.parent[j] == i

    def _plans(self, signals: Signals) -> Iterator[Condition]:
        plan = signals.facts.plan
        if plan is None or plan.accepted is not False:
            return
        silent = self._silent(signals)
        given = f" What had to give: {plan.given[0]}." if plan.given else ""
        text = f"The check of the plan of {plan.time:%H:%M} by AC power flow found limits that it does not keep.{given}"
        cause = silent[0].key if silent else ""
        yield Condition("plan", "plan", "action", f"The plan of {plan.time:%H:%M} was not accepted", text, cause=cause)

    # ---------------------------------------------------------------- the network

    def _network(self, signals: Signals) -> Iterator[Condition]:
        cause_of: dict[int, str] = {}
        for found in sorted(signals.loading, key=lambda f: (not f.beyond, -f.value, f.row)):
            name = self._branch[found.row]
            above = self._paths.branches_above(found.row)
            joined = [other for other in cause_of if other in above or found.row in self._paths.branches_above(other)]
            cause_of[found.row] = cause_of[joined[0]] if joined else f"overload {name}"
            yield self._overload(found, cause_of[found.row])
        overvoltage: dict[int, str] = {}
        for cell, found in signals.voltage:
            on_way = [cause_of[b] for b in self._paths.branches_of(found.row) if b in cause_of]
            key = f"voltage {self._cell[cell]}"
            overvoltage[cell] = on_way[0] if on_way else key
            yield self._voltage(cell, found, overvoltage[cell])
        if (limit := signals.connection) is not None:
            own = [cause for row, cause in cause_of.items() if self._branch_cell[row] == 0]
            yield _connection(limit, own[0] if own else "")
        for cell, count in signals.tripped:
            name = self._cell[cell]
            text = f"{_count(count, 'inverter')} in {name} switched off: the voltage was above {HARD_V_PU[1]:.2f} pu."
            title = f"Inverters tripped in {name}"
            cause = overvoltage.get(cell, "")
            yield Condition(f"trip {name}", "trip", "action", title, text, name, size=float(count), cause=cause)

    def _overload(self, found: Found, cause: str) -> Condition:
        name, cell = self._branch[found.row], self._cell[self._branch_cell[found.row]]
        severity: Severity = "alarm" if found.value > HARD_LOADING else "action"
        text = f"{name} in {cell} carries {100 * found.value:.0f} % of its limit."
        return Condition(
            f"overload {name}", "overload", severity, f"{name} is overloaded", text, cell, name, found.value,
            found.beyond, cause,
        )  # fmt: skip

    def _voltage(self, cell: int, found: Found, cause: str) -> Condition:
        name, node = self._cell[cell], self._node[found.row]
        high = found.value > found.bound if found.beyond else found.bound > 1.0
        hard = not HARD_V_PU[0] <= found.value <= HARD_V_PU[1]
        text = f"{node} in {name} is at {found.value:.3f} pu; its limit is {found.bound:.3f} pu."
        title = f"Voltage too {'high' if high else 'low'} in {name}"
        return Condition(
            f"voltage {name}", "voltage", "alarm" if hard else "action", title, text, name, node,
            abs(found.value - found.bound), found.beyond, cause,
        )  # fmt: skip

    # ---------------------------------------------------------------- people and the sun

    def _service(self, signals: Signals) -> Iterator[Condition]:
        if signals.unserved_kw > 0.0:
            critical = signals.facts.critical_unserved_kw
            part = f", {critical:,.1f} kW of it critical" if critical > 0.0 else ""
            text = f"{signals.unserved_kw:,.1f} kW are not served{part}."
            cause = f"mode {self._cell[signals.mode[0][0]]}" if signals.mode else ""
            size = signals.unserved_kw
            yield Condition("unserved", "unserved", "alarm", "Energy is not served", text, size=size, cause=cause)
        for cell, kw in sorted(signals.curtailed, key=lambda one: -one[1]):
            name = self._cell[cell]
            text = f"{name} holds back {kw:,.0f} kW of renewable power."
            title = "Renewable power is held back"
            yield Condition(
                f"curtailed {name}", "curtailed", "information", title, text, name, size=kw, cause="curtailment"
            )


def _apart(cell: str, mode: int, cause: str, why: str = "", *, wanted: bool) -> Condition:
    key, size = f"mode {cell}", float(mode)
    if mode == DARK:
        text = f"{cell} has no voltage{f': {why}' if why else ''}."
        return Condition(key, "dark", "alarm", f"{cell} is dark", text, cell, cell, size, cause=cause)
    title = f"{cell} {MODE[mode]}"
    if wanted and mode in {ISLANDING, ISLAND}:
        return Condition(key, "island", "information", title, f"{title}, as somebody wanted.", cell, cell, size)
    severity: Severity = "alarm" if mode in {DEGRADED, BLACK_START} else "action"
    return Condition(key, "island", severity, title, f"{title}.", cell, cell, size, cause=cause)


def _follows(condition: Condition) -> Condition:
    """Where the main grid is lost, all else follows from that."""
    return condition if condition.key == "main grid" else replace(condition, cause="main grid")


def _connection(found: Found, cause: str) -> Condition:
    word, verb = ("Import", "takes") if found.row == 0 else ("Export", "gives")
    text = f"The area {verb} {found.value:,.0f} kW; the connection upstream allows {found.bound:,.0f} kW."
    severity: Severity = "alarm" if found.value > HARD_CONNECTION * found.bound else "action"
    return Condition(
        "connection", "connection", severity, f"{word} beyond the firm limit", text, "", "upstream", found.value,
        found.beyond, cause,
    )  # fmt: skip


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def some(texts: Sequence[str], most: int = 12) -> list[str]:
    """The first sentences, and how many there are more."""
    return list(texts) if len(texts) <= most else [*texts[:most], f"and {len(texts) - most} more"]

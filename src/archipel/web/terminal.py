"""The operator's view in a terminal: the same at a glance, drawn with rich.

Colour is for the abnormal only, and never the only sign of it: whatever is coloured also has a word or a mark.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from archipel.web.glance import CellLine, Glance
from archipel.web.nouns import Card

MARK = {"alarm": "!!", "action": "! ", "compliant": "ok", "information": "i "}
COLOUR = {"alarm": "bold red", "action": "yellow", "compliant": "green", "information": "blue"}
OLD = "dim italic"
NORMAL_LEVELS = ("", "cooperating", "following")
BAR = 12
"""Characters of a balance bar."""
BLOCKS, ASCII_BLOCKS = "█▒░", "#+-"
"""Renewable power of its own, stores, the cell above."""
CARD_LINES = 6
UNKNOWN = "?"


@final
class Picture:
    """A `Glance` as something rich can print; `room` lines at most, the first cell shown is `first`."""

    def __init__(self, glance: Glance, *, room: int | None = None, first: int = 0, keys: str = "") -> None:
        self.glance, self.room, self.first, self.keys = glance, room, first, keys

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Area, cells, cards and keys, as they fit."""
        width, plain = options.max_width, options.ascii_only
        head, cards = _head(self.glance), _cards(self.glance)
        taken = len(head) + len(cards) + 6 + bool(self.keys)
        lines = len(self.glance.cells) if self.room is None else max(3, self.room - taken)
        shown = self.glance.cells[self.first : self.first + lines]
        own, stored, tie = tuple(ASCII_BLOCKS if plain else BLOCKS)
        legend = f"takes: from the cell above, - gives   lives on: {own} own sun and wind {stored} stores {tie} tie"
        texts = [
            *_rest(self, lines),
            *cards,
            Text(legend, style="dim"),
            *([Text(self.keys, style="dim")] if self.keys else []),
        ]
        for text in (*head, *texts):
            text.no_wrap, text.overflow = True, "crop" if plain else "ellipsis"
        yield Group(*head, _cells(shown, self.glance, width, plain), *texts)


def _rest(picture: Picture, lines: int) -> list[Text]:
    """Say how many cells there was no room for."""
    count = len(picture.glance.cells)
    last = min(count, picture.first + lines)
    if last - picture.first >= count:
        return []
    return [Text(f"cells {picture.first + 1} to {last} of {count}", style="dim")]


def _head(glance: Glance) -> list[Text]:
    """How fresh, what crosses the connection and what it costs, is all well; the name last, it may be long."""
    first = Text(f"{glance.time:%Y-%m-%d %H:%M:%S} UTC" if glance.time else "nothing measured yet", style="bold")
    if glance.stale:
        first.append(f"  OLD: {age(glance.age_s)}", style="bold yellow")
    else:
        first.append(f"  live, {age(glance.age_s)} old" if glance.live else "  replay")
    first.append(f"  {said(glance.strategy)}  {said(glance.title)}", style="not bold")
    second = Text(_upstream(glance))
    limit = _limit(glance)
    second.append(limit, style="bold red" if "BEYOND" in limit else "")
    second.append(f"  price {price(glance.price_eur_per_kwh)} EUR/kWh")
    if glance.unserved_kw:
        second.append(f"  NOT SERVED {kw(glance.unserved_kw)} kW", style="bold red")
    if glance.f_hz is not None:
        second.append(f"  {glance.f_hz:.3f} Hz")
    second.append(f"  losses {kw(glance.losses_kw)} kW")
    return [first, second, Text(_well(glance), style="" if _is_well(glance) else "bold")]


def _upstream(glance: Glance) -> str:
    if glance.upstream_p_kw is None:
        return f"connection {UNKNOWN} kW"
    way = "import" if glance.upstream_p_kw >= 0 else "export"
    return f"{way} {kw(abs(glance.upstream_p_kw))} kW"


def _limit(glance: Glance) -> str:
    if glance.upstream_p_kw is None:
        return ""
    bound = glance.import_kw_max if glance.upstream_p_kw >= 0 else glance.export_kw_max
    if bound is None:
        return ""
    return f" of {kw(bound)}" + (" BEYOND ITS LIMIT" if abs(glance.upstream_p_kw) > bound * 1.001 + 0.05 else "")


def _is_well(glance: Glance) -> bool:
    return (
        not glance.stale and not glance.unserved_kw and all(c.severity not in {"alarm", "action"} for c in glance.cards)
    )


def _well(glance: Glance) -> str:
    """The first question, in a sentence."""
    if glance.stale:
        return "Not known whether all is well: the values are old."
    count = {name: sum(card.severity == name for card in glance.cards) for name in MARK}
    said = [f"{count[name]} {name}{'s' if count[name] != 1 else ''}" for name in ("alarm", "action") if count[name]]
    if said:
        return f"Not all is well: {', '.join(said)}."
    return "Load is not served." if glance.unserved_kw else "All is well."


# ------------------------------------------------------------------ cells

Column = tuple[str, int, Callable[[CellLine], Text]]
"""Title, rank (those of high rank go first where there is no room), text of a cell."""


def _cells(shown: tuple[CellLine, ...], glance: Glance, width: int, plain: bool) -> Table:
    most = max((_given(cell) or 0.0 for cell in glance.cells), default=0.0)
    columns: list[Column] = [
        ("cell", 0, name),
        ("takes kW", 0, lambda cell: Text(kw(cell.p_kw, sign=True))),
        ("lives on", 5, lambda cell: bar(cell, most, plain)),
        ("made", 4, lambda cell: Text(kw(cell.renewable_kw))),
        ("drawn", 4, lambda cell: Text(kw(cell.drawn_kw))),
        ("battery", 6, lambda cell: Text(kw(cell.battery_kw, sign=True) if cell.stores else "")),
        ("SoC", 3, lambda cell: Text(percent(cell.soc) if cell.stores else "")),
        ("EUR/kWh", 3, lambda cell: Text(price(cell.price_eur_per_kwh))),
        ("V pu", 8, lambda cell: Text(band(cell))),
        ("load", 7, loading),
        ("does", 1, does),
        *([("age", 2, lambda cell: Text(age(cell.age_s)))] if glance.live else []),
    ]
    table = Table(box=box.ASCII if plain else box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    chosen = _fitting([(title, rank, [text(cell) for cell in shown]) for title, rank, text in columns], width)
    for title, _ in chosen:
        left = title in {"cell", "does", "lives on"}
        table.add_column(
            title, justify="left" if left else "right", no_wrap=True, overflow="crop" if plain else "ellipsis"
        )
    for row, cell in enumerate(shown):
        table.add_row(*(texts[row] for _, texts in chosen), style=OLD if cell.stale else "")
    return table


def _fitting(columns: list[tuple[str, int, list[Text]]], width: int) -> list[tuple[str, list[Text]]]:
    """The columns there is room for, in their order; the first two stay in any case."""
    left = width - 2
    chosen: set[str] = set()
    for title, _, texts in sorted(columns, key=lambda column: column[1]):
        left -= 2 + max(len(title), *(text.cell_len for text in texts), 0)
        if left < 0 and len(chosen) >= 2:
            break
        chosen.add(title)
    return [(title, texts) for title, _, texts in columns if title in chosen]


def name(cell: CellLine) -> Text:
    """Its name, further right the deeper it is in the tree."""
    return Text("  " * min(cell.depth, 3) + said(cell.id)[:24])


def _given(cell: CellLine) -> float | None:
    """What a cell has to live on: its sun and wind, what its batteries give, what comes from above."""
    parts = (cell.renewable_kw, cell.battery_kw, cell.p_kw)
    if any(part is None for part in parts):
        return None
    return (cell.renewable_kw or 0) + max(0.0, -(cell.battery_kw or 0)) + max(0.0, cell.p_kw or 0)


def bar(cell: CellLine, most: float, plain: bool) -> Text:
    """What a cell lives on, as a bar of three kinds of block; `?` where a part of it is not known."""
    whole = _given(cell)
    if whole is None:
        return Text(UNKNOWN)
    if most <= 0:
        return Text("")
    blocks = ASCII_BLOCKS if plain else BLOCKS
    parts = (cell.renewable_kw or 0, max(0.0, -(cell.battery_kw or 0)), max(0.0, cell.p_kw or 0))
    ends, total = [], 0.0
    for part in parts:
        total += part
        ends.append(round(BAR * total / most))
    starts = [0, *ends[:-1]]
    return Text("".join(block * (end - start) for block, start, end in zip(blocks, starts, ends, strict=True)))


def does(cell: CellLine) -> Text:
    """What a cell acts on, and how it stands to the grid."""
    words = [word for word in (cell.level, cell.mode if cell.mode != "connected" else "") if word]
    if cell.armed is False:
        words.append("shadow")
    wrong = cell.level == "silent" or cell.mode in {"dark", "degraded"}
    changed = cell.level not in NORMAL_LEVELS or cell.mode not in {"", "connected"}
    return Text(", ".join(words) or UNKNOWN, style="bold red" if wrong else "yellow" if changed else "")


def loading(cell: CellLine) -> Text:
    """Highest loading over its limit."""
    over = cell.loading_max is not None and cell.loading_max > 1.0
    return Text(percent(cell.loading_max) + ("!" if over else ""), style="bold red" if over else "")


def band(cell: CellLine) -> str:
    """Lowest and highest voltage."""
    if cell.v_pu_min is None or cell.v_pu_max is None:
        return UNKNOWN
    return f"{cell.v_pu_min:.3f} {cell.v_pu_max:.3f}"


# ------------------------------------------------------------------ cards


def _cards(glance: Glance) -> list[Text]:
    if not glance.cards:
        return [Text("No open cards.", style="dim")]
    lines = [_card(card) for card in glance.cards[:CARD_LINES]]
    if len(glance.cards) > CARD_LINES:
        lines.append(Text(f"and {len(glance.cards) - CARD_LINES} more cards", style="dim"))
    return lines


def _card(card: Card) -> Text:
    line = Text()
    line.append(f"{MARK[card.severity]} ", style=COLOUR[card.severity])
    line.append(f"{card.begun:%H:%M:%S} {said(card.title)}")
    if card.text:
        line.append(f": {said(card.text)}", style="dim")
    return line


# ------------------------------------------------------------------ numbers


def said(text: str) -> str:
    """Text from a file as one line that cannot steer a terminal."""
    return "".join(letter if letter.isprintable() else "\N{MIDDLE DOT}" for letter in text)


def kw(value: float | None, *, sign: bool = False) -> str:
    """A power to three figures or whole kilowatts; `?` where it is not known."""
    if value is None:
        return UNKNOWN
    figures = f"{value:+,.1f}" if abs(value) < 99.95 else f"{value:+,.0f}"
    return figures if sign else figures.removeprefix("+")


def percent(value: float | None) -> str:
    """A share in percent."""
    return UNKNOWN if value is None else f"{100 * value:.0f}%"


def price(value: float | None) -> str:
    """A price to a hundredth of a cent."""
    return UNKNOWN if value is None else f"{value:.4f}"


def age(value: float | None) -> str:
    """Seconds, minutes or hours."""
    if value is None:
        return ""
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.0f} h"

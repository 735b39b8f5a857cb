"""The strategies side by side: for the terminal, and as a plain table for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from archipel.report.figures import best_of, fitted, shown
from archipel.report.words import STRATEGY, headline

WIDTH = 100


def text_table(kpis: Mapping[str, Any]) -> str:
    """The figures of every strategy in columns, at most 100 characters wide; a star marks the best of a line.

    Lines in which no strategy has a figure are left out.
    """
    runs: Mapping[str, Mapping[str, Any]] = kpis["strategies"]
    column = 16
    rule = "-" * min(WIDTH, 36 + column * len(runs))
    begin, days = kpis["start"][:16].replace("T", " "), kpis["days"]
    head = f"{kpis['scenario']}, {days} day{'s' * (days != 1)} from {begin} UTC, {kpis['forecast']} forecast, "
    head += f"seed {kpis['seed']}"
    if "distributed" in runs:
        head += f", {kpis.get('method', 'exact')} agreement"
    if (physics := kpis.get("physics", "positive-sequence")) != "positive-sequence":
        head += f", {physics} physics"
    out = [head, rule, " " * 36 + "".join(f"{name:>{column - 1}} " for name in runs)]
    for title, lines in fitted(runs):
        out.append(title)
        for line in lines:
            best = best_of(line, runs)
            cells = (
                (shown(line, f.get(line.key)) + ("*" if n in best else " ")).rjust(column) for n, f in runs.items()
            )
            out.append(f"  {line.label:<27}{line.unit:>7}" + "".join(cells).rstrip())
    out += [rule, "* best of its line"]
    out += [f"{name}: {STRATEGY[name]}" for name in runs if name in STRATEGY]
    interrupted = [name for name, figures in runs.items() if not figures.get("complete", True)]
    if interrupted:
        out.append(f"Interrupted: {', '.join(interrupted)}; the figures cover the steps that were done.")
    text = "\n".join([*_wrapped(headline(kpis)), "", *(piece for line in out for piece in _wrapped(line))])
    return text.replace("\N{NO-BREAK SPACE}", " ")


def html_table(kpis: Mapping[str, Any]) -> str:
    """The same figures as a bare HTML table, for notebooks."""
    runs: Mapping[str, Mapping[str, Any]] = kpis["strategies"]
    rows = ["<tr><th></th><th></th>" + "".join(f"<th>{escape(name)}</th>" for name in runs) + "</tr>"]
    for title, lines in fitted(runs):
        rows.append(f"<tr><th colspan={len(runs) + 2} style='text-align:left'>{escape(title)}</th></tr>")
        for line in lines:
            best = best_of(line, runs)
            cells = (
                f"<td>{'<b>' if n in best else ''}{shown(line, f.get(line.key))}{'</b>' if n in best else ''}</td>"
                for n, f in runs.items()
            )
            label = f"<td title='{escape(line.meaning, quote=True)}' style='text-align:left'>{escape(line.label)}</td>"
            rows.append(f"<tr>{label}<td>{escape(line.unit)}</td>{''.join(cells)}</tr>")
    return f"<table>{''.join(rows)}</table>"


def _wrapped(line: str) -> list[str]:
    """A line broken at spaces so that it fits; table lines never need it."""
    pieces, rest = [], line
    while len(rest) > WIDTH:
        cut = rest.rfind(" ", 1, WIDTH + 1)
        cut = WIDTH if cut <= 0 else cut
        pieces.append(rest[:cut].rstrip())
        rest = "  " + rest[cut:].lstrip()
    return [*pieces, rest]

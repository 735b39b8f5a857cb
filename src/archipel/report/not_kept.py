"""The limits that plans of a run could not keep, and the command that says what would help."""

from __future__ import annotations

from html import escape

from archipel.report.run import Run

MOST = 12


def not_kept(run: Run) -> str:
    """A table by what was not kept, with the plans that could not, and the line to type; empty where all were kept."""
    plans = run.frame("agreements", ["strategy", "time", "given"]).to_pylist()
    found = [
        (plan["strategy"], plan["time"], *word.rsplit(": ", 1))
        for plan in plans
        for word in plan["given"] or ()
        if word.endswith(" beyond") and ": " in word
    ]
    if not found:
        return ""
    things = list(dict.fromkeys((strategy, what) for strategy, _, what, _ in found))
    rows = []
    for strategy, what in things[:MOST]:
        mine = [(time, by) for s, time, w, by in found if (s, w) == (strategy, what)]
        time, by = max(mine, key=lambda one: float(one[1].split()[0]))
        rows.append(
            f'<tr><td class="left">{escape(what)}</td><td class="left">{escape(strategy)}</td><td>{len(mine)}</td>'
            f'<td class="left">{escape(by)}, plan of {time:%m-%d %H:%M}</td></tr>'
        )
    more = f'<p class="note">and {len(things) - MOST} more, in agreements.parquet</p>' if len(things) > MOST else ""
    first = min(time for _, time, *_ in found)
    source = str(run.info.get("scenario", {}).get("source") or run.info.get("id", ""))
    heads = '<tr><th class="left">What</th><th class="left">Strategy</th><th>Plans</th><th class="left">Most</th></tr>'
    return (
        f'<div class="scroll"><table>{heads}{"".join(rows)}</table></div>{more}'
        f"<p>The least change that would help, and its price: "
        f"<code>archipel remedy {escape(source)} --start {first:%Y-%m-%d}</code></p>"
    )

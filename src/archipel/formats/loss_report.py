"""What an import kept, and what it did not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import final

FEW = 6
"""As many elements as this are named one by one in a note; of more, the first three."""


def named(ids: Sequence[str]) -> str:
    """The ids of a note in brackets: all where they are few, else the first three and how many more."""
    if not ids:
        return ""
    shown = list(ids) if len(ids) <= FEW else [*ids[:3], f"and {len(ids) - 3:,} more"]
    return f" ({', '.join(shown)})"


@final
@dataclass(frozen=True, slots=True)
class Totals:
    """Nominal sums over a network. Loads positive: drawn; generation positive: given."""

    p_load_kw: float
    q_load_kvar: float
    p_generation_kw: float
    storage_kwh: float = 0.0

    def __str__(self) -> str:
        return (
            f"load {self.p_load_kw:,.1f} kW, {self.q_load_kvar:,.1f} kvar; "
            f"generation {self.p_generation_kw:,.1f} kW; storage {self.storage_kwh:,.1f} kWh"
        )


@final
@dataclass(frozen=True, slots=True)
class LossReport:
    """The account of one import: every element of the source is either here afterwards or explained."""

    source: str
    before: Mapping[str, int]
    """Rows by table of the source."""
    after: Mapping[str, int]
    """Elements by class that we kept, under the name of the source's table."""
    dropped: tuple[str, ...]
    """What was left out, how many, and why."""
    merged: tuple[str, ...]
    """What became part of something else."""
    approximated: tuple[str, ...]
    """What is represented by something simpler, or completed by an assumption."""
    p_load_kw: float
    q_load_kvar: float
    """Nominal sum over all loads kept, as in the source."""
    p_generation_kw: float
    """Nominal sum over all generators kept (positive: given)."""
    storage_kwh: float
    dv_pu_max: float | None = None
    """Largest difference of a node voltage against the source's own engine; None when it was not compared."""
    format: str = "pandapower"
    """Name of the door."""
    engine: str = "pandapower"
    """The source's own engine, against which voltages were compared."""
    in_source: Totals | None = None
    """The same sums over everything the source has in service, kept or not; None where the door does not count them."""
    not_compared: str = ""
    """Why voltages were not compared, where they were not."""
    unknown: tuple[str, ...] = ()
    """Kinds of elements and properties of the source that the door does not know, each with its number or names."""

    @property
    def kept(self) -> Totals:
        """The sums over what was kept."""
        return Totals(self.p_load_kw, self.q_load_kvar, self.p_generation_kw, self.storage_kwh)

    def __str__(self) -> str:
        lines = [f"Import of {self.source} ({self.format})", f"  {'class':<22}{'before':>9}{'after':>9}"]
        classes = [*self.before, *(name for name in self.after if name not in self.before)]
        lines += [f"  {name:<22}{self.before.get(name, 0):>9,}{self.after.get(name, 0):>9,}" for name in classes]
        if self.in_source is None:
            lines.append(f"  total (nominal): {self.kept}")
        else:
            lines.append(f"  total in the source (nominal, in service): {self.in_source}")
            lines.append(f"  total of what was kept:                    {self.kept}")
        notes = [("dropped", self.dropped), ("merged", self.merged), ("approximated", self.approximated)]
        if self.unknown:
            notes.insert(0, ("unknown to this door", self.unknown))
        for title, items in notes:
            lines.append(f"  {title}: {'nothing' if not items else ''}".rstrip())
            lines += [f"    - {item}" for item in items]
        lines.append(f"  {self._comparison()}")
        return "\n".join(lines)

    def _comparison(self) -> str:
        if self.dv_pu_max is None:
            return f"voltages were not compared ({self.not_compared or f'{self.engine} is not installed'})"
        if math.isinf(self.dv_pu_max):
            return f"voltages differ from {self.engine}: a node is live for one and dead for the other"
        return f"largest difference of a voltage against {self.engine}: {self.dv_pu_max:.1e} pu"

    def to_json(self) -> str:
        """The report as JSON, for programs; an infinite difference is written as text."""
        content = {"kept": asdict(self.kept), **asdict(self)}
        if self.dv_pu_max is not None and not math.isfinite(self.dv_pu_max):
            content["dv_pu_max"] = str(self.dv_pu_max)
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

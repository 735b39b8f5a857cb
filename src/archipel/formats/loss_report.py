"""What an import kept, and what it did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final


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
    """Largest difference of a node voltage against pandapower; None when it was not compared."""

    def __str__(self) -> str:
        lines = [f"Import of {self.source}", f"  {'class':<16}{'before':>9}{'after':>9}"]
        lines += [f"  {name:<16}{count:>9,}{self.after.get(name, 0):>9,}" for name, count in self.before.items()]
        lines.append(
            f"  total load {self.p_load_kw:,.1f} kW, {self.q_load_kvar:,.1f} kvar; "
            f"generation {self.p_generation_kw:,.1f} kW; storage {self.storage_kwh:,.1f} kWh (nominal)"
        )
        for title, items in (("dropped", self.dropped), ("merged", self.merged), ("approximated", self.approximated)):
            lines.append(f"  {title}: {'nothing' if not items else ''}".rstrip())
            lines += [f"    - {item}" for item in items]
        if self.dv_pu_max is None:
            lines.append("  voltages were not compared (pandapower is not installed: pip install 'archipel[verify]')")
        else:
            lines.append(f"  largest difference of a voltage against pandapower: {self.dv_pu_max:.1e} pu")
        return "\n".join(lines)

"""The account of an import from OpenDSS: counts, totals, and what the reduction to positive sequence costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from archipel.formats.loss_report import LossReport, Totals
from archipel.formats.networks.opendss.devices import CONTROLS, PROCESSED, Placed
from archipel.formats.networks.opendss.model import Model
from archipel.formats.networks.opendss.reduce import Reduced
from archipel.formats.source_columns import Notes
from archipel.grid.power_flow import PowerFlow
from archipel.model import ArchipelError

_LIBRARY = """
linecode xfmrcode wiredata cndata tsdata linegeometry linespacing spectrum tcc_curve growthshape xycurve priceshape
tshape dynamicexp
"""
LIBRARY = frozenset(_LIBRARY.split())
"""Classes whose members only describe others."""


def account(model: Model, reduced: Reduced, placed: Placed, left_out: Mapping[str, int], notes: Notes) -> LossReport:
    """The report; solves the reduced network with the powers of the engine's snapshot."""
    before = {name: count for name, count in model.summary["classes"].items() if name not in LIBRARY}
    before["loadshape"] = before.get("loadshape", 1) - 1  # one is the engine's own
    before = {name: count for name, count in before.items() if count}
    for name, count in before.items():
        if name in CONTROLS:
            notes.drop(name, count, CONTROLS[name])
    off: Counter[str] = Counter(
        name.split(".", 1)[0]
        for i, name in enumerate(model.tables["elements"]["name"])
        if not model.tables["elements"]["enabled"][i]
    )
    for name, count in off.items():
        if name not in CONTROLS:
            notes.drop(name, count, "disabled in the file (enabled=no)")
    after = _after(model, reduced, placed)
    idle = before.get("loadshape", 0) - after.get("loadshape", 0)
    notes.drop("loadshape", idle, "no device follows it, or it covers less than a day")
    unknown = [f"{count} x {name}" for name, count in before.items() if name not in PROCESSED | {"loadshape"}]
    if left_out:
        commands = ", ".join(f"{name} ({count})" for name, count in left_out.items())
        notes.dropped.append(f"commands that show, plot, export or steer files: {commands}")
    cost, worst = _cost(model, reduced, placed)
    notes.approximated += cost
    rows = placed.rows
    return LossReport(
        model.source,
        {"bus": len(model.bus), **before},
        after,
        tuple(notes.dropped),
        tuple(notes.merged),
        tuple(notes.approximated),
        float(rows.load.p_kw.sum()),
        float(rows.load.q_kvar.sum()),
        float(rows.pv.p_kw_peak.sum() + rows.generator.p_kw.sum()),
        float(rows.battery.e_kwh.sum()),
        dv_pu_max=worst,
        format="OpenDSS",
        engine="OpenDSS",
        in_source=_in_source(model),
        unknown=tuple(unknown),
    )


def _after(model: Model, reduced: Reduced, placed: Placed) -> dict[str, int]:
    """Elements kept, by the engine's classes: a line made of three counts once, as does a switch."""
    after: Counter[str] = Counter({"bus": len(reduced.grid.nodes), "vsource": 1, **placed.kept})
    after.update(members[0].split(".", 1)[0] for members in reduced.elements.values())
    used = {*placed.rows.load.profile, *placed.rows.pv.profile, *placed.rows.generator.profile}
    known = {name.lower() for name in model.tables["shapes"]["name"]} - {"default"}
    after["loadshape"] = len(used & known)
    return {name: count for name, count in after.items() if count}


def _in_source(model: Model) -> Totals:
    loads, tables = model.tables["loads"], model.tables
    on = np.array([name in model.element and model.of(name)["enabled"] for name in loads["name"]], dtype=np.bool_)
    return Totals(
        float(loads["kw"][on].sum()),
        float(loads["kvar"][on].sum()),
        float(tables["pv"]["pmpp"].sum() + tables["generator"]["kw"].sum()),
        float(tables["storage"]["kwhrated"].sum()),
    )


def _cost(model: Model, reduced: Reduced, placed: Placed) -> tuple[list[str], float | None]:
    summary = model.summary
    try:
        flow = PowerFlow(reduced.grid).solve(placed.p_kw, placed.q_kvar)
    except ArchipelError as error:
        return [f"the reduced network does not solve at the powers of the engine's snapshot: {error}"], None
    live = (reduced.v_pu > 0.0) & (flow.v_pu > 0.0)
    dv = np.abs(flow.v_pu - reduced.v_pu)[live]
    three = np.array([set(nodes) >= {1, 2, 3} for nodes in model.nodes])[live]
    phase = np.maximum(np.abs(flow.v_pu - reduced.v_pu_low), np.abs(flow.v_pu - reduced.v_pu_high))[live]
    worst = model.bus[int(np.flatnonzero(live)[np.argmax(dv)])]
    power = (
        "positive sequence instead of three phases, at the powers of the engine's snapshot: "
        f"power from the source {flow.upstream_p_kw:,.1f} kW, {flow.upstream_q_kvar:,.1f} kvar "
        f"(engine {summary['p_kw']:,.1f} kW, {summary['q_kvar']:,.1f} kvar), "
        f"losses {flow.losses_kw:,.1f} kW (engine {summary['loss_kw']:,.1f} kW)"
    )
    whole = f"; at nodes of three phases by at most {dv[three].max():.1e}" if three.any() else ""
    voltage = (
        f"its voltages differ from the engine's positive sequence by at most {dv.max():.1e} pu (at {worst}), "
        f"in the median by {np.median(dv):.1e}{whole}; from the worst single phase by at most {phase.max():.1e} pu"
    )
    lines = [power, voltage]
    if not summary["converged"]:
        lines.append("the engine itself did not converge on this model: its powers and voltages are its last ones")
    return lines, float(dv.max())

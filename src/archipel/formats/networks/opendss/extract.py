"""In the child process: what the engine knows about the model, as plain tables of columns.

Text columns are lists, numbers are arrays. Units are the engine's: kV, kW, kvar, A, V, siemens, hours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Table = dict[str, Any]
ITERATIONS = 100
HUNTING = 485
"""The engine's number for controls that did not come to rest."""
SHAPE_VALUES_MAX = 50_000_000
"""Values of all load shapes together."""


def compile_model(dss: Any, master: str) -> Table:
    """Compile a master of the folder and solve it as a snapshot, controls as its file says."""
    dss.Text.Command("clear")
    dss.Text.Command(f'compile "{Path.cwd() / master}"')
    if dss.Basic.NumCircuits() == 0:
        raise ValueError("found no circuit (no line `New Circuit.name`); expected the master file of a feeder")
    dss.Text.Command("set mode=snapshot")
    # Without nominal voltages there are no per unit values: the engine chooses them from its list.
    if _bases_missing(dss):
        dss.Text.Command("calcvoltagebases")
    helped = _solve(dss)
    return {"circuit": dss.Circuit.Name(), "converged": bool(dss.Solution.Converged()), "helped": helped}


def _solve(dss: Any) -> bool:
    """Solve; where the file's own limits on iterations are too tight, once more with wider ones (then True).

    The engine raises where its controls did not come to rest; the second time that is only told.
    """
    try:
        dss.Solution.Solve()
        if dss.Solution.Converged():
            return False
    except Exception as error:
        if f"#{HUNTING}" not in str(error):
            raise
    dss.Solution.MaxIterations(max(ITERATIONS, dss.Solution.MaxIterations()))
    dss.Solution.MaxControlIterations(max(ITERATIONS, dss.Solution.MaxControlIterations()))
    with contextlib.suppress(Exception):
        dss.Solution.Solve()
    return True


def voltages(dss: Any) -> Table:
    """The solved node voltages: names (`bus.phase`) and complex volts to ground."""
    raw = np.asarray(dss.Circuit.AllBusVolts(), dtype=np.float64)
    return {"node": list(dss.Circuit.AllNodeNames()), "v": raw.view(np.complex128)}


def summary(dss: Any) -> Table:
    """What the solved snapshot comes to: total power drawn from the sources, losses [kW, kvar], and the settings."""
    drawn, losses = np.asarray(dss.Circuit.TotalPower()), np.asarray(dss.Circuit.Losses()) / 1e3
    return {
        "circuit": dss.Circuit.Name(),
        "converged": bool(dss.Solution.Converged()),
        "f_hz": float(dss.Solution.Frequency()),
        "p_kw": -float(drawn[0]),
        "q_kvar": -float(drawn[1]),
        "loss_kw": float(losses[0]),
        "loss_kvar": float(losses[1]),
        "v_pu_min": float(dss.Settings.NormVminpu()),
        "v_pu_max": float(dss.Settings.NormVmaxpu()),
        "classes": _counts(dss),
    }


def buses(dss: Any) -> Table:
    """Every bus: name, nominal voltage to ground [kV], its nodes such as `1.2.3`, coordinates (NaN where undefined)."""
    names: list[str] = []
    nodes: list[str] = []
    kv, x, y = [], [], []
    for i in range(dss.Circuit.NumBuses()):
        dss.Circuit.SetActiveBusi(i)
        names.append(dss.Bus.Name())
        nodes.append(".".join(str(n) for n in dss.Bus.Nodes()))
        kv.append(dss.Bus.kVBase())
        known = bool(dss.Bus.Coorddefined())
        x.append(dss.Bus.X() if known else np.nan)
        y.append(dss.Bus.Y() if known else np.nan)
    return {"name": names, "nodes": nodes, "kv": np.array(kv), "x": np.array(x), "y": np.array(y)}


def elements(dss: Any) -> Table:
    """Every element of the circuit: class.name, buses and nodes of its terminals, power drawn at the first.

    Powers are in kW and kvar. `nodes` are those of all its conductors, terminal after terminal; `open` says which
    terminals are open in all phases.
    """
    name: list[str] = []
    bus: list[list[str]] = []
    nodes: list[list[int]] = []
    opened: list[list[bool]] = []
    enabled, phases, p, q = [], [], [], []
    for full in dss.Circuit.AllElementNames():
        dss.Circuit.SetActiveElement(full)
        element = dss.CktElement
        terminals, conductors, on = element.NumTerminals(), element.NumConductors(), bool(element.Enabled())
        power = np.asarray(element.Powers(), dtype=np.float64)[: 2 * conductors] if on else np.zeros(0)
        name.append(full.lower())
        bus.append([text.split(".")[0].lower() for text in element.BusNames()])
        nodes.append([int(n) for n in element.NodeOrder()] if on else [])
        opened.append([bool(element.IsOpen(t + 1, 0)) for t in range(terminals)] if on else [False] * terminals)
        enabled.append(on)
        phases.append(element.NumPhases())
        p.append(power[0::2].sum())
        q.append(power[1::2].sum())
    return {
        "name": name,
        "bus": bus,
        "nodes": nodes,
        "open": opened,
        "enabled": np.array(enabled, dtype=np.bool_),
        "phases": np.array(phases),
        "p_kw": np.array(p),
        "q_kvar": np.array(q),
    }


def series_elements(dss: Any) -> Table:
    """Lines and reactors between two buses: primitive admittances [S] one after the other, ratings [A], switches."""
    name: list[str] = []
    size, amps, switch, length = [], [], [], []
    admittance: list[np.ndarray[Any, Any]] = []
    for full in dss.Circuit.AllElementNames():
        kind = full.split(".", 1)[0].lower()
        if kind not in {"line", "reactor"}:
            continue
        dss.Circuit.SetActiveElement(full)
        if not dss.CktElement.Enabled() or dss.CktElement.NumTerminals() < 2:
            continue
        y = _primitive(dss)
        name.append(full.lower())
        size.append(len(y))
        admittance.append(y.ravel())
        amps.append(dss.CktElement.NormalAmps())
        line = kind == "line"
        if line:
            dss.Lines.Name(full.split(".", 1)[1])
        switch.append(bool(dss.Lines.IsSwitch()) if line else False)
        length.append(dss.Lines.Length() if line else 0.0)
    return {
        "name": name,
        "size": np.array(size),
        "i_a_max": np.array(amps),
        "switch": np.array(switch, dtype=np.bool_),
        "length": np.array(length),
        "y": np.concatenate(admittance) if admittance else np.zeros(0, dtype=np.complex128),
    }


def transformers(dss: Any) -> Table:
    """Every transformer: per winding voltage [kV], power [kVA], resistance [%], solved tap, delta; reactances [%]."""
    table: dict[str, list[Any]] = {key: [] for key in ("name", "kv", "kva", "r", "tap", "delta")}
    numbers: dict[str, list[float]] = {key: [] for key in ("xhl", "xht", "xlt", "no_load", "magnetising", "i_a_max")}
    for name in _each(dss.Transformers):
        windings: dict[str, list[Any]] = {key: [] for key in ("kv", "kva", "r", "tap", "delta")}
        for winding in range(1, dss.Transformers.NumWindings() + 1):
            dss.Transformers.Wdg(winding)
            windings["kv"].append(float(dss.Transformers.kV()))
            windings["kva"].append(float(dss.Transformers.kVA()))
            windings["r"].append(float(dss.Transformers.R()))
            windings["tap"].append(float(dss.Transformers.Tap()))
            windings["delta"].append(bool(dss.Transformers.IsDelta()))
        table["name"].append(f"transformer.{name}")
        for key, values in windings.items():
            table[key].append(values)
        for key, value in (("xhl", dss.Transformers.Xhl()), ("xht", dss.Transformers.Xht())):
            numbers[key].append(float(value))
        numbers["xlt"].append(float(dss.Transformers.Xlt()))
        numbers["no_load"].append(_property(dss, "%noloadloss"))
        numbers["magnetising"].append(_property(dss, "%imag"))
        numbers["i_a_max"].append(_property(dss, "normhkva"))
    return {**table, **{key: np.array(values) for key, values in numbers.items()}}


def autotransformers(dss: Any) -> Table:
    """Autotransformers, with the columns of `transformers` as far as they have them."""
    table: dict[str, list[Any]] = {key: [] for key in ("name", "kv", "kva", "r", "tap")}
    xhx: list[float] = []
    for name in _of_class(dss, "AutoTrans"):
        table["name"].append(f"autotrans.{name}")
        table["kv"].append(_list(dss, "kvs"))
        table["kva"].append(_list(dss, "kvas"))
        table["r"].append(_list(dss, "%rs"))
        table["tap"].append(_list(dss, "taps"))
        xhx.append(_property(dss, "xhx"))
    return {**table, "xhl": np.array(xhx)}


def loads(dss: Any) -> Table:
    """Every load: nominal power, load model, connection and its load shapes."""
    text: dict[str, list[str]] = {key: [] for key in ("name", "daily", "yearly")}
    numbers: dict[str, list[float]] = {key: [] for key in ("kw", "kvar", "kv", "model", "delta", "factor")}
    for name in _each(dss.Loads):
        text["name"].append(f"load.{name}")
        text["daily"].append(dss.Loads.Daily().lower())
        text["yearly"].append(dss.Loads.Yearly().lower())
        numbers["kw"].append(dss.Loads.kW())
        numbers["kvar"].append(dss.Loads.kvar())
        numbers["kv"].append(dss.Loads.kV())
        numbers["model"].append(dss.Loads.Model())
        numbers["delta"].append(dss.Loads.IsDelta())
        numbers["factor"].append(1.0)
    return {**text, **{key: np.array(values, dtype=np.float64) for key, values in numbers.items()}}


def plants(dss: Any) -> Table:
    """PV systems, generators and storages by their properties, as numbers; load shapes by name."""
    found: Table = {}
    for kind, class_name, numbers in (
        ("pv", "PVSystem", ("pmpp", "kva", "irradiance")),
        ("generator", "Generator", ("kw", "kvar", "kva")),
        (
            "storage",
            "Storage",
            ("kwrated", "kwhrated", "kva", "%stored", "%effcharge", "%effdischarge", "%charge", "%discharge"),
        ),
    ):
        names = list(_of_class(dss, class_name))
        table: Table = {"name": [], "daily": [], "yearly": [], **{key: [] for key in numbers}}
        for name in names:
            dss.Circuit.SetActiveElement(f"{class_name}.{name}")
            table["name"].append(f"{class_name.lower()}.{name}")
            for key in ("daily", "yearly"):
                table[key].append(_text(dss, key).lower())
            for key in numbers:
                table[key].append(_property(dss, key))
        found[kind] = {key: np.array(v) if key in numbers else v for key, v in table.items()}
    return found


def sources(dss: Any) -> Table:
    """Voltage sources: per unit voltage, base voltage [kV], angle [degree], positive-sequence impedance [ohm]."""
    table: Table = {key: [] for key in ("name", "pu", "kv", "angle", "r1", "x1")}
    for name in _each(dss.Vsources):
        dss.Circuit.SetActiveElement(f"Vsource.{name}")
        table["name"].append(f"vsource.{name}")
        table["pu"].append(float(dss.Vsources.PU()))
        table["kv"].append(float(dss.Vsources.BasekV()))
        table["angle"].append(float(dss.Vsources.AngleDeg()))
        table["r1"].append(_property(dss, "r1"))
        table["x1"].append(_property(dss, "x1"))
    return table


def load_shapes(dss: Any) -> Table:
    """Load shapes: step [h], whether they are powers themselves, multipliers of P and of Q (empty where the same)."""
    names: list[str] = []
    hours, actual = [], []
    p: list[np.ndarray[Any, Any]] = []
    q: list[np.ndarray[Any, Any]] = []
    total = 0
    for name in _each(dss.LoadShape):
        names.append(name)
        hours.append(float(dss.LoadShape.HrInterval()))
        actual.append(bool(dss.LoadShape.UseActual()))
        for values, target in ((dss.LoadShape.PMult(), p), (dss.LoadShape.QMult(), q)):
            array = np.atleast_1d(np.asarray(values, dtype=np.float64))
            total += len(array)
            if total > SHAPE_VALUES_MAX:
                raise ValueError(f"its load shapes hold more than {SHAPE_VALUES_MAX:,} values; expected fewer")
            target.append(array)
    return {
        "name": names,
        "hours": np.array(hours),
        "actual": np.array(actual, dtype=np.bool_),
        "p_length": np.array([len(a) for a in p]),
        "q_length": np.array([len(a) if len(a) == len(b) else 0 for a, b in zip(q, p, strict=True)]),
        "p": np.concatenate(p) if p else np.zeros(0),
        "q": np.concatenate([a if len(a) == len(b) else a[:0] for a, b in zip(q, p, strict=True)] or [np.zeros(0)]),
    }


def everything(dss: Any) -> Table:
    """All tables at once."""
    return {
        "summary": summary(dss),
        "voltages": voltages(dss),
        "buses": buses(dss),
        "elements": elements(dss),
        "series": series_elements(dss),
        "transformers": transformers(dss),
        "autotransformers": autotransformers(dss),
        "loads": loads(dss),
        **plants(dss),
        "sources": sources(dss),
        "shapes": load_shapes(dss),
    }


def _each(kind: Any) -> Iterator[str]:
    more = kind.First()
    while more > 0:
        yield kind.Name().lower()
        more = kind.Next()


def _of_class(dss: Any, name: str) -> Iterator[str]:
    """Names of the enabled elements of a class, each active while it is handed over."""
    if dss.Circuit.SetActiveClass(name) <= 0:
        return
    names = [text for text in dss.ActiveClass.AllNames() if text.upper() != "NONE"]
    for text in names:
        dss.Circuit.SetActiveElement(f"{name}.{text}")
        if dss.CktElement.Enabled():
            yield text.lower()


def _text(dss: Any, name: str) -> str:
    return str(dss.Properties.Value(name)) if name in _property_names(dss) else ""


def _property_names(dss: Any) -> set[str]:
    return {text.lower() for text in dss.CktElement.AllPropertyNames()}


def _property(dss: Any, name: str) -> float:
    try:
        return float(dss.Properties.Value(name))
    except ValueError:
        return float("nan")


def _list(dss: Any, name: str) -> list[float]:
    return [float(part) for part in dss.Properties.Value(name).strip("[]() ").replace(",", " ").split()]


def _primitive(dss: Any) -> np.ndarray[Any, Any]:
    raw = np.asarray(dss.CktElement.YPrim(), dtype=np.float64).view(np.complex128)
    n = round(len(raw) ** 0.5)
    return raw.reshape(n, n).T  # the engine counts column after column


def _bases_missing(dss: Any) -> bool:
    for i in range(dss.Circuit.NumBuses()):
        dss.Circuit.SetActiveBusi(i)
        if dss.Bus.kVBase() <= 0.0:
            return True
    return False


def _counts(dss: Any) -> dict[str, int]:
    """Members of every class the model uses, enabled or not."""
    counts: dict[str, int] = {}
    for name in dss.Basic.Classes():
        if dss.Circuit.SetActiveClass(name) > 0 and dss.ActiveClass.Count() > 0:
            counts[name.lower()] = int(dss.ActiveClass.Count())
    return counts


COMMANDS: dict[str, Callable[..., Table]] = {
    "compile": compile_model,
    "voltages": voltages,
    "everything": everything,
}

"""In the child process: a compiled circuit solved again and again, with the powers of a scenario's devices.

The circuit stays as its file says: load models (constant power, impedance, ZIP, their voltage limits), phases, winding
connections, controls. Only powers change. What the file has and cannot be told a power (PV systems, storage, generators
with controls) is disabled and replaced by a constant power at the same terminals; devices the file does not have are
added as such.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archipel.formats.networks.opendss.terminals import Terminal, read_terminal, terminal_at

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TOLERANCE = 1e-8
"""Change of voltage [pu] at which the engine's fixed point ends. Controls act at the file's own tolerance (1e-4 unless
it says otherwise), which is too coarse to compare steps; what they leave is solved once more."""
ROUNDS = 200
CONTROL_ROUNDS = 100
OFF = -1
REPLACED = ("pvsystem", "storage", "generator", "invcontrol", "storagecontroller")
"""Classes that are disabled: the first three where a device of the scenario stands for them, the others always."""
SHUNTS = ("capacitor", "reactor")
"""Classes that draw what their voltage makes them draw, whatever a device of the scenario says."""
HUNTING = 485
"""The engine's number for controls that did not come to rest."""


@final
class CircuitSolver:
    """The questions a twin asks."""

    def __init__(self) -> None:
        self._index: Ints = np.zeros(0, dtype=np.int64)
        self._of_load: Ints = self._index
        self._set_p: Floats = np.zeros(0)
        self._set_q: Floats = np.zeros(0)

    @property
    def commands(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """By name."""
        return {
            "alone": alone,
            "prepare": self.prepare,
            "place": self.place,
            "solve": self.solve,
            "flow": self.flow,
        }

    def prepare(
        self,
        dss: Any,
        element: list[str],
        device_bus: list[str],
        device_phases: list[list[int]],
        node_bus: list[str],
        node_kv: list[float],
        branch_element: list[list[str]],
        branch_bus: list[str],
        branch_a_max: Floats,
    ) -> dict[str, Any]:
        """Get ready to be told the powers of devices.

        `element` is the element of every device in the circuit, empty where it has none; `device_bus`, `device_phases`
        say where its node is. `node_kv` is the nominal voltage between phases of every node. `branch_bus` is the bus at
        the from or HV end of every branch, `branch_a_max` the scenario's limit on its current [A]: infinite where a
        line has none, NaN where the nameplate says it (transformers). Answers with the powers the file gives devices,
        as solved.
        """
        filed = np.array([_drawn(dss, name) if name else 0.0 for name in element], dtype=np.complex128)
        dss.Solution.LoadMult(1.0)
        self._coarse = float(dss.Solution.Convergence())
        dss.Solution.MaxIterations(ROUNDS)
        dss.Solution.MaxControlIterations(CONTROL_ROUNDS)
        self._mode = OFF if dss.Solution.ControlMode() == OFF else 0
        self._disable(dss, REPLACED[3:])
        self._place_devices(dss, element, device_bus, device_phases, filed)
        self._controls = _Controls(dss)
        self._solve(dss, act=False)
        self._read_layout(dss, node_bus, node_kv)
        self._read_branches(dss, branch_element, branch_bus, branch_a_max)
        missing = [name for names in branch_element for name in names if name.lower() not in self._element_row]
        return {
            "controls": self._controls.names,
            "position": self._controls.position(dss),
            "missing": missing[:20],
            "filed": filed,
        }

    def place(self, dss: Any, position: Floats) -> dict[str, Any]:
        """Put the network's own controls into these positions."""
        self._controls.place(dss, position)
        return {}

    def solve(self, dss: Any, p_kw: Floats, q_kvar: Floats, act: bool) -> dict[str, Any]:
        """Voltages at devices; with `act` the network's own controls act."""
        self._tell(dss, p_kw, q_kvar)
        before = self._controls.position(dss)
        hunting = self._solve(dss, act=act)
        after = self._controls.position(dss) if act else before
        v = self._volts(dss)
        across = np.abs(v[self._plus] - v[self._minus]) / self._base
        ends = self._device_first
        return {
            "converged": bool(dss.Solution.Converged()),
            "hunting": hunting,
            "rounds": int(dss.Solution.Iterations()),
            "moved": bool(act and not np.array_equal(before, after)),
            "v_pu": np.add.reduceat(across, ends) / self._phases if len(ends) else np.zeros(0),
            "v_pu_high": np.maximum.reduceat(across, ends) if len(ends) else np.zeros(0),
        }

    def flow(self, dss: Any) -> dict[str, Any]:
        """The whole state of the last solution."""
        v = self._volts(dss)
        across = (v[self._node_index] - v[self._node_minus]) / self._node_base[:, None]
        volts = np.where(self._node_index >= 0, across, np.nan)
        power = np.asarray(dss.PDElements.AllPowers(), dtype=np.float64).view(np.complex128)
        ends = (
            np.bincount(self._end, power[self._at].real, 2 * self._branches),
            np.bincount(self._end, power[self._at].imag, 2 * self._branches),
        )
        current = np.asarray(dss.PDElements.AllMaxCurrents(), dtype=np.float64)
        losses, total = dss.Circuit.Losses(), dss.Circuit.TotalPower()
        loading = np.zeros(self._branches)
        np.maximum.at(loading, self._carrier, current[self._carried] / self._rated)
        return {
            "v": volts,
            "branch_p_kw": ends[0].reshape(2, -1),
            "branch_q_kvar": ends[1].reshape(2, -1),
            "loading": loading,
            "losses_kw": float(losses[0]) * 1e-3,
            "upstream": [-float(total[0]), -float(total[1])],
            "position": self._controls.position(dss),
        }

    def _disable(self, dss: Any, classes: tuple[str, ...]) -> None:
        for name in dss.Circuit.AllElementNames():
            if name.split(".")[0].lower() in classes:
                dss.Text.Command(f'disable "{name}"')

    def _place_devices(
        self, dss: Any, element: list[str], bus: list[str], phases: list[list[int]], filed: NDArray[np.complex128]
    ) -> None:
        """The load of the circuit that carries every device, and its terminals; loads are added where there is none.

        What is added for an element that is disabled begins with the power of that one.
        """
        own = {name.lower() for name in dss.Circuit.AllElementNames()}
        unknown = [name for name in element if name and name.lower() not in own]
        if unknown:
            raise ValueError(f"found no element {unknown[0]} in the circuit, nor {len(unknown) - 1} others")
        kept = {name.lower(): i + 1 for i, name in enumerate(dss.Loads.AllNames())}
        at: list[Terminal | None] = [read_terminal(dss, name) if name else None for name in element]
        customers: dict[str, set[Terminal]] = {}
        for terminal in at:
            if terminal is not None:
                customers.setdefault(terminal.bus, set()).add(terminal)
        extra: dict[Terminal, int] = {}
        load: list[int] = []
        self._terminals: list[Terminal] = []
        begin: dict[int, complex] = {}
        for name, found, where, wires, power in zip(element, at, bus, phases, filed.tolist(), strict=True):
            kind, _, short = name.lower().partition(".")
            if found is not None and kind not in {"load", *SHUNTS}:
                dss.Text.Command(f'disable "{name}"')
            terminal = found or terminal_at(dss, where, wires, customers.get(where.lower(), set()))
            self._terminals.append(terminal)
            if kind in {"load", *SHUNTS}:
                load.append(kept[short] if kind == "load" else 0)
                continue
            if terminal not in extra:
                extra[terminal] = len(kept) + len(extra) + 1
                dss.Text.Command(terminal.new_load(f"archipel_{len(extra)}"))
            load.append(extra[terminal])
            begin[load[-1]] = begin.get(load[-1], 0j) + power
        for i, power in begin.items():
            dss.Loads.Idx(i)
            dss.Loads.kW(power.real)
            dss.Loads.kvar(power.imag)
        index, self._of_load = np.unique(np.array(load, dtype=np.int64), return_inverse=True)
        self._index = index.astype(np.int64)
        self._set_p = np.full(len(self._index), np.nan)
        self._set_q = self._set_p.copy()

    def _tell(self, dss: Any, p_kw: Floats, q_kvar: Floats) -> None:
        """Set the power of every load that changed."""
        p = np.asarray(np.bincount(self._of_load, p_kw, len(self._index)), dtype=np.float64)
        q = np.asarray(np.bincount(self._of_load, q_kvar, len(self._index)), dtype=np.float64)
        loads = dss.Loads
        for i in np.flatnonzero(((p != self._set_p) | (q != self._set_q)) & (self._index > 0)).tolist():
            loads.Idx(int(self._index[i]))
            loads.kW(float(p[i]))
            loads.kvar(float(q[i]))
        self._set_p, self._set_q = p, q

    def _solve(self, dss: Any, *, act: bool) -> bool:
        """Solve; true where controls did not come to rest."""
        hunting = False
        if act and self._mode != OFF and self._controls.names:
            dss.Solution.ControlMode(self._mode)
            dss.Solution.Convergence(self._coarse)
            try:
                dss.Solution.Solve()
            except Exception as error:
                if not str(error).startswith(f"(#{HUNTING})"):
                    raise
                hunting = True
        dss.Solution.ControlMode(OFF)
        dss.Solution.Convergence(TOLERANCE)
        dss.Solution.Solve()
        return hunting

    def _volts(self, dss: Any) -> NDArray[np.complex128]:
        """All node voltages [V], and 0 at the end, which index -1 means."""
        return np.append(np.asarray(dss.Circuit.AllBusVolts(), dtype=np.float64).view(np.complex128), 0.0)

    def _read_layout(self, dss: Any, node_bus: list[str], node_kv: list[float]) -> None:
        row = {name.lower(): i for i, name in enumerate(dss.Circuit.AllNodeNames())}
        buses = [bus.lower() for bus in node_bus]
        base = dict(zip(buses, (np.array(node_kv) * 1e3 / 3.0**0.5).tolist(), strict=True))
        for bus in {terminal.bus for terminal in self._terminals} - set(base):
            dss.Circuit.SetActiveBus(bus)
            base[bus] = dss.Bus.kVBase() * 1e3
        v = self._volts(dss)
        plus, minus, bases, first = [], [], [], [0]
        for terminal in self._terminals:
            for a, b in terminal.pairs:
                plus.append(row[f"{terminal.bus}.{a}"])
                minus.append(row.get(f"{terminal.bus}.{b}", -1) if b else -1)
                factor = 1.0
                if b in {1, 2, 3}:
                    ends = abs(v[plus[-1]]) + abs(v[minus[-1]])
                    # Halves of one winding are opposite, phases are a third of a turn apart.
                    factor = 2.0 if ends > 0 and abs(v[plus[-1]] - v[minus[-1]]) > 0.95 * ends else 3.0**0.5
                bases.append(factor * base[terminal.bus])
            first.append(len(plus))
        self._plus, self._minus = np.array(plus, dtype=np.int64), np.array(minus, dtype=np.int64)
        self._base = np.array(bases)
        self._device_first = np.array(first[:-1], dtype=np.int64)
        self._phases = np.diff(first).astype(np.float64)
        rows = [[row.get(f"{bus}.{k}", -1) for k in (1, 2, 3)] for bus in buses]
        self._node_index = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self._node_base = np.array([base[bus] for bus in buses])
        grounded = grounded_buses(dss)
        self._node_minus = np.full(self._node_index.shape, -1)
        for i, bus in enumerate(buses):
            here = np.flatnonzero(self._node_index[i] >= 0)
            if bus not in grounded and len(here) > 1:
                self._node_minus[i, here] = self._node_index[i, np.roll(here, -1)]
                self._node_base[i] *= 3.0**0.5

    def _read_branches(self, dss: Any, elements: list[list[str]], from_bus: list[str], a_max: Floats) -> None:
        """Which of the powers the engine lists make up both ends of every branch, and what the branch may carry."""
        names = [name.lower() for name in dss.PDElements.AllNames()]
        self._element_row = {name: i for i, name in enumerate(names)}
        wires = np.asarray(dss.PDElements.AllNumConductors(), dtype=np.int64)
        ends = np.asarray(dss.PDElements.AllNumTerminals(), dtype=np.int64)
        start = np.concatenate([[0], np.cumsum(wires * ends)])
        at, end, carrier, carried, rated = [], [], [], [], []
        self._branches = len(elements)
        for b, (group, bus, limit) in enumerate(zip(elements, from_bus, a_max.tolist(), strict=True)):
            for name in group:
                row = self._element_row.get(name.lower())
                if row is None:
                    continue
                dss.Circuit.SetActiveElement(name)
                places = np.arange(start[row], start[row + 1]).reshape(ends[row], wires[row])
                for terminal, where in enumerate(dss.CktElement.BusNames()):
                    side = 0 if where.split(".")[0].lower() == bus.lower() else 1
                    at += places[terminal].tolist()
                    end += [side * self._branches + b] * int(wires[row])
                carrier.append(b)
                carried.append(row)
                rated.append(_rated_a(dss, name, limit, len(group) == 1))
        self._at, self._end = np.array(at, dtype=np.int64), np.array(end, dtype=np.int64)
        self._carrier, self._carried = np.array(carrier, dtype=np.int64), np.array(carried, dtype=np.int64)
        self._rated = np.array(rated)


def alone(dss: Any) -> dict[str, Any]:
    """The circuit as its file leaves it: node voltages [V] by `bus.phase`, power of the sources [kW, kvar], losses."""
    return {
        "node": list(dss.Circuit.AllNodeNames()),
        "v": np.asarray(dss.Circuit.AllBusVolts(), dtype=np.float64).view(np.complex128),
        "total": np.asarray(dss.Circuit.TotalPower(), dtype=np.float64),
        "losses": np.asarray(dss.Circuit.Losses(), dtype=np.float64) * 1e-3,
        "converged": bool(dss.Solution.Converged()),
        "rounds": int(dss.Solution.Iterations()),
    }


def grounded_buses(dss: Any) -> set[str]:
    """Buses of parts of the circuit that a source or a winding in wye grounds.

    Parts are joined by lines. Elsewhere voltages to ground say little: only those between phases are held.
    """
    above: dict[str, str] = {}

    def root(bus: str) -> str:
        while (up := above.setdefault(bus, bus)) != bus:
            above[bus] = above.get(up, up)
            bus = up
        return bus

    found: set[str] = set()
    for name in dss.Circuit.AllElementNames():
        kind = name.partition(".")[0].lower()
        if kind not in {"line", "transformer", "autotrans", "vsource"}:
            continue
        dss.Circuit.SetActiveElement(name)
        if not dss.CktElement.Enabled():
            continue
        buses = [bus.partition(".")[0].lower() for bus in dss.CktElement.BusNames()]
        if kind == "line":
            above[root(buses[0])] = root(buses[1])
        elif kind == "vsource":
            found.add(buses[0])
        elif kind == "autotrans":
            found.update(buses)
        else:
            dss.Transformers.Name(name.partition(".")[2])
            for winding, bus in enumerate(buses):
                dss.Transformers.Wdg(winding + 1)
                if not dss.Transformers.IsDelta():
                    found.add(bus)
    live = {root(bus) for bus in found}
    return {bus for bus in above if root(bus) in live} | found


def _drawn(dss: Any, name: str) -> complex:
    """What an element draws in the last solution [kW, kvar]; 0 where the circuit has none of that name."""
    if dss.Circuit.SetActiveElement(name) < 0:
        return 0j
    return complex(np.asarray(dss.CktElement.Powers(), dtype=np.float64).view(np.complex128).sum())


def _rated_a(dss: Any, name: str, limit_a: float, single: bool) -> float:
    """Limit on the current of a conductor [A]: of a transformer by its nameplate, of a line by the scenario.

    The scenario's is that of a balanced line of the same power, n / 3 of a conductor's for n phases (`sequence`).
    The engine's own number, 400 A where its file says nothing, is used only to tell apart lines side by side, whose
    common limit is finite.
    """
    kind, _, short = name.partition(".")
    if kind.lower() == "transformer":
        dss.Transformers.Name(short)
        dss.Transformers.Wdg(1)
        split = 3.0**0.5 if dss.CktElement.NumPhases() > 1 else 1.0
        return float(dss.Transformers.kVA() / dss.Transformers.kV() / split)
    if not np.isfinite(limit_a):
        return float("inf")
    if not single:
        return float(dss.CktElement.NormalAmps()) or float("inf")
    wires = dss.CktElement.BusNames()[0].split(".")[1:]
    phases = len({"1", "2", "3"} & set(wires)) if wires else min(dss.CktElement.NumPhases(), 3)
    return limit_a * 3.0 / max(phases, 1)


@final
class _Controls:
    """Regulators and switched capacitors of the circuit, and where they stand."""

    def __init__(self, dss: Any) -> None:
        self._regulators = [name for name in dss.RegControls.AllNames() if name.lower() != "none"]
        self._capacitors = [name for name in dss.Capacitors.AllNames() if name.lower() != "none"]
        if not dss.CapControls.Count():
            self._capacitors = []
        self.names = [f"RegControl.{name}" for name in self._regulators]
        self.names += [f"Capacitor.{name}" for name in self._capacitors]

    def position(self, dss: Any) -> Floats:
        """Tap number of every regulator, steps in of every capacitor."""
        found = []
        for name in self._regulators:
            dss.RegControls.Name(name)
            found.append(float(dss.RegControls.TapNumber()))
        for name in self._capacitors:
            dss.Capacitors.Name(name)
            closed = not dss.CktElement.IsOpen(1, 0)
            found.append(float(sum(dss.Capacitors.States())) if closed else 0.0)
        return np.array(found)

    def place(self, dss: Any, position: Floats) -> None:
        """Put them where they are told."""
        for name, tap in zip(self._regulators, position.tolist(), strict=False):
            dss.RegControls.Name(name)
            dss.RegControls.TapNumber(round(tap))
        for name, steps in zip(self._capacitors, position[len(self._regulators) :].tolist(), strict=True):
            dss.Capacitors.Name(name)
            count = len(dss.Capacitors.States())
            dss.Capacitors.States([1 if i < round(steps) else 0 for i in range(count)])
            (dss.CktElement.Close if steps > 0 else dss.CktElement.Open)(1, 0)

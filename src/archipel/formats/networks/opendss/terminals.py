"""In the child process: where a device hangs in the circuit, and the element that stands for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

PHASES = (1, 2, 3)
LOWEST_PU, HIGHEST_PU = 0.3, 2.0
"""Between these voltages what we add draws constant power; the engine makes it an impedance outside."""


@final
@dataclass(frozen=True, slots=True)
class Terminal:
    """Conductors of one bus that a device draws from."""

    bus: str
    conductors: tuple[int, ...]
    """As the engine names them, 0 for the ground; a wye has its neutral last."""
    delta: bool
    kv: float
    """Rated voltage as the engine wants it: to the neutral for one wye phase, otherwise between phases."""

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The conductors between which a device feels its voltage."""
        wires = self.conductors
        if not self.delta:
            neutral = wires[-1]
            return tuple((wire, neutral) for wire in wires[:-1])
        if len(wires) == 2:
            return ((wires[0], wires[1]),)
        return tuple((wires[i], wires[(i + 1) % len(wires)]) for i in range(len(wires)))

    def new_load(self, name: str) -> str:
        """The command that adds a load of no power here."""
        phases = len(self.conductors) if self.delta and len(self.conductors) > 2 else max(len(self.conductors) - 1, 1)
        wires = ".".join(str(wire) for wire in self.conductors)
        return (
            f'new "load.{name}" bus1="{self.bus}.{wires}" phases={phases} conn={"delta" if self.delta else "wye"} '
            f"kv={self.kv!r} kw=0 kvar=0 model=1 vminpu={LOWEST_PU} vmaxpu={HIGHEST_PU}"
        )


def read_terminal(dss: Any, element: str) -> Terminal:
    """Where an element of the circuit hangs."""
    dss.Circuit.SetActiveElement(element)
    bus, *_ = dss.CktElement.BusNames()[0].split(".")
    phases = int(dss.CktElement.NumPhases())
    wires = [int(wire) for wire in dss.CktElement.NodeOrder()]
    name = element.split(".", 1)[0].lower()
    delta = dss.Properties.Value("conn").lower().startswith(("d", "l")) if name in _WITH_CONN else False
    if phases == 1 and len(wires) == 2 and wires[1] in PHASES:
        delta = True  # between two phases, whatever it is called
    if not delta and len(wires) == phases:
        wires.append(0)
    return Terminal(bus.lower(), tuple(wires), delta, float(dss.Properties.Value("kv")))


_WITH_CONN = ("load", "generator", "pvsystem", "storage")


def terminal_at(dss: Any, bus: str, phases: list[int], customers: set[Terminal]) -> Terminal:
    """Where a device is connected that the circuit does not have.

    Where all customers of the bus hang on the same conductors it joins them; otherwise one phase is used to ground,
    two against each other, three as a balanced wye.
    """
    if len(customers) == 1:
        return next(iter(customers))
    dss.Circuit.SetActiveBus(bus)
    kv, wires = float(dss.Bus.kVBase()), tuple(phases)
    if len(wires) == 2:
        return Terminal(bus.lower(), wires, delta=True, kv=kv * _between(dss, wires))
    return Terminal(bus.lower(), (*wires, 0), delta=False, kv=kv if len(wires) == 1 else kv * 3.0**0.5)


def _between(dss: Any, wires: tuple[int, ...]) -> float:
    """Voltage between two conductors over that to ground: 2 for halves of one winding, the root of 3 for phases."""
    volts, nodes = dss.Bus.Voltages(), list(dss.Bus.Nodes())
    a, b = (complex(*volts[2 * nodes.index(w) : 2 * nodes.index(w) + 2]) for w in wires)
    ends = abs(a) + abs(b)
    return 2.0 if ends > 0 and abs(a - b) > 0.95 * ends else 3.0**0.5

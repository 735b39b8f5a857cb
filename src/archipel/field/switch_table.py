"""What a cell file says of the switch to the main grid and of the units that form an island."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, final

from archipel.cell.mode import Rules
from archipel.cell.synchronism import Steering
from archipel.controller.main_grid import Shedding
from archipel.formats.findings import Findings, did_you_mean

NodeName = Literal["first", "second"]
_RULES, _SHEDDING = Rules(), Shedding()


@final
@dataclass(frozen=True, slots=True)
class SwitchTable:
    """[switch]: the switch to the main grid, of cells that can live without it."""

    device: str
    """The [[device]] that it is, on the register map, measuring both sides."""
    main: NodeName = "first"
    """Which of its nodes is that of the main grid."""
    healthy_s: float = _RULES.healthy_s
    """How long the main grid must have been healthy before the cell turns towards it."""
    settled_s: float = _RULES.settled_s
    """How long an island, or a cell that is back, must have held before it counts as settled."""
    unknown_s: float = 10.0
    """Not knowing the main grid for so long is a loss. More than `Rules` has: a line that fails is likelier than a main
    grid, and the switch's own protection opens it without us."""
    give_up_s: float = _RULES.give_up_s
    """How long the cell turns towards the main grid before it rests."""
    near_deg: float = Steering().near_deg
    """Inside the window it still turns until the angle is so small: the power that flows when contacts touch goes with
    it. Less than the switch can measure is never reached."""
    shed_below_soc: float = _SHEDDING.below_soc
    restore_above_soc: float = _SHEDDING.above_soc
    """Stored energy over capacity, apart from the main grid: where load that is not critical is shed and comes back."""
    stage_s: float = _SHEDDING.stage_s
    """Between two devices that are given back."""

    @property
    def rules(self) -> Rules:
        """When to leave and when to come back."""
        return replace(
            _RULES,
            healthy_s=self.healthy_s,
            settled_s=self.settled_s,
            unknown_s=self.unknown_s,
            give_up_s=self.give_up_s,
            steering=replace(_RULES.steering, near_deg=self.near_deg),
        )

    @property
    def shedding(self) -> Shedding:
        """What is served while apart."""
        return Shedding(self.shed_below_soc, self.restore_above_soc, self.stage_s)


@final
@dataclass(frozen=True, slots=True)
class FormerTable:
    """[[former]]: where a battery of the cell takes the frequency and voltage it shall hold in an island."""

    id: str
    """The [[device]] that it is."""
    endpoint: str
    s_kva: float = 0.0
    """Its rating as a grid-forming unit; 0: what the scenario says that it can give."""


def check_apart(file: str, made: Mapping[str, Any], findings: Findings) -> None:
    """The switch to the main grid and the grid formers are devices of the cell."""
    switch = made.get("switch")
    rows = {row.id: row for row in made.get("device", ()) if row is not None}
    formers = [row for row in made.get("former", ()) if row is not None]
    for row in formers:
        if row.id not in rows:
            findings.add(file, "[[former]]", "id", repr(row.id), "the id of a [[device]]", did_you_mean(row.id, rows))
    if switch is None:
        if formers:
            mend = "Add a table [switch] that names the switch to the main grid, or remove [[former]]."
            findings.add(file, "[[former]]", "", "one without a [switch]", "both or none", mend)
        return
    row = rows.get(switch.device)
    if row is None:
        mend = did_you_mean(switch.device, rows)
        findings.add(file, "[switch]", "device", repr(switch.device), "the id of a [[device]]", mend)
    elif row.driver != "archipel":
        mend = "Name a switch on the register map."
        findings.add(file, "[switch]", "device", f"driver {row.driver}", "driver archipel", mend)
    if not formers:
        mend = "Add a [[former]]: a battery that can hold voltage and frequency."
        findings.add(file, "[switch]", "", "no [[former]]", "at least one", mend)
    if not switch.shed_below_soc <= switch.restore_above_soc <= 1.0:
        found = f"{switch.shed_below_soc:g} and {switch.restore_above_soc:g}"
        expected = "0 <= shed_below_soc <= restore_above_soc <= 1"
        findings.add(file, "[switch]", "shed_below_soc, restore_above_soc", found, expected, "Correct them.")

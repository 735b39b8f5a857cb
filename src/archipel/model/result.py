"""What a run leaves behind, one record per strategy, as arrays over elements and time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from archipel.model.belief import Believed
from archipel.model.delivery import Delivery
from archipel.model.grid import Floats

Single = NDArray[np.float32]
PRICE_PARTS = ("energy", "losses", "congestion", "voltage", "fees")
"""What every price is the sum of; `archipel.cell.prices` says how each is found."""


@final
@dataclass(slots=True, eq=False)
class StrategyResult:
    """One strategy on one scenario. Powers in load convention; S steps of `dt_h` hours from `time[0]` (UTC)."""

    strategy: str
    time: NDArray[np.datetime64]
    """Start of every step, UTC, shape (S,)."""
    dt_h: float
    p_kw: Single
    q_kvar: Single
    """What every device drew, shape (devices, S), in the order of `Scenario.device_id`."""
    soc: Single
    """State of charge 0..1 at the *end* of the step (battery: of its capacity; EV charger: share of the session's
    energy delivered; heat pump: buffer temperature [K above the lower comfort limit]); NaN for others."""
    available_kw: Single
    """Renewable power that could have been taken, non-negative, shape (devices, S); 0 for other kinds."""
    v_pu: Single
    """Node voltages, shape (nodes, S)."""
    loading: Single
    """Branch current over the source's limit (1 = at the limit), the larger of both ends, shape (branches, S)."""
    losses_kw: Floats
    """Losses in all branches, shape (S,)."""
    upstream_p_kw: Floats
    upstream_q_kvar: Floats
    """Power drawn from the upstream grid, shape (S,)."""
    tie_p_kw: Floats
    tie_q_kvar: Floats
    tie_v_pu: Floats
    """Metered at both ends, shape (ties, 2, S): end 0 is the upper cell's, end 1 the lower's; positive into the
    *lower* cell at end 1 and into the *upper* cell at end 0 (so the two have opposite signs)."""
    tie_agreed_kw: Floats
    """Agreed power into the lower cell at the metered end, shape (ties, S); NaN where nothing was agreed."""
    tie_price: Floats
    """Price at the boundary [EUR/kWh], shape (ties, S); NaN where there is none."""
    unserved_kwh: Floats
    """Load shed, shape (S,)."""
    ev_unserved_kwh: Floats
    """Energy missing at departures that fell in the step, shape (S,)."""
    comfort_missed_k_h: Floats
    """Kelvin-hours outside the comfort band, summed over heat pumps, shape (S,)."""
    tie_price_q: Floats | None = None
    """Price of reactive power at the boundary [EUR/kvarh], shape (ties, S); None or NaN where there is none."""
    tie_price_parts: Floats | None = None
    """What `tie_price` is the sum of, shape (ties, parts, S) in the order of `PRICE_PARTS`; None or NaN likewise."""
    node_price: Single | None = None
    """Price of active and reactive power at every node [EUR/kWh, EUR/kvarh], shape (nodes, 2, S); likewise."""
    p_kw_set: Single | None = None
    """Setpoint that held for every device, shape (devices, S); NaN: its local rule. None where it was not kept."""
    f_hz: Floats | None = None
    """Off grid: frequency right after the step from the quarter hour before [Hz], shape (S,); None with a main grid."""
    critical_unserved_kwh: Floats | None = None
    """Off grid: the part of `unserved_kwh` that is critical load, shape (S,)."""
    reserve_kwh: Floats | None = None
    """Energy that all batteries should hold at the end of the step for a loss of the main grid [kWh], shape (S,); may
    be more than they can, infinite where there is no past to judge by; None where no reserve is asked for."""
    physics: str = "positive-sequence"
    """Where voltages, flows and losses come from; the next two fields are None unless it is three-phase, where `v_pu`
    is the mean over the phases of a node and `loading` that of the worst phase."""
    phase_v_pu: Single | None = None
    """Voltage of every phase to ground, shape (nodes, 3, S); NaN where a node lacks the phase."""
    unbalance: Single | None = None
    """Negative over positive sequence voltage, shape (nodes, S); NaN at nodes with fewer than three phases."""
    control: tuple[str, ...] = ()
    """Tap changers and switched capacitors that act on their own: the scenario's, or those of a three-phase circuit."""
    position: Floats | None = None
    """Where these stood, shape (controls, S): tap number, or steps that are in. None where there are none."""
    stored_kwh: tuple[float, float] = (0.0, 0.0)
    """Energy in all batteries before the first and after the last step."""
    agreements: list[dict[str, Any]] = field(default_factory=list)
    """One entry per plan: time, rounds, messages, bytes, gap, residuals, passes, what had to give."""
    believed: list[Believed] = field(default_factory=list)
    """What cells believed, one entry per plan."""
    gaps: list[dict[str, Any]] = field(default_factory=list)
    """Planning problems solved by several strategies: time, cost by strategy, gross energy cost."""
    deliveries: tuple[Delivery, ...] = ()
    """What portfolios sold and delivered; empty where there are none."""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    complete: bool = True
    """False when the run was interrupted; arrays then cover the steps that were done."""

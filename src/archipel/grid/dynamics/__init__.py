"""Dynamics of islands: frequency, voltages and powers of units and loads after something has happened.

`Island` describes, `settled` and `simulate` answer, for one or hundreds of scenarios at once; `reduced` makes the
network of an island from a grid. Positive sequence; equations and their sources stand beside what they describe.
"""

from archipel.grid.dynamics.events import Close, Connect, Event, LoadStep, Open, SetPoint, StartUp, Trip, Tripped
from archipel.grid.dynamics.grid_codes import VDE_4105, Curve, FrequencyWatt, GridCode, Limit, ieee_1547
from archipel.grid.dynamics.island import Island, IslandInvalid, Network, Start
from archipel.grid.dynamics.readings import Control, Reading
from archipel.grid.dynamics.reduction import Reduced, reduced
from archipel.grid.dynamics.simulate import settled, simulate
from archipel.grid.dynamics.traces import Settled, Traces
from archipel.grid.dynamics.units import (
    Following,
    Forming,
    Governor,
    Load,
    Store,
    Tie,
    Unit,
    droop,
    machine,
    main_grid,
    vsm,
)

__all__ = [
    "VDE_4105",
    "Close",
    "Connect",
    "Control",
    "Curve",
    "Event",
    "Following",
    "Forming",
    "FrequencyWatt",
    "Governor",
    "GridCode",
    "Island",
    "IslandInvalid",
    "Limit",
    "Load",
    "LoadStep",
    "Network",
    "Open",
    "Reading",
    "Reduced",
    "SetPoint",
    "Settled",
    "Start",
    "StartUp",
    "Store",
    "Tie",
    "Traces",
    "Trip",
    "Tripped",
    "Unit",
    "droop",
    "ieee_1547",
    "machine",
    "main_grid",
    "reduced",
    "settled",
    "simulate",
    "vsm",
]

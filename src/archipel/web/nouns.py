"""What the API says, as records: the OpenAPI description and the page's types are made from these.

Names, units and signs are those of the Parquet tables (docs/reference/tables.md). Times are UTC. A number that is not
known is null (in a frame: NaN), never a guess.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

Kind = Literal["run", "live", "demo"]
"""Of what is shown: a finished run, a running system, the demonstration."""
Role = Literal["view", "operate", "administer"]
Severity = Literal["alarm", "action", "compliant", "information"]
"""Red: something is broken or about to be; orange: a person has to act; green: it is well again; blue: good to know."""
Act = Literal[
    "arm", "disarm", "default", "tag", "untag", "island", "rejoin", "open", "close", "limit", "hold", "free",
    "kill", "start", "acknowledge",
]  # fmt: skip
"""`default`: everything back to its own default, never refused. `limit`: cap import and export of a cell or of the
connection (element `upstream`) until a time. `hold`: a device at a power until a time; `free` ends both. `kill` and
`start`: a cell's process, in rehearsals and the demonstration only. `acknowledge`: a card."""
Phase = Literal["requested", "accepted", "executed", "measured", "refused", "failed"]
"""`executed`: devices echoed it; `measured`: physics confirms; `failed`: accepted, and not measured in time."""


# ------------------------------------------------------------------ what there is


class CellInfo(Struct, frozen=True, kw_only=True):
    """A cell, where it is drawn, and what it holds."""

    id: str
    parent: str
    """Empty for the root."""
    level: str
    x: float
    y: float
    """Middle of its nodes, in the units of `Nodes.x`."""
    devices: dict[str, int]
    """How many of each kind."""
    rated_kw: float | None
    """What its tie to the cell above can carry; of the root the firm import limit."""


class TieInfo(Struct, frozen=True, kw_only=True):
    """What joins two cells."""

    id: str
    direction: Literal["vertical", "horizontal"]
    upper: str
    lower: str
    upper_node: int
    lower_node: int
    """Rows in `Nodes`."""
    closed: bool
    metered_at: Literal["upper", "lower"]
    branch: int | None
    """Row in `Branches`; None where it is a switch only."""


class Nodes(Struct, frozen=True, kw_only=True):
    """All nodes, as columns."""

    id: list[str]
    x: list[float]
    y: list[float]
    """Metres, or without coordinates in the source units of a drawing made from the tree; y grows to the north."""
    cell: list[int]
    vn_kv: list[float]
    v_pu_min: list[float]
    v_pu_max: list[float]
    """Limits of the source."""


class Branches(Struct, frozen=True, kw_only=True):
    """All lines and transformers, as columns."""

    id: list[str]
    kind: list[str]
    """`line` or `transformer`."""
    from_node: list[int]
    to_node: list[int]
    cell: list[int]
    loading_max: list[float]
    """Limit of the source on `loading`, 1 where it names none."""


class Devices(Struct, frozen=True, kw_only=True):
    """All devices, as columns."""

    id: list[str]
    kind: list[str]
    cell: list[int]
    node: list[int]
    p_kw_min: list[float | None]
    p_kw_max: list[float | None]
    """Nameplate, load convention."""
    e_kwh: list[float | None]
    """Energy a store holds."""


class Section(Struct, frozen=True, kw_only=True):
    """A column of a table inside a frame: `count` float32 numbers in the order of the table's rows."""

    table: str
    """`area` (one row), `cells`, `ties`, `nodes`, `branches` or `devices`."""
    column: str
    unit: str
    count: int


class Span(Struct, frozen=True, kw_only=True):
    """The time that can be shown."""

    start: datetime
    end: datetime
    """Of the last moment; grows while it is live."""
    step_s: float
    """Between two frames."""
    live: bool
    factor: float
    """Seconds of grid time in one second of the wall; 1 in the field."""


class Area(Struct, frozen=True, kw_only=True):
    """What is shown: everything that does not change."""

    name: str
    title: str
    kind: Kind
    strategies: list[str]
    """Of a run, in its order; else one."""
    f_hz: float
    import_kw_max: float | None
    export_kw_max: float | None
    """Firm limits at the connection upstream."""
    span: Span
    acts: list[Act]
    """Commands that can be given at all; roles decide who may."""
    cells: list[CellInfo]
    ties: list[TieInfo]
    nodes: Nodes
    branches: Branches
    devices: Devices
    sections: list[Section]
    """What a frame holds, in this order, when all tables are asked for."""


# ------------------------------------------------------------------ agreements and beliefs


class PriceParts(Struct, frozen=True, kw_only=True):
    """What a price is the sum of [EUR/kWh]; each null where it is not known."""

    energy: float | None
    losses: float | None
    congestion: float | None
    voltage: float | None
    fees: float | None


class TieAgreement(Struct, frozen=True, kw_only=True):
    """What holds on a tie."""

    tie: str
    upper: str
    lower: str
    agreed_kw: float | None
    """Into the lower cell at the metered end; null: nothing is agreed, the default holds."""
    default_kw: float
    p_kw: float | None
    """Metered at that end."""
    price_eur_per_kwh: float | None
    parts: PriceParts
    since: datetime | None
    until: datetime | None
    plan: str
    """Number or name of the plan it is from; empty without one."""
    why: str
    """Why nothing is agreed; empty where something is."""


class PlanRecord(Struct, frozen=True, kw_only=True):
    """How the plan in force came about."""

    time: datetime
    rounds: int | None
    messages: int | None
    bytes: int | None
    gap: float | None
    accepted: bool | None
    """Whether its AC check passed."""
    cost_eur: float | None
    silent: list[str]
    """Cells that did not answer."""
    given: list[str]
    """What had to give."""


class Agreements(Struct, frozen=True, kw_only=True):
    """Who agreed what with whom, at a time."""

    time: datetime
    plan: PlanRecord | None
    ties: list[TieAgreement]


class Curve(Struct, frozen=True, kw_only=True):
    """A quantity over the intervals of a `Belief` or `Series`."""

    name: str
    """A column of the table `cells`, or `p_kw` (into the cell from the cell above), `price_eur_per_kwh`, `soc`,
    `stored_kwh`, `v_pu`."""
    unit: str
    believed: list[float | None]
    true: list[float | None]
    """What happened, as far as it has; the mean of each interval."""


class NeighbourView(Struct, frozen=True, kw_only=True):
    """What a cell took a neighbour for."""

    neighbour: str
    tie: str
    state: Literal["agreed", "stale", "silent", "unknown"]
    why: str
    p_kw: list[float | None]
    """Into the lower cell, as this cell held it to be agreed."""
    price_eur_per_kwh: list[float | None]


class Belief(Struct, frozen=True, kw_only=True):
    """What a cell believed at a time: its newest plan then."""

    cell: str
    time: datetime
    made: datetime | None
    """When the plan was made; null: it had none."""
    start: list[datetime]
    """Of every interval."""
    hours: list[float]
    curves: list[Curve]
    neighbours: list[NeighbourView]
    level: str
    """Level of the ladder it acted on: cooperating, following, fallback, alone, rules."""
    note: str = ""
    """Why nothing is known of what it believed, where that is so."""


class Series(Struct, frozen=True, kw_only=True):
    """Columns of one element over time."""

    table: str
    element: str
    time: list[datetime]
    columns: dict[str, list[float | None]]


# ------------------------------------------------------------------ why


class Reason(Struct, frozen=True, kw_only=True):
    """One ground for a value."""

    rule: Literal["limit", "message", "rule", "price", "tag", "lease", "lost"]
    text: str
    """A sentence for a person."""
    element: str = ""
    """What binds: a branch, node, tie, device or cell."""
    value: float | None = None
    bound: float | None = None
    unit: str = ""


class Why(Struct, frozen=True, kw_only=True):
    """Why a setpoint, a price or a refusal is what it is."""

    subject: Literal["setpoint", "price", "refusal"]
    element: str
    time: datetime
    text: str
    """In one sentence."""
    reasons: list[Reason]


# ------------------------------------------------------------------ cards


class Card(Struct, frozen=True, kw_only=True):
    """Something to know or to act on; what has one cause is one card."""

    id: str
    severity: Severity
    title: str
    text: str
    cause: str
    """What joins cards to one: `cell LV3.304 silent`, `overload trafo/5` ..."""
    begun: datetime
    ended: datetime | None
    cell: str = ""
    element: str = ""
    children: list[str] = field(default_factory=list)
    """What follows from the same cause, a sentence each."""
    acknowledged_by: str = ""


# ------------------------------------------------------------------ commands


class Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator wants: an intent with an end."""

    id: str
    """Made by who asks, 8 to 64 letters, digits, - or _; the same id is carried out once."""
    act: Act
    element: str = ""
    """Cell, tie, switch, device or card; `upstream` for the connection."""
    why: str = ""
    until: datetime | None = None
    """When it ends by itself; `limit` and `hold` need one, at most 24 h ahead (grid time)."""
    import_kw_max: float | None = None
    export_kw_max: float | None = None
    p_kw: float | None = None
    selection: str = ""
    """Of acts that operate a switch: id of the `Selection` made before."""


class CommandState(Struct, frozen=True, kw_only=True):
    """What became of a command."""

    command: Command
    who: str
    phase: Phase
    text: str
    """Why refused, what was measured ..."""
    at: dict[str, datetime]
    """Wall time of every phase it went through."""


class Selection(Struct, frozen=True, kw_only=True):
    """What a switching would do, before it is done."""

    id: str
    command: Command
    allowed: bool
    text: str
    effects: list[Reason]
    """Predicted: power over the switch, balance, stored energy, who goes dark ..."""
    valid_until: datetime
    """Wall time; 30 s after it was made."""


# ------------------------------------------------------------------ what happens


class Happening(Struct, frozen=True, kw_only=True):
    """One server-sent event."""

    id: int
    """Grows by one."""
    kind: Literal["card", "command", "span", "story", "score"]
    body: dict[str, Any]
    """A `Card`, `CommandState`, `Span`, `Scene` or `Score`."""


class Scene(Struct, frozen=True, kw_only=True):
    """A part of the demonstration that begins."""

    number: int
    of: int
    title: str
    text: str
    begins_s: float
    """Wall seconds since the demonstration began."""
    cells: list[str] = field(default_factory=list)
    """To look at."""


class Figure(Struct, frozen=True, kw_only=True):
    """One line of a score card or comparison."""

    name: str
    """Of kpis.json where it is one."""
    title: str
    unit: str
    best: Literal["low", "high", ""]
    values: dict[str, float | None]
    """By strategy."""


class Score(Struct, frozen=True, kw_only=True):
    """The same time lived several ways."""

    title: str
    strategies: list[str]
    figures: list[Figure]
    complete: bool


class RunInfo(Struct, frozen=True, kw_only=True):
    """A finished run in the folder of runs."""

    id: str
    scenario: str
    start: datetime
    days: int
    forecast: str
    seed: int
    strategies: list[str]
    made: datetime
    complete: bool
    shown: bool
    """Whether it is the one this server shows."""


class Me(Struct, frozen=True, kw_only=True):
    """Who is signed in."""

    name: str
    role: Role
    signed_in: bool


class Refused(Struct, frozen=True, kw_only=True):
    """Body of every answer with a status of 400 or more."""

    error: str
    """What was found, what was expected, how to mend it."""


class Values(Struct, frozen=True, kw_only=True):
    """A frame as JSON."""

    seq: int
    time: datetime
    measured: datetime
    """Wall time at which it was measured; of a recording the same as `time`."""
    live: bool
    """Whether it is the newest of a live source."""
    tables: dict[str, dict[str, list[float | None]]]
    """By table and column, in the order of the rows of `Area`."""

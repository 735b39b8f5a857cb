"""How cells talk: signed messages, agreements that arrive, and links between processes.

What is heavy or optional is imported from where it lives: `archipel.transport.zenoh` (links between processes),
`archipel.transport.identity` and `archipel.transport.trust` (keys and certificates).
"""

from archipel.transport.base import Alarm, Enqueue, Links, Received, Stats, Transport, Trouble
from archipel.transport.envelope import MAX_BYTES, Envelope, Form, Refusal, decode
from archipel.transport.gate import Gate, Right, Trust
from archipel.transport.memory import MemoryFabric
from archipel.transport.messenger import Carrier, Messenger
from archipel.transport.outbox import Handled, MemoryHandled, MemoryOutbox, Outbox, Pending
from archipel.transport.replay import ReplayWindow
from archipel.transport.simulated import SimulatedTrust
from archipel.transport.station import Parcel, Station

__all__ = [
    "MAX_BYTES",
    "Alarm",
    "Carrier",
    "Enqueue",
    "Envelope",
    "Form",
    "Gate",
    "Handled",
    "Links",
    "MemoryFabric",
    "MemoryHandled",
    "MemoryOutbox",
    "Messenger",
    "Outbox",
    "Parcel",
    "Pending",
    "Received",
    "Refusal",
    "ReplayWindow",
    "Right",
    "SimulatedTrust",
    "Station",
    "Stats",
    "Transport",
    "Trouble",
    "Trust",
    "decode",
]

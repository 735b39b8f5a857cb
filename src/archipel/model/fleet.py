"""What the model knows of devices: many of one kind, held as columns. The kinds live in `archipel.devices`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from archipel.model.grid import Ints


@runtime_checkable
class Fleet(Protocol):
    """All devices of one kind in a scenario, row i of every column being one device."""

    @property
    def kind(self) -> str:
        """Kind of device: load, pv, generator, battery, ev_charger, heat_pump, sheddable, soft_open_point,
        dispatchable, wind, v2g, hydro, building, appliance, tap_changer, switched_capacitor."""
        ...

    @property
    def id(self) -> tuple[str, ...]:
        """Ids of the devices, those of the imported source."""
        ...

    @property
    def node(self) -> Ints:
        """Row number of each device's node, shape (n,)."""
        ...

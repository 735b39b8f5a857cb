"""What kinds of device have in common for those who sum them up, steer them or leave them alone, said once."""

from __future__ import annotations

END_USE = {
    "load": "load",
    "sheddable": "load",
    "appliance": "load",
    "ev_charger": "vehicles",
    "v2g": "vehicles",
    "heat_pump": "heat",
    "building": "heat",
}
"""What the power of a kind of device is for."""

SPILT = ("pv", "generator", "wind", "hydro")
"""Sources that come as they come and may be cut."""

RENEWABLE = (*SPILT, "dispatchable")
"""What gives power and has a cost of fuel at most."""

NO_OFFER = ("dispatchable", "hydro")
"""Of those, who gives from a stock: what it could give is no offer that is lost when it is not taken."""

CAN_WAIT = ("ev_charger", "v2g", "heat_pump", "building")
"""Draws now or later: off grid it waits when power is short."""

BY_VOLTAGE = ("tap_changer", "switched_capacitor")
"""Moves by the voltage at its node alone: no active power, no orders, nothing to plan."""

GIVES_BACK = ("battery", "v2g")
"""Gives at one time what it drew at another."""

NET_USE = ("v2g",)
"""End use less what is given back: the fee on end use is due for the difference."""

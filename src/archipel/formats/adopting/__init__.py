"""Putting devices into a network that has none: customers are seen in its loads, and a share of them gets each kind.

`adopt` is the way in. Every kind of device is one function in `kinds.py`, and one line in its registry.
"""

from archipel.formats.adopting.adopt import Adopted, adopt
from archipel.formats.adopting.kinds import KINDS
from archipel.formats.adopting.options import AdoptOptions

__all__ = ["KINDS", "AdoptOptions", "Adopted", "adopt"]

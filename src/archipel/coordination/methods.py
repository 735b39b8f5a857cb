"""Ways of agreeing, by the name a user gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from archipel.coordination import auto, exact, robust
from archipel.coordination.outcome import Method

MethodName = Literal["auto", "exact", "robust"]
METHODS: Mapping[MethodName, Method] = {"auto": auto.DEFAULT, "exact": exact.DEFAULT, "robust": robust.DEFAULT}

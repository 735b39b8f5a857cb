"""What a scenario's TOML file may say: every table and key with its type, bounds and default."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, final

from archipel.formats.findings import Findings, did_you_mean

Kind = Literal["text", "file", "files", "number", "whole", "flag", "time", "patterns", "tables"]


@final
@dataclass(frozen=True, slots=True)
class Key:
    """What one key must hold."""

    kind: Kind
    default: Any = None
    """Value when the key is missing; a key without one is required unless it is optional."""
    optional: bool = False
    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf
    infinite: bool = False
    """Whether `inf` is allowed."""
    one_of: tuple[str, ...] = ()

    def expectation(self) -> str:
        """What is expected, in words."""
        if self.one_of:
            return "one of " + ", ".join(repr(word) for word in self.one_of)
        words = {
            "text": "text in quotes",
            "file": "the name of a file in the scenario's folder, in quotes",
            "files": 'a list of file names, such as ["profiles.parquet"]',
            "number": "a number",
            "whole": "a whole number",
            "flag": "true or false",
            "time": "a time with its offset, such as 2016-05-26T00:00:00+02:00",
            "tables": "a list of tables, such as [{priority = 1, share = 0.6, below_kwh = 1000.0}]",
            "patterns": 'a list of names or patterns, such as ["H0-*"]',
        }[self.kind]
        if self.low == self.high:
            return f"{self.low:g}, the only value this version knows"
        bounds = [
            f"above {self.above:g}" if self.above > -math.inf else "",
            f"at least {self.low:g}" if self.low > -math.inf else "",
            f"at most {self.high:g}" if self.high < math.inf else "",
        ]
        return ", ".join([words, *(bound for bound in bounds if bound)])


def share(default: float) -> Key:
    """A key that holds a share."""
    return Key("number", default, low=0.0, high=1.0)


def _fee(default: float) -> Key:
    return Key("number", default, low=0.0)


TABLES: Mapping[str, Mapping[str, Key]] = {
    "scenario": {
        "name": Key("text", ""),
        "title": Key("text", ""),
        "start": Key("time"),
        "days": Key("whole", 1, low=1, high=366),
        "seed": Key("whole", 1, low=0),
    },
    "network": {
        "nodes": Key("file"),
        "lines": Key("file", optional=True),
        "transformers": Key("file", optional=True),
        "switches": Key("file", optional=True),
        "shunts": Key("file", optional=True),
        "f_hz": Key("number", 50.0, low=1.0, high=1000.0),
    },
    "network.source": {
        "id": Key("text", "source"),
        "node": Key("text"),
        "v_pu": Key("number", 1.0, low=0.5, high=1.5),
        "sk_mva": Key("number", math.inf, above=0.0, infinite=True),
    },
    "network.three_phase": {
        "folder": Key("text"),
        "master": Key("text"),
        "devices": Key("file"),
        "nodes": Key("file"),
        "branches": Key("file", optional=True),
    },
    "cells": {"cells": Key("file"), "ties": Key("file", optional=True)},
    "devices": {
        "loads": Key("file", optional=True),
        "pv": Key("file", optional=True),
        "generators": Key("file", optional=True),
        "batteries": Key("file", optional=True),
        "ev_chargers": Key("file", optional=True),
        "ev_sessions": Key("file", optional=True),
        "heat_pumps": Key("file", optional=True),
        "sheddable": Key("file", optional=True),
        "soft_open_points": Key("file", optional=True),
        "dispatchable": Key("file", optional=True),
    },
    "series": {"profiles": Key("files"), "zone": Key("text", optional=True)},
    "series.price": {
        "source": Key("text", "formula", one_of=("formula", "file", "de-2016")),
        "mean_eur_per_mwh": Key("number", 35.0, above=0.0),
        "noise": Key("number", 0.12, low=0.0, high=1.0),
        "file": Key("file", optional=True),
        "column": Key("text", "price_eur_per_mwh"),
    },
    "tariff": {
        "hv_fee_eur_per_kwh": _fee(0.020),
        "mv_fee_eur_per_kwh": _fee(0.015),
        "lv_fee_eur_per_kwh": _fee(0.035),
        "peak_eur_per_kw_day": _fee(0.060),
        "voll_eur_per_kwh": _fee(10.0),
        "ev_unserved_eur_per_kwh": _fee(2.0),
        "comfort_eur_per_k_h": _fee(1.0),
        "co2_kg_per_kwh": _fee(0.35),
    },
    "connection": {
        "import_kw_max": Key("number", math.inf, low=0.0, infinite=True),
        "export_kw_max": Key("number", math.inf, low=0.0, infinite=True),
    },
    "planning": {
        "horizon_h": Key("whole", 24, low=24, high=24),
        "margin_v_pu": Key("number", 0.001, low=0.0, high=0.05),
        "margin_loading": Key("number", 0.005, low=0.0, high=0.5),
        "near_steps": Key("whole", 8, low=1, high=96),
        "far_steps": Key("whole", 4, low=1, high=16),
        "replan_steps": Key("whole", 4, low=1, high=96),
        "central_replan_steps": Key("whole", 4, low=1, high=96),
    },
    "island": {
        "off_grid": Key("flag", False),
        "critical_share": share(0.4),
        "reserve_kwh": Key("number", 0.0, low=0.0),
        "fuel_below_kwh": Key("number", 0.0, low=0.0),
        "horizon_h": Key("whole", 24, low=24, high=240),
        "droop": Key("number", 0.02, above=0.0, high=0.1),
        "reserve_for_h": Key("number", 0.0, low=0.0, high=96.0),
        "reserve_probability": Key("number", 0.999, above=0.0, high=0.9999),
        "stages": Key("tables", []),
        "restore_margin_kwh": Key("number", 0.0, low=0.0),
        "restore_after_h": Key("number", 0.0, low=0.0, high=48.0),
    },
    "owners": {"file": Key("file", optional=True)},
    "rules": {"overvoltage_trip": Key("flag", True)},
    "population": {"permute": Key("patterns", [])},
    "population.pv": {"factor": Key("number", 1.0, above=0.0), "volt_var_share": share(0.0)},
    "population.batteries": {
        "cell_share": share(1.0),
        "kwh_per_kwp": Key("number", optional=True, above=0.0),
        "total_kwh": Key("number", optional=True, above=0.0),
        "c_rate": Key("number", 0.5, above=0.0),
        "efficiency": Key("number", 0.95, above=0.0, high=1.0),
        "soc_start": share(0.5),
        "wear_eur_per_kwh": _fee(0.010),
    },
    "population.ev": {
        "from_profiles": Key("patterns"),
        "work_profiles": Key("patterns", []),
        "copies": Key("whole", 0, low=0, high=100),
        "threshold": Key("number", 0.02, low=0.0, high=1.0),
    },
    "population.ev_homes": {
        "of_profiles": Key("patterns"),
        "share": share(0.6),
        "p_kw": Key("number", 11.0, above=0.0),
        "kwh_per_day": Key("number", 8.0, above=0.0),
        "arrival_h": Key("number", 17.75, low=0.0, high=24.0),
        "arrival_sd_h": Key("number", 1.0, low=0.0, high=6.0),
        "arrival_spread_h": Key("number", 1.75, low=0.0, high=6.0),
        "departure_h": Key("number", 7.0, low=0.0, high=24.0),
    },
    "population.heat_pumps": {
        "of_profiles": Key("patterns"),
        "share": share(0.4),
        "p_kw": Key("number", 4.0, above=0.0),
        "cop": Key("number", 3.0, above=0.0),
        "heat_kw": Key("number", 6.0, above=0.0),
        "profile": Key("text", ""),
        "buffer_kwh_per_k": Key("number", 2.0, above=0.0),
        "band_k": Key("number", 2.0, above=0.0),
    },
}
"""All tables; those below [population] and the optional ones may be missing as a whole."""

LARGEST = 2**62
"""Numbers from here on have no meaning in a scenario and would not fit the columns of the model."""

REQUIRED = ("scenario", "network", "network.source", "cells", "series")


def read_keys(document: Mapping[str, Any], file: str, findings: Findings) -> dict[str, dict[str, Any]]:
    """The values of every table, defaults filled in; findings for unknown, missing and wrong keys.

    A recipe below [population] that the file does not have is missing from the answer; other tables are full of
    defaults. A value that is missing or wrong is None.
    """
    tables: dict[str, dict[str, Any]] = {}
    _unknown(document, "", file, findings)
    for name, keys in TABLES.items():
        given = _table(document, name)
        if not isinstance(given, Mapping):
            if given is not None:
                findings.add(file, f"[{name}]", "", f"{given!r}", "a table", f"Write [{name}] with its keys below.")
            elif name in REQUIRED:
                findings.add(file, f"[{name}]", "", "no such table", "the table", f"Add [{name}].")
            if not name.startswith("population."):
                tables[name] = {key: spec.default for key, spec in keys.items()}
            continue
        tables[name] = {key: read_value(given, key, spec, name, file, findings) for key, spec in keys.items()}
    return tables


def _table(document: Mapping[str, Any], name: str) -> Any:
    found: Any = document
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def _unknown(document: Mapping[str, Any], prefix: str, file: str, findings: Findings) -> None:
    """Findings for keys and tables the format does not have."""
    keys = set(TABLES.get(prefix, {}))
    below = {name.removeprefix(f"{prefix}." if prefix else "") for name in TABLES}
    tables = {name for name in below if "." not in name and (f"{prefix}.{name}" if prefix else name) in TABLES}
    for key, value in document.items():
        name = f"{prefix}.{key}" if prefix else key
        if name in TABLES:
            if isinstance(value, Mapping):
                _unknown(value, name, file, findings)
        elif key not in keys:
            what = f"the unknown {'table' if isinstance(value, Mapping) else 'key'} {key!r}"
            findings.add(file, f"[{prefix}]" if prefix else "", key, what, "only keys of the format",
                         did_you_mean(key, keys | tables))  # fmt: skip


def read_value(given: Mapping[str, Any], key: str, spec: Key, table: str, file: str, findings: Findings) -> Any:
    """One value, its default where it is missing; None and a finding where it cannot be."""
    if key not in given:
        if spec.default is None and not spec.optional:
            findings.add(file, f"[{table}]", key, "nothing", spec.expectation(), f"Add {key} to [{table}].")
        return spec.default
    value = given[key]
    if spec.kind == "time" and isinstance(value, datetime) and value.tzinfo is None:
        findings.add(file, f"[{table}]", key, f"the time {value} without an offset", spec.expectation(),
                     "Append Z for UTC, or an offset such as +01:00.")  # fmt: skip
        return None
    if not _fits(value, spec):
        findings.add(file, f"[{table}]", key, repr(value), spec.expectation(), f"Correct {key} in [{table}].")
        return None
    return float(value) if spec.kind == "number" else value


def _fits(value: Any, spec: Key) -> bool:
    if spec.kind in {"number", "whole"}:
        if isinstance(value, bool) or not isinstance(value, int if spec.kind == "whole" else int | float):
            return False
        if value in {math.inf, -math.inf} or value != value:  # noqa: PLR0124 - only NaN differs from itself
            return spec.infinite and value == math.inf
        return abs(value) < LARGEST and spec.low <= value <= spec.high and value > spec.above
    if spec.kind in {"files", "patterns"}:
        return isinstance(value, list) and _all_text(value) and (bool(value) or spec.kind == "patterns")
    if spec.kind == "tables":
        return isinstance(value, list) and all(isinstance(one, Mapping) for one in value)
    if spec.kind == "time":
        return isinstance(value, datetime)
    if spec.kind == "flag":
        return isinstance(value, bool)
    return isinstance(value, str) and (not spec.one_of or value in spec.one_of)


def _all_text(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)

"""`archipel device scan`: what answers at a Modbus address."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archipel.drivers.base import Reading
    from archipel.drivers.scan import Found

UNITS = {
    "p_kw": "kW",
    "q_kvar": "kvar",
    "v_v": "V",
    "v_pu": "pu",
    "soc": "",
    "e_kwh_drawn": "kWh",
    "e_kwh_given": "kWh",
    "e_kwh_wanted": "kWh",
    "ends_in_s": "s",
}
"""What a scan prints of a reading, when it was measured."""


def add_parsers(commands: Any) -> None:
    """Add `device` and what it can do."""
    device = commands.add_parser("device", help="look at devices in the field (extra `field`)")
    actions = device.add_subparsers(metavar="ACTION", required=True)
    scan = actions.add_parser(
        "scan",
        help="say what answers at a Modbus address; writes nothing",
        description="Says what answers at a Modbus address: SunSpec models or the Archipel register map, who made it, "
        "what it can be ordered and what it measures now (positive power is drawn). Writes nothing.",
        epilog="example:\n  archipel device scan modbus://192.0.2.7:502/1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scan.add_argument("address", metavar="modbus://HOST[:PORT][/UNIT]", help="port 502 and unit 1 unless given")
    scan.add_argument("--timeout", metavar="S", type=float, default=2.0, help="seconds to wait for each answer (2)")
    scan.add_argument("--json", action="store_true", help="print JSON")
    scan.set_defaults(func=_scan)


def _scan(args: argparse.Namespace) -> int:
    from archipel.drivers.errors import DriverError
    from archipel.drivers.modbus import Endpoint, parse
    from archipel.drivers.scan import scan

    if not 0 < args.timeout <= 3600:
        raise DriverError(f"--timeout: found {args.timeout:g} s; expected above 0 and at most 3600.")
    # pymodbus reports on its own what our errors say better
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    host, port, unit = parse(args.address)
    found = asyncio.run(scan(Endpoint(host, port, unit, timeout_s=args.timeout)))
    print(json.dumps(_plain(found), indent=2) if args.json else "\n".join(_lines(found)))
    return 0


def _plain(found: Found) -> dict[str, Any]:
    plain = asdict(found)
    reading = plain["reading"]
    del reading["measured_at_s"]  # means nothing outside this process
    reading["quality"] = found.reading.quality.value
    reading["state"] = found.reading.state.value if found.reading.state else None
    return plain


def _lines(found: Found) -> list[str]:
    who = " ".join(part for part in (found.maker, found.model, found.serial) if part)
    lines = [found.endpoint, f"  device    {found.kind.replace('_', ' ')}: {who or 'tells no name'}"]
    if found.models:
        lines.append("  models    " + ", ".join(f"{model} at {address}" for model, address, _ in found.models))
    lines.append(f"  orders    {', '.join(found.orders) or 'none'}")
    lines.append("  measured  " + ", ".join(_measured(found.reading)))
    return lines


def _measured(reading: Reading) -> list[str]:
    values = [(name, getattr(reading, name), unit) for name, unit in UNITS.items()]
    texts = [f"{name} {value:.6g} {unit}".rstrip() for name, value, unit in values if value is not None]
    state = [f"state {reading.state.value}"] if reading.state else []
    return [*texts, *state, f"quality {reading.quality.value}"]

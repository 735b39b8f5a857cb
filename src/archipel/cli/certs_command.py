"""`archipel certs init|issue|rotate|revoke|show`: who belongs to an area."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

AUTHORITY_HELP = "folder of the area's authority; keep it on a machine that runs no cell (default: authority)"


def add_parsers(subparsers: Any) -> None:
    """Add the command to the parser of `archipel`; each part sets `func(args) -> exit code`."""
    certs = subparsers.add_parser(
        "certs",
        help="make, renew and revoke the certificates of cells",
        description="The area's own authority and the certificates of its cells (extra 'field'). "
        "The authority's folder never lies on a cell; a cell's folder is copied to its host and nowhere else.",
    )
    parts = certs.add_subparsers(metavar="PART", required=True)

    init = parts.add_parser("init", help="make the authority of a new area")
    init.add_argument("area", metavar="AREA", help="name of the area")
    _authority(init)
    init.set_defaults(func=init_command)

    issue = parts.add_parser("issue", help="make keys and certificate of a cell")
    issue.add_argument("cell", metavar="CELL", help="name of the cell")
    issue.add_argument("-o", "--output", metavar="DIR", help="the cell's folder (default: cells/CELL)")
    _days(issue)
    _authority(issue)
    issue.set_defaults(func=issue_command)

    rotate = parts.add_parser("rotate", help="put new keys and a new certificate into a cell's folder")
    rotate.add_argument("folder", metavar="CELLDIR", help="the cell's folder")
    _days(rotate)
    _authority(rotate)
    rotate.set_defaults(func=rotate_command)

    revoke = parts.add_parser("revoke", help="take all certificates of a cell out of force")
    revoke.add_argument("cell", metavar="CELL", help="name of the cell")
    revoke.add_argument(
        "--give",
        action="append",
        default=[],
        metavar="CELLDIR",
        help="put the new list into this cell's folder (repeat); from one running cell it spreads to all",
    )
    _authority(revoke)
    revoke.set_defaults(func=revoke_command)

    show = parts.add_parser("show", help="say what a cell's folder holds")
    show.add_argument("folder", metavar="CELLDIR", help="the cell's folder")
    show.set_defaults(func=show_command)


def init_command(args: argparse.Namespace) -> int:
    """Make an authority."""
    from archipel.transport.identity import Authority, utc_now

    made = Authority.create(args.authority, args.area, utc_now())
    print(f"area {made.area}: its authority is in {made.folder}, its key readable by you alone.")
    print("Back it up, and keep it on no machine that runs a cell.")
    return 0


def issue_command(args: argparse.Namespace) -> int:
    """Make a cell's folder."""
    from archipel.transport.identity import Authority, utc_now

    folder = Path(args.output or Path("cells") / args.cell)
    made = Authority.load(args.authority).issue(args.cell, folder, utc_now(), args.days)
    print(f"cell {made.name} of {made.area}: {folder}, valid until {made.valid_until:%Y-%m-%d %H:%M} UTC")
    return 0


def rotate_command(args: argparse.Namespace) -> int:
    """Renew a cell's folder."""
    from archipel.transport.identity import Authority, utc_now

    made = Authority.load(args.authority).rotate(args.folder, utc_now(), args.days)
    print(f"cell {made.name} of {made.area}: new keys, valid until {made.valid_until:%Y-%m-%d %H:%M} UTC.")
    print("The old ones count until they expire; if others have them: archipel certs revoke, then issue anew.")
    return 0


def revoke_command(args: argparse.Namespace) -> int:
    """Revoke a cell."""
    from archipel.transport.errors import IdentityUnusable
    from archipel.transport.files import write_whole
    from archipel.transport.identity import REVOKED, Authority, utc_now

    authority = Authority.load(args.authority)
    missing = [folder for folder in args.give if not Path(folder).is_dir()]
    if missing:
        raise IdentityUnusable(f"{missing[0]}: no such folder. Name the folders of cells that run.")
    listed = authority.revoke(args.cell, utc_now())
    for folder in args.give:
        write_whole(Path(folder) / REVOKED, listed.to_bytes())
    where = ", ".join(args.give) or "no cell yet"
    print(f"cell {args.cell} is revoked: list {listed.number}, {len(listed.serials)} certificates, given to {where}.")
    if not args.give:
        print(f"It is in force once a running cell has it: copy {authority.folder / REVOKED} into the folder of one.")
    return 0


def show_command(args: argparse.Namespace) -> int:
    """Say what a cell's folder holds."""
    from archipel.transport.identity import Identity, utc_now
    from archipel.transport.trust import CertifiedTrust

    identity = Identity.load(args.folder, utc_now())
    found, trust = identity.certified, CertifiedTrust(identity)
    standing = trust.standing(found.name, utc_now())
    print(f"cell       {found.name}\narea       {found.area}\nserial     {found.serial:x}")
    print(f"valid      {found.valid_from:%Y-%m-%d %H:%M} to {found.valid_until:%Y-%m-%d %H:%M} UTC")
    print(f"authority  {identity.authority_fingerprint}")
    print(f"standing   {standing or 'good'}")
    return 0 if standing is None else 1


def _authority(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--authority", metavar="DIR", default="authority", help=AUTHORITY_HELP)


def _days(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=_days_of_life, default=30.0, metavar="N", help="how long it is valid (30)")


def _days_of_life(words: str) -> float:
    value = float(words)
    if not 0 < value <= 90:
        raise argparse.ArgumentTypeError(f"found {words}, expected more than 0 and at most 90 days")
    return value

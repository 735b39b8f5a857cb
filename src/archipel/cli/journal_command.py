"""`archipel journal CELL.toml show|verify|backup|restore|salvage|export|forget`."""

from __future__ import annotations

import argparse
import itertools
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archipel.journal import Entry


def add_parsers(commands: Any) -> None:
    """Add `journal` and what it can do."""
    journal = commands.add_parser(
        "journal",
        help="show, check, copy, restore, export or forget the record of a cell",
        description="The record of a cell: agreements, orders, modes, operators' acts and readings. `show`, `verify` "
        "and `backup` work while the cell runs; the others want it stopped.",
        epilog="examples:\n  archipel journal north/cell.toml show --kind operator\n"
        "  archipel journal north/cell.toml backup /srv/backup/north\n"
        "  archipel journal north/cell.toml forget --kind device --before 2026-01-01",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    journal.add_argument("file", metavar="CELL.toml", type=Path)
    journal.set_defaults(func=_show, last=20, kind=None, json=False)
    actions = journal.add_subparsers(metavar="ACTION")

    show = actions.add_parser("show", help="print entries, oldest first (default)")
    show.add_argument("--last", metavar="N", type=_positive, default=20, help="how many (20)")
    show.add_argument("--kind", metavar="KIND", help="only this kind: agreement, setpoint, mode, operator ...")
    show.add_argument("--json", action="store_true", help="one JSON object per line")
    show.set_defaults(func=_show)

    verify = actions.add_parser("verify", help="check every entry; of a stopped cell every reading, too")
    verify.set_defaults(func=_verify)

    backup = actions.add_parser("backup", help="copy it to an empty folder and check the copy")
    backup.add_argument("target", metavar="FOLDER", type=Path)
    backup.set_defaults(func=_backup)

    restore = actions.add_parser("restore", help="make the journal from a backup; the cell is in shadow afterwards")
    restore.add_argument("backup", metavar="FOLDER", type=Path)
    restore.set_defaults(func=_restore)

    salvage = actions.add_parser("salvage", help="keep what is sound of a damaged journal and put the rest aside")
    salvage.set_defaults(func=_salvage)

    export = actions.add_parser("export", help="write the readings of one UTC day as Parquet")
    export.add_argument("--day", metavar="DATE", type=date.fromisoformat, help="default: yesterday")
    export.set_defaults(func=_export)

    forget = actions.add_parser(
        "forget", help="remove readings of a kind before a day, for instance of devices in homes"
    )
    forget.add_argument(
        "--kind", metavar="KIND", action="append", required=True, help="device, meter or known; repeat for several"
    )
    forget.add_argument(
        "--before", metavar="DATE", type=date.fromisoformat, required=True, help="00:00 UTC of this day"
    )
    forget.set_defaults(func=_forget)


def _folder(args: argparse.Namespace) -> Path:
    from archipel.field.cell_file import read_cell_file

    return read_cell_file(args.file).journal


def _existing(args: argparse.Namespace) -> Path:
    from archipel.journal import JournalUnavailable
    from archipel.journal.journal import LEDGER

    folder = _folder(args)
    if not (folder / LEDGER).exists():
        raise JournalUnavailable(folder / LEDGER, "there is no journal yet; the cell never ran")
    return folder


def _show(args: argparse.Namespace) -> int:
    from archipel.journal import LedgerReader
    from archipel.journal.journal import LEDGER

    reader = LedgerReader(_existing(args) / LEDGER)
    try:
        newest = reader.newest(args.kind) if args.kind else None
        if newest is not None:
            entries = list(itertools.islice(newest, args.last))[::-1]
        else:
            entries = list(reader.entries(max(0, reader.seq - args.last)))
    finally:
        reader.close()
    for entry in entries:
        print(_json(entry) if args.json else _line(entry))
    return 0


def _json(entry: Entry) -> str:
    row = {"seq": entry.seq, "time": entry.time.isoformat(), "kind": entry.kind, "key": entry.key, "body": entry.body}
    return json.dumps({**row, "hash": entry.hash.hex()}, ensure_ascii=False)


def _line(entry: Entry) -> str:
    body = json.dumps(entry.body, ensure_ascii=False, sort_keys=True)
    short = body if len(body) <= 160 else f"{body[:157]}..."
    return f"{entry.seq:>7} {entry.time:%Y-%m-%d %H:%M:%S} {entry.kind:<12} {entry.key}  {short}"


def _verify(args: argparse.Namespace) -> int:
    from archipel.journal import Journal, JournalBusy, LedgerReader
    from archipel.journal.journal import LEDGER

    folder = _existing(args)
    try:
        journal = Journal(folder)
    except JournalBusy:
        reader = LedgerReader(folder / LEDGER)
        try:
            print(
                f"{reader.verify()} entries are as they were acknowledged; the cell runs, its readings were left alone"
            )
        finally:
            reader.close()
        return 0
    with journal:
        entries, readings = journal.verify()
        print(f"{entries} entries and {readings} readings are as they were acknowledged")
        print(f"hash of the last entry: {journal.ledger.hash.hex()}")
    return 0


def _backup(args: argparse.Namespace) -> int:
    from archipel.field.backup import backup_running

    print(f"{backup_running(_existing(args), args.target)} entries are in {args.target}; the copy was checked")
    return 0


def _restore(args: argparse.Namespace) -> int:
    from archipel.journal import restore

    entries = restore(args.backup, _folder(args), time=datetime.now(UTC))
    print(f"{entries} entries. What came after the backup is lost: the cell is in shadow, and safety tags set since")
    print("are missing. Set them again, then arm it with --tags-checked.")
    return 0


def _salvage(args: argparse.Namespace) -> int:
    from archipel.journal import salvage

    found = salvage(_existing(args), time=datetime.now(UTC))
    for each in found:
        known = "" if each.acknowledged is None else f" of {each.acknowledged}"
        print(f"{each.file}: {each.why}; kept {each.kept}{known}, the damaged files are in {each.folder}")
    if not found:
        print("nothing is damaged; nothing was changed")
    return 0


def _export(args: argparse.Namespace) -> int:
    from archipel.journal import Journal

    day = args.day or (datetime.now(UTC) - timedelta(days=1)).date()
    with Journal(_existing(args)) as journal:
        paths = journal.export_parquet(day)
    for path in paths:
        print(path)
    if not paths:
        print(f"no readings on {day}")
    return 0


def _forget(args: argparse.Namespace) -> int:
    from archipel.journal import Journal
    from archipel.journal.journal import DAYS
    from archipel.model.errors import ArchipelError

    before = datetime(args.before.year, args.before.month, args.before.day, tzinfo=UTC)
    with Journal(_existing(args)) as journal:
        exported = (path.name.removeprefix("kind=") for path in journal.folder.glob(f"{DAYS}/kind=*"))
        known = {*journal.measurements.kinds(), *exported}
        if missing := sorted(set(args.kind) - known):
            raise ArchipelError(
                f"--kind: found {', '.join(missing)}, of which nothing is kept; expected some of "
                f"{', '.join(sorted(known)) or 'no kind: this journal has no readings'}. Nothing is forgotten."
            )
        rows = journal.forget_before(before, args.kind, time=datetime.now(UTC))
    print(f"{rows} rows of {', '.join(args.kind)} before {args.before} are forgotten, exported ones included.")
    print("Backups keep theirs.")
    return 0


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"found {value}; expected 1 or more")
    return value

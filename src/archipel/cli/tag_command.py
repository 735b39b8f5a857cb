"""`archipel tag set|remove` and `archipel tags`: safety tags, which no automation touches."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from archipel.cli.cell_command import who


def add_parsers(commands: Any) -> None:
    """Add both commands."""
    tag = commands.add_parser(
        "tag",
        help="set or remove a safety tag: what has one is never operated or energised by any automation",
        description="A safety tag says that people are at work, or any other reason why nothing may operate or "
        "energise a switch, section or device. It stands until an operator removes it, also over restarts.",
    )
    actions = tag.add_subparsers(metavar="ACTION", required=True)
    put = actions.add_parser("set", help="put a tag on a device or branch")
    take = actions.add_parser("remove", help="take a tag off")
    for each in (put, take):
        each.add_argument("file", metavar="CELL.toml", type=Path)
        each.add_argument("element", metavar="ELEMENT", help="id of a device or branch of the cell")
    put.add_argument("--who", metavar="NAME", required=True, help="who answers for it")
    put.add_argument("--why", metavar="TEXT", required=True, help="the reason, for everyone who sees it")
    put.set_defaults(func=_set)
    who(take)
    take.set_defaults(func=_remove)
    tags = commands.add_parser(
        "tags",
        help="list the safety tags of a cell and its mode",
        description="The safety tags that stand, who set them, when and why; and whether the cell may write.",
        epilog="example: archipel tags cells/LV3.304/CELL.toml",
    )
    tags.add_argument("file", metavar="CELL.toml", type=Path, help="the cell's file")
    tags.set_defaults(func=_list)


def _set(args: argparse.Namespace) -> int:
    from archipel.field.operator import TAG, Command

    return _order(args, Command(TAG, args.who, args.why, args.element))


def _remove(args: argparse.Namespace) -> int:
    from archipel.field.operator import UNTAG, Command

    return _order(args, Command(UNTAG, args.who, element=args.element))


def _order(args: argparse.Namespace, command: Any) -> int:
    from datetime import UTC, datetime

    from archipel.field.cell_file import read_cell_file
    from archipel.field.operator import order

    file = read_cell_file(args.file)
    print(f"{file.cell.id}: {order(file, command, now=datetime.now(UTC)).text}")
    if args.element not in {row.id for row in file.device}:
        print(f"  {args.element} is no [[device]] of {args.file.name}: the tag counts if it is a branch of the cell.")
    return 0


def _list(args: argparse.Namespace) -> int:
    from archipel.field.cell_file import read_cell_file
    from archipel.field.permission import FieldState
    from archipel.field.state import read_state
    from archipel.journal import LedgerReader
    from archipel.journal.journal import LEDGER

    file = read_cell_file(args.file)
    state = FieldState()
    if (file.journal / LEDGER).exists():
        reader = LedgerReader(file.journal / LEDGER)
        try:
            state = read_state(reader)
        finally:
            reader.close()
    print(f"{file.cell.id}: {state.mode.value}, {len(state.armed)} devices armed, {len(state.tags)} tags")
    if not state.certain:
        print("  the journal was restored: tags may be missing. Set them anew before arming.")
    for tag in sorted(state.tags.values(), key=lambda tag: tag.element):
        print(f"  {tag.element}: {tag.why} ({tag.who}, since {tag.since:%Y-%m-%d %H:%M} UTC)")
    return 0

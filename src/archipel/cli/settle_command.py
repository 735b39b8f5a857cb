"""`archipel settle RUN` and `archipel statement RUN --owner X`."""

from __future__ import annotations

import argparse
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archipel.market.books import Books
    from archipel.report.run import Run
    from archipel.report.settle_run import RunSettlement


WITHOUT = "distributed"
BESIDE = "; beside it, the same day without a portfolio (distributed)"


def add_parsers(subparsers: Any) -> None:
    """Add both commands to the parser of `archipel`; each sets `func(args) -> exit code`."""
    settle = subparsers.add_parser(
        "settle",
        help="settle a run: who pays whom, booked in books that close",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Settle energy, imbalance, reserve, network fees by level, losses and contracts of portfolios,\n"
        "and book every payment in RUN/books-STRATEGY.parquet. Settled again, nothing changes.",
        epilog="examples:\n  archipel settle runs/RUN\n  archipel settle runs/RUN --by quarter --json",
    )
    _common(settle)
    settle.add_argument("--by", choices=("day", "quarter"), default="day", help="what a payment is for (default: day)")
    settle.add_argument(
        "--correct", action="store_true", help="put right what was booked otherwise, by new entries that name the old"
    )
    settle.add_argument("--json", action="store_true", help="print what was found as JSON")
    settle.set_defaults(func=settle_command)

    statement = subparsers.add_parser(
        "statement",
        help="write an owner's bill as HTML and CSV",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write the statement of an owner (or any account) into RUN/statements/. A run that was not\n"
        "settled yet is settled first.",
        epilog="examples:\n  archipel statement runs/RUN --owner anna\n  archipel statement runs/RUN   (all owners)",
    )
    _common(statement)
    statement.add_argument(
        "--owner", action="append", default=[], metavar="ID", help="repeat for several (default: all)"
    )
    statement.add_argument("-o", "--output", type=Path, metavar="DIR", help="where to (default: RUN/statements)")
    statement.set_defaults(func=statement_command)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="folder of the run, or its name below runs/")
    parser.add_argument("--strategy", metavar="NAME", help="which (default: that of its portfolios, else distributed)")


def settle_command(args: argparse.Namespace) -> int:
    """Settle, book, and print what every account is left with."""
    run, strategy = _open(args)
    books, settlement, new = _settle(run, strategy, by=args.by, correct=args.correct)
    from archipel.report.books_file import books_file
    from archipel.report.settle_run import CLOSES
    from archipel.report.statement import summary

    found = summary(settlement)
    beside = _beside(run, strategy, args.by)
    if args.json:
        balances = {account: str(eur) for account, eur in books.balances().items()}
        if beside is not None:
            found["without_portfolio_eur"] = {account: str(eur) for account, eur in beside.items()}
        more = {"balances_eur": balances, "entries": len(books), "new": new, "head": books.head.hex()}
        print(json.dumps(found | more, indent=2))
        return 0
    print(f"{run.path.name}, {strategy}: {len(books)} entries, {new} of them new")
    print(f"  books {books_file(run.path, strategy)}, head {books.head.hex()[:16]}")
    print(
        f"  energy booked {found['booked_kwh']:.3f} kWh, metered upstream {found['upstream_kwh']:.3f} kWh, "
        f"apart by {100 * found['gap']:.4f} % of what meters saw"
    )
    width = max((len(account) for account in books.balances()), default=0)
    print("\n  what every account received less what it paid, EUR" + ("" if beside is None else BESIDE))
    for account, eur in sorted(books.balances().items(), key=lambda item: item[1]):
        other = "" if beside is None else f" {beside.get(account, Decimal(0)):>16,.2f}"
        print(f"  {account:<{width}} {eur:>16,.2f}{other}")
    print(f"  {'sum':<{width}} {sum(books.balances().values()):>16,.2f}")
    if found["contracts"]:
        _print_contracts(found["contracts"])
    for key in found["worse_off"]:
        print(f"  contract {key} had been better off alone by {-found['contracts'][key]['gain_eur']:.2f} EUR")
    if found["gap"] > CLOSES:
        print(f"  energy does NOT close: more than {100 * CLOSES:g} % apart")
        return 1
    return 0


def _beside(run: Run, strategy: str, by: Any) -> dict[str, Decimal] | None:
    """What every account is left with where cells agree and nobody pools; None where the run does not have it."""
    from archipel.report.settle_run import book, settle_run

    if strategy != "pooled" or WITHOUT not in run.strategies or not run.steps(WITHOUT):
        return None
    return book(settle_run(run, WITHOUT, by=by))[0].balances()


def _print_contracts(contracts: dict[str, Any]) -> None:
    """What the split gave every member, and what it delivered."""
    width = max(len(key) for key in contracts)
    heads = ("part, EUR", "+-", "gain, EUR", "asked, kWh", "missing, kWh", "available")
    columns = (12, 8, 12, 12, 13, 10)
    print(f"\n  {'contract':<{width}}" + "".join(f" {head:>{n}}" for head, n in zip(heads, columns, strict=True)))
    for key, one in contracts.items():
        print(
            f"  {key:<{width}} {one['part_eur']:>12,.2f} {one['error_eur']:>8,.2f} {one['gain_eur']:>12,.2f} "
            f"{one['asked_kwh']:>12,.1f} {one['missing_kwh']:>13,.1f} {100 * one['availability']:>8.1f} %"
        )


def statement_command(args: argparse.Namespace) -> int:
    """Write statements of owners, and say where they are."""
    from archipel.report.books_file import books_file, read_books
    from archipel.report.settle_run import owners_of
    from archipel.report.statement import statement
    from archipel.report.statement_csv import write_csv
    from archipel.report.statement_page import write_page

    run, strategy = _open(args)
    file = books_file(run.path, strategy)
    books: Books = read_books(file) if file.is_file() else _settle(run, strategy)[0]
    folder = args.output or run.path / "statements"
    for owner in args.owner or [owner.id for owner in owners_of(run.scenario).owner]:
        one = statement(run, strategy, books, owner)
        page = write_page(one, folder)
        write_csv(one, folder)
        print(f"{one.name}: {one.total_eur:,.2f} EUR {'to pay' if one.total_eur >= 0 else '(to receive)'}  {page}")
    return 0


def _settle(run: Run, strategy: str, *, by: Any = "day", correct: bool = False) -> tuple[Books, RunSettlement, int]:
    from archipel.market.errors import BooksRefused
    from archipel.report.books_file import books_file, read_books, write_books
    from archipel.report.settle_run import book, settle_run
    from archipel.report.statement import write_summary

    settlement = settle_run(run, strategy, by=by)
    file = books_file(run.path, strategy)
    try:
        books, new = book(settlement, read_books(file) if file.is_file() else None, correct=correct)
    except BooksRefused as error:
        raise BooksRefused(
            f"{error}\nThe books are {file}. If they were booked by another length (--by day, --by quarter), settle by "
            "the same; to put them right by new entries, or to go from one length to the other, add --correct."
        ) from error
    if new:
        write_books(file, books)
    write_summary(run.path, settlement)
    return books, settlement, new


def _open(args: argparse.Namespace) -> tuple[Run, str]:
    """The run and the strategy meant."""
    from archipel.model.errors import RunNotFound
    from archipel.report.deliveries import strategies_of
    from archipel.report.run import load_run

    path = Path(args.run)
    below = Path("runs") / args.run
    run = load_run(below if not path.exists() and below.is_dir() else path)
    own = [name for name in strategies_of(run.path) if name in run.strategies]
    wish = args.strategy or (
        own[0] if own else "distributed" if "distributed" in run.strategies else run.strategies[-1]
    )
    if wish not in run.strategies:
        raise RunNotFound(f"run {run.path}: found no strategy {wish}; it has {', '.join(run.strategies)}")
    return run, wish

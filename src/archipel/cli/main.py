"""`archipel`: one door to all commands.

Exit codes: 0 done, 1 a comparison failed (verify), 2 an input cannot be used, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from archipel import __version__
from archipel.cli import (
    adopt_command,
    bid_command,
    cell_command,
    certs_command,
    commission_commands,
    data_command,
    demo_command,
    device_command,
    doctor_command,
    envelope_command,
    event_command,
    hold_command,
    hosting_command,
    import_command,
    island_command,
    journal_command,
    local_commands,
    reconfigure_command,
    remedy_command,
    report_commands,
    run_command,
    scenario_commands,
    serve_command,
    settle_command,
    tag_command,
    top_command,
    what_if_command,
)
from archipel.cli.words import WordedParser

EPILOG = """\
examples:
  archipel run district                      the quick case, four strategies on the same day
  archipel run city --start 2016-06-09       a whole city (four strategies: half an hour on 2 cores)
  archipel import net.json -o my-grid        bring your own network
  archipel report runs/RUN                   table and report of a run again

exit codes: 0 done, 1 a comparison failed, 2 an input cannot be used, 130 stopped by Ctrl-C"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = WordedParser(
        prog="archipel",
        description="Runs a power grid as an archipelago of self-governing cells.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"archipel {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    demo_command.add_parsers(commands)
    run_command.add_parsers(commands)
    import_command.add_parsers(commands)
    scenario_commands.add_parsers(commands)
    data_command.add_parsers(commands)
    adopt_command.add_parsers(commands)
    reconfigure_command.add_parsers(commands)
    remedy_command.add_parsers(commands)
    bid_command.add_parsers(commands)
    island_command.add_parsers(commands)
    event_command.add_parsers(commands)
    envelope_command.add_parsers(commands)
    hosting_command.add_parsers(commands)
    what_if_command.add_parsers(commands)
    report_commands.add_parsers(commands)
    settle_command.add_parsers(commands)
    device_command.add_parsers(commands)
    certs_command.add_parsers(commands)
    local_commands.add_parsers(commands)
    cell_command.add_parsers(commands)
    commission_commands.add_parsers(commands)
    tag_command.add_parsers(commands)
    hold_command.add_parsers(commands)
    journal_command.add_parsers(commands)
    doctor_command.add_parsers(commands)
    top_command.add_parsers(commands)
    serve_command.add_parsers(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. What users can mend is said without a traceback."""
    args = parser().parse_args(argv)
    from archipel.model.errors import ArchipelError  # with it comes numpy, which `--help` need not wait for

    try:
        return int(args.func(args))
    except ArchipelError as error:
        print(f"archipel: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("archipel: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # whoever read our output has gone; nothing is left to say
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.filename is None:
            raise  # no file that a person named
        print(f"archipel: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

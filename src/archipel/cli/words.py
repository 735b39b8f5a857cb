"""A parser of the command line that answers a mistyped word with the one that was meant."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, final


@final
class WordedParser(argparse.ArgumentParser):
    """As its base, exit code 2 included. Parsers of subcommands are of this class too."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """(namespace, []): a word nobody knows is an error of the subcommand it was given to, with its usage."""
        known, rest = super().parse_known_args(args, namespace)
        if rest:
            options = [option for action in self._actions if not _hidden(action) for option in action.option_strings]
            mistyped = [word.partition("=")[0] for word in rest if word.startswith("-")]
            near = [_near(word, options) for word in mistyped]
            self.error(" ".join([f"unrecognized arguments: {' '.join(rest)}.", *filter(None, near)]))
        return known, rest

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            near = _near(str(value), map(str, action.choices))
            if near:
                raise argparse.ArgumentError(action, f"invalid choice: {value!r}. {near}")
        super()._check_value(action, value)


def _hidden(action: argparse.Action) -> bool:
    return action.help == argparse.SUPPRESS


def _near(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else ""

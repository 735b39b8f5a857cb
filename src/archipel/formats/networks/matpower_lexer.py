"""Words of the data language of MATPOWER case files: numbers, names, text, signs; comments and continuations gone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

from archipel.model import ImportRefused

WORD = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z]\w*)"
    r"|(?P<sign>\.\*|\./|\.\^|==|~=|<=|>=|&&|\|\||[-+*/^=()\[\]{},;:.<>&|~!@'])"
)
BLOCK = re.compile(r"^[ \t]*[%#]\{[ \t]*$.*?^[ \t]*[%#]\}[ \t]*$", re.MULTILINE | re.DOTALL)
MOST_WORDS = 2_000_000


@final
@dataclass(frozen=True, slots=True)
class Word:
    """One word of a file."""

    kind: str
    """number, name, text, sign, numbers (the whole inside of a matrix of plain numbers), end (of a statement)."""
    text: str
    line: int
    spaced: bool
    """Whether white space stands before it."""
    tight: bool
    """Whether no white space stands after it."""


CUT_OFF = "Is the file cut off?"
"""Asked where a file ends before what it began."""


def refused(source: str, line: int, found: str, expected: str, mend: str) -> ImportRefused:
    """What a person reads about one place of a file."""
    return ImportRefused(f"{source}: line {line}: found {found}; expected {expected}. {mend}")


def words_of(text: str, source: str) -> list[Word]:
    """The words of a file. Raises ImportRefused, naming the line, for a sign that the language does not have."""
    text = BLOCK.sub(lambda block: "\n" * block.group().count("\n"), text.replace("\r\n", "\n").replace("\r", "\n"))
    words: list[Word] = []
    depth, line, at, spaced = 0, 1, 0, False
    while at < len(text):
        here = text[at]
        if here in " \t\f":
            at, spaced = at + 1, True
            continue
        if here in "%#":
            at = _line_end(text, at)
            continue
        if text.startswith("...", at):
            at, line, spaced = _line_end(text, at) + 1, line + 1, True
            continue
        if here == "\n":
            words.append(Word("sign" if depth else "end", ";" if depth else "\n", line, spaced, tight=False))
            at, line, spaced = at + 1, line + 1, True
            continue
        if here == '"' or (here == "'" and not _transposes(words, spaced)):
            found, after = _text(text, at, source, line)
            words.append(Word("text", found, line, spaced, tight=False))
        else:
            match = WORD.match(text, at)
            if match is None:
                raise refused(source, line, f"the sign {here!r}", "numbers, names and arithmetic", "Remove it.")
            after, kind = match.end(), match.lastgroup or ""
            words.append(Word(kind, match.group(), line, spaced, tight=text[after : after + 1] not in {" ", "\t"}))
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(here, 0)
            if here == "[" and (inside := _numbers(text, after)) is not None:
                words.append(Word("numbers", inside, line, spaced=False, tight=True))
                line, after = line + inside.count("\n"), after + len(inside)
        if len(words) > MOST_WORDS:
            raise refused(source, line, "too many words", f"at most {MOST_WORDS:,}", "Name a MATPOWER case file.")
        at, spaced = after, False
    words.append(Word("end", "\n", line, spaced, tight=False))
    return words


PLAIN = re.compile(r"(?:[-+\d.eE\s;,]|\.\.\.|\b(?:Inf|NaN|inf|nan)\b|%[^\n]*)*")


def _numbers(text: str, at: int) -> str | None:
    """The inside of a matrix that holds nothing but plain numbers: millions of them need no words of their own."""
    match = PLAIN.match(text, at)
    if match is None or text[match.end() : match.end() + 1] != "]" or not any(c.isdigit() for c in match.group()):
        return None
    return match.group()


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _transposes(words: list[Word], spaced: bool) -> bool:
    """A quote right after a value transposes it; elsewhere it begins a text."""
    return bool(words) and not spaced and (words[-1].kind in {"number", "name"} or words[-1].text in {")", "]", "}"})


def _text(text: str, at: int, source: str, line: int) -> tuple[str, int]:
    quote, end, found = text[at], at + 1, ""
    while True:
        stop = text.find(quote, end)
        if stop < 0 or "\n" in text[end:stop]:
            cut = "" if "\n" in text[end:] else f" {CUT_OFF}"
            raise refused(source, line, "a text without its end", "a closing quote on the same line", f"Close it.{cut}")
        found += text[end:stop]
        if text[stop + 1 : stop + 2] != quote:  # doubled quotes stand for one
            return found, stop + 1
        found, end = found + quote, stop + 2

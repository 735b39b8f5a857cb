"""Docstrings are for people who read code: indented blocks are code; backticks and *emphasis* are the only markup."""

import re
from typing import Any

from docutils.nodes import Element, Text, document
from sphinx.application import Sphinx

KEPT = re.compile(r"(`[^`]+`|(?<![\w*])\*\w[^*]*\w\*(?![\w*]))")
HELPER = "TypeAliasForwardRef"
ALIAS = re.compile(rf"{HELPER}\('(\w+)'\)")
UNSAYABLE = re.compile(r"<[^<>]*>")
SECTION = re.compile(r"^\s*(?:Args|Returns|Raises|Yields|Attributes|Example|Examples|Note):\s*$")


def plain(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Make reStructuredText of one docstring, in place."""
    del app, what, name, obj, options
    out: list[str] = []
    block = False
    before = ""
    for line in lines:
        indented = line.startswith("    ") or (line.startswith("  ") and block)
        if line.strip() and not indented:
            block = False
        if indented and not before.strip() and not block and out and not within_section(out):
            out += ["::", ""]
            block = True
        out.append(line if block else escaped(line))
        before = line
    lines[:] = out


def within_section(out: list[str]) -> bool:
    """The last line at the left edge opens a section of arguments or errors."""
    last = next((line for line in reversed(out) if line and not line.startswith(" ")), "")
    return bool(SECTION.match(last))


def escaped(line: str) -> str:
    """Signs that reStructuredText would read as markup, outside backticks, emphasis and doctests."""
    if line.lstrip().startswith(">>>"):
        return line
    parts = KEPT.split(line)
    return "".join(part if k % 2 else re.sub(r"([*|]|\b_(?=\W|$))", r"\\\1", part) for k, part in enumerate(parts))


def short_names(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, arguments: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """Names of types as they are written, also inside of others; a default that Python cannot read again is `...`."""
    del app, what, name, obj, options
    return tuple(text and UNSAYABLE.sub("...", ALIAS.sub(r"\1", text)) for text in (arguments, returned))  # type: ignore[return-value]


def short_types(app: Sphinx, page: document) -> None:
    """The same in the type of a property, which comes word by word: NAME ( 'Floats' )."""
    del app
    for part in list(page.findall(Element)):
        words = list(part.children)
        for k, word in enumerate(words[:-3]):
            if word.astext().startswith(HELPER):
                part.replace(words[k + 2], Text(words[k + 2].astext().strip("'")))
                for gone in (word, words[k + 1], words[k + 3]):
                    part.remove(gone)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx, before napoleon reads the sections."""
    app.connect("autodoc-process-signature", short_names)
    app.connect("doctree-read", short_types)
    app.connect("autodoc-process-docstring", plain, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

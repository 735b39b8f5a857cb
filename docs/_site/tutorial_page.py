"""The tutorial as a page: its comments are the text, its code the blocks, and below each block what it printed.

The file stays a program that anybody can run and the tests do run. What it printed lies beside it in `.out`, recorded
by `python docs/_site/tutorial_page.py`, which runs the whole tutorial; a test runs it again and compares.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

MARK = "#### printed by block {}\n"


def cut(program: str) -> list[tuple[str, str]]:
    """The program as (text, code) pairs: comments at the left edge are text, everything else is code."""
    pairs: list[tuple[list[str], list[str]]] = [([], [])]
    _, quoted, body = program.split('"""', 2)
    for line in body.splitlines():
        comment = line == "#" or line.startswith("# ")
        if comment and pairs[-1][1]:
            pairs.append(([], []))
        if comment:
            pairs[-1][0].append(line[2:])
        elif line or pairs[-1][1]:
            pairs[-1][1].append(line)
        elif pairs[-1][0]:
            pairs[-1][0].append("")
    cells = [("\n".join(text).strip(), "\n".join(code).strip()) for text, code in pairs]
    return [(quoted.strip(), ""), *cells]


def run(program: str) -> list[str]:
    """What every block prints, one string per block; blocks run one after the other in one namespace."""
    names: dict[str, object] = {"__name__": "__main__"}
    printed = []
    for _, code in cut(program):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, "<tutorial>", "exec"), names)
        printed.append(said.getvalue())
    return printed


def recorded(file: Path) -> list[str]:
    """What the blocks of a tutorial printed when it was recorded."""
    return re.split(MARK.format(r"\d+"), file.with_suffix(".out").read_text("utf-8"))[1:]


def page(program: str, printed: list[str]) -> str:
    """The Markdown of the page."""
    parts = []
    cells = cut(program)
    if len(cells) != len(printed):
        raise ValueError(f"the tutorial has {len(cells)} blocks, {len(printed)} are recorded; record it again")
    for (text, code), said in zip(cells, printed, strict=True):
        titled = re.sub(r"\ATutorial: (\w)(.*)\.$", lambda t: f"# {t[1].upper()}{t[2]}", text, flags=re.MULTILINE)
        titled = re.sub(r"\A(\d+\. .*)\.$", r"## \1", titled, flags=re.MULTILINE)
        parts += [re.sub(r"\(docs/([\w/-]+)\.md\)", r"([\1](../\1.md))", titled)] if text else []
        parts += [f"```python\n{code}\n```"] if code else []
        parts += [f"```text\n{said.rstrip()}\n```"] if said.strip() else []
    return "\n\n".join(parts) + "\n"


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    from docutils.nodes import document
    from myst_parser.parsers.sphinx_ import MystParser

    class TutorialParser(MystParser):
        """A program whose comments are Markdown."""

        supported = ("tutorial",)

        def parse(self, inputstring: str, document: document) -> None:
            """Turn the program into Markdown, and that into a document."""
            env = document.settings.env
            file = Path(env.doc2path(env.docname))
            env.note_dependency(str(file.with_suffix(".out")))
            super().parse(page(inputstring, recorded(file)), document)

    app.add_source_parser(TutorialParser)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    FILE = Path(__file__).parents[1] / "tutorial" / "first_archipelago.py"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        blocks = run(FILE.read_text("utf-8"))
    FILE.with_suffix(".out").write_text("".join(MARK.format(k) + said for k, said in enumerate(blocks)), "utf-8")
    sys.stdout.write(f"recorded {len(blocks)} blocks\n")

"""Links from a page to a file of the repository outside docs/: each such file gets a page of its own.

On a code host these links simply work. In the site a Python file becomes highlighted source, a Markdown file its text.
"""

import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from markdown_it import MarkdownIt
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.addnodes import download_reference
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.logging import getLogger

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(((?:\.\./)+[^)#\s]+\.(?:md|py))\)")
log = getLogger(__name__)


def page_of(file: Path) -> str:
    """The page on which a file of the repository is shown."""
    return f"files/{file.relative_to(ROOT).as_posix()}"


class OutsideLinks(SphinxPostTransform):
    """What MyST took for downloads becomes links to pages."""

    default_priority = 5

    def run(self, **kwargs: Any) -> None:
        """Replace them in one page."""
        del kwargs
        for node in list(self.document.findall(download_reference)):
            here = Path(self.env.doc2path(self.env.docname)).parent
            file = (here / node["reftarget"]).resolve()
            if not file.is_file() or not file.is_relative_to(ROOT) or file.suffix not in {".py", ".md"}:
                log.warning("%s links to %s: no page can be made of that", self.env.docname, node["reftarget"])
                continue
            link = nodes.reference("", "", internal=True)
            link["refuri"] = self.app.builder.get_relative_uri(self.env.docname, page_of(file))
            link += node.children
            node.replace_self(link)


def marked(app: Sphinx, page: str, source: list[str]) -> None:
    """Tell MyST that a link leads to a file and not to a page: `path:` before targets outside docs/."""
    here = Path(app.env.doc2path(page)).parent

    def mark(link: re.Match[str]) -> str:
        file = (here / link[1]).resolve()
        return link[0] if file.is_relative_to(app.srcdir) else f"](path:{link[1]})"

    source[0] = LINK.sub(mark, source[0])


def linked(app: Sphinx) -> set[Path]:
    """All files outside that any page links to."""
    found: set[Path] = set()
    for page in app.env.found_docs:
        here = Path(app.env.doc2path(page)).parent
        targets = (node["reftarget"] for node in app.env.get_doctree(page).findall(download_reference))
        found |= {(here / target).resolve() for target in targets}
    return {file for file in found if file.is_relative_to(ROOT)}


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page for each of them, for Sphinx to write."""
    for file in sorted(linked(app)):
        name, text = file.relative_to(ROOT).as_posix(), file.read_text("utf-8")
        if file.suffix == ".py":
            body = highlight(text, PythonLexer(), HtmlFormatter(linenos="inline", lineanchors="line"))
            body = f"<h1>{escape(name)}</h1>{body}"
        else:
            body = MarkdownIt("commonmark").enable("table").render(unlinked(text))
        yield page_of(file), {"title": name, "body": body, "parents": []}, "page.html"


def unlinked(text: str) -> str:
    """Markdown whose links within the repository are plain words: from here they lead nowhere."""
    tokens = text.split("](")
    out = [tokens[0]]
    for rest in tokens[1:]:
        target, _, after = rest.partition(")")
        if target.startswith("http"):
            out.append(f"]({rest}")
        else:
            start = out[-1].rindex("[")
            out[-1] = out[-1][:start] + out[-1][start + 1 :]
            out.append(after)
    return "".join(out)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_post_transform(OutsideLinks)
    app.connect("source-read", marked)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

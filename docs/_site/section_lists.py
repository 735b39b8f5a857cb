"""The tree of pages is what the lists of links in the index pages say: written once, read on a code host as well.

Every list item of an `index.md` that begins with a link to a page puts that page into the tree, in that order. A page
that no list names is a warning of Sphinx, and warnings are errors.
"""

import re

from sphinx.application import Sphinx

ITEM = re.compile(r"^- (?:\*\*)?\[[^\]]*\]\(([^)#]+?)\.(?:md|py)\)", re.MULTILINE)
ANCHOR = re.compile(r'^<a id="([\w-]+)"></a>$', re.MULTILINE)


def grow(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the hidden tree to an index page, and turn the anchors of HTML into those of MyST."""
    del app
    source[0] = ANCHOR.sub(r"(\1)=", source[0])
    if page.rsplit("/", 1)[-1] == "index":
        children = dict.fromkeys(ITEM.findall(source[0]))
        source[0] += "\n\n```{toctree}\n:hidden:\n\n" + "\n".join(children) + "\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", grow)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

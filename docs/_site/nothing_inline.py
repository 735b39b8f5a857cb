"""No page carries a script or a style of its own, so the site works under `default-src 'self'`.

Theme and highlighter leave a few `style` attributes; what they say stands in site.css.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

STYLE = re.compile(r'(<[a-zA-Z][^<>]*?)\sstyle="[^"<>]*"')


def strip(app: Sphinx, exception: Exception | None) -> None:
    """Take them out of every page."""
    if exception is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text("utf-8")
        clean = STYLE.sub(r"\1", text)
        if clean != text:
            page.write_text(clean, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", strip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

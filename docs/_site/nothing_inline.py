"""No page carries a script, a style or a picture of its own, so the site works under `default-src 'self'`.

Theme and highlighter leave a few `style` attributes; what they say stands in site.css. The theme's style sheets carry
their icons as `data:`; each becomes a file.
"""

import re
from pathlib import Path
from urllib.parse import unquote

from sphinx.application import Sphinx

STYLE = re.compile(r'(<[a-zA-Z][^<>]*?)\sstyle="[^"<>]*"')
ICON = re.compile(r"""url\((['"])data:image/svg\+xml;charset=utf-8,(.*?)\1\)""")


def strip(app: Sphinx, exception: Exception | None) -> None:
    """Take them out of every page and style sheet."""
    if exception is not None or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for page in site.rglob("*.html"):
        rewrite(page, STYLE.sub(r"\1", page.read_text("utf-8")))
    for sheet in site.rglob("*.css"):
        text = sheet.read_text("utf-8")
        icons = dict.fromkeys(svg for _, svg in ICON.findall(text))
        names = {svg: f"{sheet.stem}-icon-{k}.svg" for k, svg in enumerate(icons)}
        for svg, name in names.items():
            (sheet.parent / name).write_text(unquote(svg), "utf-8")
        rewrite(sheet, ICON.sub(lambda found, names=names: f'url("{names[found[2]]}")', text))


def rewrite(file: Path, text: str) -> None:
    """Write what has changed."""
    if text != file.read_text("utf-8"):
        file.write_text(text, "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", strip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The cards of the gallery: shipped scenarios and kinds of device, from what says it already.

A line `<!-- cards: scenarios -->` of gallery.md becomes a card per shipped scenario (its title and the first lines of
its file), `<!-- cards: devices -->` a card per line of the index of devices. Pictures lie in img/gallery/, made by
gallery_pictures.py.
"""

import re
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
SCENARIOS = DOCS.parent / "src" / "archipel" / "scenarios"
FIRST = ("district", "city", "city-winter", "city-herd", "island", "island-year", "vpp")
MARK = re.compile(r"^<!-- cards: (\w+) -->$", re.MULTILINE)
LINE = re.compile(r"^- \[([^\]]+)\]\(([\w-]+\.md)\): (.+)$", re.MULTILINE)


def scenarios() -> list[str]:
    """A card each, the quick one first; new ones come last."""
    files = {path.stem: path for path in SCENARIOS.rglob("*.toml") if path.parent.name != "contracts"}
    cards = []
    for name in sorted(files, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name)):
        written = files[name].read_text("utf-8")
        comment = " ".join(line.lstrip("# ") for line in re.match(r"(?:#.*\n)*", written)[0].splitlines())  # type: ignore[index]
        about = re.sub(r"\s*Origin, licence.*$", "", comment)
        title = tomllib.loads(written)["scenario"]["title"]
        cards.append(f"- ![Map of {name}](img/gallery/{name}.svg)\n  **{title}.** {about}\n\n  `archipel run {name}`")
    return cards


def devices() -> list[str]:
    """A card each, in the order of their index."""
    index = (DOCS / "reference" / "devices" / "index.md").read_text("utf-8")
    return [f"- [**{name}**](reference/devices/{page}): {about}" for name, page, about in LINE.findall(index)]


CARDS = {"scenarios": scenarios, "devices": devices}


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the cards where the page asks for them."""
    if page == "gallery":
        app.env.note_dependency(str(DOCS / "reference" / "devices" / "index.md"))
        source[0] = MARK.sub(lambda asked: "\n\n".join(CARDS[asked[1]]()), source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

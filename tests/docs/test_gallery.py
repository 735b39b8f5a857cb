"""The gallery has a card for everything that is shipped, each with a picture that is there."""

from __future__ import annotations

import re
import sys

from reading import ROOT

from archipel.devices import KINDS
from archipel.formats.scenario import shipped_scenarios

sys.path.insert(0, str(ROOT / "docs" / "_site"))
import gallery


def test_every_shipped_scenario_and_every_kind_of_device_has_its_card() -> None:
    cards = gallery.scenarios()
    assert [re.findall(r"`archipel run ([\w-]+)`", card) for card in cards] == [[name] for name in gallery.FIRST]
    assert set(gallery.FIRST) == set(shipped_scenarios())
    pages = {re.findall(r"devices/([\w-]+)\.md", card)[0] for card in gallery.devices()}
    assert pages == {kind.replace("_", "-") for kind in KINDS}


def test_every_picture_of_the_gallery_is_there_and_small_and_needs_no_style_sheet() -> None:
    page = (ROOT / "docs" / "gallery.md").read_text("utf-8") + "".join(gallery.scenarios())
    named = set(re.findall(r"\((img/gallery/[\w-]+\.svg)\)", page))
    drawn = [(ROOT / "docs" / name).read_text("utf-8") for name in named]
    assert len(named) >= len(gallery.FIRST) + 3
    assert all(len(text) < 50_000 and "var(--" not in text for text in drawn)

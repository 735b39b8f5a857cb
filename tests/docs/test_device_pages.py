"""The pages of equations: one per kind, with sources, and the day each new kind shows is what its example prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from reading import ROOT, blocks

from archipel.devices import KINDS

PAGES = ROOT / "docs" / "reference" / "devices"
SHOWN = ("wind", "v2g", "hydro", "building", "appliance", "soft_open_point", "tap_changer", "switched_capacitor")


def page(kind: str) -> Path:
    return PAGES / f"{kind.replace('_', '-')}.md"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_page_of_equations_which_names_its_class_and_its_code(kind: str) -> None:
    text = page(kind).read_text(encoding="utf-8")
    assert "$$" in text
    assert f"`{KINDS[kind].__name__}`" in text
    assert f"src/archipel/devices/{kind}.py" in text
    assert f"({page(kind).name})" in (PAGES / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", SHOWN)
def test_the_day_on_a_page_is_the_one_its_example_prints(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    (example,), (shown,) = blocks(page(kind), "python"), blocks(page(kind), "text")
    exec(compile(example, page(kind).name, "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out
    assert said.splitlines()[0] == shown.splitlines()[0]
    found, told = (
        [[float(x) for x in re.findall(r"-?\d+\.\d+", line)] for line in text.splitlines()[1:]]
        for text in (said, shown)
    )
    assert len(found) == len(told) >= 12
    for mine, theirs in zip(found, told, strict=True):
        assert mine == pytest.approx(theirs, rel=2e-3, abs=0.05)
    assert "Sources" in page(kind).read_text(encoding="utf-8")

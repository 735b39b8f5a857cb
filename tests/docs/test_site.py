"""The site of the docs: it builds without a warning, all of it can be reached, and it needs nothing but itself."""

from __future__ import annotations

import fcntl
import importlib
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from reading import ROOT

from archipel.cell.mode import Mode
from archipel.controller.ladder import Ladder, Level
from archipel.controller.settings import Settings

sys.path.insert(0, str(ROOT / "docs" / "_site"))
import tutorial_page

TUTORIAL = ROOT / "docs" / "tutorial" / "first_archipelago.py"
FETCHES = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}


@dataclass
class Page(HTMLParser):
    """What a page links to, fetches, names and carries inline."""

    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    inline: list[str] = field(default_factory=list)
    _in: str = ""

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.inline += [f"{name} of <{tag}>" for name in told if name == "style" or name.startswith("on")]
        self.ids |= {told["id"]} if "id" in told else set()
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        if FETCHES.get(tag) in told and told.get("rel") not in {"index", "search", "next", "prev", "canonical"}:
            self.fetched.append(told[FETCHES[tag]])
        self._in = tag if tag in {"script", "style"} and "src" not in told else ""

    def handle_data(self, data: str) -> None:
        if self._in and data.strip():
            self.inline.append(f"<{self._in}>")

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._in = ""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once however many processes test."""
    pytest.importorskip("sphinx", reason="LEFT OUT: needs Sphinx, from requirements/dev.lock")
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if shared.name.startswith("popen-") else shared
    folder = shared / "site"
    with (shared / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "built").exists():
            command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q"]
            command += ["-d", str(shared / "doctrees"), str(ROOT / "docs"), str(folder)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            (folder / "built").touch()
    return folder


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[Path, Page]:
    """Every page, read."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        found[path] = Page()
        found[path].feed(path.read_text("utf-8"))
    return found


def test_every_page_of_the_docs_becomes_a_page_of_the_site(site: Path, pages: dict[Path, Page]) -> None:
    docs = ROOT / "docs"
    sources = [path for path in docs.rglob("*.md") if "_site" not in path.parts] + [TUTORIAL]
    assert len(sources) > 60
    assert not [path for path in sources if site / path.relative_to(docs).with_suffix(".html") not in pages]


def test_every_link_and_anchor_of_the_site_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links + page.fetched:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].ids):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert sum(len(page.links) for page in pages.values()) > 3000
    assert not broken


def test_the_site_fetches_nothing_from_elsewhere_and_has_nothing_inline(site: Path, pages: dict[Path, Page]) -> None:
    assert not {link for page in pages.values() for link in page.fetched if urlsplit(link).netloc}
    assert not {(path.relative_to(site), what) for path, page in pages.items() for what in page.inline}
    for sheet in site.rglob("*.css"):
        text = sheet.read_text("utf-8")
        assert not re.search(r"(@import|url\()\s*[\"']?((https?:)?//|data:)", text), sheet
        icons = re.findall(r"url\([\"']?([^)\"']+)", text)
        assert not [icon for icon in icons if not (sheet.parent / icon).is_file()]


def test_the_reference_has_every_name_of_the_public_door(pages: dict[Path, Page]) -> None:
    known = set().union(*(page.ids for page in pages.values()))
    for door in ("archipel", "archipel.model", "archipel.devices", "archipel.testing"):
        assert not {f"{door}.{name}" for name in importlib.import_module(door).__all__} - known
    assert {"archipel.report.run.Run", "archipel.coordination.exact.Options", "archipel.market.base.Bid"} <= known


def test_no_name_of_a_helper_of_sphinx_is_left_in_a_signature(site: Path) -> None:
    pages = list((site / "reference" / "python").glob("*.html"))
    assert len(pages) > 5
    assert not [page.name for page in pages if "TypeAliasForwardRef" in page.read_text("utf-8")]


def test_formulas_are_mathml(site: Path) -> None:
    page = (site / "explanation" / "the-method.html").read_text("utf-8")
    assert page.count("<math ") > 60
    assert not re.search(r"\$\$|\\(frac|sum|lambda|text)\b", page), "every formula was understood"


def test_the_search_knows_where_a_word_stands_without_a_server(site: Path, pages: dict[Path, Page]) -> None:
    index = (site / "searchindex.js").read_text("utf-8")
    assert index.startswith("Search.setIndex(")
    assert '"The ladder"' in index
    assert any(link.endswith("searchindex.js") for link in pages[site / "search.html"].fetched)


def test_every_module_the_threat_model_names_is_there() -> None:
    text = (ROOT / "docs" / "explanation" / "threat-model.md").read_text("utf-8")
    cells = re.findall(r"\| ([^|]*) \|$", text, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`([a-z][\w.]*)`", cell)}
    assert len(named) > 30
    packages = [ROOT / "src" / "archipel" / name.replace(".", "/") for name in named]
    assert not [path for path in packages if not path.is_dir() and not path.with_suffix(".py").is_file()]


def test_the_page_of_the_ladder_tells_the_levels_modes_and_times_of_the_code() -> None:
    text = (ROOT / "docs" / "explanation" / "the-ladder.md").read_text("utf-8")
    for level in Level:
        assert f"| {level.value} {level.name.lower()} |" in text
    for mode in Mode:
        assert f"\n| {mode.value} |" in text
    ladder, times = Ladder(), Settings()
    assert f"without a break for {ladder.healthy_s:g} s" in text
    assert (ladder.most_falls, ladder.window_s) == (3, 600.0)
    assert "More than three steps down within ten minutes" in text
    assert f"{times.silent_s:g} s (half of one of three attempts in {times.lead_s:g} s)" in text
    assert f"{times.contradiction_s:g} s, not counting {times.grace_s:g} s" in text
    assert f"an order that is not renewed lapses ({times.lease_s:g} s by default)" in text


def test_the_first_blocks_of_the_tutorial_print_what_is_recorded() -> None:
    cells = tutorial_page.cut(TUTORIAL.read_text("utf-8"))
    first = next(k for k, (_, code) in enumerate(cells) if "archipel.run(" in code)
    program = '"""Begin."""\n' + "\n".join(code for _, code in cells[:first])
    assert "".join(tutorial_page.run(program)) == "".join(tutorial_page.recorded(TUTORIAL)[:first])
    assert len(tutorial_page.recorded(TUTORIAL)) == len(cells)


@pytest.mark.slow
def test_the_whole_tutorial_prints_what_is_recorded_but_for_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = tutorial_page.run(TUTORIAL.read_text("utf-8"))

    def steady(blocks: list[str]) -> list[str]:
        """Without times, ids, and the last digits of what a search ends with."""
        text = re.sub(r"\d{8}-\d{6}", "ID", "".join(blocks))
        text = re.sub(r"^  (Time to run|Certified gap|Messages).*$", "", text, flags=re.MULTILINE)
        return re.sub(r"gap \S+", "gap", text).splitlines()

    assert steady(printed) == steady(tutorial_page.recorded(TUTORIAL))

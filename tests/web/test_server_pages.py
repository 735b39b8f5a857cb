"""The page's files: found, kept by their ETag, and nothing outside of their folder."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from server_stand import Stand, stand


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Stand]:
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>Archipel</title>")
    (folder / "page.js").write_text("export const here = 1;\n" * 100)
    (folder / "page.js.map").write_text("{}")
    (tmp_path / "secret.js").write_text("no")
    (folder / "link.js").symlink_to(tmp_path / "secret.js")
    with stand(tmp_path, static=folder) as found:
        yield found


@pytest.mark.parametrize("path", ["/", "/area", "/cell/LV3.304x", "/cell/LV3%2F304?time=2016", "/events/", "/runs"])
def test_every_place_of_the_page_is_the_page(at: Stand, path: str) -> None:
    answer = at.ask(path)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert b"Archipel" in answer.body


def test_a_cell_with_a_dot_in_its_name_has_a_page_too(at: Stand) -> None:
    assert at.ask("/cell/LV3.304").status == 200


def test_a_file_is_sent_once_and_again_when_it_has_changed(at: Stand) -> None:
    first = at.ask("/page.js")
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    tag = {"If-None-Match": first.headers["etag"]}
    again = at.ask("/page.js", headers=tag)
    assert (again.status, again.body) == (304, b"")
    path = at.settings.static / "page.js"
    path.write_text("export const here = 2;\n")
    os.utime(path, ns=(1, 1))
    changed = at.ask("/page.js", headers=tag)
    assert changed.status == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_a_browser_that_unpacks_gets_it_packed(at: Stand) -> None:
    packed = at.ask("/page.js", headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == at.ask("/page.js").body
    assert packed.headers["etag"] != at.ask("/page.js").headers["etag"]


@pytest.mark.parametrize(
    "path",
    ["/../secret.js", "/%2e%2e/secret.js", "/..%2fsecret.js", "//etc/passwd.js", "/link.js", "/page.js.map", "/no.js",
     "/%00.js", "/" + "x" * 300 + ".js", "/static/../../secret.js", "/.js"],
)  # fmt: skip
def test_nothing_outside_of_the_bundle_is_ever_sent(at: Stand, path: str) -> None:
    answer = at.ask(path)
    assert answer.status == 404
    assert answer.body != b"no"


def test_a_clone_without_the_bundle_says_how_to_build_it(tmp_path: Path) -> None:
    with stand(tmp_path, static=tmp_path / "none") as at:
        answer = at.ask("/")
        assert answer.status == 503
        assert b"npm run build" in answer.body
        assert at.ask("area").status == 200

"""`archipel serve`: what a person sees in the terminal, and what answers."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import short_district

from archipel.cli.main import main, parser

ROOT = Path(__file__).parents[2]


@contextmanager
def started(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a process of its own, and the address it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "archipel.cli.main", "serve", "--no-browser", "--port", "0", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "DISPLAY": ""},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("serving http://127.0.0.1:"), line + process.stderr.read()
        yield process, line.split()[1]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def ask(url: str, path: str, body: object = None) -> tuple[int, object, str]:
    host = url.removeprefix("http://").partition("/")[0]
    connection = http.client.HTTPConnection(host, timeout=20)
    headers = {"Origin": f"http://{host}", "Content-Type": "application/json"} if body is not None else {}
    connection.request(
        "POST" if body is not None else "GET", f"/api/v1/{path}", json.dumps(body) if body else None, headers
    )
    answer = connection.getresponse()
    found = (answer.status, json.loads(answer.read()), answer.getheader("Set-Cookie") or "")
    connection.close()
    return found


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_run_is_served_until_it_is_stopped(how: signal.Signals) -> None:
    folder = short_district.folder()
    with started(folder.name, "--runs", str(folder.parent)) as (process, url):
        status, area, _ = ask(url, "area")
        assert status == 200
        assert isinstance(area, dict)
        assert (area["kind"], area["acts"]) == ("run", [])
        runs = ask(url, "runs")[1]
        assert isinstance(runs, list)
        assert [run["shown"] for run in runs] == [True]
        assert ask(url, f"runs/{folder.name}/score")[0] == 200
        process.send_signal(how)
        assert process.wait(30) == (130 if how == signal.SIGINT else 143)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_without_a_name_the_newest_run_is_served_and_a_link_signs_in_once() -> None:
    folder = short_district.folder()
    with started("--runs", str(folder.parent), "--sign-in", "operate") as (_, link):
        token = re.search(r"/#token=(\S+)$", link)
        assert token is not None
        status, me, cookie = ask(link, "session", {"token": token[1]})
        assert status == 200
        assert isinstance(me, dict)
        assert me["role"] == "operate"
        assert "HttpOnly" in cookie
        assert ask(link, "session", {"token": token[1]})[0] == 401


def test_a_new_token_is_printed_once_and_signs_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tokens.jsonl"
    words = ["serve", "--new-token", "eva", "--role", "operate", "--tokens", str(path)]
    assert main(words) == 0
    token = capsys.readouterr().out.strip()
    assert token not in path.read_text()
    assert main(words) == 2
    assert "has a token already" in capsys.readouterr().err
    folder = short_district.folder()
    with started("--runs", str(folder.parent), "--tokens", str(path)) as (_, url):
        assert ask(url, "session", {"token": token})[0] == 200


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["no-such-run"], "no-such-run"),
        (["--live", "no-such-folder"], "no-such-folder"),
        (["some-run", "--live"], "expected one of them"),
        (["--new-token", "eva"], "needs --tokens FILE"),
        (["--tokens", "no-such-file"], "--new-token"),
    ],
)
def test_what_cannot_be_served_is_one_message_and_exit_code_two(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--no-browser", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("archipel: ")
    assert told in said


def test_without_tokens_nothing_is_served_to_other_machines(capsys: pytest.CaptureFixture[str]) -> None:
    folder = short_district.folder()
    assert main(["serve", "--no-browser", "--host", "0.0.0.0", "--runs", str(folder.parent)]) == 2
    assert "this machine only" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "65536", "http", "8 0"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["serve", "--port", port])
    assert "expected 0" in capsys.readouterr().err


def test_without_the_extra_it_is_said_what_to_install() -> None:
    hidden = (
        "import sys; sys.modules['starlette'] = None; from archipel.cli.main import main; sys.exit(main(['serve']))"
    )
    found = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "pip install 'archipel[web]'" in found.stderr
    hidden = "import sys; sys.modules['websockets'] = None; import archipel.web; archipel.web.connect()"
    found = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False)
    assert "pip install 'archipel[web]'" in found.stderr


def test_the_core_does_not_load_the_web() -> None:
    script = (
        "import sys, archipel, archipel.cli.main, archipel.web; archipel.cli.main.parser().format_help();"
        "print([name for name in ('msgspec', 'starlette', 'uvicorn', 'websockets', 'numpy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_serve_command_of_the_docs_is_one() -> None:
    typed = re.findall(r"^archipel (serve\b.*)$", (ROOT / "docs/how-to/serve.md").read_text("utf-8"), re.MULTILINE)
    assert len(typed) >= 6
    for line in typed:
        assert parser().parse_args(line.split()).func.__name__ == "serve_command"

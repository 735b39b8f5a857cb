"""Who may see and who may not: sign-in, tokens, hosts, origins, and the headers of every answer."""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from scripted_source import ScriptedSource
from server_stand import Stand, stand, wish
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from archipel.web.server import OneTimeTokens, Settings, Tokens, TokensUnusable, new_token, serving, sign_in_link
from archipel.web.server.people import SESSION_S, TRIES_S
from archipel.web.server.running import CannotListen, listen


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path) as found:
        yield found


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Stand]:
    """A server that shows nothing to who is not signed in."""
    with stand(tmp_path, open_view=False) as found:
        yield found


# ---------------------------------------------------------------- signing in


def test_without_signing_in_a_person_at_this_machine_may_see_and_no_more(at: Stand) -> None:
    assert at.ask("me").json == {"name": "anyone", "role": "view", "signed_in": False}
    answer = at.command("", "default")
    assert answer.status == 403
    assert "needs operate" in answer.error
    assert at.source.reached == []


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via", "X-Forwarded-Host"])
def test_what_comes_through_a_proxy_is_not_taken_for_this_machine(at: Stand, header: str) -> None:
    assert at.ask("area", headers={header: "for=127.0.0.1"}).status == 401


def test_where_nobody_sees_without_signing_in_only_the_page_and_the_session_answer(closed: Stand) -> None:
    for path in ("area", "me", "frame", "events", "commands", "openapi.json", "telemetry"):
        answer = closed.ask(path)
        expected = 426 if path == "telemetry" else 401
        assert answer.status == expected
        assert answer.error
    assert closed.ask("commands", method="POST", body=wish("default")).status == 401
    assert closed.ask("/").status in {200, 503}, "the page itself, or that it was not built"
    assert closed.ask("area", "view").status == 200


def test_a_token_becomes_a_session_in_a_cookie_that_scripts_and_other_sites_do_not_get(closed: Stand) -> None:
    answer = closed.sign_in(closed.tokens["operate"])
    assert answer.json == {"name": "operate", "role": "operate", "signed_in": True}
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert closed.tokens["operate"] not in cookie
    session = {"Cookie": cookie.partition(";")[0]}
    assert closed.ask("me", headers=session).json["name"] == "operate"
    assert closed.ask("commands", method="POST", body=wish("arm", "LV1"), headers=session).status == 202
    assert closed.ask("session", method="DELETE", headers=session).status == 204
    assert closed.ask("me", headers=session).status == 401


def test_behind_tls_the_cookie_is_for_tls_alone(tmp_path: Path) -> None:
    with stand(tmp_path, names=frozenset({"grid.example.org"})) as at:
        proxied = {"Host": "grid.example.org", "Origin": "https://grid.example.org"}
        answer = at.sign_in(at.tokens["view"], **proxied)
        assert answer.status == 200
        assert "Secure" in answer.headers["set-cookie"]
        assert "Secure" not in at.sign_in(at.tokens["view"]).headers["set-cookie"]


def test_a_session_ends_after_half_a_day(closed: Stand) -> None:
    session = {"Cookie": closed.sign_in(closed.tokens["view"]).headers["set-cookie"].partition(";")[0]}
    closed.clock.more_s = SESSION_S - 60.0
    assert closed.ask("me", headers=session).status == 200
    closed.clock.more_s = SESSION_S + 60.0
    assert closed.ask("me", headers=session).status == 401


def test_taking_a_line_out_of_the_tokens_file_signs_out_whoever_used_it(closed: Stand) -> None:
    session = {"Cookie": closed.sign_in(closed.tokens["operate"]).headers["set-cookie"].partition(";")[0]}
    assert closed.settings.tokens is not None
    path = closed.settings.tokens.path
    lines = [line for line in path.read_text().splitlines(keepends=True) if '"operate"' not in line.split(",")[0]]
    path.write_text("".join(lines))
    assert closed.ask("me", headers=session).status == 401
    assert closed.ask("me", "operate").status == 401
    assert closed.ask("me", "view").status == 200


def test_two_servers_on_one_machine_do_not_sign_each_other_out(closed: Stand) -> None:
    name = closed.sign_in(closed.tokens["view"]).headers["set-cookie"].partition("=")[0]
    assert name == f"archipel_{closed.netloc.partition(':')[2]}"


def test_a_tokens_file_that_was_lost_lets_nobody_in_and_tells_nobody_why(
    closed: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    session = {"Cookie": closed.sign_in(closed.tokens["view"]).headers["set-cookie"].partition(";")[0]}
    assert closed.settings.tokens is not None
    closed.settings.tokens.path.unlink()
    for answer in (closed.ask("me", headers=session), closed.ask("me", "view"), closed.sign_in(closed.tokens["view"])):
        assert answer.status == 401
        assert "tokens" not in answer.error.replace("with a token", "")
    assert "No such file" in caplog.text


def test_the_token_of_a_link_signs_in_once_and_within_five_minutes(tmp_path: Path) -> None:
    passed = [0.0]
    tokens = OneTimeTokens(lambda: passed[0])
    with stand(tmp_path, one_time=tokens) as at:
        link = sign_in_link(at.url, tokens, "eva", "operate")
        assert link.startswith(at.url + "/#token=")
        token = link.partition("=")[2]
        assert at.sign_in(token).json == {"name": "eva", "role": "operate", "signed_in": True}
        assert at.sign_in(token).status == 401
        late = tokens.new("eva", "operate")
        passed[0] = 301.0
        assert at.sign_in(late).status == 401


def test_ten_wrong_tokens_close_the_door_for_a_minute_but_not_to_who_has_a_right_one(at: Stand) -> None:
    assert [at.sign_in(f"wrong-{number}").status for number in range(10)] == [401] * 10
    answer = at.sign_in(at.tokens["operate"])
    assert answer.status == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert at.ask("me", headers={"Authorization": "Bearer wrong"}).status == 429
    assert at.command("operate", "default").status == 202, "back to what is safe is never closed"
    at.clock.more_s += TRIES_S + 1
    assert at.sign_in(at.tokens["operate"]).status == 200


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic abc", "Bearer wrong", "nonsense"])
def test_a_wrong_authorization_is_refused_even_where_nobody_needs_one(at: Stand, header: str) -> None:
    assert at.ask("area", headers={"Authorization": header}).status == 401


# ---------------------------------------------------------------- tokens in their file


def test_a_token_is_kept_hashed_in_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "below" / "tokens"
    token = new_token(path, "eva", "operate")
    assert path.stat().st_mode & 0o777 == 0o600
    assert token not in path.read_text()
    found = Tokens(path).find(token)
    assert found is not None
    assert (found.name, found.role) == ("eva", "operate")
    assert Tokens(path).find(token + "x") is None
    with pytest.raises(TokensUnusable, match="has a token already"):
        new_token(path, "eva", "view")
    with pytest.raises(TokensUnusable, match="expected 1 to 64"):
        new_token(path, "e/va", "view")


def test_a_tokens_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    new_token(path, "eva", "operate")
    path.chmod(0o640)
    with pytest.raises(TokensUnusable, match="chmod 600"):
        Tokens(path)
    path.chmod(0o600)
    tokens = Tokens(path)
    path.chmod(0o604)
    os.utime(path, ns=(1, 1))
    with pytest.raises(TokensUnusable, match="chmod 600"):
        tokens.find("x")


@pytest.mark.parametrize("line", ["{}", "x", '{"name":"a","role":"king","sha256":"","made":"2026-01-01T00:00:00Z"}'])
def test_a_tokens_file_that_cannot_be_read_names_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "tokens"
    new_token(path, "eva", "operate")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(TokensUnusable, match="line 2"):
        Tokens(path)
    with pytest.raises(TokensUnusable, match="--new-token"):
        Tokens(tmp_path / "none")


# ---------------------------------------------------------------- where from


def test_a_name_that_is_not_the_servers_gets_no_answer(at: Stand) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::2]", "127.0.0.1@evil"):
        answer = at.ask("area", "view", headers={"Host": host or " "})
        assert answer.status == 403, host
        assert "Host" in answer.error
    port = at.netloc.partition(":")[2]
    for host in (f"localhost:{port}", "localhost:1", "127.0.0.1", f"[::1]:{port}", "LOCALHOST"):
        assert at.ask("area", headers={"Host": host}).status == 200, host


def test_a_request_with_two_hosts_is_refused(at: Stand) -> None:
    with socket.create_connection(tuple(at.netloc.split(":")), timeout=10) as raw:  # type: ignore[arg-type]
        raw.sendall(b"GET /api/v1/area HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        status = raw.recv(100).split()[1]
    assert status in {b"400", b"403"}


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", "file://", "x", "http://["]
)
def test_a_page_from_elsewhere_commands_nothing(at: Stand, origin: str) -> None:
    session = {"Cookie": at.sign_in(at.tokens["operate"]).headers["set-cookie"].partition(";")[0]}
    for path in ("commands", "selections", "session"):
        answer = at.ask(path, method="POST", body=wish("default"), headers={**session, "Origin": origin})
        assert answer.status == 403
        assert "Origin" in answer.error
    assert at.ask("session", method="DELETE", headers={**session, "Origin": origin}).status == 403
    assert at.source.reached == []


def test_without_an_origin_only_a_program_with_its_own_token_commands(at: Stand) -> None:
    session = {"Cookie": at.sign_in(at.tokens["operate"]).headers["set-cookie"].partition(";")[0]}
    silent = {"Origin": ""}
    assert at.ask("commands", method="POST", body=wish("default"), headers={**session, **silent}).status == 403
    assert at.ask("commands", "operate", method="POST", body=wish("default"), headers=silent).status == 202


def test_a_form_of_another_site_cannot_be_a_command(at: Stand) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        body = b'{"id":"12345678","act":"default"}'
        answer = at.ask("commands", "operate", method="POST", body=body, headers={"Content-Type": kind})
        assert answer.status == 400
        assert "application/json" in answer.error


def test_telemetry_answers_only_the_servers_own_page_and_programs(closed: Stand) -> None:
    address = f"ws://{closed.netloc}/api/v1/telemetry"
    bearer = {"Authorization": f"Bearer {closed.tokens['view']}"}
    for origin, headers, status in (
        ("http://evil.example", bearer, 403),
        (None, {}, 403),
        (closed.url, {}, 401),
        (closed.url, {"Authorization": "Bearer wrong"}, 401),
    ):
        with pytest.raises(InvalidStatus) as error:
            connect(address, origin=Origin(origin) if origin else None, additional_headers=headers, proxy=None)
        assert error.value.response.status_code == status
    with connect(address, additional_headers=bearer, proxy=None) as client:
        assert client.recv(timeout=20)


def test_signing_out_ends_the_streams_of_the_session(closed: Stand) -> None:
    cookie = closed.sign_in(closed.tokens["view"]).headers["set-cookie"].partition(";")[0]
    address, session = f"ws://{closed.netloc}/api/v1/telemetry", {"Cookie": cookie}
    with connect(address, origin=Origin(closed.url), additional_headers=session, proxy=None) as client:
        client.recv(timeout=20)
        closed.ask("session", method="DELETE", headers=session)
        closed.clock.more_s += 10.0
        with pytest.raises(ConnectionClosed) as error:
            client.recv(timeout=20)
        assert error.value.rcvd is not None
        assert error.value.rcvd.code == 1008


def test_beyond_this_machine_nothing_is_served_without_tokens(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "grid.example.org"):
        with pytest.raises(CannotListen, match="--new-token"):
            listen(host, 0, Settings(audit=tmp_path))


def test_a_port_that_is_taken_leads_to_the_next(tmp_path: Path) -> None:
    settings = Settings(audit=tmp_path)
    with listen("127.0.0.1", 0, settings) as first:
        port = first.getsockname()[1]
        with listen("127.0.0.1", port, settings) as second:
            assert port < second.getsockname()[1] < port + 20
    with pytest.raises(CannotListen, match="--port"):
        listen("192.0.2.1", 80, Settings(audit=tmp_path, tokens=Tokens(_tokens(tmp_path))))


def _tokens(folder: Path) -> Path:
    new_token(folder / "tokens", "eva", "view")
    return folder / "tokens"


# ---------------------------------------------------------------- every answer


@pytest.mark.parametrize("path", ["area", "nothing", "/", "/page.js", "frame?x=1", "session"])
def test_every_answer_says_what_a_browser_may_do_with_it(at: Stand, path: str) -> None:
    headers = at.ask(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers


def test_a_body_is_bounded(at: Stand) -> None:
    for body in (b'{"id":"' + b"x" * 20_000 + b'"}', b" " * 16_385):
        answer = at.ask("commands", "operate", method="POST", body=body)
        assert answer.status == 413
        assert answer.error
        assert at.audit()[-1]["became"] == "refused"
    chunks = (b"x" * 1000 for _ in range(30))
    connection = http.client.HTTPConnection(at.netloc, timeout=20)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {at.tokens['operate']}"}
    connection.request("POST", "/api/v1/commands", chunks, headers, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_sign_ins_are_in_the_audit_with_address_and_role_and_never_with_the_token(at: Stand) -> None:
    at.sign_in("wrong-token-of-somebody")
    cookie = at.sign_in(at.tokens["administer"]).headers["set-cookie"].partition(";")[0]
    at.ask("session", method="DELETE", headers={"Cookie": cookie})
    entries = at.audit()
    assert [(one["who"], one["role"], one["became"], one["address"]) for one in entries] == [
        ("unknown", "view", "refused", "127.0.0.1"),
        ("administer", "administer", "signed in", "127.0.0.1"),
        ("administer", "administer", "signed out", "127.0.0.1"),
    ]
    text = str(entries)
    assert "wrong-token-of-somebody" not in text
    assert at.tokens["administer"] not in text


def test_who_cannot_be_written_down_is_not_signed_in(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with stand(tmp_path, audit=tmp_path / "file") as at:
        answer = at.sign_in(at.tokens["operate"])
        assert answer.status == 409
        assert "audit" in answer.error
        assert "set-cookie" not in answer.headers


def test_a_server_in_a_thread_ends_with_its_block_also_while_clients_listen(tmp_path: Path) -> None:
    with ExitStack() as server, ExitStack() as clients:
        served = server.enter_context(serving(ScriptedSource(), Settings(audit=tmp_path)))
        address = f"ws{served.url[4:]}/api/v1/telemetry"
        client = clients.enter_context(connect(address, origin=Origin(served.url), proxy=None))
        client.recv(timeout=20)
        server.close()
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=20)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2])), timeout=5)

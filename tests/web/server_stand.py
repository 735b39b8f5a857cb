"""A real server over the scripted source, somebody of every role, and a clock that can be put forward."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripted_source import ScriptedSource

from archipel.web.server import Settings, Tokens, new_token, serving

ROLES = ("view", "operate", "administer")


@dataclass
class Clock:
    """Monotonic seconds, and as many more as a test adds."""

    more_s: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.more_s


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The sentence of a refusal, which is all a refusal says."""
        assert self.status >= 400, self
        assert set(self.json) == {"error"}
        return str(self.json["error"])


@dataclass
class Stand:
    """A server and who may ask it."""

    url: str
    source: Any
    settings: Settings
    tokens: dict[str, str]
    clock: Clock = field(default_factory=Clock)

    @property
    def netloc(self) -> str:
        return urlsplit(self.url).netloc

    def ask(
        self,
        path: str,
        who: str = "",
        *,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask; `who` is the name of a token, empty for nobody. A header that is empty is not sent."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Origin": self.url, **({"Content-Type": "application/json"} if data is not None else {})}
        if who:
            sent["Authorization"] = f"Bearer {self.tokens[who]}"
        sent = {name: value for name, value in {**sent, **(headers or {})}.items() if value}
        connection = http.client.HTTPConnection(self.netloc, timeout=20)
        try:
            connection.request(method, path if path.startswith("/") else f"/api/v1/{path}", data, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def command(self, who: str, act: str, element: str = "", **more: Any) -> Answer:
        """Give a command."""
        return self.ask("commands", who, method="POST", body=wish(act, element, **more))

    def select(self, who: str, act: str, element: str, **more: Any) -> Answer:
        """Ask what a switching would do."""
        return self.ask("selections", who, method="POST", body=wish(act, element, **more))

    def sign_in(self, token: str, **headers: str) -> Answer:
        """Sign in as the page does."""
        return self.ask("session", method="POST", body={"token": token}, headers=headers)

    def audit(self) -> list[dict[str, Any]]:
        """Every entry."""
        files = sorted(self.settings.audit.glob("audit-*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


_number = iter(range(10**9))


def wish(act: str, element: str = "", **more: Any) -> dict[str, Any]:
    """A command as it is sent."""
    return {"id": f"command-{next(_number)}", "act": act, "element": element, **more}


@contextmanager
def stand(folder: Path, source: Any = None, **more: Any) -> Iterator[Stand]:
    """A server until the block ends."""
    source = source if source is not None else ScriptedSource()
    names = (*ROLES, "other")
    tokens = {name: new_token(folder / "tokens", name, "operate" if name == "other" else name) for name in names}
    clock = Clock()
    settings = Settings(
        **{"audit": folder / "audit", "tokens": Tokens(folder / "tokens"), "clock": clock, "poll_s": 0.02, **more}
    )
    with serving(source, settings) as served:
        yield Stand(served.url, source, settings, tokens, clock)


def eventually(what: Any, limit_s: float = 20.0) -> Any:
    """The first true thing `what()` says, asked again until the limit."""
    until = time.monotonic() + limit_s
    while not (found := what()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)
    return found

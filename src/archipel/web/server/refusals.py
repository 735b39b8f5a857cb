"""Answers that refuse: one shape, for people."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

from archipel.web.nouns import Refused

BAD: Final = 400
NOBODY: Final = 401
FORBIDDEN: Final = 403
MISSING: Final = 404
AGAINST: Final = 409
TOO_LARGE: Final = 413
TOO_MANY: Final = 429


class Refusal(Exception):
    """A request is refused: a status of docs/reference/api.md and a sentence."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.text, self.headers = status, text, headers
        super().__init__(text)


class Json(Response):
    """A record as JSON; NaN becomes null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes."""
        return msgspec.json.encode(content)


def refused(status: int, text: str, headers: dict[str, str] | None = None) -> Json:
    """The answer."""
    return Json(Refused(error=text), status, headers)

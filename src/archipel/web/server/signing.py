"""Signing in and out."""

from __future__ import annotations

import logging
from typing import final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from archipel.web.server.audit import Audit, AuditUnwritable
from archipel.web.server.paths import Nothing, SignIn
from archipel.web.server.people import SESSION_S, People, Person, address_of, cookie_of
from archipel.web.server.reading import read_body, read_json, read_query
from archipel.web.server.refusals import AGAINST, NOBODY, Json, Refusal

logger = logging.getLogger("archipel.web")


@final
class Signing:
    """The paths of the session."""

    def __init__(self, people: People, audit: Audit) -> None:
        self._people, self._audit = people, audit

    async def sign_in(self, request: Request) -> Response:
        """A token in, a session out: a random id in a cookie that no script sees and no other site sends."""
        read_query(request.query_params, Nothing)
        asked = read_json(await read_body(request), SignIn)
        person, key = await to_thread.run_sync(self._sign_in, asked.token, address_of(request))
        answer = Json(person.me())
        is_tls = request.headers.get("origin", "").startswith("https:")
        answer.set_cookie(
            cookie_of(request), key, int(SESSION_S), path="/", secure=is_tls, httponly=True, samesite="strict"
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Forget the session."""
        read_query(request.query_params, Nothing)
        person = await to_thread.run_sync(self._people.sign_out, request)
        if person is not None:
            await to_thread.run_sync(self._left, person)
        answer = Response(status_code=204)
        answer.delete_cookie(cookie_of(request), path="/", httponly=True, samesite="strict")
        return answer

    def _sign_in(self, token: str, address: str) -> tuple[Person, str]:
        try:
            person, key = self._people.sign_in(token, address)
        except Refusal as refusal:
            if refusal.status == NOBODY:  # more of them are not worth a line each: they were counted
                self._write(Person("unknown", "view", address, signed_in=False), refusal.text)
            raise
        self._write(person, "")
        return person, key

    def _left(self, person: Person) -> None:
        """Signing out is never refused."""
        try:
            self._audit.write(person, "signed out")
        except AuditUnwritable:
            logger.exception("that %s signed out is not in the audit", person.name)

    def _write(self, person: Person, refused: str) -> None:
        try:
            self._audit.write(person, "refused" if refused else "signed in", refused)
        except AuditUnwritable as error:
            raise Refusal(AGAINST, f"audit: {error}") from error

"""The server: a Starlette app over a `Source`, sign-in, telemetry, events, commands and their audit."""

from archipel.web.server.app import build_app
from archipel.web.server.running import CannotListen, Served, run_server, serving
from archipel.web.server.settings import Settings
from archipel.web.server.tokens import OneTimeTokens, Tokens, TokensUnusable, new_token, sign_in_link

__all__ = [
    "CannotListen",
    "OneTimeTokens",
    "Served",
    "Settings",
    "Tokens",
    "TokensUnusable",
    "build_app",
    "new_token",
    "run_server",
    "serving",
    "sign_in_link",
]

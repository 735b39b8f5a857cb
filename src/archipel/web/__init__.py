"""The operator's view: a live picture of the archipelago in the browser, and the API it is made from (extra `web`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archipel.web.client import Client

__all__ = ["connect"]


def connect(url: str = "http://127.0.0.1:8765", token: str = "") -> Client:
    """Connect to a server of `archipel serve` or `archipel demo`.

        import archipel.web
        area = archipel.web.connect("http://127.0.0.1:8765")
        area.frame()["cells"]["p_kw"]

    Args:
        url: Where it listens.
        token: Who asks; not needed to see a server on this machine.

    Raises:
        ExtraMissing: the extra `web` is not installed.
        ApiRefused: the server lets nobody in without a token, or not with this one.
        Unreachable: nobody answers there.
    """
    from archipel.model import ExtraMissing

    try:
        from archipel.web.client import Client
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "archipel":
            raise
        raise ExtraMissing(error.name or "msgspec", "web", "Talking to a server") from None
    return Client(url, token)

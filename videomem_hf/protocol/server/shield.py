"""Middleware for every request: size limit, same-origin check, security headers."""

from typing import Final
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_MAX: Final = 16_384
"""Largest request in bytes; real ones are far smaller."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; media-src 'self' blob:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), fullscreen=(self)",
    "cache-control": "no-store",
}
"""Headers of every response that does not set them itself."""


class Shield:
    """ASGI middleware around the whole server."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse requests that are too long or from another origin; pass on the others and add the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        app = _refuse(scope["method"], Headers(scope=scope)) or self.app
        await app(scope, receive, send_with_headers)


def _refuse(method: str, headers: Headers) -> JSONResponse | None:
    if method in {"GET", "HEAD"}:
        return None
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdigit():
        status, code, message = 411, "no_length", "Requests need a content length."
    elif int(length) > BODY_MAX:
        status, code, message = 413, "too_long", f"A request has at most {BODY_MAX} bytes."
    elif not _same_origin(headers):
        status, code, message = 403, "other_origin", "Requests must come from the study's own pages."
    else:
        return None
    return JSONResponse({"error": code, "message": message}, status)


def _same_origin(headers: Headers) -> bool:
    """Whether the study's own page sent a request.

    Browsers say so themselves in Sec-Fetch-Site, which no page can set, at every address with HTTPS. Elsewhere the
    origin must be the host, as the browser or a proxy gives it.
    """
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    hosts = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()}
    return origin is None or urlsplit(origin).netloc.lower() in hosts

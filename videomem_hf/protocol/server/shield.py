"""Middleware for every request: size limit, same-origin check, security headers."""

import json
from typing import Any, Final
from urllib.parse import urlsplit

BODY_MAX: Final = 16_384
"""Largest request in bytes; real ones are far smaller."""

_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "style-src-attr": "'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self' data:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
_HEADERS: Final = (
    (b"content-security-policy", "; ".join(f"{name} {value}" for name, value in _POLICY.items()).encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), fullscreen=(self)"),
)


class Shield:
    """ASGI middleware around the whole server."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Refuse requests that are too long or from another origin; pass on the others and add the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in _HEADERS if pair[0] not in own)]
                if b"cache-control" not in own:
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        problem = _problem(scope["method"], headers)
        if problem is not None:
            await _refuse(send_with_headers, *problem)
        else:
            await self.app(scope, receive, send_with_headers)


def _problem(method: str, headers: dict[bytes, bytes]) -> tuple[int, str, str] | None:
    if method in {"GET", "HEAD"}:
        return None
    if b"transfer-encoding" in headers or not headers.get(b"content-length", b"0").isdigit():
        return 411, "no_length", "Requests need a content length."
    if int(headers.get(b"content-length", b"0")) > BODY_MAX:
        return 413, "too_long", f"A request has at most {BODY_MAX} bytes."
    origin = headers.get(b"origin")
    elsewhere = origin is not None and urlsplit(origin).netloc.lower() != headers.get(b"host", b"").lower()
    if elsewhere or headers.get(b"sec-fetch-site", b"same-origin") not in {b"same-origin", b"none"}:
        return 403, "other_origin", "Requests must come from the study's own pages."
    return None


async def _refuse(send: Any, status: int, code: str, message: str) -> None:
    body = json.dumps({"error": code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

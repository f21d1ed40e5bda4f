"""What a participant outside would meet at the address of a study: TLS, proxy, pages, texts, speed."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from videomem_hf.protocol.server.study import Study
from videomem_hf.protocol.server.texts import load_texts, text_problems
from videomem_hf.schema import InputError

_TIMEOUT_S: Final = 15
_CLIP_S: Final = 2.0
"""Longest time for an example clip: the game loads several clips ahead of a showing of seconds."""


@dataclass(frozen=True)
class Finding:
    """One thing that was tried: whether it works, and in words."""

    works: bool
    text: str


def check_address(study: Study, address: str) -> Iterator[Finding]:
    """Visit a served study as a participant's browser would, from this machine.

    Raises InputError for an address that is none.
    """
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(
            f"{address!r}: not an address; give the one of participants, such as https://study.example.org"
        )
    address = f"{parts.scheme}://{parts.netloc}"
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    plain = "is not HTTPS, and needs not be on this machine" if local else "is not HTTPS"
    https = "is HTTPS" if parts.scheme == "https" else plain
    yield Finding(parts.scheme == "https" or local, f"{address} {https}")
    try:
        facts = json.loads(_get(f"{address}/api/study"))
    except (OSError, HTTPException, ValueError) as error:
        yield Finding(False, f"the study does not reply there: {_cause(error)}")
        return
    title = load_texts(study.folder, study.settings)[study.settings.languages[0]]["title"]
    mine = facts.get("title") == title and facts.get("examples") == len(study.examples)
    yield Finding(mine, f"the study there is {'this one' if mine else 'another one: ' + str(facts.get('title'))[:60]}")
    secure = facts.get("secure") is True
    if parts.scheme == "https":
        told = "tells" if secure else "does not tell"
        yield Finding(secure, f"the proxy {told} the server that participants use HTTPS")
    yield from _pages(address)
    yield _posting(address)
    problems = list(text_problems(study.folder, study.settings))
    yield from (Finding(False, problem) for problem in problems)
    if not problems:
        yield Finding(True, f"all texts are there in {', '.join(study.settings.languages)}")
    if study.examples:
        yield _speed(f"{address}/examples/0")


def _pages(address: str) -> Iterator[Finding]:
    for path in ("/", "/static/page.js", "/static/vendor/jspsych.js"):
        try:
            _get(address + path)
        except (OSError, HTTPException) as error:
            yield Finding(False, f"{path} cannot be loaded: {_cause(error)}")
        else:
            yield Finding(True, f"{path} loads")


def _posting(address: str) -> Finding:
    """A return code that is unknown must be refused as unknown, not for where it comes from."""
    headers = {"origin": address, "content-type": "application/json"}
    request = Request(f"{address}/api/return", b'{"code": "0000"}', headers, method="POST")
    try:
        with urlopen(request, timeout=_TIMEOUT_S):
            return Finding(False, "an unknown return code is accepted")
    except HTTPError as error:
        content = _json(error)
        if content.get("error") in {"unknown_code", "too_many"}:
            return Finding(True, "responses are accepted")
        reason = content.get("message") or f"status {error.code}"
        return Finding(False, f"responses are refused ({reason}); let the proxy forward the header Host")
    except (OSError, HTTPException) as error:
        return Finding(False, f"responses cannot be sent: {_cause(error)}")


def _speed(address: str) -> Finding:
    start = time.perf_counter()
    try:
        size = len(_get(address))
    except (OSError, HTTPException) as error:
        return Finding(False, f"an example clip cannot be loaded: {_cause(error)}")
    seconds = time.perf_counter() - start
    text = f"an example clip of {size / 1e6:.1f} MB loads in {seconds:.1f} s from here"
    return Finding(
        seconds <= _CLIP_S, text if seconds <= _CLIP_S else f"{text}; at most {_CLIP_S:g} s keeps the game fluent"
    )


def _get(address: str) -> bytes:
    with urlopen(address, timeout=_TIMEOUT_S) as response:
        return bytes(response.read())


def _json(error: HTTPError) -> dict[str, Any]:
    try:
        content = json.loads(error.read())
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _cause(error: Exception) -> str:
    return str(error.reason) if isinstance(error, URLError) else str(error) or type(error).__name__

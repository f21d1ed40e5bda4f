"""Clips at addresses: fetched through fsspec, within limits of size and time."""

import re
import threading
import time
from http import HTTPStatus
from typing import Any, Final

from .video_streams import StoredStream, UnreadableVideoError, store_stream

LONGEST_DOWNLOAD_S: Final = 300.0
_CONNECT_S: Final = 30.0
_SILENCE_S: Final = 60.0
"""How long a server may take until the connection stands, and how long it may send nothing."""
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PROTOCOLS: Final = ("http", "https", "hf")
_ADDRESS_IN_TEXT: Final = re.compile(_ADDRESS.pattern + r"[^\s'\"<>]+")
_ONE_SLASH: Final = re.compile(r"(https?|hf):", re.I)
_SECRETS: Final = re.compile(r"(?<=://)[^/?#]*@|[?#].+", re.S)
"""Credentials and query, which errors may name without the rest of the address."""
_REDIRECTS: Final = {
    "TooManyRedirects": "it redirects too often",
    "NonHttpUrlRedirectClientError": "it redirects to an address that is not http:// or https://",
    "InvalidUrlRedirectClientError": "it redirects to something that is no address",
}
"""By the class of aiohttp's error."""


def slashes_hint(path: str) -> str:
    """What to say of a missing file such as `http:/host/clip.mp4`, which `pathlib` makes of an address as well."""
    return "; an address has two slashes after its colon, and is given as text" if _ONE_SLASH.match(path) else ""


def is_address(text: str) -> bool:
    return _ADDRESS.match(text) is not None


def address_name(address: str) -> str:
    """An address without its credentials, query and fragment; any other text as it is."""
    if not (scheme := _ADDRESS.match(address)):
        return address
    host, slash, path = re.split(r"[?#]", address[scheme.end() :])[0].partition("/")
    return f"{scheme[0].lower()}{host.rpartition('@')[2]}{slash}{path}"


def download(address: str) -> StoredStream:
    """Fetch the file at an address.

    Raises an UnreadableVideoError if it cannot be fetched, is over `LARGEST_STREAM`, or takes over
    `LONGEST_DOWNLOAD_S` seconds.
    """
    name = address_name(address)
    protocol, separator, rest = address.partition("://")
    if protocol.lower() not in _PROTOCOLS:
        raise UnreadableVideoError(
            f"{name}: addresses of clips start with http://, https:// or hf://; give one, or a path"
        )
    outcome: list[StoredStream | UnreadableVideoError] = []
    # In a thread, as a server that stops sending would otherwise hold the caller for as long as it likes.
    arguments = (protocol.lower(), protocol.lower() + separator + rest, name, outcome)
    thread = threading.Thread(target=_fetch, args=arguments, daemon=True)
    thread.start()
    thread.join(LONGEST_DOWNLOAD_S)
    if not outcome:
        raise UnreadableVideoError(f"{name}: not fetched within {LONGEST_DOWNLOAD_S:g} s")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _fetch(protocol: str, address: str, name: str, outcome: list[StoredStream | UnreadableVideoError]) -> None:
    """Put the content of an address into `outcome`, or the error that says why it cannot be had."""
    deadline = time.monotonic() + LONGEST_DOWNLOAD_S
    try:
        # Not `fsspec.open`, which takes "::" for a chain of file systems.
        with _file_system(protocol).open(address, "rb", block_size=0) as file:  # one stream, not parts
            outcome.append(store_stream(_Timed(file, name, deadline), name, _declared_size(file)))
    except ImportError as error:
        cause = f"fetching addresses needs another package ({error}): pip install aiohttp"
        outcome.append(UnreadableVideoError(f"{name}: {cause}"))
    except UnreadableVideoError as error:
        outcome.append(error)
    except Exception as error:  # each file system has errors of its own
        outcome.append(UnreadableVideoError(f"{name}: cannot be fetched ({_cause_of(error, address)})"))


def _file_system(protocol: str) -> Any:
    import fsspec

    if protocol == "hf":
        return fsspec.filesystem("hf")
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, connect=_CONNECT_S, sock_read=_SILENCE_S)
    return fsspec.filesystem(protocol, client_kwargs={"timeout": limits})


def _declared_size(file: Any) -> int | None:
    """How many bytes the server says that it sends, compressed or not."""
    headers = getattr(getattr(file, "r", None), "headers", {})
    declared = headers.get("Content-Length") or getattr(file, "size", None)
    return int(str(declared)) if str(declared).isdecimal() else None


class _Timed:
    """A stream that gives up after a time."""

    def __init__(self, stream: Any, name: str, deadline: float) -> None:
        self._stream, self._name, self._deadline = stream, name, deadline

    def read(self, size: int) -> bytes:
        if time.monotonic() > self._deadline:
            raise UnreadableVideoError(f"{self._name}: not fetched within {LONGEST_DOWNLOAD_S:g} s")
        return self._stream.read(size)


def _cause_of(error: BaseException, address: str) -> str:
    """The status that a server answers, or the first line of the error, with addresses as `address_name` gives them."""
    while isinstance(error, FileNotFoundError) and (earlier := error.__cause__ or error.__context__) is not None:
        error = earlier  # fsspec says "not found" whatever it was
    status = getattr(error, "status", None)
    if isinstance(error, FileNotFoundError) and address in map(str, error.args):
        status = HTTPStatus.NOT_FOUND.value
    if redirect := _REDIRECTS.get(type(error).__name__):
        return redirect
    if status in set(HTTPStatus):
        return f"{status} {HTTPStatus(status).phrase}"
    if isinstance(error, TimeoutError):
        return f"no answer within {_CONNECT_S:g} s, or nothing sent for {_SILENCE_S:g} s"
    text = str(error).replace(address, address_name(address)).strip().split("\n")[0]
    if text == address_name(address):  # aiohttp's error of an address without a host
        return "it is no address of a file"
    for secret in _SECRETS.findall(address):
        text = text.replace(secret, "")
    return _ADDRESS_IN_TEXT.sub(lambda found: address_name(found[0]), text) or type(error).__name__

"""Clips from addresses and pipes: what is fetched, what is kept in memory, and what is said of failures."""

import http.server
import os
import pickle
import re
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.clips import grey_levels, write_clip
from videomem_hf.inference.sources import open_source
from videomem_hf.models import video_addresses, video_streams
from videomem_hf.video.video import VideoError, sample_frames


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    return write_clip(tmp_path_factory.mktemp("clip") / "c.webm", grey_levels(48)).read_bytes()


@contextmanager
def serve(answer, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve on loopback what `answer(handler)` sends; gives the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self)

        do_HEAD = do_GET  # noqa: N815 - the name that the class of the library asks for

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    server = Server((host, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name = f"[{host}]" if ":" in host else host
    yield f"http://{name}:{server.server_port}"
    server.shutdown()
    server.server_close()


def send(handler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in (
        {"Content-Length": str(len(body))} | {k.replace("_", "-"): v for k, v in headers.items()}
    ).items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command == "GET":
        handler.wfile.write(body)


def refusal(source) -> str:
    with pytest.raises(VideoError) as refused:
        open_source(source)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_an_address_of_ipv6_is_fetched(content):
    with serve(lambda handler: send(handler, 200, content), "::1") as address:
        assert open_source(f"{address}/c.webm").read() == content


def test_two_colons_chain_no_file_systems(content):
    asked = []

    def answer(handler):
        asked.append(handler.path)
        send(handler, 200, content)

    with serve(answer) as address:
        opened = open_source(f"{address}/a::b.webm")
        assert opened.read() == content
        assert open_source(f"{address}/c.webm::file:///etc/hostname").read() == content
    assert set(asked) == {"/a::b.webm", "/c.webm::file:///etc/hostname"}
    assert opened.name == f"{address}/a::b.webm"


def test_a_declared_size_over_the_limit_is_refused_before_it_is_read(monkeypatch):
    released = threading.Event()

    def answer(handler):
        send(handler, 200, Content_Length=str(video_streams.LARGEST_STREAM + 1))
        released.wait(60)

    monkeypatch.setattr(video_addresses, "LONGEST_DOWNLOAD_S", 20)
    with serve(answer) as address:
        message = refusal(f"{address}/c.webm")
        released.set()
    assert message.endswith("has over 1024 MiB, the most that is read from an address or pipe")


def test_a_silent_server_is_given_up(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(video_addresses, "_SILENCE_S", 0.2)
    with serve(lambda handler: released.wait(60)) as address:
        message = refusal(f"{address}/c.webm")
        released.set()
    assert message.endswith("cannot be fetched (no answer within 30 s, or nothing sent for 0.2 s)")


@pytest.mark.parametrize(
    ("target", "cause"),
    [
        ("file:///etc/hostname", "it redirects to an address that is not http:// or https://"),
        ("ftp://127.0.0.1/c.mp4", "it redirects to an address that is not http:// or https://"),
        ("/c.mp4", "it redirects too often"),
    ],
)
def test_redirects_that_lead_nowhere(target, cause):
    with serve(lambda handler: send(handler, 302, Location=target)) as address:
        assert refusal(f"{address}/c.mp4") == f"{address}/c.mp4: cannot be fetched ({cause})"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://x?token=SECRET", r"hf://x: cannot be fetched \(.*"),
        ("http://user:SECRET@[::1/c.mp4", r"http://\[::1/c.mp4: cannot be fetched \(Invalid IPv6 URL\)"),
        ("http://", r"http://: cannot be fetched \(it is no address of a file\)"),
    ],
)
def test_errors_of_file_systems_are_named_without_secrets(address, message):
    found = refusal(address)
    assert re.fullmatch(message, found)
    assert "SECRET" not in found


@pytest.mark.parametrize("path", ["http:/host/c.mp4", "https:host", "hf:/datasets/a/b/c.mp4"])
def test_an_address_with_one_slash_is_explained(path):
    with pytest.raises(VideoError, match="no such file or directory; an address has two slashes after its colon"):
        list(sample_frames(open_source(path)))


def test_a_closed_file_is_named(content, tmp_path):
    (tmp_path / "c.webm").write_bytes(content)
    with (tmp_path / "c.webm").open("rb") as file:
        pass
    assert re.search(r"c\.webm: cannot be read \(i/o operation on closed file\)", refusal(file))


class Zeros:
    """A stream of some size."""

    def __init__(self, start: bytes, size: int) -> None:
        self._start, self._left = start, size - len(start)

    def read(self, size: int) -> bytes:
        if self._start:
            given, self._start = self._start, b""
            return given
        size = min(size, self._left)
        self._left -= size
        return bytes(size)


def test_a_large_stream_is_not_kept_in_memory(content):
    tracemalloc.start()
    try:
        opened = open_source(Zeros(content, 64 << 20))
        assert len(list(sample_frames(opened, notes=[]))) == 2
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert opened.seek(0, os.SEEK_END) == 64 << 20
    assert peak < 40 << 20


@pytest.mark.parametrize("size", [0, 20 << 20])
def test_a_stored_stream_can_be_pickled_and_is_closed_with_its_last_reference(content, size):
    opened = open_source(Zeros(content, len(content) + size))
    assert opened.read(4) == content[:4]
    copy = pickle.loads(pickle.dumps(opened))
    assert copy.read() == content + bytes(size)
    assert copy.name == "open file"
    assert opened.read(4) == content[4:8]
    inner = opened._file
    del opened
    assert inner.closed

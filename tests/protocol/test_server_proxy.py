"""The study behind the real nginx and Caddy with the configurations that are shipped, and what `--check` finds."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.protocol.conftest import FAST
from tests.protocol.play import ClipNames, HttpConnection, Play
from tests.protocol.served import SHORT, Attentive, make_study
from videomem_hf.protocol.design import Presentation
from videomem_hf.protocol.server.app import page_is_built
from videomem_hf.protocol.server.check import check_address
from videomem_hf.protocol.server.serve import DEPLOY
from videomem_hf.schema import InputError

pytestmark = pytest.mark.skipif(not page_is_built(), reason="no page: python -m videomem_hf.protocol.server.build")
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
CADDY = shutil.which("caddy")
QUICK = replace(SHORT, presentation=Presentation(window_s=0.2, gap_s=0.05))


class Quick(Attentive):
    """Presses 120 ms after the start of a known clip."""

    def respond(self, video, step=1, hours=24.0):
        return None if super().respond(video) is None else 120.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command, port, **options):
    """A program that listens on a port."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, command
                assert time.monotonic() < deadline, command
                time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def nginx(folder, port, server_port, server=None):
    """The command of an nginx with the shipped file, or with a `server` block of one's own."""
    if server is None:
        text = (DEPLOY / "nginx.conf").read_text()
        server = "server {" + text.split("server {")[2]
        assert "ssl_certificate_key" in server
        server = "\n".join(line for line in server.splitlines() if "ssl_certificate" not in line)
        server = server.replace("listen 443 ssl", f"listen 127.0.0.1:{port}").replace("$scheme", "https")
    server = server.replace("127.0.0.1:8000", f"127.0.0.1:{server_port}")
    paths = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    http = f"http {{ access_log {folder}/access; {paths} {server} }}"
    (folder / "nginx.conf").write_text(f"pid {folder}/pid; daemon off; events {{}} error_log {folder}/log; {http}")
    return [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder, port, server_port):
    text = (DEPLOY / "Caddyfile").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{server_port}")
    assert "study.example.org {" in text
    text = text.replace("study.example.org {", f"http://127.0.0.1:{port} {{")
    (folder / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + text)
    return [CADDY, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture
def study(clips, tmp_path):
    return make_study(tmp_path / "study", clips, design=QUICK, settings=FAST)[0]


@pytest.fixture
def server(study):
    port = free_port()
    command = [sys.executable, "-m", "videomem_hf", "study", "serve", str(study.folder), "--port", str(port)]
    with running(command, port):
        yield port


PROXIES = [
    pytest.param(nginx, marks=pytest.mark.skipif(NGINX is None, reason="no nginx on this machine")),
    pytest.param(caddy, marks=pytest.mark.skipif(CADDY is None, reason="no Caddy on this machine")),
]


def post(port, host, origin, **headers):
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    sent = {"host": host, "origin": origin, "content-type": "application/json", **headers}
    connection.request("POST", "/api/return", b'{"code": "0000"}', sent)
    response = connection.getresponse()
    return response.status, json.loads(response.read())["error"]


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_study_is_played_through_a_proxy(study, server, tmp_path, proxy):
    port = free_port()
    with running(proxy(tmp_path, port, server), port, env={**os.environ, "HOME": str(tmp_path)}):
        play = Play(HttpConnection(f"http://127.0.0.1:{port}"), ClipNames(study.clips.values()), Quick())
        play.join()
        play.step(1)
        assert play.me()["stage"] == "waiting"
        host = f"127.0.0.1:{port}" if proxy is caddy else "study.example.org"
        assert post(port, host, f"http://{host}") == (404, "unknown_code")
        assert post(port, host, "http://evil.example.org") == (403, "other_origin")
        assert post(port, host, "http://evil.example.org", **{"sec-fetch-site": "cross-site"}) == (403, "other_origin")
        found = list(check_address(study, f"http://127.0.0.1:{port}"))
        assert [finding.text for finding in found if not finding.works] == []
        assert len(found) >= 7
    log = tmp_path / "access"
    assert not log.exists() or not log.read_text()


@pytest.mark.skipif(NGINX is None, reason="no nginx on this machine")
def test_the_default_of_nginx_is_no_reason_to_refuse_a_browser(server, tmp_path):
    """Without headers of its own nginx gives its upstream's address as the host; a browser says that it is at home."""
    port = free_port()
    bare = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:8000; }} }}"
    with running(nginx(tmp_path, port, server, bare), port):
        origin = "https://study.example.org"
        assert post(port, "study.example.org", origin, **{"sec-fetch-site": "same-origin"}) == (404, "unknown_code")
        assert post(port, "study.example.org", origin) == (403, "other_origin")


@pytest.mark.skipif(NGINX is None, reason="no nginx on this machine")
def test_nginx_tells_the_server_of_https(study, server, tmp_path):
    port = free_port()
    with running(nginx(tmp_path, port, server), port):
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/api/study")
        assert json.loads(connection.getresponse().read())["secure"] is True


def test_the_check_says_what_is_wrong(study):
    with pytest.raises(InputError, match="not an address"):
        list(check_address(study, "study.example.org"))
    found = list(check_address(study, f"http://127.0.0.1:{free_port()}"))
    assert [finding.works for finding in found] == [True, False]
    assert "does not reply there" in found[1].text


def test_the_check_of_a_plain_server_and_of_another_study(study, server, clips, tmp_path):
    assert all(finding.works for finding in check_address(study, f"http://127.0.0.1:{server}"))
    other, _ = make_study(tmp_path / "other", clips, design=QUICK, settings=replace(FAST, title="Other"))
    command = [sys.executable, "-m", "videomem_hf", "study", "serve", str(other.folder)]
    result = subprocess.run(
        [*command, "--check", f"http://127.0.0.1:{server}"], capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert "PROBLEM  the study there is another one: Video memory game" in result.stdout
    assert "1 of 8 checks failed" in result.stderr


def test_a_port_in_use_and_a_missing_driver_are_one_sentence_before_any_address(study, server):
    command = [sys.executable, "-m", "videomem_hf", "study", "serve", str(study.folder), "--port"]
    for more, message in (
        ([str(server)], f"Port {server} of 127.0.0.1 is in use; stop what uses it, or give another --port."),
        ([str(free_port()), "--database", "mysql+nodriver://x/y"], "is no database URL"),
    ):
        result = subprocess.run([*command, *more], capture_output=True, text=True, check=False)
        assert result.returncode != 0
        assert "http://" not in result.stdout
        assert message in result.stderr.replace("\n", " ")


def test_the_container_file_serves_a_study(study, tmp_path):
    """What it copies is there; its command serves, its check of health tells, and its signal ends the server."""
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    root = Path(__file__).parents[2]
    assert copied
    assert all((root / name).exists() for names in copied for name in names)
    port = free_port()
    serve, health = (
        json.loads(
            next(line for line in lines if line.startswith(start)).removeprefix(start).replace("8000", str(port))
        )
        for start in ("CMD ", "HEALTHCHECK CMD ")
    )
    serve = [str(study.folder) if part == "/study" else part for part in serve]
    assert serve[0] == "videomem"
    health[0] = sys.executable
    assert subprocess.run(health, capture_output=True, check=False).returncode != 0
    stop = next(line for line in lines if line.startswith("STOPSIGNAL")).split()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "videomem_hf", *serve[1:]],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(health, capture_output=True, check=False).returncode:
            assert process.poll() is None
            assert time.monotonic() < deadline
        process.send_signal(signal.Signals[stop])
        assert process.wait(30) in {0, 130}  # ended as Ctrl-C ends it
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_the_unit_is_valid(tmp_path):
    unit = tmp_path / "videomem-study.service"
    unit.write_text((DEPLOY / "videomem-study.service").read_text().replace("/opt/videomem/bin/videomem", "/bin/true"))
    result = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert not [line for line in result.stderr.splitlines() if unit.name in line]

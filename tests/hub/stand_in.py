"""A stand-in of the Hub's HTTP API on this machine: enough to push to, to list, and to load from.

Git's and LFS's part of the real one is kept: small text files come with the commit, others are put into a store by
their SHA-256 before, and what the store has is not asked for again.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKENS = {"hf_writer": ("ann", "write"), "hf_reader": ("ann", "read")}
LARGE_ENDINGS = (".safetensors", ".parquet", ".png", ".webm")
TYPES = {"models": "model", "datasets": "dataset", "spaces": "space"}


@dataclass
class Repository:
    """One repository: visibility, content by path, messages of its commits."""

    private: bool
    sdk: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)


@dataclass
class Hub:
    """What the stand-in holds, and what was asked of it.

    Attributes:
        repositories: By type and id.
        store: Large files by SHA-256.
        requests: Method and path of each request.
        stored: SHA-256 of each large file that was sent, in order.
        hold_after: After so many large files the next one is not answered, until `released` is set.
        loses: Path that a commit silently drops.
        yaml_error: What the check of a card's header says; None for no complaint.
    """

    url: str = ""
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    store: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    hold_after: int | None = None
    held: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    loses: str | None = None
    yaml_error: str | None = None


class RefusalError(Exception):
    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _answer(self) -> None:
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests.append((self.command, url.path))
        try:
            self._route(unquote(url.path))
        except RefusalError as refusal:
            headers = {"X-Error-Message": refusal.message} | ({"X-Error-Code": refusal.code} if refusal.code else {})
            self._send(refusal.status, json.dumps({"error": refusal.message}).encode(), headers)

    def _route(self, path: str) -> None:
        if path == "/api/whoami-v2":
            name, role = self._account()
            self._json({"name": name, "type": "user", "orgs": [], "auth": {"accessToken": {"role": role}}})
        elif path == "/api/repos/create":
            self._create(json.loads(self.body))
        elif path == "/api/validate-yaml":
            error = self.hub.yaml_error
            self._json({"warnings": [], "errors": [{"message": error}] if error else []}, 400 if error else 200)
        elif found := re.fullmatch(r"/api/(models|datasets|spaces)/([^/]+/[^/]+)(/.*)?", path):
            self._repository_api(TYPES[found[1]], found[2], found[3] or "")
        elif found := re.fullmatch(r"/(?:(datasets|spaces)/)?([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            self._batch()
        elif path.startswith("/store/"):
            self._put(path.removeprefix("/store/"))
        elif found := re.fullmatch(r"/(?:(datasets|spaces)/)?([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            self._resolve(self._repository(TYPES[found[1] or "models"], found[2]), found[3])
        else:
            raise RefusalError(404, f"no such address: {path}")

    def _account(self) -> tuple[str, str]:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token not in TOKENS:
            raise RefusalError(401, "Invalid credentials in Authorization header")
        return TOKENS[token]

    def _writer(self, repo: str) -> None:
        name, role = self._account()
        if role != "write" or repo.split("/")[0] != name:
            raise RefusalError(403, f"You don't have the rights to write to {repo}")

    def _repository(self, kind: str, repo: str) -> Repository:
        if (kind, repo) not in self.hub.repositories:
            raise RefusalError(404, "Repository not found", "RepoNotFound")
        found = self.hub.repositories[kind, repo]
        if found.private:
            self._account()
        return found

    def _create(self, wanted: dict[str, Any]) -> None:
        repo = f"{wanted['organization']}/{wanted['name']}"
        self._writer(repo)
        key = wanted.get("type") or "model", repo
        there = key in self.hub.repositories
        if not there:
            private = wanted.get("private", False) or wanted.get("visibility") == "private"
            self.hub.repositories[key] = Repository(private, wanted.get("sdk"))
        prefix = "" if key[0] == "model" else f"{key[0]}s/"
        self._json({"url": f"{self.hub.url}/{prefix}{repo}", "id": repo}, 409 if there else 200)

    def _repository_api(self, kind: str, repo: str, rest: str) -> None:
        found = self._repository(kind, repo)
        if rest == "" or rest.startswith("/revision/"):
            siblings = [{"rfilename": path} for path in found.files]
            card = {
                "id": repo,
                "sha": COMMIT,
                "private": found.private,
                "siblings": siblings,
                "tags": [],
                "sdk": found.sdk,
            }
            self._json(card)
        elif rest.startswith("/tree/"):
            _, _, below = rest.removeprefix("/tree/").partition("/")
            self._json(_tree(found.files, below, "true" in str(self.query.get("recursive")).lower()))
        elif rest.startswith("/paths-info/"):
            wanted = parse_qs(self.body.decode()).get("paths") or json.loads(self.body)["paths"]
            self._json([_entry(path, found.files[path]) for path in wanted if path in found.files])
        elif rest.startswith("/preupload/"):
            self._writer(repo)
            self._json({"files": [_mode(each, found) for each in json.loads(self.body)["files"]]})
        elif rest.startswith("/commit/"):
            self._writer(repo)
            self._commit(kind, repo, found)
        else:
            raise RefusalError(404, f"no such address: {rest}")

    def _batch(self) -> None:
        self._account()
        objects = []
        for each in json.loads(self.body)["objects"]:
            known = each["oid"] in self.hub.store
            upload = {"actions": {"upload": {"href": f"{self.hub.url}/store/{each['oid']}"}}}
            objects.append(each if known else each | upload)
        self._json({"transfer": "basic", "objects": objects})

    def _put(self, oid: str) -> None:
        if self.hub.hold_after is not None and len(self.hub.stored) >= self.hub.hold_after:
            self.hub.held.set()
            self.hub.released.wait(30)
            self.close_connection = True
            return
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.hub.store[oid] = self.body
        self.hub.stored.append(oid)
        self._send(200, b"")

    def _commit(self, kind: str, repo: str, found: Repository) -> None:
        for line in self.body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "header":
                found.commits.append(value["summary"])
            elif value["path"] == self.hub.loses:
                continue
            elif operation["key"] == "file":
                found.files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                found.files[value["path"]] = self.hub.store[value["oid"]]
            elif operation["key"] == "deletedFile":
                del found.files[value["path"]]
            else:
                raise RefusalError(400, f"unknown operation {operation['key']}")
        self._json({"commitUrl": f"{self.hub.url}/{repo}/commit/{COMMIT}", "commitOid": COMMIT})

    def _resolve(self, found: Repository, path: str) -> None:
        if path not in found.files:
            raise RefusalError(404, "Entry not found", "EntryNotFound")
        content = found.files[path]
        self._send(200, content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT})

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _is_large(path: str) -> bool:
    return path.endswith(LARGE_ENDINGS)


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _git_oid(content)}
    if _is_large(path):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return entry


def _tree(files: dict[str, bytes], below: str, recursive: bool) -> list[dict[str, Any]]:
    """The files and folders in a folder, or all below it."""
    prefix = f"{below}/" if below else ""
    inside = {path: content for path, content in files.items() if path.startswith(prefix)}
    if below and not inside:
        raise RefusalError(404, f"{below} does not exist", "EntryNotFound")
    folders = {parent.as_posix() for path in inside for parent in PurePosixPath(path).parents} - {".", below}
    folders = {path for path in folders if path.startswith(prefix)}
    entries = [
        {"type": "directory", "path": path, "size": 0, "oid": _git_oid(path.encode())} for path in sorted(folders)
    ]
    entries += [_entry(path, content) for path, content in inside.items()]
    return [entry for entry in entries if recursive or "/" not in entry["path"].removeprefix(prefix)]


def _mode(wanted: dict[str, Any], found: Repository) -> dict[str, Any]:
    path = wanted["path"]
    answer = {"path": path, "uploadMode": "lfs" if _is_large(path) else "regular", "shouldIgnore": False}
    if path in found.files:
        content = found.files[path]
        answer["oid"] = hashlib.sha256(content).hexdigest() if _is_large(path) else _git_oid(content)
    return answer


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Serve a stand-in until the block ends."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        thread.join()
        server.server_close()

"""Plays a served study over HTTP as a browser does: for tests and load tests, with simulated participants.

The server does not reveal which clip it sends; the player identifies it by its content, from the study's files.
"""

import hashlib
import http.client
import json
import random
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np

from videomem_hf.protocol.simulate import (
    MemoryModel,
    Participants,
    SimulatedVideos,
    draw_rt_ms,
    press_chance,
    recognition_chance,
    strength_after,
    strength_at_lag,
)
from videomem_hf.statistics import Floats


class Player(Protocol):
    """Who responds, such as `SimulatedParticipant`."""

    def respond(self, video: str, step: int = 1, hours: float = 24.0) -> float | None:
        """Milliseconds from the start of the clip to the press; None without one."""


@dataclass(frozen=True)
class Reply:
    """A server's reply."""

    status: int
    content: bytes
    proof: str = ""

    def json(self) -> dict[str, Any]:
        """The content as an object."""
        return dict(json.loads(self.content))


class Connection(Protocol):
    """One participant's connection; it keeps cookies. A lost connection raises OSError or HTTPException."""

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Reply:
        """Send a request and wait for the reply."""


class HttpConnection:
    """A persistent connection, reopened when it is lost.

    Args:
        address: Such as http://127.0.0.1:8000.
        timeout_s: Longest wait for a reply.
    """

    def __init__(self, address: str, timeout_s: float = 30.0) -> None:
        parts = urlsplit(address)
        self._host, self._port, self._timeout_s = parts.hostname or "", parts.port or 80, timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self.cookies: dict[str, str] = {}

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Reply:
        """Send a request and wait for the reply."""
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["content-type"] = "application/json"
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            self._connection.request(method, path, content, headers)
            response = self._connection.getresponse()
            reply = Reply(response.status, response.read(), response.getheader("x-clip-proof", ""))
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        for cookie in response.headers.get_all("set-cookie", []):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(cookie).items()}
        return reply

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class GameOver(Exception):  # noqa: N818
    """The server refused to continue; `code` is that of `game.Refused`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def unpad_clip(content: bytes) -> bytes:
    """A clip as it was before `clips.pad_clip`: without the last Void element (WebM) or `free` box (MP4)."""
    start = content.rindex(b"padding of the study server")
    return content[: start - (8 if content[start - 4 : start] == b"free" else 9)]


class ClipNames:
    """Identifies clips by their content.

    Args:
        files: The study's clips; a clip's name is its file's without the ending.
    """

    def __init__(self, files: Collection[Path]) -> None:
        self._names = {hashlib.sha256(file.read_bytes()).digest(): file.stem for file in files}
        assert len(self._names) == len(files), "two clips have the same content"

    def of(self, content: bytes) -> str:
        """The name of the clip that the server sent."""
        return self._names[hashlib.sha256(unpad_clip(content)).digest()]


class Play:
    """One participant who plays a study.

    Args:
        connection: To the server.
        names: Identifies the clips.
        player: Who responds.
        sleep: Waits for seconds; a test advances its clock instead.
        on_reply: Called after each reply with method, path and seconds.
        patience_s: How long to retry a server that cannot be reached.
    """

    def __init__(
        self,
        connection: Connection,
        names: ClipNames,
        player: Player,
        *,
        sleep: Callable[[float], None] = time.sleep,
        on_reply: Callable[[str, str, float], None] | None = None,
        patience_s: float = 60.0,
    ) -> None:
        self.connection, self.names, self.player = connection, names, player
        self.sleep, self.on_reply, self.patience_s = sleep, on_reply, patience_s
        self.page = secrets.token_hex(16)
        self.responses: dict[tuple[int, int], tuple[str, float | None]] = {}
        self.proofs: dict[tuple[int, int], str] = {}
        self.facts = self.request("GET", "/api/study").json()

    def join(self, **fields: Any) -> None:
        """Agree to take part; `fields` as `participant_api.JoinBody` has them."""
        self.request("POST", "/api/participants", {"consent": True, **fields})

    def me(self) -> dict[str, Any]:
        """The participant's stage in the study."""
        return self.request("GET", "/api/me").json()

    def step(self, step: int, hours: float = 24.0, until: int | None = None) -> None:
        """Start or resume a step and play up to its last showing, or the one before `until`.

        Args:
            step: 1 or 2.
            hours: In step 2, hours since step 1; for the player.
            until: Position at which to stop.

        Raises:
            GameOver: The server refused.
        """
        started = self.request("POST", f"/api/steps/{step}/begin", {"page": self.page}).json()
        for position in range(started["next"], until or started["showings"] + 1):
            self.sleep(self.facts["gap_ms"] / 1000)
            clip = self.request("GET", f"/api/steps/{step}/clips/{position}")
            video, self.proofs[step, position] = self.names.of(clip.content), clip.proof
            rt_ms = self.player.respond(video, step, hours)
            self.sleep((self.facts["window_ms"] if rt_ms is None else rt_ms) / 1000)
            body = {"page": self.page, "rt_ms": rt_ms, "age_ms": 0, "proof": clip.proof}
            self.request("PUT", f"/api/steps/{step}/showings/{position}", body)
            self.responses[step, position] = (video, rt_ms)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Reply:
        """Retry until there is a reply, as the page does.

        Raises:
            GameOver: The server refused.
            OSError, HTTPException: It could not be reached for `patience_s` seconds.
        """
        waited, attempt = 0.0, 0
        while True:
            wait = min(0.5 * 2**attempt, 8.0) * random.uniform(0.5, 1.5)
            start = time.perf_counter()
            try:
                reply = self.connection.send(method, path, body)
            except (OSError, http.client.HTTPException):
                if waited > self.patience_s:
                    raise
            else:
                if self.on_reply is not None:
                    self.on_reply(method, path, time.perf_counter() - start)
                if reply.status < 300:
                    return reply
                refusal = reply.json()
                if reply.status not in {425, 429} and reply.status < 500:
                    raise GameOver(refusal["error"], refusal["message"])
                wait = refusal.get("wait_ms", 1000 * wait) / 1000
            waited, attempt = waited + wait, attempt + 1
            self.sleep(wait)


@dataclass
class SimulatedParticipant:
    """One participant who responds to one showing at a time, knowing only the videos and the order of earlier showings.

    Attributes:
        videos: The videos of the study, of known memorability.
        traits: A `Participants` of one.
        seed: The responses are a pure function of the seed and of what is shown.
        window_ms: The response window.
        model: The parameters of the simulation.
    """

    videos: SimulatedVideos
    traits: Participants
    seed: int
    window_ms: float = 7000.0
    model: MemoryModel = field(default_factory=MemoryModel)

    def __post_init__(self) -> None:
        self._generator = np.random.default_rng([self.seed, 2])
        self._index = {name: index for index, name in enumerate(self.videos.names)}
        self._seen: dict[str, tuple[int, int]] = {}
        self._shown = {1: 0, 2: 0}

    def respond(self, video: str, step: int = 1, hours: float = 24.0) -> float | None:
        """Respond to a showing.

        Args:
            video: Name of the video shown.
            step: 1 or 2.
            hours: In step 2, hours since step 1.

        Returns:
            Milliseconds from the start of the clip to the press of the key; None if it is not pressed.
        """
        self._shown[step] += 1
        index = self._index[video]
        seen = self._seen.get(video)
        self._seen[video] = (step, self._shown[step])
        if seen is None:
            chance, mean_ms = self.traits.guessing, self._false_rt_ms(step)
        else:
            strength, mean_ms = self._memory(index, step, seen, hours)
            memory = recognition_chance(strength, self.traits.ability)
            chance = press_chance(memory, self.traits.attention, self.traits.guessing)
        drawn = draw_rt_ms(self.traits.pace * mean_ms, self.window_ms, self._generator)
        return float(drawn[0]) if self._generator.random() < chance[0] else None

    def _memory(self, index: int, step: int, seen: tuple[int, int], hours: float) -> tuple[Floats, float]:
        """Strength and mean response time: of a repeat within the step, or after a day or more."""
        if step == seen[0]:
            lag = np.array([self._shown[step] - seen[1]], dtype=np.int32)
            strength = strength_at_lag(self.videos.short_term[[index]], lag, self.model)
            return strength, float(self.videos.short_rt_ms[index])
        strength = strength_after(self.videos.long_term[[index]], np.array([hours]), self.model)
        return strength, float(self.videos.long_rt_ms[index])

    def _false_rt_ms(self, step: int) -> float:
        return self.model.short_false_rt_ms if step == 1 else self.model.long_false_rt_ms

"""A served study in memory: tiny clips, a clock that is moved by hand, participants who play through the interface."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient

from tests.clips import write_clip
from tests.protocol.play import ClipNames, Play, Reply
from videomem_hf.protocol.design import FirstStep, Presentation, SecondStep, StudyDesign
from videomem_hf.protocol.server.app import create_app
from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.settings import StudySettings
from videomem_hf.protocol.server.study import Study, create_study

HOUR_MS = 3_600_000
SHORT = StudyDesign(
    step1=FirstStep(
        targets=3,
        target_lag_min=4,
        target_lag_max=8,
        vigilance_fillers=2,
        vigilance_lag_min=1,
        vigilance_lag_max=2,
        fillers=4,
        candidates=9,
    ),
    step2=SecondStep(targets=3, fillers=3),
    presentation=Presentation(window_s=2.0, gap_s=0.5),
)
"""14 showings of 9 videos, then 6; 12 videos are needed."""


def write_clips(folder: Path, count: int) -> Path:
    """Clips video1.webm, video2.mp4, ..., WebM and MP4 in turns, each of another brightness."""
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        suffix, codec = (".webm", "libvpx") if number % 2 else (".mp4", "libx264")
        frames = [np.full((48, 64, 3), 10 * number + frame, dtype=np.uint8) for frame in range(3)]
        write_clip(folder / f"video{number}{suffix}", frames, codec=codec)
    return folder


@dataclass
class Clock:
    """The server's clock."""

    ms: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms

    def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@dataclass
class ClientConnection:
    """One participant's cookies, over the application itself."""

    client: TestClient
    cookies: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Reply:
        self.client.cookies.clear()
        self.client.cookies.update(self.cookies)
        response = self.client.request(method, path, json=body)
        self.cookies |= dict(response.cookies)
        self.last_headers = response.headers
        return Reply(response.status_code, response.content, response.headers.get("x-clip-proof", ""))


class Attentive:
    """Presses at every clip seen before, 1,000 ms after its start, and at no other."""

    def __init__(self, right: bool = True) -> None:
        self.right = right
        self.seen: set[str] = set()

    def respond(self, video: str, step: int = 1, hours: float = 24.0) -> float | None:
        known = video in self.seen
        self.seen.add(video)
        return 1000.0 if known == self.right else None


@dataclass
class Served:
    """A study that is being served."""

    study: Study
    secret: str
    database: Database
    client: TestClient
    clock: Clock
    names: ClipNames

    def play(self, player: Any = None, **fields: Any) -> Play:
        """A participant who has joined."""
        connection = ClientConnection(self.client)
        play = Play(connection, self.names, player or Attentive(), sleep=self.clock.sleep)
        play.join(**fields)
        return play

    def admin(self, method: str, path: str, secret: str | None = None, **arguments: Any) -> Any:
        """A request of the experimenter."""
        return self.client.request(method, path, auth=("admin", secret or self.secret), **arguments)


@contextmanager
def served(
    study: Study, secret: str = "", url: str | None = None, clock: Clock | None = None, **options: Any
) -> Iterator[Served]:
    """Serve a study without a network; `options` as `Database` takes them."""
    clock = clock or Clock()
    database = Database(url or study.database_url, **options)
    with TestClient(create_app(study, database, clock)) as client:
        yield Served(study, secret, database, client, clock, ClipNames(study.clips.values()))
    database.close()


def make_study(
    folder: Path, clips: Path, design: StudyDesign = SHORT, settings: StudySettings | None = None
) -> tuple[Study, str]:
    """A study whose examples are the first two clips."""
    files = sorted(clips.iterdir())
    return create_study(folder, files[2:], design=design, settings=settings, examples=files[:2])

"""Films with known shots, made of real and generated clips: cuts, slow transitions, and what looks like one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import av
import numpy as np
from PIL import Image, ImageDraw, ImageOps

from videomem_hf.sample import draw_scene
from videomem_hf.sample.render import Shots
from videomem_hf.video.video import sample_frames

RATE: Final = 25
SIZE: Final = (320, 180)
"""Width and height."""
_LARGER: Final = 1.25
"""Footage is this much larger than a film, which may move over it."""
_LONGEST_S: Final = 8

Footage = np.ndarray
"""Frames `(frames, height, width, 3)` uint8, larger than a film's; of one shot."""


@dataclass(frozen=True)
class Change:
    """A change from one shot to the next: of a cut both times are those of the first frame of the new shot."""

    kind: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Film:
    """A file and its true changes."""

    path: Path
    kind: str
    changes: tuple[Change, ...]


def real_footage(clips: list[Path]) -> list[Footage]:
    """Decode the beginnings of clips, which have no cut there; not their ends, at which titles go."""
    pieces = []
    for clip in clips:
        frames = [_fit(frame.image) for frame in islice(sample_frames(clip, RATE), _LONGEST_S * RATE)]
        pieces.append(np.stack(frames[: len(frames) * 3 // 4]))
    return pieces


def photograph_footage(pictures: list[Path], seed: int = 0) -> list[Footage]:
    """Film photographs with a camera that drifts and comes closer, and that has some grain."""
    return [_film_photograph(each, np.random.default_rng([seed, number])) for number, each in enumerate(pictures)]


def _film_photograph(picture: Path, draw: np.random.Generator) -> Footage:
    width, height = _larger_size()
    with Image.open(picture) as opened:
        image = ImageOps.fit(opened.convert("RGB"), (3 * width, 3 * height))
    (left, top), drift = draw.uniform(0, 0.2, 2), draw.uniform(-0.03, 0.03, 3)
    frames = []
    for second in np.arange(_LONGEST_S * RATE) / RATE:
        x, y, side = left + drift[0] * second, top + drift[1] * second, 0.75 * (1 + drift[2] * second)
        box = (x * image.width, y * image.height, (x + side) * image.width, (y + side) * image.height)
        frame = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=_inside(box, image.size)))
        frames.append((frame + draw.normal(0, 3, frame.shape)).clip(0, 255).astype(np.uint8))
    return np.stack(frames)


def _inside(box: tuple[float, ...], size: tuple[int, int]) -> tuple[float, float, float, float]:
    left, top = max(0.0, box[0]), max(0.0, box[1])
    return left, top, min(size[0], box[2]), min(size[1], box[3])


def generated_footage(count: int, first: int = 1) -> list[Footage]:
    """Render scenes of the sample, up to their own cut."""
    return [_render(number) for number in range(first, first + count)]


def _render(number: int) -> Footage:
    scene = draw_scene(0, number)
    width, height = _larger_size()
    shots = Shots(scene, (width, height))
    frames = int((scene.cut_s or 7.0) * RATE)
    return np.stack([np.asarray(shots.frame(index / RATE).convert("RGB")) for index in range(frames)])


def _larger_size() -> tuple[int, int]:
    width, height = (int(side * _LARGER) // 2 * 2 for side in SIZE)
    return width, height


def _fit(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize(_larger_size(), Image.Resampling.BILINEAR))


class Cutter:
    """Takes pieces of footage at random, and joins them to a film.

    Args:
        footage: At least two shots.
        seed: Of what is drawn.
    """

    def __init__(self, footage: list[Footage], seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self._footage = footage
        self._last = -1

    def shot(self, seconds: float, move: str = "still") -> list[np.ndarray]:
        """Frames of a film's size of another piece of footage than before, with a movement of the camera."""
        number = int(self.draw.choice([i for i in range(len(self._footage)) if i != self._last]))
        self._last = number
        footage, wanted = self._footage[number], round(seconds * RATE)
        start = int(self.draw.integers(0, max(1, len(footage) - wanted)))
        indices = [_there_and_back(start + i, len(footage)) for i in range(wanted)]
        wide = (lambda frame: np.hstack([frame, frame[:, ::-1], frame])) if move == "pan" else np.asarray
        return [_crop(wide(footage[i]), x, y) for i, (x, y) in zip(indices, self._path(move, wanted), strict=True)]

    def _path(self, move: str, frames: int) -> Iterator[tuple[float, float]]:
        """Where a film's frame lies in the larger one, 0 to 1 across and down."""
        shares = np.linspace(0, 1, frames)
        if move == "pan":
            turns = self.draw.uniform(1, 4)
            yield from ((0.5 - 0.5 * np.cos(np.pi * turns * share), 0.5) for share in shares)
        elif move == "shake":
            steps = self.draw.normal(0, 0.13, (frames, 2))
            place = np.array([0.5, 0.5])
            for step in steps:
                place = np.clip(place + step - 0.1 * (place - 0.5), 0, 1)
                yield float(place[0]), float(place[1])
        else:
            yield from ((0.5, 0.5) for _ in shares)


def _there_and_back(index: int, length: int) -> int:
    """Play footage forwards and backwards, so that it lasts."""
    turn = index % (2 * length - 2)
    return turn if turn < length else 2 * length - 2 - turn


def _crop(frame: np.ndarray, x: float, y: float) -> np.ndarray:
    left, top = round(x * (frame.shape[1] - SIZE[0])), round(y * (frame.shape[0] - SIZE[1]))
    return frame[top : top + SIZE[1], left : left + SIZE[0]]


def make_cuts(cutter: Cutter, seconds: float) -> tuple[list[np.ndarray], list[Change]]:
    """Shots of .8 to 6 s with hard cuts."""
    frames, changes = cutter.shot(cutter.draw.uniform(0.8, 6)), []
    while len(frames) < seconds * RATE:
        at = len(frames) / RATE
        changes.append(Change("cut", at, at))
        frames += cutter.shot(cutter.draw.uniform(0.8, 6))
    return frames, changes


def make_dissolves(cutter: Cutter, seconds: float) -> tuple[list[np.ndarray], list[Change]]:
    """Shots that go over into each other within .3 to 1.6 s."""
    frames, changes = cutter.shot(cutter.draw.uniform(2.5, 6)), []
    while len(frames) < seconds * RATE:
        length = int(cutter.draw.uniform(0.3, 1.6) * RATE)
        following = cutter.shot(cutter.draw.uniform(3, 6))
        start = len(frames) - length
        for i in range(length):
            frames[start + i] = _mix(frames[start + i], following[i], (i + 1) / (length + 1))
        changes.append(Change("dissolve", start / RATE, len(frames) / RATE))
        frames += following[length:]
    return frames, changes


def make_fades(cutter: Cutter, seconds: float) -> tuple[list[np.ndarray], list[Change]]:
    """Shots that fade to black or white, and from it, each within .3 to 1 s."""
    frames, changes = cutter.shot(cutter.draw.uniform(2.5, 5)), []
    while len(frames) < seconds * RATE:
        level = 255 if cutter.draw.random() < 0.25 else 0
        out, dark, back = (int(cutter.draw.uniform(*each) * RATE) for each in ((0.3, 1), (0.04, 0.6), (0.3, 1)))
        following = cutter.shot(cutter.draw.uniform(3, 5))
        blank, start = np.full_like(frames[0], level), len(frames) - out
        for i in range(out):
            frames[start + i] = _mix(frames[start + i], blank, (i + 1) / (out + 1))
        for i in range(back):
            following[i] = _mix(blank, following[i], (i + 1) / (back + 1))
        frames += [blank] * dark
        changes.append(Change("fade", start / RATE, (len(frames) + back) / RATE))
        frames += following
    return frames, changes


def make_flashes(cutter: Cutter, seconds: float) -> tuple[list[np.ndarray], list[Change]]:
    """One shot in which photographers' flashes of 1 to 4 frames go off."""
    frames = cutter.shot(seconds)
    for at in range(RATE, len(frames) - RATE, 2 * RATE):
        start, length = at + int(cutter.draw.integers(0, RATE // 2)), int(cutter.draw.integers(1, 5))
        white = np.full_like(frames[0], 255)
        for i in range(length):
            frames[start + i] = _mix(frames[start + i], white, cutter.draw.uniform(0.6, 1.0) * (1 - i / 6))
    return frames, []


def make_pans(cutter: Cutter, seconds: float) -> tuple[list[np.ndarray], list[Change]]:
    """One shot over which the camera pans."""
    return cutter.shot(seconds, "pan"), []


def make_shaking(cutter: Cutter, seconds: float) -> tuple[list[np.ndarray], list[Change]]:
    """One shot, from a camera in a nervous hand."""
    return cutter.shot(seconds, "shake"), []


def make_subtitles(cutter: Cutter, seconds: float) -> tuple[list[np.ndarray], list[Change]]:
    """One shot with subtitles that change."""
    frames = cutter.shot(seconds)
    for at in range(0, len(frames), int(1.5 * RATE)):
        letters = "".join(cutter.draw.choice(list("abcdefghij klmnop"), 34))
        for i in range(at, min(at + int(1.2 * RATE), len(frames))):
            frames[i] = _write(frames[i], letters)
    return frames, []


MAKERS: Final[dict[str, Callable[[Cutter, float], tuple[list[np.ndarray], list[Change]]]]] = {
    "cuts": make_cuts,
    "dissolves": make_dissolves,
    "fades": make_fades,
    "flashes": make_flashes,
    "pans": make_pans,
    "shaking": make_shaking,
    "subtitles": make_subtitles,
}


def make_film(kind: str, footage: list[Footage], seed: int, seconds: float, folder: Path) -> Film:
    """Write a film of a kind as MP4."""
    frames, changes = MAKERS[kind](Cutter(footage, seed), seconds)
    path = folder / f"{kind}-{seed}.mp4"
    write_film(path, frames)
    return Film(path, kind, tuple(changes))


def write_film(path: Path, frames: list[np.ndarray], rate: int = RATE) -> None:
    """Encode frames `(height, width, 3)` uint8 with H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "23", "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode())


def _mix(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    return (before * (1 - share) + after * share).astype(np.uint8)


def _write(frame: np.ndarray, text: str) -> np.ndarray:
    picture = Image.fromarray(frame)
    drawn, place = ImageDraw.Draw(picture), (SIZE[0] // 2, round(0.88 * SIZE[1]))
    drawn.text(place, text, fill="white", anchor="mm", font_size=15, stroke_width=2, stroke_fill="black")
    return np.asarray(picture)

"""The practice before each step: its clips, which are in neither step, their order, and the responses.

The clips are those of the study's folder `practice/`, or generated ones: coloured shapes that move.
"""

from collections.abc import Iterable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Connection, delete, insert

from videomem_hf.protocol.design import Practice
from videomem_hf.protocol.server.clips import MEDIA_TYPES
from videomem_hf.protocol.server.database import practice
from videomem_hf.schema import InputError

ROUNDS_MAX: Final = 20
_SIZE: Final = (320, 180)
_FRAMES, _RATE = 30, 10
_SHAPES: Final = ("circle", "square", "triangle", "cross")
_CODECS: Final = {".webm": "libvpx", ".mp4": "libx264"}


class PracticeShowing(NamedTuple):
    """A showing of the practice: the number of its clip, and whether the participant has seen that clip before."""

    clip: int
    repeat: bool


def practice_order(design: Practice, step: int) -> list[PracticeShowing]:
    """The showings of a step's practice, the same for everyone.

    Before step 1: new, new, then a repeat and a new clip in turns. Before step 2: clips of the first practice and new
    ones in turns.
    """
    if step == 1:
        repeats = {position: position // 2 - 1 for position in range(2, design.step1_showings, 2)}
        fresh = iter(range(design.step1_showings))
        return [
            PracticeShowing(repeats[position], True) if position in repeats else PracticeShowing(next(fresh), False)
            for position in range(design.step1_showings)
        ]
    first = design.clips - design.step2_showings // 2
    return [
        PracticeShowing(first + position // 2, False) if position % 2 else PracticeShowing(position // 2, True)
        for position in range(design.step2_showings)
    ]


def own_practice_clips(folder: Path, design: Practice, scored: Iterable[Path]) -> tuple[Path, ...]:
    """The clips in the study's folder `practice/`, sorted by name; empty without one.

    Raises InputError if there are too few, or one of them is among the `scored` clips.
    """
    place = folder / "practice"
    found = (
        tuple(sorted(file for file in place.iterdir() if file.suffix.lower() in MEDIA_TYPES)) if place.is_dir() else ()
    )
    if not found:
        return ()
    if len(found) < design.clips:
        raise InputError(
            f"{place}: {len(found)} clips; the practice shows {design.clips}, add {design.clips - len(found)}."
        )
    by_size: dict[int, list[Path]] = {}
    for clip in scored:
        by_size.setdefault(clip.stat().st_size, []).append(clip)
    for file in found:
        content = file.read_bytes()
        if same := [clip for clip in by_size.get(len(content), []) if clip.read_bytes() == content]:
            raise InputError(f"{file}: the same clip as {same[0]}, which is scored; take another one for the practice.")
    return found


@cache
def generated_clip(number: int, suffix: str) -> bytes:
    """A clip of three seconds: a shape that moves over a ground of its own colour; `suffix` is .webm or .mp4."""
    import av

    buffer = BytesIO()
    with av.open(buffer, "w", format=suffix[1:]) as container:
        stream = container.add_stream(_CODECS[suffix], rate=_RATE)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = _SIZE
        stream.pix_fmt = "yuv420p"
        for frame in range(_FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_picture(number, frame / _FRAMES), format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _picture(number: int, time: float) -> Any:
    """A picture of a generated clip, (height, width, 3) in uint8; `time` is in [0, 1)."""
    from PIL import Image, ImageDraw

    width, height = _SIZE
    picture = Image.new("HSV", _SIZE, (number * 97 % 256, 130, 200)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    x = width * (0.2 + 0.6 * (time if number % 2 else 1 - time))
    y = height * (0.5 + 0.2 * np.sin(2 * np.pi * time + number))
    radius = 20 + 6 * (number % 4)
    box = (x - radius, y - radius, x + radius, y + radius)
    ink = (250, 250, 245) if number % 3 else (30, 35, 60)
    shape = _SHAPES[number % len(_SHAPES)]
    if shape == "circle":
        draw.ellipse(box, fill=ink)
    elif shape == "square":
        draw.rectangle(box, fill=ink)
    elif shape == "triangle":
        draw.polygon([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)], fill=ink)
    else:
        draw.line((box[0], box[1], box[2], box[3]), fill=ink, width=14)
        draw.line((box[0], box[3], box[2], box[1]), fill=ink, width=14)
    return np.array(picture)


def store_practice(
    connection: Connection, participant_id: int, showing: PracticeShowing, values: dict[str, Any]
) -> None:
    """Store a response of the practice; one that is sent again replaces itself.

    `values` are step, round, position, rt_ms, note and received_ms.
    """
    key = {"participant_id": participant_id} | {name: values[name] for name in ("step", "round", "position")}
    connection.execute(delete(practice).filter_by(**key))
    connection.execute(insert(practice).values(**values | key, clip=showing.clip, repeat=showing.repeat))

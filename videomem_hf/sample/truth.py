"""What the generator knows and the release does not contain: true memorability and its causes."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from videomem_hf.sample.memorability import SECONDS, causes_of, memorability, stands_out
from videomem_hf.sample.render import Box, thing_box
from videomem_hf.sample.scene import Scene
from videomem_hf.sample.titles import title_of
from videomem_hf.schema import InputError

TRUTH_FILE: Final = "truth.jsonl"


@dataclass(frozen=True)
class SceneTruth:
    """The truth about one generated video; `place`, `light`, `camera`, `cut_s` and `take_of` are those of its `Scene`.

    Attributes:
        video_id: Number of the video.
        part: "dev" (scored in the release) or "test" (not).
        short_term: True recognition chance in [0, 1] at lag 100.
        long_term: True recognition chance in [0, 1] 24 to 72 hours later.
        scene: Kind of scene: face, figure, animal, vehicle, object, text, scenery or clutter.
        thing: Kind of the salient thing (face, person, cat, car, ...), or None.
        stands_out: Whether one thing stands out.
        boxes: The thing's box (left, top, right, bottom as fractions of the frame) at 0, 1, ... 6 s; None where
            nothing of it is in the frame. Empty without a thing.
        causes: The measured causes of memorability; see `memorability.Causes`.
        title: The title in the captions.
    """

    video_id: int
    part: Literal["dev", "test"]
    short_term: float
    long_term: float
    scene: str
    thing: str | None
    stands_out: bool
    boxes: tuple[Box | None, ...]
    place: str
    light: str
    camera: str
    cut_s: float | None
    causes: dict[str, float]
    title: str
    take_of: int | None


def truth_of(scene: Scene, part: Literal["dev", "test"], aspect: float = 16 / 9) -> SceneTruth:
    """The truth about a scene shown in frames of this aspect (width over height)."""
    causes = causes_of(scene)
    short_term, long_term = memorability(causes)
    boxes = [thing_box(scene, float(second), aspect) for second in SECONDS] if scene.thing else []
    return SceneTruth(
        video_id=scene.video_id,
        part=part,
        short_term=short_term,
        long_term=long_term,
        scene=scene.kind,
        thing=scene.thing.kind if scene.thing else None,
        stands_out=stands_out(scene, causes),
        boxes=tuple(None if box is None else _round(box) for box in boxes),
        place=scene.place,
        light=scene.light,
        camera=scene.camera,
        cut_s=scene.cut_s,
        causes={name: round(value, 6) for name, value in asdict(causes).items()},
        title=title_of(scene),
        take_of=scene.take_of,
    )


def _round(box: Box) -> Box:
    left, top, right, bottom = (round(edge, 5) for edge in box)
    return left, top, right, bottom


def truth_lines(truths: list[SceneTruth]) -> bytes:
    """One JSON object per line, in the order of the videos' numbers."""
    return "".join(json.dumps(asdict(truth), separators=(",", ":")) + "\n" for truth in truths).encode("ascii")


def read_truth(out: Path | str) -> list[SceneTruth]:
    """Read the truth of a sample, ordered by video number; raises an InputError if the folder is not a sample."""
    path = Path(out) / TRUTH_FILE
    if not path.is_file():
        raise InputError(f"{path}: no such file; `videomem sample {out}` makes a sample with its truth.")
    truths = []
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), start=1):
        try:
            record = json.loads(line)
            record["boxes"] = tuple(None if box is None else tuple(box) for box in record["boxes"])
            truths.append(SceneTruth(**record))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}, line {number}: not a truth record ({error}); generate the sample again."
            ) from None
    return truths

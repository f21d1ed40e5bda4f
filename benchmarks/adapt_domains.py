"""Generated data sets of different domains and causes of memorability, which `adapt.py` adapts a predictor between."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np

from videomem_hf.sample.annotations import annotate
from videomem_hf.sample.memorability import causes_of, memorability
from videomem_hf.sample.render import Shots
from videomem_hf.sample.scene import MISSING_IDS, Scene, draw_scene
from videomem_hf.system import atomic_write

SIZE = (160, 90)
SECONDS = 7
PLACES = frozenset({"sea", "underwater", "sky"})
THINGS = frozenset({"fish", "boat", "bird", "balloon", "plane"})
"""The domain of air and water; no clip of the other one is at one of these places or shows one of these things."""
OTHER_CAUSES = {
    "short_term": {
        "conspicuity": 0.8, "person": -0.5, "animal": 0.6, "words": 0.8, "odd": 0.6, "clutter": 0.7, "openness": 0.6,
    },
    "long_term": {
        "conspicuity": -1.0, "person": 0.6, "animal": -0.5, "words": 0.8, "odd": 0.3, "clutter": -0.6, "openness": 0.9,
    },
}  # fmt: skip
"""Weights of the causes in the world in which other things are memorable; those of the sample are in
`videomem_hf.sample.memorability`."""
_OTHER_MEAN, _OTHER_SD = 0.75, 0.09

Truth = tuple[float, float]
"""True short- and long-term memorability of a clip."""


@dataclass(frozen=True)
class Domain:
    """A generated data set: which scenes it shows, and what makes them memorable.

    Attributes:
        name: Of its folder.
        seed: Of its scenes and annotations.
        in_air_or_water: Whether its places are `PLACES`; else none of them is.
        other_causes: Whether memorability comes from `OTHER_CAUSES`.
    """

    name: str
    seed: int
    in_air_or_water: bool = False
    other_causes: bool = False

    def scenes(self) -> Iterator[Scene]:
        """Scenes of the domain, without end; another take of an earlier scene is left out."""
        number = 0
        while True:
            number += 1
            if number in MISSING_IDS:
                continue
            scene = draw_scene(self.seed, number)
            here, thing = scene.place in PLACES, scene.thing.kind if scene.thing else None
            if self.in_air_or_water:
                belongs = here and (thing is None or thing in THINGS)
            else:
                belongs = not here and thing not in THINGS
            if belongs and scene.take_of is None:
                yield scene

    def take(self, count: int) -> list[Scene]:
        scenes = self.scenes()
        return [next(scenes) for _ in range(count)]

    def truth(self, scene: Scene) -> Truth:
        causes = causes_of(scene)
        if not self.other_causes:
            return memorability(causes)
        values = []
        for horizon, (mean, sd) in _moments_of_drive(self.seed).items():
            drive = _drive(horizon, scene)
            values.append(float(np.clip(_OTHER_MEAN + _OTHER_SD * (drive - mean) / sd, 0.02, 0.99)))
        return values[0], values[1]


def _drive(horizon: str, scene: Scene) -> float:
    causes = asdict(causes_of(scene))
    return float(sum(weight * causes[name] for name, weight in OTHER_CAUSES[horizon].items()))


@cache
def _moments_of_drive(seed: int) -> dict[str, tuple[float, float]]:
    """Mean and deviation of the weighted causes of each horizon over many scenes."""
    scenes = Domain("moments", seed + 1).take(300)
    drives = {horizon: [_drive(horizon, scene) for scene in scenes] for horizon in OTHER_CAUSES}
    return {horizon: (float(np.mean(each)), float(np.std(each))) for horizon, each in drives.items()}


def write_domain(domain: Domain, folder: Path, splits: dict[str, int], progress: Callable[[str], None]) -> list[Truth]:
    """Write a table and its clips; returns the truth of each clip, in the table's order.

    Args:
        domain: What is generated.
        folder: Gets `scores.csv`, and `clips/` unless they are there.
        splits: Clips of each split, one after the other.
        progress: Called with a line of text now and then.
    """
    names = [split for split, count in splits.items() for _ in range(count)]
    scenes = domain.take(len(names))
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    truths = [domain.truth(scene) for scene in scenes]
    for index, scene in enumerate(scenes):
        path = folder / "clips" / f"{domain.name}{scene.video_id}.webm"
        if not path.is_file():
            with atomic_write(path) as partial:
                _write_clip(scene, partial)
        if index % 200 == 0:
            progress(f"{domain.name}: {index} of {len(scenes)} clips")
    with (folder / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("video", "short_term", "short_term_annotations", "long_term", "long_term_annotations", "split")
        )
        for scene, truth, split in zip(scenes, truths, names, strict=True):
            drawn = annotate(domain.seed, scene.video_id, *truth)
            row = (drawn.short_term, drawn.short_term_count, drawn.long_term, drawn.long_term_count)
            writer.writerow((f"{domain.name}{scene.video_id}.webm", *row, split))
    return truths


def _write_clip(scene: Scene, path: Path) -> None:
    """Write one frame per second, as predictors sample frames."""
    shots = Shots(scene, SIZE)
    with av.open(str(path), "w", format="webm") as container:
        stream = container.add_stream("libvpx", rate=1, options={"deadline": "realtime", "cpu-used": "-8"})
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.bit_rate = "yuv420p", 60_000
        stream.codec_context.thread_count = 1
        for second in range(SECONDS):
            frame = av.VideoFrame.from_image(shots.frame(float(second)))
            frame.pts = second
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

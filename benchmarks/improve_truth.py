"""Is the advice of `videomem improve` right? Generated clips whose true memorability is known, before and after edits.

    videomem quickstart --out q
    python benchmarks/improve_truth.py q/model --out benchmarks/results/improve_truth.json

Two kinds of clips are made of the generator's scenes, of a seed that the model has not seen. "Mixed" clips have three
to eight different scenes: an edit may help. They are made until 100 have got advice. In 100 "level" clips no edit
helps: they show scenery or clutter without a thing to crop to, in one shot, or in four shots of one place and density,
which differ in every detail and not in memorability. For each the benchmark asks for advice, and looks up the truth of
every edit that was tried. Advice is right if the edited clip is truly more memorable.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import torch
from results_file import machine, write_results
from tqdm import tqdm

from videomem_hf.films.advice import Advice, Trial, advise
from videomem_hf.films.edits import WHOLE
from videomem_hf.inference import load_predictor
from videomem_hf.sample import draw_scene
from videomem_hf.sample.edited import ShownScene, edited_memorability
from videomem_hf.sample.render import Shots
from videomem_hf.sample.scene import Scene

SEED = 77
FPS = 12
STEP_S = 0.25
MOST = 5
"""Mixed clips for each that is to get advice, at most."""
HELPS = 1e-3
"""A smaller rise of the true memorability is none."""


class Part(NamedTuple):
    """A scene and how many of its seconds are shown."""

    scene: Scene
    seconds: float


def scenes() -> Iterator[Scene]:
    """Scenes of one shot that no model was trained on."""
    number = 0
    while True:
        number += 1
        scene = draw_scene(SEED, number)
        if scene.cut_s is None:
            yield scene


def mixed_clips() -> Iterator[list[Part]]:
    """Clips of three to eight scenes, of about 28 s where scenes are long enough."""
    drawn, generator = scenes(), np.random.default_rng(SEED)
    while True:
        scenes_of = int(generator.integers(3, 9))
        longest = min(7.0, 28 / scenes_of)
        yield [Part(next(drawn), longest - 0.25 * int(generator.integers(0, 3))) for _ in range(scenes_of)]


def level_clips(count: int) -> Iterator[list[Part]]:
    """Clips of which all parts are equally memorable, whatever is cropped: of one shot, and of four, in turn."""
    drawn = (scene for scene in scenes() if scene.thing is None)
    for number in range(count):
        scene = next(drawn)
        if number % 2:
            yield [Part(scene, 7.0)]
            continue
        looks = [next(drawn) for _ in range(3)]
        others = [replace(scene, video_id=each.video_id, look=each.look, light=each.light, exposure=each.exposure)
                  for each in looks]  # fmt: skip
        yield [Part(each, 6.75) for each in (scene, *others)]


def write_clip(parts: list[Part], path: Path, size: tuple[int, int] = (160, 90)) -> None:
    """Render the scenes one after the other."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "16", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        number = 0
        for part in parts:
            shots = Shots(part.scene, size)
            for index in range(round(part.seconds * FPS)):
                frame = av.VideoFrame.from_image(shots.frame(index / FPS))
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                number += 1
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def truth_after(parts: list[Part], advice: Advice, trial: Trial | None) -> np.ndarray:
    """True short- and long-term memorability of an edited clip; of a poster that of its frame; None: of the clip."""
    ends = np.cumsum([part.seconds for part in parts])
    times = np.arange(0, ends[-1], STEP_S)
    edit = trial.edit if trial else None
    if edit and edit.poster_s is not None:
        times = np.array([edit.poster_s])
    elif edit:
        times = times[edit.frames(times)]
    looked: dict[tuple[int, Any], list[float]] = {}
    for time_s in times:
        index = min(int(np.searchsorted(ends, time_s, side="right")), len(parts) - 1)
        crop = edit.look.crops[advice.frames.shot_at(time_s)] if edit and edit.look.crops else WHOLE
        looked.setdefault((index, crop), []).append(float(time_s - (ends[index] - parts[index].seconds)))
    contrast = edit.look.contrast if edit else 1.0
    shown = [ShownScene(parts[i].scene, tuple(each), crop, contrast) for (i, crop), each in looked.items()]
    return np.array(edited_memorability(shown))


def truth_gain(parts: list[Part], advice: Advice, trial: Trial) -> float:
    """How much an edit truly raises what was to be raised."""
    column = 0 if advice.horizon == "short_term" else 1
    before = truth_after(parts, advice, None)
    if trial.edit.poster_s is not None:
        before = np.array(edited_memorability([ShownScene(parts[0].scene, (0.0,))]))
    return float((truth_after(parts, advice, trial) - before)[column])


def ask(parts: list[Part], predictor: Any, folder: Path) -> dict[str, Any]:
    """The advice for one clip, and the truth of it."""
    path = folder / "clip.mp4"
    write_clip(parts, path)
    began = time.monotonic()
    advice = advise(path, predictor)
    seconds = time.monotonic() - began
    gains = {trial.edit: truth_gain(parts, advice, trial) for trial in advice.trials}
    return {
        "seconds": seconds,
        "shots": len(advice.frames.shots),
        "tried": len(advice.trials),
        "best_possible": max(gains.values()),
        "advised": [
            {
                "edit": trial.edit.name,
                "kinds": trial.edit.kinds,
                "predicted": trial.tested.gain,
                "interval": trial.interval,
                "true": gains[trial.edit],
            }
            for trial in advice.advised
        ],
    }


def is_poster(advised: dict[str, Any]) -> bool:
    return "another poster frame" in advised["kinds"]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts over clips, and over all advised edits."""
    of_clips = [[each for each in row["advised"] if not is_poster(each)] for row in rows]
    edits = [each for found in of_clips for each in found]
    posters = [each for row in rows for each in row["advised"] if is_poster(each)]
    gains = [found[0]["true"] for found in of_clips if found]
    return {
        "clips": len(rows),
        "an_edit_helps": sum(row["best_possible"] > HELPS for row in rows),
        "with_any_advice": sum(bool(row["advised"]) for row in rows),
        "with_advised_edits": len(gains),
        "best_edit_raises_truth": sum(gain > 0 for gain in gains),
        "mean_true_gain_of_best_edit": float(np.mean(gains)) if gains else None,
        "advised_edits": len(edits),
        "advised_edits_that_raise_truth": sum(each["true"] > 0 for each in edits),
        "true_gain_within_interval": sum(e["interval"][0] <= e["true"] <= e["interval"][1] for e in edits),
        "advised_posters": len(posters),
        "advised_posters_that_raise_truth": sum(each["true"] > 0 for each in posters),
        "edits_tried_per_clip": float(np.mean([row["tried"] for row in rows])),
        "seconds_per_clip": float(np.mean([row["seconds"] for row in rows])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model that was trained on a generated sample")
    parser.add_argument("--clips", type=int, default=100, help="with advice, and of those that no edit helps")
    parser.add_argument("--out", type=Path, help="JSON file")
    parser.add_argument("--rows", type=Path, help="JSON file for what was found of each clip")
    options = parser.parse_args()
    torch.set_num_threads(1)
    predictor = load_predictor(options.model)
    rows: dict[str, list[dict[str, Any]]] = {"mixed": [], "level": []}
    with tempfile.TemporaryDirectory() as folder:
        with tqdm(total=options.clips, desc="mixed, with advice", unit="clip") as bar:
            for parts in mixed_clips():
                rows["mixed"].append(ask(parts, predictor, Path(folder)))
                bar.update(bool(rows["mixed"][-1]["advised"]))
                if bar.n >= options.clips or len(rows["mixed"]) >= MOST * options.clips:
                    break
        for parts in tqdm(level_clips(options.clips), total=options.clips, desc="level", unit="clip"):
            rows["level"].append(ask(parts, predictor, Path(folder)))
    if options.rows:
        write_results(rows, options.rows)
    found = {name: summary(each) for name, each in rows.items()}
    clips = predictor.claims.reference.clips
    model = f"{type(predictor.model).__name__}, trained on a generated sample with {clips} held-out clips"
    write_results({"machine": machine(), "model": model, **found}, options.out)


if __name__ == "__main__":
    main()

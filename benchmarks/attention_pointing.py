"""Do saliency maps find what makes a clip memorable? Peaks of the maps and the true boxes of a generated sample.

    videomem quickstart --out q
    python benchmarks/attention_pointing.py q --out benchmarks/results/attention_pointing.json

In some held-out clips of the quickstart one thing stands out, and the sample's truth has its box at each second. The
benchmark counts the clips whose maps peak inside the box: the highest value over all seconds (the map of each second
sums to 1). Two explanations of the same model are compared: its own attention, and Grad-CAM of its short-term score.
Two baselines ignore the picture: a random point (the box's share of the frame), and the middle of the frame.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import load_dataset
from results_file import machine, write_results
from scipy.stats import binomtest
from tqdm import tqdm

import videomem_hf
from videomem_hf.inference import Predictor, load_predictor
from videomem_hf.inference.saliency import covered_by_cells, place_on_frame, saliency_maps
from videomem_hf.sample import read_truth
from videomem_hf.video.video import probe, sample_frames

Boxes = Sequence[tuple[float, float, float, float] | None]
Pointer = Callable[[Path], np.ndarray]
"""Returns the maps of a clip over the frame, `(seconds, height, width)`."""


def held_out_clips(quickstart: Path) -> list[tuple[Path, Boxes]]:
    """Clips outside the training split in which one thing stands out, and its boxes."""
    truths = {f"video{truth.video_id}": truth for truth in read_truth(quickstart / "sample")}
    data = str(quickstart / "sample" / "release")
    rows = load_dataset("videomem", "videos", data_dir=data, split="validation")
    known = [(Path(row["video"]["path"]), truths[row["video_id"]]) for row in rows]
    return [(path, truth.boxes) for path, truth in known if truth.stands_out and any(truth.boxes)]


def by_attention(predictor: Predictor) -> Pointer:
    """The model's own attention, as in `videomem predict`."""

    def point(clip: Path) -> np.ndarray:
        saliency, info = predictor.predict(clip, maps=True).saliency, probe(clip)
        return np.stack([saliency.at(time_s, (info.height, info.width)) for time_s in saliency.times_s])

    return point


def by_grad_cam(predictor: Predictor) -> Pointer:
    """Grad-CAM of the same network, as if it had no attention."""

    def point(clip: Path) -> np.ndarray:
        frames = np.stack([frame.image for frame in sample_frames(clip)])
        pixels = predictor.processor(videos=[frames], return_tensors="pt")["pixel_values_videos"][0]
        maps = saliency_maps(predictor.model, pixels.to(predictor.device), method="Grad-CAM").cpu().numpy()
        seen, covered = (0.0, 0.0, 1.0, 1.0), covered_by_cells(predictor.model, pixels.shape[-2:])
        return np.stack([place_on_frame(m, frames.shape[1:3], seen, covered) for m in maps])

    return point


def middle(clip: Path) -> np.ndarray:
    """The middle of the frame, for every clip."""
    info = probe(clip)
    maps = np.zeros((1, info.height, info.width))
    maps[0, info.height // 2, info.width // 2] = 1
    return maps


def hits(maps: np.ndarray, boxes: Boxes) -> tuple[bool, list[bool]]:
    """Whether the highest peak of all seconds lies in the box; and for each second with a box whether its peak does."""
    inside: list[bool | None] = []
    for found, box in zip(maps, boxes, strict=False):
        y, x = np.unravel_index(found.argmax(), found.shape)
        x, y = (x + 0.5) / found.shape[1], (y + 0.5) / found.shape[0]
        inside.append(None if box is None else bool(box[0] <= x <= box[2] and box[1] <= y <= box[3]))
    highest = int(np.argmax([found.max() for found in maps[: len(inside)]]))
    return bool(inside[highest]), [hit for hit in inside if hit is not None]


def measure(name: str, point: Pointer, clips: list[tuple[Path, Boxes]]) -> dict[str, Any]:
    """Share of clips and of seconds whose peak lies in the true box."""
    started = time.process_time()
    results = [hits(point(path), boxes) for path, boxes in tqdm(clips, name, unit="clip")]
    count = sum(clip for clip, _ in results)
    low, high = binomtest(count, len(clips)).proportion_ci(0.95, method="wilson")
    seconds = [hit for _, each in results for hit in each]
    return {
        "clips_hit": count / len(clips),
        "interval_95": [low, high],
        "seconds_hit": float(np.mean(seconds)),
        "cpu_s_a_clip": round((time.process_time() - started) / len(clips), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("quickstart", type=Path, help="folder that `videomem quickstart` made")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clips = held_out_clips(arguments.quickstart)
    predictor = load_predictor(str(arguments.quickstart / "model"), "cpu")
    if not isinstance(predictor, Predictor) or predictor.saliency_method != "attention":
        raise SystemExit(f"{arguments.quickstart}: holds no model with attention")
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for _, boxes in clips for box in boxes if box]
    results = {
        "command": "videomem quickstart --out q; python benchmarks/attention_pointing.py q",
        "machine": machine(),
        "version": videomem_hf.__version__,
        "clips": len(clips),
        "what": "held-out generated clips in which one thing stands out; share whose peak lies in its box",
        "attention": measure("attention", by_attention(predictor), clips),
        "grad_cam": measure("Grad-CAM", by_grad_cam(predictor), clips),
        "middle_of_the_frame": measure("middle", middle, clips),
        "random_point": float(np.mean(areas)),
    }
    write_results(results, arguments.out)


if __name__ == "__main__":
    main()

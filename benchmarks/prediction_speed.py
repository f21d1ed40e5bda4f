"""Speed of prediction with ResMem, beside the ten lines that a user would write: OpenCV and the `resmem` package.

    python benchmarks/prediction_speed.py clips/*.webm --out benchmarks/results/prediction_speed.json

Needs `pip install resmem opencv-python-headless 'videomem_hf[onnx]'`. All ways score the same clips, one frame per
second, in turns; the fastest of the repeats counts, which other load on the machine disturbs least. The limits are
measured in the same run: decoding alone, and the network alone on frames that are decoded already. With both at work at
once, no way can be faster than the larger of them, nor than their CPU time divided by the CPUs.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from resmem import ResMem
from results_file import machine, write_results
from timing import matrix_peak
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms

from videomem_hf.inference.export import export_onnx
from videomem_hf.inference.loading import load_predictor
from videomem_hf.inference.onnx import load_onnx_predictor
from videomem_hf.inference.saliency import score_rows
from videomem_hf.system import available_cpus
from videomem_hf.video.video import sample_frames

TO_INPUT = transforms.Compose([transforms.Resize((256, 256)), transforms.CenterCrop(227), transforms.ToTensor()])


def main() -> None:
    """Time every way of scoring the clips, and write the results with ratios to the plain loop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    plain = ResMem(pretrained=True).eval()
    ours = {name: load_predictor("resmem", "cpu", precision=name) for name in ("float32", "bfloat16")}
    exported = exported_resmem()
    batches = [frames_of(clip) for clip in options.clips]
    clips: list[Any] = list(options.clips)
    ways: dict[str, Callable[[], Any]] = {
        "plain loop": lambda: [plain_score(plain, clip) for clip in clips],
        **{f"predict_many, {name}": lambda p=p: scores_of(p.predict_many(clips)) for name, p in ours.items()},
        "predict_many, exported": lambda: scores_of(exported.predict_many(clips)),
        "predict_many with maps": lambda: scores_of(ours["float32"].predict_many(clips, maps=True)),
        "decoding alone": lambda: [sum(1 for _ in sample_frames(clip)) for clip in clips],
        **{f"network alone, {name}": lambda p=p: network(p, torch.cat(batches)) for name, p in ours.items()},
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, Any] = {}
    for turn in range(options.repeats + 1):  # the first round warms up
        for name in list(ways)[:: -1 if turn % 2 else 1]:
            started, cpu = time.perf_counter(), time.process_time()
            results[name] = ways[name]()
            if turn:
                seconds[name].append(time.perf_counter() - started)
                cpu_seconds[name].append(time.process_time() - cpu)
    fastest = {name: min(times) for name, times in seconds.items()}
    expected = np.array(results["plain loop"])
    write_results(
        {
            "machine": machine(),
            "clips": len(clips),
            "frames": sum(len(batch) for batch in batches),
            "seconds": fastest,
            "cpu_seconds": {name: min(times) for name, times in cpu_seconds.items()},
            "share_of_plain_loop": {name: value / fastest["plain loop"] for name, value in fastest.items()},
            "over_larger_limit": {
                name: fastest[f"predict_many, {name}"]
                / max(fastest["decoding alone"], fastest[f"network alone, {name}"])
                for name in ours
            },
            "over_cpu_time_of_decoding_and_network": {
                name: fastest[f"predict_many, {name}"]
                / (min(cpu_seconds["decoding alone"]) + min(cpu_seconds[f"network alone, {name}"]))
                * available_cpus()
                for name in ours
            },
            "network_share_of_matrix_peak": {
                name: operations(predictor, batches[0])
                * sum(map(len, batches))
                / fastest[f"network alone, {name}"]
                / matrix_peak("cpu", getattr(torch, name))
                for name, predictor in ours.items()
            },
            "maps_over_scores": fastest["predict_many with maps"] / fastest["predict_many, float32"],
            "largest_difference_of_scores": {
                "plain loop": float(np.abs(np.array(results["predict_many, float32"]) - expected).max()),
                "exported": float(np.abs(np.array(results["predict_many, exported"]) - expected).max()),
                "bfloat16": float(
                    np.abs(
                        np.array(results["predict_many, bfloat16"]) - np.array(results["predict_many, float32"])
                    ).max()
                ),
            },
        },
        options.out,
    )


def exported_resmem() -> Any:
    """ResMem as ONNX, run by ONNX Runtime."""
    with tempfile.TemporaryDirectory() as folder:
        export_onnx("resmem", Path(folder), "float32", False, lambda text: None)
        return load_onnx_predictor(Path(folder))


def plain_score(model: Any, clip: Path) -> float:
    """The mean score of a frame per second, as the `resmem` package's README takes it of images."""
    with torch.no_grad():
        return float(model(torch.stack([TO_INPUT(image) for image in plain_frames(clip)])).mean())


def plain_frames(clip: Path) -> Iterator[Image.Image]:
    """Decode with OpenCV and its threads; frames that are not needed are not converted."""
    capture = cv2.VideoCapture(str(clip))
    rate, index, wanted = capture.get(cv2.CAP_PROP_FPS), 0, 0
    frames = round(capture.get(cv2.CAP_PROP_FRAME_COUNT) / rate)
    while capture.grab() and wanted < frames:
        if index >= wanted * rate - 1e-6:
            _, image = capture.retrieve()
            yield Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            wanted += 1
        index += 1


def scores_of(predictions: Iterator[Any]) -> list[float]:
    """Short-term scores."""
    return [prediction.scores["short_term"] for prediction in predictions]


def frames_of(clip: Path) -> torch.Tensor:
    """The network's input for a clip, `(frames, 3, 227, 227)`."""
    return torch.stack([TO_INPUT(Image.fromarray(frame.image)) for frame in sample_frames(clip)])


def operations(predictor: Any, pixels: torch.Tensor) -> float:
    """Floating-point operations of the network for a frame."""
    with FlopCounterMode(display=False) as counter:
        network(predictor, pixels)
    return counter.get_total_flops() / len(pixels)


def network(predictor: Any, pixels: torch.Tensor) -> None:
    """Score frames in the batches of prediction."""
    with torch.inference_mode():
        for batch in pixels.split(32):
            score_rows(predictor.model, batch[:, None])


if __name__ == "__main__":
    main()

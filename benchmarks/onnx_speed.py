"""One clip from the command line: an exported ResMem beside PyTorch, and beside the ten lines that a user would write.

    python benchmarks/onnx_speed.py clip.webm more.webm --out benchmarks/results/onnx_speed.json

Needs `pip install resmem opencv-python-headless 'videomem_hf[onnx]'`. Of the first clip every way is a process of its
own, start and load included, in turns; the fastest of the repeats counts. Then both engines score all clips in one
process. `--small` names the interpreter of an environment with docs/onnx-requirements.txt alone, which runs the
exported model there as well.

    python benchmarks/onnx_speed.py *.webm --exported resmem --int8 resmem-int8 --out benchmarks/results/onnx_int8.json

compares two exports of any model of frames with each other instead.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from results_file import machine, write_results

ROOT = Path(__file__).resolve().parents[1]
PLAIN = """
import sys, cv2, torch
from PIL import Image
from resmem import ResMem
from torchvision import transforms
to_input = transforms.Compose([transforms.Resize((256, 256)), transforms.CenterCrop(227), transforms.ToTensor()])
model = ResMem(pretrained=True).eval()
capture = cv2.VideoCapture(sys.argv[1])
rate, index, wanted, images = capture.get(cv2.CAP_PROP_FPS), 0, 0, []
frames = round(capture.get(cv2.CAP_PROP_FRAME_COUNT) / rate)
while capture.grab() and wanted < frames:
    if index >= wanted * rate - 1e-6:
        _, image = capture.retrieve()
        images.append(to_input(Image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))))
        wanted += 1
    index += 1
with torch.no_grad():
    print(float(model(torch.stack(images)).mean()))
"""
LOADED = """
import sys
from videomem_hf.cli import app
from videomem_hf.inference.onnx import load_onnx_predictor
load_onnx_predictor(sys.argv[1])
"""


def main() -> None:
    """Time every way, and write the results with ratios to the plain loop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--small", help="Interpreter of the small environment.")
    parser.add_argument("--exported", type=Path, help="Folder of an exported ResMem. (default: it is exported first)")
    parser.add_argument("--int8", type=Path, help="Folder of the same model exported with --dtype int8.")
    parser.add_argument("--fps", type=float, default=5.0, help="Frames per second whose ranks --int8 compares.")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.int8 and not options.exported:
        parser.error("--int8 needs --exported, the same model in float32")
    if options.int8:
        write_results({"machine": machine(), "clips": len(options.clips), **_int8(options)}, options.out)
        return
    with tempfile.TemporaryDirectory() as folder:
        exported = options.exported or Path(folder) / "resmem"
        if options.exported is None:
            _run([sys.executable, "-m", "videomem_hf", "export", "resmem", "--onnx", str(exported)])
        commands = _commands(str(options.clips[0]), str(exported), options.small)
        seconds = _fastest({name: lambda each=each: _run(each) for name, each in commands.items()}, options.repeats)
        together, difference = _in_one_process(options.clips, exported, options.repeats)
    results = {
        "machine": machine(),
        "seconds_of_a_command": seconds,
        "share_of_plain_loop": {name: value / seconds["plain loop"] for name, value in seconds.items()},
        "clips": len(options.clips),
        "seconds_in_one_process": together,
        "largest_difference_of_scores": difference,
    }
    write_results(results, options.out)


def _commands(clip: str, exported: str, small: str | None) -> dict[str, list[str]]:
    ours = ["-m", "videomem_hf", "predict", clip, "--model"]
    commands = {
        "plain loop": [sys.executable, "-c", PLAIN, clip],
        "predict, PyTorch": [sys.executable, *ours, "resmem"],
        "predict, ONNX": [sys.executable, *ours, exported, "--engine", "onnx"],
        "start and load, ONNX": [sys.executable, "-c", LOADED, exported],
    }
    if small:
        commands["predict, ONNX, small environment"] = [small, *ours, exported, "--engine", "onnx"]
        commands["start and load, ONNX, small environment"] = [small, "-c", LOADED, exported]
    return commands


def _run(command: list[str]) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    subprocess.run(command, check=True, capture_output=True, env=environment)


def _fastest(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Seconds of each way; the first round warms up the disk's cache."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name in list(ways)[:: -1 if turn % 2 else 1]:
            started = time.perf_counter()
            ways[name]()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return {name: min(times) for name, times in seconds.items()}


def _in_one_process(clips: list[Path], exported: Path, repeats: int) -> tuple[dict[str, float], float]:
    from videomem_hf.inference import load_predictor
    from videomem_hf.inference.onnx import load_onnx_predictor

    predictors = {"PyTorch": load_predictor("resmem", "cpu"), "ONNX": load_onnx_predictor(exported)}
    scores: dict[str, np.ndarray] = {}

    def score(name: str) -> None:
        found = predictors[name].predict_many(clips)
        scores[name] = np.array([prediction.scores["short_term"] for prediction in found])

    seconds = _fastest({name: lambda name=name: score(name) for name in predictors}, repeats)
    return seconds, float(np.abs(scores["PyTorch"] - scores["ONNX"]).max())


def _int8(options: argparse.Namespace) -> dict[str, Any]:
    """Both exports on all clips: bytes, seconds, and the rank correlation of the scores of their frames."""
    from videomem_hf.inference.onnx import load_onnx_predictor
    from videomem_hf.statistics import spearman

    folders = {"float32": options.exported, "int8": options.int8}
    predictors = {name: load_onnx_predictor(folder) for name, folder in folders.items()}
    clips = options.clips
    seconds = _fastest({n: lambda n=n: list(predictors[n].predict_many(clips)) for n in folders}, options.repeats)
    scores = {}
    for name, predictor in predictors.items():
        predictor.processor = replace(predictor.processor, fps=options.fps)
        found = predictor.predict_many(clips)
        scores[name] = np.concatenate([each.frame_scores[:, 0] for each in found])
    facts = predictors["int8"].model.facts
    return {
        "model": facts.architecture,
        "stored_as": facts.dtype,
        "computes_in_int8": facts.quantized,
        "bytes": {name: sum(each.stat().st_size for each in folder.iterdir()) for name, folder in folders.items()},
        "seconds": seconds,
        "frames": len(scores["float32"]),
        "deviation_of_scores": float(scores["float32"].std()),
        "largest_difference_of_scores": float(np.abs(scores["float32"] - scores["int8"]).max()),
        "rank_correlation": spearman(scores["float32"], scores["int8"]),
    }


if __name__ == "__main__":
    main()

"""Does attention over frames help? Models with and without it, trained alike and evaluated on held-out clips.

    videomem sample q/sample --videos 880 --test-videos 0 --size 160x90
    python train.py --recipe frame_attention --data q/sample/release --output q/frame_attention-0 \
        --set stages.*.epochs=28 evaluation.every=0 seed=0
    python train.py --recipe spatiotemporal --data q/sample/release --output q/attention-0 ...     # and so on
    python benchmarks/spatiotemporal.py q/sample frame_attention=q/frame_attention-0 attention=q/attention-0 \
        --out benchmarks/results/spatiotemporal.json

For each run:

- Spearman's correlation with the measured scores, and with the true memorability of the generated clips, which has no
  annotation noise.
- Where: of the clips in which one thing stands out, the share whose map peaks in its true box, over all seconds; for a
  model with weights of frames this is the joint map.
- When: in the sample a thing is visible in all seconds. Two seconds of such a clip therefore replace two random seconds
  of a clip that shows no thing. Reported are the weight of these two (2/7 if all frames have equal weights), how often
  the frame with the highest weight, or with the highest score, is one of them, and how often the joint map peaks in the
  thing's box.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attention_pointing import by_attention, held_out_clips, measure
from datasets import load_dataset
from results_file import machine, write_results
from tqdm import tqdm

import videomem_hf
from videomem_hf.inference import Prediction, Predictor, load_predictor
from videomem_hf.sample import SceneTruth, read_truth
from videomem_hf.schema import HORIZONS
from videomem_hf.statistics import compare, spearman
from videomem_hf.training.examples import epoch_order
from videomem_hf.video.video import sample_frames

INSERTED = 2
SECONDS = 7


def truths_of(sample: Path) -> dict[str, tuple[Path, SceneTruth]]:
    """Path and truth of each held-out clip, by id."""
    truths = {f"video{truth.video_id}": truth for truth in read_truth(sample)}
    rows = load_dataset("videomem", "videos", data_dir=str(sample / "release"), split="validation")
    return {row["video_id"]: (Path(row["video"]["path"]), truths[row["video_id"]]) for row in rows}


def predictions_of(run: Path) -> dict[str, dict[str, float]]:
    """Predicted and measured scores of a run, by clip."""
    with (run / "predictions.csv").open(newline="") as file:
        return {row.pop("video_id"): {k: float(v) for k, v in row.items()} for row in csv.DictReader(file)}


def correlations(run: Path, first: Path, known: dict[str, tuple[Path, SceneTruth]]) -> dict[str, Any]:
    """Spearman of a run's predictions, with the measured scores (and its interval) and with the truth.

    The difference to the first run is paired: both use the same resampled clips (95 % confidence interval).
    """
    rows, others = predictions_of(run), predictions_of(first)
    metrics = json.loads((run / "results.json").read_text())["metrics"]
    found = {}
    for horizon in HORIZONS:
        measured, predicted, other = (
            np.array([each[name][key] for name in rows])
            for each, key in ((rows, horizon), (rows, f"{horizon}_model"), (others, f"{horizon}_model"))
        )
        true = np.array([getattr(known[name][1], horizon) for name in rows])
        model = metrics[horizon]["model"]
        found[horizon] = {
            "measured": model["spearman"],
            "interval_95": [model["spearman_low"], model["spearman_high"]],
            "true": spearman(predicted, true),
        }
        if run != first:
            for name, scores in (("measured", measured), ("true", true)):
                against = compare(predicted, other, scores)
                ends = [against.difference, against.interval.low, against.interval.high]
                found[horizon][f"{name}_minus_first"] = [round(float(end), 3) for end in ends]
    return found


def spliced(known: dict[str, tuple[Path, SceneTruth]]) -> list[tuple[np.ndarray, list[int], list[Any]]]:
    """Clips without a thing, except for two seconds that show one: frames, those seconds, its boxes there."""
    with_thing = [(path, truth) for path, truth in known.values() if truth.stands_out and all(truth.boxes)]
    without = [path for path, truth in known.values() if truth.thing is None and truth.scene != "clutter"]
    made = []
    for number, (path, truth) in enumerate(tqdm(with_thing, "splicing", unit="clip")):
        shown = [frame.image for frame in sample_frames(path)][:SECONDS]
        frames = [frame.image for frame in sample_frames(without[number % len(without)])][:SECONDS]
        seconds = sorted(epoch_order(SECONDS, 0, number)[:INSERTED].tolist())
        for second in seconds:
            frames[second] = shown[second]
        made.append((np.stack(frames), seconds, [truth.boxes[second] for second in seconds]))
    return made


def when(predictor: Predictor, clips: list[tuple[np.ndarray, list[int], list[Any]]]) -> dict[str, float]:
    """Weights, scores and map peaks of a model on spliced clips."""
    weight, by_weight, by_score, peak = [], [], [], []
    for frames, seconds, boxes in tqdm(clips, "predicting", unit="clip"):
        prediction = predictor.predict(frames, maps=True)
        weights = prediction.temporal_weights
        if weights is not None:
            weight.append(weights[seconds].sum())
            by_weight.append(int(weights.argmax()) in seconds)
        by_score.append(int(prediction.frame_scores[:, 0].argmax()) in seconds)
        peak.append(_peak_hits(prediction, frames.shape[1:3], seconds, boxes))
    found = {"highest_score_is_of_the_thing": float(np.mean(by_score)), "peak_in_its_box": float(np.mean(peak))}
    if weight:
        found["weight_on_the_thing"] = float(np.mean(weight))
        found["highest_weight_is_of_the_thing"] = float(np.mean(by_weight))
    return found


def _peak_hits(prediction: Prediction, shape: tuple[int, int], seconds: list[int], boxes: list[Any]) -> bool:
    saliency = prediction.saliency
    assert saliency is not None
    maps = np.stack([saliency.at(time_s, shape) for time_s in saliency.times_s])
    second, y, x = np.unravel_index(maps.argmax(), maps.shape)
    if second not in seconds:
        return False
    left, top, right, bottom = boxes[seconds.index(int(second))]
    return bool(left <= (x + 0.5) / shape[1] <= right and top <= (y + 0.5) / shape[0] <= bottom)


def evaluate_run(
    run: Path, first: Path, sample: Path, clips: list[tuple[np.ndarray, list[int], list[Any]]]
) -> dict[str, Any]:
    """All results of a run."""
    results = json.loads((run / "results.json").read_text())
    predictor = load_predictor(str(run), "cpu")
    assert isinstance(predictor, Predictor)
    config = results["config"]
    return {
        "recipe": config["recipe"],
        "model": {k: v for k, v in config["model"].items() if k != "backbone_config"},
        "init": config["init"] is not None,
        "epochs": sum(stage["epochs"] for stage in config["stages"]),
        "frames_per_clip": config["frames_per_clip"],
        "seed": config["seed"],
        "parameters": results["parameters"],
        "training_wall_s": None if results.get("resumed") else results["seconds"]["training"],
        "spearman": correlations(run, first, truths_of(sample)),
        "where": measure(run.name, by_attention(predictor), held_out_clips(sample.parent)),
        "when": when(predictor, clips),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sample", type=Path, help="folder of a generated sample, named sample")
    parser.add_argument("runs", nargs="+", help="NAME=FOLDER of finished training runs on it")
    parser.add_argument("--commit", help="commit of the code that trained and evaluated, if not the current one")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    clips = spliced(truths_of(arguments.sample))
    named = {name: Path(folder) for name, _, folder in (run.partition("=") for run in arguments.runs)}
    first = next(iter(named.values()))
    results = {
        "command": "see the head of benchmarks/spatiotemporal.py",
        "machine": machine(),
        "version": videomem_hf.__version__,
        "commit": arguments.commit,
        "held_out_clips": len(truths_of(arguments.sample)),
        "spliced_clips": len(clips),
        "by_chance": {"weight_on_the_thing": INSERTED / SECONDS, "highest_weight_is_of_the_thing": INSERTED / SECONDS},
        "runs": {name: evaluate_run(folder, first, arguments.sample, clips) for name, folder in named.items()},
    }
    write_results(results, arguments.out)


if __name__ == "__main__":
    main()

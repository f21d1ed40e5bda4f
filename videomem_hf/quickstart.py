"""The whole way in one go: a generated sample, a trained predictor, its evaluation, predictions and a report."""

import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from videomem_hf import __version__
from videomem_hf.run_files import CONFIG_FILE, PREDICTOR_TITLES, changed_settings, is_run_folder, read_results
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon, InputError
from videomem_hf.system import quantity

if TYPE_CHECKING:
    from videomem_hf.inference import Prediction
    from videomem_hf.sample import SceneTruth

RECIPE: Final = "frame_attention"
VIDEOS: Final = 880
EPOCHS: Final = 28
"""As many as 2 cores manage in 5 minutes."""
STEPS: Final = 4


class QuickstartPaths(NamedTuple):
    """What a quickstart leaves in its folder."""

    report: Path
    model: Path
    release: Path


class HeldOut(NamedTuple):
    """One held-out clip: what is known of it and what was predicted."""

    truth: "SceneTruth"
    measured: dict[Horizon, float]
    prediction: "Prediction"


def quickstart(
    out: Path, *, videos: int = VIDEOS, seed: int = 0, size: tuple[int, int] = (160, 90), overrides: Sequence[str] = ()
) -> QuickstartPaths:
    """Generate a sample, train on it, evaluate, predict held-out clips and write a report.

    Started again with the same arguments, it goes on where it was stopped, or writes a finished run's report again.

    Args:
        out: Folder to write.
        videos: Clips of the sample; 18.75 % of them are held out, the paper's share of the 8,000.
        seed: Of the sample and of the training.
        size: Width and height of the clips in pixels.
        overrides: `key=value` changes of the training recipe.

    Raises:
        InputError: `out` holds something else, or a quickstart with other arguments.
    """
    from videomem_hf.sample import generate_sample, read_truth

    started = time.monotonic()
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a folder")
    _say(1, f"generating {quantity(videos, 'clip')} of known memorability")
    sample = generate_sample(out / "sample", videos=videos, test_videos=0, seed=seed, size=size, features=())
    _say(2, "training a small network with spatial attention")
    results = _train(out, sample.release, seed, overrides)
    _say(3, "predicting the held-out clips")
    held_out = _predict(out, sample.release, read_truth(out / "sample"))
    _say(4, "writing the report")
    report = out / "report.html"
    _write(report, results, held_out, time.monotonic() - started)
    return QuickstartPaths(report, out / "model", sample.release)


def _say(step: int, what: str) -> None:
    sys.stderr.write(f"[{step}/{STEPS}] {what}\n")


def _train(out: Path, release: Path, seed: int, overrides: Sequence[str]) -> dict[str, Any]:
    """Train, go on with a stopped training, or take the results of a finished one."""
    from videomem_hf.training import TrainingConfig, train
    from videomem_hf.training.checkpoint import latest_checkpoint

    model = out / "model"
    frames = json.dumps(str(out / "frames"))
    # Looks at the held-out clips while training would cost half a minute.
    fixed = (f"seed={seed}", f"stages.*.epochs={EPOCHS}", "evaluation.every=0", f"frame_cache={frames}")
    config = TrainingConfig.from_recipe(RECIPE, data=release, output=model, overrides=(*fixed, *overrides))
    if is_run_folder(model):
        if changed := changed_settings(asdict(TrainingConfig.from_file(model / CONFIG_FILE)), asdict(config)):
            raise InputError(
                f"{out}: was made with another {', '.join(changed)}; choose another --out or remove the folder"
            )
        return read_results(model)
    import torch

    # So small a network is not faster on more threads, and much slower where they wait for each other.
    torch.set_num_threads(1)
    return train(config, resume=latest_checkpoint(model) is not None).results


def _predict(out: Path, release: Path, truths: "Sequence[SceneTruth]") -> list[HeldOut]:
    from datasets import load_dataset
    from tqdm import tqdm

    from videomem_hf.inference import load_predictor

    known = {f"video{truth.video_id}": truth for truth in truths}
    predictor = load_predictor(str(out / "model"))
    held_out = []
    for row in tqdm(load_dataset("videomem", "videos", data_dir=str(release), split="validation"), unit="clip"):
        prediction = predictor.predict(row["video"]["path"], stills=7)
        held_out.append(HeldOut(known[row["video_id"]], {h: row[h] for h in HORIZONS}, prediction))
    return held_out


def _write(path: Path, results: dict[str, Any], held_out: Sequence[HeldOut], seconds: float) -> None:
    from videomem_hf.analysis.errors import scatter_figure
    from videomem_hf.analysis.report import write_report
    from videomem_hf.inference.reference import read_reference

    points = {
        h: (np.array([c.prediction.scores[h] for c in held_out]), np.array([c.measured[h] for c in held_out]))
        for h in HORIZONS
    }
    titles = {h: f"Spearman {results['metrics'][h]['model']['spearman']:.3f}" for h in HORIZONS}
    reference = read_reference(path.parent / "model", HORIZONS)
    maps = reference.maps if reference else {}
    write_report(
        path,
        results=results,
        pointing=_attention_hits(held_out),
        rows=_metric_rows(results, held_out),
        scatter=scatter_figure(points, titles),
        clips=_example_clips(held_out),
        details=_details(results, seconds),
        maps=maps,
        caveats=held_out[0].prediction.caveats,
    )


def _metric_rows(results: dict[str, Any], held_out: Sequence[HeldOut]) -> list[dict[str, Any]]:
    """The model, the baselines, and the ceiling that the annotations' noise sets: the truth itself."""
    found = {(title, h): results["metrics"][h][name] for name, title in PREDICTOR_TITLES.items() for h in HORIZONS}
    found |= {("the true memorability", h): _ceiling(held_out, h) for h in HORIZONS}
    return [{"predictor": title, "horizon": HORIZON_NAMES[h], **metrics} for (title, h), metrics in found.items()]


def _ceiling(held_out: Sequence[HeldOut], horizon: Horizon) -> dict[str, float]:
    import evaluate

    from videomem_hf.metrics import metric_path

    truth = [getattr(clip.truth, horizon) for clip in held_out]
    measured = [clip.measured[horizon] for clip in held_out]
    return evaluate.load(metric_path(), keep_in_memory=True).compute(predictions=truth, references=measured)


def _attention_hits(held_out: Sequence[HeldOut]) -> dict[str, float]:
    """Share of frames whose attention peaks in the box of the thing that stands out; the same by chance; frames."""
    hits, areas = [], []
    for clip in held_out:
        for still in clip.prediction.stills if clip.truth.stands_out else ():
            box = clip.truth.boxes[round(still.time_s)]
            if box is None or still.saliency is None:
                continue
            height, width = still.saliency.shape
            y, x = np.unravel_index(still.saliency.argmax(), still.saliency.shape)
            left, top, right, bottom = box
            hits.append(left <= (x + 0.5) / width <= right and top <= (y + 0.5) / height <= bottom)
            areas.append((right - left) * (bottom - top))
    share, chance = (float(np.mean(each)) if hits else float("nan") for each in (hits, areas))
    return {"hits": share, "chance": chance, "frames": len(hits)}


def _example_clips(held_out: Sequence[HeldOut]) -> list[dict[str, Any]]:
    """The clips that are predicted most and least memorable, and the one that is predicted worst."""
    order = sorted(held_out, key=lambda clip: clip.prediction.scores["short_term"])
    wrong = max(held_out, key=lambda clip: abs(clip.prediction.scores["short_term"] - clip.measured["short_term"]))
    headings = {
        "Predicted most memorable, no. 1": order[-1],
        "Predicted most memorable, no. 2": order[-2],
        "Predicted least memorable, no. 1": order[0],
        "Predicted least memorable, no. 2": order[1],
        "Largest error of all": wrong,
    }
    return [_example_clip(heading, clip) for heading, clip in headings.items()]


def _example_clip(heading: str, clip: HeldOut) -> dict[str, Any]:
    from videomem_hf.inference.drawing import prediction_figure

    scores = [
        f"{HORIZON_NAMES[h]} predicted {clip.prediction.scores[h]:.3f}, measured {clip.measured[h]:.3f}, "
        f"true {getattr(clip.truth, h):.3f}"
        for h in HORIZONS
    ]
    heading = f"{heading}: {clip.truth.title.replace('-', ' ').strip()}"
    return {"heading": heading, "text": "; ".join(scores) + ".", "figure": prediction_figure(clip.prediction)}


def _details(results: dict[str, Any], seconds: float) -> list[tuple[str, str]]:
    config = results["config"]
    epochs = sum(stage["epochs"] for stage in config["stages"])
    times = ", ".join(f"{name} {value:.0f} s" for name, value in results["seconds"].items())
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    return [
        ("Recipe", f"{config['recipe']}, {epochs} epochs, seed {config['seed']}"),
        ("Time", f"{times}; this run of the quickstart {seconds:.0f} s in all"),
        ("Machine", f"{platform.machine()}, {results['device']}, Python {platform.python_version()}"),
        ("Versions", f"videomem_hf {__version__}, {versions}"),
    ]

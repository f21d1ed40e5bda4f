"""The whole way in one go: a generated sample, a trained predictor, its evaluation, predictions and a report."""

import json
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from videomem_hf import __version__
from videomem_hf.run_files import CONFIG_FILE, changed_settings, is_run_folder, read_results
from videomem_hf.schema import HORIZONS, Horizon, InputError

if TYPE_CHECKING:
    from videomem_hf.analysis.report import ClipCard, MetricRow
    from videomem_hf.inference import Prediction
    from videomem_hf.sample import SceneTruth
    from videomem_hf.training import TrainingConfig

RECIPE: Final = "frame_attention"
VIDEOS: Final = 880
EPOCHS: Final = 28
"""As many as 2 cores manage in 5 minutes."""
STEPS: Final = 4
PREDICTORS: Final = {
    "model": "the model",
    "mean_brightness": "mean brightness",
    "constant": "a constant",
}
LABELS: Final[dict[Horizon, str]] = {"short_term": "short-term", "long_term": "long-term"}


@dataclass(frozen=True)
class QuickstartPaths:
    """What a quickstart leaves in its folder."""

    report: Path
    model: Path
    release: Path


@dataclass(frozen=True)
class HeldOut:
    """One held-out clip: what is known of it and what was predicted."""

    truth: "SceneTruth"
    measured: dict[Horizon, float]
    prediction: "Prediction"


def quickstart(
    out: Path, *, videos: int = VIDEOS, seed: int = 0, size: tuple[int, int] = (160, 90), overrides: Sequence[str] = ()
) -> QuickstartPaths:
    """Generate a sample, train on it, evaluate, predict held-out clips and write a report.

    Stopped and started again with the same arguments it goes on where it was; a finished one writes its report anew.

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
    _say(1, f"generating {videos} clips of known memorability")
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
    settings = (*fixed, *overrides)
    config = TrainingConfig.from_recipe(RECIPE, data=release, output=model, overrides=settings)
    if is_run_folder(model):
        _refuse_other_settings(TrainingConfig.from_file(model / CONFIG_FILE), config, out)
        return read_results(model)
    import torch

    # So small a network is not faster on more threads, and much slower where they wait for each other.
    torch.set_num_threads(1)
    return train(config, resume=latest_checkpoint(model) is not None).results


def _refuse_other_settings(old: "TrainingConfig", new: "TrainingConfig", out: Path) -> None:
    if changed := changed_settings(asdict(old), asdict(new)):
        raise InputError(
            f"{out}: was made with another {', '.join(changed)}; choose another --out or remove the folder"
        )


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
    from videomem_hf.analysis.report import Report, write_report
    from videomem_hf.analysis.scatter_figure import scatter_figure

    rows = _metric_rows(results, held_out)
    points = {
        h: (np.array([c.prediction.scores[h] for c in held_out]), np.array([c.measured[h] for c in held_out]))
        for h in HORIZONS
    }
    titles = {h: f"Spearman {results['metrics'][h]['model']['spearman']:.3f}" for h in HORIZONS}
    report = Report(
        title="Video memorability, from a generated sample to a prediction",
        summary=_summary(results, held_out),
        rows=rows,
        interval=f"{results['config']['evaluation']['confidence']:.0%} interval",
        scatter=scatter_figure(points, titles),
        clips=_cards(held_out),
        details=_details(results, seconds),
    )
    write_report(report, path)


def _metric_rows(results: dict[str, Any], held_out: Sequence[HeldOut]) -> "list[MetricRow]":
    """The model, the baselines, and the ceiling that the annotations' noise sets: the truth itself."""
    from videomem_hf.analysis.report import MetricRow

    rows = []
    for name, label in PREDICTORS.items():
        for horizon in HORIZONS:
            found = {k: np.nan if v is None else v for k, v in results["metrics"][horizon][name].items()}
            ends = found["spearman_low"], found["spearman_high"]
            rows.append(MetricRow(label, LABELS[horizon], found["spearman"], *ends, found["mse"]))
    for horizon in HORIZONS:
        found = _ceiling(held_out, horizon)
        ends = found["spearman_low"], found["spearman_high"]
        rows.append(MetricRow("the true memorability", LABELS[horizon], found["spearman"], *ends, found["mse"]))
    return rows


def _ceiling(held_out: Sequence[HeldOut], horizon: Horizon) -> dict[str, float]:
    import evaluate

    from videomem_hf.metrics import metric_path

    truth = [getattr(clip.truth, horizon) for clip in held_out]
    measured = [clip.measured[horizon] for clip in held_out]
    return evaluate.load(metric_path(), keep_in_memory=True).compute(predictions=truth, references=measured)


def _summary(results: dict[str, Any], held_out: Sequence[HeldOut]) -> list[str]:
    hits, chance, frames = _attention_hits(held_out)
    return [
        f"A network of {results['parameters']:,} parameters was trained on {results['train_clips']} generated clips and"
        f" evaluated on {results['split_clips']} others, which it had not seen. These are results on a generated"
        " sample: they show that everything works, not how well real videos are predicted.",
        "Measured scores carry the noise of few annotations, drawn like VideoMem's; even the true memorability that the"
        " clips were made with does not rank them perfectly. The last rows of the table are therefore the ceiling.",
        f"In {hits:.0%} of {frames} frames in which one thing stands out, the peak of the model's attention lies on it;"
        f" a point taken at random would lie on it in {chance:.0%}.",
    ]


def _attention_hits(held_out: Sequence[HeldOut]) -> tuple[float, float, int]:
    """Share of frames whose attention peaks in the box of the thing that stands out; the same by chance; frames."""
    hits, areas = [], []
    for clip in held_out:
        if not clip.truth.stands_out:
            continue
        for still in clip.prediction.stills:
            box = clip.truth.boxes[round(still.time_s)]
            if box is None or still.saliency is None:
                continue
            height, width = still.saliency.shape
            y, x = np.unravel_index(still.saliency.argmax(), still.saliency.shape)
            left, top, right, bottom = box
            hits.append(left <= (x + 0.5) / width <= right and top <= (y + 0.5) / height <= bottom)
            areas.append((right - left) * (bottom - top))
    return (float(np.mean(hits)), float(np.mean(areas)), len(hits)) if hits else (float("nan"), float("nan"), 0)


def _cards(held_out: Sequence[HeldOut]) -> "list[ClipCard]":
    order = sorted(held_out, key=lambda clip: clip.prediction.scores["short_term"])
    wrong = sorted(held_out, key=lambda clip: abs(clip.prediction.scores["short_term"] - clip.measured["short_term"]))
    chosen = [(f"Predicted most memorable, no. {i + 1}", clip) for i, clip in enumerate(order[:-3:-1])]
    chosen += [(f"Predicted least memorable, no. {i + 1}", clip) for i, clip in enumerate(order[:2])]
    chosen += [("Largest error of all", wrong[-1])]
    return [_card(heading, clip) for heading, clip in chosen]


def _card(heading: str, clip: HeldOut) -> "ClipCard":
    from videomem_hf.analysis.clip_figure import clip_figure
    from videomem_hf.analysis.report import ClipCard

    p, truth = clip.prediction, clip.truth
    scores = [
        f"{LABELS[h]} predicted {p.scores[h]:.3f}, measured {clip.measured[h]:.3f}, true {getattr(truth, h):.3f}"
        for h in HORIZONS
    ]
    figure = clip_figure(
        title=Path(p.source).name,
        times_s=p.times_s,
        frame_scores=dict(zip(p.scores, p.frame_scores.T, strict=True)),
        clip_scores=p.scores,
        stills=[(s.time_s, s.scores["short_term"], s.image, s.saliency) for s in p.stills],
        saliency_label=p.saliency_method,
    )
    return ClipCard(f"{heading}: {truth.title.replace('-', ' ').strip()}", "; ".join(scores) + ".", figure)


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

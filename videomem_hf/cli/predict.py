"""`videomem predict`: how memorable are these clips, and where does it come from?"""

import csv
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm

from videomem_hf.cli.clip_paths import Clips, Engine, ListFile, clip_paths
from videomem_hf.cli.own_code import Import, TrustRemoteCode
from videomem_hf.cli.score_table import score_columns, score_row
from videomem_hf.registration import import_code
from videomem_hf.schema import HORIZONS, Horizon, InputError
from videomem_hf.video.video import VideoError, probe

if TYPE_CHECKING:
    from videomem_hf.inference import FeaturePredictor, Prediction, Predictor

STILLS = 7
LONG_CLIP_S = 60
HEADINGS = {"short_term": "Short-term", "long_term": "Long-term"}


@dataclass(frozen=True)
class Outcome:
    """One clip: its prediction, or why there is none."""

    clip: Path
    prediction: "Prediction | None"
    error: str = ""


def predict(
    clips: Clips = None,
    list_file: ListFile = None,
    model: Annotated[
        str | None,
        typer.Option(help="Folder of a trained model, Hub id, or 'resmem'. (default: resmem, if it is installed)"),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all scores, frame by frame; '-' for standard output.")
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write a row a clip, each as soon as it is known.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Folder for a picture a clip: score over time, frames, saliency.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Folder for a video a clip (MP4): saliency over every frame, and the score.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")] = None,
    title: Annotated[str | None, typer.Option(help="Of the clips, for a model that reads titles.")] = None,
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
    engine: Engine = "local",
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Processes of --engine ray. (default: one a GPU of the cluster, else one a core)"),
    ] = None,
) -> None:
    """Predict how memorable clips are.

    One frame per second is scored; a clip's score is the mean. A clip that cannot be read is reported with its cause,
    the others go on, and the exit code is 1.

    Examples: [bold]videomem predict holiday.mp4 --plots plots[/bold],
    [bold]videomem predict clips/ --csv scores.csv[/bold],
    [bold]videomem predict holiday.mp4 --overlay videos[/bold],
    [bold]videomem predict --list clips.txt --csv scores.csv --engine ray[/bold]
    """
    paths = clip_paths(clips, list_file)
    import_code(import_)
    _check_writable(json_file, csv_file, {"--plots": plots, "--overlay": overlay})
    if engine == "ray":
        if csv_file is None or str(csv_file) == "-" or json_file or plots or overlay:
            raise InputError("--engine ray writes a table and nothing else: give --csv FILE, and no other output")
        if import_ or trust_remote_code:
            raise InputError("--import and --trust-remote-code are for the engine local")
        if title is not None:
            raise InputError("--title is for the engine local: with --engine ray clips have none")
        from videomem_hf.cli.predict_ray import predict_on_ray

        predict_on_ray(paths, model, device, csv_file, jobs)
        return
    if jobs is not None:
        raise InputError("--jobs is for --engine ray; here clips are scored one after the other")
    from videomem_hf.inference import load_predictor

    predictor = load_predictor(model, device, title, trust_remote_code)
    if overlay is not None and predictor.saliency_method is None:
        raise InputError(f"--overlay: {predictor.name} sees features and no frames; choose a model of frames")
    outcomes: list[Outcome] = []
    interrupted = False
    with _csv_rows(csv_file, predictor.horizons) as write_row:
        try:
            for outcome in _outcomes(predictor, paths, plots, overlay):
                outcomes.append(outcome)
                write_row(outcome)
        except KeyboardInterrupt:
            interrupted = True
    if json_file is not None:
        _write_json(json_file, outcomes)
    _print_table(outcomes, predictor, to_stderr=str(json_file) == "-")
    if interrupted:
        sys.stderr.write(f"videomem: interrupted; {len(outcomes)} of {len(paths)} clips are done and kept\n")
        raise typer.Exit(130)
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


def _outcomes(
    predictor: "Predictor | FeaturePredictor", paths: list[Path], plots: Path | None, overlay: Path | None
) -> Iterator[Outcome]:
    plot_names, overlay_names = _FileNames(".png"), _FileNames(".mp4")
    with tqdm(paths, unit="clip", desc="predicting", disable=None) as bar:
        for path in bar:
            bar.set_postfix_str(path.name[-40:], refresh=True)
            try:
                with _frame_progress(path) as on_frame:
                    prediction = predictor.predict(path, STILLS if plots else 0, on_frame, overlay is not None)
            except VideoError as error:
                yield Outcome(path, None, str(error).removeprefix(f"{path}: "))
                continue
            if plots:
                _save_plot(prediction, plots / plot_names.unique(path))
            if overlay:
                save_overlay(prediction, path, overlay / overlay_names.unique(path))
            yield Outcome(path, prediction)


@contextmanager
def _frame_progress(path: Path) -> Iterator[Any]:
    """A second bar for a clip of over a minute."""
    duration = probe(path).duration_s
    if duration is None or duration < LONG_CLIP_S:
        yield None
        return
    with tqdm(total=round(duration), unit="frame", desc=path.name[-40:], leave=False, disable=None) as bar:
        yield lambda frame: bar.update()


def _save_plot(prediction: "Prediction", path: Path) -> None:
    from videomem_hf.analysis.clip_figure import clip_figure, save_figure

    first = next(iter(prediction.scores))
    columns = dict(zip(prediction.scores, prediction.frame_scores.T, strict=True))
    label = prediction.saliency_method
    figure = clip_figure(
        title=f"{Path(prediction.source).name} · {prediction.model}",
        times_s=prediction.times_s,
        frame_scores=columns,
        clip_scores=prediction.scores,
        stills=[(s.time_s, s.scores[first], s.image, s.saliency) for s in prediction.stills],
        saliency_label=label,
    )
    save_figure(figure, path)


def save_overlay(prediction: "Prediction", clip: Path, path: Path) -> None:
    """Write a prediction's maps over every frame of its clip, as an MP4; shows progress."""
    from videomem_hf.analysis.overlay_video import ScoreCurve, overlay_clip

    assert prediction.saliency is not None
    curve = ScoreCurve(
        times_s=prediction.times_s,
        frame_scores=dict(zip(prediction.scores, prediction.frame_scores.T, strict=True)),
        clip_scores=prediction.scores,
        saliency_label=prediction.saliency_method or "",
    )
    with tqdm(unit="frame", desc=path.name, leave=False, disable=None) as bar:
        overlay_clip(path, clip, prediction.saliency.at, curve, lambda time_s: bar.update())


class _FileNames:
    """File names for what is drawn: the clip's, made safe, with a number where two clips share it."""

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix
        self.used: set[str] = set()

    def unique(self, clip: Path) -> str:
        stem = re.sub(r"[^\w.-]+", "_", clip.stem)[:120] or "clip"
        name, number = stem, 2
        while name.lower() in self.used:
            name, number = f"{stem}-{number}", number + 1
        self.used.add(name.lower())
        return f"{name}{self.suffix}"


def _check_writable(json_file: Path | None, csv_file: Path | None, folders: dict[str, Path | None]) -> None:
    """Refuse at once what would fail after hours of work."""
    for path in (json_file, csv_file):
        if path is not None and str(path) != "-" and not path.resolve().parent.is_dir():
            raise InputError(f"{path}: the folder {path.resolve().parent} does not exist; make it first")
    for option, folder in folders.items():
        if folder is None:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{option} {folder}: cannot be a folder ({error.strerror})") from error


@contextmanager
def _csv_rows(path: Path | None, horizons: tuple[Horizon, ...]) -> Iterator[Any]:
    if path is None:
        yield lambda outcome: None
        return
    try:
        file = sys.stdout if str(path) == "-" else path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    with file:
        writer = csv.writer(file)
        writer.writerow(score_columns(horizons))

        def write(outcome: Outcome) -> None:
            p = outcome.prediction
            note = outcome.error or " ".join(p.notes if p else ())
            frames = len(p.times_s) if p else 0
            writer.writerow(score_row(outcome.clip, horizons, p.scores if p else None, frames, note))
            file.flush()

        yield write


def _write_json(path: Path, outcomes: list[Outcome]) -> None:
    rows = [o.prediction.to_dict() if o.prediction else {"clip": str(o.clip), "error": o.error} for o in outcomes]
    text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")


def _print_table(outcomes: list[Outcome], predictor: "Predictor | FeaturePredictor", to_stderr: bool) -> None:
    horizons = [h for h in HORIZONS if h in predictor.horizons]
    failed = sum(bool(o.error) for o in outcomes)
    counts = f"{len(outcomes) - failed} clips scored by {predictor.name}" + (
        f", {failed} not readable" if failed else ""
    )
    caption = f"{counts}. 0: nobody recognises the clip when it is seen again; 1: everybody does."
    table = Table(caption=caption, caption_justify="left")
    folder = _common_folder([o.clip for o in outcomes])
    table.add_column("Clip", overflow="fold")
    for horizon in horizons:
        table.add_column(HEADINGS[horizon], justify="right")
    table.add_column("Lowest to highest frame", justify="right")
    table.add_column("Frames", justify="right")
    if any(o.error or (o.prediction and o.prediction.notes) for o in outcomes):
        table.add_column("Note", overflow="fold")
    for outcome in outcomes:
        table.add_row(*_cells(outcome, horizons, folder)[: len(table.columns)])
    Console(stderr=to_stderr).print(table)


def _common_folder(clips: list[Path]) -> Path | None:
    """What the clips' names can go without in the table."""
    parents = {str(clip.parent) for clip in clips}
    return Path(os.path.commonpath(parents)) if parents and len({Path(p).is_absolute() for p in parents}) == 1 else None


def _cells(outcome: Outcome, horizons: list[Horizon], folder: Path | None) -> list[str]:
    name = escape(str(outcome.clip.relative_to(folder) if folder else outcome.clip))
    p = outcome.prediction
    if p is None:
        return [name, *["-"] * len(horizons), "-", "0", f"[red]{escape(outcome.error)}[/red]"]
    low, high = p.frame_scores[:, 0].min(), p.frame_scores[:, 0].max()
    scores = [f"{p.scores[h]:.3f}" for h in horizons]
    return [name, *scores, f"{low:.3f} to {high:.3f}", str(len(p.times_s)), escape(" ".join(p.notes))]

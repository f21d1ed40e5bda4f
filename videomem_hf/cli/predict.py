"""`videomem predict`: how memorable are these clips, and where does it come from?"""

import csv
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tqdm import tqdm

from videomem_hf.cli.clip_paths import Clips, Engine, FailFast, ListFile, clip_paths, clip_sources
from videomem_hf.cli.own_code import Import, TrustRemoteCode
from videomem_hf.cli.score_table import score_columns, score_row
from videomem_hf.registration import import_code
from videomem_hf.schema import HORIZONS, Horizon, InputError, cause_of
from videomem_hf.system import printable
from videomem_hf.video.video import probe

if TYPE_CHECKING:
    from videomem_hf.inference import ClipPredictor, Prediction

STILLS = 7
LONG_CLIP_S = 60
HEADINGS = {"short_term": "Short-term", "long_term": "Long-term"}


@dataclass(frozen=True)
class Outcome:
    """One clip: its prediction, or why there is none; with a prediction, `error` says what could not be drawn."""

    clip: Path | str
    prediction: "Prediction | None"
    error: str = ""

    @property
    def note(self) -> str:
        """What a table says of the clip besides its scores."""
        return " ".join((*(self.prediction.notes if self.prediction else ()), *filter(None, [self.error])))


Model = Annotated[
    str | None,
    typer.Option(help="Folder of a trained model, Hub id, or 'resmem'. (default: resmem, if it is installed)"),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write all scores, frame by frame; '-' for standard output.")
]
CsvFile = Annotated[
    Path | None,
    typer.Option("--csv", help="Write one row per clip, as soon as it is known; '-' for standard output."),
]
Plots = Annotated[Path | None, typer.Option(help="Folder for one picture per clip: score over time, frames, saliency.")]
Overlay = Annotated[
    Path | None, typer.Option(help="Folder for one video per clip (MP4): saliency over every frame, and the score.")
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")]
Title = Annotated[str | None, typer.Option(help="Of the clips, for a model that reads titles.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Processes of --engine ray. (default: one per GPU of the cluster, else one per core)"),
]


def predict(
    clips: Clips = None,
    list_file: ListFile = None,
    model: Model = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    plots: Plots = None,
    overlay: Overlay = None,
    device: Device = None,
    title: Title = None,
    fail_fast: FailFast = False,
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
    engine: Engine = "local",
    jobs: Jobs = None,
) -> None:
    """Predict how memorable clips are.

    One frame per second is scored; a clip's score is the mean. A clip that fails is reported with its cause, and the
    others go on. Exit codes: 0 all clips are done; 1 a clip failed, or something given cannot be used; 130 stopped with
    Ctrl-C. With --csv - or --json - everything else goes to standard error.

    Examples: [bold]videomem predict holiday.mp4 --plots plots[/bold],
    [bold]videomem predict clips/ --csv scores.csv[/bold],
    [bold]videomem predict holiday.mp4 --overlay videos[/bold],
    [bold]videomem predict --list clips.txt --csv scores.csv --engine ray[/bold]
    """
    outputs = _Outputs(json_file, csv_file, plots, overlay)
    outputs.check()
    import_code(import_)
    if engine == "ray":
        local_only = (title, fail_fast, import_, trust_remote_code)
        _predict_on_ray(clip_paths(clips, list_file), model, device, outputs, jobs, local_only)
        return
    if jobs is not None:
        raise InputError("--jobs is for --engine ray; here clips are scored one after the other")
    sources = clip_sources(clips, list_file)
    outputs.check_against(sources)
    from videomem_hf.inference import load_predictor

    predictor = load_predictor(model, device, title, trust_remote_code)
    if overlay is not None and predictor.saliency_method is None:
        raise InputError(f"--overlay: {predictor.name} offers no saliency maps; choose another model")
    outcomes: list[Outcome] = []
    interrupted = False
    with _csv_rows(csv_file, predictor.horizons) as write_row:
        try:
            for outcome in _score_clips(predictor, sources, outputs):
                outcomes.append(outcome)
                write_row(outcome)
                if outcome.error and fail_fast:
                    break
        except KeyboardInterrupt:
            interrupted = True
    if json_file is not None:
        _write_json(json_file, outcomes)
    _print_table(outcomes, predictor, to_stderr=outputs.to_stdout)
    if interrupted:
        sys.stderr.write(f"videomem: interrupted; {len(outcomes)} of {len(sources)} clips are done and kept\n")
        raise typer.Exit(130)
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Outputs:
    """Where a run writes, besides the table on the terminal."""

    json_file: Path | None
    csv_file: Path | None
    plots: Path | None
    overlay: Path | None

    @property
    def to_stdout(self) -> bool:
        return "-" in (str(self.json_file), str(self.csv_file))

    def check(self) -> None:
        """Refuse at once what would fail after hours of work."""
        if str(self.json_file) == str(self.csv_file) == "-":
            raise InputError("--json - and --csv - cannot both be standard output; name a file for one of them")
        if (
            self.json_file is not None
            and self.csv_file is not None
            and self.json_file.resolve() == self.csv_file.resolve()
        ):
            raise InputError(f"--json and --csv are both {self.csv_file}; name two files")
        for path in self._files():
            if path.is_dir():
                raise InputError(f"{path} is a folder; name a file")
            if not path.resolve().parent.is_dir():
                raise InputError(f"{path}: the folder {path.resolve().parent} does not exist; make it first")
        for option, folder in {"--plots": self.plots, "--overlay": self.overlay}.items():
            if folder is None:
                continue
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{option} {folder}: cannot be a folder ({error.strerror})") from error

    def check_against(self, sources: Sequence[Path | str]) -> None:
        """Refuse to write over a clip."""
        clips = {source.resolve() for source in sources if isinstance(source, Path)}
        if written := next((path for path in self._files() if path.resolve() in clips), None):
            raise InputError(f"{written} is one of the clips; name another file for the output")
        if self.overlay is not None and (clip := next((c for c in clips if c.parent == self.overlay.resolve()), None)):
            raise InputError(f"--overlay {self.overlay}: holds {clip.name}, which is a clip; name another folder")

    def _files(self) -> list[Path]:
        return [path for path in (self.json_file, self.csv_file) if path is not None and str(path) != "-"]


def _predict_on_ray(
    paths: list[Path], model: str | None, device: str | None, outputs: _Outputs, jobs: int | None, local_only: tuple
) -> None:
    out = outputs.csv_file
    if out is None or outputs.to_stdout or outputs.json_file or outputs.plots or outputs.overlay:
        raise InputError("--engine ray writes a table and nothing else: give --csv FILE, and no other output")
    if any(local_only):
        raise InputError(
            "--title, --fail-fast, --import and --trust-remote-code are for --engine local; leave them out"
        )
    from videomem_hf.cli.predict_ray import predict_on_ray

    predict_on_ray(paths, model, device, out, jobs)


def _score_clips(predictor: "ClipPredictor", sources: Sequence[Path | str], outputs: _Outputs) -> Iterator[Outcome]:
    """Score and draw clip after clip; whatever a clip raises is in its outcome."""
    from videomem_hf.inference.sources import open_source

    names = {suffix: _FileNames(suffix) for suffix in (".png", ".mp4")}
    with tqdm(sources, unit="clip", desc="predicting", disable=None) as bar:
        for source in bar:
            bar.set_postfix_str(_short_name(source), refresh=True)
            try:
                file = open_source(source)
                with _frame_progress(file, _short_name(source)) as on_frame:
                    stills = STILLS if outputs.plots else 0
                    prediction = predictor.predict(file, stills, on_frame, outputs.overlay is not None)
            except Exception as error:
                yield Outcome(source, None, cause_of(error, source))
                continue
            prediction = replace(prediction, source=str(source))
            try:
                if outputs.plots:
                    _save_plot(prediction, outputs.plots / names[".png"].unique(source))
                if outputs.overlay:
                    save_overlay(prediction, file, outputs.overlay / names[".mp4"].unique(source))
            except Exception as error:
                yield Outcome(source, prediction, f"Scored, but not drawn: {cause_of(error, source)}")
                continue
            yield Outcome(source, prediction)


def _short_name(source: Path | str) -> str:
    return printable(Path(source).name)[-40:]


@contextmanager
def _frame_progress(file: Any, name: str) -> Iterator[Any]:
    """A second bar for a clip of over a minute."""
    duration = probe(file).duration_s
    if hasattr(file, "seek"):
        file.seek(0)
    if duration is None or duration < LONG_CLIP_S:
        yield None
        return
    with tqdm(total=round(duration), unit="frame", desc=name, leave=False, disable=None) as bar:
        yield lambda frame: bar.update()


def _save_plot(prediction: "Prediction", path: Path) -> None:
    from videomem_hf.analysis.clip_figure import clip_figure, save_figure

    first = next(iter(prediction.scores))
    figure = clip_figure(
        title=f"{Path(prediction.source).name} · {prediction.model}",
        times_s=prediction.times_s,
        frame_scores=prediction.curves,
        clip_scores=prediction.scores,
        stills=[(s.time_s, s.scores[first], s.image, s.saliency) for s in prediction.stills],
        saliency_label=prediction.saliency_method,
    )
    save_figure(figure, path)


def save_overlay(prediction: "Prediction", clip: Any, path: Path) -> None:
    """Write a prediction's maps over every frame of its clip, as an MP4; shows progress.

    Raises:
        InputError: The clip cannot be decoded.
    """
    from videomem_hf.analysis.overlay_video import ScoreCurve, overlay_clip

    assert prediction.saliency is not None
    if hasattr(clip, "seek"):
        clip.seek(0)
    curve = ScoreCurve(
        prediction.times_s, prediction.curves, prediction.scores, saliency_label=prediction.saliency_method or ""
    )
    with tqdm(unit="frame", desc=path.name, leave=False, disable=None) as bar:
        overlay_clip(path, clip, prediction.saliency.at, curve, lambda time_s: bar.update())


class _FileNames:
    """File names for what is drawn: the clip's, made safe, with a number where two clips share it."""

    def __init__(self, suffix: str) -> None:
        self.suffix = suffix
        self.used: set[str] = set()

    def unique(self, clip: Path | str) -> str:
        stem = re.sub(r"[^\w.-]+", "_", Path(clip).stem)[:120] or "clip"
        name, number = stem, 2
        while name.lower() in self.used:
            name, number = f"{stem}-{number}", number + 1
        self.used.add(name.lower())
        return f"{name}{self.suffix}"


@contextmanager
def _csv_rows(path: Path | None, horizons: tuple[Horizon, ...]) -> Iterator[Any]:
    if path is None:
        yield lambda outcome: None
        return
    try:
        opened = nullcontext(sys.stdout) if str(path) == "-" else path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    with opened as file:
        writer = csv.writer(file)
        writer.writerow(score_columns(horizons))

        def write(outcome: Outcome) -> None:
            p = outcome.prediction
            frames = len(p.times_s) if p else 0
            writer.writerow(score_row(outcome.clip, horizons, p.scores if p else None, frames, outcome.note))
            file.flush()

        yield write


def _write_json(path: Path, outcomes: list[Outcome]) -> None:
    rows = [
        (o.prediction.to_dict() if o.prediction else {"clip": printable(o.clip)})
        | ({"error": printable(o.error)} if o.error else {})
        for o in outcomes
    ]
    text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")


def _print_table(outcomes: list[Outcome], predictor: "ClipPredictor", to_stderr: bool) -> None:
    horizons = [h for h in HORIZONS if h in predictor.horizons]
    failed = sum(o.prediction is None for o in outcomes)
    counts = f"{len(outcomes) - failed} clips scored by {predictor.name}" + (f", {failed} failed" if failed else "")
    caption = f"{counts}. 0: nobody recognises the clip when it is seen again; 1: everybody does."
    table = Table(caption=caption, caption_justify="left")
    folder = _common_folder([o.clip for o in outcomes])
    table.add_column("Clip", overflow="fold")
    for horizon in horizons:
        table.add_column(HEADINGS[horizon], justify="right")
    table.add_column("Lowest to highest frame", justify="right")
    table.add_column("Frames", justify="right")
    if any(o.note for o in outcomes):
        table.add_column("Note", overflow="fold")
    for outcome in outcomes:
        table.add_row(*_cells(outcome, horizons, folder)[: len(table.columns)])
    Console(stderr=to_stderr).print(table)


def _common_folder(clips: Sequence[Path | str]) -> Path | None:
    """What the clips' names can go without in the table."""
    parents = {str(clip.parent) for clip in clips if isinstance(clip, Path)}
    return Path(os.path.commonpath(parents)) if parents and len({Path(p).is_absolute() for p in parents}) == 1 else None


def _cells(outcome: Outcome, horizons: list[Horizon], folder: Path | None) -> list[str]:
    clip, p, note = outcome.clip, outcome.prediction, escape(printable(outcome.note))
    name = escape(printable(clip.relative_to(folder) if folder and isinstance(clip, Path) else clip))
    note = f"[red]{note}[/red]" if outcome.error else note
    if p is None:
        return [name, *["-"] * len(horizons), "-", "0", note]
    low, high = p.frame_scores[:, 0].min(), p.frame_scores[:, 0].max()
    return [name, *[f"{p.scores[h]:.3f}" for h in horizons], f"{low:.3f} to {high:.3f}", str(len(p.times_s)), note]

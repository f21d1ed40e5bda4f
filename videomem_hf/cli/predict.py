"""`videomem predict`: how memorable are these clips, and where does it come from?"""

import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from videomem_hf.cli.clip_paths import clip_paths, clip_sources
from videomem_hf.cli.clip_titles import titles_of
from videomem_hf.cli.options import (
    Clips,
    Device,
    Engine,
    FailFast,
    Import,
    ListFile,
    Titles,
    TrustRemoteCode,
    quoted,
    say_next,
)
from videomem_hf.cli.predict_forgetting import check_forgetting, write_forgetting_table
from videomem_hf.cli.predict_here import Outcome, Scoring, is_pipe, score_clips
from videomem_hf.cli.predict_next import next_commands
from videomem_hf.model_names import check_model_name
from videomem_hf.registration import import_code
from videomem_hf.schema import Horizon, InputError
from videomem_hf.system import os_cause, printable, quantity

if TYPE_CHECKING:
    from videomem_hf.inference.score_journal import Model


def predict(
    clips: Clips = None,
    list_file: ListFile = None,
    model: Annotated[
        str | None,
        typer.Option(help="Folder of a trained model, Hub id, or 'resmem'. (default: resmem, if it is installed)"),
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE", help="Write everything, with the scores of each frame; '-' for standard output."
        ),
    ] = None,
    csv_file: Annotated[
        str | None,
        typer.Option(
            "--csv", metavar="FILE", help="Write one row per clip, as soon as it is scored; '-' for standard output."
        ),
    ] = None,
    plots: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Write one picture per clip to this folder: score over time, frames, saliency maps."
        ),
    ] = None,
    overlay: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Write one video per clip (MP4) to this folder: saliency map over every frame, and the score.",
        ),
    ] = None,
    occlusion: Annotated[
        bool,
        typer.Option(
            "--occlusion", help="With --plots: cover one cell of a grid after the other and show how the score changes."
        ),
    ] = False,
    forgetting: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Write the chance of being remembered after 5 minutes, 1 day and 3 days to this folder: a table, and "
            "one picture per clip. For models that give both scores.",
        ),
    ] = None,
    device: Device = None,
    title: Annotated[str | None, typer.Option(help="Title of a single clip, for a model that reads titles.")] = None,
    titles: Titles = None,
    precision: Annotated[
        Literal["auto", "float32", "bfloat16", "float16", "fp32", "bf16", "fp16"],
        typer.Option(
            help="Number format of the network. bfloat16 is about twice as fast if CPU or GPU support it, and changes "
            "scores by up to .005; auto takes it on GPUs, and float32 on CPUs."
        ),
    ] = "auto",
    fail_fast: FailFast = False,
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
    engine: Engine = "local",
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of processes; each loads the model. (default: 1; with --engine ray one per GPU of the "
            "cluster, else one per core)",
        ),
    ] = None,
) -> None:
    """Predict how memorable clips are.

    One frame per second is scored; a clip's score is the mean. A clip that fails is reported with its cause, and the
    others are scored. Exit codes: 0 all clips are done; 1 a clip failed, or something given cannot be used; 130 stopped
    with Ctrl-C. With --csv - or --json - all messages go to standard error.

    Examples: [bold]videomem predict holiday.mp4 --plots plots[/bold],
    [bold]videomem predict clips/ --csv scores.csv[/bold],
    [bold]videomem predict holiday.mp4 --overlay videos[/bold],
    [bold]videomem predict --list clips.txt --csv scores.csv --engine ray[/bold]
    """
    names = ("--json", "--csv", "--plots", "--overlay", "--forgetting")
    outputs = _Outputs(*map(_path, names, (json_file, csv_file, plots, overlay, forgetting)))
    outputs.check()
    if occlusion and plots is None and engine == "local":
        raise InputError("--occlusion: needs --plots FOLDER")
    check_model_name(model)
    import_code(import_)
    if engine == "ray":
        if any((fail_fast, import_, trust_remote_code)):
            raise InputError("--fail-fast, --import and --trust-remote-code are for --engine local; leave them out")
        if outputs.csv_file is None or outputs.to_stdout or json_file or plots or overlay or occlusion or forgetting:
            raise InputError("--engine ray writes a table and nothing else: give --csv FILE, and no other output")
        from videomem_hf.cli.predict_ray import predict_on_ray

        paths = clip_paths(clips, list_file)
        predict_on_ray(paths, model, device, precision, outputs.csv_file, jobs, titles_of(paths, title, titles))
        return
    sources = clip_sources(clips, list_file)
    outputs.check_against(sources)
    of_clips = titles_of(sources, title, titles)
    from videomem_hf.inference import Predictor

    imports = tuple(import_ or ())
    drawn = outputs.plots, outputs.overlay, occlusion, outputs.forgetting
    scoring = Scoring(model, device, trust_remote_code, precision, imports, *drawn)
    jobs = min(jobs or 1, len(sources))
    if jobs > 1 and (pipes := [source for source in sources if is_pipe(source)]):
        raise InputError(f"{pipes[0]}: is a pipe, which no other process can read; leave --jobs out")
    from videomem_hf.inference.score_journal import model_of

    predictor = scoring.load()
    if of_clips:
        predictor.check_title()
    if forgetting is not None:
        check_forgetting(predictor)
    if occlusion and not isinstance(predictor, Predictor):
        raise InputError(f"--occlusion: {predictor.name} scores no frames; leave it out")
    if overlay is not None and predictor.saliency_method is None:
        typer.echo(f"videomem: no overlay videos, as saliency maps are missing: {predictor.why_no_maps}", err=True)
        scoring = replace(scoring, overlay=None)
    about = _About(model_of(predictor), predictor.horizons, predictor.interval_level)
    # With several processes it was here to find mistakes early; they load their own.
    outcomes = score_clips(predictor if jobs == 1 else None, scoring, sources, jobs, of_clips)
    maps = predictor.saliency_method is not None
    del predictor
    scored = _write_outputs(outcomes, len(sources), about, outputs, fail_fast)
    if sys.stdout.isatty() and not outputs.to_stdout:
        again = [o.source for o in scored if o.prediction and isinstance(o.source, Path) and not is_pipe(o.source)]
        given = {"--device": device, "--import": import_, "--title": title, "--titles": titles}
        options = "".join(
            f" {name} {quoted(each)}"
            for name, values in {"--model": model, **given}.items()
            for each in (values if isinstance(values, list) else [values])
            if each
        ) + (" --trust-remote-code" if trust_remote_code else "")
        say_next(*next_commands(again, options, drawn=bool(plots), maps=maps, written=bool(csv_file or overlay)))
    if any(outcome.error for outcome in scored):
        raise typer.Exit(1)


def _write_outputs(
    scored: Iterator[Outcome],
    clips: int,
    about: "_About",
    outputs: "_Outputs",
    fail_fast: bool,
) -> list[Outcome]:
    from videomem_hf.cli.predict_table import print_table

    outcomes: list[Outcome] = []
    interrupted = False
    with _csv_rows(outputs.csv_file, about) as write_row:
        try:
            for outcome in scored:
                outcomes.append(outcome)
                write_row(outcome)
                if outcome.error and fail_fast:
                    break
        except KeyboardInterrupt:
            interrupted = True
    if outputs.json_file is not None:
        _write_json(outputs.json_file, outcomes, about)
    print_table(outcomes, about.model, about.horizons, about.level, to_stderr=outputs.to_stdout)
    if outputs.forgetting is not None:
        write_forgetting_table(outcomes, outputs.forgetting, outputs.to_stdout)
    if written := [str(path) for path in (*outputs.files, *outputs.folders) if path and str(path) != "-"]:
        typer.echo(f"Written: {', '.join(written)}", err=outputs.to_stdout)
    if interrupted:
        sys.stderr.write(f"videomem: interrupted; {len(outcomes)} of {quantity(clips, 'clip')} are done and kept\n")
        raise typer.Exit(130)
    return outcomes


def _path(option: str, text: str | None) -> Path | None:
    if text == "":
        raise InputError(f"{option} is empty; name a {'file' if option in ('--json', '--csv') else 'folder'}")
    return None if text is None else Path(text)


@dataclass(frozen=True)
class _About:
    """What stands beside all scores: the model, what it predicts, and the level of its intervals."""

    model: "Model"
    horizons: tuple[Horizon, ...]
    level: float


@dataclass(frozen=True)
class _Outputs:
    """Where a run writes, besides the table on the terminal."""

    json_file: Path | None
    csv_file: Path | None
    plots: Path | None
    overlay: Path | None
    forgetting: Path | None = None

    @property
    def to_stdout(self) -> bool:
        return "-" in (str(self.json_file), str(self.csv_file))

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.json_file, self.csv_file) if path is not None and str(path) != "-"]

    @property
    def folders(self) -> tuple[Path | None, ...]:
        return self.plots, self.overlay, self.forgetting

    def check(self) -> None:
        """Refuse at once what would fail after hours of work."""
        if str(self.json_file) == str(self.csv_file) == "-":
            raise InputError("--json - and --csv - cannot both be standard output; name a file for one of them")
        if len({path.resolve() for path in self.files}) < len(self.files):
            raise InputError(f"--json and --csv are both {self.csv_file}; name two files")
        for path in self.files:
            if path.is_dir():
                raise InputError(f"{path} is a folder; name a file")
            if not path.resolve().parent.is_dir():
                raise InputError(f"{path}: the folder {path.resolve().parent} does not exist; make it first")
        for option, folder in zip(("--plots", "--overlay", "--forgetting"), self.folders, strict=True):
            try:
                if folder is not None:
                    folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{option} {folder}: cannot be a folder ({os_cause(error)})") from error

    def check_against(self, sources: Sequence[Path | str]) -> None:
        """Refuse to write over a clip."""
        clips = {_real_path(source) for source in sources if isinstance(source, Path)}
        if written := next((path for path in self.files if _real_path(path) in clips), None):
            raise InputError(f"{written} is one of the clips; name another file for the output")
        folder = None if self.overlay is None else _real_path(self.overlay)
        if clip := next((clip for clip in clips if clip.parent == folder), None):
            raise InputError(f"--overlay {self.overlay}: holds {clip.name}, which is a clip; name another folder")


def _real_path(path: Path) -> Path:
    return Path(os.path.realpath(path))  # `Path.resolve` raises of links in a circle


@contextmanager
def _csv_rows(path: Path | None, about: "_About") -> Iterator[Any]:
    from videomem_hf.inference.score_journal import ClipScores
    from videomem_hf.inference.score_table import score_columns, score_row

    if path is None:
        yield lambda outcome: None
        return
    try:
        opened = nullcontext(sys.stdout) if str(path) == "-" else path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({os_cause(error)})") from error
    with opened as file:
        writer = csv.writer(file)
        writer.writerow(score_columns(about.horizons, about.level))

        def write(outcome: Outcome) -> None:
            p = outcome.prediction
            scores = ClipScores.of(p) if p else None
            writer.writerow(score_row(outcome.name, about.horizons, scores, outcome.note, about.model))
            file.flush()

        yield write


def _write_json(path: Path, outcomes: list[Outcome], about: "_About") -> None:
    from videomem_hf.inference.prediction import Prediction

    def failed(o: Outcome) -> Prediction:
        return Prediction.failed(o.name, about.model.name, about.horizons, o.error, about.model.version)

    rows = [
        (o.prediction or failed(o)).to_dict() | ({"error": printable(o.error)} if o.error else {}) for o in outcomes
    ]
    text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")

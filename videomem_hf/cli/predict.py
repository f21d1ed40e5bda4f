"""`videomem predict`: how memorable are these clips, and where does it come from?"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from videomem_hf.cli.clip_paths import clip_paths, clip_sources
from videomem_hf.cli.clip_titles import check_reads_titles, clip_titles
from videomem_hf.cli.exit_codes import FAILED
from videomem_hf.cli.options import (
    Clips,
    Device,
    FailFast,
    Import,
    ListFile,
    Titles,
    TrustRemoteCode,
    say_next,
)
from videomem_hf.cli.predict_forgetting import check_forgetting
from videomem_hf.cli.predict_here import Outcome, Scoring, is_pipe, score_clips
from videomem_hf.cli.predict_next import next_commands, typed_options
from videomem_hf.cli.predict_onnx import check_onnx, not_drawable
from videomem_hf.cli.predict_outputs import Outputs, write_outputs
from videomem_hf.model_names import check_model_name
from videomem_hf.registration import import_code
from videomem_hf.schema import InputError

if TYPE_CHECKING:
    from videomem_hf.inference import ClipPredictor

ModelOption = Annotated[
    str | None,
    typer.Option(help="Folder of a trained model, Hub id, or 'resmem'. (default: resmem, if it is installed)"),
]
JsonFile = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE", help="Write everything, with the scores of each frame; '-' for standard output."
    ),
]
CsvFile = Annotated[
    str | None,
    typer.Option(
        "--csv", metavar="FILE", help="Write one row per clip, as soon as it is scored; '-' for standard output."
    ),
]
Plots = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER", help="Write one picture per clip to this folder: score over time, frames, saliency maps."
    ),
]
Overlay = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Write one video per clip (MP4) to this folder: saliency map over every frame, and the score.",
    ),
]
Occlusion = Annotated[
    bool,
    typer.Option(
        "--occlusion", help="With --plots: blur one cell of a grid after the other and show how the score changes."
    ),
]
Forgetting = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Write the chance of being remembered after 5 minutes, 1 day and 3 days to this folder: a table, and "
        "one picture per clip. For models that give both scores.",
    ),
]
Title = Annotated[str | None, typer.Option(help="Title of a single clip, for a model that reads titles.")]
PrecisionOption = Annotated[
    Literal["auto", "float32", "bfloat16", "float16", "fp32", "bf16", "fp16"],
    typer.Option(
        help="Number format of the network. bfloat16 is about twice as fast if CPU or GPU support it, and changes "
        "scores by up to .005; auto takes it on GPUs, and float32 on CPUs."
    ),
]
EngineOption = Annotated[
    Literal["local", "ray", "onnx"],
    typer.Option(
        help="local: this machine. ray: a Ray cluster; without one, Ray on this machine. onnx: this machine, with a "
        "model that `videomem export` wrote, without PyTorch."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of processes; each loads the model. (default: 1; with --engine ray one per GPU of the "
        "cluster, else one per core)",
    ),
]


def predict(
    clips: Clips = None,
    list_file: ListFile = None,
    model: ModelOption = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    plots: Plots = None,
    overlay: Overlay = None,
    occlusion: Occlusion = False,
    forgetting: Forgetting = None,
    device: Device = None,
    title: Title = None,
    titles: Titles = None,
    precision: PrecisionOption = "auto",
    fail_fast: FailFast = False,
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
    engine: EngineOption = "local",
    jobs: Jobs = None,
) -> None:
    """Predict how memorable clips are.

    One frame per second is scored; a clip's score is the mean. A clip that fails is reported with its cause, and the
    others are scored; the exit code is then 1. With --csv - or --json - all messages go to standard error.

    Examples: [bold]videomem predict holiday.mp4 --plots plots[/bold],
    [bold]videomem predict clips/ --csv scores.csv[/bold],
    [bold]videomem predict holiday.mp4 --overlay videos[/bold],
    [bold]videomem predict --list clips.txt --csv scores.csv --engine ray[/bold]
    """
    outputs = Outputs.of(json_file, csv_file, plots, overlay, forgetting)
    if occlusion and plots is None and engine != "ray":
        raise InputError("--occlusion: needs --plots FOLDER")
    _check_model(model, title, titles)
    draws = any((plots, overlay, forgetting))
    check_onnx(engine, model, device, precision, import_, trust_remote_code, occlusion, draws)
    import_code(import_)
    typed = typed_options({
        "--model": [model], "--device": [device], "--precision": [None if precision == "auto" else precision],
        "--import": import_ or [], "--title": [title], "--titles": [titles],
        "--engine": [engine if engine == "onnx" else None],
    }) + (" --trust-remote-code" if trust_remote_code else "")  # fmt: skip
    if engine == "ray":
        table = _table_of_ray(outputs, occlusion, local=any((fail_fast, import_, trust_remote_code)))
        from videomem_hf.cli.predict_ray import predict_on_ray

        paths = clip_paths(clips, list_file, note_pictures=True)
        predict_on_ray(paths, model, device, precision, table, jobs, clip_titles(paths, title, titles), typed)
        return
    sources = clip_sources(clips, list_file, note_pictures=True)
    outputs.check_against(sources)
    drawn = outputs.plots, outputs.overlay, occlusion, outputs.forgetting
    scoring = Scoring(model, device, trust_remote_code, precision, tuple(import_ or ()), *drawn, engine)
    scored, maps = _score(scoring, sources, clip_titles(sources, title, titles), jobs, outputs, fail_fast)
    again = _scored_files(scored, engine)
    say_next(*next_commands(again, typed, drawn=bool(plots), maps=maps, written=bool(csv_file or overlay)))
    if any(outcome.error for outcome in scored):
        raise typer.Exit(FAILED)


def _table_of_ray(outputs: Outputs, occlusion: bool, local: bool) -> Path:
    """The table to write; refuses what Ray cannot do. `local` is whether options of the engine `local` are given."""
    if local:
        raise InputError("--fail-fast, --import and --trust-remote-code are for --engine local; leave them out")
    others = outputs.json_file or outputs.plots or outputs.overlay or occlusion or outputs.forgetting
    if outputs.csv_file is None or outputs.to_stdout or others:
        raise InputError("--engine ray writes a table and nothing else: give --csv FILE, and no other output")
    return outputs.csv_file


def _scored_files(scored: Sequence[Outcome], engine: str) -> list[Path]:
    """The scored clips that can be read again; none where the commands proposed for them could not draw."""
    if engine == "onnx" and not_drawable():
        return []
    return [o.source for o in scored if o.prediction and isinstance(o.source, Path) and not is_pipe(o.source)]


def _check_model(model: str | None, title: str | None, titles: Path | None) -> None:
    """Refuse a model, or titles for it, as far as that is known without loading it."""
    if model == "":
        raise InputError("--model is empty; give a folder, a Hub id, or leave it out")
    check_model_name(model)
    check_reads_titles(model, title, titles)


def _score(
    scoring: Scoring,
    sources: Sequence[Path | str],
    titles: list[str | None] | None,
    jobs: int | None,
    outputs: Outputs,
    fail_fast: bool,
) -> tuple[list[Outcome], bool]:
    """Score clips and write what is wanted of them; also gives whether the model offers saliency maps."""
    from videomem_hf.inference.score_journal import ModelFacts

    jobs = min(jobs or 1, len(sources))
    if jobs > 1 and (pipes := [source for source in sources if is_pipe(source)]):
        raise InputError(f"{pipes[0]}: is a pipe, which no other process can read; leave --jobs out")
    predictor = scoring.load()
    if titles:
        predictor.check_title()
    if scoring.forgetting is not None:
        check_forgetting(predictor)
    scoring = _without_missing_maps(predictor, scoring)
    facts = ModelFacts.of(predictor)
    maps = predictor.saliency_method is not None
    # With several processes it was here to find mistakes early; they load their own.
    outcomes = score_clips(predictor if jobs == 1 else None, scoring, sources, jobs, titles)
    del predictor
    return write_outputs(outcomes, len(sources), facts, outputs, fail_fast), maps


def _without_missing_maps(predictor: "ClipPredictor", scoring: Scoring) -> Scoring:
    """What can be drawn with a model. Raises InputError for occlusion of a model that scores no frames."""
    if not (scoring.occlusion or scoring.overlay):
        return scoring
    from videomem_hf.inference import Predictor

    if scoring.occlusion and not isinstance(predictor, Predictor):
        raise InputError(f"--occlusion: {predictor.name} scores no frames; leave it out")
    if scoring.overlay is None or predictor.saliency_method is not None:
        return scoring
    typer.echo(f"videomem: no overlay videos, as saliency maps are missing: {predictor.why_no_maps}", err=True)
    return replace(scoring, overlay=None)

"""`videomem timeline`: how memorable is each shot of a film?"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from videomem_hf.cli.clip_paths import clip_paths, short_name
from videomem_hf.cli.exit_codes import FAILED, INTERRUPTED
from videomem_hf.cli.options import ClipFiles, Device, Engine, Import, ListFile, TrustRemoteCode, quote, say_next
from videomem_hf.cli.predict_here import SHOW_EVERY_S, file_names
from videomem_hf.model_names import check_model_name
from videomem_hf.registration import import_code
from videomem_hf.schema import InputError, cause_of
from videomem_hf.system import printable, quantity

if TYPE_CHECKING:
    from videomem_hf.films.ray_engine import Summary
    from videomem_hf.films.timeline import Timeline
    from videomem_hf.inference import Predictor


Out = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder for the results; of several films each gets a folder in it."),
]
Precision = Annotated[str, typer.Option(help="Number format of the network, see `videomem predict --help`.")]
Model = Annotated[
    str | None,
    typer.Option(help="Folder of a model that scores frames, Hub id, or 'resmem'. (default: resmem)"),
]
Fps = Annotated[
    float | None, typer.Option(min=0.01, help="Frames scored per second. (default: the model's, which is 1)")
]
Best = Annotated[
    str | None,
    typer.Option(
        metavar="LENGTH",
        help="Write the most memorable part of this length, such as 30s or 1m30s: best.mp4 or .webm.",
    ),
]
Poster = Annotated[
    bool, typer.Option("--poster", help="With --best: write the frame to use as its thumbnail, best.jpg.")
]
Otio = Annotated[
    bool,
    typer.Option(
        "--otio",
        help="Write markers for editing programs as well: timeline.otio and timeline.edl. "
        "Needs pip install 'videomem_hf[editors]'.",
    ),
]
Jobs = Annotated[
    int | None, typer.Option(min=1, help="With --engine ray: number of processes. (default: one per GPU or core)")
]


def timeline(
    films: ClipFiles = None,
    list_file: ListFile = None,
    out: Out = None,
    model: Model = None,
    fps: Fps = None,
    otio: Otio = False,
    best: Best = None,
    poster: Poster = False,
    device: Device = None,
    precision: Precision = "auto",
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
    engine: Engine = "local",
    jobs: Jobs = None,
) -> None:
    """Find the shots of a film of any length, and predict how memorable each is.

    Writes timeline.html (chart, pictures, table in one file), timeline.png, timeline.csv and timeline.json. A shot of
    up to 7 s is scored as a clip; of a longer one windows of 7 s are, and averaged. A stopped run goes on with the same
    command. A film that fails is reported with its cause, and the others are done. Needs pip install
    'videomem_hf[shots]'.

    Examples: [bold]videomem timeline film.mp4 --out timeline[/bold],
    [bold]videomem timeline film.mp4 --out timeline --otio[/bold],
    [bold]videomem timeline film.mp4 --out timeline --best 30s --poster[/bold],
    [bold]videomem timeline films/ --out timelines --engine ray[/bold]
    """
    if out is None:
        raise InputError("--out is missing: name the folder for the results")
    length_s = _length(best, poster, engine)
    check_model_name(model)
    import_code(import_)
    paths = clip_paths(films, list_file)
    folders = [out] if len(paths) == 1 else [out / name for name in file_names(paths)]
    if otio:
        from videomem_hf.films.markers import check_markers

        check_markers()
    if engine == "ray":
        if import_ or trust_remote_code:
            raise InputError("--import and --trust-remote-code are for --engine local; leave them out")
        from videomem_hf.films.ray_engine import timelines_on_ray

        done = timelines_on_ray(paths, folders, model, device, precision, fps, otio, jobs)
        results: Iterable[tuple[Path, Summary | str]] = tqdm(done, "films", len(paths), unit="film", disable=None)
    else:
        from videomem_hf.films.timeline import film_predictor
        from videomem_hf.inference import load_predictor

        predictor = film_predictor(load_predictor(model, device, None, trust_remote_code, precision))
        results = _make_here(predictor, paths, folders, fps, otio, length_s, poster)
    failed = _report(results, dict(zip(paths, folders, strict=True)))
    if failed < len(paths):
        typer.echo(f"Written: {out / 'timeline.html' if len(paths) == 1 else out}")
    if failed:
        raise typer.Exit(FAILED)
    named = _named(paths, films, list_file)
    _say_next(f"videomem timeline {named} --out {quote(out)}", fps, model, otio, best)


def _named(paths: list[Path], films: list[str] | None, list_file: Path | None) -> str:
    """The films as one would type them again."""
    listed = [] if list_file is None else [f"--list {quote(list_file)}"]
    return quote(paths[0]) if len(paths) == 1 else " ".join([*map(quote, films or []), *listed])


def _say_next(command: str, fps: float | None, model: str | None, otio: bool, best: str | None) -> None:
    given = ("" if fps is None else f" --fps {fps:g}") + (f" --model {quote(model)}" if model else "")
    options = [*([] if best else ["--best 30s --poster"]), *([] if otio else ["--otio"])]
    say_next(*(f"{command}{given} {option}" for option in options))


def _length(best: str | None, poster: bool, engine: str) -> float | None:
    """The length of the excerpt in seconds; refuses options that do not go together."""
    if best is None:
        if poster:
            raise InputError("--poster: is for an excerpt; give --best LENGTH as well")
        return None
    if engine == "ray":
        raise InputError("--best is for --engine local; leave it out")
    from videomem_hf.films.excerpt import parse_length

    return parse_length(best)


def _make_here(
    predictor: "Predictor",
    paths: list[Path],
    folders: list[Path],
    fps: float | None,
    otio: bool,
    length_s: float | None,
    poster: bool,
) -> Iterator[tuple[Path, "Summary | str"]]:
    """Make timelines in this process, with a progress bar in seconds of film."""
    from videomem_hf.films.ray_engine import summary_of
    from videomem_hf.films.timeline_files import make_timeline

    often = SHOW_EVERY_S if sys.stderr.isatty() else 10.0
    form = "{desc}: {percentage:3.0f}% of {total:.0f} s, {elapsed} gone, {remaining} left{postfix}"
    for number, (path, folder) in enumerate(zip(paths, folders, strict=True), 1):
        name = short_name(str(path)) + (f" ({number} of {len(paths)})" if len(paths) > 1 else "")
        with tqdm(desc=name, total=1.0, mininterval=often, bar_format=form) as bar:

            def show(time_s: float, length_s: float | None, bar: tqdm = bar) -> None:
                bar.total = max(length_s or 0.0, time_s, 1.0)
                if not bar.n:
                    bar.initial = time_s  # what an earlier run has read took this one no time
                bar.update(max(0.0, time_s - bar.n))

            result: Summary | str
            try:
                found = make_timeline(path, folder, predictor, fps, otio, show)
                show(found.duration_s, found.duration_s)  # also of a film that an earlier run has read
                result = summary_of(found)
                if length_s is not None:
                    bar.set_postfix_str("writing the excerpt")
                    result = _with_excerpt(result, found, path, folder, predictor, length_s, poster)
                    bar.set_postfix_str("")
            except Exception as error:
                result = cause_of(error, str(path))
        yield path, result


def _with_excerpt(
    summary: "Summary",
    found: "Timeline",
    path: Path,
    folder: Path,
    predictor: "Predictor",
    length_s: float,
    poster: bool,
) -> "Summary | str":
    """Write the best excerpt; give what is said of the film with it, or why there is none."""
    from videomem_hf.films.excerpt import excerpt_of, excerpt_sentence, write_excerpt

    try:
        written = write_excerpt(path, excerpt_of(found, length_s, predictor), folder / "best", poster)
    except Exception as error:
        return f"{cause_of(error, str(path))} (the timeline is written)"
    return replace(summary, notes=(*summary.notes, excerpt_sentence(written, found.horizons[0])))


def _report(results: Iterable[tuple[Path, "Summary | str"]], folders: dict[Path, Path]) -> int:
    """Say what came of each film; give the number of those that failed."""
    from videomem_hf.analysis.style import clock

    done, failed = 0, 0
    try:
        for path, found in results:
            if isinstance(found, str):
                failed += 1
                typer.echo(f"videomem: {printable(path)}: {printable(found)}", err=True)
                continue
            done += 1
            best = "no shot stands out"
            if found.best_s is not None:
                best = f"the most memorable one begins at {clock(found.best_s)}"
                if found.tied:
                    best += f", which the model cannot tell apart from {quantity(found.tied, 'other')}"
            typer.echo(f"{printable(path)}: {quantity(found.shots, 'shot')} in {clock(found.duration_s)}; {best}")
            for note in found.notes:
                typer.echo(f"  {printable(note)}")
    except KeyboardInterrupt:
        kept = f"{done} of {len(folders):,} films are done, and " if len(folders) > 1 else ""
        sys.stderr.write(f"videomem: interrupted; {kept}the same command goes on from here\n")
        raise typer.Exit(INTERRUPTED) from None
    return failed

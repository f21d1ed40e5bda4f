"""`videomem extract`: the release's features, and others, of a user's own clips."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

from videomem_hf.cli.clip_paths import clip_paths, short_name
from videomem_hf.cli.exit_codes import FAILED, INTERRUPTED
from videomem_hf.cli.options import (
    ClipFiles,
    Device,
    Engine,
    FailFast,
    ListFile,
    Titles,
    complete_extracted_features,
    python_line,
    say_next,
)
from videomem_hf.data.release.captions import read_titles
from videomem_hf.system import printable, quantity

if TYPE_CHECKING:
    from videomem_hf.extraction import Report
    from videomem_hf.extraction.run import Outcome
    from videomem_hf.features.spec import FeatureSpec


Features = Annotated[
    str,
    typer.Option(
        help="Names, separated by commas. As released: hmp, lbp, hog, colorhistogram, orb, inceptionv3, c3d. "
        "With the release's bugs fixed: hmp-paper, lbp-corrected, hog-corrected, colorhistogram-corrected, "
        "orb-corrected, inceptionv3-corrected. Others: lbp-opencv3, c3d-fc6, efficientnet-lite0, "
        "efficientnet-lite2, resmem, hf:MODEL, hf-frames:MODEL, timm:NAME, timm-frames:NAME, title:MODEL, "
        "concepts:DETECTOR.",
        autocompletion=complete_extracted_features,
    ),
]


def extract(
    out: Annotated[Path, typer.Option(help="Folder to write, with one folder per feature.")],
    clips: ClipFiles = None,
    list_file: ListFile = None,
    features: Features = "hmp,lbp,hog,colorhistogram",
    c3d: Annotated[
        str | None, typer.Option(help="Folder of a model from `videomem convert c3d`. (default: $VIDEOMEM_C3D)")
    ] = None,
    inceptionv3: Annotated[
        str | None,
        typer.Option(
            help="File with torchvision's weights of inception_v3. (default: $VIDEOMEM_INCEPTIONV3, or downloaded)"
        ),
    ] = None,
    titles: Titles = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Number of clips decoded at the same time. (default: one per core)")
    ] = None,
    engine: Engine = "local",
    device: Device = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Extract existing features again.")] = False,
    fail_fast: FailFast = False,
) -> None:
    """Extract features of your own clips, in the files and formats of the VideoMem release.

    A clip is decoded once for all features. Existing features are not extracted again, so that an interrupted run
    continues where it stopped. A clip that fails is reported with its cause, and the others are extracted; the exit
    code is then 1.

    Clips named `video<N>` keep their number; others are numbered, see `clips.csv` in the folder. The folder loads with
    `load_dataset("videomem", "hmp", data_dir=FOLDER)`. Aesthetics cannot be computed; they are read from the release.

    Examples: [bold]videomem extract holiday/ --features hmp,lbp --out features[/bold],
    [bold]videomem extract clips/ --features hf:facebook/dinov2-base --out features[/bold],
    [bold]videomem extract --list clips.txt --out features --engine ray[/bold]
    """
    paths = clip_paths(clips, list_file)
    from videomem_hf.extraction.ray_engine import RayEngine
    from videomem_hf.features.catalogue import feature_specs

    specs = feature_specs([name.strip() for name in features.split(",") if name.strip()], c3d, inceptionv3)
    options = {
        "titles": read_titles(titles) if titles else None,
        "processes": jobs,
        "device": device,
        "overwrite": overwrite,
        "fail_fast": fail_fast,
        "elsewhere": RayEngine(tuple(specs), device, jobs) if engine == "ray" else None,
    }
    report, interrupted = _extract_with_progress(paths, specs, out, options)
    typer.echo(_summary(report, out))
    if interrupted:
        sys.stderr.write("videomem: interrupted; what is done is kept, and the same command goes on from there\n")
        raise typer.Exit(INTERRUPTED)
    if len(report.done) > len(report.failed) and specs:
        say_next(python=python_line(f'load_dataset("videomem", "all", data_dir={str(out)!r})'))
    if report.failed:
        raise typer.Exit(FAILED)


def _extract_with_progress(
    paths: list[Path], specs: "list[FeatureSpec]", out: Path, options: dict[str, Any]
) -> "tuple[Report, bool]":
    """Extract, with a bar and problems as they come; also gives whether Ctrl-C ended it."""
    from videomem_hf.extraction import Report, extract_clips

    report = Report()
    with tqdm(total=len(paths), unit="clip", desc="extracting", disable=None) as bar:

        def on_clip(outcome: "Outcome") -> None:
            bar.set_postfix_str(short_name(str(outcome.clip)), refresh=False)
            bar.update()
            errors = [f"no {feature}: {error}" if feature else error for feature, error in outcome.errors.items()]
            for problem in (*outcome.notes, *errors):
                bar.write(printable(f"{outcome.clip}: {problem}"), file=sys.stderr)

        try:
            extract_clips(paths, specs, out, on_clip=on_clip, report=report, **options)
        except KeyboardInterrupt:
            return report, True
    return report, False


def _summary(report: "Report", out: Path) -> str:
    counts = {"were done before": report.kept, "with errors": len(report.failed)}
    more = "".join(f", {count} {what}" for what, count in counts.items() if count)
    complete = len(report.done) - len(report.failed)
    return f"{out}: {complete} of {quantity(report.total, 'clip')} extracted{more}"

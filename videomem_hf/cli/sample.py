"""`videomem sample`: a generated sample in the layout of the VideoMem release."""

import re
from pathlib import Path
from typing import Annotated

import typer

from videomem_hf.cli.options import complete_sample_features, quote, say_next
from videomem_hf.schema import InputError


def sample(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write; new, or an interrupted sample.")],
    videos: Annotated[int, typer.Option(help="Number of scored (dev) videos.")] = 200,
    test_videos: Annotated[
        int | None, typer.Option(help="Number of videos without scores. (default: a fourth of --videos)")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed; the same options give the same sample.")] = 0,
    size: Annotated[str, typer.Option(metavar="WxH", help="Frame size; the release's is 1920x1080.")] = "320x180",
    features: Annotated[
        str,
        typer.Option(
            help="all, none, or some of c3d,hmp,lbp,hog,inceptionv3,colorhistogram,orb,aesthetics. hmp, lbp, hog, "
            "colorhistogram and orb are extracted from the generated videos, the others are simulated.",
            autocompletion=complete_sample_features,
        ),
    ] = "c3d,hmp",
    no_videos: Annotated[
        bool,
        typer.Option(
            "--no-videos",
            help="Do not write the video files; this takes as long where features are extracted from them.",
        ),
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Number of processes. (default: one per available CPU)")] = None,
) -> None:
    """Generate a data set like VideoMem with known true memorability.

    Writes DIR/release in VideoMem's layout, and DIR/truth.jsonl with the truth.

    The same command completes an interrupted sample.

    Example: [bold]videomem sample sample --videos 200 --features c3d,hmp[/bold]
    """
    from videomem_hf.sample import generate_sample

    paths = generate_sample(
        out,
        videos=videos,
        test_videos=test_videos,
        seed=seed,
        size=_size(size),
        features=_features(features),
        write_videos=not no_videos,
        workers=workers,
    )
    typer.echo(f"Release: {paths.release}\nTruth:   {paths.truth}")
    typer.echo(
        "Its true scores are known, so it shows whether a training or an analysis works. Results on it say nothing "
        "about VideoMem or about your clips."
    )
    release = quote(paths.release)
    recipe = "frame_attention" if not no_videos else "hmp" if "hmp" in _features(features) else None
    train = [f"videomem train --recipe {recipe} --data {release} --output run"] if recipe else []
    say_next(f"videomem describe {release}", *train)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise InputError(f"--size {text!r}; give width and height in pixels as WxH, for example 320x180.")
    return int(match[1]), int(match[2])


def _features(text: str) -> tuple[str, ...]:
    from videomem_hf.sample import FEATURES

    if text in {"all", "none"}:
        return FEATURES if text == "all" else ()
    return tuple(name.strip() for name in text.split(","))

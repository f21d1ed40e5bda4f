"""`videomem quickstart`: everything once, on a generated sample."""

from pathlib import Path
from typing import Annotated

import typer

from videomem_hf.cli.options import quote, say_next


def quickstart(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("quickstart"),
    videos: Annotated[int, typer.Option(min=64, help="Number of clips; about one in five is held out.")] = 880,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the sample and of the training.")] = 0,
) -> None:
    """Generate a sample, train a predictor on it, evaluate it, and write a report with its attention.

    It takes about 5 minutes on 2 cores. Started again after Ctrl-C, it continues where it stopped.

    Example: [bold]videomem quickstart --out quickstart[/bold]
    """
    from videomem_hf.quickstart import quickstart as run

    paths = run(out, videos=videos, seed=seed)
    typer.echo(f"Report:  {paths.report}\nModel:   {paths.model}\nRelease: {paths.release}")
    say_next(f"videomem predict clip.mp4 --model {quote(paths.model)} --plots plots")

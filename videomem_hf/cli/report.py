"""`videomem report`: the table of a run, its calibration, and where it errs."""

from pathlib import Path
from typing import Annotated

import typer

from videomem_hf.cli.options import quote, say_next


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    data: Annotated[
        str | None,
        typer.Option(help="The run's data or a copy, for titles and pictures. (default: the path in the run)"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report. (default: RUN/report)")] = None,
    topics: Annotated[int, typer.Option(min=2, help="Largest number of topics.")] = 10,
) -> None:
    """Write a report of a run: results, calibration, error analysis and pictures of clips, as Markdown with figures.

    A topic is a cluster of title words. The run needs 10 or more evaluated clips with a measured score.

    Example: [bold]videomem report run/[/bold]
    """
    from videomem_hf.cli.report_contents import write_report

    write_report(run, data, out or run / "report", topics)
    say_next(f"videomem card {quote(run)}")

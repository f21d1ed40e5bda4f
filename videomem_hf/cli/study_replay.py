"""`videomem study replay`: the decisions of an adaptive study, recomputed."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from videomem_hf.cli.options import quote, say_next
from videomem_hf.cli.study_export import DatabaseUrl, open_database
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause


def replay(
    source: Annotated[
        Path, typer.Argument(metavar="DIR|FILE", help="Folder of a study, or a log by `study export --decisions`.")
    ],
    database: DatabaseUrl = None,
) -> None:
    """Recompute which videos each participant of an adaptive study was assigned, and compare with what was stored.

    Works while the study is served.

    Examples: [bold]videomem study replay mystudy[/bold], [bold]videomem study replay decisions.jsonl[/bold]
    """
    from tqdm import tqdm

    from videomem_hf.protocol.assignment.log import replay as recompute

    with ExitStack() as stack:
        lines: Iterable[str]
        if source.is_dir():
            from videomem_hf.protocol.server.assignment import log_lines

            found, connections = open_database(source, database)
            lines = log_lines(stack.enter_context(connections.read()), found.design)
        else:
            try:
                lines = stack.enter_context(source.open(encoding="utf-8"))
            except OSError as error:
                raise InputError(f"{source}: {os_cause(error)}.") from None
        count, different = 0, []
        for decision in tqdm(recompute(lines), desc="decisions", unit="decision"):
            count += 1
            if not decision.as_stored:
                different.append(decision)
    if different:
        first = different[0]
        raise InputError(
            f"{len(different)} of {count} decisions differ; the first is line {first.number + 1} of the log (step "
            f"{first.step} of participant {first.participant or 'without a name'}). The log was changed, or another "
            "version of this package wrote it."
        )
    if not count:
        raise InputError(f"{source}: no decisions; only studies whose design has assignment.policy adaptive, or a "
                         "reliability at which they stop, keep a log.")  # fmt: skip
    typer.echo(f"{count:,} decisions recomputed, all as stored")
    if source.is_dir():
        say_next(f"videomem study export {quote(source)} annotations.csv --decisions decisions.jsonl")

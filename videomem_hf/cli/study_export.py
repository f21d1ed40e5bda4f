"""`videomem study export` and `preregister`: what a study has collected, and what is written down before it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from videomem_hf.cli.options import quote, require_study_extra, say_next
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause, quantity

if TYPE_CHECKING:
    from videomem_hf.protocol.server.database import Database
    from videomem_hf.protocol.server.study import Study

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The study's folder.")]
_URL_HELP = "Such as postgresql+psycopg://user@host/name. (default: SQLite in DIR)"
DatabaseUrl = Annotated[
    str | None, typer.Option("--database", metavar="URL", envvar="VIDEOMEM_STUDY_DATABASE", help=_URL_HELP)
]
_FORMAT_HELP = "csv: one table of annotations. psych-ds: a folder to share, without anything that identifies a person."


def export(
    folder: Folder,
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="Table for `videomem score`; for psych-ds a new folder."),
    ],
    form: Annotated[Literal["csv", "psych-ds"], typer.Option("--format", help=_FORMAT_HELP)] = "csv",
    participants: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the participants with their completion codes.")
    ] = None,
    practice: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the responses of the practice, never scored.")
    ] = None,
    invitees: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write who can be invited to step 2, with platform ids.")
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the log of an adaptive study, for `study replay`.")
    ] = None,
    database: DatabaseUrl = None,
) -> None:
    """Export the annotations that a study has collected so far. Works while it is served.

    Participants who withdrew are left out of the annotations.

    Examples: [bold]videomem study export mystudy annotations.csv[/bold],
    [bold]videomem study export mystudy shared/ --format psych-ds[/bold]
    """
    require_study_extra()
    from videomem_hf.protocol.server import export as tables
    from videomem_hf.protocol.server.assignment import log_lines
    from videomem_hf.protocol.server.game import Game
    from videomem_hf.protocol.server.psych_ds import write_psych_ds

    found, connections = open_database(folder, database)
    showings, rows = 0, {}
    with connections.read() as connection:
        if form == "csv":
            showings = _write_lines(out, tables.annotation_lines(connection)) - 1
        else:
            rows = write_psych_ds(connection, found, out)
        if participants is not None:
            _write_lines(participants, tables.participant_lines(connection, found.settings, found.key))
        if practice is not None:
            _write_lines(practice, tables.practice_lines(connection))
        if invitees is not None:
            lines = tables.invitee_lines(connection, Game(found.design, found.settings), found.key)
            _write_lines(invitees, lines)
        if decisions is not None:
            _write_lines(decisions, log_lines(connection, found.design))
    if form == "csv":
        typer.echo(f"{out}: {quantity(showings, 'showing')}" + ("" if showings else "; nobody has played yet"))
    else:
        typer.echo(f"{out}: written; {_shared_so_far(rows)}")
    rest = f"--design {quote(folder / 'design.yaml')} --clips {quote(folder / 'clips')}"
    scoring = [f"videomem score {quote(out)} scores {rest}"] if showings else []
    say_next(*scoring, *([f"videomem study replay {quote(decisions)}"] if decisions is not None else []))


def _shared_so_far(rows: dict[str, int]) -> str:
    """What a data set to share has, and what it lacks."""
    has = f"{quantity(rows['participants'], 'participant')}, {quantity(rows['annotations'], 'showing')}"
    if not rows["participants"]:
        return f"{has}: nobody has joined yet, so its tables are empty; export again when the study is over"
    if not rows["annotations"]:
        return (
            f"{has}: nobody has played yet, so the table of annotations is empty; export again when the study is over"
        )
    return f"{has}; add authors and a licence to dataset_description.json"


def preregister(
    design: Annotated[Path, typer.Argument(metavar="DESIGN", help="The design, such as mystudy/design.yaml.")],
    videos: Annotated[int, typer.Option(min=1, help="Number of videos in the game.")],
    participants: Annotated[int, typer.Option(min=1, help="Number of participants who pass step 1.")],
    returning: Annotated[int, typer.Option(min=0, help="Number of them who pass step 2.")] = 0,
    out: Annotated[Path, typer.Option(metavar="FILE", help="File to write.")] = Path("preregistration.md"),
) -> None:
    """Write the text of a preregistration from a design: procedure, sample size, exclusion rules, analysis.

    Example: [bold]videomem study preregister design.yaml --videos 60 --participants 120 --returning 60[/bold]
    """
    require_study_extra()
    from videomem_hf.protocol.design import load_design
    from videomem_hf.protocol.server.preregistration import preregistration_text

    _write_lines(out, iter([preregistration_text(load_design(design), videos, participants, returning)]))
    typer.echo(f"{out}: written; add names, hypotheses and the ethics approval")
    say_next(f"videomem study init mystudy CLIPS... --design {quote(design)}")


def open_database(folder: Path, url: str | None) -> "tuple[Study, Database]":
    """Open a study and its database, which must fit it."""
    require_study_extra()
    from videomem_hf.protocol.server.app import enter_study
    from videomem_hf.protocol.server.database import Database
    from videomem_hf.protocol.server.study import open_study

    found = open_study(folder)
    database = Database(url or found.database_url)
    with database.write() as connection:
        enter_study(connection, found)
    return found, database


def _write_lines(path: Path, texts: Iterator[str]) -> int:
    """Write texts of one or more lines to a file; give the number of lines."""
    written = 0
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            for text in texts:
                file.write(text)
                written += text.count("\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({os_cause(error)}); give another path.") from None
    return written

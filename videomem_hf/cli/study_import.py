"""`videomem study import`: the responses of other software, as annotations."""

from pathlib import Path
from typing import Annotated

import typer

from videomem_hf.cli.options import quote, say_next
from videomem_hf.schema import InputError

_PAIR = "COLUMN=VALUE"


Files = Annotated[
    list[Path], typer.Argument(metavar="FILES...", help="jsPsych's JSON or CSV, long tables, or folders of them.")
]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; new, or of an earlier import.")]
Participant = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Who responded. (default: by name; else a file each)")
]
Item = Annotated[str | None, typer.Option(metavar="COLUMN", help="What was shown. (default: by name)")]
Response = Annotated[str | None, typer.Option(metavar="COLUMN", help="What was pressed. (default: by name)")]
ResponseTime = Annotated[str | None, typer.Option(metavar="COLUMN", help="Response time. (default: by name)")]
Old = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Whether an item is old, where showings do not say it.")
]
Position = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Order of the trials. (default: that of the rows)")
]
Keys = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY", help="Key, button or word for 'seen before'. May be given several times."),
]
Only = Annotated[list[str] | None, typer.Option(metavar=_PAIR, help="Trials that count. May be given several times.")]
Without = Annotated[
    list[str] | None, typer.Option(metavar=_PAIR, help="Trials to leave out. May be given several times.")
]
Learned = Annotated[str | None, typer.Option(metavar=_PAIR, help="Showings to be learned, in a study-test design.")]
Second = Annotated[str | None, typer.Option(metavar=_PAIR, help="Trials of a second session: the long-term measure.")]
VigilanceLag = Annotated[int, typer.Option(min=0, help="Repeats at this lag or less check attention.")]
Seconds = Annotated[bool, typer.Option("--seconds", help="Response times are in seconds.")]


def import_study(
    files: Files,
    out: Out,
    participant: Participant = None,
    item: Item = None,
    response: Response = None,
    rt: ResponseTime = None,
    old: Old = None,
    position: Position = None,
    key: Keys = None,
    only: Only = None,
    without: Without = None,
    study: Learned = None,
    second: Second = None,
    vigilance_lag: VigilanceLag = 0,
    seconds: Seconds = False,
) -> None:
    """Read the responses of another experiment, in jsPsych's format or as a long table, into a table of annotations.

    Continuous recognition and study-test designs are told apart by what was shown. Prints what was decided; options
    decide otherwise. Writes OUT/annotations.csv and OUT/design.yaml, for `videomem score` and `videomem analyse`.

    Examples: [bold]videomem study import data/ imported/[/bold],
    [bold]videomem study import data/ imported/ --key f --study phase=encoding[/bold]
    """
    from videomem_hf.protocol.annotations import write_annotations
    from videomem_hf.protocol.design import save_design
    from videomem_hf.protocol.responses.columns import ImportOptions
    from videomem_hf.protocol.responses.importing import import_responses

    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / "annotations.csv").is_file())):
        raise InputError(f"{out} is not empty and holds no annotations; give a new folder.")
    options = ImportOptions(
        participant=participant, item=item, response=response, rt=rt, old=old, position=position, keys=key or (),
        only=only or (), without=without or (), study=study, second=second, vigilance_lag=vigilance_lag,
        seconds=seconds,
    )  # fmt: skip
    found = import_responses(files, options)
    out.mkdir(parents=True, exist_ok=True)
    write_annotations(found.annotations, out / "annotations.csv")
    save_design(found.design, out / "design.yaml")
    for note in found.notes:
        typer.echo(note)
    typer.echo(f"{out / 'annotations.csv'}: written")
    rest = f"{quote(out / 'annotations.csv')} scores --design {quote(out / 'design.yaml')}"
    say_next(f"videomem score {rest} --model detection")

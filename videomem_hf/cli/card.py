"""`videomem card`: a model's card from what its training run left."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from videomem_hf.cli.options import Import, TrustRemoteCode, quote, say_next
from videomem_hf.registration import import_code
from videomem_hf.schema import InputError


def card(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, with its model and results.json.")],
    out: Annotated[Path | None, typer.Option(help="Card to write. (default: README.md in the run's folder)")] = None,
    repo: Annotated[
        str,
        typer.Option(
            metavar="USER/NAME", help="Repository of the model on the Hub; `videomem push` fills it in as well."
        ),
    ] = "USER/NAME",
    clip: Annotated[
        Path | None, typer.Option(help="Video for the card's picture of saliency maps; one that may be published.")
    ] = None,
    pointing: Annotated[
        Path | None, typer.Option(help="JSON of benchmarks/attention_pointing.py for this model.")
    ] = None,
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Write a model card: use, architecture, training, results with intervals, limits, licences, time, citation.

    All numbers come from the run. A number that the run did not record is an error.

    Example: [bold]videomem card run/ --clip mine.mp4[/bold]
    """
    from videomem_hf.hub.attention_example import draw_example
    from videomem_hf.hub.model_card import render_model_card
    from videomem_hf.hub.run_facts import read_run

    import_code(import_)
    measured = None if pointing is None else _measurement(pointing)
    facts = read_run(run, trust_remote_code)
    path = out or run / "README.md"
    if not path.parent.is_dir():
        raise InputError(f"{path}: its folder does not exist")
    picture = path.with_name("attention.png" if path.name == "README.md" else f"{path.stem}-attention.png")
    example = None if clip is None else draw_example(run, clip, picture, trust_remote_code)
    render_model_card(facts, repo=repo, example=example, pointing=measured).save(path)
    typer.echo(f"{path}: written" + ("" if example is None else f", with {picture.name}"))
    typer.echo("It is the README of the model's repository: what the model is for, and how good it is by this run.")
    say_next(f"videomem push model {quote(run)} USER/NAME")


def _measurement(path: Path) -> dict[str, Any]:
    try:
        measured: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    needed = {"clips", "attention", "grad_cam", "middle_of_the_frame", "random_point", "command"}
    if missing := needed - measured.keys():
        raise InputError(f"{path}: has no {min(missing)!r}; write it with benchmarks/attention_pointing.py")
    return measured

"""`videomem tune`: search for a recipe's values."""

from pathlib import Path
from typing import Annotated

import typer

from videomem_hf.cli.options import Data, Import, complete_recipe, quote, say_next
from videomem_hf.registration import import_code
from videomem_hf.schema import InputError


def tune(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a YAML file.", autocompletion=complete_recipe)],
    data: Data,
    out: Annotated[
        Path,
        typer.Option(help="Folder for the runs and the best recipe; the same command continues an interrupted search."),
    ],
    grid: Annotated[
        list[str] | None, typer.Option(help="KEY=[VALUE, ...]: tries all combinations. May be given several times.")
    ] = None,
    range_: Annotated[
        list[str] | None,
        typer.Option(
            "--range", help="KEY=LOW:HIGH or KEY=LOW:HIGH:log: draws random values. May be given several times."
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Number of runs; needed with --range. (default: the whole grid)")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the draws.")] = 0,
    set_: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE to change in every run.")] = None,
    import_: Import = None,
) -> None:
    """Train a recipe with different values, and save those with the best validation correlation as a new recipe.

    Example: [bold]videomem tune hmp --data release/ --out tuned/ --grid "model.hidden_sizes=[[10], [10, 10]]"[/bold]
    """
    from videomem_hf.data.scored_clips import check_data
    from videomem_hf.training.tuning import BEST_FILE, Search, parse_grid, parse_range, search

    check_data(data)
    import_code(import_)
    choices = (*map(parse_grid, grid or []), *map(parse_range, range_ or []))
    if not choices:
        raise InputError("nothing to search: give --grid or --range")
    if range_ and trials is None:
        raise InputError("--range has no end of its own: give --trials")
    try:
        values, best = search(Search(recipe, data, out, choices, trials, tuple(set_ or []), seed))
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise InputError("searching needs Optuna: pip install 'videomem_hf[tune]'") from None
    found = ", ".join(f"{key}={value}" for key, value in values.items())
    typer.echo(
        f"{found}: Spearman {best:.3f} on the validation split. Its values were chosen by that split, so this score is "
        f"optimistic; train with them and evaluate on clips that were held out. Recipe: {out / BEST_FILE}"
    )
    say_next(f"videomem train --recipe {quote(out / BEST_FILE)} --data {quote(data)} --output run")

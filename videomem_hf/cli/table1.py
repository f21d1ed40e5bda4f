"""`videomem table1`: the paper's predictors on the user's data, beside the paper's figures."""

from pathlib import Path
from typing import Annotated

import typer

from videomem_hf.cli.options import Data, Import, quote, read_pairs, say_next
from videomem_hf.registration import import_code
from videomem_hf.run_files import is_run_folder


def table1(
    data: Data,
    out: Annotated[
        Path, typer.Option(help="Folder for the models and the table; the same command continues an interrupted run.")
    ],
    lamem: Annotated[str | None, typer.Option(help="Folder of LaMem, needed by three rows.")] = None,
    init: Annotated[
        list[str] | None,
        typer.Option(
            help="RECIPE=FOLDER: weights that the training of a recipe starts from. May be given several times."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="RECIPE=FOLDER: a model to evaluate without training. May be given several times."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this recipe. May be given several times.")] = None,
    hold_out: Annotated[
        int, typer.Option(min=0, help="Hold out this many of the most annotated videos; 500 for the paper's test(500).")
    ] = 0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE for every recipe, or RECIPE/KEY=VALUE for one.")
    ] = None,
    import_: Import = None,
) -> None:
    """Train or load every predictor of Table 1 that the data allow, and print the table with the paper's figures.

    Below the table it says which rows are missing, and why. The table is also written to table1.md and table1.json.

    Example: [bold]videomem table1 --data release/ --out table1/ --hold-out 500 --only c3d --only hmp[/bold]
    """
    from videomem_hf.benchmark.table1 import Table1Options, make_table, to_json, to_markdown, to_text
    from videomem_hf.data.scored_clips import check_data

    check_data(data)
    import_code(import_)
    form = "RECIPE=FOLDER, as in resnet3d=weights/"
    folders, models = read_pairs("--init", init, form), read_pairs("--model", model, form)
    options = Table1Options(data, out, lamem, folders, models, tuple(only or []), hold_out, tuple(set_ or []))
    results = make_table(options, lambda title: typer.echo(f"{title} ...", err=True))
    out.mkdir(parents=True, exist_ok=True)
    (out / "table1.md").write_text(to_markdown(results, data, hold_out), encoding="utf-8")
    (out / "table1.json").write_text(to_json(results, options), encoding="utf-8")
    typer.echo(to_text(results, hold_out))
    typer.echo(
        "Spearman's rank correlation; in brackets the paper's figures, of its own split.\n"
        "Compare the order of the predictors with the paper's, and single figures only\n"
        f"within the intervals in {out / 'table1.md'}."
    )
    runs = (out / result.recipe for result in results)
    if trained := next((run for run in runs if is_run_folder(run)), None):
        say_next(f"videomem report {quote(trained)}")

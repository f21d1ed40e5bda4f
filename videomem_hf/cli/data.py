"""`videomem prepare` and `videomem describe`: a copy of the release as a dataset repository, and what is in it."""

import sys
import warnings
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from videomem_hf.cli.exit_codes import FAILED
from videomem_hf.cli.options import (
    AllowLinks,
    Release,
    complete_configs,
    named_folder,
    python_line,
    quote,
    read_pairs,
    say_next,
)
from videomem_hf.data.release.splits import RankedBy
from videomem_hf.schema import ANNOTATION_COUNTS, HORIZON_NAMES, HORIZONS, TITLE, VIDEO, InputError
from videomem_hf.system import quantity

if TYPE_CHECKING:
    from videomem_hf.data.describe import Description
    from videomem_hf.data.tables.opening import OpenedTable
    from videomem_hf.data.tables.options import TableOptions

Copy = Annotated[
    Path, typer.Argument(metavar="DIR", parser=named_folder, help="Your copy of a data set, or a part of it.")
]
MostAnnotatedBy = Annotated[RankedBy, typer.Option(help="Annotation counts for --most-annotated: a horizon, or sum.")]
TRAINABLE = {"frame_attention": VIDEO, "hmp": "hmp", "c3d": "c3d", "best": TITLE}
"""Recipe to the part of a copy that it reads; the first recipe whose part is there is suggested."""


def prepare(
    release_dir: Annotated[Path, typer.Argument(metavar="RELEASE", help="Your copy of the release.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; new, or of an earlier run.")],
    configs: Annotated[
        str | None,
        typer.Option(
            help="Configurations, such as scores,c3d,hmp. (default: scores and every feature of the copy)",
            autocompletion=complete_configs,
        ),
    ] = None,
    videos: Annotated[
        Literal["none", "reference", "embed"],
        typer.Option(help="none: leave videos out. reference: store their paths. embed: store their bytes."),
    ] = "none",
    seed: Annotated[int, typer.Option(help="Random seed of the split into train and validation.")] = 0,
    group_titles: Annotated[
        bool, typer.Option("--group-titles", help="Keep videos with the same or nearly the same title in one split.")
    ] = False,
    most_annotated: Annotated[
        int, typer.Option(help="Put this many of the most annotated videos in a split of their own, such as test500.")
    ] = 0,
    most_annotated_by: MostAnnotatedBy = "long_term",
    split_file: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPLIT=FILE", help="File with the videos of a split, one per line. Give one for each split."
        ),
    ] = None,
    release: Release = None,
    allow_links: AllowLinks = False,
) -> None:
    """Write the release as Parquet files with a card, which load_dataset loads anywhere, without this package.

    The same command completes an interrupted run, and updates the files after the copy has changed.

    Examples: [bold]videomem prepare release/ parquet/[/bold],
    [bold]videomem prepare release/ parquet/ --configs scores,c3d --videos embed[/bold]
    """
    from videomem_hf.data import prepare as preparing

    options = preparing.PrepareOptions(
        configs=tuple(name.strip() for name in configs.split(",")) if configs else None,
        videos=videos,
        release=release,
        allow_links=allow_links,
        seed=seed,
        group_titles=group_titles,
        split_files=read_pairs("--split-file", split_file, "SPLIT=FILE, such as train=train.txt") or None,
        most_annotated=most_annotated,
        most_annotated_by=most_annotated_by,
    )
    with warnings.catch_warnings(action="always", category=UserWarning):
        warnings.showwarning = lambda message, *_, **__: typer.echo(f"Note: {message}", err=True)
        written = preparing.prepare(release_dir, out, options)
    typer.echo(_summary(out, len(written)))
    # A name alone, such as "parquet", could be that of one of the builders of load_dataset.
    path = out if out.is_absolute() or len(out.parts) > 1 else f"./{out}"
    say_next(
        f"videomem push dataset {quote(out)} USER/NAME", python=python_line(f'load_dataset({str(path)!r}, "scores")')
    )


def _summary(out: Path, written: int) -> str:
    from videomem_hf.data.provenance import data_title

    if not written:
        return f"{out} is complete; nothing to do."
    title = data_title(out)
    private = {
        "VideoMem": " It holds licensed data: keep it private.",
        "a study": " It holds a study's data: share it only as participants agreed to.",
        "a generated sample": "",
    }.get(title, f" It holds {title}: share it only as its licence allows.")
    return f"{out}: {quantity(written, 'file')} written.{private}"


def describe(
    release_dir: Copy,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write plots: distributions, and short-term against long-term scores."),
    ] = None,
    table: Annotated[
        str | None, typer.Option(metavar="FILE", help="Table of scores of your own: CSV, Excel, ODS, JSON, Parquet.")
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Sheet of a spreadsheet.")] = None,
    videos: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder of the table's videos or images.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE=NAME", help="What a column of the table is, such as short_term=mem_score."),
    ] = None,
    scale: Annotated[
        Literal["unit", "percent"] | None, typer.Option(help="Scores of the table: in [0, 1], or percent.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Layout of a published set, such as memcat.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Open every video and feature file, and list what is wrong.")
    ] = False,
    fix: Annotated[
        Path | None,
        typer.Option(metavar="OUT", help="Write a repaired copy of the tables, and say every change."),
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Keep what was decided as memorability.yaml in the folder.")
    ] = False,
    release: Release = None,
    allow_links: AllowLinks = False,
) -> None:
    """Describe a copy of a data set: its contents, what is missing, and score statistics.

    VideoMem's statistics stand beside the published ones. Of a table of your own, what its columns are taken for is
    shown.

    Examples: [bold]videomem describe release/ --plots plots/[/bold],
    [bold]videomem describe museum/ --table scores.xlsx --videos clips --save[/bold]
    """
    from videomem_hf.data.identify import identify

    options: dict[str, Any] = {"table": table, "sheet": sheet, "videos": videos, "scale": scale, "preset": preset}
    options["columns"] = _columns(column)
    given = {name: value for name, value in options.items() if value is not None}
    if fix is not None:
        _fix(release_dir, fix, given, allow_links)
        return
    if check:
        _check(release_dir, given, allow_links)
        return
    name, keywords = ("memorability", {}) if given else identify(release_dir, release=release, allow_links=allow_links)
    if name == "memorability" and release is None:
        _describe_table(release_dir, keywords | given, save, allow_links)
        return
    if save or given:
        raise InputError("--save and the options of a table are for tables of your own, not for VideoMem's release")
    _describe_copy(release_dir, plots, release, allow_links)


def _columns(pairs: list[str] | None) -> dict[str, str | list[str]] | None:
    """What `--column` says; captions may be several columns, one option each."""
    columns: dict[str, str | list[str]] = {}
    for pair in pairs or ():
        ((role, name),) = read_pairs("--column", [pair], "ROLE=NAME, such as short_term=mem_score").items()
        columns[role] = [*columns.get(role, []), name] if role == "captions" else name
    return columns or None


def _describe_table(folder: Path, given: dict[str, Any], save: bool, allow_links: bool) -> None:
    from videomem_hf.data.tables.describe import describe_table
    from videomem_hf.data.tables.options import DECISIONS, write_decisions

    found = describe_table(folder, given, allow_links=allow_links)
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    tables = ", ".join(path.name for path in found.opened.tables)
    console.print(f"{found.opened.title}: {tables} at {found.opened.root}", markup=False)
    roles = _table("Columns", "in the table", "first value")
    for role, name, value in found.roles:
        roles.add_row(role, name[:40], value[:40])
    if found.extras:
        roles.add_row("kept as they are", ", ".join(found.extras)[:80], "")
    contents = _table("Rows", "here")
    for name, count in (found.splits | found.media).items():
        contents.add_row(name, f"{count:,}")
    if found.first_missing:
        missing = len(found.opened.records) - found.media.total()
        first = ", ".join(found.first_missing) + (", ..." if missing > len(found.first_missing) else "")
        contents.add_row("without a file", f"{missing:,} ({first})"[:60])
    if found.opened.features:
        contents.add_row("features", ", ".join(found.opened.features)[:60])
    statistics = _table("Scores", *found.statistics)
    for name in next(iter(found.statistics.values()), {}):
        values = [each[name] for each in found.statistics.values()]
        statistics.add_row(name, *(f"{value:,.0f}" if name == "scores" else f"{value:.4f}" for value in values))
    for each in (roles, contents, *([statistics] if found.statistics else [])):
        console.print(each)
    for note in found.notes:
        console.print(f"Note: {note}", markup=False)
    if save:
        typer.echo(f"Written: {write_decisions(found.opened.root, _decided(found.opened))}")
    decided = save or (not given and (found.opened.root / DECISIONS).is_file())
    say_next(
        f"videomem train --recipe frame_attention --data {quote(folder)} --output run"
        if decided
        else " ".join(["videomem describe", quote(folder), *_as_typed(given), "--save"]),
        *([f"videomem prepare {quote(folder)} parquet"] if decided or not given else []),
    )


def _as_typed(given: dict[str, Any]) -> list[str]:
    """Options of a table as they stand on a command line."""
    columns = [
        (role, name)
        for role, names in given.get("columns", {}).items()
        for name in (names if isinstance(names, list) else [names])
    ]
    others = [f"--{name} {quote(str(value))}" for name, value in given.items() if name != "columns"]
    return others + [f"--column {quote(f'{role}={name}')}" for role, name in columns]


def _check(folder: Path, given: dict[str, Any], allow_links: bool) -> None:
    """Open every file; exit with code 1 where something is wrong."""
    from videomem_hf.data.check import check_files, list_contents

    with warnings.catch_warnings(action="always", category=UserWarning):
        warnings.showwarning = lambda message, *_, **__: typer.echo(f"Note: {message}", err=True)
        contents = list_contents(folder, given, allow_links=allow_links)
    problems = check_files(contents.files)
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    configs = _table("What each configuration would hold", "rows", "with a score", "with all its files")
    for each in contents.holdings:
        configs.add_row(each.config, f"{each.rows:,}", f"{each.scored:,}", f"{each.whole:,}")
    console.print(configs)
    for problem in problems:
        typer.echo(f"{problem.path}\t{problem.kind}\t{problem.message}")
    typer.echo(f"{quantity(len(contents.files), 'file')} opened, {len(problems):,} of them damaged.")
    if problems:
        raise typer.Exit(FAILED)


def _fix(folder: Path, out: Path, given: dict[str, Any], allow_links: bool) -> None:
    from videomem_hf.data.repair import repair_tables

    repairs = repair_tables(folder, out, given or None, allow_links=allow_links)
    for repair in repairs:
        typer.echo(f"{repair.path} -> {repair.written}: {'as it was' if not repair.changes else ''}")
        for change in repair.changes:
            typer.echo(f"  {change}")
    say_next(f"videomem describe {quote(out)}")


def _decided(opened: "OpenedTable") -> "TableOptions":
    """The options with what was found out written out, so that nothing has to be found out again."""
    if opened.options.preset is not None:
        return opened.options
    table = opened.tables[0]
    name = str(table.relative_to(opened.root)) if table.is_relative_to(opened.root) else str(table)
    return replace(opened.options, table=name, columns=dict(opened.columns))


def _describe_copy(release_dir: Path, plots: Path | None, release: str | None, allow_links: bool) -> None:
    from videomem_hf.data.describe import describe as describe_copy
    from videomem_hf.data.provenance import data_title

    description = describe_copy(release_dir, release=release, allow_links=allow_links)
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    title = data_title(release_dir)
    layout = (
        f"VideoMem ({description.release} release)"
        if title == "VideoMem"
        else f"{title.capitalize()}, in VideoMem's layout,"
    )
    console.print(f"{layout} at {description.root}", markup=False)
    console.print(_parts_table(description))
    console.print(_statistics_table(description))
    for note in description.notes:
        console.print(f"Note: {note}", markup=False)
    if plots is not None:
        _write_plots(description, plots)
    differ = "statistics that differ from the published ones mean that the copy is incomplete or changed."
    typer.echo(
        "A recipe can be trained if the parts that it reads are here (see `videomem recipes`)"
        + (f"; {differ}" if title == "VideoMem" else ".")
    )
    say_next(*_next_commands(description, release_dir))


def _next_commands(description: "Description", folder: Path) -> list[str]:
    """Commands that work with what is in the copy."""
    if not any(description.values(horizon).size for horizon in HORIZONS):  # the test set alone
        return [f"videomem prepare {quote(folder)} parquet"]
    present = {part.name for part in description.parts if part.present}
    recipe = next((name for name, part in TRAINABLE.items() if part in present), None)
    if recipe == "best" and find_spec("sentence_transformers") is None:
        recipe = None
    train = [f"videomem train --recipe {recipe} --data {quote(folder)} --output run"] if recipe else []
    return [*train, f"videomem prepare {quote(folder)} parquet"]


def _parts_table(description: "Description") -> Table:
    from videomem_hf.data.describe import PUBLISHED_VIDEOS

    table = _table("What is in this copy", "here", "published", "missing", "first missing")
    for part, published in PUBLISHED_VIDEOS.items():
        count = sum((record.part == "test") == (part == "test") for record in description.records)
        table.add_row(f"videos, {part}", f"{count:,}", f"{published:,}", "", "")
    for found in description.parts:
        missing = f"{found.expected - found.present:,}" if found.expected > found.present else ""
        table.add_row(found.name, f"{found.present:,}", "", missing, found.first_missing)
    table.add_row("videos with the same title", f"{description.shared_titles:,}", "", "", "")
    table.add_row("with nearly the same title", f"{description.similar_titles:,}", "", "", "")
    return table


def _statistics_table(description: "Description") -> Table:
    from videomem_hf.data.describe import PUBLISHED, PUBLISHED_SPEARMAN

    headings = [f"{HORIZON_NAMES[horizon]}\n{kind}" for horizon in HORIZONS for kind in ("here", "published")]
    table = _table("Scores (published: the 8,000 of 2018)", *headings)
    for name, values in description.statistics.items():
        cells = []
        for horizon in HORIZONS:
            form = ".0f" if name.endswith(("values", "annotations")) else ".4f"
            cells += [
                format(values[horizon], form) if horizon in values else "-",
                format(PUBLISHED[name][horizon], form),
            ]
        table.add_row(name, *cells)
    table.add_row("Spearman, short with long", f"{description.spearman:.4f}", f"{PUBLISHED_SPEARMAN:.4f}")
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _write_plots(description: "Description", folder: Path) -> None:
    from videomem_hf.analysis.dataset_figures import distribution_figure, scores_figure

    scores = {horizon: description.values(horizon) for horizon in HORIZONS}
    if not all(values.size for values in scores.values()):
        raise InputError(f"{description.root} has no scores to plot; it is the test set alone.")
    counts = {horizon: description.values(ANNOTATION_COUNTS[horizon]) for horizon in HORIZONS}
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        "score_distributions.png": distribution_figure(scores, counts),
        "short_against_long_term.png": scores_figure(*description.pairs(), description.spearman),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=150)
        typer.echo(str(folder / name))

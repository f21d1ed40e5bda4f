"""`videomem study ...`: the memory game that collects memorability annotations."""

import csv
from pathlib import Path
from typing import Annotated

import typer

from videomem_hf.schema import InputError

study = typer.Typer(help="The memory game: collect memorability annotations of your own clips.", no_args_is_help=True)


@study.command()
def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; new or empty.")],
    videos: Annotated[int, typer.Option(min=1, help="Videos in the collection.")] = 10_000,
    participants: Annotated[
        int, typer.Option(min=1, help="Participants who pass step 1; the paper's by default.")
    ] = 9402,
    returning: Annotated[int, typer.Option(min=0, help="Of them, those who pass step 2.")] = 3246,
    seed: Annotated[int, typer.Option(min=0, help="The study is a function of the seed and the other options.")] = 0,
    design: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The study's design.  [default: the paper's]")
    ] = None,
) -> None:
    """Play a study in memory with participants and videos of known memory: to plan one, or to test an analysis.

    OUT/annotations.csv is what a study exports; OUT/truth.csv holds the videos' true memorability, OUT/design.yaml the
    design.
    """
    from tqdm import tqdm

    from videomem_hf.protocol.annotations import write_annotations
    from videomem_hf.protocol.design import StudyDesign, load_design, save_design
    from videomem_hf.protocol.simulate import draw_videos
    from videomem_hf.protocol.simulate_study import simulate_study

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not a new or empty folder; give one.")
    plan = StudyDesign() if design is None else load_design(design)
    collection = draw_videos([f"video{number}" for number in range(1, videos + 1)], seed)
    with tqdm(total=participants + returning, desc="participants", unit="person") as bar:
        played = simulate_study(
            collection, plan, participants=participants, returning=returning, seed=seed, progress=bar.update
        )
    out.mkdir(parents=True, exist_ok=True)
    write_annotations(played.annotations, out / "annotations.csv")
    save_design(plan, out / "design.yaml")
    with (out / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["video", "short_term", "long_term"])
        rows = zip(collection.names, collection.short_term.tolist(), collection.long_term.tolist(), strict=True)
        writer.writerows((name, round(short, 6), round(long, 6)) for name, short, long in rows)
    typer.echo(f"{out / 'annotations.csv'}: {len(played.annotations):,} showings, {len(played.people):,} participants")

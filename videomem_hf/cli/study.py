"""`videomem study ...`: the memory game that collects memorability annotations."""

from dataclasses import astuple, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videomem_hf.cli.options import Design, quote, require_study_extra, say_next
from videomem_hf.cli.study_export import DatabaseUrl, Folder, export, open_database, preregister
from videomem_hf.cli.study_import import import_study
from videomem_hf.cli.study_plan import plan, preview
from videomem_hf.cli.study_replay import replay
from videomem_hf.protocol.paper import PARTICIPANTS, RETURNING
from videomem_hf.schema import HORIZON_NAMES, InputError

if TYPE_CHECKING:
    from videomem_hf.protocol.server.study import Study
    from videomem_hf.protocol.simulate import SimulatedVideos

_HELP = "The memory game: collect memorability annotations of your own clips."
study = typer.Typer(help=_HELP, no_args_is_help=True, rich_markup_mode="rich")

study.command()(plan)
study.command()(preview)
study.command(name="import")(import_study)
study.command()(preregister)

_PASSWORD = "Password of the page /admin (user name admin), shown only now:"
_VIDEOS_HELP = "Number of videos in the collection. (default: 10000)"
_CLIPS_HELP = "Folder of the study's clips; the collection has their names, for `videomem score --clips`."
_TRUTH_HELP = "Generated sample (`videomem sample`) that the clips are from; its true memorability is used."
_EXAMPLE_HELP = (
    "Clip for the instructions. May be given several times. (default: two of CLIPS, which are then not in the game)"
)


@study.command()
def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; new or empty.")],
    videos: Annotated[int | None, typer.Option(min=1, help=_VIDEOS_HELP, show_default=False)] = None,
    clips: Annotated[Path | None, typer.Option(metavar="DIR", help=_CLIPS_HELP)] = None,
    truth: Annotated[Path | None, typer.Option(metavar="DIR", help=_TRUTH_HELP)] = None,
    participants: Annotated[int, typer.Option(min=1, help="Number of participants who pass step 1.")] = PARTICIPANTS,
    returning: Annotated[int, typer.Option(min=0, help="Number of them who pass step 2.")] = RETURNING,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    design: Design = None,
) -> None:
    """Simulate a study with participants and videos of known memorability, to plan one or to test an analysis.

    Writes OUT/annotations.csv in the format of a study's export, the videos' true memorability to OUT/truth.csv, and
    the design to OUT/design.yaml. Without --truth the memorability of each video is drawn at random.

    Examples: [bold]videomem study simulate played/ --videos 300 --participants 200 --returning 90[/bold],
    [bold]videomem study simulate played/ --clips mystudy/clips --design mystudy/design.yaml[/bold]
    """
    from tqdm import tqdm

    from videomem_hf.protocol.annotations import write_annotations
    from videomem_hf.protocol.design import StudyDesign, load_design, save_design
    from videomem_hf.protocol.score_files import write_table
    from videomem_hf.protocol.screening import screen
    from videomem_hf.protocol.simulate_study import simulate_study

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not a new or empty folder; give one.")
    collection = _collection(videos, clips, truth, seed)
    plan = (StudyDesign() if design is None else load_design(design)).for_collection(len(collection.names))
    with tqdm(total=participants + returning, desc="participants", unit="participant") as bar:
        played = simulate_study(
            collection, plan, participants=participants, returning=returning, seed=seed, progress=bar.update
        )
    out.mkdir(parents=True, exist_ok=True)
    write_annotations(played.annotations, out / "annotations.csv")
    save_design(plan, out / "design.yaml")
    known = zip(collection.names, collection.short_term.tolist(), collection.long_term.tolist(), strict=True)
    write_table(out / "truth.csv", ("video", "short_term", "long_term"), known)
    showings, players = len(played.annotations), len(played.participants)
    passed = int(screen(played.annotations, plan).step1.passed.sum())
    typer.echo(
        f"{out / 'annotations.csv'}: {showings:,} showings; {players:,} participants played, so that {passed:,} pass "
        "step 1" + (", and the study stopped by itself" if passed < participants else "")
    )
    rest = f"--design {quote(out / 'design.yaml')}" + (f" --clips {quote(clips)}" if clips else "")
    say_next(f"videomem score {quote(out / 'annotations.csv')} scores {rest}")


def _collection(videos: int | None, clips: Path | None, truth: Path | None, seed: int) -> "SimulatedVideos":
    """The videos of a simulated study: numbered ones, or a folder's clips, with drawn or a sample's memorability."""
    from videomem_hf.protocol.simulate import draw_videos

    if clips is None:
        if truth is not None:
            raise InputError("--truth is for clips; give their folder with --clips.")
        return draw_videos([f"video{number}" for number in range(1, (videos or 10_000) + 1)], seed)
    if videos is not None:
        raise InputError(f"--videos {videos} with --clips; the folder says how many there are, leave --videos out.")
    from videomem_hf.protocol.server.clips import find_clips

    drawn = draw_videos([clip.stem for clip in find_clips([clips])], seed)
    if truth is None:
        return drawn
    import numpy as np

    from videomem_hf.sample import read_truth

    known = {f"video{each.video_id}": (each.short_term, each.long_term) for each in read_truth(truth)}
    if unknown := [name for name in drawn.names if name not in known]:
        raise InputError(f"{truth}: no truth about {unknown[0]}; give the sample that the clips in {clips} are from.")
    short_term, long_term = np.array([known[name] for name in drawn.names]).T
    return replace(drawn, short_term=short_term, long_term=long_term)


@study.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The study's folder; new or empty.")],
    clips: Annotated[list[Path], typer.Argument(metavar="CLIPS...", help="WebM or MP4 files, or folders of them.")],
    design: Design = None,
    example: Annotated[list[Path] | None, typer.Option(metavar="CLIP", help=_EXAMPLE_HELP)] = None,
    link: Annotated[bool, typer.Option("--link", help="Make hard links to the clips instead of copies.")] = False,
) -> None:
    """Create a study from your own clips. Then edit texts, questions and codes in DIR/study.yaml, and serve it.

    Example: [bold]videomem study init mystudy clips/[/bold]
    """
    require_study_extra()
    from tqdm import tqdm

    from videomem_hf.protocol.design import load_design
    from videomem_hf.protocol.server.study import create_study

    new, password = create_study(
        folder,
        clips,
        design=None if design is None else load_design(design),
        examples=example,
        link=link,
        progress=lambda files: tqdm(files, desc="clips", unit="clip"),
        report=lambda note: typer.echo(note, err=True),
    )
    typer.echo(
        f"{folder}: {len(new.clips)} clips in the game, {len(new.examples)} in the instructions.\n"
        f"{_PASSWORD} {password}"
    )
    say_next(
        f"videomem study serve {quote(folder)}",
        f"videomem study simulate played --clips {quote(folder / 'clips')} --design {quote(folder / 'design.yaml')}",
    )


@study.command()
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="Address to listen on; put an HTTPS proxy in front of it.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    database: DatabaseUrl = None,
    hours_ahead: Annotated[
        float, typer.Option(help="For tests only: shift the server's clock by this many hours.")
    ] = 0.0,
    trusted_proxy: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Address of the proxy, which says where requests come from; * is any."),
    ] = "127.0.0.1",
    check: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Serve nothing: visit the running study at URL as a participant would."),
    ] = None,
) -> None:
    """Serve the game to browsers until Ctrl-C. Every response is stored when it arrives; stopping loses no data.

    Examples: [bold]videomem study serve mystudy --port 8000[/bold],
    [bold]videomem study serve mystudy --check https://study.example.org[/bold]
    """
    require_study_extra()
    from videomem_hf.protocol.server.serve import run_server
    from videomem_hf.protocol.server.study import open_study

    found = open_study(folder)
    if check is not None:
        _check(found, check)
        return
    if hours_ahead:
        typer.echo(f"The clock is {hours_ahead:g} h ahead: for trials only, not for real participants.", err=True)
    run_server(
        found,
        database,
        host=host,
        port=port,
        hours_ahead=hours_ahead,
        trusted_proxy=trusted_proxy,
        announce=lambda: typer.echo(f"Participants: http://{host}:{port}/\nProgress:     http://{host}:{port}/admin"),
    )


def _check(found: "Study", address: str) -> None:
    from videomem_hf.protocol.server.check import check_address

    findings = []
    for finding in check_address(found, address):
        typer.echo(f"{'ok     ' if finding.works else 'PROBLEM'}  {finding.text}")
        findings.append(finding)
    if problems := sum(not finding.works for finding in findings):
        raise InputError(f"{problems} of {len(findings)} checks failed; participants at {address} would meet this.")


@study.command()
def status(
    folder: Folder,
    videos: Annotated[bool, typer.Option("--videos", help="Also print the annotation counts of each video.")] = False,
    database: DatabaseUrl = None,
) -> None:
    """Print the progress of a study: participants, pass rates, annotations per video. Works while it is served.

    Example: [bold]videomem study status mystudy --videos[/bold]
    """
    from videomem_hf.protocol.server.app import system_ms
    from videomem_hf.protocol.server.assignment import known_reliability
    from videomem_hf.protocol.server.game import Game
    from videomem_hf.protocol.server.report import study_report

    found, connections = open_database(folder, database)
    with connections.write() as connection:
        Game(found.design, found.settings).close_abandoned(connection, system_ms())
    with connections.read() as connection:
        progress, known = study_report(connection), known_reliability(connection, found.design)
    visits = progress.visits
    unsuitable = sum(number for name, number in visits.items() if name.startswith("unsuitable_"))
    typer.echo(
        f"{progress.joined} joined; {visits['opened']} opened the page, {visits['declined']} did not agree, "
        f"{unsuitable} had an unsuitable device, {sum(progress.withdrawn.values())} withdrew"
    )
    if progress.last_pages:
        places = ", ".join(f"{count} at step {page}" for page, count in progress.last_pages.items())
        typer.echo(f"participants there now or left there: {places}")
    for number, step in progress.steps.items():
        rate = "" if step.pass_rate is None else f" ({step.pass_rate:.0%} of those who completed it)"
        notes = "".join(f", {count} {note}" for note, count in step.notes.items())
        typer.echo(
            f"step {number}: {step.playing} playing, {step.passed} passed{rate}, {step.failed} failed, "
            f"{step.abandoned} abandoned, {step.technical} with technical failures, {step.withdrawn} withdrawn; "
            f"{step.responses} responses{notes}"
        )
    short, long = progress.spread("short_given"), progress.spread("long_given")
    typer.echo(f"annotations per video: short-term {short}; long-term {long}")
    for horizon, value in known.items():
        wanted = found.design.assignment.wanted.get(horizon)
        typer.echo(
            f"{HORIZON_NAMES[horizon]} reliability: {value:.2f}, with what is under way"
            + (f"; the study stops at {wanted:g}" if wanted else "")
        )
    if videos:
        typer.echo("video\tshort-term\tunder way\tlong-term\tunder way")
        for video in progress.videos:
            typer.echo("\t".join(map(str, astuple(video))))


study.command()(export)
study.command()(replay)


@study.command()
def delete(
    folder: Folder,
    participant: Annotated[str, typer.Argument(help="As in the table of participants, such as p0123456789.")],
    database: DatabaseUrl = None,
) -> None:
    """Delete a participant and all their responses; their videos are assigned to others again.

    Example: [bold]videomem study delete mystudy p0123456789[/bold]
    """
    from videomem_hf.protocol.server.deletion import delete_participant

    _, connections = open_database(folder, database)
    with connections.write() as connection:
        responses = delete_participant(connection, participant)
    typer.echo(f"Deleted {participant} and {responses} responses.")


@study.command()
def backup(
    folder: Folder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="New folder for the backup.")],
    database: DatabaseUrl = None,
) -> None:
    """Back up responses, design, settings and secrets of a study, also while it is served. The clips are not copied.

    Example: [bold]videomem study backup mystudy backups/monday[/bold]
    """
    require_study_extra()
    from videomem_hf.protocol.server.backup import back_up
    from videomem_hf.protocol.server.study import open_study

    typer.echo(
        f"{back_up(open_study(folder), out, database)}: written; keep it private, it has the study's key beside it"
    )


@study.command()
def pause(
    folder: Folder,
    message: Annotated[
        str, typer.Argument(help="What participants read meanwhile. (default: to come back later, in their language)")
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Let the study go on.")] = False,
    database: DatabaseUrl = None,
) -> None:
    """Pause a study, also while it is served: nobody joins or starts a step, who plays goes on.

    Examples: [bold]videomem study pause mystudy "Back on Monday"[/bold],
    [bold]videomem study pause mystudy --resume[/bold]
    """
    from videomem_hf.protocol.server.pause import set_pause

    _, connections = open_database(folder, database)
    with connections.write() as connection:
        set_pause(connection, None if resume else message)
    typer.echo(f"{folder}: {'goes on' if resume else 'paused'}")


@study.command()
def texts(
    folder: Folder,
    language: Annotated[str, typer.Argument(metavar="LANGUAGE", help="Code of the language, such as it or pt-BR.")],
) -> None:
    """Copy the texts of the participants' pages into the study, to translate or to change them.

    English, French, German, Spanish and Chinese are delivered; another language starts from the English texts.

    Example: [bold]videomem study texts mystudy it[/bold]
    """
    require_study_extra()
    from videomem_hf.protocol.server.texts import copy_catalogue

    if not (folder / "study.yaml").is_file():
        raise InputError(f"{folder}: not the folder of a study; make one with `videomem study init {folder} CLIPS...`.")
    typer.echo(f"{copy_catalogue(folder, language)}: written; edit it, and name {language} in languages of study.yaml")


@study.command()
def secret(folder: Folder) -> None:
    """Replace the password of the page /admin if it was lost; restart the server afterwards.

    Example: [bold]videomem study secret mystudy[/bold]
    """
    require_study_extra()
    from videomem_hf.protocol.server.study import new_admin_secret, open_study

    typer.echo(f"{_PASSWORD} {new_admin_secret(open_study(folder))}")

"""What is written of a timeline: page, picture, table, JSON and editors' markers."""

import csv
import errno
import json
from pathlib import Path
from typing import Final

from videomem_hf.analysis.clip_figure import save_figure
from videomem_hf.films.markers import write_markers
from videomem_hf.films.timeline import OnProgress, Timeline, timeline
from videomem_hf.films.timeline_figure import timeline_figure
from videomem_hf.films.timeline_page import write_page
from videomem_hf.inference import Predictor
from videomem_hf.schema import InputError
from videomem_hf.system import atomic_write, os_cause, printable

PAGE: Final = "timeline.html"
PICTURE: Final = "timeline.png"
TABLE: Final = "timeline.csv"
DATA: Final = "timeline.json"
JOURNAL: Final = "timeline.journal"


def write_timeline(found: Timeline, folder: Path, film: Path | None = None, otio: bool = False) -> list[Path]:
    """Write all files of a timeline into a folder that is there.

    Args:
        found: What is written.
        folder: It gets `timeline.html`, `.png`, `.csv` and `.json`.
        film: The file, to which the page's times and the markers lead.
        otio: Whether to write markers as well, `timeline.otio` and `timeline.edl`.

    Returns:
        The files.

    Raises:
        InputError: Markers are wanted and OpenTimelineIO is not installed.
    """
    write_page(found, folder / PAGE, film)
    save_figure(timeline_figure(found), folder / PICTURE)
    _write_table(found, folder / TABLE)
    with atomic_write(folder / DATA) as partial:
        partial.write_text(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    written = [folder / name for name in (PAGE, PICTURE, TABLE, DATA)]
    return written + (write_markers(found, folder, film) if otio else [])


def _write_table(found: Timeline, path: Path) -> None:
    """Write a row per shot; names of columns are those of `videomem predict --csv`."""
    level = f"{100 * found.interval_level:g}"
    horizons = found.horizons
    ends = [f"{horizon}_{end}_{level}" for horizon in horizons for end in ("low", "high")]
    percentiles = [f"{horizon}_percentile" for horizon in horizons]
    ranks = found.ranks()
    notes = "; ".join(printable(note) for note in found.notes)
    with atomic_write(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["shot", "start_s", "end_s", *horizons, "rank", "frames", *ends, *percentiles, "typicality", "best_frame_s",
             "notes"]
        )  # fmt: skip
        for number, shot in enumerate(found.shots):
            intervals = [f"{end:.6f}" for h in horizons for end in (shot.intervals or {}).get(h, ())]
            shares = [f"{shot.percentiles[h]:.1f}" if h in shot.percentiles else "" for h in horizons]
            writer.writerow([
                number + 1, f"{shot.start_s:.3f}", f"{shot.end_s:.3f}", *(f"{shot.scores[h]:.6f}" for h in horizons),
                ranks[number], shot.frames, *(intervals or [""] * len(ends)), *shares,
                "" if shot.typicality is None else f"{shot.typicality:.1f}", f"{shot.best_time_s:.3f}",
                notes,
            ])  # fmt: skip


def check_folder(film: Path, folder: Path) -> None:
    """Raise an InputError for a folder that holds the timeline of a film with another name."""
    try:
        other = json.loads((folder / DATA).read_text(encoding="utf-8"))["film"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if Path(other).name != printable(film.name):
        raise InputError(f"{folder}: holds the timeline of {Path(other).name}; name another folder, or remove it")


def make_timeline(
    film: Path,
    folder: Path,
    predictor: Predictor,
    fps: float | None = None,
    otio: bool = False,
    on_progress: OnProgress | None = None,
) -> Timeline:
    """Make the timeline of a film and write its files into a folder, which is made; a stopped run goes on.

    Arguments and errors are those of `timeline` and `write_timeline`. Shots that are done are kept in
    `timeline.journal`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be a folder ({os_cause(error)})") from None
    check_folder(film, folder)
    try:
        found = timeline(film, predictor, fps=fps, journal=folder / JOURNAL, on_progress=on_progress)
        write_timeline(found, folder, film, otio)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(f"{folder}: the disk is full; make room, and the same command goes on from here") from None
    return found

"""Timelines of many films on a Ray cluster: each process loads the model once and writes the films handed to it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from videomem_hf.films.timeline import Timeline, film_predictor
from videomem_hf.films.timeline_files import make_timeline
from videomem_hf.ray_jobs import Lost, Work, run_ray_jobs
from videomem_hf.schema import cause_of

Job = tuple[int, Path, Path]
"""A film's index, its file, and the folder for what is written."""


@dataclass(frozen=True)
class Summary:
    """What is said of a film that is done: its length, its shots, where the one that stands out begins, if any, and how
    many others the model cannot tell apart from the one with the highest score.
    """

    duration_s: float
    shots: int
    best_s: float | None
    notes: tuple[str, ...]
    tied: int


def summary_of(timeline: Timeline) -> Summary:
    """Sum up a timeline."""
    best = timeline.standout
    best_s = None if best is None else timeline.shots[best].start_s
    tied = timeline.ranks().count(1) - 1
    return Summary(timeline.duration_s, len(timeline.shots), best_s, timeline.notes, tied)


def timelines_on_ray(
    films: Sequence[Path],
    folders: Sequence[Path],
    model: str | None,
    device: str | None = None,
    precision: str = "auto",
    fps: float | None = None,
    otio: bool = False,
    workers: int | None = None,
) -> Iterator[tuple[Path, Summary | str]]:
    """Make the timelines of films, each in its folder, as `make_timeline` does.

    Args:
        films, folders: Under the same paths on all machines.
        model, device, precision: See `load_predictor`.
        fps, otio: See `make_timeline`.
        workers: Processes over all machines; see `videomem_hf.ray_jobs.Work`.

    Yields:
        Each film when it is done, with what is said of it, or with the error.
    """
    local = str(Path(model).absolute()) if model and Path(model).exists() else model
    work = Work(partial(_make_worker, local, device, precision, fps, otio), 1, workers, gpu=device != "cpu")
    pairs = zip(films, folders, strict=True)
    jobs = [(index, film.absolute(), folder.absolute()) for index, (film, folder) in enumerate(pairs)]
    for (index, *_), result in run_ray_jobs(work, jobs):
        yield films[index], result.cause if isinstance(result, Lost) else result


def _make_worker(
    model: str | None, device: str | None, precision: str, fps: float | None, otio: bool
) -> Callable[[list[Job]], list[Summary | str]]:
    predictor = film_predictor(model, device, precision)

    def run(jobs: list[Job]) -> list[Summary | str]:
        results: list[Summary | str] = []
        for _, film, folder in jobs:
            try:
                results.append(summary_of(make_timeline(film, folder, predictor, fps, otio)))
            except Exception as error:
                results.append(cause_of(error, str(film)))
        return results

    return run

"""Prediction on a Ray cluster: each process loads the model once and scores clips as they are handed to it."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from videomem_hf.inference.loading import load_predictor
from videomem_hf.inference.score_journal import ClipScores
from videomem_hf.ray_jobs import Lost, Work, run_ray_jobs

_Job = tuple[int, Path, str | None]
"""A clip's index, path and title."""


def score_on_ray(
    clips: Sequence[Path],
    model: str | None,
    device: str | None = None,
    workers: int | None = None,
    precision: str = "auto",
    titles: Sequence[str | None] | None = None,
) -> Iterator[tuple[Path, ClipScores | str]]:
    """Score clips on Ray, as `Predictor.predict` scores one.

    Args:
        clips: Video files, under the same path on all machines.
        model: See `load_predictor`; a folder must have the same path on all machines.
        device: "cpu", "cuda", ...; None takes a GPU if the cluster has one.
        workers: Processes over all machines; see `videomem_hf.ray_jobs.Work`.
        precision: See `load_predictor`.
        titles: One title per clip, None for a clip without one, for a model that reads titles.

    Yields:
        Each clip when it is ready, with its scores, or with the error.

    Raises:
        InputError: Ray is not installed.
    """
    local = str(Path(model).absolute()) if model and Path(model).exists() else model
    work = Work(partial(_make_scorer, local, device, precision), workers=workers, gpu=device != "cpu")
    each = titles or [None] * len(clips)
    jobs = [(index, clip.absolute(), title) for index, (clip, title) in enumerate(zip(clips, each, strict=True))]
    for (index, *_), result in run_ray_jobs(work, jobs):
        yield clips[index], result.cause if isinstance(result, Lost) else result


def _make_scorer(
    model: str | None, device: str | None, precision: str
) -> Callable[[list[_Job]], list[ClipScores | str]]:
    """Load the model; runs once in each process."""
    predictor = load_predictor(model, device, precision=precision)

    def score(clips: list[_Job]) -> list[ClipScores | str]:
        titles = [title for *_, title in clips] if predictor.reads_titles else None
        predictions = predictor.predict_many([clip for _, clip, _ in clips], titles=titles)
        return [each.error or ClipScores.of(each) for each in predictions]

    return score

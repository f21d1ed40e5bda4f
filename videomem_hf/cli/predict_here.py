"""Scoring and drawing clips on this machine, in this process or several."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tqdm import tqdm

from videomem_hf.cli.clip_paths import clip_names, short_name
from videomem_hf.local_jobs import Died, run_jobs
from videomem_hf.registration import import_code
from videomem_hf.schema import cause_of
from videomem_hf.system import available_cpus
from videomem_hf.video.video import probe

if TYPE_CHECKING:
    from videomem_hf.inference import ClipPredictor, Prediction

Precision = Literal["auto", "float32", "bfloat16", "float16"]
STILLS = 7
LONG_CLIP_S = 60
CLIPS_PER_JOB = 8
"""Clips that a process scores together; they are lost together when it ends, and then each is tried alone."""


@dataclass(frozen=True)
class Clip:
    """A clip: what to read, what tables call it, and the name of what is drawn of it, without suffix."""

    source: Path | str
    name: str
    file_name: str


@dataclass(frozen=True)
class Outcome:
    """One clip: its prediction, or why there is none; with a prediction, `error` says what could not be drawn."""

    source: Path | str
    name: str
    prediction: "Prediction | None"
    error: str = ""

    @property
    def note(self) -> str:
        """What a table says of the clip besides its scores."""
        return " ".join((*(self.prediction.notes if self.prediction else ()), *filter(None, [self.error])))


@dataclass(frozen=True)
class Loading:
    """How each process loads the predictor; see `load_predictor`."""

    model: str | None
    device: str | None
    title: str | None
    trust_remote_code: bool
    precision: Precision
    imports: tuple[str, ...]

    def load(self) -> "ClipPredictor":
        """Load it."""
        from videomem_hf.inference import load_predictor

        return load_predictor(self.model, self.device, self.title, self.trust_remote_code, self.precision)


@dataclass(frozen=True)
class Scoring:
    """What is done with each clip: it is scored, and drawn in the folders that are given."""

    loading: Loading
    plots: Path | None
    overlay: Path | None


def score_clips(
    predictor: "ClipPredictor", scoring: Scoring, sources: Sequence[Path | str], jobs: int
) -> Iterator[Outcome]:
    """Score and draw clips with a progress bar; whatever a clip raises is in its outcome. In the clips' order."""
    clips = [Clip(*each) for each in zip(sources, clip_names(sources), _file_names(sources), strict=True)]
    with tqdm(desc="predicting", total=len(clips), unit="clip", disable=None) as bar:
        for outcome in _score(predictor, scoring, clips) if jobs == 1 else _score_in_processes(scoring, clips, jobs):
            bar.set_postfix_str(short_name(outcome.name), refresh=False)
            bar.update()
            yield outcome


def _score(predictor: "ClipPredictor", scoring: Scoring, clips: Iterable[Clip]) -> Iterator[Outcome]:
    stills = STILLS if scoring.plots else 0
    with _LongClips() as long_clips:
        files = long_clips.open(clips, keep=scoring.overlay is not None)
        predictions = predictor.predict_many(files, stills, long_clips.count_frame, scoring.overlay is not None)
        for prediction in predictions:
            clip, file = long_clips.opened.pop(0)
            if prediction.error:
                yield Outcome(clip.source, clip.name, None, prediction.error)
                continue
            prediction = replace(prediction, source=clip.name)
            cause = ""
            try:
                _draw(prediction, file, scoring, clip.file_name)
            except Exception as error:
                cause = f"Scored, but not drawn: {cause_of(error, clip.name)}"
            yield Outcome(clip.source, clip.name, prediction, cause)


class _LongClips:
    """Opens clips as they are read, with a second progress bar, of frames, from the first one of over a minute on."""

    def __init__(self) -> None:
        self.opened: list[tuple[Clip, Any]] = []
        self._bar: tqdm | None = None

    def __enter__(self) -> "_LongClips":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def open(self, clips: Iterable[Clip], keep: bool) -> Iterator[Any]:
        """Open clips one by one; one that cannot be opened is given as it is, for the predictor to name the cause.

        With `keep`, `opened` keeps the files for drawing: a pipe or an address is read once.
        """
        from videomem_hf.inference.sources import open_source

        for clip in clips:
            file: Any = clip.source
            duration = 0.0
            try:
                file = open_source(clip.source)
                duration = probe(file).duration_s or 0.0
                if hasattr(file, "seek"):
                    file.seek(0)
            except Exception:
                pass  # the predictor meets the same error, and reports it
            self.opened.append((clip, file if keep else None))
            if duration >= LONG_CLIP_S and self._bar is None:
                self._bar = tqdm(desc="frames", total=0, unit="frame", leave=False, disable=None)
            if self._bar is not None:
                self._bar.total = (self._bar.total or 0) + round(duration)
            yield file

    def count_frame(self, frame: object) -> None:
        """Hear of a frame that was read."""
        if self._bar is not None:
            self._bar.update()


def _score_in_processes(scoring: Scoring, clips: Sequence[Clip], jobs: int) -> Iterator[Outcome]:
    """Score in processes of which each loads the model and works on a few clips at a time."""
    scorer = _BatchScorer(scoring, max(1, available_cpus() // jobs))
    size = min(CLIPS_PER_JOB, -(-len(clips) // jobs))
    batches = [(start, tuple(clips[start : start + size])) for start in range(0, len(clips), size)]
    finished: dict[int, list[Outcome]] = {}
    following = 0
    for (start, batch), outcomes in run_jobs(scorer, batches, min(jobs, len(batches))):
        finished[start] = _one_by_one(scorer, batch) if isinstance(outcomes, Died) else outcomes
        while following in finished:
            yield from finished.pop(following)
            following += size


def _one_by_one(scorer: "_BatchScorer", batch: Sequence[Clip]) -> list[Outcome]:
    """Score clips during which a process ended, each in a process of its own."""
    outcomes = []
    for clip in batch:
        ((_, found),) = run_jobs(scorer, [(0, (clip,))], 2)
        if isinstance(found, Died):
            cause = "the process that worked on it ended; its memory may not have sufficed"
            found = [Outcome(clip.source, clip.name, None, cause)]
        outcomes += found
    return outcomes


@dataclass(frozen=True)
class _BatchScorer:
    """Called in each process with a numbered batch of clips."""

    scoring: Scoring
    threads: int

    def __call__(self, job: tuple[int, tuple[Clip, ...]]) -> list[Outcome]:
        predictor = _load_once(self.scoring.loading, self.threads)
        return [_without_pictures(outcome) for outcome in _score(predictor, self.scoring, job[1])]


@cache
def _load_once(loading: Loading, threads: int) -> "ClipPredictor":
    import torch

    torch.set_num_threads(threads)
    import_code(list(loading.imports))
    return loading.load()


def _without_pictures(outcome: Outcome) -> Outcome:
    """What travels between processes: frames are drawn already."""
    prediction = outcome.prediction
    return outcome if prediction is None else replace(outcome, prediction=replace(prediction, stills=()))


def _draw(prediction: "Prediction", file: Any, scoring: Scoring, name: str) -> None:
    """Write the picture and the video that are wanted of a clip."""
    if scoring.plots:
        from videomem_hf.analysis.clip_figure import save_figure
        from videomem_hf.inference.drawing import prediction_figure

        title = f"{Path(prediction.source).name} · {prediction.model}"
        save_figure(prediction_figure(prediction, title), scoring.plots / f"{name}.png")
    if scoring.overlay:
        from videomem_hf.inference.drawing import write_overlay

        if hasattr(file, "seek"):
            file.seek(0)
        with tqdm(unit="frame", desc=f"{name}.mp4", leave=False, disable=None) as bar:
            write_overlay(scoring.overlay / f"{name}.mp4", file, prediction, on_frame=lambda time_s: bar.update())


def _file_names(sources: Sequence[Path | str]) -> Iterator[str]:
    """Names of the files that are drawn of clips: the clips', made safe, with a number where two clips share one."""
    used: set[str] = set()
    for name in clip_names(sources):
        stem = re.sub(r"[^\w.-]+", "_", Path(name).stem)[:120] or "clip"
        found = next(each for each in chain([stem], (f"{stem}-{n}" for n in count(2))) if each.lower() not in used)
        used.add(found.lower())
        yield found

"""Scoring and drawing clips on this machine, in this process or several."""

import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from videomem_hf.cli.clip_paths import clip_names, short_name
from videomem_hf.local_jobs import Died, run_jobs
from videomem_hf.registration import import_code
from videomem_hf.schema import InputError, cause_of
from videomem_hf.system import available_cpus, quantity

if TYPE_CHECKING:
    from videomem_hf.inference import ClipPredictor, Prediction
    from videomem_hf.video.video import Frame

STILLS = 7
SHOW_EVERY_S = 0.5
CLIPS_PER_JOB = 8
"""Clips that a process scores together; they are lost together when it ends, and then each is tried alone."""


@dataclass(frozen=True)
class Clip:
    """A clip: what to read, what tables call it, the name of what is drawn of it, without suffix, and its title."""

    source: Path | str
    name: str
    file_name: str
    title: str | None = None


@dataclass(frozen=True)
class Outcome:
    """One clip: its prediction, or why there is none; with a prediction, `error` says what could not be drawn."""

    source: Path | str
    name: str
    prediction: "Prediction | None"
    error: str = ""

    @property
    def note(self) -> str:
        return " ".join((*(self.prediction.notes if self.prediction else ()), *filter(None, [self.error])))


@dataclass(frozen=True)
class Scoring:
    """How each process loads the predictor, see `load_predictor`, and the folders in which clips are drawn, and how."""

    model: str | None
    device: str | None
    trust_remote_code: bool
    precision: str
    imports: tuple[str, ...]
    plots: Path | None
    overlay: Path | None
    occlusion: bool = False
    forgetting: Path | None = None
    engine: str = "local"

    def load(self, threads: int | None = None) -> "ClipPredictor":
        """The predictor; `threads` are those of an exported one, None for the available CPUs."""
        if self.engine == "onnx":
            from videomem_hf.inference.onnx import load_onnx_predictor

            return load_onnx_predictor(str(self.model), threads=threads)
        from videomem_hf.inference import load_predictor

        return load_predictor(self.model, self.device, None, self.trust_remote_code, self.precision)


def score_clips(
    predictor: "ClipPredictor | None",
    scoring: Scoring,
    sources: Sequence[Path | str],
    jobs: int,
    titles: Sequence[str | None] | None = None,
) -> Iterator[Outcome]:
    """Score and draw clips with a progress bar, in their order; whatever a clip raises is in its outcome.

    Args:
        predictor: Does it in this process; None: `jobs` others do, which load it themselves.
        scoring, sources, jobs: What is done, with what, and in how many processes.
        titles: One per clip, None where it has none.
    """
    each_title = titles or [None] * len(sources)
    clips = [Clip(*each) for each in zip(sources, clip_names(sources), file_names(sources), each_title, strict=True)]
    often = SHOW_EVERY_S if sys.stderr.isatty() else 10.0  # a log file keeps every line
    with tqdm(desc="predicting", total=len(clips), unit="clip", mininterval=often) as bar:
        outcomes = (
            _score_in_processes(scoring, clips, jobs) if predictor is None else _score(predictor, scoring, clips, bar)
        )
        for outcome in outcomes:
            bar.set_postfix_str(short_name(outcome.name), refresh=False)
            bar.update()
            yield outcome


def _score(
    predictor: "ClipPredictor", scoring: Scoring, clips: Sequence[Clip], bar: tqdm | None = None
) -> Iterator[Outcome]:
    opened: list[tuple[Clip, Any, str]] = []
    predictions = predictor.predict_many(
        _open(clips, opened, keep=scoring.overlay is not None or scoring.occlusion),
        STILLS if scoring.plots else 0,
        None if bar is None else _FrameCount(bar, clips),
        scoring.overlay is not None,
        [clip.title for clip in clips] if any(clip.title for clip in clips) else None,
    )
    for prediction in predictions:
        clip, file, cause = opened.pop(0)
        if failure := cause or prediction.error:
            yield Outcome(clip.source, clip.name, None, failure)
            continue
        prediction = replace(prediction, source=clip.name)
        try:
            _draw(predictor, prediction, file, scoring, clip.file_name, bar is not None)
        except Exception as error:
            cause = f"Scored, but not drawn: {cause_of(error, clip.name)}"
        yield Outcome(clip.source, clip.name, prediction, cause)


def _open(clips: Sequence[Clip], opened: list[tuple[Clip, Any, str]], keep: bool) -> Iterator[Any]:
    """Give clip after clip, and note each, its file to draw from if it can be read only once, and its error."""
    from videomem_hf.inference.sources import input_name, open_source

    for clip in clips:
        file: Any = clip.source
        cause = ""
        if keep and (isinstance(clip.source, str) or is_pipe(clip.source)):
            try:
                file = open_source(clip.source)
            except Exception as error:
                file, cause = b"", cause_of(error, input_name(clip.source))
        opened.append((clip, file if keep else None, cause))
        yield file


class _FrameCount:
    """Shows how many frames are read, and of a single clip its time, beside the number of clips that are done."""

    def __init__(self, bar: tqdm, clips: Sequence[Clip]) -> None:
        self._bar, self._frames, self._shown_at, self._length_s = bar, 0, 0.0, 0.0
        if len(clips) == 1 and isinstance(clips[0].source, Path) and clips[0].source.is_file():
            from videomem_hf.video.video import probe

            with suppress(InputError):  # the predictor reports it
                self._length_s = probe(clips[0].source).duration_s or 0.0

    def __call__(self, frame: "Frame") -> None:
        self._frames += 1
        if (now := time.monotonic()) - self._shown_at > self._bar.mininterval:
            self._shown_at = now
            of_length = f", {frame.time_s:.0f} of {self._length_s:.0f} s" if self._length_s else ""
            self._bar.set_postfix_str(f"{quantity(self._frames, 'frame')}{of_length}")


def is_pipe(source: Path | str) -> bool:
    """Whether a clip can be read once only, by this process."""
    return isinstance(source, Path) and source.exists() and not source.is_file()


def _score_in_processes(scoring: Scoring, clips: Sequence[Clip], jobs: int) -> Iterator[Outcome]:
    """Score in processes of which each loads the model and works on a few clips at a time."""
    scorer = _BatchScorer(scoring, max(1, available_cpus() // jobs))
    size = min(CLIPS_PER_JOB, -(-len(clips) // jobs))
    batches = [(start, tuple(clips[start : start + size])) for start in range(0, len(clips), size)]
    finished: dict[int, list[Outcome]] = {}
    following = 0
    for (start, batch), outcomes in run_jobs(scorer, batches, max(2, min(jobs, len(batches)))):
        finished[start] = _score_one_by_one(scorer, batch) if isinstance(outcomes, Died) else outcomes
        while following in finished:
            yield from finished.pop(following)
            following += size


def _score_one_by_one(scorer: "_BatchScorer", batch: Sequence[Clip]) -> list[Outcome]:
    """Score clips during which a process ended, one at a time, in a process that is replaced where it ends again."""
    outcomes = []
    for (_, (clip,)), found in run_jobs(scorer, [(0, (clip,)) for clip in batch], 1, isolated=True):
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
        outcomes = _score(_set_up(self.scoring, self.threads), self.scoring, job[1])
        # Frames are drawn already, and need not travel between processes.
        return [replace(o, prediction=replace(o.prediction, stills=())) if o.prediction else o for o in outcomes]


@cache
def _set_up(scoring: Scoring, threads: int) -> "ClipPredictor":
    if scoring.engine != "onnx":
        import torch

        torch.set_num_threads(threads)
    import_code(list(scoring.imports))
    return scoring.load(threads)


def _draw(
    predictor: "ClipPredictor", prediction: "Prediction", file: Any, scoring: Scoring, name: str, progress: bool
) -> None:
    """Write the picture and the video that are wanted of a clip."""
    if scoring.plots:
        from videomem_hf.analysis.clip_figure import save_figure
        from videomem_hf.inference.drawing import prediction_figure
        from videomem_hf.inference.occlusion import occlusion_maps

        covered = None
        if scoring.occlusion:
            if hasattr(file, "seek"):
                file.seek(0)
            covered = occlusion_maps(predictor, file, frames=[still.time_s for still in prediction.stills])
        save_figure(prediction_figure(prediction, occlusion=covered), scoring.plots / f"{name}.png")
    if scoring.forgetting:
        from videomem_hf.inference.drawing import write_forgetting

        write_forgetting(scoring.forgetting / f"{name}-forgetting.png", prediction)
    if scoring.overlay:
        from videomem_hf.inference.drawing import write_overlay

        if hasattr(file, "seek"):
            file.seek(0)
        with tqdm(unit="frame", desc=f"{name}.mp4", leave=False, disable=None if progress else True) as bar:
            write_overlay(scoring.overlay / f"{name}.mp4", file, prediction, on_frame=lambda time_s: bar.update())


def file_names(sources: Sequence[Path | str]) -> Iterator[str]:
    """Names of the files that are drawn of clips: the clips', made safe, with a number where two clips share one."""
    used: set[str] = set()
    for name in clip_names(sources):
        stem = "pipe" if name.startswith("<(") else re.sub(r"[^\w.-]+", "_", Path(name).stem)[:120] or "clip"
        found = next(each for each in chain([stem], (f"{stem}-{n}" for n in count(2))) if each.lower() not in used)
        used.add(found.lower())
        yield found

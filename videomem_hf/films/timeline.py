"""How memorable each shot of a film is, in one pass over it and in memory that does not grow with its length."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from videomem_hf.films.film_journal import FilmJournal
from videomem_hf.films.film_reading import Known, Sample, notes_of, read_film
from videomem_hf.films.shot_scores import ScoredShot, ShotScorer
from videomem_hf.inference.clip_predictor import ClipPredictor
from videomem_hf.inference.intervals import LEVEL
from videomem_hf.inference.loading import load_predictor
from videomem_hf.inference.moments import LEAST_RISE
from videomem_hf.inference.predicting import Model
from videomem_hf.inference.predictor import Predictor
from videomem_hf.inference.ranking import ranks_of
from videomem_hf.inference.read_ahead import read_ahead
from videomem_hf.inference.score_journal import file_state, model_identity
from videomem_hf.inference.sources import ClipSource, input_name, open_source
from videomem_hf.schema import Horizon, InputError
from videomem_hf.statistics import Floats
from videomem_hf.system import printable
from videomem_hf.video.video import VideoError, VideoSource, open_video

OnProgress = Callable[[float, float | None], None]
"""Called with the seconds of film that are read and its length, None where that is not known."""


@dataclass(frozen=True)
class Timeline:
    """The shots of a film and how memorable each is.

    Attributes:
        source: Path or name of the film.
        model, model_version, caveats: As of `Prediction`.
        interval_level: Share of measured scores that lie in the intervals.
        horizons: What the model predicts.
        shots: In order; each starts where the one before it ends.
        frames_per_second: Of the film, as its header says; None where it says nothing.
        fps: Frames, or segments, that were sampled per second.
        among: What percentiles are shares of, as of `Reference`; empty without any.
        rank_error: Two shots cannot be told apart if their means over the horizons differ by no more: the mean of
            `Reference.difference_error` over the horizons; may be infinite, and is 0 where it is not known.
        notes: What was odd about the file, a sentence each.
    """

    source: str
    model: str
    horizons: tuple[Horizon, ...]
    shots: tuple[ScoredShot, ...]
    frames_per_second: Fraction | None = None
    fps: float = 1.0
    model_version: str = ""
    interval_level: float = LEVEL
    among: str = ""
    rank_error: float = 0.0
    caveats: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        return self.shots[-1].end_s

    def ranked(self) -> list[int]:
        """The numbers of the shots, from 0, from the most memorable one on: by the mean over the horizons."""
        return np.argsort(-self._means(), kind="stable").tolist()

    def ranks(self) -> list[int]:
        """The rank of each shot: 1 and the number of shots that are clearly above it; see `ranks_of`."""
        return ranks_of(self._means(), np.array(self.rank_error)).tolist()

    def _means(self) -> Floats:
        return np.array([np.mean(list(shot.scores.values())) for shot in self.shots])

    @property
    def standout(self) -> int | None:
        """The number of the most memorable shot, from 0; None where no shot rises visibly above the mean of all."""
        means = self._means()
        return int(means.argmax()) if means.max() - means.mean() >= LEAST_RISE else None

    def to_dict(self) -> dict[str, Any]:
        """The timeline as plain numbers and strings, ready for JSON; pictures left out."""
        rate = self.frames_per_second
        return {
            "film": printable(self.source),
            "duration_s": self.duration_s,
            "frames_per_second": None if rate is None else [rate.numerator, rate.denominator],
            "model": self.model,
            "model_version": self.model_version,
            "sampled_per_second": self.fps,
            "interval_level": self.interval_level,
            "percentile_among": self.among or None,
            "rank_error": self.rank_error if np.isfinite(self.rank_error) else None,
            "caveats": list(self.caveats),
            "notes": [printable(note) for note in self.notes],
            "shots": [shot.to_dict() | {"rank": rank} for shot, rank in zip(self.shots, self.ranks(), strict=True)],
        }


@dataclass(frozen=True)
class _Film:
    """A film while it is read: what to read, and what is known of it with time."""

    source: VideoSource
    name: str
    notes: list[str] = field(default_factory=list)
    header: dict[str, Any] = field(default_factory=dict)


def timeline(
    source: ClipSource,
    model: Model | None = None,
    *,
    fps: float | None = None,
    device: str | None = None,
    precision: str = "auto",
    journal: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Timeline:
    """Find the shots of a film and predict how memorable each is.

    A shot of up to 7 s is scored as a clip. Of a longer one windows of 7 s are, as long as the clips of VideoMem, one
    every 3.5 s, and averaged. Frames that show nothing new are not scored again.

    Args:
        source: A video file of any length; see `ClipSource`. Frames without their times are refused.
        model: As of `videomem_hf.predict`; a model of frames, such as the default one, "resmem".
        fps: Frames sampled per second; None takes the model's, which is 1. Of a shot without any the middle is taken.
        device, precision: As of `videomem_hf.predict`.
        journal: A file in which each shot is kept as soon as it is scored. With the same film and model, a stopped run
            goes on from there.
        on_progress: Called as the film is read.

    Raises:
        VideoError: The film cannot be decoded; the message names it.
        InputError: There is no such model, it scores no frames, or PySceneDetect is not installed.

    Examples:
        >>> film = timeline("film.mp4", model="model/")  # doctest: +SKIP
        >>> film.shots[film.ranked()[0]].start_s  # doctest: +SKIP
    """
    predictor = film_predictor(model, device, precision)
    opened, name = open_source(source), input_name(source)
    if isinstance(opened, np.ndarray):
        raise VideoError("frames without their times have no shots that could be found: give the video file")
    fps = predictor.processor.fps if fps is None else fps
    if not 0 < fps < math.inf:
        raise InputError(f"fps is {fps}; it must be a number above 0")
    film = _Film(opened, name)
    if journal is None:
        return _describe(predictor, film, fps, _score(predictor, film, fps, None, on_progress))
    about = {"film": _identity(source), "fps": fps, "horizons": list(predictor.horizons)}
    about["model"] = model_identity(predictor.name, predictor.horizons, predictor.claims.version)
    with closing(FilmJournal(journal, about)) as kept:
        if kept.end is None:
            shots = _score(predictor, film, fps, kept, on_progress)
            rate = film.header["rate"]
            kept.finish(film.notes, rate and [rate.numerator, rate.denominator])
            return _describe(predictor, film, fps, shots)
        film.header["rate"] = kept.end["rate"]
        film.notes.extend(kept.end["notes"])
        return _describe(predictor, film, fps, kept.shots)


def film_predictor(model: Model | None, device: str | None = None, precision: str = "auto") -> Predictor:
    """Load a predictor of frames, or take one; raises an InputError for any other."""
    predictor: ClipPredictor
    if isinstance(model, ClipPredictor):
        predictor = model
    else:
        predictor = load_predictor(None if model is None else str(model), device, precision=precision)
    if not isinstance(predictor, Predictor):
        raise InputError(
            f"{predictor.name}: reads features of whole files, and a timeline needs a model that scores frames, such "
            "as resmem or one that the recipe frame_attention trains"
        )
    return predictor


def _score(
    predictor: Predictor, film: _Film, fps: float, kept: FilmJournal | None, on_progress: OnProgress | None
) -> list[ScoredShot]:
    """Score the shots after those that are kept; gives all."""
    scorer = ShotScorer(predictor, kept.shot if kept else None)
    shots = list(kept.shots) if kept else []
    part_s = scorer.shot.part_s

    def read(film: _Film) -> Iterator[Sample | Known]:
        with open_video(film.source) as reader:
            film.header.update(rate=_rate(reader), duration_s=reader.duration_s)
            try:
                yield from read_film(reader, predictor.processor, fps, part_s, kept.seen if kept else None)
            finally:
                film.notes.extend(notes_of(reader))

    # Decoded in another thread, at most 16 samples ahead of the network.
    with read_ahead([film], read, lambda _: True, 1) as prepared:
        for _, items in prepared:
            for item in items:
                finished = scorer.take(item)
                shots += finished
                if not isinstance(item, Known):
                    continue
                if kept:
                    kept.add(finished, scorer.shot, item.seen)
                if on_progress:
                    on_progress(item.until_s, film.header.get("duration_s"))
    return shots


def _describe(predictor: Predictor, film: _Film, fps: float, shots: list[ScoredShot]) -> Timeline:
    claims = predictor.claims
    reference = claims.reference
    errors = [(reference.difference_error if reference else {}).get(horizon, 0.0) for horizon in predictor.horizons]
    return Timeline(
        source=film.name,
        model=predictor.name,
        horizons=predictor.horizons,
        shots=tuple(shots),
        frames_per_second=film.header["rate"],
        fps=fps,
        model_version=claims.version,
        interval_level=predictor.interval_level,
        among=reference.among if reference and reference.quantiles else "",
        rank_error=float(np.mean(errors)),
        caveats=claims.caveats,
        notes=predictor.notes(film.name, film.notes, maps=False),
    )


def _rate(reader: Any) -> Fraction | None:
    rate = reader.frames_per_second
    return None if rate is None else Fraction(rate).limit_denominator(1001)


def _identity(source: ClipSource) -> dict[str, Any]:
    """Tell a film on disk from others and from itself after a change."""
    path = Path(source) if isinstance(source, str | Path) else None
    return {} if path is None else {"path": str(path.absolute())} | file_state(path)

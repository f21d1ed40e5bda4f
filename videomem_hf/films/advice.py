"""Which edits of a clip make it more memorable, as far as a model can tell them apart from no edit.

Of twice as many frames as the model samples, one half chooses the edits and the other tests them. The error of a gain
has two parts. Frames: those of each part of the clip are drawn anew in blocks, the same ones before and after the edit
(paired block bootstrap; Künsch, Annals of Statistics 1989). The model: see `gain_error`. Where the picture is changed,
the frames count as those of another clip as far as the network sees them so: with v the variance of the error of one
clip it is 2 v u, with u the squared Mahalanobis distance between both in the network's features as a share of that
between two clips. P-values are corrected for all edits that were tried (Holm, Scandinavian Journal of Statistics 1979),
and that of an edit chosen from n by its scores is multiplied by n.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from videomem_hf.films.clip_frames import ClipFrames, OnProgress, read_clip
from videomem_hf.films.edits import Edit, Look, best_half, pairs_of, single_edits
from videomem_hf.films.gain_error import GainError, shot_indices
from videomem_hf.films.span import Span
from videomem_hf.inference import ClipSource, Predictor
from videomem_hf.inference.clip_predictor import ClipPredictor, check_scores
from videomem_hf.inference.frame_statistics import LAST
from videomem_hf.inference.prediction import ATYPICAL_PERCENT
from videomem_hf.schema import Horizon, InputError

LEVEL: Final = 0.05
"""Chance that a clip of which no edit changes anything gets advice."""
BEST: Final = 4
"""Single edits that are tried in pairs."""
_DRAWS: Final = 300
_DRAWS_OF_WEIGHTS: Final = 60
_BLOCK: Final = 2
UNKNOWN_ERROR: Final = (
    "How far this model's scores are from measured ones is not known, so no gain can be told apart from none: take a "
    "model that was trained with `videomem train`."
)


@dataclass(frozen=True)
class Gain:
    """The change of a score by an edit, on one half of the frames.

    Attributes:
        gain: Score after less score before.
        frames_sd: Its standard error by which frames are sampled.
        model_sd: Its standard error by what the model does not know.
    """

    gain: float
    frames_sd: float
    model_sd: float

    @property
    def sd(self) -> float:
        return float(np.hypot(self.frames_sd, self.model_sd))


@dataclass(frozen=True)
class Trial:
    """An edit that was tried.

    Attributes:
        edit: What was done.
        before, after: The clip's scores for each horizon, on all frames.
        chosen_by: Gain on the half that chooses.
        tested: Gain on the other half.
        interval: Confidence interval (95 %) of the gain, on the half that tests.
        p_value: Of no gain or a loss (one-sided), corrected for all edits that were tried.
        typicality: Of the edited clip; see `Prediction`.
        advised: Whether the gain can be told apart from none.
    """

    edit: Edit
    before: dict[Horizon, float]
    after: dict[Horizon, float]
    chosen_by: Gain
    tested: Gain
    interval: tuple[float, float]
    p_value: float
    typicality: float | None
    advised: bool


@dataclass(frozen=True)
class Advice:
    """What would make a clip more memorable.

    Attributes:
        clip: Name of the clip.
        model, model_version: Of the predictor.
        horizon: What was to be raised.
        scores: Of the clip as it is.
        trials: All edits that were tried, the advised ones first, by the lower end of their interval.
        notes: What was not tried, or is odd about the file, a sentence each.
        caveats: What is true of every prediction of the model, a sentence each.
        frames: The clip in memory, for pictures and previews.
    """

    clip: str
    model: str
    model_version: str
    horizon: Horizon
    scores: dict[Horizon, float]
    trials: tuple[Trial, ...]
    notes: tuple[str, ...]
    caveats: tuple[str, ...]
    frames: ClipFrames = field(repr=False)

    @property
    def advised(self) -> tuple[Trial, ...]:
        """The edits whose gain can be told apart from none, best first."""
        return tuple(trial for trial in self.trials if trial.advised)

    def to_dict(self) -> dict[str, Any]:
        """The advice as plain numbers and strings, ready for JSON."""
        return {
            "clip": self.clip,
            "model": self.model,
            "model_version": self.model_version,
            "horizon": self.horizon,
            "scores": dict(self.scores),
            "length_s": self.frames.length_s,
            "shots": [[shot.start_s, shot.end_s] for shot in self.frames.shots],
            "level": LEVEL,
            "tried": len(self.trials),
            "edits": [_plain(trial) for trial in self.trials],
            "notes": list(self.notes),
            "caveats": list(self.caveats),
        }


def _plain(trial: Trial) -> dict[str, Any]:
    look = trial.edit.look
    return {
        "edit": trial.edit.name,
        "kinds": list(trial.edit.kinds),
        "advised": trial.advised,
        "gain": trial.tested.gain,
        "interval": [end if np.isfinite(end) else None for end in trial.interval],
        "p_value": trial.p_value,
        "after": dict(trial.after),
        "typicality": trial.typicality,
        "spans_s": [[span.start_s, span.end_s] for span in trial.edit.spans],
        "crops": [list(crop) for crop in look.crops],
        "gamma": look.gamma,
        "contrast": look.contrast,
        "poster_s": trial.edit.poster_s,
    }


def advise(
    source: ClipSource, predictor: ClipPredictor, horizon: Horizon | None = None, on_progress: OnProgress = None
) -> Advice:
    """Try edits of a clip, and find those that raise its predicted memorability by more than can be due to chance.

    Args:
        source: A video file of at most 5 minutes; see `ClipSource`.
        predictor: Of a model that scores frames, or segments of frames.
        horizon: What is to be raised; None takes the model's first.
        on_progress: Called with what is being done.

    Raises:
        InputError: The model scores no frames or not this horizon, the clip is too long or too short, or PySceneDetect
            is missing.
        VideoError: The clip cannot be decoded.
    """
    if not isinstance(predictor, Predictor):
        raise InputError(f"{predictor.name}: scores no frames, so edits cannot be tried; choose a model that does")
    horizon = horizon or predictor.horizons[0]
    if horizon not in predictor.horizons:
        known = ", ".join(predictor.horizons)
        raise InputError(f"{predictor.name}: gives no {horizon} score; it gives {known}")
    frames = read_clip(source, predictor, on_progress)
    return _Trials(predictor, frames, horizon, on_progress).advice()


def holm(p_values: Sequence[float]) -> np.ndarray:
    """P-values corrected for their number so that the chance of any false one is kept (Holm, 1979)."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    corrected = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return corrected[np.argsort(order)]


class _Trials:
    """Tries edits on one clip."""

    def __init__(self, predictor: Predictor, frames: ClipFrames, horizon: Horizon, on_progress: OnProgress) -> None:
        self.predictor, self.frames, self.horizon = predictor, frames, horizon
        self.column = predictor.horizons.index(horizon)
        self.on_progress = on_progress or (lambda _: None)
        self.error = GainError.of(predictor, horizon, predictor.processor.fps)
        length = frames.length_s
        self.nothing = Edit((), "no edit", (Span(0.0, length),))

    def advice(self) -> Advice:
        predictor, frames = self.predictor, self.frames
        self.on_progress("scoring the clip")
        before = self._rows(Look())
        check_scores(self._frame_scores())
        self.error = self.error.with_frames(self._frame_scores(), shot_indices(frames.shots, frames.times_s))
        orders = self._tells_orders(before)
        self.on_progress("looking for what stands out")
        singles = single_edits(frames.shots, frames.centres(predictor), frames.title_end_s(), orders)
        choice, test = frames.halves
        half = best_half(frames.shots, self._shot_scores(choice))
        singles = self._different([*singles, *([half] if half else [])])
        chosen = {edit: self._gain(edit, choice) for edit in singles}
        best = sorted(singles, key=lambda edit: -_ratio(chosen[edit]))[:BEST]
        pairs = pairs_of([edit for edit in best if chosen[edit].gain > 0], self.nothing.spans[0])
        edits = self._different([*singles, *pairs])
        chosen |= {edit: self._gain(edit, choice) for edit in edits[len(singles) :]}
        poster = self._poster(choice)
        tested = {edit: self._gain(edit, test) for edit in edits}
        if poster is not None:
            edits.append(poster)
            chosen[poster], tested[poster] = self._poster_gain(poster, choice), self._poster_gain(poster, test)
        trials = self._judge(edits, chosen, tested)
        notes = [] if orders else ["Orders of shots were not tried: the model's score does not change with them."]
        notes += [UNKNOWN_ERROR] if self.error.variance is None else []
        claims = predictor.claims
        return Advice(
            frames.name, predictor.name, claims.version, self.horizon, self._scores(self.nothing), trials,
            (*notes, *frames.notes), claims.caveats, frames,
        )  # fmt: skip

    def _judge(self, edits: list[Edit], chosen: dict[Edit, Gain], tested: dict[Edit, Gain]) -> tuple[Trial, ...]:
        known, before = self.error.variance is not None, self._scores(self.nothing)
        typicality = {edit.look: self._typicality(edit.look) for edit in edits}
        original = self._typicality(Look())

        def p_value(edit: Edit) -> float:
            unlike = _is_unlike(typicality[edit.look]) and not _is_unlike(original)
            if not known or unlike or chosen[edit].gain <= 0:
                return 1.0
            return min(1.0, edit.ways * self.error.chance_of_none(_ratio(tested[edit])))

        corrected = holm([p_value(edit) for edit in edits])
        trials = []
        for edit, p in zip(edits, corrected.tolist(), strict=True):
            gain = tested[edit]
            ends = self.error.interval(gain.gain, gain.sd)
            after = before if edit.poster_s is not None else self._scores(edit)
            advised = p <= LEVEL
            trials.append(Trial(edit, before, after, chosen[edit], gain, ends, p, typicality[edit.look], advised))
        by_end = sorted(trials, key=lambda trial: -(trial.interval[0] if known else trial.tested.gain))
        return tuple(sorted(by_end, key=lambda trial: not trial.advised))

    def _different(self, edits: Sequence[Edit]) -> list[Edit]:
        """The first of edits that show the same frames in the same look."""
        found = {(tuple(edit.frames(self.frames.times_s).tolist()), edit.look): edit for edit in reversed(edits)}
        found.pop((tuple(range(len(self.frames.times_s))), Look()), None)
        return [edit for edit in edits if edit in found.values()]

    def _shot_scores(self, half: np.ndarray) -> np.ndarray:
        times, scores = self.frames.times_s[half], self._frame_scores()[half]
        shots = shot_indices(self.frames.shots, times)
        return np.array(
            [scores[shots == i].mean() if (shots == i).any() else -np.inf for i in range(len(self.frames.shots))]
        )

    def _rows(self, look: Look) -> np.ndarray:
        return self.frames.measure(self.predictor, look).rows

    def _scores(self, edit: Edit) -> dict[Horizon, float]:
        """The score of an edited clip for each horizon, on all frames."""
        index = edit.frames(self.frames.times_s)
        scores = self.predictor.score_clip(self._rows(edit.look)[index])
        return dict(zip(self.predictor.horizons, scores.tolist(), strict=True))

    def _tells_orders(self, rows: np.ndarray) -> bool:
        ends = self.predictor.score_clip(rows), self.predictor.score_clip(rows[::-1].copy())
        return bool(np.abs(ends[0] - ends[1]).max() > 1e-5)

    def _typicality(self, look: Look) -> float | None:
        typicality = self.predictor.claims.typicality
        return typicality.percent(self.frames.measure(self.predictor, look).described) if typicality else None

    def _gain(self, edit: Edit, half: np.ndarray) -> Gain:
        """The gain of an edit on one half of the frames."""
        self.on_progress(edit.name)
        times = self.frames.times_s[half]
        shown = edit.frames(times)
        before, after = self._rows(Look())[half], self._rows(edit.look)[half]
        if not len(shown):
            return Gain(0.0, 0.0, np.inf)
        gain = float(self._score(after[shown]) - self._score(before))
        draws = self._draw(edit, times)
        return Gain(gain, self._frames_sd(before, after, shown, draws), self._model_sd(edit, times, shown, before))

    def _score(self, rows: np.ndarray) -> float:
        return float(self.predictor.score_clip(rows)[self.column])

    def _draw(self, edit: Edit, times: np.ndarray) -> np.ndarray:
        """Frames in place of each frame, `(draws, frames)`: from its own shot and its own side of the edit."""
        kept = np.zeros(len(times), bool)
        kept[edit.frames(times)] = True
        shots = shot_indices(self.frames.shots, times)
        count = _DRAWS_OF_WEIGHTS if self.predictor.keeps_features else _DRAWS
        generator, draws = np.random.default_rng(0), np.zeros((count, len(times)), np.int64)
        changes = np.flatnonzero((np.diff(shots) != 0) | (np.diff(kept.astype(int)) != 0)) + 1
        for part in np.split(np.arange(len(times)), changes):
            blocks = -(-len(part) // _BLOCK)
            starts = generator.integers(0, len(part), (count, blocks))
            drawn = (starts[:, :, None] + np.arange(_BLOCK)).reshape(count, -1) % len(part)
            draws[:, part] = part[drawn[:, : len(part)]]
        return draws

    def _frames_sd(self, before: np.ndarray, after: np.ndarray, shown: np.ndarray, draws: np.ndarray) -> float:
        if self.predictor.keeps_features:
            gains = [self._score(after[draw[shown]]) - self._score(before[draw]) for draw in draws]
            return float(np.std(gains))
        ends = after[:, self.column][draws[:, shown]].mean(axis=1) - before[:, self.column][draws].mean(axis=1)
        return float(ends.std())

    def _model_sd(self, edit: Edit, times: np.ndarray, shown: np.ndarray, rows: np.ndarray) -> float:
        weights = self.predictor.weigh_rows(rows)[1]
        weights = np.ones(len(times)) if weights is None else weights
        kept = np.bincount(shown, weights[shown] / weights[shown].sum(), len(times))
        contrast = kept - weights / weights.sum()
        return self.error.sd(contrast, times, self.frames.shots, self._unlikeness(edit.look))

    def _unlikeness(self, look: Look) -> float:
        """How far a changed picture is from the clip's own, as a share of how far two clips are; 1 if not known."""
        if look == Look():
            return 0.0
        typicality = self.predictor.claims.typicality
        here, there = (self.frames.measure(self.predictor, each).described for each in (Look(), look))
        if typicality is None or LAST not in typicality.fits or LAST not in here:
            return 1.0
        fit, column = typicality.fits[LAST], list(typicality.fits).index(LAST)
        between = float(fit.distances(fit.mean + there[LAST] - here[LAST])[0])
        usual = 2 * float(np.nanmedian(typicality.held_out[:, column]))
        return min(1.0, between / usual) if usual > 0 else 1.0

    def _frame_scores(self) -> np.ndarray:
        return self.predictor.weigh_rows(self._rows(Look()))[0][:, self.column]

    def _poster(self, half: np.ndarray) -> Edit | None:
        """The frame of the highest score in place of the first."""
        at = int(half[self._frame_scores()[half].argmax()])
        time_s = float(self.frames.times_s[at])
        if at == half[0]:
            return None
        return Edit(("another poster frame",), f"poster frame at {time_s:.1f} s", self.nothing.spans, Look(), time_s)

    def _poster_gain(self, edit: Edit, half: np.ndarray) -> Gain:
        """The score of the frames of a half about the poster less that of those about the beginning."""
        times, scores = self.frames.times_s[half], self._frame_scores()[half]
        assert edit.poster_s is not None
        shots = shot_indices(self.frames.shots, times)
        groups = []
        for at in (edit.poster_s, 0.0):
            near = np.flatnonzero(shots == self.frames.shot_at(at))
            if not len(near):
                return Gain(0.0, 0.0, np.inf)
            near = near[np.argsort(np.abs(times[near] - at), kind="stable")[:2]]
            groups.append(near)
        gain = float(scores[groups[0]].mean() - scores[groups[1]].mean())
        contrast = np.zeros(len(times))
        for group, sign in zip(groups, (1, -1), strict=True):
            contrast[group] += sign / len(group)
        # Single frames are not drawn anew; how much they vary within a shot is in the error of the model.
        return Gain(gain, 0.0, self.error.sd(contrast, times, self.frames.shots))


def _ratio(gain: Gain) -> float:
    return gain.gain / gain.sd if gain.sd > 0 else float(np.sign(gain.gain)) * 1e3


def _is_unlike(typicality: float | None) -> bool:
    return typicality is not None and typicality <= ATYPICAL_PERCENT

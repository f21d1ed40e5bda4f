"""Leaks: what makes a figure look better, or other, than it is; each check says what it found, in how many clips."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from scipy.stats import rankdata

from videomem_hf.benchmark.clip_content import Pairs, copies_in_training
from videomem_hf.benchmark.prediction_files import clip_key
from videomem_hf.benchmark.predictors import FEWEST, NAMED, STANDARD_ERRORS, Predictor
from videomem_hf.benchmark.protocols import Protocol
from videomem_hf.benchmark.truth import GroundTruth
from videomem_hf.schema import HORIZON_NAMES
from videomem_hf.statistics import Floats, noise_ceiling, noise_ceiling_interval, pearson, spearman
from videomem_hf.system import quantity

KINDS: Final = {
    "duplicate_titles": "evaluation clips have nearly the title of a training clip",
    "duplicate_frames": "evaluation clips look like a training clip",
    "duplicate_features": "evaluation clips have the feature vector of a training clip",
    "trained_on": "a predictor was trained on clips that it predicts",
    "copied_labels": "predictions are measured scores",
    "labels_plus_noise": "predictions behave like measured scores with noise",
    "same_for_horizons": "the same predictions stand for two horizons",
    "swapped_horizons": "predictions of one horizon fit the scores of another, and the other way round",
    "same_predictors": "two predictors give the same scores",
    "repeated_clips": "clips stand in a file more than once",
    "constant": "predictions are the same for most clips",
    "clipped": "many predictions lie exactly at their smallest or largest value",
    "few_values": "predictions take few different values, and ties lower a rank correlation",
    "wrong_version": "the predictor comes from another ground truth",
}
"""What each kind of leak means."""
_COPIED: Final = 0.05
"""Share of the clips, beside those that are equal by chance, from which on measured scores were copied."""
_EXTREME: Final = 0.02
"""Share of the clips at the smallest or largest value from which on they are clipped: others have one clip there."""
_MOST: Final = 0.5
"""Share of the clips with one value above which nothing is ranked."""
_FEW_VALUES: Final = 20
_CLIPS_PER_VALUE: Final = 10
"""Predictions are coarse if they take at most so many values, each for so many clips or more on average."""
_DIFFERENT: Final = 3
"""Values above which scores that are equal are none of a few that many clips have."""
_DIGITS: Final = 4
"""Digits to which scores are equal; published ones have three."""
_WRONG: Final = 0.01
"""Share of the clips with other measured scores above which a file comes from another version."""
_OTHER_SCORE: Final = 1.5e-3
"""Measured scores that differ by less are the same, written with three digits."""
_STRONG: Final = 0.5
"""Correlation from which on the residuals tell labels with noise from an honest prediction."""
_STEEP: Final = 0.85
"""Slope of predictions over measured scores below which they are honest, however wide its error is: that of labels with
noise is 1, that of a calibrated prediction at most the labels' reliability."""
_WIDEST: Final = 0.25
"""Half of the range of a slope, in three standard errors, above which an honest slope would pass as 1 too."""
_ROUNDING: Final = 1e-9
_UNREACHED: Final = 0.95
"""Correlation that no predictor has with scores of an unknown number of annotations."""


@dataclass(frozen=True)
class Leak:
    """One finding.

    Attributes:
        kind: One of `KINDS`.
        where: A protocol, or a predictor's name.
        words: A sentence with the numbers.
        clips: How many clips it concerns.
        first: The first three of them, or pairs of them.
        horizon: Where it concerns one.
    """

    kind: str
    where: str
    words: str
    clips: int
    first: tuple[str, ...] = ()
    horizon: str | None = None


def split_leaks(truth: GroundTruth, protocol: Protocol, copies: Mapping[str, Pairs]) -> Iterator[Leak]:
    """Copies across training and evaluation under a protocol.

    Args:
        truth, protocol: What is divided, and how.
        copies: `duplicate_frames` and `duplicate_features`, as far as they were looked for, to pairs of clips.
    """
    clips = len(protocol.folds[0].evaluation)
    counts = []
    first: list[int] = []
    for fold in protocol.folds:
        shared = np.isin(truth.title_group[fold.evaluation], truth.title_group[fold.train])
        counts.append(int(shared.sum()))
        first = first or fold.evaluation[shared][:NAMED].tolist()
    if number := int(np.ceil(np.mean(counts))):
        words = f"{number:,} of {clips:,} {KINDS['duplicate_titles']}; under a grouped protocol none has."
        yield Leak("duplicate_titles", protocol.name, words, number, tuple(truth.ids[row] for row in first))
    for kind, pairs in copies.items():
        number, found = copies_in_training(pairs, protocol)
        if number:
            shown = tuple(f"{truth.ids[a]} and {truth.ids[b]}" for a, b in found[:NAMED])
            yield Leak(kind, protocol.name, f"{number:,} of {clips:,} {KINDS[kind]}.", number, shown)


def predictor_leaks(
    predictors: Sequence[Predictor], truth: GroundTruth, fingerprint: str | None = None
) -> Iterator[Leak]:
    """What predictions show about themselves; `fingerprint` is that of the data as runs record it."""
    for each in predictors:
        yield from _of_ids(each, truth)
        yield from _of_version(each, truth, fingerprint)
        for column, horizon in enumerate(truth.horizons):
            known = np.isfinite(each.scores[:, column]) & np.isfinite(truth.scores[:, column])
            if known.sum() >= FEWEST:
                rows = np.flatnonzero(known)
                yield from _of_values(each, rows, column, horizon)
                yield from _of_labels(each, truth, rows, column, horizon)
        yield from _between_horizons(each, truth)
    for one, other in combinations(predictors, 2):
        for column, horizon in enumerate(truth.horizons):
            if clips := _same(one.scores[:, column], other.scores[:, column]):
                words = f"{one.name} and {other.name} give the same {HORIZON_NAMES[horizon]} scores to {clips:,} clips."
                yield Leak("same_predictors", one.name, words, clips, (other.name,), horizon)


def _of_ids(each: Predictor, truth: GroundTruth) -> Iterator[Leak]:
    if twice := each.given.twice:
        stand = "stands" if len(twice) == 1 else "stand"
        words = f"{quantity(len(twice), 'clip')} of {each.name} {stand} in it more than once; the first score counts."
        yield Leak("repeated_clips", each.name, words, len(twice), twice[:NAMED])
    trained = {clip_key(clip) for clip in each.given.trained_on}
    both = [clip for clip, row in zip(truth.ids, each.scores, strict=True)
            if clip_key(clip) in trained and np.isfinite(row).any()]  # fmt: skip
    if both:
        words = f"{each.name} was trained on {len(both):,} of the clips that it predicts."
        yield Leak("trained_on", each.name, words, len(both), tuple(both[:NAMED]))


def _of_version(each: Predictor, truth: GroundTruth, fingerprint: str | None) -> Iterator[Leak]:
    by_key = {clip_key(clip): row for clip, row in truth.index.items()}
    for column, horizon in enumerate(truth.horizons):
        pairs = [
            (clip, abs(value - truth.scores[by_key[clip], column]))
            for clip, value in each.given.measured.get(horizon, {}).items()
            if clip in by_key and np.isfinite(truth.scores[by_key[clip], column])
        ]
        other = [clip for clip, difference in pairs if difference > _OTHER_SCORE]
        if len(other) > _WRONG * len(pairs):
            words = (
                f"The measured {HORIZON_NAMES[horizon]} scores in {each.name} differ from these data's for "
                f"{len(other):,} of {len(pairs):,} clips: it comes from another version."
            )
            yield Leak("wrong_version", each.name, words, len(other), tuple(other[:NAMED]), horizon)
    if fingerprint is not None and each.given.fingerprint not in (None, fingerprint):
        words = f"{each.name} was trained on data with other clips or scores than these."
        yield Leak("wrong_version", each.name, words, 0)


def _of_values(each: Predictor, rows: np.ndarray, column: int, horizon: str) -> Iterator[Leak]:
    """Predictions of which many are the same."""
    x, name = each.scores[rows, column], HORIZON_NAMES[horizon]
    values, counts = np.unique(x, return_counts=True)
    if counts.max() > _MOST * len(x):
        words = f"{counts.max():,} of {len(x):,} {name} predictions of {each.name} are {values[counts.argmax()]:g}."
        yield Leak("constant", each.name, words, int(counts.max()), horizon=horizon)
        return
    if len(values) <= min(_FEW_VALUES, len(x) / _CLIPS_PER_VALUE):
        words = f"The {name} predictions of {each.name} take {quantity(len(values), 'value')} for {len(x):,} clips."
        yield Leak("few_values", each.name, words, len(x), horizon=horizon)
        return
    for end, number in ((values[0], counts[0]), (values[-1], counts[-1])):
        if number >= max(_EXTREME * len(x), FEWEST / 2):
            words = f"{number:,} of {len(x):,} {name} predictions of {each.name} are exactly {end:g}: they are clipped."
            yield Leak("clipped", each.name, words, int(number), horizon=horizon)


def _of_labels(each: Predictor, truth: GroundTruth, rows: np.ndarray, column: int, horizon: str) -> Iterator[Leak]:
    """Measured scores in place of predictions, as they are or with noise."""
    x, y, name = each.scores[rows, column], truth.scores[rows, column], HORIZON_NAMES[horizon]
    equal = np.isclose(x, y, rtol=0, atol=10**-_DIGITS / 2)
    fewest = max(_COPIED * len(x) + 2 * _equal_by_chance(x, y), FEWEST / 2)
    if equal.sum() >= fewest and len(np.unique(x[equal])) > _DIFFERENT:
        words = f"{equal.sum():,} of {len(x):,} {name} predictions of {each.name} are the measured score itself."
        first = tuple(truth.ids[row] for row in rows[equal][:NAMED])
        yield Leak("copied_labels", each.name, words, int(equal.sum()), first, horizon)
    if cause := _labels_with_noise(x, y, truth.counts[rows, column]):
        words = f"The {name} predictions of {each.name} behave like measured scores with noise: {cause}."
        yield Leak("labels_plus_noise", each.name, words, len(x), horizon=horizon)


def _equal_by_chance(x: Floats, y: Floats) -> float:
    """How many scores of two lists would be equal if their order were random: many, if both have few digits."""
    _, of = np.unique(np.concatenate([x, y]).round(_DIGITS), return_inverse=True)
    counts = [np.bincount(part, minlength=of.max() + 1) for part in (of[: len(x)], of[len(x) :])]
    return float(counts[0] @ counts[1] / len(x))


def _labels_with_noise(x: Floats, y: Floats, counts: Floats) -> str:
    """Why predictions look like the labels with noise; empty where they do not.

    An honest predictor cannot correlate more with noisy scores than the truth behind them does. And its errors depend
    on the measured score, because it cannot know its noise (regression to the mean); those of labels with noise do not.
    """
    if min(np.ptp(x), np.ptp(y)) == 0:
        return ""
    correlation, clips = pearson(x, y), len(x)
    lowest = np.tanh(np.arctanh(min(correlation, 1 - 1e-12)) - STANDARD_ERRORS / np.sqrt(max(clips - 3, 1)))
    known = np.nan_to_num(counts)
    ceiling = noise_ceiling(y, known)
    if np.isfinite(ceiling) and lowest > (high := noise_ceiling_interval(y, known, resamples=500).high):
        return f"their correlation is {correlation:.3f}, and the noise ceiling {ceiling:.3f} (at most {high:.3f})"
    if not np.isfinite(ceiling) and lowest > _UNREACHED:
        return f"their correlation is {correlation:.3f}, which no predictor reaches"
    if correlation < _STRONG:
        return ""
    slope = correlation * x.std() / y.std()
    error = np.sqrt((1 - correlation**2) / clips) * x.std() / y.std()
    off, off_error = abs((x - y).mean()), (x - y).std() / np.sqrt(clips)
    # Both errors have to be small, or anything would pass as 1 and 0.
    if STANDARD_ERRORS * error > _WIDEST or slope < _STEEP or abs(slope - 1) > STANDARD_ERRORS * error + _ROUNDING:
        return ""
    if off > STANDARD_ERRORS * off_error + _ROUNDING:
        return ""
    return f"their errors do not depend on the measured score (slope {slope:.2f}, as of the labels themselves)"


def _between_horizons(each: Predictor, truth: GroundTruth) -> Iterator[Leak]:
    for one, other in combinations(range(len(truth.horizons)), 2):
        if clips := _same(each.scores[:, one], each.scores[:, other]):
            names = f"{HORIZON_NAMES[truth.horizons[one]]} and {HORIZON_NAMES[truth.horizons[other]]}"
            words = f"{each.name} gives {clips:,} clips the same order for {names}: one set of scores is used twice."
            yield Leak("same_for_horizons", each.name, words, clips, horizon=truth.horizons[other])
        elif clips := _swapped(each.scores[:, [one, other]], truth.scores[:, [one, other]]):
            names = f"{HORIZON_NAMES[truth.horizons[one]]} and {HORIZON_NAMES[truth.horizons[other]]}"
            words = f"The {names} predictions of {each.name} fit the scores better the other way round."
            yield Leak("swapped_horizons", each.name, words, clips, horizon=truth.horizons[other])


def _swapped(x: Floats, y: Floats) -> int:
    """How many clips have predictions `(clips, 2)` that fit the scores `(clips, 2)` clearly better when exchanged."""
    known = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    if known.sum() < FEWEST or min(np.ptp(each[known], axis=0).min() for each in (x, y)) == 0:
        return 0
    ranked = (rankdata(each[known], axis=0) for each in (x, y))
    x, y = ((ranks - ranks.mean(axis=0)) / ranks.std(axis=0) for ranks in ranked)
    exchanged = (x * y[:, ::-1]).sum(axis=1)
    gains = exchanged - (x * y).sum(axis=1)
    error = gains.std() / np.sqrt(len(gains))
    return len(gains) if exchanged.mean() > 0 and gains.mean() > STANDARD_ERRORS * error else 0


def _same(one: Floats, other: Floats) -> int:
    """How many clips two lists of scores rank the same way; 0 where they differ."""
    known = np.isfinite(one) & np.isfinite(other)
    if known.sum() < FEWEST or np.ptp(one[known]) == 0 or np.ptp(other[known]) == 0:
        return 0
    return int(known.sum()) if spearman(one[known], other[known]) > 1 - 1e-6 else 0

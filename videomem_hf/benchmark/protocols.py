"""Protocols: which clips of a ground truth predictors are evaluated on, and which they may have been trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from videomem_hf.benchmark.truth import Division, GroundTruth
from videomem_hf.data.release.names import natural_key
from videomem_hf.data.release.splits import SplitOptions, split_records
from videomem_hf.schema import InputError
from videomem_hf.system import quantity

SEEDS: Final = tuple(range(10))
MOST_ANNOTATED: Final = 500
"""The paper's test(500)."""
ALL: Final = "all"


@dataclass(frozen=True)
class Fold:
    """Positions of the clips for training and for evaluation, of one division."""

    train: np.ndarray
    evaluation: np.ndarray


@dataclass(frozen=True)
class Protocol:
    """How predictors are evaluated.

    Attributes:
        name: One of `available_protocols`.
        words: What it is, a sentence.
        folds: Its divisions; figures are means over them.
    """

    name: str
    words: str
    folds: tuple[Fold, ...]

    @property
    def evaluation(self) -> np.ndarray:
        """Positions of all clips that are evaluated in any fold."""
        return np.unique(np.concatenate([fold.evaluation for fold in self.folds]))


def available_protocols(truth: GroundTruth) -> list[str]:
    """Names of the protocols that a ground truth allows."""
    names = ["random", "ten-random"]
    if any(truth.titles):
        names += ["grouped", "ten-grouped"]
    if np.isfinite(truth.counts).any():
        names.append("most-annotated")
    return [*names, *truth.divisions, ALL]


def make_protocol(name: str, truth: GroundTruth) -> Protocol:
    """Divide the clips of a ground truth.

    Raises:
        InputError: There is no such protocol, or the data do not allow it.
    """
    if name == "mediaeval-test":
        raise InputError(
            f"{truth.data}: MediaEval's test folder has {quantity(len(truth.unscored), 'clip')} here without a score, "
            "as its scores were never released; choose another protocol, or write a submission with `videomem evaluate "
            "--submission`"
        )
    if name not in (known := available_protocols(truth)):
        raise InputError(f"there is no protocol {name!r} for {truth.data}; there are {', '.join(known)}")
    seeds = SEEDS if name.startswith("ten-") else SEEDS[:1]
    if name in truth.divisions:
        words = f"The division {name!r} that the data set itself makes."
        return Protocol(name, words, (_fold(truth, truth.divisions[name]),))
    if name == ALL:
        everything = np.arange(len(truth))
        return Protocol(
            name, "All scored clips; what was trained on is not known.", (Fold(everything[:0], everything),)
        )
    if name == "most-annotated":
        return _most_annotated(truth)
    grouped = name.endswith("grouped")
    folds = tuple(_fold(truth, _divide(truth, seed, grouped)) for seed in seeds)
    made = f"seed{'s 0 to 9, mean of ten' if len(seeds) > 1 else ' 0'}"
    kept = "; nearly equal titles stay together" if grouped else ""
    train, held_out = len(folds[0].train), len(folds[0].evaluation)
    words = f"Random division into {train:,} for training and {held_out:,} for evaluation ({made}{kept})."
    return Protocol(name, words, folds)


def _divide(truth: GroundTruth, seed: int, grouped: bool) -> Division:
    parts = split_records(truth.records, SplitOptions(seed=seed, group_titles=grouped))
    train, held_out = ([each.video_id for each in parts.get(name, [])] for name in ("train", "validation"))
    if len(held_out) < 2:
        raise InputError(f"{truth.data}: {quantity(len(truth), 'clip')} are too few to divide; choose the protocol all")
    return train, held_out


def _fold(truth: GroundTruth, division: Division) -> Fold:
    train, held_out = (np.array(sorted(truth.index[clip] for clip in clips), np.int64) for clips in division)
    return Fold(train, held_out)


def _most_annotated(truth: GroundTruth) -> Protocol:
    """The clips with the most annotations of the last horizon, ties by the others before it, then by id."""
    size = min(MOST_ANNOTATED, max(2, len(truth) // 16))
    order = sorted(
        range(len(truth)), key=lambda row: (*_negative(truth.counts[row, ::-1]), natural_key(truth.ids[row]))
    )
    chosen = np.array(sorted(order[:size]), np.int64)
    rest = np.setdiff1d(np.arange(len(truth)), chosen)
    words = f"The {size:,} most annotated clips, by {truth.horizons[-1]} counts; training on all others."
    return Protocol("most-annotated", words, (Fold(rest, chosen),))


def _negative(counts: Sequence[float] | np.ndarray) -> list[float]:
    return [-float(np.nan_to_num(count)) for count in counts]


def chosen_protocols(names: Sequence[str], truth: GroundTruth) -> list[Protocol]:
    """Make the named protocols, `own` for each division that the data make.

    For no name all that the data allow, and have enough clips for.
    """
    if not names:
        return list(_possible_protocols(truth))
    wanted: list[str] = []
    for name in names:
        if name == "own":
            if not truth.divisions:
                raise InputError(f"{truth.data}: makes no division of its own; choose another protocol")
            wanted += truth.divisions
        else:
            wanted.append(name)
    return [make_protocol(name, truth) for name in dict.fromkeys(wanted)]


def _possible_protocols(truth: GroundTruth) -> Iterator[Protocol]:
    for name in available_protocols(truth):
        try:
            yield make_protocol(name, truth)
        except InputError:  # too few clips, or too few titles, to divide
            continue

"""Planted leaks are all found; none is found in clean data."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.benchmark.made_up_truth import honest, make_truth, predictor
from videomem_hf.benchmark.clip_content import FrameContent, feature_copies, frame_copies, frame_hash
from videomem_hf.benchmark.leaks import KINDS, predictor_leaks, split_leaks
from videomem_hf.benchmark.protocols import make_protocol
from videomem_hf.benchmark.truth import GroundTruth

CLIPS = 400


def pictures(seed: int) -> np.ndarray:
    """Three frames for each clip, with structure at several sizes, `(clips, 3, 32, 32)` grey values."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(0, 255, (CLIPS, 3, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)
    return np.clip(coarse + generator.normal(0, 20, coarse.shape), 0, 255)


def content(frames: np.ndarray) -> FrameContent:
    hashes = np.array([[frame_hash(each) for each in clip] for clip in frames], np.uint64)
    mirrored = np.array([[frame_hash(each[:, ::-1]) for each in clip] for clip in frames], np.uint64)
    return FrameContent(hashes, mirrored, np.ones(hashes.shape, bool), np.zeros(len(frames)))


def findings(
    truth: GroundTruth, predictors: list[Any], frames: np.ndarray, vectors: np.ndarray, fingerprint: str = "data"
) -> set[str]:
    copies = {"duplicate_frames": frame_copies(content(frames)), "duplicate_features": feature_copies(vectors)}
    found = [*predictor_leaks(predictors, truth, fingerprint)]
    for name in ("random", "ten-random"):
        found += split_leaks(truth, make_protocol(name, truth), copies)
    assert all(leak.words.endswith(".") for leak in found)
    return {leak.kind for leak in found}


def clean(seed: int) -> dict[str, Any]:
    truth, true = make_truth(CLIPS, seed)
    generator = np.random.default_rng(seed + 50)
    vectors = generator.dirichlet(np.full(101, 0.1), CLIPS)
    given = [predictor(truth, honest(true, seed + n, strength), f"p{n}") for n, strength in ((1, 0.5), (2, 0.8))]
    return {"truth": truth, "predictors": given, "frames": pictures(seed), "vectors": vectors, "true": true}


def ends(truth: GroundTruth) -> tuple[int, int]:
    """A clip for training and one for evaluation."""
    fold = make_protocol("random", truth).folds[0]
    return int(fold.train[0]), int(fold.evaluation[0])


def plant_title(case: dict[str, Any], seed: int) -> None:
    one, other = ends(case["truth"])
    titles = list(case["truth"].titles)
    titles[other] = f"{titles[one]}-0{seed}"
    case["truth"] = replace(case["truth"], titles=titles)


def plant_frames(case: dict[str, Any], seed: int) -> None:
    one, other = ends(case["truth"])
    generator = np.random.default_rng(seed)
    frames = case["frames"][one] + generator.normal(0, 3, case["frames"][one].shape)  # another compression
    case["frames"][other] = np.clip(frames * 0.95 + 5, 0, 255)


def plant_mirrored_frames(case: dict[str, Any], seed: int) -> None:
    plant_frames(case, seed)
    _, other = ends(case["truth"])
    case["frames"][other] = case["frames"][other][..., ::-1]


def plant_scaled_features(case: dict[str, Any], seed: int) -> None:
    one, other = ends(case["truth"])
    case["vectors"][other] = 2.5 * case["vectors"][one]


def plant_features(case: dict[str, Any], seed: int) -> None:
    one, other = ends(case["truth"])
    case["vectors"][other] = case["vectors"][one].round(8)


def plant(name: str, change: Callable[[dict[str, Any], np.ndarray, np.random.Generator], np.ndarray]) -> Any:
    """A leak in the scores of a predictor."""

    def planted(case: dict[str, Any], seed: int) -> None:
        scores = change(case, case["predictors"][0].scores.copy(), np.random.default_rng(seed))
        case["predictors"][0] = predictor(case["truth"], scores, "p1")

    planted.__name__ = name
    return planted


def noisy_labels(case: dict[str, Any], scores: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    measured = case["truth"].scores
    return np.asarray(measured + generator.normal(size=measured.shape) * measured.std(axis=0) * 0.7)


def labels_with_noise_of(deviation: float) -> Any:
    def noisy(case: dict[str, Any], scores: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return np.asarray(case["truth"].scores + generator.normal(0, deviation, scores.shape))

    return noisy


def exchanged(case: dict[str, Any], scores: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return scores[:, ::-1]


def rounded(case: dict[str, Any], scores: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return (scores * 18).round() / 18


def nearly_labels(case: dict[str, Any], scores: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    measured = case["truth"].scores
    return np.asarray(0.5 + 0.3 * measured + generator.normal(size=measured.shape) * measured.std(axis=0) * 0.05)


def copied(case: dict[str, Any], scores: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    rows = generator.permutation(CLIPS)[: CLIPS // 8]
    scores[rows] = case["truth"].scores[rows]
    return scores


def both_the_same(case: dict[str, Any], scores: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    scores[:, 1] = scores[:, 0] ** 2
    return scores


def same_predictor(case: dict[str, Any], scores: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.asarray(case["predictors"][1].scores * 0.9 + 0.05)


def constant(case: dict[str, Any], scores: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    scores[generator.random(CLIPS) < 0.7] = 0.8
    return scores


def clipped(case: dict[str, Any], scores: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return np.minimum(scores, np.quantile(scores, 0.9, axis=0))


def plant_version(case: dict[str, Any], seed: int) -> None:
    measured = {"short_term": dict(zip(case["truth"].ids, (case["truth"].scores[:, 0] * 0.9).tolist(), strict=True))}
    case["predictors"][0] = predictor(case["truth"], case["predictors"][0].scores, "p1", measured=measured)


def plant_data_of_a_run(case: dict[str, Any], seed: int) -> None:
    case["predictors"][0] = predictor(case["truth"], case["predictors"][0].scores, "p1", fingerprint="other")


def plant_training(case: dict[str, Any], seed: int) -> None:
    trained = frozenset(case["truth"].ids[:7])
    case["predictors"][0] = predictor(case["truth"], case["predictors"][0].scores, "p1", trained_on=trained)


def plant_repeats(case: dict[str, Any], seed: int) -> None:
    case["predictors"][0] = predictor(case["truth"], case["predictors"][0].scores, "p1", twice=("video1",))


PLANTED = [
    ("duplicate_titles", plant_title),
    ("duplicate_frames", plant_frames),
    ("duplicate_features", plant_features),
    ("duplicate_frames", plant_mirrored_frames),
    ("duplicate_features", plant_scaled_features),
    ("labels_plus_noise", plant("noisy", noisy_labels)),
    *(("labels_plus_noise", plant(f"noise_{noise}", labels_with_noise_of(noise))) for noise in (0.01, 0.05, 0.1)),
    ("swapped_horizons", plant("exchanged", exchanged)),
    ("few_values", plant("rounded", rounded)),
    ("labels_plus_noise", plant("above_the_ceiling", nearly_labels)),
    ("copied_labels", plant("copied", copied)),
    ("same_for_horizons", plant("horizons", both_the_same)),
    ("same_predictors", plant("predictors", same_predictor)),
    ("constant", plant("constant", constant)),
    ("clipped", plant("clipped", clipped)),
    ("wrong_version", plant_version),
    ("wrong_version", plant_data_of_a_run),
    ("trained_on", plant_training),
    ("repeated_clips", plant_repeats),
]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("kind", "leak"), PLANTED, ids=[f"{kind}-{leak.__name__}" for kind, leak in PLANTED])
def test_a_planted_leak_is_found_and_no_other(kind: str, leak: Callable[..., None], seed: int) -> None:
    case = clean(seed)
    case.pop("true")
    leak(case, seed)
    assert findings(**case) == {kind}


def test_every_kind_is_planted() -> None:
    assert {kind for kind, _ in PLANTED} == set(KINDS)


@pytest.mark.parametrize("seed", range(6))
def test_clean_data_have_none(seed: int) -> None:
    case = clean(seed)
    true = case.pop("true")
    truth = case["truth"]
    case["predictors"] += [
        predictor(truth, true, "oracle"),  # the truth itself is no leak: it does not know the noise
        predictor(truth, honest(true, seed + 9, 0.7).round(2), "two digits"),
    ]
    assert findings(**case) == set()


def test_a_grouped_protocol_has_no_shared_titles() -> None:
    case = clean(3)
    plant_title(case, 3)
    for name in ("grouped", "ten-grouped"):
        assert not list(split_leaks(case["truth"], make_protocol(name, case["truth"]), {}))

"""A ground truth with known true memorability, and honest predictions of it."""

from pathlib import Path

import numpy as np

from videomem_hf.benchmark.prediction_files import Predictions
from videomem_hf.benchmark.predictors import Predictor, align
from videomem_hf.benchmark.truth import GroundTruth

HORIZONS = ("short_term", "long_term")
_ADJECTIVES = ("red", "old", "wet", "loud", "tiny", "slow", "dark", "round", "blue", "calm", "wild")


def make_truth(clips: int = 400, seed: int = 0, horizons: tuple[str, ...] = HORIZONS) -> tuple[GroundTruth, np.ndarray]:
    """Scores k / n of a beta-distributed truth, 30 and 10 annotations; every title has words of its own."""
    generator = np.random.default_rng(seed)
    true = np.column_stack([generator.beta(12, 3, clips), generator.beta(7, 2.5, clips)])[:, : len(horizons)]
    counts = np.tile([30.0, 10.0][: len(horizons)], (clips, 1))
    scores = (generator.binomial(counts.astype(int), true) / counts).round(3)
    ids = [f"video{number}" for number in range(1, clips + 1)]
    titles: list[str | None] = [
        f"{_ADJECTIVES[n % 11]}-{_letters(n)}-{_letters(n * 7919 + 13)}-{_letters(n * 104729 + 5)}"
        for n in range(clips)
    ]
    return GroundTruth("made-up", ids, horizons, scores, counts, titles), true


def _letters(number: int) -> str:
    return "".join(chr(97 + number // 26**power % 26) for power in range(5))


def honest(true: np.ndarray, seed: int = 1, strength: float = 0.6) -> np.ndarray:
    """Predictions `(clips, horizons)` that know a part of the truth, and nothing of the annotations' noise."""
    generator = np.random.default_rng(seed)
    centred = true - true.mean(axis=0)
    noise = generator.normal(size=true.shape) * true.std(axis=0)
    return np.clip(true.mean(axis=0) + strength * (strength * centred + (1 - strength**2) ** 0.5 * noise), 0, 1)


def predictor(truth: GroundTruth, scores: np.ndarray, name: str = "honest", **given: object) -> Predictor:
    predicted = {h: dict(zip(truth.ids, scores[:, n].tolist(), strict=True)) for n, h in enumerate(truth.horizons)}
    return align(Predictions(name, predicted, **given), truth)  # type: ignore[arg-type]


def write_run(path: Path, truth: GroundTruth, scores: np.ndarray, horizon: int = 0) -> Path:
    """A run file of MediaEval: `video1.webm,score,confidence`, CRLF, no header."""
    rows = [f"{clip}.webm,{score:.6f},1\r\n" for clip, score in zip(truth.ids, scores[:, horizon], strict=True)]
    path.write_text("".join(rows), encoding="utf-8", newline="")
    return path

"""Spearman's rank correlation of predicted with measured memorability, for `evaluate.load`."""

from typing import Any

import datasets
import evaluate
import numpy as np

from videomem_hf import statistics

_DESCRIPTION = """
Spearman's rank correlation, the measure of the VideoMem paper (Sec. 5), Pearson's correlation and the mean squared
error, each with a bootstrap interval. One horizon at a time, over the whole split: never average values of batches.
"""

_KWARGS_DESCRIPTION = """
Args:
    predictions (list of float, or array (N,) or (N, 1)): predicted scores, on any scale as far as the correlations go;
        finite.
    references (the same): measured scores, one per prediction; finite. Leave out videos without a score.
    other_predictions (list of float, optional): a second predictor on the same videos, to compare with.
    confidence (float): coverage of the intervals, strictly between 0 and 1. Default .95.
    resamples (int): bootstrap resamples of the videos, at least 1. Default 10,000.
    seed (int): the intervals are a pure function of the input and the seed. Default 0.

Returns:
    spearman: in [-1, 1], 1 is best; ties share their average rank; NaN, with a warning, if one input is constant.
    pearson: in [-1, 1], 1 is best; NaN as above.
    mse: mean squared error, 0 or more, 0 is best.
    spearman_low, spearman_high, and likewise for pearson and mse: ends of the percentile intervals, all three from
        the same resamples; NaN where the value is.
    items: number of videos.
    difference, difference_low, difference_high, p_value: only with other_predictions. Spearman of the first minus that
        of the second predictor, its interval from a paired bootstrap, and the two-sided p-value of no difference.

Raises:
    ValueError: fewer than two videos, unequal lengths, or a value that is not finite.

Examples:
    >>> import evaluate
    >>> from videomem_hf.metrics import metric_path
    >>> metric = evaluate.load(metric_path())
    >>> measured = [.55, .70, .65, .95, .80, .85, .60, .90]
    >>> predicted = [.2, .4, .6, .9, .7, .8, .3, .5]
    >>> result = metric.compute(predictions=predicted, references=measured)
    >>> round(result["spearman"], 3), round(result["mse"], 4), result["items"]
    (0.81, 0.06, 8)
    >>> result["spearman_low"] <= result["spearman"] <= result["spearman_high"]
    True
    >>> versus = metric.compute(predictions=predicted, references=measured, other_predictions=measured[::-1])
    >>> round(versus["difference"], 3)
    1.19
"""

_CITATION = """
@inproceedings{cohendet2019videomem,
  title = {{VideoMem}: Constructing, Analyzing, Predicting Short-Term and Long-Term Video Memorability},
  author = {Cohendet, Romain and Demarty, Claire-H\\'el\\`ene and Duong, Ngoc Q. K. and Engilberge, Martin},
  booktitle = {Proceedings of the IEEE/CVF International Conference on Computer Vision},
  year = {2019}
}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class Memorability(evaluate.Metric):
    """Agreement of predicted with measured memorability."""

    def _info(self) -> evaluate.MetricInfo:
        features = {"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features(features),
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Take lists, or arrays `(N,)` or `(N, 1)` as a `Trainer` gives them."""
        evaluate.Metric.add_batch(self, predictions=_as_list(predictions), references=_as_list(references), **kwargs)

    def _compute(
        self,
        predictions: list[float],
        references: list[float],
        other_predictions: list[float] | None = None,
        confidence: float = statistics.CONFIDENCE,
        resamples: int = statistics.RESAMPLES,
        seed: int = 0,
    ) -> dict[str, float | int]:
        other_predictions = _as_list(other_predictions)
        result: dict[str, float | int] = {
            "spearman": statistics.spearman(predictions, references),
            "pearson": statistics.pearson(predictions, references),
            "mse": statistics.mse(predictions, references),
            "items": len(references),
        }
        sampling: dict[str, Any] = {"confidence": confidence, "resamples": resamples, "seed": seed}
        for name, interval in statistics.bootstrap_intervals(predictions, references, **sampling).items():
            result |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
        if other_predictions is None:
            return result
        comparison = statistics.compare(predictions, other_predictions, references, **sampling)
        return result | {
            "difference": comparison.difference,
            "difference_low": comparison.interval.low,
            "difference_high": comparison.interval.high,
            "p_value": comparison.p_value,
        }


def _as_list(scores: Any) -> Any:
    """A list of scores, also of a tensor; of `(N, 1)` scores the only column. Other shapes are left to the checks."""
    if scores is None:
        return None
    array = np.asarray(scores.detach().float().cpu() if hasattr(scores, "detach") else scores)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    return array.tolist() if array.ndim == 1 else scores

"""The section `evaluation` of a recipe: which split, and how its intervals are computed."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from huggingface_hub.dataclasses import strict

from videomem_hf.recipes import require, require_least
from videomem_hf.statistics import CONFIDENCE, RESAMPLES


@strict
@dataclass
class EvaluationOptions:
    """How a model is evaluated.

    Attributes:
        split: Split with scores that training has not seen.
        resamples: Bootstrap resamples behind the confidence intervals.
        confidence: Coverage of the confidence intervals.
    """

    split: str = "validation"
    resamples: int = RESAMPLES
    confidence: float = CONFIDENCE

    def validate_evaluation(self) -> None:
        require(self.split not in ("", "train"), "split", "the name of a split other than train", self.split)
        require_least(self, 1, "resamples")
        require(0 < self.confidence < 1, "confidence", "between 0 and 1", self.confidence)

    @property
    def sampling(self) -> dict[str, Any]:
        """Keywords of the functions that compute intervals."""
        return {"resamples": self.resamples, "confidence": self.confidence}


def evaluation_of(config: Mapping[str, Any]) -> EvaluationOptions:
    """How a run was evaluated, by its configuration; multi-view runs of the past have the options at the top level."""
    section = config.get("evaluation", config)
    names = [each.name for each in fields(EvaluationOptions)]
    return EvaluationOptions(**{name: section[name] for name in names if name in section})

"""The configuration of the recipe `best`, which fits a multi-view predictor instead of training in stages."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from huggingface_hub.dataclasses import strict

from videomem_hf.evaluation.options import EvaluationOptions
from videomem_hf.losses.names import check_loss_section
from videomem_hf.recipes import RunConfig, raise_input_errors, read_yaml, recipe_path, require, require_least

HEADS: Final = ("auto", "kernel", "neural")
AUTO: Final = "auto"
EXACT_UP_TO: Final = 10_000
"""Training clips up to which kernels are exact; beyond, landmarks approximate them (Nyström)."""
LANDMARKS: Final = 4_000
_KEYS: Final = {"fit", "views", "grouped", "title_encoder"}


@raise_input_errors
@strict
@dataclass
class FitOptions:
    """How `fit_best` fits. Values of a wrong type or out of range raise InputError.

    Attributes:
        head: "kernel", "neural", or "auto" for the better one by cross-validation.
        folds: Folds of the cross-validation.
        level: Share of measured scores that the prediction intervals cover.
        use_counts: Whether clips with more annotations have more weight.
        tune_on: Largest number of training clips on which kernels are chosen; they are then fitted on all.
        exact_up_to: Number of training clips up to which kernels are exact.
        landmarks: Number of clips that approximate the kernels beyond that (Nyström).
        members: Number of networks of the neural head.
        epochs: Epochs of each network.
        hidden_size: Hidden size of each network.
        loss: Loss of each network: `type` and its options.
    """

    head: str = "auto"
    folds: int = 10
    level: float = 0.9
    use_counts: bool = True
    tune_on: int = 4_000
    exact_up_to: int = EXACT_UP_TO
    landmarks: int = LANDMARKS
    members: int = 3
    epochs: int = 30
    hidden_size: int = 64
    loss: dict[str, Any] = field(default_factory=lambda: {"type": "model"})

    def validate_ranges(self) -> None:
        """Refuse values out of range."""
        require(self.head in HEADS, "head", f"one of {', '.join(HEADS)}", self.head)
        require(0 < self.level < 1, "level", "between 0 and 1", self.level)
        require_least(self, 2, "folds")
        require_least(self, 1, "tune_on", "exact_up_to", "landmarks", "members", "epochs", "hidden_size")
        check_loss_section(self.loss)


@strict
@dataclass
class ViewEvaluation(EvaluationOptions):
    """How a multi-view predictor is evaluated; fewer resamples, since there are many rows."""

    resamples: int = 2_000


@raise_input_errors
@strict
@dataclass
class BestConfig(RunConfig):
    """Everything a run of the recipe `best` depends on, besides the data.

    Attributes:
        data, output, recipe: See `RunConfig`.
        views: "auto" for the titles and every feature of fixed length, or a list of names: `title` and columns.
        title_encoder: Sentence encoder of the view `title`: a name on the Hub or a folder; null leaves titles out.
        frame_encoder: Encoder of the videos' frames: the name of a feature of `videomem extract` (`efficientnet-lite0`,
            `hf:MODEL`, ...); "auto" for the best installed one where `views` is "auto" and the clips have no feature;
            null leaves frames out.
        fit: How the predictor is fitted.
        splits: Keywords of the data set: `seed`, `group_titles`, `most_annotated`, `split_files`, `release`.
        evaluation: The evaluation split, and how confidence intervals are computed.
        grouped: Whether the ablation table also has a split that keeps nearly equal titles together, with a fit of
            its own; the saved model is that of the first split.
        seed: Of folds, landmarks and networks.
    """

    views: Any = AUTO
    title_encoder: str | None = None
    frame_encoder: str | None = None
    fit: FitOptions = field(default_factory=FitOptions)
    splits: dict[str, Any] = field(default_factory=dict)
    evaluation: ViewEvaluation = field(default_factory=ViewEvaluation)
    grouped: bool = True
    seed: int = 0

    @classmethod
    def from_former_names(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Move what files had at the top level to the section `evaluation`."""
        moved = {name: values[name] for name in asdict(ViewEvaluation()) if name in values}
        kept = {name: value for name, value in values.items() if name not in moved}
        return kept | {"evaluation": moved | values.get("evaluation", {})} if moved else values

    def validate_ranges(self) -> None:
        names = isinstance(self.views, list) and self.views and all(isinstance(name, str) for name in self.views)
        require(self.views == AUTO or bool(names), "views", "auto or a list of names", self.views)
        require_least(self, 0, "seed")


def is_multiview_recipe(recipe: str | Path) -> bool:
    """Whether a recipe is for `BestConfig`: it has its keys and no stages."""
    values = read_yaml(recipe_path(recipe))
    return "stages" not in values and bool(_KEYS & values.keys())

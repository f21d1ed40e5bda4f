"""The configuration of the recipe `best`, which fits a multi-view predictor instead of training in stages."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from huggingface_hub.dataclasses import strict

from videomem_hf.evaluation.options import EvaluationOptions
from videomem_hf.recipes import RunConfig, raise_input_errors, read_yaml, recipe_path, require, require_least

AUTO: Final = "auto"
EXACT_UP_TO: Final = 10_000
"""Training clips up to which kernels are exact; beyond, landmarks approximate them (Nyström)."""
LANDMARKS: Final = 4_000
_KEYS: Final = {"fit", "views", "grouped", "title_encoder"}
_OF_NEURAL_HEAD: Final = {"head", "members", "epochs", "hidden_size", "loss"}
"""Of the section `fit`, in files of before."""


@raise_input_errors
@strict
@dataclass
class FitOptions:
    """How `fit_best` fits. Values of a wrong type or out of range raise InputError.

    Attributes:
        folds: Folds of the cross-validation.
        level: Share of measured scores that the prediction intervals cover.
        use_counts: Whether clips with more annotations have more weight.
        tune_on: Largest number of training clips on which kernels are chosen; they are then fitted on all.
        exact_up_to: Number of training clips up to which kernels are exact.
        landmarks: Number of clips that approximate the kernels beyond that (Nyström).
    """

    folds: int = 10
    level: float = 0.9
    use_counts: bool = True
    tune_on: int = 3_000
    exact_up_to: int = EXACT_UP_TO
    landmarks: int = LANDMARKS

    def validate_ranges(self) -> None:
        """Refuse values out of range."""
        require(0 < self.level < 1, "level", "between 0 and 1", self.level)
        require_least(self, 2, "folds")
        require_least(self, 1, "tune_on", "exact_up_to", "landmarks")


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
        title_layers: Its hidden layers that the view consists of, from 1; "auto" for three in the last third; an empty
            list for its sentence embedding.
        frame_encoder: Encoder of the videos' frames: the name of a feature of `videomem extract` (`efficientnet-lite0`,
            `hf:MODEL`, ...); "auto" for the best installed one where `views` is "auto" and the clips have no feature;
            null leaves frames out.
        fit: How the predictor is fitted.
        splits: Keywords of the data set: `seed`, `group_titles`, `most_annotated`, `split_files`, `release`.
        evaluation: The evaluation split, and how confidence intervals are computed.
        grouped: Whether the ablation table also has a split that keeps nearly equal titles together, with a fit of
            its own; the saved model is that of the first split.
        seed: Of folds and landmarks.
    """

    views: Any = AUTO
    title_encoder: str | None = None
    title_layers: Any = AUTO
    frame_encoder: str | None = None
    fit: FitOptions = field(default_factory=FitOptions)
    splits: dict[str, Any] = field(default_factory=dict)
    evaluation: ViewEvaluation = field(default_factory=ViewEvaluation)
    grouped: bool = True
    seed: int = 0

    @classmethod
    def from_former_names(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Move what files had at the top level to the section `evaluation`, and drop options of the neural head."""
        moved = {name: values[name] for name in asdict(ViewEvaluation()) if name in values}
        kept = {name: value for name, value in values.items() if name not in moved}
        if isinstance(fit := kept.get("fit"), dict):
            kept["fit"] = {name: value for name, value in fit.items() if name not in _OF_NEURAL_HEAD}
        return kept | {"evaluation": moved | values.get("evaluation", {})} if moved else values

    def validate_ranges(self) -> None:
        names = isinstance(self.views, list) and self.views and all(isinstance(name, str) for name in self.views)
        require(self.views == AUTO or bool(names), "views", "auto or a list of names", self.views)
        layers = self.title_layers
        numbers = isinstance(layers, list) and all(isinstance(layer, int) and layer > 0 for layer in layers)
        require(layers == AUTO or numbers, "title_layers", "auto or a list of numbers from 1", layers)
        require_least(self, 0, "seed")


def is_multiview_recipe(recipe: str | Path) -> bool:
    """Whether a recipe is for `BestConfig`: it has its keys and no stages."""
    values = read_yaml(recipe_path(recipe))
    return "stages" not in values and bool(_KEYS & values.keys())

"""The configuration of the recipe `best`, which fits a multi-view predictor instead of training in stages."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import StrictDataclassError

from videomem_hf.losses.names import check_loss_section
from videomem_hf.recipes import apply_override, build, read_yaml, recipe_path, refuse_unknown, require
from videomem_hf.schema import InputError
from videomem_hf.statistics import CONFIDENCE

HEADS: Final = ("auto", "kernel", "neural")
AUTO: Final = "auto"
EXACT_UP_TO: Final = 10_000
"""Training clips up to which kernels are exact; beyond, landmarks approximate them (Nyström)."""
LANDMARKS: Final = 4_000
_KEYS: Final = {"fit", "views", "grouped", "title_encoder"}
_Config = TypeVar("_Config")


def _raise_input_errors(cls: type[_Config]) -> type[_Config]:
    """Make a strict dataclass refuse wrong values with InputError."""
    strict_init = cls.__init__

    @wraps(strict_init)
    def init(self: _Config, *args: Any, **values: Any) -> None:
        try:
            strict_init(self, *args, **values)
        except StrictDataclassError as error:
            raise InputError(str(error.__cause__ or error)) from None

    cls.__init__ = init  # type: ignore[assignment]
    return cls


@_raise_input_errors
@strict
@dataclass
class FitOptions:
    """How `fit_best` fits. Values of a wrong type or out of range raise InputError.

    Attributes:
        head: "kernel", "neural", or "auto" for the better one by cross-validation.
        folds: Of the cross-validation.
        level: Share of measured scores that the prediction intervals cover.
        use_counts: Whether clips with more annotations have more weight.
        tune_on: Training clips that kernels are chosen on, at most; the chosen ones are fitted on all.
        exact_up_to: Training clips up to which kernels are exact.
        landmarks: Clips that represent all beyond that (Nyström).
        members: Networks of the neural head.
        epochs: Of each network.
        hidden_size: Of each network.
        loss: Of each network: `type` and that loss's options.
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
        require(self.folds >= 2, "folds", "at least 2", self.folds)
        require(0 < self.level < 1, "level", "between 0 and 1", self.level)
        for name in ("tune_on", "exact_up_to", "landmarks", "members", "epochs", "hidden_size"):
            require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        check_loss_section(self.loss)


@_raise_input_errors
@strict
@dataclass
class BestConfig:
    """Everything a run of the recipe `best` depends on, besides the data.

    Attributes:
        data: Folder of the release (or of a generated sample's `release`), a prepared folder, or a Hub id.
        output: New folder for the model and its results.
        recipe: Name or file of the recipe.
        views: "auto" for the titles and every feature of fixed length, or a list of names: `title` and columns.
        title_encoder: Sentence encoder of the view `title`: a name on the Hub or a folder; null leaves titles out.
        frame_encoder: Encoder of the videos' frames: the name of a feature of `videomem extract` (`efficientnet-lite0`,
            `hf:MODEL`, ...); "auto" for the best installed one where `views` is "auto" and the clips have no feature;
            null leaves frames out.
        fit: How the predictor is fitted.
        splits: Keywords of the data set: `seed`, `group_titles`, `most_annotated`, `split_files`, `release`.
        split: The evaluation split.
        grouped: Whether the ablation table also has a split that keeps nearly equal titles together, fitted anew; the
            saved model is that of the first split.
        resamples: Bootstrap resamples of the correlations' confidence intervals.
        confidence: Coverage of those.
        seed: Of folds, landmarks and networks.
    """

    data: str
    output: str
    recipe: str
    views: Any = AUTO
    title_encoder: str | None = None
    frame_encoder: str | None = None
    fit: FitOptions = field(default_factory=FitOptions)
    splits: dict[str, Any] = field(default_factory=dict)
    split: str = "validation"
    grouped: bool = True
    resamples: int = 2_000
    confidence: float = CONFIDENCE
    seed: int = 0

    @classmethod
    def from_recipe(
        cls, recipe: str | Path, *, data: str | Path, output: str | Path, overrides: Sequence[str] = ()
    ) -> "BestConfig":
        """Read a recipe and apply overrides, as `TrainingConfig.from_recipe` does."""
        values = read_yaml(recipe_path(recipe))
        for override in overrides:
            apply_override(values, override)
        given = {"data": str(data), "output": str(output), "recipe": str(recipe)}
        refuse_unknown(values, [each.name for each in fields(cls) if each.name not in given], f"recipe {recipe}")
        return build(cls, values | given, f"recipe {recipe}")

    def save(self, path: Path) -> None:
        """Write the configuration as YAML."""
        path.write_text(yaml.safe_dump(asdict(self), sort_keys=False), encoding="utf-8")

    def validate_ranges(self) -> None:
        """Refuse values out of range."""
        names = isinstance(self.views, list) and self.views and all(isinstance(name, str) for name in self.views)
        require(self.views == AUTO or bool(names), "views", "auto or a list of names", self.views)
        require(self.split not in ("", "train"), "split", "the name of a split other than train", self.split)
        require(self.resamples >= 1, "resamples", "at least 1", self.resamples)
        require(0 < self.confidence < 1, "confidence", "between 0 and 1", self.confidence)
        require(self.seed >= 0, "seed", "at least 0", self.seed)


def is_multiview_recipe(recipe: str | Path) -> bool:
    """Whether a recipe is for `BestConfig`: it has its keys and no stages."""
    values = read_yaml(recipe_path(recipe))
    return "stages" not in values and bool(_KEYS & values.keys())

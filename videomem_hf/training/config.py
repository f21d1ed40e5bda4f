"""The training configuration: a recipe in YAML, changed by `key=value` overrides, checked before anything is loaded."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_type_hints

import yaml
from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import StrictDataclassError

from videomem_hf.schema import SPLITS, InputError
from videomem_hf.statistics import CONFIDENCE, RESAMPLES

RECIPES_FOLDER: Final = Path(__file__).parent / "recipes"
_Config = TypeVar("_Config")


@strict
@dataclass
class AugmentationConfig:
    """Random changes of a training clip, the same for all its frames, that leave its memorability alone.

    Attributes:
        flip: Probability of a left-right flip.
        shift_px: Largest shift in pixels, both ways; the edge is repeated.
        colour_order: Probability that red, green and blue change places.
        gain: Largest relative change of each channel's brightness.
        offset: Largest shift of the brightness, as a share of its range.
    """

    flip: float = 0.5
    shift_px: int = 0
    colour_order: float = 0.0
    gain: float = 0.0
    offset: float = 0.0

    def validate_ranges(self) -> None:
        """Refuse values out of range."""
        _require(0 <= self.flip <= 1, "flip", "from 0 to 1", self.flip)
        _require(self.shift_px >= 0, "shift_px", "at least 0", self.shift_px)
        _require(0 <= self.colour_order <= 1, "colour_order", "from 0 to 1", self.colour_order)
        _require(0 <= self.gain < 1, "gain", "from 0 to below 1", self.gain)
        _require(0 <= self.offset < 1, "offset", "from 0 to below 1", self.offset)


@strict
@dataclass
class EvaluationConfig:
    """How a model is judged: after training once, after the last epoch.

    Attributes:
        split: Split with scores that training has not seen.
        batch_size: Clips at a time.
        resamples: Bootstrap resamples behind the intervals.
        confidence: Coverage of the intervals.
    """

    split: str = "validation"
    batch_size: int = 32
    resamples: int = RESAMPLES
    confidence: float = CONFIDENCE

    def validate_ranges(self) -> None:
        """Refuse values out of range."""
        _require(self.split in SPLITS[1:], "split", f"one of {', '.join(SPLITS[1:])}", self.split)
        _require(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size)
        _require(self.resamples >= 1, "resamples", "at least 1", self.resamples)
        _require(0 < self.confidence < 1, "confidence", "between 0 and 1", self.confidence)


@strict
@dataclass
class TrainingConfig:
    """Everything a training run is a function of, besides the data.

    Attributes:
        data: Folder of the release (or of a generated sample's `release`).
        output: Folder for the model, the results and, until the run is finished, its checkpoint.
        recipe: Name of the recipe or file that the values came from.
        model: `type` (a registered `model_type`) and fields of that model's configuration. `score_means` and
            `score_stds` are those of the training scores unless they are given.
        processor: Fields of the video processor that is saved with the model.
        epochs: Passes over the training clips.
        batch_size: Clips a step, over all processes together; a last incomplete batch is left out.
        frames_per_clip: Frames drawn from a training clip each time; None takes all.
        learning_rate: Highest rate of AdamW; it rises linearly, then falls along a cosine to 0.
        warmup: Share of the steps in which the rate rises.
        weight_decay: Of matrices and convolutions; biases and normalisation have none.
        max_grad_norm: Longer gradients are shortened to this.
        weigh_by_annotations: Whether labels from more annotations weigh more.
        augmentation: Random changes of training clips.
        evaluation: How the result is judged.
        seed: The order of the clips, the augmentation and the first weights are pure functions of it.
        checkpoint_every: Epochs between checkpoints.
        loader_workers: Processes that read the frame cache, for each training process; 0 reads in the process itself.
        frame_cache: Folder for decoded frames; None takes the user's cache folder.
    """

    data: str
    output: str
    recipe: str
    model: dict[str, Any]
    processor: dict[str, Any]
    epochs: int
    batch_size: int
    learning_rate: float
    frames_per_clip: int | None = None
    warmup: float = 0.1
    weight_decay: float = 0.05
    max_grad_norm: float = 1.0
    weigh_by_annotations: bool = False
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    seed: int = 0
    checkpoint_every: int = 1
    loader_workers: int = 0
    frame_cache: str | None = None

    @classmethod
    def from_recipe(
        cls, recipe: str | Path, *, data: str | Path, output: str | Path, overrides: Sequence[str] = ()
    ) -> "TrainingConfig":
        """Read a recipe and apply overrides.

        Args:
            recipe: Name of a recipe in the package, or a YAML file.
            data: See the attribute.
            output: See the attribute.
            overrides: `key=value`, the value in YAML; a dot leads into a section: `augmentation.flip=0`.

        Raises:
            InputError: An unknown recipe or key, or a value of a wrong type or out of range.
        """
        path = recipe_path(recipe)
        values = _read_yaml(path)
        for override in overrides:
            _apply_override(values, override)
        given = {"data": str(data), "output": str(output), "recipe": str(recipe)}
        refuse_unknown(values, [each.name for each in fields(cls) if each.name not in given], f"recipe {recipe}")
        return _build(cls, values | given, f"recipe {recipe}")

    @classmethod
    def from_file(cls, path: Path) -> "TrainingConfig":
        """Read back what `save` wrote."""
        return _build(cls, _read_yaml(path), str(path))

    def save(self, path: Path) -> None:
        """Write the configuration as YAML."""
        path.write_text(yaml.safe_dump(asdict(self), sort_keys=False), encoding="utf-8")

    def validate_ranges(self) -> None:
        """Refuse values out of range."""
        for name in ("epochs", "batch_size", "checkpoint_every"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        for name in ("seed", "loader_workers", "weight_decay"):
            _require(getattr(self, name) >= 0, name, "at least 0", getattr(self, name))
        for name in ("learning_rate", "max_grad_norm"):
            _require(getattr(self, name) > 0, name, "above 0", getattr(self, name))
        _require(0 <= self.warmup < 1, "warmup", "from 0 to below 1", self.warmup)
        frames = self.frames_per_clip
        _require(frames is None or frames >= 1, "frames_per_clip", "at least 1, or null for all frames", frames)
        _require("type" in self.model, "model", "a section with a type, as in {type: frame_attention}", self.model)


def checked_evaluation(**values: Any) -> EvaluationConfig:
    """An evaluation's configuration from what a user gave. Raises InputError for a value that is not allowed."""
    return _build(EvaluationConfig, values, "evaluation")


def recipe_path(recipe: str | Path) -> Path:
    """The file of a recipe given by name or path. Raises InputError, naming those that exist."""
    if Path(recipe).suffix in {".yaml", ".yml"}:
        return Path(recipe)
    names = sorted(path.stem for path in RECIPES_FOLDER.glob("*.yaml"))
    if str(recipe) not in names:
        raise InputError(f"no recipe {str(recipe)!r}; there are {', '.join(names)}, or give a file that ends in .yaml")
    return RECIPES_FOLDER / f"{recipe}.yaml"


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({(error.strerror or '').lower()})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: must hold keys and values, as in `epochs: 40`")
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise InputError(f"{override!r} is not of the form key=value")
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise InputError(f"{override!r}: {section} is a single value, not a section")
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise InputError(f"{override!r}: the value is not YAML") from None


def _build(cls: type[_Config], values: Any, where: str) -> _Config:
    """Make a configuration of a mapping; every section likewise."""
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: a section of keys and values is wanted, got {values!r}")
    refuse_unknown(values, [each.name for each in fields(cls)], where)  # type: ignore[arg-type]
    types = get_type_hints(cls)
    converted = {
        key: _build(types[key], value, f"{where}, {key}") if is_dataclass(types[key]) else _number(value, types[key])
        for key, value in values.items()
    }
    try:
        return cls(**converted)
    except StrictDataclassError as error:
        raise InputError(f"{where}: {error.__cause__ or error}") from None
    except TypeError as error:
        raise InputError(f"{where}: {str(error).rpartition('__init__() ')[2]}") from None


def refuse_unknown(values: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    """Raise InputError for a key that is not allowed, with those that are and the nearest of them."""
    for key in values:
        if key not in allowed:
            close = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise InputError(f"{where}: unknown key {key!r}{hint}; allowed are {', '.join(allowed)}")


def _number(value: Any, wanted: Any) -> Any:
    """YAML reads `1` as an integer and `1e-3` as text where a float is wanted."""
    if float not in (wanted, *get_args(wanted)) or isinstance(value, bool) or not isinstance(value, int | str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _require(condition: bool, name: str, allowed: str, value: object) -> None:
    if not condition:
        raise ValueError(f"{name} must be {allowed}, got {value}")

"""What a training run left about itself, read for its card."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from videomem_hf.evaluation.options import evaluation_of
from videomem_hf.evaluation.training_clips import check_own_predictions
from videomem_hf.multiview.config import BestConfig
from videomem_hf.run_files import NOT_COMPUTED, RESULTS_FILE, read_results
from videomem_hf.schema import InputError, short_message
from videomem_hf.training.config import TrainingConfig

_NOT_OF_THE_RECIPE: Final = NOT_COMPUTED | {"recipe", "init"}  # which stand elsewhere in the card


@dataclass(frozen=True)
class RunFacts:
    """A finished run.

    Attributes:
        folder: Its folder, with the model.
        results: Content of `results.json`.
        model: All fields of the model's configuration.
        processor: Content of the video processor's file; None for a model of features.
    """

    folder: Path
    results: dict[str, Any]
    model: dict[str, Any]
    processor: dict[str, Any] | None

    @property
    def config(self) -> Any:
        return self.results["config"]

    @property
    def recipe(self) -> str:
        """Name of the recipe, without the folder and ending of a file."""
        return Path(self.config["recipe"]).stem

    @property
    def stages(self) -> list[dict[str, Any]]:
        """The stages of training; none of a predictor that is fitted at once."""
        return list(self.config.get("stages", []))

    @property
    def init(self) -> Any:
        """The weights that the run started from, a string; None for random ones, or none."""
        return self.config.get("init")

    @property
    def train_on(self) -> str:
        """The data sets of the run: "videomem", "lamem" or "both"."""
        return str(self.config.get("train_on", "videomem"))

    @property
    def bootstrap(self) -> dict[str, Any]:
        """`confidence` and `resamples` of the metrics' intervals."""
        return evaluation_of(self.config).sampling

    @property
    def generated(self) -> Any:
        """Arguments of the generated sample that the run was trained on, a dictionary; None for other data."""
        return self.results["data"]["generated"]

    @property
    def table(self) -> Any:
        """`title`, `license` and `citation` of the table of one's own that it was trained on; None for other data."""
        return self.results["data"].get("table")

    @property
    def data_title(self) -> str:
        """What data it was trained on, if they are not generated: VideoMem, or the title of a table."""
        return self.table["title"] if self.table else "VideoMem"


def read_run(folder: Path, trust_remote_code: bool = False) -> RunFacts:
    """Read a finished run; `trust_remote_code` runs the Python files in its folder, if its type is not registered.

    Raises:
        InputError: It is not one, is damaged, or was written before runs recorded all that a card needs.
    """
    results = read_results(folder)
    if missing := [name for name in ("data", "machine", "package", "finished") if name not in results]:
        raise InputError(
            f"{folder / RESULTS_FILE}: has no {missing[0]!r}, which the card needs: the run is of an older version; "
            "train again"
        )
    check_own_predictions(folder)
    return RunFacts(folder, results, _model_config(folder, trust_remote_code), _processor(folder))


def changes_of_recipe(facts: RunFacts) -> list[tuple[str, str, str]] | None:
    """Where the run differs from its recipe.

    Returns:
        Key, the recipe's value and the run's, for every difference; None where the recipe's file is not at hand.
    """
    kind = TrainingConfig if facts.stages else BestConfig
    try:
        recipe = kind.from_recipe(facts.config["recipe"], data="", output="")
    except InputError:
        return None
    before, now = (_flat(config) for config in (asdict(recipe), kind.from_former_names(facts.config)))
    keys = [key for key in before | now if key.split(".")[0] not in _NOT_OF_THE_RECIPE]
    values = {key: (before.get(key), now.get(key)) for key in keys}
    return [(key, _value_text(old), _value_text(new)) for key, (old, new) in values.items() if old != new]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested sections as one level: `stages.0.epochs`."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = dict(enumerate(value))
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, each in value.items():
        flat |= _flat(each, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _value_text(value: Any) -> str:
    return "not set" if value is None else json.dumps(value)


def _model_config(folder: Path, trust_remote_code: bool) -> dict[str, Any]:
    from transformers import AutoConfig

    try:
        return dict(AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code).to_dict())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: its model cannot be read ({short_message(error)}); one of your own code needs --import "
            "FILE or --trust-remote-code"
        ) from None


def _processor(folder: Path) -> dict[str, Any] | None:
    from videomem_hf.models.former_names import FORMER_NAMES

    path = folder / "video_preprocessor_config.json"
    if not path.is_file():
        return None
    try:
        processor: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); the file is damaged") from None
    return {FORMER_NAMES.get(name, name): value for name, value in processor.items()}

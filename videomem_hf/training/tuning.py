"""Search for a recipe's values with Optuna: a grid, or random and then guided draws."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import yaml

from videomem_hf.recipes import parse_yaml
from videomem_hf.schema import InputError
from videomem_hf.training.config import SELECTIONS, TrainingConfig

if TYPE_CHECKING:
    import optuna

BEST_FILE: Final = "best.yaml"
_STORAGE_FILE: Final = "search.log"


@dataclass(frozen=True)
class Choice:
    """A key of the recipe and the values that it may take.

    Attributes:
        key: As in an override: `model.hidden_sizes`.
        values: Of a grid; empty for a range.
        low, high: Ends of a range.
        log: Whether the range is drawn from on a logarithmic scale.
    """

    key: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def draw(self, trial: "optuna.trial.BaseTrial") -> Any:
        """The value of a trial: a new one, or that of a finished trial."""
        if self.values:  # by index, since a value may be a list
            return self.values[trial.suggest_categorical(self.key, list(range(len(self.values))))]
        return trial.suggest_float(self.key, self.low, self.high, log=self.log)


def parse_grid(text: str) -> Choice:
    """Read `key=[value, value, ...]`. Raises InputError for another form."""
    key, _, listed = text.partition("=")
    try:
        values = parse_yaml(listed)
    except yaml.YAMLError:
        values = None
    if not key or not isinstance(values, list) or not values:
        raise InputError(f"{text!r}: give KEY=[VALUE, VALUE, ...], as in model.hidden_sizes=[[10], [10, 10]]")
    return Choice(key, tuple(values))


def parse_range(text: str) -> Choice:
    """Read `key=low:high` or `key=low:high:log`. Raises InputError for another form."""
    key, _, ends = text.partition("=")
    numbers, log = ends.removesuffix(":log"), ends.endswith(":log")
    try:
        low, high = map(float, numbers.split(":"))
    except ValueError:
        low, high = 1.0, 0.0
    if not key or not low < high or (log and low <= 0):
        raise InputError(f"{text!r}: give KEY=LOW:HIGH or KEY=LOW:HIGH:log, as in stages.0.weight_decay=1e-4:1:log")
    return Choice(key, low=low, high=high, log=log)


@dataclass(frozen=True)
class Search:
    """What is searched.

    Attributes:
        recipe: Name of a recipe or a YAML file.
        data: As of `TrainingConfig`.
        out: Folder: a run a trial, the search's state, and the best recipe.
        choices: Grids, or ranges; not both.
        trials: Runs altogether; None for the whole grid.
        overrides: `key=value` for every run.
        seed: Of the draws.
    """

    recipe: str
    data: str
    out: Path
    choices: tuple[Choice, ...]
    trials: int | None = None
    overrides: tuple[str, ...] = ()
    seed: int = 0


def search(what: Search, progress: bool = True) -> tuple[dict[str, Any], float]:
    """Train trial after trial; a search that was stopped goes on where it was.

    A trial's value is the best epoch's Spearman correlation on the validation split, for what the recipe keeps the best
    of (the mean of both horizons where it keeps the last epoch). It was chosen on that split: evaluate the winner on
    another.

    Returns:
        The best values and their correlation; they are written to `best.yaml` as a recipe.

    Raises:
        InputError: A choice that the recipe does not have, or another search in `out`.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _config(what, {choice.key: choice.values[0] if choice.values else choice.low for choice in what.choices}, 0)
    _remember(what)
    backend = JournalFileBackend(str(what.out / _STORAGE_FILE))
    study = optuna.create_study(
        study_name="search",
        storage=optuna.storages.JournalStorage(backend),
        sampler=_sampler(what),
        direction="maximize",
        load_if_exists=True,
    )
    total = what.trials or math.prod(len(choice.values) for choice in what.choices)
    done = optuna.trial.TrialState.COMPLETE
    while len(study.get_trials(states=[done])) < total:
        finished = len(study.get_trials(states=[done]))
        study.optimize(lambda trial: _run(what, trial, progress), n_trials=1)
        if len(study.get_trials(states=[done])) == finished:
            break  # the grid is exhausted
    values = {choice.key: choice.draw(study.best_trial) for choice in what.choices}
    config = _config(what, values, study.best_trial.number)
    _write_recipe(config, what.out / BEST_FILE, study.best_value)
    return values, float(study.best_value)


def _sampler(what: Search) -> "optuna.samplers.BaseSampler":
    import optuna

    if all(choice.values for choice in what.choices):
        grid = {choice.key: list(range(len(choice.values))) for choice in what.choices}
        return optuna.samplers.GridSampler(grid, seed=what.seed)
    return optuna.samplers.TPESampler(seed=what.seed)


def _run(what: Search, trial: "optuna.Trial", progress: bool) -> float:
    from videomem_hf.training.run import train

    values = {choice.key: choice.draw(trial) for choice in what.choices}
    config = _config(what, values, trial.number)
    results = train(config, progress=progress).results
    return best_validation(results["validation"], config.evaluation.keep)


def best_validation(validation: Sequence[dict[str, float | None]], keep: str) -> float:
    """The highest correlation of any evaluation while training; -1 where all predictions were constant."""
    every = dict.fromkeys(name for row in validation for name in row if name != "epoch")
    names = list(every) if keep in SELECTIONS else [keep]
    rows: list[list[Any]] = [[row[name] for name in names] for row in validation]
    return max((float(np.mean(values)) for values in rows if None not in values), default=-1.0)


def _config(what: Search, values: dict[str, Any], number: int) -> TrainingConfig:
    overrides = [*what.overrides, *(f"{key}={json.dumps(value)}" for key, value in values.items())]
    return TrainingConfig.from_recipe(
        what.recipe, data=what.data, output=what.out / f"trial-{number:04d}", overrides=overrides
    )


def _remember(what: Search) -> None:
    """Refuse to go on with a search of something else."""
    described = repr((what.recipe, what.data, what.choices, what.overrides, what.seed))
    path = what.out / "search.txt"
    if path.exists() and path.read_text(encoding="utf-8") != described:
        raise InputError(f"{what.out} holds a search of other values; choose another --out, or remove the folder")
    what.out.mkdir(parents=True, exist_ok=True)
    path.write_text(described, encoding="utf-8")


def _write_recipe(config: TrainingConfig, path: Path, value: float) -> None:
    values = {name: value for name, value in asdict(config).items() if name not in ("data", "output", "recipe")}
    head = f"# Best of a search over {config.recipe}: Spearman {value:.3f} on the validation split that chose it.\n"
    path.write_text(head + yaml.safe_dump(values, sort_keys=False), encoding="utf-8")

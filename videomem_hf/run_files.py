"""What a run's folder holds: the names of its files, and the formats of those that others read."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from videomem_hf.schema import VIDEO_ID, Horizon, InputError
from videomem_hf.system import atomic_write

if TYPE_CHECKING:
    import numpy as np

CONFIG_FILE: Final = "training_config.yaml"
RESULTS_FILE: Final = "results.json"
PREDICTIONS_FILE: Final = "predictions.csv"
TRAINING_CLIPS_FILE: Final = "training_clips.csv"
REFERENCE_FILE: Final = "reference.json"
TYPICALITY_FILE: Final = "typicality.safetensors"
CLAIM_FILES: Final = (REFERENCE_FILE, TYPICALITY_FILE)
"""What travels with the weights: what the model's predictions are measured against."""
TRAINED_ON: Final = ("videomem", "lamem", "both")
"""What a run's `train_on` may be: clips, photographs, or both."""
NOT_COMPUTED: Final = {
    "data", "output", "lamem", "frame_cache", "frame_cache_gb", "loader_workers", "checkpoint_every",
    "checkpoint_minutes", "gradient_checkpointing", "trackers",
}  # fmt: skip
"""Settings that say where things lie, how fast they go and in what memory: no part of what a run computes."""
_CONTENT: Final = "content"
PREDICTOR_TITLES: Final = {
    "model": "the model",
    "constant": "the mean training score",
    "mean_brightness": "a line through mean brightness",
}
"""What a person reads for the predictors that `results.json` compares."""


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run leaves.

    Attributes:
        output: Folder with the model, its processor, the configuration, `results.json` and `predictions.csv`.
        results: Content of `results.json`.
    """

    output: Path
    results: dict[str, Any]


def check_run_folder(
    output: Path, checkpoint: Path | None = None, resume: bool = False, finished: str = RESULTS_FILE
) -> None:
    """Raise InputError where work would be lost, or there is nothing to resume, in a run's output folder.

    `finished` is the file that only a finished run has.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; the output must be a folder")
    if (output / finished).exists():
        raise InputError(f"{output} holds a finished run; choose another output or remove the folder")
    if checkpoint is None:
        if output.exists() and any(output.iterdir()) and not (output / CONFIG_FILE).exists():
            raise InputError(f"{output} is not empty and holds no training run; choose another output")
        if resume:
            raise InputError(f"{output} holds no checkpoint to resume; start without --resume")
    elif not resume:
        raise InputError(f"{output} holds an unfinished run; give --resume to go on, or choose another output")


def changed_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The settings that two configurations of one class differ in: old and new values, without `NOT_COMPUTED`."""
    return {key: (old[key], new[key]) for key in new if key not in NOT_COMPUTED and old[key] != new[key]}


def refuse_changed_settings(output: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise InputError, with each old and new value, for a run that would go on with another configuration."""
    if changed := changed_settings(old, new):
        differences = "; ".join(f"{key} was {before}, is {now}" for key, (before, now) in changed.items())
        raise InputError(f"{output}: a run goes on with the configuration that it started with: {differences}")


def is_run_folder(folder: Path) -> bool:
    """Whether a folder holds a finished run."""
    return (folder / RESULTS_FILE).is_file()


def write_results(folder: Path, results: Mapping[str, Any]) -> None:
    """Write `results.json`; NaN becomes null, which JSON can carry."""
    text = json.dumps(without_nan(dict(results)), indent=2) + "\n"
    with atomic_write(folder / RESULTS_FILE) as path:  # the file stands for a finished run
        path.write_text(text, encoding="utf-8")


def read_results(folder: Path) -> dict[str, Any]:
    """Read `results.json`. Raises InputError where there is none, or it is damaged."""
    path = folder / RESULTS_FILE
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of a finished run")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the folder of a finished run of train.py or `videomem table1`")
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); the file is damaged") from None
    if not isinstance(results, dict):
        raise InputError(f"{path}: holds no JSON object; the file is damaged")
    return results


def without_nan(value: Any) -> Any:
    """A structure of dictionaries, lists and values with None in place of NaN."""
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def write_predictions(
    path: Path,
    predictions: "Mapping[str, np.ndarray]",
    video_ids: Sequence[str],
    labels: "np.ndarray",
    horizons: Sequence[Horizon],
    counts: "np.ndarray | None" = None,
    short: bool = False,
) -> None:
    """Write a CSV: `video_id`, then for each horizon the measured score and each predictor's; NaN is an empty cell.

    `labels` and, by the predictor's name, `predictions` are `(clips, horizons)`; so are annotation `counts`, which have
    a column for each horizon where any is known.
    `short` writes numbers for people: the digits of single precision, and whole numbers without a point.
    """
    import numpy as np

    columns: dict[str, np.ndarray] = {}
    for column, horizon in enumerate(horizons):
        columns[horizon] = labels[:, column]
        if counts is not None and np.isfinite(counts[:, column]).any():
            columns[counts_column(horizon)] = counts[:, column]
        columns |= {score_column(horizon, name): scores[:, column] for name, scores in predictions.items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([VIDEO_ID, *columns])
        for video_id, *cells in zip(video_ids, *(values.tolist() for values in columns.values()), strict=True):
            writer.writerow([video_id, *(_cell(cell, short) for cell in cells)])


def _cell(number: float, short: bool) -> str:
    if math.isnan(number):
        return ""
    if not short:
        return repr(number)
    import numpy as np

    return np.format_float_positional(np.float32(number), trim="-")


def score_column(horizon: Horizon, predictor: str = "model") -> str:
    """Name of the column of a predictor's scores in `predictions.csv`; the measured ones stand under the horizon."""
    return f"{horizon}_{predictor}"


def counts_column(horizon: Horizon) -> str:
    """Name of the column of the annotation counts behind the measured scores in `predictions.csv`."""
    return score_column(horizon, "annotations")


def read_predictions(path: Path) -> "tuple[list[str], dict[str, np.ndarray]]":
    """Read what `write_predictions` wrote.

    Returns:
        The ids, and for each other column `(clips,)` float64 with NaN for an empty cell.

    Raises:
        InputError: The file cannot be read, or a cell is no number.
    """
    import numpy as np

    rows = _read_table(path)
    names = [name for name in (rows[0] if rows else ()) if name != VIDEO_ID]
    try:
        columns = {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: holds something else than numbers ({error})") from None
    return [row[VIDEO_ID] for row in rows], columns


def write_training_clips(folder: Path, contents: Mapping[str, str]) -> None:
    """Write `training_clips.csv`: each training clip's id and the hash of its content, empty where there is none."""
    with (folder / TRAINING_CLIPS_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([VIDEO_ID, _CONTENT])
        writer.writerows(contents.items())


def read_training_clips(folder: Path) -> dict[str, str] | None:
    """Read `training_clips.csv`; None where the run was made before there was one."""
    path = folder / TRAINING_CLIPS_FILE
    return {row[VIDEO_ID]: row[_CONTENT] for row in _read_table(path, _CONTENT)} if path.is_file() else None


def _read_table(path: Path, *columns: str) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    if missing := [name for name in (VIDEO_ID, *columns) if name not in (reader.fieldnames or ())]:
        raise InputError(f"{path}: has no column {missing[0]!r}")
    return rows

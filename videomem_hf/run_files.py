"""What a run's folder holds: the names of its files, and the formats of `results.json` and `predictions.csv`."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf.schema import VIDEO_ID, Horizon, InputError

CONFIG_FILE: Final = "training_config.yaml"
RESULTS_FILE: Final = "results.json"
PREDICTIONS_FILE: Final = "predictions.csv"


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run leaves.

    Attributes:
        output: Folder with the model, its processor, the configuration, `results.json` and `predictions.csv`.
        results: Content of `results.json`.
    """

    output: Path
    results: dict[str, Any]


def check_new_run_folder(output: Path) -> None:
    """Refuse an output folder that holds anything but an unfinished run.

    Raises:
        InputError: It is a file, holds a finished run, or holds something else.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; the output must be a folder")
    if (output / RESULTS_FILE).exists():
        raise InputError(f"{output} holds a finished run; choose another output or remove the folder")
    if output.exists() and any(output.iterdir()) and not (output / CONFIG_FILE).exists():
        raise InputError(f"{output} is not empty and holds no training run; choose another output")


def without_nan(value: Any) -> Any:
    """A structure of dictionaries, lists and values with None in place of NaN."""
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def write_predictions(
    path: Path,
    predictions: Mapping[str, np.ndarray],
    video_ids: Sequence[str],
    labels: np.ndarray,
    horizons: Sequence[Horizon],
) -> None:
    """Write a CSV: `video_id`, then for each horizon the measured score and each predictor's.

    Args:
        path: The file.
        predictions: Predictor's name to its scores, `(clips, horizons)`.
        video_ids: `(clips,)`.
        labels: `(clips, horizons)` measured scores; NaN is written as an empty cell.
        horizons: Names of the columns.
    """
    columns: dict[str, np.ndarray] = {}
    for column, horizon in enumerate(horizons):
        columns[horizon] = labels[:, column]
        columns |= {f"{horizon}_{name}": scores[:, column] for name, scores in predictions.items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([VIDEO_ID, *columns])
        for row, video_id in enumerate(video_ids):
            cells = (float(values[row]) for values in columns.values())
            writer.writerow([video_id, *("" if math.isnan(cell) else repr(cell) for cell in cells)])

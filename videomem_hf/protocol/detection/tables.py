"""Writes measurements beside a study's scores: a table that `load_dataset("memorability")` reads, and a summary.

OUT/measurement/measurement.csv     one row per video: each measure with its standard error, for each step
OUT/measurement/memorability.yaml   which of the columns are taken as scores: the hit rates, in [0, 1]
OUT/measurement/participants.csv    bias and sensitivity of each participant with their standard errors
OUT/measurement/measurement.json    the model's parameters and the reliability of each measure
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from videomem_hf.protocol.detection.combined import Combined
from videomem_hf.protocol.detection.linear import NEW, REPEAT
from videomem_hf.protocol.detection.measure import MEASURES, Measurement
from videomem_hf.protocol.detection.reliability import Reliability
from videomem_hf.protocol.score_files import release_names, write_table
from videomem_hf.run_files import without_nan
from videomem_hf.schema import HORIZONS, Horizon, InputError
from videomem_hf.system import atomic_write, os_cause

FOLDER: Final = "measurement"
TABLE: Final = "measurement.csv"
_PERSON_COLUMNS: Final = ("participant", "step", "responses", "sensitivity", "sensitivity_error", "bias", "bias_error")


def write_measurement(
    measured: Mapping[Horizon, Measurement],
    reliability: Mapping[Horizon, Mapping[str, Reliability]],
    videos: Sequence[str],
    participants: Sequence[str],
    out: Path,
    combined: Combined | None = None,
) -> Path:
    """Write measurements into `out`, the folder of the scores; returns the table.

    Raises:
        InputError: A file cannot be written.
    """
    folder = out / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder / TABLE, *_video_table(measured, videos, combined))
        rows = (row for horizon, part in measured.items() for row in _people(horizon, part, participants))
        write_table(folder / "participants.csv", _PERSON_COLUMNS, rows)
        with atomic_write(folder / "memorability.yaml") as partial:
            partial.write_text(_decisions(measured, out), encoding="utf-8")
        content = json.dumps(measurement_content(measured, reliability), indent=2) + "\n"
        (folder / "measurement.json").write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: cannot be written ({os_cause(error)}); give another folder."
        ) from None
    return folder / TABLE


def measurement_content(
    measured: Mapping[Horizon, Measurement], reliability: Mapping[Horizon, Mapping[str, Reliability]]
) -> dict[str, Any]:
    """Parameters and reliabilities as plain data for JSON; NaN becomes None."""
    return {horizon: without_nan(_content(part, reliability[horizon])) for horizon, part in measured.items()}


def _content(part: Measurement, reliability: Mapping[str, Reliability]) -> dict[str, Any]:
    fit = part.detection
    return {
        "responses": len(part.responses),
        "responses_left_out": int((~part.attention.kept).sum()),
        "participants": len(np.unique(part.responses.participant)),
        "participants_guessing": int(part.attention.guessing.sum()),
        "participants_asleep": int(part.attention.asleep.sum()),
        "mean_d_prime": float(fit.mean[REPEAT] - fit.mean[NEW]),
        "mean_criterion": float(-(fit.mean[REPEAT] + fit.mean[NEW]) / 2),
        "reference_lag": part.reference_lag,
        "slope_per_log_lag": fit.slope if part.reference_lag else None,
        "slope_standard_error": fit.slope_error,
        "videos": _spread(fit.video_covariance),
        "participants_spread": _spread(fit.participant_covariance),
        "iterations": fit.iterations,
        "converged": fit.converged,
        "reliability": {name: asdict(each) for name, each in reliability.items()},
    }


def _spread(covariance: Any) -> dict[str, float]:
    """Standard deviations of the effects on hits and false alarms, and their correlation."""
    sd = np.sqrt(np.diag(covariance))
    return {
        "hit_sd": float(sd[REPEAT]),
        "false_alarm_sd": float(sd[NEW]),
        "correlation": float(covariance[NEW, REPEAT] / sd.prod()),
    }


def _video_table(
    measured: Mapping[Horizon, Measurement], videos: Sequence[str], combined: Combined | None
) -> tuple[list[str], Iterator[list[Any]]]:
    names = release_names(videos)
    header = ["video", "original_name"]
    columns: list[list[Any]] = [names, list(videos)]
    for horizon in HORIZONS:
        if horizon not in measured:
            continue
        part = measured[horizon]
        for name in MEASURES:
            header += [f"{horizon}_{name}", f"{horizon}_{name}_error"]
            columns += [part.values[name].tolist(), part.errors[name].tolist()]
        if combined is not None:
            header += [f"{horizon}_combined", f"{horizon}_combined_error"]
            columns += [combined.values[horizon].tolist(), combined.errors[horizon].tolist()]
        header += [f"{horizon}_annotations", f"{horizon}_new_annotations"]
        columns += [part.counts[:, REPEAT].tolist(), part.counts[:, NEW].tolist()]
    order = sorted(range(len(names)), key=lambda index: int(names[index].removeprefix("video")))
    return header, ([column[index] for column in columns] for index in order)


def _people(horizon: Horizon, part: Measurement, participants: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Sensitivity is d' of the average video; bias above 0 is pressing more often than the average participant."""
    effects = part.detection.participants
    counts = np.bincount(part.responses.participant, minlength=part.responses.participants)
    sensitivity = (
        part.detection.mean[REPEAT] - part.detection.mean[NEW] + effects.mean[:, REPEAT] - effects.mean[:, NEW]
    )
    weights = {"sensitivity": np.array([-1.0, 1.0]), "bias": np.array([0.5, 0.5])}
    errors = {
        name: np.sqrt(np.einsum("i,nij,j->n", weight, effects.covariance, weight)) for name, weight in weights.items()
    }
    bias = effects.mean @ weights["bias"]
    for index in np.flatnonzero(counts).tolist():
        numbers = (sensitivity[index], errors["sensitivity"][index], bias[index], errors["bias"][index])
        step = 1 + HORIZONS.index(horizon)
        yield participants[index], step, int(counts[index]), *(float(number) for number in numbers)


def _decisions(measured: Mapping[Horizon, Measurement], out: Path) -> str:
    """`memorability.yaml`: the columns that models learn; others, such as d', can be named in their place."""
    columns = {"video": "video"}
    for horizon in measured:
        columns |= {horizon: f"{horizon}_hit_rate", f"{horizon}_annotations": f"{horizon}_annotations"}
    videos = {"videos": "../release/videos"} if (out / "release" / "videos").is_dir() else {}
    about = "# Hit rates are taken as scores; name other columns of the table in their place.\n"
    return about + yaml.safe_dump({"table": TABLE, **videos, "columns": columns}, sort_keys=False)

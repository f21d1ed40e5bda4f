"""What `videomem analyse --model detection` adds: figures of the measurement, and what they say in numbers."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from videomem_hf.protocol.annotations import Annotations
    from videomem_hf.protocol.detection.curves import ReliabilityCurve
    from videomem_hf.protocol.detection.measure import Measurement
    from videomem_hf.protocol.scoring import StudyScores

CAPTIONS = {
    "measurement_reliability": (
        "Reliability of hits, false alarms and d' against the annotations per video: split halves of the participants, "
        "projected to all of them by Spearman-Brown; 95 % intervals over participants and videos."
    ),
    "measurement_videos": "d' of the best and worst videos with 90 % posterior intervals, by the detection model.",
    "measurement_participants": "Sensitivity and criterion of each participant, by the detection model.",
    "measurement_lag": "Hit rate of the population against the lag, by the detection model and as measured.",
    "measurement_steps": (
        "Step 1 against step 2: the correlation of the values, and of what they measure (disattenuated, with its 95 % "
        "interval over participants and videos)."
    ),
}


def fit_detection_model(table: "Annotations", scores: "StudyScores") -> "dict[Horizon, Measurement]":
    """Fit the detection model, with a bar of its iterations."""
    from tqdm import tqdm

    from videomem_hf.protocol.detection.measure import measure_study

    with tqdm(desc="detection model", unit="iteration") as bar:
        return measure_study(table, scores.screening, scores.design, progress=bar.update)


def measure_and_draw(
    table: "Annotations", scores: "StudyScores", draws: int, seed: int
) -> "tuple[dict[str, Figure], dict[str, Any], list[str]]":
    """Figures by the names of their files, the numbers behind them, and what does not apply, a sentence each."""
    from tqdm import tqdm

    from videomem_hf.analysis import measurement_figures as draw
    from videomem_hf.protocol.detection import curves
    from videomem_hf.protocol.detection.measure import REPORTED
    from videomem_hf.protocol.detection.reliability import reliabilities
    from videomem_hf.protocol.detection.tables import measurement_content

    measured = fit_detection_model(table, scores)
    with tqdm(
        total=sum(curves.draws_in_all(part, draws) for part in measured.values()), desc="reliability", unit="draw"
    ) as bar:
        by_count = {
            horizon: curves.reliability_curve(part, draws=draws, seed=seed, progress=bar.update)
            for horizon, part in measured.items()
        }
    found = {horizon: reliabilities(part, seed=seed) for horizon, part in measured.items()}
    content: dict[str, Any] = {
        "steps": measurement_content(measured, found),
        "reliability_curve": {horizon: _lists(asdict(curve)) for horizon, curve in by_count.items()},
    }
    figures = {
        "measurement_videos": draw.extremes_figure(measured, scores.videos),
        "measurement_participants": draw.participants_figure(measured),
    }
    if drawn := {horizon: curve for horizon, curve in by_count.items() if len(curve.annotations)}:
        figures = {"measurement_reliability": draw.reliability_figure(drawn)} | figures
    lag = curves.lag_curve(measured["short_term"]) if "short_term" in measured else None
    if lag is not None:
        figures["measurement_lag"] = draw.lag_figure(lag)
        content["lag_curve"] = _lists(asdict(lag))
    if len(measured) == len(HORIZONS):
        steps = [measured[horizon] for horizon in HORIZONS]
        agreement = {
            name: curves.step_agreement(steps, name, draws=max(draws, curves.DRAWS), seed=seed) for name in REPORTED
        }
        figures["measurement_steps"] = draw.steps_figure(measured, agreement)
        content["step_agreement"] = {name: _lists(asdict(each)) for name, each in agreement.items()}
    return figures, content, _not_applying(measured, by_count, lag is not None)


def _not_applying(
    measured: "dict[Horizon, Measurement]", by_count: "dict[Horizon, ReliabilityCurve]", lags: bool
) -> list[str]:
    missing = [HORIZON_NAMES[horizon] for horizon in HORIZONS if horizon not in measured]
    notes = [f"{name}: not measured, the study has no old and new videos of this step" for name in missing]
    few = [HORIZON_NAMES[horizon] for horizon in measured if not len(by_count[horizon].annotations)]
    notes += [f"{name} reliability against annotations: does not apply, too few participants" for name in few]
    if not lags:
        notes.append("lag curve: does not apply, the study has no lags that vary")
    if missing:
        notes.append("step 1 against step 2: does not apply")
    return notes


def _lists(content: Any) -> Any:
    """Arrays as lists, NaN as None, at any depth."""
    from videomem_hf.run_files import without_nan

    if isinstance(content, dict):
        return {name: _lists(value) for name, value in content.items()}
    return without_nan(content.tolist()) if hasattr(content, "tolist") else without_nan(content)

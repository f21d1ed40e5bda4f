"""Pictures of a prediction: its scores over time above some frames, and its saliency over every frame as a video."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from videomem_hf.analysis.clip_figure import ShownFrame, clip_figure, save_figure
from videomem_hf.analysis.forgetting_figure import forgetting_figure
from videomem_hf.analysis.overlay_video import overlay_clip
from videomem_hf.analysis.score_curve import ScoreCurve
from videomem_hf.analysis.style import COLOURS, clock, interval_name, interval_text, score_text
from videomem_hf.inference.claims import caveats_of_one_clip, short_remark
from videomem_hf.inference.forgetting import LONG_S, SHORT_S, TIMES_S
from videomem_hf.inference.moments import NO_MOMENT, NOT_KNOWN, is_moment_known, standout_moment
from videomem_hf.inference.occlusion import OcclusionMaps
from videomem_hf.inference.prediction import Prediction
from videomem_hf.inference.saliency import GRAD_CAM
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon
from videomem_hf.video.video import VideoSource

COVERED: Final = "change of the {} score when a cell is covered (orange: it falls)"


def write_forgetting(path: Path, prediction: Prediction) -> None:
    """Draw the forgetting curve of a clip, from a minute to three days, as PNG.

    Raises:
        InputError: The model gives one horizon only.
    """
    curve = prediction.forgetting()
    times = np.geomspace(60.0, TIMES_S["3 days"], 200)
    known = zip(HORIZONS, (SHORT_S, LONG_S), strict=True)
    points = {horizon: (time_s, prediction.scores[horizon]) for horizon, time_s in known}
    title = Path(prediction.source).name
    save_figure(forgetting_figure(times, curve.chance(times), curve.interval(times), points, title, curve.level), path)


def prediction_figure(
    prediction: Prediction, title: str | None = None, occlusion: OcclusionMaps | None = None
) -> Figure:
    """Draw a prediction that has stills, with its intervals, percentiles, caveats and notes.

    Args:
        prediction: Of a clip.
        title: The clip's file name unless given.
        occlusion: Of the frames of the stills; a row of maps of its own.
    """
    first = next(iter(prediction.scores))
    found = {} if occlusion is None else {float(time_s): i for i, time_s in enumerate(occlusion.times_s)}
    over_time = len(prediction.times_s) > 1
    frames = []
    for still in prediction.stills:
        index = found.get(still.time_s)
        change = None if occlusion is None or index is None else occlusion.on_frame(index, first)
        caption = score_text(first, still.scores[first]) if over_time else ""
        time_s = still.time_s if len(prediction.stills) > 1 else None
        frames.append(ShownFrame(time_s, caption, still.image, still.saliency, change))
    return clip_figure(
        title or Path(prediction.source).name,
        score_curve(prediction),
        frames,
        [score_line(prediction, horizon) for horizon in prediction.scores],
        [_model_line(prediction), *caveats_of_one_clip(prediction.caveats), *prediction.notes],
        saliency_words(prediction),
        None if occlusion is None else COVERED.format(HORIZON_NAMES[first]),
    )


def score_curve(prediction: Prediction) -> ScoreCurve:
    """What pictures show of a prediction's scores."""
    COLOURS.fix(prediction.scores)
    moments = {h: moment for h in prediction.scores if (moment := standout_moment(prediction, h)) is not None}
    return ScoreCurve(
        prediction.times_s,
        prediction.curves,
        prediction.scores,
        prediction.intervals,
        prediction.interval_level,
        {horizon: (moment.time_s, moment.score) for horizon, moment in moments.items()},
        short_remark(prediction),
    )


def score_line(prediction: Prediction, horizon: Horizon) -> str:
    """A clip's score in words: its interval, its percentile and among what, and the moment that stands out."""
    parts = [score_text(horizon, prediction.scores[horizon])]
    if prediction.intervals:
        parts.append(f"{interval_name(prediction.interval_level)} {interval_text(*prediction.intervals[horizon])}")
    if horizon in prediction.percentiles and prediction.reference is not None:
        parts.append(prediction.reference.standing(prediction.percentiles[horizon]))
    if len(prediction.times_s) > 1:
        parts.append(moment_text(prediction, horizon))
    return " · ".join(parts)


def moment_text(prediction: Prediction, horizon: Horizon) -> str:
    """The most memorable moment in words, or that none stands out, or that this cannot be told."""
    moment = standout_moment(prediction, horizon)
    if moment is None:
        return NO_MOMENT if is_moment_known(prediction, horizon) else NOT_KNOWN
    return f"most memorable at {clock(moment.time_s)} ({moment.score:.3f})"


def saliency_words(prediction: Prediction) -> str | None:
    """What a prediction's maps are, and of which horizon; None where it has none."""
    method = prediction.saliency_method
    if method is None:
        return None
    if GRAD_CAM in method:
        return f"{method} of the {HORIZON_NAMES[next(iter(prediction.scores))]} score"
    return f"{method}, for {' and '.join(HORIZON_NAMES[horizon] for horizon in prediction.scores)}"


def _model_line(prediction: Prediction) -> str:
    version = f" ({prediction.model_version})" if prediction.model_version else ""
    return f"Model: {prediction.model}{version}"


def write_overlay(path: Path, clip: VideoSource, prediction: Prediction, **options: Any) -> None:
    """Write the maps of a prediction, which has them, over every frame of its clip; options as of `overlay_clip`."""
    assert prediction.saliency is not None
    label = saliency_words(prediction) or ""
    overlay_clip(path, clip, prediction.saliency.at, score_curve(prediction), saliency_label=label, **options)

"""Pictures of a prediction: its scores over time above some frames, and its saliency over every frame as a video."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from videomem_hf.analysis.clip_figure import clip_figure
from videomem_hf.analysis.overlay_video import ScoreCurve, overlay_clip
from videomem_hf.inference.prediction import Prediction
from videomem_hf.video.video import VideoSource


def prediction_figure(prediction: Prediction, title: str | None = None) -> Figure:
    """Draw a prediction that has stills; the title is the clip's file name unless given."""
    first = next(iter(prediction.scores))
    return clip_figure(
        title=title or Path(prediction.source).name,
        times_s=prediction.times_s,
        frame_scores=prediction.curves,
        clip_scores=prediction.scores,
        stills=[(still.time_s, still.scores[first], still.image, still.saliency) for still in prediction.stills],
        saliency_label=prediction.saliency_method,
    )


def write_overlay(path: Path, clip: VideoSource, prediction: Prediction, **options: Any) -> None:
    """Write the maps of a prediction, which has them, over every frame of its clip; options as of `overlay_clip`."""
    assert prediction.saliency is not None
    label = prediction.saliency_method or ""
    curve = ScoreCurve(prediction.times_s, prediction.curves, prediction.scores, saliency_label=label)
    overlay_clip(path, clip, prediction.saliency.at, curve, **options)

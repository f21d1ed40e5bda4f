"""`videomem_hf.predict`: from clips to predictions in one call."""

from collections.abc import Iterable
from typing import overload

import numpy as np

from videomem_hf.inference.feature_predictor import FeaturePredictor
from videomem_hf.inference.loading import load_predictor
from videomem_hf.inference.prediction import Prediction
from videomem_hf.inference.predictor import Predictor
from videomem_hf.inference.sources import ClipSource
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoSource

Model = str | Predictor | FeaturePredictor


@overload
def predict(
    source: VideoSource | np.ndarray,
    model: Model | None = None,
    *,
    device: str | None = None,
    stills: int = 0,
    maps: bool = False,
) -> Prediction: ...


@overload
def predict(
    source: list[ClipSource] | tuple[ClipSource, ...],
    model: Model | None = None,
    *,
    device: str | None = None,
    stills: int = 0,
    maps: bool = False,
) -> list[Prediction]: ...


def predict(
    source: ClipSource | Iterable[ClipSource],
    model: Model | None = None,
    *,
    device: str | None = None,
    stills: int = 0,
    maps: bool = False,
) -> Prediction | list[Prediction]:
    """Predict how memorable a clip is, or several.

    Args:
        source: A path, the bytes of a video file, an open binary file, or frames `(frames, height, width, 3)` uint8
            RGB, one a second unless the model's processor says otherwise; or a list or tuple of those, whose frames
            share the network's batches.
        model: A folder written by `save_pretrained`, a Hub id, "resmem", or what `load_predictor` gave (then nothing is
            loaded anew); None takes "resmem".
        device: "cpu", "cuda", ...; None takes a GPU if there is one, or where the loaded predictor is.
        stills: How many frames to return with their saliency, evenly spread over the clip.
        maps: Whether to return the saliency of every sampled frame.

    Returns:
        One prediction, or for a list or tuple a list in its order.

    Raises:
        VideoError: A clip cannot be decoded; names it.
        InputError: There is no such model, or a source is no clip.

    Examples:
        >>> prediction = predict("clip.mp4", model="model/", maps=True)  # doctest: +SKIP
        >>> prediction.scores["short_term"], prediction.percentiles["short_term"]  # doctest: +SKIP
    """
    if model is None or isinstance(model, str):
        predictor = load_predictor(model, device)
    elif device is not None:
        raise InputError("device is chosen when a predictor is loaded; give it to load_predictor")
    else:
        predictor = model
    if isinstance(source, list | tuple):
        return list(predictor.predict_many(source, stills, None, maps))
    return predictor.predict(source, stills, None, maps)  # type: ignore[arg-type]

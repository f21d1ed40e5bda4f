"""Scores of a split of the user's data, by any predictor of the package."""

from typing import Any

import numpy as np
from accelerate import Accelerator

from videomem_hf.data.scored_clips import FRAME_CACHE, Clips, fill_cache, load_clips
from videomem_hf.multiview.predict import predict_split
from videomem_hf.schema import InputError
from videomem_hf.training.examples import Collator
from videomem_hf.training.predict import predict
from videomem_hf.video.frame_cache import FrameCache


def score_split(
    model: Any,
    processor: Any | None,
    data: str,
    split: str,
    *,
    scored: bool = True,
    options: dict[str, Any] | None = None,
    batch_size: int = 32,
    frame_cache: str | None = None,
    progress: bool = True,
) -> tuple[np.ndarray, Clips]:
    """Predict the scores of a split of the user's data.

    Args:
        model: A predictor.
        processor: The video processor saved with it; None for a model of features.
        data: Folder of the release, a prepared folder, or a Hub id.
        split: Which part of it.
        scored: False takes the clips without scores as well.
        options: Keywords of the data set, as in `TrainingConfig.splits`.
        batch_size: Clips at a time.
        frame_cache: Folder for decoded frames; None takes the user's cache folder.
        progress: Whether to show progress bars.

    Returns:
        `(clips, horizons)` float64, and the clips.

    Raises:
        InputError: The data or a clip cannot be used.
    """
    if model.config.model_type == "multiview":
        return predict_split(model, data, split, scored=scored, options=options, progress=progress)
    accelerator = Accelerator()
    features = list(model.config.feature_names) if processor is None else None
    clips = load_clips(data, split, tuple(model.config.horizons), features=features, options=options, scored=scored)
    cache = None
    if processor is not None:
        cache = FrameCache(frame_cache or FRAME_CACHE, processor)
        fill_cache(accelerator, cache, [clips], progress)
    elif list(model.config.feature_sizes) != list(clips.feature_sizes):
        raise InputError(
            f"{data}: the features {', '.join(features or [])} have {list(clips.feature_sizes)} numbers, the model "
            f"takes {list(model.config.feature_sizes)}"
        )
    model.to(accelerator.device)
    return predict(accelerator, model, Collator(processor), clips, cache, batch_size, progress), clips

"""`videomem_hf.predict`: from clips to predictions in one call."""

from collections.abc import Iterable, Mapping
from itertools import repeat
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload

from videomem_hf.inference.clip_predictor import ClipPredictor, Titles
from videomem_hf.inference.loading import load_predictor
from videomem_hf.inference.prediction import Prediction
from videomem_hf.inference.sources import ClipSource, each_clip, holds_several_clips
from videomem_hf.schema import InputError

Model = str | Path | ClipPredictor


class PredictOptions(TypedDict, total=False):
    """The keyword arguments of `predict`."""

    device: str | None
    stills: int
    maps: bool
    title: str | None
    titles: Titles | None
    fail_fast: bool
    precision: str


@overload
def predict(
    source: list[ClipSource] | tuple[ClipSource, ...], model: Model | None = None, **options: Unpack[PredictOptions]
) -> list[Prediction]: ...


@overload
def predict(source: ClipSource, model: Model | None = None, **options: Unpack[PredictOptions]) -> Prediction: ...


def predict(
    source: ClipSource,
    model: Model | None = None,
    *,
    device: str | None = None,
    stills: int = 0,
    maps: bool = False,
    title: str | None = None,
    titles: Titles | None = None,
    fail_fast: bool = False,
    precision: str = "auto",
) -> Prediction | list[Prediction]:
    """Predict how memorable a clip is, or several clips.

    Args:
        source: A path, an address (http://, https://, hf://), the bytes of a video file, an open binary file, a row of
            a `Video` column, or frames `(frames, height, width, 3)` uint8 RGB (one per second unless the model's
            processor says otherwise) as array, tensor or list of images; or a list, generator or data set's column of
            clips, whose frames share the network's batches.
        model: A folder written by `save_pretrained`, a Hub id, "resmem", or what `load_predictor` returned (then
            nothing is loaded again); None takes "resmem".
        device: "cpu", "cuda", ...; None takes a GPU if there is one, or where the loaded predictor is.
        stills: How many frames to return with their saliency, evenly spread over the clip.
        maps: Whether to return the saliency of every sampled frame.
        title: Title of the clip, or of all clips, for a model that reads titles.
        titles: For a list of clips: one title per clip, None for a clip without one; or a mapping from file name to
            title. A row of a data set has its own in the column `title`, which a model without titles ignores.
        fail_fast: For a list of clips: whether to raise the error of the first clip that fails. Otherwise its
            prediction has an `error`, and the others are scored.
        precision: See `load_predictor`.

    Returns:
        One prediction, or for several clips a list in their order.

    Raises:
        VideoError: The clip cannot be decoded; the message names it.
        InputError: There is no such model, it does not read titles, or the source is not a clip.

    Examples:
        >>> prediction = predict("clip.mp4", model="model/", maps=True)  # doctest: +SKIP
        >>> prediction.scores["short_term"], prediction.percentiles["short_term"]  # doctest: +SKIP
    """
    several = holds_several_clips(source)
    each = None if titles is None else _each_title(source if several else None, title, titles)
    predictor = _load(model, device, title, precision)
    if not several and each is None:
        return predictor.predict(source, stills, None, maps, title)
    if not several:
        return next(predictor.predict_many([source], stills, None, maps, each, fail_fast=True))
    of_all = None if title is None else repeat(title)
    return list(predictor.predict_many(each_clip(source), stills, None, maps, each or of_all, fail_fast))


def _each_title(sources: Any, title: str | None, titles: Any) -> Titles:
    if isinstance(titles, Mapping) and title is None:
        return titles
    each = list(titles) if isinstance(titles, Iterable) and not isinstance(titles, str) else None
    wrong_length = each is not None and hasattr(sources, "__len__") and len(each) != len(sources)
    if sources is None or title is not None or each is None or wrong_length:
        raise InputError(
            "titles are for a list of clips, one per clip, or by file name; give a single clip, or all clips, a title"
        )
    return each


def _load(model: Model | None, device: str | None, title: str | None, precision: str) -> ClipPredictor:
    if model is None or isinstance(model, str | Path):
        return load_predictor(None if model is None else str(model), device, title, precision=precision)
    if not isinstance(model, ClipPredictor):
        raise InputError(f"a {type(model).__name__} is no predictor; give a folder, a Hub id, or load_predictor(...)")
    if device is not None or precision != "auto":
        raise InputError("device and precision are chosen when a predictor is loaded; give them to load_predictor")
    return model

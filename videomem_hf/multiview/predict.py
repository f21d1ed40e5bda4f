"""Scores of arrays, or of a split of the user's data, by a multi-view model."""

import warnings
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike

from videomem_hf.data.scored_clips import Clips, config_of
from videomem_hf.features.catalogue import feature_spec
from videomem_hf.features.title_views import EMBEDDING, WORDS
from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.multiview.view_data import ViewData
from videomem_hf.multiview.views import feature_configs, load_sources, load_view_data
from videomem_hf.schema import InputError

_BATCH: Final = 1024


def predict_split(
    model: MultiViewModel,
    data: str,
    split: str,
    *,
    scored: bool = True,
    options: dict[str, Any] | None = None,
    failures: list[str] | None = None,
    intervals: list[np.ndarray] | None = None,
    progress: bool = True,
) -> tuple[np.ndarray, Clips]:
    """Predict the scores of a split; arguments, results and errors are those of `benchmark.evaluate.score_target`.

    Warns:
        UserWarning: The data lack a view of the model.
    """
    found = load_model_views(model, data, options, progress, failures is not None)
    if list(model.config.horizons) != list(found.horizons):
        missing = set(model.config.horizons) - set(found.horizons)
        raise InputError(f"{data} has no {' and no '.join(sorted(missing)) or 'scores'} to evaluate this model on")
    rows = found.scored_rows(split) if scored else found.rows_with_views(split)
    if failures is not None:
        wanted = [row for row in found.splits[split] if not scored or np.isfinite(found.scores[row]).any()]
        failures += [found.failed[found.video_ids[row]] for row in wanted if found.video_ids[row] in found.failed]
        rows = np.array([row for row in rows if found.video_ids[row] not in found.failed], np.int64)
        if not len(rows):
            raise InputError(f"no clip of the split {split!r} can be decoded: {failures[-1]}")
    counts = found.counts[rows] if len(found.counts) else None
    scores, ends = predict_views(model, {name: x[rows] for name, x in found.views.items()}, counts)
    if intervals is not None:
        intervals.append(ends)
    return scores, found.clips(rows)


def load_model_views(
    model: MultiViewModel, data: str, options: dict[str, Any] | None, progress: bool, leave_out_failed: bool
) -> ViewData:
    """Load those views of a model that the data have."""
    names = list(model.config.view_names)
    configs = set(feature_configs(data))
    of_titles = [name for name in names if name in (EMBEDDING, WORDS)]
    views = of_titles + [name for name in names if name not in of_titles and config_of(name) in configs]
    encoder = model.config.frame_encoder or None
    if encoder and (feature_spec(encoder).folder in configs or not load_sources(data, options)[1]):
        encoder = None
    titles = model.config.title_encoder or None
    layers = tuple(model.config.title_layers)
    found = load_view_data(data, views, titles, options, progress, encoder, leave_out_failed, layers)
    if lacking := [name for name in names if name not in found.views]:
        warnings.warn(f"{data} has no {', '.join(lacking)}: predicted without", stacklevel=3)
    return found


def predict_views(
    model: MultiViewModel, views: Mapping[str, ArrayLike], counts: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Score clips in batches; see `BestFit.predict`."""
    output = model_outputs(model, views, counts)
    return output["scores"], output["intervals"]


def model_outputs(
    model: MultiViewModel, views: Mapping[str, ArrayLike], counts: ArrayLike | None = None
) -> dict[str, np.ndarray]:
    """`scores`, `intervals` and, of newer models, `explained` of clips, in batches; see `MultiViewOutput`."""
    arrays = {name: torch.from_numpy(np.asarray(x, np.float32)) for name, x in views.items()}
    all_counts = None if counts is None else torch.from_numpy(np.asarray(counts, np.float32))
    clips = len(next(iter(arrays.values())))
    found: dict[str, list[np.ndarray]] = {}
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        for start in range(0, clips, _BATCH):
            part = slice(start, start + _BATCH)
            output = model(
                views={name: x[part].to(device) for name, x in arrays.items()},
                interval_counts=None if all_counts is None else all_counts[part].to(device),
            )
            for name, values in output.items():
                found.setdefault(name, []).append(values.double().cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}

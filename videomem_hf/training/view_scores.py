"""Scores of a split by a saved multi-view model."""

import warnings
from typing import Any

import numpy as np

from videomem_hf.features.catalogue import recipe
from videomem_hf.features.title_views import EMBEDDING, WORDS
from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.schema import InputError
from videomem_hf.training.best import predict_views
from videomem_hf.training.clips import Clips, config_of
from videomem_hf.training.view_data import ViewData, feature_configs, has_videos, load_view_data


def load_views_of(
    model: MultiViewModel, data: str, options: dict[str, Any] | None = None, progress: bool = True
) -> ViewData:
    """Load the views of a model that the user's data have.

    Raises:
        InputError: There is no such data, or none of the views in it.

    Warns:
        UserWarning: Names the views that the data lack.
    """
    names = list(model.config.view_names)
    there = set(feature_configs(data))
    views = [name for name in names if name not in (EMBEDDING, WORDS) and config_of(name) in there]
    if EMBEDDING in names or WORDS in names:
        views.insert(0, EMBEDDING)
    encoder = model.config.frame_encoder or None
    if encoder and (recipe(encoder).folder in there or not has_videos(data, options)):
        encoder = None
    found = load_view_data(data, views, model.config.title_encoder or None, options, progress, encoder)
    if lacking := [name for name in names if name not in found.views]:
        warnings.warn(f"{data} has no {', '.join(lacking)}: predicted without", stacklevel=2)
    return found


def score_views(
    model: MultiViewModel,
    data: str,
    split: str,
    *,
    scored: bool = True,
    options: dict[str, Any] | None = None,
    progress: bool = True,
) -> tuple[np.ndarray, Clips]:
    """Predict the scores of a split; arguments, results and errors are those of `evaluation.score_split`."""
    found = load_views_of(model, data, options, progress)
    if list(model.config.horizons) != list(found.horizons):
        missing = set(model.config.horizons) - set(found.horizons)
        raise InputError(f"{data} has no {' and no '.join(sorted(missing)) or 'scores'} to judge this model by")
    if scored:
        rows = found.scored(split)
    elif split in found.splits:
        seen = np.any([np.isfinite(x).all(axis=1) for x in found.views.values()], axis=0)
        rows = found.splits[split][seen[found.splits[split]]]
    else:
        raise InputError(f"{data}: there is no split {split!r}; there are {', '.join(found.splits)}")
    scores, _ = predict_views(model, {name: x[rows] for name, x in found.views.items()})
    return scores, found.judged(rows)

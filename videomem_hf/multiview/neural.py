"""The neural head of the multi-view predictor, judged by the same held-out clips as the kernel head."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from videomem_hf.losses import Criterion
from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.multiview.predict import predict_views
from videomem_hf.multiview.stacking import interval_scale_of, typical_answers

if TYPE_CHECKING:
    from videomem_hf.multiview.config import FitOptions

BATCH: Final = 128
LEARNING_RATE: Final = 2e-3
WEIGHT_DECAY: Final = 1e-2
OUTER_FOLDS: Final = 3
"""Folds in which the neural head is judged: a network for each is enough to tell it from the kernel head."""


@dataclass(frozen=True)
class NeuralFit:
    """A trained neural head.

    Attributes:
        model: Its `MultiViewModel`.
        held_out: `(clips, horizons)` in [0, 1], by networks that had not seen the clip's fold.
    """

    model: MultiViewModel
    held_out: np.ndarray


def fit_neural(
    kernel_model: MultiViewModel,
    views: Mapping[str, np.ndarray],
    scores: np.ndarray,
    counts: np.ndarray,
    folds: Sequence[np.ndarray],
    options: "FitOptions",
    seed: int,
    say: Callable[[str], None] | None = None,
) -> NeuralFit:
    """Train the neural head on the same views and scores.

    Args:
        kernel_model: Gives views, spaces and score statistics.
        views: Name to `(clips, size)`.
        scores: `(clips, horizons)`.
        counts: `(clips, horizons)`, answers; NaN where unknown.
        folds: Of nested validation; joined to three.
        options: As of `fit_best`.
        seed: As of `fit_best`.
        say: Told what is done.
    """
    say = say or (lambda text: None)
    clips = len(scores)
    outer = [np.concatenate(folds[start::OUTER_FOLDS]) for start in range(OUTER_FOLDS) if len(folds) > start]
    held_out = np.zeros(scores.shape)
    for number, fold in enumerate(outer):
        say(f"neural head, held-out part {number + 1} of {len(outer)}")
        rest = np.setdiff1d(np.arange(clips), fold)
        model = _trained(kernel_model, views, scores, counts, rest, options, seed, members=1)
        held_out[fold] = predict_views(model, {name: x[fold] for name, x in views.items()})[0]
    say(f"neural head, {options.members} networks on all training clips")
    model = _trained(kernel_model, views, scores, counts, np.arange(clips), options, seed, options.members)
    answers = typical_answers(counts, scores.shape[1])
    scale = interval_scale_of(held_out, scores, answers, options.level)
    model.noise_variance.copy_(torch.from_numpy(scale.noise_variance).expand_as(model.noise_variance))
    model.interval_quantiles.copy_(torch.from_numpy(scale.quantiles).expand_as(model.interval_quantiles))
    model.typical_counts.copy_(torch.from_numpy(answers.mean(axis=0)))
    return NeuralFit(model, held_out)


def _trained(
    kernel_model: MultiViewModel,
    views: Mapping[str, np.ndarray],
    scores: np.ndarray,
    counts: np.ndarray,
    rows: np.ndarray,
    options: "FitOptions",
    seed: int,
    members: int,
) -> MultiViewModel:
    """Train networks on some clips; each member draws its own weights, order and dropout."""
    names = list(kernel_model.config.view_names)
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        model = _standardised(kernel_model, {name: views[name][rows] for name in names}, options, members)
        columns = torch.from_numpy(np.concatenate([views[name][rows] for name in model.config.view_names], axis=1))
        seen = columns.isfinite().any(dim=1)
        data = {"features": columns[seen], "labels": torch.from_numpy(scores[rows].astype(np.float32))[seen]}
        if options.use_counts and np.isfinite(counts).any():
            data["annotation_counts"] = torch.from_numpy(counts[rows].astype(np.float32))[seen]
        _descend(model, data, options)
    return model.eval()


def _standardised(
    kernel_model: MultiViewModel, views: Mapping[str, np.ndarray], options: "FitOptions", members: int
) -> MultiViewModel:
    """A new network over the views that kernels compare by distance; the inputs are standardised."""
    old = kernel_model.config
    kept = [view for view, kernel in enumerate(old.view_kernels) if kernel == "rbf"] or list(range(len(old.view_names)))
    roots = [old.view_roots[view] for view in kept]
    config = MultiViewConfig(
        horizons=old.horizons,
        score_means=old.score_means,
        score_stds=old.score_stds,
        head="neural",
        view_names=[old.view_names[view] for view in kept],
        view_sizes=[old.view_sizes[view] for view in kept],
        view_roots=roots,
        view_units=[False] * len(kept),
        view_kernels=["rbf"] * len(kept),
        summands=[[0]],
        patterns=[list(range(len(kept)))],
        hidden_size=options.hidden_size,
        members=members,
        interval_level=options.level,
        title_encoder=old.title_encoder,
    )
    model = MultiViewModel(config)
    state = model.state_dict()
    for place, name in enumerate(config.view_names):
        x = views[name][np.isfinite(views[name]).all(axis=1)]
        x = np.sqrt(np.maximum(x, 0)) if roots[place] else x
        std = x.std(axis=0)
        state[f"shift_{place}"].copy_(torch.from_numpy(x.mean(axis=0)))
        state[f"factor_{place}"].copy_(torch.from_numpy(np.where(std > 1e-7, 1 / np.maximum(std, 1e-7), 0.0)))
    return model


@contextmanager
def _one_thread() -> Iterator[None]:
    """In networks as small as these, threads wait for each other longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _descend(model: MultiViewModel, data: dict[str, torch.Tensor], options: "FitOptions") -> None:
    clips = len(data["labels"])
    batch = min(BATCH, clips)
    criterion = Criterion(options.loss)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = options.epochs * (clips // batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    model.train()
    for _ in range(options.epochs):
        order = torch.randperm(clips)
        for start in range(0, clips - batch + 1, batch):
            part = order[start : start + batch]
            loss = criterion(model, {name: values[part] for name, values in data.items()})
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()

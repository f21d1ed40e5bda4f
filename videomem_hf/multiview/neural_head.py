"""The neural head of the multi-view predictor, evaluated on held-out clips like the kernel head."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np
import torch

from videomem_hf.losses import Criterion
from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.multiview.config import FitOptions
from videomem_hf.multiview.interval_state import fit_horizons, interval_state
from videomem_hf.multiview.kernel_search import Reporter
from videomem_hf.multiview.predict import predict_views
from videomem_hf.multiview.training_arrays import TrainingArrays

BATCH: Final = 128
LEARNING_RATE: Final = 2e-3
WEIGHT_DECAY: Final = 1e-2
FOLDS: Final = 3
"""Folds of the neural head's cross-validation: enough to compare it with the kernel head."""


def fit_neural_head(
    kernel_model: MultiViewModel,
    data: TrainingArrays,
    folds: Sequence[np.ndarray],
    options: FitOptions,
    seed: int,
    report: Reporter | None = None,
) -> tuple[MultiViewModel, np.ndarray]:
    """Train the neural head on the training clips; views, spaces and score statistics are those of the kernel model.

    Returns:
        The model, and its predictions `(clips, horizons)` in [0, 1], cross-validated on `folds` merged to three.
    """
    report = report or (lambda text: None)
    merged = [np.concatenate(folds[start::FOLDS]) for start in range(FOLDS) if len(folds) > start]
    held_out = np.zeros(data.scores.shape)
    for number, fold in enumerate(merged):
        report(f"neural head, fold {number + 1} of {len(merged)}")
        rest = data.take(np.setdiff1d(np.arange(len(data.scores)), fold))
        model = _train(kernel_model, rest, options, seed, members=1)
        held_out[fold] = predict_views(model, data.take(fold).views)[0]
    report(f"neural head, {options.members} networks on all training clips")
    model = _train(kernel_model, data, options, seed, options.members)
    state = interval_state([fit_horizons(held_out, data.scores, data.counts, options.level)])
    for name, values in state.items():
        buffer = model.get_buffer(name)
        buffer.copy_(values.expand_as(buffer))
    return model, held_out


def _train(
    kernel_model: MultiViewModel, data: TrainingArrays, options: FitOptions, seed: int, members: int
) -> MultiViewModel:
    """Train networks on some clips; each member draws its own weights, order and dropout."""
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        model = _new_model(kernel_model, data.views, options, members)
        columns = torch.from_numpy(np.concatenate([data.views[name] for name in model.config.view_names], axis=1))
        has_view = columns.isfinite().any(dim=1)
        batch = {"features": columns[has_view], "labels": torch.from_numpy(data.scores.astype(np.float32))[has_view]}
        if options.use_counts and np.isfinite(data.counts).any():
            batch["annotation_counts"] = torch.from_numpy(data.counts.astype(np.float32))[has_view]
        _optimise(model, batch, options)
    return model.eval()


def _new_model(
    kernel_model: MultiViewModel, views: Mapping[str, np.ndarray], options: FitOptions, members: int
) -> MultiViewModel:
    """A new network over the views with a Gaussian kernel; its inputs are standardised."""
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
    for view, name in enumerate(config.view_names):
        x = views[name][np.isfinite(views[name]).all(axis=1)]
        x = np.sqrt(np.maximum(x, 0)) if roots[view] else x
        std = x.std(axis=0)
        state[f"shift_{view}"].copy_(torch.from_numpy(x.mean(axis=0)))
        state[f"factor_{view}"].copy_(torch.from_numpy(np.where(std > 1e-7, 1 / np.maximum(std, 1e-7), 0.0)))
    return model


@contextmanager
def _one_thread() -> Iterator[None]:
    """Networks this small are faster on one thread than on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _optimise(model: MultiViewModel, data: dict[str, torch.Tensor], options: FitOptions) -> None:
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
            rows = order[start : start + batch]
            loss = criterion(model, {name: values[rows] for name, values in data.items()})
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()

"""One training run, from a configuration to a model folder with its results."""

import json
import time
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from huggingface_hub.errors import StrictDataclassError
from tqdm.auto import tqdm
from transformers import AutoConfig, AutoModel, PreTrainedConfig, get_cosine_schedule_with_warmup

from videomem_hf.data.collate import ClipCollator
from videomem_hf.data.frame_cache import FrameCache
from videomem_hf.models import MODELS, config_class
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.schema import InputError
from videomem_hf.training.checkpoint import (
    CONFIG_FILE,
    RESULTS_FILE,
    Progress,
    check_run_folder,
    latest_checkpoint,
    remove_checkpoints,
    save_checkpoint,
)
from videomem_hf.training.clips import FRAME_CACHE, Clips, EpochBatches, TrainingClips, fill_cache, load_clips
from videomem_hf.training.config import TrainingConfig, refuse_unknown
from videomem_hf.training.evaluation import baselines, judge, predict, write_predictions

PREDICTIONS_FILE: Final = "predictions.csv"
_PROCESSOR_FIELDS: Final = ("fps", "size", "do_center_crop", "crop_size", "do_normalize", "image_mean", "image_std")


class TrainingError(InputError):
    """Training that cannot go on; the message says what was kept and what to change."""


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run leaves.

    Attributes:
        output: Folder with the model, its processor, the configuration, `results.json` and `predictions.csv`.
        results: Content of `results.json`.
    """

    output: Path
    results: dict[str, Any]


def train(config: TrainingConfig, *, resume: bool = False, progress: bool = True) -> TrainingResult:
    """Train a predictor and judge it once on a split that training has not seen.

    Everything that the user gives is checked before a model is built: the configuration, the output folder, the data
    and every clip. A run that is stopped goes on from its last finished epoch with `resume`.

    Args:
        config: What to train and how.
        resume: Go on with the unfinished run in `config.output`.
        progress: Whether to show progress bars.

    Raises:
        InputError: The configuration, the folder, the data or a clip cannot be used.
        TrainingError: The loss is not finite.
    """
    output = Path(config.output)
    model_config, processor = make_model_config(config), make_processor(config)
    check_run_folder(config, resume)
    accelerator = Accelerator()
    if config.batch_size % accelerator.num_processes:
        raise InputError(
            f"batch_size={config.batch_size} must be divisible by the {accelerator.num_processes} processes"
        )
    with accelerator.main_process_first():
        train_clips = load_clips(config.data, "train", model_config.horizons)
        judged_clips = load_clips(config.data, config.evaluation.split, model_config.horizons)
    if len(train_clips) < config.batch_size:
        raise InputError(f"batch_size={config.batch_size} is more than the {len(train_clips)} training clips")
    started = time.monotonic()
    cache = FrameCache(config.frame_cache or FRAME_CACHE, processor)
    fill_cache(accelerator, cache, [train_clips, judged_clips], progress)
    seconds = {"decoding": time.monotonic() - started}

    if accelerator.is_main_process:
        output.mkdir(parents=True, exist_ok=True)
        config.save(output / CONFIG_FILE)
    started = time.monotonic()
    model, losses = _fit(config, accelerator, model_config, processor, train_clips, cache, resume, progress)
    seconds["training"] = time.monotonic() - started
    if accelerator.is_main_process:
        model.save_pretrained(output)
        processor.save_pretrained(output)

    started = time.monotonic()
    size = config.evaluation.batch_size
    scores = predict(accelerator, model, processor, judged_clips, cache, size, progress)
    results: dict[str, Any] = {}
    if accelerator.is_main_process:
        predictions = {"model": scores} | baselines(train_clips, judged_clips, cache)
        metrics = judge(predictions, judged_clips, model_config.horizons, config.evaluation)
        write_predictions(output / PREDICTIONS_FILE, predictions, judged_clips, model_config.horizons)
        seconds["evaluation"] = time.monotonic() - started
        results = _summary(config, accelerator, model, (train_clips, judged_clips), losses, seconds, metrics)
        (output / RESULTS_FILE).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        remove_checkpoints(output)
    accelerator.wait_for_everyone()
    return TrainingResult(output, results or json.loads((output / RESULTS_FILE).read_text(encoding="utf-8")))


def make_model_config(config: TrainingConfig) -> PreTrainedConfig:
    """The model's configuration. Raises InputError for an unknown type or field, or a value that the model refuses."""
    values = dict(config.model)
    kind = values.pop("type")
    if kind not in MODELS:
        raise InputError(f"model: no type {kind!r}; there are {', '.join(sorted(MODELS))}")
    inherited = {each.name for each in fields(PreTrainedConfig)}
    allowed = [each.name for each in fields(config_class(kind)) if each.name not in inherited]
    refuse_unknown(values, allowed, "model")
    try:
        return AutoConfig.for_model(kind, **values)
    except StrictDataclassError as error:
        raise InputError(f"model: {error.__cause__ or error}") from None


def make_processor(config: TrainingConfig) -> MemorabilityVideoProcessor:
    """The video processor. Raises InputError for an unknown field."""
    refuse_unknown(config.processor, _PROCESSOR_FIELDS, "processor")
    return MemorabilityVideoProcessor(**config.processor)


def _fit(
    config: TrainingConfig,
    accelerator: Accelerator,
    model_config: PreTrainedConfig,
    processor: MemorabilityVideoProcessor,
    clips: Clips,
    cache: FrameCache,
    resume: bool,
    progress: bool,
) -> tuple[Any, list[float]]:
    """Train for all epochs; returns the bare model and the mean loss of each epoch."""
    batches = EpochBatches(
        len(clips), config.batch_size, config.seed, accelerator.process_index, accelerator.num_processes
    )
    loader: Any = torch.utils.data.DataLoader(
        TrainingClips(clips, cache, config.seed, config.frames_per_clip, config.augmentation),
        batch_sampler=batches,
        num_workers=config.loader_workers,
        collate_fn=ClipCollator(processor),
        pin_memory=accelerator.device.type == "cuda",
    )
    set_seed(config.seed)
    bare = AutoModel.from_config(_with_score_statistics(model_config, config, clips))
    optimizer = torch.optim.AdamW(_parameter_groups(bare, config.weight_decay), lr=config.learning_rate)
    steps = config.epochs * len(batches)
    scheduler = get_cosine_schedule_with_warmup(optimizer, round(config.warmup * steps), steps)
    model, optimizer = accelerator.prepare(bare, optimizer)
    done = Progress()
    accelerator.register_for_checkpointing(scheduler, done)
    set_seed(config.seed, device_specific=True)  # dropout differs from process to process
    if resume:
        accelerator.load_state(str(latest_checkpoint(Path(config.output))))

    bar = tqdm(
        total=steps,
        initial=done.epochs * len(batches),
        desc="training",
        unit="step",
        disable=not (progress and accelerator.is_main_process),
    )
    with bar:
        for epoch in range(done.epochs, config.epochs):
            batches.epoch = epoch
            done.losses.append(_train_epoch(accelerator, model, optimizer, scheduler, loader, config, bar))
            done.epochs = epoch + 1
            _refuse_bad_loss(done, config)
            if done.epochs % config.checkpoint_every == 0 or done.epochs == config.epochs:
                save_checkpoint(accelerator, Path(config.output), done.epochs)
    return accelerator.unwrap_model(model), done.losses


def _train_epoch(
    accelerator: Accelerator, model: Any, optimizer: Any, scheduler: Any, loader: Any, config: TrainingConfig, bar: tqdm
) -> float:
    """One pass over the training clips; returns the mean loss over all processes."""
    model.train()
    total = torch.zeros((), device=accelerator.device)
    for step, batch in enumerate(loader, start=1):
        inputs = {name: value.to(accelerator.device, non_blocking=True) for name, value in batch.items()}
        if not config.weigh_by_annotations:
            del inputs["annotation_counts"]
        loss = model(**inputs).loss
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), config.max_grad_norm)
        optimizer.step()
        if not optimizer.step_was_skipped:  # half precision skips a step whose gradient overflowed
            scheduler.step()
        optimizer.zero_grad()
        total += loss.detach().float()
        bar.update()
        if step == len(loader) or step % 10 == 0:
            bar.set_postfix(loss=f"{total.item() / step:.3f}", refresh=False)
    return float(accelerator.reduce(total, reduction="mean")) / len(loader)


def _parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices and convolutions; a decayed bias or normalisation would only pull the scores."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    return [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": weight_decay},
        {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
    ]


def _with_score_statistics(model_config: PreTrainedConfig, config: TrainingConfig, clips: Clips) -> PreTrainedConfig:
    """Put the mean and standard deviation of the training scores where the recipe gives none."""
    if "score_means" not in config.model:
        model_config.score_means = np.nanmean(clips.labels, axis=0).clip(0.01, 0.99).tolist()
    if "score_stds" not in config.model:
        model_config.score_stds = np.nanstd(clips.labels, axis=0).clip(min=0.01).tolist()
    return model_config


def _refuse_bad_loss(done: Progress, config: TrainingConfig) -> None:
    if not np.isfinite(done.losses[-1]):
        kept = latest_checkpoint(Path(config.output))
        raise TrainingError(
            f"the loss of epoch {done.epochs} is {done.losses[-1]}; "
            + (f"{kept} is kept; " if kept else "")
            + f"start again with a learning_rate below {config.learning_rate}"
        )


def _summary(
    config: TrainingConfig,
    accelerator: Accelerator,
    model: Any,
    splits: tuple[Clips, Clips],
    losses: list[float],
    seconds: dict[str, float],
    metrics: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """What `results.json` holds; NaN becomes null, which JSON can carry."""
    train_clips, judged_clips = splits
    metrics = {
        horizon: {
            name: {key: None if np.isnan(value) else value for key, value in values.items()}
            for name, values in predictors.items()
        }
        for horizon, predictors in metrics.items()
    }
    return {
        "recipe": config.recipe,
        "model_type": model.config.model_type,
        "parameters": sum(each.numel() for each in model.parameters()),
        "train_clips": len(train_clips),
        "split": config.evaluation.split,
        "split_clips": len(judged_clips),
        "metrics": metrics,
        "losses": losses,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "processes": accelerator.num_processes,
        "device": accelerator.device.type,
        "mixed_precision": accelerator.mixed_precision,
        "versions": {name: version(name) for name in ("torch", "transformers", "accelerate", "datasets")},
        "config": asdict(config),
    }

"""One training run, from a configuration to a model folder with its results."""

import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from videomem_hf import run_files
from videomem_hf.data.provenance import generated_plan
from videomem_hf.evaluation.environment import environment
from videomem_hf.evaluation.evaluate import baselines, compute_metrics, correlation
from videomem_hf.inference.reference import warn_of_failure
from videomem_hf.losses import Criterion
from videomem_hf.models.folders import load_model, save_model
from videomem_hf.run_files import TrainingResult
from videomem_hf.schema import InputError
from videomem_hf.training.checkpoint import (
    Progress,
    TrainingError,
    check_training_folder,
    remove_checkpoints,
    report_full_disk,
)
from videomem_hf.training.config import TrainingConfig
from videomem_hf.training.examples import Collator, TrainingClips
from videomem_hf.training.frozen_maps import cached_maps, check_backbone
from videomem_hf.training.initial import initial_model
from videomem_hf.training.loop import StopRequest, TrainingLoop, TrainingStopped, best_epoch, check_trackers
from videomem_hf.training.predict import predict
from videomem_hf.training.reference import describe_run
from videomem_hf.training.run_data import RunData, load_run_data
from videomem_hf.training.setup import (
    check_gradient_checkpointing,
    check_keep,
    choose_horizons,
    make_accelerator,
    make_model_config,
    make_processor,
    with_data_statistics,
)

__all__ = ["TrainingError", "TrainingResult", "TrainingStopped", "train"]


def train(
    config: TrainingConfig, *, resume: bool = False, progress: bool = True, max_seconds: float | None = None
) -> TrainingResult:
    """Train a predictor and evaluate it on a split that is not used for training.

    The configuration, the output folder, the data and every clip are checked before a model is built. With `resume` a
    stopped run continues from its last checkpoint.

    Args:
        config: The configuration of the run.
        resume, progress: Whether to continue the unfinished run in `config.output`, and to show progress bars.
        max_seconds: Stop with a checkpoint after this time.

    Raises:
        InputError: The configuration, the folder, the data or a clip cannot be used.
        TrainingError: The loss is not finite, or the disk is full.
        TrainingStopped: The time is over, or SIGTERM was received; a checkpoint has been written.

    Warns (UserWarning) about training clips that are left out because they are copies of evaluation clips.
    """
    stop = StopRequest(max_seconds)
    model_config, processor = make_model_config(config), make_processor(config)
    check_backbone(config, model_config)
    check_gradient_checkpointing(config, model_config)
    for stage in config.stages:
        Criterion(stage.loss)
    check_trackers(config.trackers)
    check_training_folder(config, resume)
    accelerator = make_accelerator(config)
    started = time.monotonic()
    with accelerator.main_process_first():
        horizons = choose_horizons(config, model_config.horizons)
    if horizons != tuple(model_config.horizons):
        model_config = make_model_config(config, horizons)
    check_keep(config, horizons)
    data = load_run_data(config, accelerator, model_config.horizons, processor, progress)
    run = _Run(config, accelerator, data, resume, progress, {"data": time.monotonic() - started})
    started = time.monotonic()
    if accelerator.is_main_process:
        run.output.mkdir(parents=True, exist_ok=True)
        config.save(run.output / run_files.CONFIG_FILE)
        run_files.write_training_clips(run.output, data.contents)
    set_seed(config.seed)
    model = initial_model(config.init, with_data_statistics(model_config, config, data.train), data.train)
    if config.gradient_checkpointing:  # `gradient_checkpointing_enable` before transformers 5.2
        try:
            getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
        except ValueError as error:
            raise InputError(f"gradient_checkpointing must be false: {error}") from None
    if config.cache_maps and data.cache is not None:
        both = [data.train, data.evaluation]
        run.data = replace(data, maps=cached_maps(accelerator, model, processor, data.cache, both, progress))
    model, done = run.train(model, stop)
    run.seconds["training"] = time.monotonic() - started
    return run.finish(model, done)


@dataclass
class _Run:
    """A run whose clips are loaded; `seconds` are those of each part that is finished."""

    config: TrainingConfig
    accelerator: Accelerator
    data: RunData
    resumed: bool
    progress: bool
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def output(self) -> Path:
        return Path(self.config.output)

    def train(self, model: Any, stop: StopRequest) -> tuple[Any, Progress]:
        """Go through the stages; returns the model and how far it came."""
        config, accelerator, data = self.config, self.accelerator, self.data
        if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
            # Each process would normalise by its own share of the batch; CPU processes have no such exchange.
            model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
        accelerator.init_trackers("videomem_hf", config=_flat(asdict(config)))
        cache, length = data.maps or data.cache, 1 if data.processor is None else data.processor.segment_length
        examples = TrainingClips(data.train, cache, config.seed, config.frames_per_clip, config.augmentation, length)
        collate, clips = Collator(data.processor), len(data.train)
        loop = TrainingLoop(config, accelerator, model, examples, clips, collate, self._validate, stop, self.progress)
        done = loop.run(self.resumed)
        for tracker in accelerator.trackers:
            tracker.finish()
        return loop.model, done

    def finish(self, model: Any, done: Progress) -> TrainingResult:
        """Save the model that is kept, evaluate it, and write the results."""
        accelerator, config, data = self.accelerator, self.config, self.data
        with report_full_disk(self.output, "the model"):
            model, kept = self._keep(model, done)
        started = time.monotonic()
        scores = self._scores(model.to(accelerator.device), data.cache, self.progress)
        if accelerator.is_main_process:
            predictions = {"model": scores} | baselines(data.train, data.evaluation, data.cache)
            clips, horizons, options = data.evaluation, model.config.horizons, config.evaluation
            metrics = compute_metrics(predictions, clips, horizons, **options.sampling)
            self.seconds["evaluation"] = time.monotonic() - started
            results = self._summary(model, done, kept, metrics)
            libraries = ("torch", "transformers", "accelerate", "datasets")
            results |= environment(asdict(config), libraries, self.resumed)
            with report_full_disk(self.output, "the results"):
                path, counts = self.output / run_files.PREDICTIONS_FILE, clips.annotation_counts
                run_files.write_predictions(path, predictions, clips.video_ids, clips.labels, horizons, counts)
                run_files.write_results(self.output, results)
            started = time.monotonic()
            with warn_of_failure(self.output):
                describe_run(self.output, model, data, scores, results, self.progress)
            results["seconds"]["description"] = round(time.monotonic() - started, 2)
            run_files.write_results(self.output, results)
            remove_checkpoints(self.output)
        accelerator.wait_for_everyone()
        return TrainingResult(self.output, run_files.read_results(self.output))

    def _keep(self, model: Any, done: Progress) -> tuple[Any, int]:
        """Save the model of the epoch that is kept; returns it and the epoch."""
        keep, kept = self.config.evaluation.keep, done.epochs
        if keep != "last":
            if self.accelerator.is_main_process:
                save_model(model, self.output / "last")
            kept = best_epoch(done.validation, keep) or done.epochs
            model.load_state_dict(load_model(self.output / "best").state_dict())
        model.freeze_backbone(False)
        model.config.trained_on_generated = generated_plan(self.config.data) is not None
        if self.accelerator.is_main_process:
            save_model(model, self.output)
            if self.data.processor is not None:
                self.data.processor.save_pretrained(self.output)
        return model, kept

    def _validate(self, model: Any) -> dict[str, float]:
        """Evaluation while training: Spearman's correlation for each horizon, NaN where it has none."""
        scores = self._scores(model, self.data.maps or self.data.cache, progress=False)
        horizons = self.accelerator.unwrap_model(model).config.horizons
        columns = zip(horizons, scores.T, self.data.evaluation.labels.T, strict=True)
        return {name: correlation(predicted, labels) for name, predicted, labels in columns}

    def _scores(self, model: Any, cache: Any, progress: bool) -> np.ndarray:
        collate, size = Collator(self.data.processor), self.config.evaluation.batch_size
        return predict(self.accelerator, model, collate, self.data.evaluation, cache, size, progress)

    def _summary(self, model: Any, done: Progress, kept: int, metrics: dict[str, dict[str, Any]]) -> dict[str, Any]:
        config, accelerator = self.config, self.accelerator
        return {
            "model_type": model.config.model_type,
            "parameters": sum(each.numel() for each in model.parameters()),
            "train_clips": len(self.data.train),
            "split": config.evaluation.split,
            "split_clips": len(self.data.evaluation),
            "kept_epoch": kept,
            "kept_by": config.evaluation.keep,
            "metrics": metrics,
            "losses": done.losses,
            "validation": done.validation,
            "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
            "processes": accelerator.num_processes,
            "device": accelerator.device.type,
            "mixed_precision": accelerator.mixed_precision,
        }


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration as trackers take it: one level of numbers and texts."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, int | float | str):
            flat[f"{prefix}{key}"] = value
        else:
            flat[f"{prefix}{key}"] = json.dumps(value, default=str)
    return flat

"""One training run, from a configuration to a model folder with its results."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig

from videomem_hf.data.scored_clips import FRAME_CACHE, Clips, fill_cache, load_clips, load_images
from videomem_hf.evaluation.environment import environment
from videomem_hf.evaluation.evaluate import baselines, compute_metrics, correlation
from videomem_hf.losses import Criterion
from videomem_hf.models import MODELS, config_class
from videomem_hf.models.folders import load_model, save_model
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.recipes import refuse_unknown
from videomem_hf.run_files import (
    CONFIG_FILE,
    PREDICTIONS_FILE,
    RESULTS_FILE,
    TrainingResult,
    without_nan,
    write_predictions,
)
from videomem_hf.schema import InputError
from videomem_hf.training.checkpoint import Progress, check_run_folder, remove_checkpoints
from videomem_hf.training.config import TrainingConfig
from videomem_hf.training.examples import Collator, TrainingClips
from videomem_hf.training.frozen_maps import cached_maps, check_backbone
from videomem_hf.training.initial import initial_config, initial_model, initial_processor
from videomem_hf.training.loop import (
    StopRequest,
    TrainingError,
    TrainingLoop,
    TrainingStopped,
    best_epoch,
    check_trackers,
)
from videomem_hf.training.predict import predict
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.map_cache import MapCache

__all__ = ["TrainingError", "TrainingResult", "TrainingStopped", "train"]

_OWN_FIELDS: Final = ("horizons", "score_means", "score_stds")
"""Of a run, not of the weights that it begins with."""
_SAMPLING_FIELDS: Final = ("fps", "segment_length", "max_segments")
_PROCESSOR_FIELDS: Final = (
    *_SAMPLING_FIELDS,
    "size", "do_center_crop", "crop_size", "do_rescale", "do_normalize", "image_mean", "image_std",
)  # fmt: skip


@dataclass(frozen=True)
class _Data:
    """What a run trains on and is judged with; `cache` and `processor` are None for a model of features.

    While it trains, `maps` take the place of frames where they are cached.
    """

    train: Clips
    judged: Clips
    cache: FrameCache | None
    processor: MemorabilityVideoProcessor | None
    maps: MapCache | None = None


def train(
    config: TrainingConfig, *, resume: bool = False, progress: bool = True, max_seconds: float | None = None
) -> TrainingResult:
    """Train a predictor and judge it on a split that training has not seen.

    Everything that the user gives is checked before a model is built: the configuration, the output folder, the data
    and every clip. A run that is stopped goes on from its last checkpoint with `resume`.

    Args:
        config: What to train and how.
        resume: Go on with the unfinished run in `config.output`.
        progress: Whether to show progress bars.
        max_seconds: Stop with a checkpoint after this time.

    Raises:
        InputError: The configuration, the folder, the data or a clip cannot be used.
        TrainingError: The loss is not finite, or the disk is full.
        TrainingStopped: The time is over, or SIGTERM came; a checkpoint is there.
    """
    stop = StopRequest(max_seconds)
    output = Path(config.output)
    model_config, processor = make_model_config(config), make_processor(config)
    check_backbone(config, model_config)
    for stage in config.stages:
        Criterion(stage.loss)
    check_trackers(config.trackers)
    check_run_folder(config, resume)
    accelerator = make_accelerator(config)
    seconds = {}
    started = time.monotonic()
    data = _load(config, accelerator, model_config.horizons, processor, progress)
    seconds["data"] = time.monotonic() - started
    started = time.monotonic()
    if accelerator.is_main_process:
        output.mkdir(parents=True, exist_ok=True)
        config.save(output / CONFIG_FILE)
    set_seed(config.seed)
    model = initial_model(config.init, _with_data_statistics(model_config, config, data.train), data.train)
    if config.cache_maps and data.cache is not None:
        both = [data.train, data.judged]
        data = replace(data, maps=cached_maps(accelerator, model, processor, data.cache, both, progress))
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        # Each process would normalise by its own share of the batch; there is no such exchange between CPU processes.
        model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    accelerator.init_trackers("videomem_hf", config=_flat(asdict(config)))
    examples = TrainingClips(
        data.train,
        data.maps or data.cache,
        config.seed,
        config.frames_per_clip,
        config.augmentation,
        1 if data.processor is None else data.processor.segment_length,
    )
    loop = TrainingLoop(
        config, accelerator, model, examples, len(data.train), Collator(data.processor),
        _validator(config, accelerator, data, model_config.horizons), stop, progress,
    )  # fmt: skip
    done = loop.run(resume)
    for tracker in accelerator.trackers:
        tracker.finish()
    seconds["training"] = time.monotonic() - started
    return _finish(config, accelerator, loop.model, data, done, seconds, resume, progress)


def make_accelerator(config: TrainingConfig) -> Accelerator:
    """Devices, processes and number format.

    Raises:
        InputError: A batch that cannot be shared among the processes, or half precision that the device does not have.
    """
    if config.mixed_precision == "fp16" and not torch.cuda.is_available():
        raise InputError("mixed_precision=fp16 needs a GPU, and there is none here; take bf16 or no")
    AcceleratorState._reset_state()  # another run in this process may have had another number format
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        dynamo_backend="inductor" if config.compile else None,
        log_with=config.trackers or None,
        project_dir=str(Path(config.output) / "logs") if config.trackers else None,
    )
    processes = accelerator.num_processes
    if config.batch_size % processes:
        raise InputError(f"batch_size={config.batch_size} must be divisible by the {processes} processes")
    if processes > 1 and any(stage.optimizer == "lbfgs" for stage in config.stages):
        raise InputError(f"L-BFGS takes all clips in one process; start one instead of {processes}")
    return accelerator


def make_model_config(config: TrainingConfig) -> PreTrainedConfig:
    """The model's configuration: the recipe's fields over those of the model that `init` names.

    Raises:
        InputError: An unknown type or field, a value that the model refuses, or no such `init`.
    """
    values = dict(config.model)
    kind = values.pop("type")
    if kind not in MODELS:
        raise InputError(f"model: no type {kind!r}; there are {', '.join(sorted(MODELS))}")
    inherited = {each.name for each in fields(PreTrainedConfig)}
    allowed = [each.name for each in fields(config_class(kind)) if each.name not in inherited]
    refuse_unknown(values, allowed, "model")
    if "horizons" not in allowed:
        raise InputError(f"model: {kind} predicts no scores; train a feature_mlp on its features")
    if config.init is not None:
        begun = initial_config(config.init, kind)
        values = {name: getattr(begun, name) for name in allowed if name not in _OWN_FIELDS} | values
    if config.uses_features and "feature_names" in values:  # until the data tell
        values.setdefault("feature_sizes", [1] * len(values["feature_names"]))
    try:
        return AutoConfig.for_model(kind, **values)
    except StrictDataclassError as error:
        raise InputError(f"model: {error.__cause__ or error}") from None


def make_processor(config: TrainingConfig) -> MemorabilityVideoProcessor | None:
    """The video processor, None for a model of features.

    With `init` it is the one saved there, since its weights expect its pixels; only which frames are taken is the
    recipe's.

    Raises:
        InputError: An unknown field.
    """
    if config.uses_features:
        if config.processor:
            raise InputError("processor: a model of features has none; remove the section")
        return None
    refuse_unknown(config.processor, _PROCESSOR_FIELDS, "processor")
    if config.init is None:
        return MemorabilityVideoProcessor(**config.processor)
    begun = initial_processor(config.init)
    sampling = {name: config.processor[name] for name in _SAMPLING_FIELDS if name in config.processor}
    return MemorabilityVideoProcessor(**{name: getattr(begun, name) for name in _PROCESSOR_FIELDS} | sampling)


def _load(
    config: TrainingConfig,
    accelerator: Accelerator,
    horizons: Any,
    processor: MemorabilityVideoProcessor | None,
    progress: bool,
) -> _Data:
    """Load both splits and decode what is not decoded yet."""
    features = config.model.get("feature_names", ("c3d",)) if config.uses_features else None
    with accelerator.main_process_first():
        judged = load_clips(config.data, config.evaluation.split, horizons, features=features, options=config.splits)
        train_clips = _training_clips(config, horizons, features)
    if len(train_clips) < config.batch_size:
        raise InputError(f"batch_size={config.batch_size} is more than the {len(train_clips)} training clips")
    if processor is None:
        return _Data(train_clips, judged, None, None)
    cache = FrameCache(config.frame_cache or FRAME_CACHE, processor, config.frame_cache_gb)
    fill_cache(accelerator, cache, [train_clips, judged], progress)
    return _Data(train_clips, judged, cache, processor)


def _training_clips(config: TrainingConfig, horizons: Any, features: Any) -> Clips:
    if config.train_on != "videomem" and config.lamem is None:
        raise InputError(
            f"recipe {config.recipe}: trains on LaMem (train_on={config.train_on}); give its folder with lamem=FOLDER"
            + (", or train on VideoMem alone with train_on=videomem" if config.train_on == "both" else "")
        )
    parts = []
    if config.train_on != "lamem":
        parts.append(load_clips(config.data, "train", horizons, features=features, options=config.splits))
    if config.train_on != "videomem":
        parts.append(load_images(str(config.lamem), "train", horizons, config.lamem_split))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _with_data_statistics(model_config: PreTrainedConfig, config: TrainingConfig, clips: Clips) -> PreTrainedConfig:
    """Put the mean and deviation of the training scores, and the feature sizes, where the recipe gives none."""
    labels = clips.labels
    known = [column[np.isfinite(column)] for column in labels.T]
    fallback = zip(model_config.score_means, model_config.score_stds, strict=True)
    statistics = [
        (float(column.mean()), float(column.std())) if len(column) else other
        for column, other in zip(known, fallback, strict=True)
    ]
    if "score_means" not in config.model:
        model_config.score_means = [min(0.99, max(0.01, mean)) for mean, _ in statistics]
    if "score_stds" not in config.model:
        model_config.score_stds = [max(0.01, std) for _, std in statistics]
    if config.uses_features:
        given = config.model.get("feature_sizes")
        if given and list(given) != list(clips.feature_sizes):
            raise InputError(f"model: feature_sizes are {list(clips.feature_sizes)} in this data, not {list(given)}")
        model_config.feature_sizes = list(clips.feature_sizes)
    return model_config


def _validator(
    config: TrainingConfig, accelerator: Accelerator, data: _Data, horizons: Any
) -> Callable[[Any], dict[str, float]]:
    """A look at the validation split: Spearman's correlation a horizon, NaN where it has none."""

    def validate(model: Any) -> dict[str, float]:
        size = config.evaluation.batch_size
        cache = data.maps or data.cache
        scores = predict(accelerator, model, Collator(data.processor), data.judged, cache, size, False)
        return {
            horizon: correlation(scores[:, column], data.judged.labels[:, column])
            for column, horizon in enumerate(horizons)
        }

    return validate


def _finish(
    config: TrainingConfig,
    accelerator: Accelerator,
    model: Any,
    data: _Data,
    done: Progress,
    seconds: dict[str, float],
    resumed: bool,
    progress: bool,
) -> TrainingResult:
    """Save the model that is kept, judge it, and write the results."""
    output = Path(config.output)
    kept = done.epochs
    if config.evaluation.keep != "last":
        if accelerator.is_main_process:
            save_model(model, output / "last")
        kept = best_epoch(done.validation, config.evaluation.keep) or done.epochs
        model.load_state_dict(load_model(output / "best").state_dict())
    model.freeze_backbone(False)
    if accelerator.is_main_process:
        save_model(model, output)
        if data.processor is not None:
            data.processor.save_pretrained(output)
    started = time.monotonic()
    model.to(accelerator.device)
    size = config.evaluation.batch_size
    scores = predict(accelerator, model, Collator(data.processor), data.judged, data.cache, size, progress)
    results: dict[str, Any] = {}
    if accelerator.is_main_process:
        predictions = {"model": scores} | baselines(data.train, data.judged, data.cache)
        metrics = compute_metrics(
            predictions,
            data.judged,
            model.config.horizons,
            resamples=config.evaluation.resamples,
            confidence=config.evaluation.confidence,
        )
        write_predictions(
            output / PREDICTIONS_FILE, predictions, data.judged.video_ids, data.judged.labels, model.config.horizons
        )
        seconds["evaluation"] = time.monotonic() - started
        results = _summary(config, accelerator, model, data, done, kept, seconds, metrics)
        results |= environment(config.data, resumed)
        (output / RESULTS_FILE).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        remove_checkpoints(output)
    accelerator.wait_for_everyone()
    return TrainingResult(output, results or json.loads((output / RESULTS_FILE).read_text(encoding="utf-8")))


def _summary(
    config: TrainingConfig,
    accelerator: Accelerator,
    model: Any,
    data: _Data,
    done: Progress,
    kept: int,
    seconds: dict[str, float],
    metrics: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """What `results.json` holds; NaN becomes null, which JSON can carry."""
    return without_nan(
        {
            "recipe": config.recipe,
            "model_type": model.config.model_type,
            "parameters": sum(each.numel() for each in model.parameters()),
            "train_clips": len(data.train),
            "split": config.evaluation.split,
            "split_clips": len(data.judged),
            "kept_epoch": kept,
            "kept_by": config.evaluation.keep,
            "metrics": metrics,
            "losses": done.losses,
            "validation": done.validation,
            "seconds": {name: round(value, 2) for name, value in seconds.items()},
            "processes": accelerator.num_processes,
            "device": accelerator.device.type,
            "mixed_precision": accelerator.mixed_precision,
            "versions": {name: version(name) for name in ("torch", "transformers", "accelerate", "datasets")},
            "config": asdict(config),
        }
    )


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

"""What a run is set up with: devices, the model's configuration, and its video processor."""

import os
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from huggingface_hub.errors import StrictDataclassError
from transformers import CONFIG_MAPPING, MODEL_MAPPING, AutoConfig, PreTrainedConfig

from videomem_hf.data.scored_clips import Clips, scored_horizons
from videomem_hf.evaluation.training_clips import feature_names
from videomem_hf.models import MODELS
from videomem_hf.models.configuration_memorability import MemorabilityConfig
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.recipes import refuse_unknown
from videomem_hf.schema import HORIZONS, Horizon, InputError
from videomem_hf.training.config import SELECTIONS, TrainingConfig
from videomem_hf.training.initial import initial_config, initial_processor

_OWN_FIELDS: Final = ("horizons", "score_means", "score_stds", "trained_on_generated")
"""Of a run, not of the weights that it starts from."""
_SAMPLING_FIELDS: Final = ("fps", "segment_length", "max_segments")
_PROCESSOR_FIELDS: Final = (
    *_SAMPLING_FIELDS,
    "size", "do_center_crop", "crop_size", "do_rescale", "do_normalize", "image_mean", "image_std",
)  # fmt: skip


def make_accelerator(config: TrainingConfig) -> Accelerator:
    """Devices, processes and number format.

    Raises:
        InputError: A batch that cannot be shared among the processes, processes that do not know of each other, or half
            precision that the device does not have.
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
    if processes == 1 and (launched := int(os.environ.get("WORLD_SIZE", 1))) > 1:
        cpu = "" if torch.cuda.is_available() else "--cpu "
        raise InputError(
            f"{launched} processes were started, and Accelerate takes each for a whole run; start them with "
            f"`accelerate launch {cpu}--num_processes {launched} train.py ...`"
        )
    if config.batch_size % processes:
        raise InputError(f"batch_size={config.batch_size} must be divisible by the {processes} processes")
    if processes > 1 and any(stage.optimizer == "lbfgs" for stage in config.stages):
        raise InputError(f"L-BFGS takes all clips in one process; start one instead of {processes}")
    return accelerator


def check_gradient_checkpointing(config: TrainingConfig, model_config: PreTrainedConfig) -> None:
    """Raise InputError where gradient checkpointing is wanted of a model without it."""
    if config.gradient_checkpointing and not MODEL_MAPPING[type(model_config)].supports_gradient_checkpointing:
        raise InputError(f"gradient_checkpointing must be false for {model_config.model_type}: the model has none")


def _predictor_config(kind: str) -> type[MemorabilityConfig]:
    """The configuration class of a predictor's type: one of the package, or one that the user has registered."""
    found = CONFIG_MAPPING[kind] if kind in CONFIG_MAPPING else None  # noqa: SIM401 - get() loads nothing
    if found is None or (not issubclass(found, MemorabilityConfig) and kind not in MODELS):
        known = f"{', '.join(sorted(MODELS))}, and what a file of yours registers: --import FILE"
        raise InputError(f"model: no type {kind!r}; there are {known}")
    if not issubclass(found, MemorabilityConfig):
        raise InputError(f"model: {kind} predicts no scores; train a feature_mlp on its features")
    if found not in MODEL_MAPPING:
        raise InputError(f"model: {kind} has no model: AutoModel.register({found.__name__}, ...) names its class")
    return found


def choose_horizons(config: TrainingConfig, default: Sequence[Horizon]) -> tuple[Horizon, ...]:
    """What a run predicts where its recipe does not say: the model's default, as far as the data have scores of it.

    Data with a horizon of another name than VideoMem's have all of theirs predicted.
    """
    if "horizons" in config.model or config.train_on == "lamem":
        return tuple(default)
    names = feature_names(asdict(config))
    known = scored_horizons(config.data, "train", names, config.splits)
    if set(known) - set(HORIZONS):
        return known
    return tuple(horizon for horizon in default if horizon in known) or known or tuple(default)


def check_keep(config: TrainingConfig, horizons: Sequence[Horizon]) -> None:
    """Raise InputError for a `keep` that is none of what the model predicts."""
    keep, allowed = config.evaluation.keep, (*horizons, *SELECTIONS)
    if keep not in allowed:
        raise InputError(f"evaluation: keep must be one of {', '.join(allowed)}, got {keep!r}")


def make_model_config(config: TrainingConfig, horizons: Sequence[Horizon] = ()) -> PreTrainedConfig:
    """The model's configuration: the recipe's fields over those of the model that `init` names.

    `horizons` are those of the data where the recipe does not say; see `choose_horizons`.

    Raises:
        InputError: An unknown type or field, a value that the model refuses, or no such `init`.
    """
    values = ({"horizons": list(horizons)} if horizons else {}) | config.model
    kind = values.pop("type")
    inherited = {each.name for each in fields(PreTrainedConfig)}
    allowed = [each.name for each in fields(_predictor_config(kind)) if each.name not in inherited]
    refuse_unknown(values, allowed, "model")
    if config.init is not None:
        start = initial_config(config.init, kind)
        values = {name: getattr(start, name) for name in allowed if name not in _OWN_FIELDS} | values
    if config.uses_features and "feature_names" in values:  # until the data tell
        values.setdefault("feature_sizes", [1] * len(values["feature_names"]))
    try:
        return AutoConfig.for_model(kind, **values)
    except StrictDataclassError as error:
        raise InputError(f"model: {error.__cause__ or error}") from None


def with_data_statistics(model_config: PreTrainedConfig, config: TrainingConfig, clips: Clips) -> PreTrainedConfig:
    """Put the mean and deviation of the training scores, and the feature sizes, where the recipe gives none."""
    known = [column[np.isfinite(column)] for column in clips.labels.T]
    if "score_means" not in config.model:
        means = zip(known, model_config.score_means, strict=True)
        model_config.score_means = [
            float(np.clip(column.mean(), 0.01, 0.99)) if len(column) else mean for column, mean in means
        ]
    if "score_stds" not in config.model:
        stds = zip(known, model_config.score_stds, strict=True)
        model_config.score_stds = [max(0.01, float(column.std())) if len(column) else std for column, std in stds]
    if config.uses_features:
        given = config.model.get("feature_sizes")
        if given and list(given) != list(clips.feature_sizes):
            raise InputError(f"model: feature_sizes are {list(clips.feature_sizes)} in this data, not {list(given)}")
        model_config.feature_sizes = list(clips.feature_sizes)
    return model_config


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
    start = initial_processor(config.init)
    sampling = {name: config.processor[name] for name in _SAMPLING_FIELDS if name in config.processor}
    return MemorabilityVideoProcessor(**{name: getattr(start, name) for name in _PROCESSOR_FIELDS} | sampling)

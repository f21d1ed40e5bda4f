"""The training configuration: everything a run is a function of, checked before anything is loaded."""

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from huggingface_hub.dataclasses import strict

from videomem_hf.evaluation.options import EvaluationOptions
from videomem_hf.losses.names import check_loss_section
from videomem_hf.models.former_names import FORMER_NAMES
from videomem_hf.recipes import RunConfig, require, require_least
from videomem_hf.run_files import TRAINED_ON
from videomem_hf.schema import PRECISION_NAMES

OPTIMIZERS: Final = ("adamw", "adam", "sgd", "lbfgs")
SCHEDULES: Final = ("constant", "cosine", "step")
SELECTIONS: Final = ("mean", "last")
"""What `keep` may be, beside a horizon of the model."""
FEATURE_MODEL: Final = "feature_mlp"
MAP_MODEL: Final = "spatiotemporal"
_PRECISIONS: Final = {"float32": "no", "fp32": "no"} | {
    long: short for short, long in PRECISION_NAMES.items() if long != "float32"
}
"""Other names of `mixed_precision`."""


@strict
@dataclass
class AugmentationConfig:
    """Random changes of a training clip, the same for all its frames, that leave its memorability alone.

    Attributes:
        flip: Probability of a left-right flip.
        shift_px: Largest shift in pixels, both ways; the edge is repeated.
        colour_order: Probability that red, green and blue change places.
        gain: Largest relative change of each channel's brightness.
        offset: Largest shift of the brightness, as a share of its range.
    """

    flip: float = 0.5
    shift_px: int = 0
    colour_order: float = 0.0
    gain: float = 0.0
    offset: float = 0.0

    @property
    def changes(self) -> bool:
        return any(asdict(self).values())

    def validate_ranges(self) -> None:
        """Refuse values out of range."""
        require_least(self, 0, "shift_px")
        for name, value in {"flip": self.flip, "colour_order": self.colour_order}.items():
            require(0 <= value <= 1, name, "from 0 to 1", value)
        for name, value in {"gain": self.gain, "offset": self.offset}.items():
            require(0 <= value < 1, name, "from 0 to below 1", value)


@strict
@dataclass
class EvaluationConfig(EvaluationOptions):
    """How a model is evaluated, while training and at the end.

    Attributes:
        split, resamples, confidence: See `EvaluationOptions`.
        every: Epochs between evaluations while training; 0 evaluates only at the end.
        keep: Which epoch's weights become the model: those of the best Spearman correlation on `split` for a horizon,
            for the `mean` of all, or the `last`.
        batch_size: Clips at a time.
    """

    every: int = 1
    keep: str = "last"
    batch_size: int = 32

    def validate_ranges(self) -> None:
        require_least(self, 0, "every")
        require_least(self, 1, "batch_size")
        require(self.keep == "last" or self.every > 0, "every", "at least 1 to keep the best epoch", self.every)


@strict
@dataclass
class StageConfig:
    """One stage of training: what is trained, how long, and how.

    Attributes:
        epochs: Passes over the training clips. With L-BFGS, steps of up to 5 iterations over all of them at once.
        train: `all`, or `head` for the head alone, with the backbone frozen.
        loss: `type` (`model`, `mse`, `l1`, `sodeep`, `soft_rank`, `pairwise`, `binomial`) and that loss's options.
        optimizer: `adamw`, `adam`, `sgd` or `lbfgs`. L-BFGS finds its step by a line search.
        learning_rate: The highest learning rate of the stage.
        schedule: `constant`; `cosine`, falling to 0 at the end of the stage; or `step`, which multiplies the rate by
            `step_factor` every `step_epochs` epochs, counted from the beginning of the run.
        warmup: Share of the stage's steps in which the rate rises linearly.
        step_epochs: See `schedule`.
        step_factor: See `schedule`.
        weight_decay: Weight decay of matrices and convolutions, not of biases and normalisation. For L-BFGS an L2
            penalty.
        momentum: Momentum of `sgd`.
        max_grad_norm: Gradients are clipped to this norm; null switches clipping off.
    """

    epochs: int
    train: str = "all"
    loss: dict[str, Any] = field(default_factory=lambda: {"type": "model"})
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    warmup: float = 0.0
    step_epochs: int = 1
    step_factor: float = 0.5
    weight_decay: float = 0.0
    momentum: float = 0.9
    max_grad_norm: float | None = 1.0

    def validate_ranges(self) -> None:
        """Refuse values out of range."""
        for name, allowed in {"train": ("all", "head"), "optimizer": OPTIMIZERS, "schedule": SCHEDULES}.items():
            require(getattr(self, name) in allowed, name, f"one of {', '.join(allowed)}", getattr(self, name))
        check_loss_section(self.loss)
        require_least(self, 1, "epochs", "step_epochs")
        require_least(self, 0, "weight_decay")
        require(self.learning_rate > 0, "learning_rate", "above 0", self.learning_rate)
        require(0 < self.step_factor <= 1, "step_factor", "above 0, at most 1", self.step_factor)
        require(0 <= self.warmup < 1, "warmup", "from 0 to below 1", self.warmup)
        require(0 <= self.momentum < 1, "momentum", "from 0 to below 1", self.momentum)
        norm = self.max_grad_norm
        require(norm is None or norm > 0, "max_grad_norm", "above 0, or null", norm)


@strict
@dataclass
class TrainingConfig(RunConfig):
    """Everything, besides the data, that determines a training run.

    Attributes:
        data, output, recipe: See `RunConfig`; `output` also contains the checkpoint until the run is finished.
        model: `type` (a registered `model_type`) and fields of that model's configuration. `score_means` and
            `score_stds` are taken from the training scores, and `feature_sizes` from the data, unless given.
        processor: Fields of the video processor that is saved with the model; none for feature models.
        stages: The stages of the training, in order.
        batch_size: Clips in a step, over all processes; a last incomplete batch is left out.
        init: Folder or Hub id of a model of the same type, such as a converted checkpoint, whose weights the training
            starts from. Weights that do not fit, such as a head for other horizons, are initialised at random and
            named. A `spatiotemporal` also starts from the backbone of a predictor of frames.
        pretrained: The command that makes the weights for `init` that the recipe is meant to start from; a warning says
            if `init` is missing. Null: the recipe trains from random weights.
        cache_maps: For a `spatiotemporal` of which only the head is trained: whether the maps of its backbone are
            computed once and cached beside the decoded frames. Frames are then not augmented.
        train_on: `videomem`, `lamem` (short-term scores of images, each a clip of one frame), or `both`.
        lamem: Folder of LaMem.
        lamem_split: Number of the official split of LaMem, 1 to 5.
        splits: Keywords of the data set: `seed`, `group_titles`, `most_annotated`, `split_files`, `release`.
        frames_per_clip: Frames (segments of frames for networks of clips) drawn from a training clip each time; null
            takes all.
        gradient_accumulation: Parts into which each process splits its share of a batch to save memory. Losses other
            than `model` still compare the whole batch, with a second forward pass; batch normalisation uses a part
            only. Not for `lbfgs`, which takes all clips at once.
        gradient_checkpointing: Whether activations of the backbone are computed again in the backward pass, which takes
            less memory and more time, and gives equal gradients.
        mixed_precision: `no`, `bf16` or `fp16`; null takes the setting of `accelerate launch`.
        compile: Whether to compile the network.
        weigh_by_annotations: Whether labels with more annotations have more weight in the loss `model`.
        augmentation: Random changes of training clips.
        evaluation: Options of the evaluation.
        seed: The order of the clips, the augmentation and the first weights are pure functions of it.
        checkpoint_every: Epochs between checkpoints.
        checkpoint_minutes: Minutes after which a checkpoint is also written within an epoch.
        loader_workers: Processes that read the frame cache, for each training process; 0 reads in the process itself.
        frame_cache: Folder for decoded frames; null takes the user's cache folder.
        frame_cache_gb: Largest size of the frame cache in GB; null sets no limit.
        trackers: Experiment trackers to log to, as Accelerate names them: `tensorboard`, `wandb`, `trackio`, ...
    """

    model: dict[str, Any]
    stages: list[StageConfig]
    batch_size: int
    processor: dict[str, Any] = field(default_factory=dict)
    init: str | None = None
    pretrained: str | None = None
    cache_maps: bool = False
    train_on: str = "videomem"
    lamem: str | None = None
    lamem_split: int = 1
    splits: dict[str, Any] = field(default_factory=dict)
    frames_per_clip: int | None = None
    gradient_accumulation: int = 1
    gradient_checkpointing: bool = False
    mixed_precision: str | None = None
    compile: bool = False
    weigh_by_annotations: bool = False
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    seed: int = 0
    checkpoint_every: int = 1
    checkpoint_minutes: float = 15.0
    loader_workers: int = 0
    frame_cache: str | None = None
    frame_cache_gb: float | None = None
    trackers: list[str] = field(default_factory=list)

    @classmethod
    def from_former_names(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Rename fields of the sections `model` and `processor` that a file has under former names.

        YAML reads an unquoted `mixed_precision: no` as false; `bfloat16` is another name of `bf16`.
        """
        if values.get("mixed_precision") is False:
            values = values | {"mixed_precision": "no"}
        if values.get("mixed_precision") in _PRECISIONS:
            values = values | {"mixed_precision": _PRECISIONS[values["mixed_precision"]]}
        return values | {
            name: {FORMER_NAMES.get(key, key): value for key, value in values[name].items()}
            for name in ("model", "processor")
            if isinstance(values.get(name), dict)
        }

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)

    @property
    def uses_features(self) -> bool:
        """Whether the model scores feature columns instead of frames: it names them."""
        return self.model.get("type") == FEATURE_MODEL or "feature_names" in self.model

    def validate_ranges(self) -> None:
        """Refuse values out of range."""
        require_least(self, 1, "batch_size", "checkpoint_every", "gradient_accumulation")
        require_least(self, 0, "seed", "loader_workers")
        require(self.checkpoint_minutes > 0, "checkpoint_minutes", "above 0", self.checkpoint_minutes)
        frames = self.frames_per_clip
        require(frames is None or frames >= 1, "frames_per_clip", "at least 1, or null for all frames", frames)
        limit = self.frame_cache_gb
        require(limit is None or limit > 0, "frame_cache_gb", "above 0, or null for no limit", limit)
        require("type" in self.model, "model", "a section with a type, as in {type: frame_attention}", self.model)
        require(len(self.stages) > 0, "stages", "one or more sections, each with its epochs", self.stages)
        require(self.train_on in TRAINED_ON, "train_on", f"one of {', '.join(TRAINED_ON)}", self.train_on)
        require(self.lamem_split in range(1, 6), "lamem_split", "from 1 to 5", self.lamem_split)
        precision = self.mixed_precision
        require(precision in (None, "no", "bf16", "fp16"), "mixed_precision", "no, bf16, fp16 or null", precision)
        if self.cache_maps:
            require(self.model["type"] == MAP_MODEL, "cache_maps", f"false for a model other than {MAP_MODEL}", True)
            head_only = all(stage.train == "head" for stage in self.stages)
            require(head_only, "cache_maps", "false where a stage trains all: maps change with the backbone", True)
            require(not self.augmentation.changes, "augmentation", "all 0 with cache_maps", self.augmentation)
        if self.train_on != "videomem":
            require(not self.uses_features, "train_on", "videomem for a model of features", self.train_on)
        if any(stage.optimizer == "lbfgs" for stage in self.stages):
            require(self.uses_features, "optimizer", "another than lbfgs for a model of frames", "lbfgs")
            parts = self.gradient_accumulation
            require(parts == 1, "gradient_accumulation", "1 with the optimizer lbfgs", parts)

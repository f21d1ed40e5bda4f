"""The clips of a run: what it is trained and evaluated on, loaded, decoded and without copies in both."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from videomem_hf.data.scored_clips import FRAME_CACHE, Clips, fill_cache, load_clips, load_images
from videomem_hf.evaluation import training_clips
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.run_files import is_run_folder
from videomem_hf.schema import InputError
from videomem_hf.training.config import TrainingConfig
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.map_cache import MapCache


@dataclass(frozen=True)
class RunData:
    """What a run is trained and evaluated on; `cache` and `processor` are None for a model of features.

    `contents` are those of the VideoMem clips in `train`, by id. While it trains, `maps` take the place of frames where
    they are cached.
    """

    train: Clips
    evaluation: Clips
    contents: dict[str, str]
    cache: FrameCache | None
    processor: MemorabilityVideoProcessor | None
    maps: MapCache | None = None


def load_run_data(
    config: TrainingConfig,
    accelerator: Accelerator,
    horizons: Any,
    processor: MemorabilityVideoProcessor | None,
    progress: bool,
) -> RunData:
    """Load both splits and decode what is not decoded yet."""
    features = training_clips.feature_names(asdict(config))
    with accelerator.main_process_first():
        evaluation = load_clips(
            config.data, config.evaluation.split, horizons, features=features, options=config.splits
        )
        parts = _training_parts(config, horizons, features)
    if (clips := sum(len(part) for part in parts)) < config.batch_size:
        raise InputError(f"batch_size={config.batch_size} is more than the {clips} training clips")
    cache = None
    if processor is not None:
        cache = FrameCache(config.frame_cache or FRAME_CACHE, processor, config.frame_cache_gb)
        fill_cache(accelerator, cache, [*parts, evaluation], progress)
    contents: dict[str, str] = {}
    if config.train_on != "lamem":
        contents = training_clips.training_contents(parts[0], evaluation, cache)
        parts[0] = parts[0].take([index for index, name in enumerate(parts[0].video_ids) if name in contents])
    contents |= _contents_of_init(config, evaluation, cache)
    train_clips = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    return RunData(train_clips, evaluation, contents, cache, processor)


def _contents_of_init(config: TrainingConfig, evaluation: Clips, cache: FrameCache | None) -> dict[str, str]:
    """The clips behind the first weights, which count as trained on.

    Raises:
        InputError: The evaluation split holds some of them.
    """
    if config.init is None or not is_run_folder(Path(config.init)):
        return {}
    before = training_clips.read_trained_on(Path(config.init), config.data)
    remedy = "evaluate on another split, give both runs the same splits, or start from other weights"
    contents = training_clips.clip_contents(evaluation, cache)
    training_clips.refuse_training_clips(before, evaluation, config.evaluation.split, config.data, contents, remedy)
    same = before.same_data(training_clips.run_fingerprint(asdict(config)))
    return {name if same else f"{config.init}:{name}": content for name, content in before.contents.items()}


def _training_parts(config: TrainingConfig, horizons: Any, features: Any) -> list[Clips]:
    """The training clips of VideoMem, of LaMem, or of both."""
    if config.train_on != "videomem" and config.lamem is None:
        other = ", or train on VideoMem alone with train_on=videomem" if config.train_on == "both" else ""
        what = f"trains on LaMem (train_on={config.train_on}); give its folder with lamem=FOLDER{other}"
        raise InputError(f"recipe {config.recipe}: {what}")
    parts = []
    if config.train_on != "lamem":
        parts.append(load_clips(config.data, "train", horizons, features=features, options=config.splits))
    if config.train_on != "videomem":
        parts.append(load_images(str(config.lamem), "train", horizons, config.lamem_split))
    return parts

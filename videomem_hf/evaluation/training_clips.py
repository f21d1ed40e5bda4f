"""Which clips a model was trained on, and whether a split that it is evaluated on holds any of them."""

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf.data.scored_clips import Clips, config_of, is_divided, load_clips, open_splits
from videomem_hf.model_names import check_on_hub, is_hub_id
from videomem_hf.run_files import PREDICTIONS_FILE, read_predictions, read_results, read_training_clips
from videomem_hf.schema import HORIZONS, VIDEO_ID, InputError, horizons_of
from videomem_hf.video.clip_cache import CONTENT_DIGITS
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.sources import content_of

_NAMED: Final = 3
_FINGERPRINTS: Final[dict[tuple[str, ...], str]] = {}
"""Those of tables that were hashed before, by the state of the tables."""


@dataclass(frozen=True)
class TrainedOn:
    """What a run was trained on.

    Attributes:
        folder: Of the run.
        results: Content of its `results.json`.
        contents: Id of each training clip to the hash of its content; empty where that is unknown.
    """

    folder: Path
    results: dict[str, Any]
    contents: dict[str, str]

    @property
    def splits(self) -> dict[str, Any]:
        """Keywords of the data set that divided the data."""
        return dict(self.results["config"].get("splits") or {})

    def same_data(self, fingerprint: str) -> bool:
        """Whether ids mean the same clips as in training; taken to be so for a run that recorded no fingerprint."""
        return self.results.get("data", {}).get("fingerprint") in (None, fingerprint)


def locate_data(run: Path, results: Mapping[str, Any]) -> str | None:
    """The data of a run, as its `results.json` names them.

    A folder is looked for as recorded, seen from here and from each folder in which the run lies; one with other clips
    or scores than the run recorded is passed over. Otherwise it may be a data set on the Hub.

    Returns:
        None if there is neither.
    """
    config: Mapping[str, Any] = results.get("config", {})
    data = str(config.get("data"))
    folders = (folder / data for folder in (Path(), *run.resolve().parents))
    recorded = results.get("data", {}).get("fingerprint")
    if found := next((each for each in folders if each.is_dir() and _has_fingerprint(each, config, recorded)), None):
        return str(found)
    if not is_hub_id(data) or config.get("splits"):  # data on the Hub are divided already
        return None
    try:
        check_on_hub(data, "dataset")
    except InputError:
        return None
    return data


def _has_fingerprint(folder: Path, config: Mapping[str, Any], recorded: str | None) -> bool:
    """Whether data have a fingerprint; taken to be so where none was recorded."""
    if recorded is None:
        return True
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # whoever opens the data gets them
            return run_fingerprint(config, str(folder)) == recorded
    except (InputError, ValueError):  # holds something else
        return False


def clip_contents(clips: Clips, cache: FrameCache | None = None) -> list[str]:
    """The hash of each clip's file (that `cache` knows already) or feature vector; empty where there is neither."""
    if clips.features is not None:
        rows = np.ascontiguousarray(clips.features, np.float32)
        return [_digest(row.tobytes()) if np.isfinite(row).any() else "" for row in rows]
    if cache is not None:
        return [cache.content(source) for source in clips.sources]
    return [content_of(source)[:CONTENT_DIGITS] for source in clips.sources] or [""] * len(clips)


def data_fingerprint(data: str, config: str, options: Mapping[str, Any] | None = None) -> str:
    """A hash of the scored clips' ids and scores: equal for every copy of the same data, however it is divided.

    Any configuration of the data set will do, as all have the ids and scores; of its keywords only `release` matters.
    """
    release = {name: value for name, value in (options or {}).items() if name == "release"}
    tables = open_splits(data, config, release).values()
    # `datasets` has no public name for the state of a table, which it makes of the state of the files.
    state = tuple(table._fingerprint for table in tables)
    if state not in _FINGERPRINTS:
        _FINGERPRINTS[state] = _digest(
            "\n".join(sorted({row for table in tables for row in _score_rows(table)})).encode()
        )
    return _FINGERPRINTS[state]


def _score_rows(table: Any) -> Iterator[str]:
    """The id and scores of each scored clip of a table."""
    columns = table.select_columns([VIDEO_ID, *horizons_of(table.column_names)]).with_format(None)[:]
    for video_id, *scores in zip(*columns.values(), strict=True):
        if any(score is not None and score == score for score in scores):
            yield f"{video_id} " + " ".join(f"{np.nan if x is None else x:.4f}" for x in scores)


def run_fingerprint(config: Mapping[str, Any], data: str | None = None) -> str:
    """The fingerprint of a run's data, or of other `data`, by the configuration of the data set that the run reads."""
    data = str(config["data"]) if data is None else data
    features = feature_names(config)
    table = "scores" if "stages" not in config else "videos" if features is None else config_of(features[0])
    return data_fingerprint(data, table, None if is_divided(data) else config.get("splits"))


def feature_names(config: Mapping[str, Any]) -> Sequence[str] | None:
    """Feature columns that the model of a run takes; None for frames and for a multi-view model."""
    from videomem_hf.models.configuration_feature_mlp import FeatureMLPConfig  # loads transformers

    model = config.get("model", {})
    default = FeatureMLPConfig.feature_names if model.get("type") == FeatureMLPConfig.model_type else None
    return model.get("feature_names", default)


def read_trained_on(folder: Path, data: str) -> TrainedOn:
    """Read which clips a run was trained on; for a run that did not record them, divide the data again as it did.

    Args:
        folder: Of a finished run.
        data: The run's own data, or a copy, for a run without a record whose data are not where they were.

    Raises:
        InputError: There is no run, or its split cannot be made again.
    """
    results = read_results(folder)
    if "config" not in results:
        raise InputError(f"{folder}: its results.json holds no configuration; give the folder of a finished run")
    contents = read_training_clips(folder)
    if contents is None:
        contents = _divide_again(folder, results, data)
    return TrainedOn(folder, results, contents)


def _divide_again(folder: Path, results: Mapping[str, Any], data: str) -> dict[str, str]:
    config = results["config"]
    if config.get("train_on") == "lamem":
        return {}
    source = locate_data(folder, results) or data
    options = None if is_divided(source) else config.get("splits")
    try:
        if "stages" not in config:  # a model of several views
            return dict.fromkeys(open_splits(source, "scores", options)["train"][VIDEO_ID], "")
        horizons = tuple(config["model"].get("horizons", HORIZONS))
        clips = load_clips(source, "train", horizons, features=feature_names(config), options=options)
    except (InputError, ValueError) as error:
        raise InputError(
            f"{folder}: did not record its training clips, and its split cannot be made again "
            f"({str(error).splitlines()[0]}); give the data that it was trained on, or --allow-training-clips"
        ) from None
    return dict(zip(clips.video_ids, clip_contents(clips), strict=True))


def training_clips_among(
    video_ids: Sequence[str], contents: Sequence[str], trained_on: Mapping[str, str], same_data: bool = True
) -> dict[str, str]:
    """The clips in question that a model was trained on, by id or by content: their ids, each with that in training.

    With `same_data` an id means the same clip in both; otherwise it counts only where a content is unknown.
    """
    by_content = {content: video_id for video_id, content in trained_on.items() if content}
    found = {}
    for video_id, content in zip(video_ids, contents, strict=True):
        if content in by_content:
            found[video_id] = by_content[content]
        elif video_id in trained_on and (same_data or not content or not trained_on[video_id]):
            found[video_id] = video_id
    return found


def training_contents(train: Clips, evaluation: Clips, cache: FrameCache | None = None) -> dict[str, str]:
    """The training clips that are no copies of evaluation clips: their ids, each with its content.

    Warns:
        UserWarning: There are copies; names some.
    """
    contents = dict(zip(train.video_ids, clip_contents(train, cache), strict=True))
    held_out = dict(zip(evaluation.video_ids, clip_contents(evaluation, cache), strict=True))
    copies = training_clips_among(train.video_ids, list(contents.values()), held_out)
    if copies:
        shown = ", ".join(f"{mine} of {theirs}" for mine, theirs in list(copies.items())[:_NAMED])
        warnings.warn(
            f"{len(copies)} training clips are copies of clips of the evaluation split and are left out: {shown}",
            stacklevel=2,
        )
    return {video_id: content for video_id, content in contents.items() if video_id not in copies}


def refuse_training_clips(
    trained_on: TrainedOn,
    clips: Clips,
    split: str,
    data: str,
    contents: Sequence[str],
    remedy: str = "choose a split that it has not seen, or say --allow-training-clips",
) -> None:
    """Raise InputError if a split of `data` holds clips, with `clip_contents`, that the model was trained on."""
    if not trained_on.contents:
        return
    same = trained_on.same_data(run_fingerprint(trained_on.results["config"], data))
    if found := training_clips_among(clips.video_ids, contents, trained_on.contents, same):
        names = [mine if mine == theirs else f"{mine} (there {theirs})" for mine, theirs in found.items()]
        shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        raise InputError(
            f"{trained_on.folder} was trained on {len(found)} of the {len(clips)} clips of the split {split!r}: "
            f"{shown}; {remedy}"
        )


def check_own_predictions(folder: Path) -> None:
    """Raise InputError for a run with predictions of clips that it recorded as trained on."""
    path = folder / PREDICTIONS_FILE
    video_ids = read_predictions(path)[0] if path.is_file() else []
    if both := set(video_ids) & (read_training_clips(folder) or {}).keys():
        raise InputError(
            f"{folder}: {len(both)} clips of its predictions.csv were trained on ({min(both)}, ...); evaluate it on a "
            "split that it has not seen"
        )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:CONTENT_DIGITS]

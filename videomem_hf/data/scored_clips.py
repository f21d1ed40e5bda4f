"""The clips of a split: what a predictor takes of them, and their scores."""

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from huggingface_hub.constants import HF_HOME

from videomem_hf.data.feature_files.matrices import feature_matrix
from videomem_hf.data.identify import identify
from videomem_hf.data.provenance import is_prepared
from videomem_hf.data.release.splits import SplitOptions
from videomem_hf.data.tables.media import is_image
from videomem_hf.model_names import check_on_hub, is_hub_id
from videomem_hf.recipes import refuse_unknown
from videomem_hf.schema import ANNOTATION_COUNTS, VIDEO, VIDEO_ID, Horizon, InputError, horizons_of
from videomem_hf.video.clip_cache import ClipCache, FailedClipsError
from videomem_hf.video.sources import Source, StillImage, StoredVideo

if TYPE_CHECKING:
    from accelerate import Accelerator

FRAME_CACHE: Final = Path(HF_HOME) / "videomem_hf" / "frames"
"""Where decoded frames are kept unless another folder is given: beside what other Hugging Face libraries cache."""
SPLIT_OPTIONS: Final = ("release", *(option.name for option in fields(SplitOptions)))


class NoClipsError(InputError):
    """No clip of a split has what is wanted of it."""


@dataclass(frozen=True)
class Clips:
    """The clips of one split that have what the predictor takes, and a score.

    Attributes:
        video_ids: `(clips,)`, each once.
        sources: Their video files; empty for clips of features.
        labels: `(clips, horizons)` float64 in [0, 1]; NaN where one horizon's score is missing.
        annotation_counts: `(clips, horizons)` float64; NaN where unknown.
        features: `(clips, size)` float32, the feature columns side by side; None for clips of frames.
        feature_sizes: Numbers in each column.
        all_counts: Annotation counts of each horizon that the data have, `(clips,)`, wanted here or not: they rank the
            most annotated clips.
    """

    video_ids: list[str]
    sources: list[Source]
    labels: np.ndarray
    annotation_counts: np.ndarray
    features: np.ndarray | None = None
    feature_sizes: tuple[int, ...] = field(default=())
    all_counts: dict[Horizon, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.video_ids)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Clips":
        return replace(
            self,
            video_ids=[self.video_ids[index] for index in indices],
            sources=[self.sources[index] for index in indices] if self.sources else [],
            labels=self.labels[indices],
            annotation_counts=self.annotation_counts[indices],
            features=None if self.features is None else self.features[indices],
            all_counts={horizon: counts[indices] for horizon, counts in self.all_counts.items()},
        )

    def __add__(self, other: "Clips") -> "Clips":
        """Both, one after the other; of frames only."""
        return replace(
            self,
            video_ids=self.video_ids + other.video_ids,
            sources=self.sources + other.sources,
            labels=np.concatenate([self.labels, other.labels]),
            annotation_counts=np.concatenate([self.annotation_counts, other.annotation_counts]),
            all_counts={},
        )


def is_divided(data: str) -> bool:
    """Whether data have fixed splits: a folder that `videomem prepare` wrote, or the Hub id of one."""
    return is_hub_id(data) or is_prepared(data)


def check_data(data: str) -> None:
    """Raise InputError for data that are neither a folder here nor a data set on the Hub.

    `OWNER/NAME` is a Hub id unless there is a folder `OWNER`.
    """
    path = Path(data)
    if path.is_dir():
        return
    if path.exists() or not is_hub_id(data) or path.parent.exists():
        found = "is a file" if path.exists() else "no such folder"
        raise InputError(f"{data}: {found}; give the folder of the data, or a Hub id such as owner/name")
    check_on_hub(data, "dataset")


def open_splits(data: str, config: str, options: dict[str, Any] | None = None) -> Any:
    """Open the user's data in one configuration, as a `DatasetDict`; raises an InputError if there are none.

    Args:
        data: Folder of the release or of one's own table, a folder that `videomem prepare` wrote, or the Hub id of one.
        config: Configuration of the data set.
        options: Keywords of the data set; a prepared one was divided when it was made and has none.
    """
    check_data(data)
    from datasets import load_dataset

    if not is_divided(data):
        refuse_unknown(options or {}, SPLIT_OPTIONS, "splits")
        name, keywords = identify(data, release=(options or {}).get("release"))
        with _quiet_bars():
            return load_dataset(name, config, data_dir=data, **keywords, **(options or {}))
    if options:
        raise InputError(f"{data}: is divided already; splits ({', '.join(options)}) go to `videomem prepare`")
    try:
        with _quiet_bars():
            return load_dataset(os.fspath(Path(data).resolve()) if is_prepared(data) else data, config)
    except (ValueError, OSError) as error:
        raise InputError(f"{data}: {str(error).splitlines()[0]}") from None


@contextmanager
def _quiet_bars() -> Iterator[None]:
    """Without the bars of `datasets`, one per split: commands have their own."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    quiet_before = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not quiet_before:
            enable_progress_bars()


def load_clips(
    data: str,
    split: str,
    horizons: tuple[Horizon, ...],
    *,
    features: Sequence[str] | None = None,
    options: dict[str, Any] | None = None,
    scored: bool = True,
) -> Clips:
    """Load a split of the user's data; warns of scored clips that are left out for want of a video or a feature.

    Args:
        data: See `open_splits`.
        split: "train", "validation", "test", or what the options make.
        horizons: Scores that are wanted; a clip with none of them is left out.
        features: Feature columns, in place of videos.
        options: See `open_splits`.
        scored: False takes the clips without scores as well.

    Raises:
        InputError: There is no such data, or the split has no scored clip with what is wanted of it.
    """
    configs = ["videos"] if features is None else [config_of(name) for name in features]
    tables = [_table(data, split, config, options) for config in configs]
    clips = read_scores(tables[0], horizons)
    wanted = np.isfinite(clips.labels).any(axis=1) | (not scored)
    kind = "video" if features is None else "feature"
    if features is None:
        sources = video_sources(tables[0], data)
        present = np.array([source is not None for source in sources], bool)
    else:
        matrix, sizes = feature_columns(tables, features)
        present = np.isfinite(matrix).all(axis=1)
    kept = np.flatnonzero(wanted & present)
    if not len(kept):
        what = f"both a score and a {kind}" if scored else f"a {kind}"
        raise NoClipsError(f"{data}: no clip of the split {split!r} has {what}")
    if missing := int(wanted.sum()) - len(kept):
        warnings.warn(f"{missing} scored clips of the split {split!r} have no {kind} and are left out", stacklevel=2)
    if features is None:
        found = [source for index in kept if (source := sources[index]) is not None]
        return replace(clips.take(kept), sources=found)
    return replace(clips.take(kept), features=matrix[kept].astype(np.float32), feature_sizes=sizes)


def read_scores(table: Any, horizons: tuple[Horizon, ...]) -> Clips:
    """All rows of a table, with neither videos nor features. Raises an InputError for a horizon that it lacks."""
    known = horizons_of(table.column_names)
    if lacking := [horizon for horizon in horizons if horizon not in known]:
        raise InputError(f"the data have no {lacking[0]} scores; their horizons are {', '.join(known)}")
    columns = {horizon: ANNOTATION_COUNTS[horizon] for horizon in known}
    counts = {horizon: number_column(table[name]) for horizon, name in columns.items() if name in table.column_names}
    unknown = np.full(len(table), np.nan)
    labels = np.column_stack([number_column(table[horizon]) for horizon in horizons])
    wanted = np.column_stack([counts.get(horizon, unknown) for horizon in horizons])
    return Clips(list(table[VIDEO_ID]), [], labels, wanted, all_counts=counts)


def scored_horizons(
    data: str, split: str, features: Sequence[str] | None = None, options: dict[str, Any] | None = None
) -> tuple[Horizon, ...]:
    """Return the horizons of which the data have a score in a split; arguments and errors are those of `load_clips`."""
    table = _table(data, split, "videos" if features is None else config_of(features[0]), options)
    known = horizons_of(table.column_names)
    scores = read_scores(table, known).labels if known else np.empty((0, 0))
    return tuple(horizon for horizon, column in zip(known, scores.T, strict=True) if np.isfinite(column).any())


def load_images(folder: str, split: str, horizons: tuple[Horizon, ...], lamem_split: int = 1) -> Clips:
    """Load a split of LaMem, one of its five divisions: images with short-term scores, each a clip of one frame.

    Raises an InputError if the folder holds no LaMem, or `horizons` are without the short-term one.
    """
    from datasets import Image, load_dataset

    if "short_term" not in horizons:
        raise InputError("LaMem has short-term scores only; a model of long-term memorability cannot learn from it")
    table = load_dataset("lamem", f"split_{lamem_split}", data_dir=folder, split=split)
    table = table.cast_column("image", Image(decode=False))
    rows = [row for row in table.to_list() if row["image"]]
    if not rows:
        raise InputError(f"{folder}: no image of the split {split!r} is in this copy of LaMem")
    labels = np.full((len(rows), len(horizons)), np.nan)
    labels[:, horizons.index("short_term")] = [row["short_term"] for row in rows]
    sources: list[Source] = [StillImage(Path(row["image"]["path"])) for row in rows]
    return Clips([row["image_id"] for row in rows], sources, labels, np.full(labels.shape, np.nan))


def feature_columns(tables: Sequence[Any], names: Sequence[str]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Put feature columns side by side; each is taken from a table of its own, with the same rows.

    Returns `(rows, size)` float64 with NaN where a file was missing, and the numbers in each column. A column of
    varying length raises an InputError.
    """
    columns = []
    for table, name in zip(tables, names, strict=True):
        try:
            matrix = feature_matrix(table.with_format("arrow")[:][name])
        except InputError as error:
            raise InputError(f"the feature {name!r} cannot be joined into one vector: {error}") from None
        columns.append(matrix.reshape(len(matrix), -1).astype(np.float64))
    return np.concatenate(columns, axis=1), tuple(column.shape[1] for column in columns)


def fill_cache(accelerator: "Accelerator", cache: ClipCache, splits: Sequence[Clips], progress: bool) -> None:
    """Compute what is not in the cache yet, each process its share, and wait for the others.

    Raises on every process a FailedClipsError for the clips that failed on any, or an InputError for another error.
    """
    from accelerate.utils import gather_object

    sources = [source for clips in splits for source in clips.sources]
    share = sources[accelerator.process_index :: accelerator.num_processes]
    errors: list[tuple[str, dict[str, str]]] = []
    try:
        cache.fill(share, progress=progress and accelerator.is_main_process)
    except InputError as error:
        errors.append((str(error), error.failures if isinstance(error, FailedClipsError) else {}))
    if errors := gather_object(errors):
        message = "\n".join(text for text, _ in errors)
        if all(failures for _, failures in errors):
            raise FailedClipsError(message, {key: line for _, failures in errors for key, line in failures.items()})
        raise InputError(message)


def config_of(column: str) -> str:
    """The configuration of a feature column; aesthetics are two columns of one."""
    return "aesthetics" if column.startswith("aesthetics") else column


def _table(data: str, split: str, config: str, options: dict[str, Any] | None) -> Any:
    splits = open_splits(data, config, options)
    if split not in splits:
        raise InputError(f"{data}: there is no split {split!r}; there are {', '.join(splits)}")
    return splits[split]


def video_sources(table: Any, data: str) -> list[Source | None]:
    """The video of each row; an embedded one is read when it is needed."""
    from datasets import Video

    videos = table.cast_column(VIDEO, Video(decode=False))
    content = videos._fingerprint  # `datasets` has no public name for the state of a table
    sources: list[Source | None] = []
    for piece in videos.data.column(VIDEO).chunks:  # mapped from disk: embedded videos are not read here
        embedded, there = piece.field("bytes").is_valid().to_pylist(), piece.is_valid().to_pylist()
        for path, inside, present in zip(piece.field("path").to_pylist(), embedded, there, strict=True):
            row = len(sources)
            stored = StoredVideo(path or f"{data}, row {row}", f"{content}/{row}", partial(_read_video, videos, row))
            sources.append((stored if inside else _file_source(path)) if present else None)
    return sources


def _file_source(path: str) -> Source:
    return StillImage(Path(path)) if is_image(Path(path)) else path


def _read_video(table: Any, row: int) -> bytes:
    return table[row][VIDEO]["bytes"]


def number_column(column: Iterable[float | None]) -> np.ndarray:
    """A column of numbers as float64, NaN where it is null."""
    return np.array([np.nan if value is None else value for value in column], dtype=np.float64)

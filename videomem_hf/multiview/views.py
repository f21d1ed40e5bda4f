"""The views that a copy of the data allows: titles through a sentence encoder, and every feature that is a vector."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm.auto import tqdm

from videomem_hf.data.release.records import VideoRecord
from videomem_hf.data.release.splits import split_records, title_groups
from videomem_hf.data.scored_clips import Clips, config_of, feature_columns, open_splits
from videomem_hf.features.packaged import best_installed
from videomem_hf.features.title_views import EMBEDDING, WORDS, title_views
from videomem_hf.multiview.frame_views import clip_sources, frame_encoder, frame_view
from videomem_hf.schema import ANNOTATION_COUNTS, HORIZONS, TITLE, VIDEO_ID, Horizon, InputError

AUTO: Final = "auto"
_PLAIN: Final = ("scores", "videos", "all", "default")
FEWEST_WITH_VIEW: Final = 0.5
"""Share of the training clips that must have a feature for it to become a view by itself."""


@dataclass(frozen=True)
class ViewData:
    """All clips of all splits, with what is known of them.

    Attributes:
        video_ids: `(clips,)`.
        titles: `(clips,)`; None where unknown.
        scores, counts: `(clips, horizons)` float64; NaN where unknown.
        horizons: Those that some training clip has.
        splits: Name to indices of its clips.
        views: Name to `(clips, size)` float32; NaN rows lack the view.
        notes: What was left out, a sentence each.
        frame_encoder: The encoder whose view was extracted from the videos; empty for none.
    """

    video_ids: list[str]
    titles: list[str | None]
    scores: np.ndarray
    counts: np.ndarray
    horizons: tuple[Horizon, ...]
    splits: dict[str, np.ndarray]
    views: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()
    frame_encoder: str = ""

    def judged(self, rows: np.ndarray) -> Clips:
        """Some clips in the form in which predictors are judged."""
        seen = [x[rows] for name, x in self.views.items() if name not in (EMBEDDING, WORDS)]  # others may share a title
        features = np.concatenate(seen, axis=1) if seen else None
        return Clips([self.video_ids[row] for row in rows], [], self.scores[rows], self.counts[rows], features)

    def scored(self, split: str) -> np.ndarray:
        """Indices of the clips of a split that have a score and a view.

        Raises:
            InputError: There is no such split, or nothing in it.
        """
        if split not in self.splits:
            raise InputError(f"there is no split {split!r}; there are {', '.join(self.splits)}")
        rows = self.splits[split]
        seen = np.any([np.isfinite(x[rows]).all(axis=1) for x in self.views.values()], axis=0)
        rows = rows[np.isfinite(self.scores[rows]).any(axis=1) & seen]
        if len(rows) < 2:
            raise InputError(f"{len(rows)} clips of the split {split!r} have a score and a view; 2 are needed")
        return rows

    def title_labels(self) -> np.ndarray:
        """A number for each clip, the same for those of nearly one title."""
        labels = np.zeros(len(self.video_ids), np.int64)
        places = {video_id: place for place, video_id in enumerate(self.video_ids)}
        for label, group in enumerate(title_groups(self._records(range(len(self.video_ids))))):
            labels[[places[video_id] for video_id in group]] = label
        return labels

    def grouped(self, split: str, seed: int) -> "ViewData":
        """The clips of "train" and `split`, divided anew so that nearly equal titles stay together."""
        rows = np.concatenate([self.splits["train"], self.splits[split]])
        places = {self.video_ids[row]: row for row in rows}
        divided = split_records(self._records(rows), seed=seed, group_titles=True)
        parts = {name: np.array([places[record.video_id] for record in part]) for name, part in divided.items()}
        return replace(self, splits={"train": parts["train"], split: parts.get("validation", rows[:0])})

    def _records(self, rows: Any) -> list[VideoRecord]:
        return [VideoRecord(self.video_ids[row], "dev", self.titles[row]) for row in rows]


def load_view_data(
    data: str,
    views: str | Sequence[str] = "auto",
    title_encoder: str | None = None,
    options: dict[str, Any] | None = None,
    progress: bool = True,
    encoder: str | None = None,
) -> ViewData:
    """Load what the views of the user's data are made of.

    Args:
        data: As of `open_splits`.
        views: "auto", or names: `title` (its embedding and its words), `title_words` (these alone) and feature columns.
        title_encoder: None leaves titles out.
        options: Keywords of the data set.
        progress: Whether to show progress bars.
        encoder: Encoder of the videos' frames, by the name of its feature; None for none, "auto" for the best that is
            installed where `views` is "auto" and no feature of the clips is there.

    Raises:
        InputError: There is no such data, no view in it, or a view that is asked for cannot be had.
    """
    plain = open_splits(data, "scores", options)
    found = _records_of(plain)
    wanted = None if views == AUTO else list(views)
    of_titles = {EMBEDDING, WORDS} if wanted is None else {EMBEDDING, WORDS}.intersection(wanted)
    if wanted is not None and of_titles and title_encoder is None:
        raise InputError(f"views: {min(of_titles)} needs a title_encoder, and it is null")
    if encoder not in (None, AUTO):
        frame_encoder(encoder)
    notes: list[str] = []
    arrays: dict[str, np.ndarray] = {}
    if title_encoder and of_titles and any(found.titles):
        made = title_views(found.titles, title_encoder, progress)
        arrays |= made if EMBEDDING in of_titles else {WORDS: made[WORDS]}
    configs = feature_configs(data) if wanted is None else sorted({config_of(n) for n in wanted if n not in of_titles})
    train = found.splits["train"]
    for config in tqdm(configs, "reading features", unit="feature", disable=not progress, leave=False):
        for name, matrix in _feature_views(data, config, options, found.video_ids, wanted, notes).items():
            share = np.isfinite(matrix[train]).all(axis=1).mean()
            if share < FEWEST_WITH_VIEW and wanted is None:
                notes.append(f"{name} is left out: {share:.0%} of the training clips have it")
                continue
            arrays[name] = matrix
    extracted = ""
    if encoder is not None and (encoder != AUTO or wanted is None):
        extracted = _add_frames(arrays, encoder, data, options, found, notes, progress)
    if not arrays:
        reasons = "".join(f"; {note}" for note in notes)
        raise InputError(
            f"{data}: neither titles nor features are there to predict from{reasons}; `videomem extract CLIPS --out "
            f"{Path(data) / 'features'}` makes features of videos"
        )
    for note in notes:
        warnings.warn(note, stacklevel=2)
    order = [name for name in (EMBEDDING, WORDS, *sorted(arrays)) if name in arrays]
    ordered = {name: arrays[name] for name in dict.fromkeys(order)}
    return replace(found, views=ordered, notes=tuple(notes), frame_encoder=extracted)


def feature_configs(data: str) -> list[str]:
    """The features that the user's data have, by configuration name."""
    folder = Path(data)
    if (names := _prepared_configs(data)) is not None:
        return [name for name in names if name not in _PLAIN]
    from videomem_hf.data.feature_files.folders import feature_folders
    from videomem_hf.data.release.reader import open_release

    return list(feature_folders(open_release(folder).inventory))


def has_videos(data: str, options: dict[str, Any] | None = None) -> bool:
    """Whether any clip of the user's data has its video."""
    return _may_have_videos(data) and any(clip_sources(data, options))


def _may_have_videos(data: str) -> bool:
    if (names := _prepared_configs(data)) is not None:
        return "videos" in names
    from videomem_hf.data.release.reader import find_videos, open_release

    return bool(find_videos(open_release(Path(data))))


def _prepared_configs(data: str) -> list[str] | None:
    """The configurations of a prepared folder or of a data set on the Hub; None for a copy of the release."""
    folder = Path(data)
    if folder.exists() and not ((folder / "README.md").is_file() and any(folder.glob("**/*.parquet"))):
        return None
    from datasets import get_dataset_config_names

    return list(get_dataset_config_names(str(folder.resolve()) if folder.exists() else data))


def _add_frames(
    arrays: dict[str, np.ndarray],
    encoder: str,
    data: str,
    options: dict[str, Any] | None,
    found: ViewData,
    notes: list[str],
    progress: bool,
) -> str:
    """Add the view of the videos' frames, and name its encoder; empty where there is nothing to add."""
    automatic = encoder == AUTO
    if automatic and any(name not in (EMBEDDING, WORDS) and not name.startswith("title-") for name in arrays):
        return ""
    if not automatic and frame_encoder(encoder).folder in arrays:
        return ""
    sources = clip_sources(data, options, found.video_ids) if _may_have_videos(data) else []
    share = np.mean([sources[row] is not None for row in found.splits["train"]]) if any(sources) else 0.0
    if automatic and share < FEWEST_WITH_VIEW:
        if share:
            notes.append(f"the videos are left out: {share:.0%} of the training clips have one")
        return ""
    if not any(sources):
        raise InputError(f"{data}: no videos are there for frame_encoder={encoder}; null leaves frames out")
    name = best_installed() if automatic else encoder
    if name is None:
        notes.append("the videos are left out: no image encoder is installed (pip install 'videomem_hf[encoders]')")
        return ""
    made = frame_encoder(name)
    arrays[made.folder] = frame_view(made, sources, progress)
    return name


def _records_of(splits: Any) -> ViewData:
    """Ids, titles and scores of all splits, without views."""
    ids: list[str] = []
    titles: list[str | None] = []
    scores, counts, rows = [], [], {}
    for split, table in splits.items():
        columns = table.with_format("numpy")
        rows[split] = np.arange(len(ids), len(ids) + len(table))
        ids += list(table[VIDEO_ID])
        titles += list(table[TITLE])
        scores.append(np.column_stack([np.asarray(columns[h][:], np.float64) for h in HORIZONS]))
        counts.append(np.column_stack([_numbers(table[ANNOTATION_COUNTS[h]]) for h in HORIZONS]))
    if "train" not in rows:
        raise InputError(f"there is no split 'train' to learn from; there are {', '.join(rows)}")
    all_scores, all_counts = np.concatenate(scores), np.concatenate(counts)
    known = np.asarray(np.isfinite(all_scores[rows["train"]]).any(axis=0))
    if not known.any():
        raise InputError("no training clip has a score")
    horizons = tuple(h for h, there in zip(HORIZONS, known.tolist(), strict=True) if there)
    return ViewData(ids, titles, all_scores[:, known], all_counts[:, known], horizons, rows, {})


def _numbers(column: Any) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in column], np.float64)


def _feature_views(
    data: str,
    config: str,
    options: dict[str, Any] | None,
    video_ids: list[str],
    wanted: list[str] | None,
    notes: list[str],
) -> dict[str, np.ndarray]:
    """The columns of a configuration as `(clips, size)`; one that is no vector is left out with a note."""
    splits = open_splits(data, config, options)
    tables = list(splits.values())
    if [video_id for table in tables for video_id in table[VIDEO_ID]] != video_ids:
        raise InputError(f"{data}: the configuration {config!r} has other videos than the scores have")
    known = {VIDEO_ID, TITLE, *HORIZONS, *ANNOTATION_COUNTS.values()}
    arrays = {}
    for name in tables[0].column_names:
        if name in known or (wanted is not None and name not in wanted):
            continue
        try:
            parts = [feature_columns([table], [name])[0] for table in tables]
        except InputError as error:
            if wanted is not None:
                raise
            notes.append(f"{name} is left out: {error}")
            continue
        width = max(part.shape[1] for part in parts)
        whole = [part if part.shape[1] == width else np.full((len(part), width), np.nan) for part in parts]
        arrays[name] = np.concatenate(whole).astype(np.float32)
    if wanted is not None and config in wanted and not arrays:
        raise InputError(f"{data}: the configuration {config!r} has no column {config!r}")
    return arrays

"""The clips of all splits of the user's data, with their scores and views."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from videomem_hf.data.release.records import VideoRecord
from videomem_hf.data.release.splits import SplitOptions, split_records, title_groups
from videomem_hf.data.scored_clips import Clips, number_column
from videomem_hf.features.title_views import EMBEDDING, WORDS
from videomem_hf.multiview.training_arrays import has_view
from videomem_hf.schema import ANNOTATION_COUNTS, TITLE, VIDEO_ID, Horizon, InputError, horizons_of


@dataclass(frozen=True)
class ViewData:
    """The clips of all splits with their scores and views.

    Attributes:
        video_ids: `(clips,)`.
        titles: `(clips,)`; None where unknown.
        scores, counts: `(clips, horizons)` float64 scores and annotation counts; NaN where unknown.
        horizons: Those that some training clip has a score of.
        splits: Name to indices of its clips.
        views: Name to `(clips, size)`, the title's to `(clips, layers, size)`, float32; rows with NaN lack the view.
        notes: One sentence for each view that was left out.
        frame_encoder: The encoder of the view that was extracted from the videos; empty for none.
        title_encoder: The encoder of the view `title`; empty for none.
        title_layers: Its hidden layers in the view; none for its sentence embedding.
        failed: Ids of clips whose videos cannot be decoded, each with one line about it.
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
    title_encoder: str = ""
    title_layers: tuple[int, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)

    def clips(self, rows: np.ndarray) -> Clips:
        # Clips may share a title, so its views do not tell them apart.
        views = [x[rows] for name, x in self.views.items() if name not in (EMBEDDING, WORDS)]
        features = np.concatenate(views, axis=1) if views else None
        return Clips([self.video_ids[row] for row in rows], [], self.scores[rows], self.counts[rows], features)

    def rows_with_views(self, split: str) -> np.ndarray:
        """Indices of the clips of a split that have a view. Raises InputError where there is no such split."""
        if split not in self.splits:
            raise InputError(f"there is no split {split!r}; there are {', '.join(self.splits)}")
        rows = self.splits[split]
        return rows[np.any([has_view(x[rows]) for x in self.views.values()], axis=0)]

    def scored_rows(self, split: str) -> np.ndarray:
        """Indices of the clips of a split that have a score and a view. Raises InputError for fewer than 2."""
        rows = self.rows_with_views(split)
        rows = rows[np.isfinite(self.scores[rows]).any(axis=1)]
        if len(rows) < 2:
            raise InputError(f"{len(rows)} clips of the split {split!r} have a score and a view; at least 2 are needed")
        return rows

    def title_group_labels(self) -> np.ndarray:
        """A number for each clip, `(clips,)`, the same for clips of nearly equal titles."""
        labels = np.zeros(len(self.video_ids), np.int64)
        index = {video_id: row for row, video_id in enumerate(self.video_ids)}
        for label, group in enumerate(title_groups(self._records(range(len(self.video_ids))))):
            labels[[index[video_id] for video_id in group]] = label
        return labels

    def split_by_title(self, split: str, seed: int) -> "ViewData":
        """Divide the clips of "train" and `split` again, with nearly equal titles kept together."""
        rows = np.concatenate([self.splits["train"], self.splits[split]])
        index = {self.video_ids[row]: row for row in rows}
        divided = split_records(self._records(rows), SplitOptions(seed=seed, group_titles=True))
        parts = {name: np.array([index[record.video_id] for record in part]) for name, part in divided.items()}
        return replace(self, splits={"train": parts["train"], split: parts.get("validation", rows[:0])})

    def _records(self, rows: Any) -> list[VideoRecord]:
        return [VideoRecord(self.video_ids[row], "dev", self.titles[row]) for row in rows]


def read_scores(splits: Any) -> ViewData:
    """Read the ids, titles, scores and annotation counts of a `DatasetDict` of scores; there are no views yet.

    Raises:
        InputError: There is no training split, or no score in it.
    """
    if "train" not in splits:
        raise InputError(f"there is no split 'train'; there are {', '.join(splits)}")

    def whole(column: str) -> list[Any]:
        return [value for table in splits.values() for value in table[column]]

    ends = np.cumsum([0, *map(len, splits.values())])
    rows = {split: np.arange(*span) for split, span in zip(splits, pairwise(ends), strict=True)}
    names = horizons_of(splits["train"].column_names)
    if not names:
        raise InputError("the data have no column of scores; name data with some")
    all_scores = np.column_stack([number_column(whole(h)) for h in names])
    all_counts = np.column_stack([number_column(whole(ANNOTATION_COUNTS[h])) for h in names])
    known = np.asarray(np.isfinite(all_scores[rows["train"]]).any(axis=0))
    if not known.any():
        raise InputError("no training clip has a score")
    horizons = tuple(h for h, scored in zip(names, known.tolist(), strict=True) if scored)
    return ViewData(whole(VIDEO_ID), whole(TITLE), all_scores[:, known], all_counts[:, known], horizons, rows, {})

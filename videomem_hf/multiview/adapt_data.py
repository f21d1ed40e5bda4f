"""The clips of a new domain: their scores, what the base model says of them, and the vectors that kernels compare."""

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import torch
from tqdm.auto import tqdm

from videomem_hf.data.scored_clips import FRAME_CACHE, Clips, NoClipsError, load_clips, number_column, open_splits
from videomem_hf.evaluation.training_clips import clip_contents
from videomem_hf.inference.frame_statistics import FrameStatistics
from videomem_hf.inference.saliency import score_rows
from videomem_hf.inference.typicality import with_summaries
from videomem_hf.models.modeling_adapted import AdaptedModel, describe_clips
from videomem_hf.multiview.adapt_clips import ClipRows
from videomem_hf.multiview.predict import load_model_views
from videomem_hf.schema import Horizon, InputError, horizons_of
from videomem_hf.video.clip_cache import FailedClipsError
from videomem_hf.video.collate import ClipCollator
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.sources import identity_of

MOST_CLIPS: Final = 2_000
_MOST_ROWS: Final = 1_200
_MOST_ROWS_OF_CLIP: Final = 4
"""Vectors that stand for a clip in the kernel: its frames lie close together."""
_SEGMENTS_AT_A_TIME: Final = 32
_LEAST_SPREAD: Final = 1e-5
"""Deviation of a number, as a share of its largest size, below which it counts as constant."""


@dataclass(frozen=True)
class DomainClips:
    """Scored clips of a new domain as the base model sees them.

    Attributes:
        video_ids: `(clips,)`.
        scores, counts: `(clips, horizons)` measured scores and annotation counts; NaN where unknown.
        prior: `(clips, horizons)` scores by the base model.
        rows: Their vectors, scaled.
        factor: `(size,)`, by which they are scaled.
        described: Groups of numbers for typicality, `(clips, size)` each.
        curves: Of a model of frames each clip's `(frames, size)` features; empty for others.
        contents: Hashes of the clips' contents; empty where unknown.
        failed: A line about each clip that could not be read.
        splits: The splits that they are from.
    """

    video_ids: list[str]
    scores: np.ndarray
    counts: np.ndarray
    prior: np.ndarray
    rows: ClipRows
    factor: np.ndarray
    described: dict[str, np.ndarray]
    curves: list[np.ndarray] = field(repr=False, default_factory=list)
    contents: list[str] = field(default_factory=list)
    failed: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.video_ids)

    def of_columns(self, columns: Sequence[int]) -> "DomainClips":
        """The clips with a score of some horizons, by their columns, and these horizons alone."""
        chosen = list(columns)
        part = replace(self, scores=self.scores[:, chosen], counts=self.counts[:, chosen], prior=self.prior[:, chosen])
        return part.take(np.flatnonzero(np.isfinite(part.scores).any(axis=1)))

    def take(self, clips: np.ndarray) -> "DomainClips":
        """Some of the clips, by their indices."""
        return replace(
            self,
            video_ids=[self.video_ids[index] for index in clips],
            scores=self.scores[clips],
            counts=self.counts[clips],
            prior=self.prior[clips],
            rows=self.rows.take(clips),
            described={name: each[clips] for name, each in self.described.items()},
            curves=[self.curves[index] for index in clips] if self.curves else [],
            contents=[self.contents[index] for index in clips] if self.contents else [],
        )


@dataclass(frozen=True)
class DomainScores:
    """Which scores of a base model the data have.

    Attributes:
        horizons: Those that both have, in the model's order.
        splits: Splits with such a score.
        only_model, only_data: Horizons that one side alone has.
    """

    horizons: tuple[Horizon, ...]
    splits: tuple[str, ...]
    only_model: tuple[str, ...]
    only_data: tuple[str, ...]


def domain_scores(
    data: str, horizons: Sequence[Horizon], splits: Sequence[str] | None, options: dict[str, Any] | None
) -> DomainScores:
    """See which horizons of a model the data have scores of, and in which splits.

    Raises:
        InputError: There is no such data or split, or no score in them that the model predicts.
    """
    tables = open_splits(data, "scores", options)
    if unknown := [each for each in splits or () if each not in tables]:
        raise InputError(f"{data}: there is no split {unknown[0]!r}; there are {', '.join(tables)}")
    found: dict[str, set[str]] = {}
    for split in splits or tables:
        table = tables[split]
        for name in horizons_of(table.column_names):
            if np.isfinite(number_column(table[name])).any():
                found.setdefault(name, set()).add(split)
    common = tuple(each for each in horizons if each in found)
    if not common:
        have = f"scores of {', '.join(found)} alone" if found else "no scores"
        raise InputError(
            f"{data} has {have}, and the model predicts {', '.join(horizons)}; give data with one of these, or say "
            f"which column of a table is it: videomem describe {data} --column {horizons[0]}=COLUMN --save"
        )
    scored = set().union(*(found[each] for each in common))
    return DomainScores(
        common,
        tuple(each for each in tables if each in scored),
        tuple(each for each in horizons if each not in found),
        tuple(each for each in found if each not in horizons),
    )


class DomainReader:
    """Reads the clips of a new domain by a base model.

    Args:
        model: The base in an `AdaptedModel` whose correction is not fitted yet, on its device.
        processor: Its video processor; None for a model of features or of views.
        data, options: As of `open_splits`.
        frame_cache: Folder for decoded frames; None takes the user's.
        progress: Whether to show progress bars.
    """

    def __init__(
        self,
        model: AdaptedModel,
        processor: Any | None,
        data: str,
        options: dict[str, Any] | None = None,
        frame_cache: str | None = None,
        progress: bool = True,
    ) -> None:
        self.model, self.processor, self.data, self.options = model, processor, data, options
        self.frame_cache, self.progress = frame_cache, progress
        self.device = next(model.parameters()).device
        self.horizons: tuple[Any, ...] = tuple(model.config.horizons)

    def read(self, splits: Sequence[str]) -> DomainClips:
        """Read the scored clips of some splits; those that cannot be read are left out, and listed.

        Raises:
            InputError: No clip has what the model takes, or none can be read.
        """
        if self.model.config.base == "multiview":
            return self._read_views(splits)
        names = None if self.processor is not None else list(self.model.config.feature_names)
        parts = []
        for split in splits:
            try:
                parts.append(load_clips(self.data, split, self.horizons, features=names, options=self.options))
            except NoClipsError:
                if len(splits) == 1:
                    raise
        if not parts:
            what = "video" if names is None else "feature"
            raise InputError(f"{self.data}: no clip has both a score and a {what}; give data with both")
        return self._read_frames(parts, splits) if names is None else self._read_features(parts, splits)

    def _drawn(self, clips: int) -> np.ndarray:
        if clips > MOST_CLIPS:
            warnings.warn(
                f"{clips:,} clips: {MOST_CLIPS:,} of them, drawn at random, are used; with so many train a model "
                "(`videomem train --set init=MODEL`)",
                stacklevel=4,
            )
        return np.sort(np.random.default_rng(0).permutation(clips)[:MOST_CLIPS])

    def _read_frames(self, parts: list[Clips], splits: Sequence[str]) -> DomainClips:
        clips = parts[0]
        for part in parts[1:]:
            clips = clips + part
        clips = clips.take(self._drawn(len(clips)))
        cache = FrameCache(self.frame_cache or FRAME_CACHE, self.processor)
        failed: tuple[str, ...] = ()
        try:
            cache.fill(clips.sources, progress=self.progress)
        except FailedClipsError as error:
            kept = [i for i, source in enumerate(clips.sources) if identity_of(source) not in error.failures]
            if not kept:
                raise
            clips, failed = clips.take(kept), tuple(error.failures.values())
        self._measure_groups(cache.load(clips.sources[0]))
        curves, prior, described, rows, shares = [], [], [], [], []
        statistics = FrameStatistics(self.model)
        try:
            for source in tqdm(clips.sources, "embedding", unit="clip", disable=not self.progress, leave=False):
                features, groups = self._embed(cache.load(source), statistics)
                scores, weights = self._base_scores(features)
                curves.append(features.cpu().numpy())
                prior.append(scores)
                described.append(groups)
                chosen = _spread(len(features), self._rows_of_clip(len(clips)))
                rows.append(curves[-1][chosen])
                shares.append(weights[chosen] / weights[chosen].sum())
        finally:
            statistics.close()
        groups = {name: np.stack([each[name] for each in described]) for name in described[0]}
        vectors = _clip_rows(rows, shares, self.group_sizes)
        factor = _factor(vectors.rows)
        return DomainClips(
            clips.video_ids, clips.labels, clips.annotation_counts, np.stack(prior), vectors.scaled(factor), factor,
            groups, curves, clip_contents(clips, cache), failed, tuple(splits),
        )  # fmt: skip

    @property
    def group_sizes(self) -> tuple[int, ...]:
        return tuple(self.model.config.group_sizes)

    def _rows_of_clip(self, clips: int) -> int:
        return max(1, min(_MOST_ROWS_OF_CLIP, _MOST_ROWS // clips))

    def _measure_groups(self, frames: np.ndarray) -> None:
        """See how many numbers the base's features of a frame or segment have, and its maps' moments."""
        with torch.inference_mode():
            segment = self._segments(frames)[:1].flatten(0, 1).to(self.device)
            length = self.processor.segment_length  # type: ignore[union-attr]
            own = segment if length == 1 else segment.unflatten(0, (-1, length)).transpose(1, 2)
            size = self.model.base.embed_frames(own.to(self.model.base.dtype))[0].shape[1]
            total = self.model.embed_frames(segment)[0].shape[1]
        self.model.config.group_sizes = [size, total - size] if total > size else [size]

    def _segments(self, frames: np.ndarray) -> torch.Tensor:
        """A clip's frames as the base takes them, `(rows, segment_length, 3, height, width)`."""
        assert self.processor is not None
        pixels = ClipCollator(self.processor)([{"frames": frames}])["pixel_values_videos"][0]
        return pixels.unflatten(0, (-1, self.processor.segment_length))

    def _embed(self, frames: np.ndarray, statistics: FrameStatistics) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
        """Features `(rows, size)` of a clip's frames or segments, and the means of what describes them."""
        features, numbers = [], []
        for segments in self._segments(frames).split(_SEGMENTS_AT_A_TIME):
            with torch.inference_mode():
                features.append(score_rows(self.model, segments.to(self.device))[0].float())
            numbers.append(statistics.describe(segments))
        means = {name: torch.cat([each[name] for each in numbers]).double().mean(dim=0).numpy() for name in numbers[0]}
        return torch.cat(features), means

    def _base_scores(self, features: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The base's scores `(horizons,)` of a clip with these features, and how much each of them counts."""
        with torch.inference_mode():
            output = self.model.score_by_base(features[None])
        weights = getattr(output, "temporal_weights", None)
        shares = np.full(len(features), 1 / len(features)) if weights is None else weights[0].double().cpu().numpy()
        assert output.scores is not None
        return output.scores[0, self.model.columns].double().cpu().numpy(), shares

    def _read_features(self, parts: list[Clips], splits: Sequence[str]) -> DomainClips:
        config = self.model.config
        sizes = list(config.feature_sizes)
        if wrong := [part for part in parts if list(part.feature_sizes) != sizes]:
            raise InputError(
                f"{self.data}: the features {', '.join(config.feature_names)} have {list(wrong[0].feature_sizes)} "
                f"numbers, the model takes {sizes}; extract them as for the model"
            )
        matrix = np.concatenate([part.features for part in parts if part.features is not None])
        drawn = self._drawn(len(matrix))
        ids = list(itertools.chain.from_iterable(part.video_ids for part in parts))
        labels, counts = (np.concatenate([getattr(part, name) for part in parts])[drawn] for name in _MEASURED)
        columns = np.split(matrix[drawn], np.cumsum(sizes)[:-1], axis=1)
        described = with_summaries(dict(zip(config.feature_names, columns, strict=True)))
        contents = [each for part in parts for each in clip_contents(part)]
        return self._of_vectors(
            [ids[index] for index in drawn], labels, counts, described, [contents[index] for index in drawn],
            tuple(splits), features=torch.from_numpy(matrix[drawn]),
        )  # fmt: skip

    def _read_views(self, splits: Sequence[str]) -> DomainClips:
        found = load_model_views(self.model, self.data, self.options, self.progress, leave_out_failed=True)
        rows = np.concatenate([found.rows_with_views(split) for split in splits])
        columns = [list(found.horizons).index(each) for each in self.horizons]
        rows = rows[np.isfinite(found.scores[rows][:, columns]).any(axis=1)]
        if not len(rows):
            raise InputError(f"{self.data}: no clip has both a score and a view of the model; give data with both")
        rows = rows[self._drawn(len(rows))]
        views = {name: x[rows] for name, x in found.views.items() if name in self.model.config.view_names}
        described = with_summaries({name: x.reshape(len(rows), -1) for name, x in views.items()})
        tensors = {name: torch.from_numpy(np.asarray(x, np.float32)) for name, x in views.items()}
        return self._of_vectors(
            [found.video_ids[row] for row in rows], found.scores[rows][:, columns], found.counts[rows][:, columns],
            described, clip_contents(found.clips(rows)), tuple(splits), tuple(found.failed.values()), views=tensors,
        )  # fmt: skip

    def _of_vectors(
        self,
        ids: list[str],
        scores: np.ndarray,
        counts: np.ndarray,
        described: dict[str, np.ndarray],
        contents: list[str],
        splits: tuple[str, ...],
        failed: tuple[str, ...] = (),
        **given: Any,
    ) -> DomainClips:
        """Clips of which each has one vector; `given` is what the base model takes of all of them."""
        inputs = {
            name: {key: x.to(self.device) for key, x in each.items()}
            if isinstance(each, dict)
            else each.to(self.device)
            for name, each in given.items()
        }
        with torch.inference_mode():
            prior = self.model.base(**inputs).scores[:, self.model.columns].double().cpu().numpy()
            vectors = describe_clips(self.model.base, **inputs).cpu().numpy()
        # Views are as the base's own kernels compare them.
        factor = np.ones(vectors.shape[1], np.float32) if "views" in given else _factor(vectors)
        rows = ClipRows(vectors, np.arange(len(ids)), np.ones(len(ids)), self.group_sizes).scaled(factor)
        return DomainClips(ids, scores, counts, prior, rows, factor, described, [], contents, failed, splits)


_MEASURED: Final = ("labels", "annotation_counts")


def _spread(count: int, most: int) -> np.ndarray:
    """Indices of at most so many of a clip's frames, from the middles of equal parts of it."""
    return np.arange(count) if count <= most else ((np.arange(most) + 0.5) * count / most).astype(int)


def _clip_rows(rows: list[np.ndarray], shares: list[np.ndarray], group_sizes: tuple[int, ...]) -> ClipRows:
    owner = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
    return ClipRows(np.concatenate(rows), owner, np.concatenate(shares), group_sizes)


def _factor(rows: np.ndarray) -> np.ndarray:
    """What brings each number of vectors `(rows, size)` to a deviation of 1; 0 for one that never varies."""
    spread = rows.std(axis=0)
    varies = spread > _LEAST_SPREAD * np.abs(rows).max(axis=0, initial=1e-12)
    return np.where(varies, 1 / np.where(varies, spread, 1), 0).astype(np.float32)

"""Loading the views of the user's data: titles, every feature that is a vector, and frames through an encoder."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from tqdm.auto import tqdm

from videomem_hf.data.feature_files.folders import NO_FEATURES
from videomem_hf.data.identify import configs_of
from videomem_hf.data.scored_clips import check_data, config_of, feature_columns, is_divided, open_splits, video_sources
from videomem_hf.features.packaged import best_installed
from videomem_hf.features.title_views import EMBEDDING, WORDS, default_layers, title_views, word_view
from videomem_hf.multiview.config import AUTO
from videomem_hf.multiview.frame_views import frame_encoder, frame_view
from videomem_hf.multiview.view_data import ViewData, read_scores
from videomem_hf.schema import VIDEO_ID, InputError
from videomem_hf.video.sources import Source, identity_of

VIDEOS: Final = "videos"
"""Configuration of the videos."""
_TITLE_VIEWS: Final = (EMBEDDING, WORDS)
MIN_SHARE_WITH_VIEW: Final = 0.5
"""Share of the training clips that must have a feature for it to become a view by default."""


def load_view_data(
    data: str,
    views: str | Sequence[str] = AUTO,
    title_encoder: str | None = None,
    options: dict[str, Any] | None = None,
    progress: bool = True,
    encoder: str | None = None,
    leave_out_failed: bool = False,
    title_layers: Sequence[int] | None = None,
) -> ViewData:
    """Load the views that the user's data have.

    Args:
        data: As in `open_splits`.
        views: "auto", or names: `title`, `title_words` (counts of its words, in no model unless asked for) and feature
            columns.
        title_encoder: None leaves titles out.
        options: Keywords of the data set.
        progress: Whether to show progress bars.
        encoder: Encoder of the videos' frames, by the name of its feature; None for none; "auto" for the best installed
            one where `views` is "auto" and the clips have no feature.
        leave_out_failed: Whether clips that cannot be decoded lack the view of frames, and are listed in `failed`.
        title_layers: See `features.title_views`.

    Raises:
        InputError: There is no such data, no view in it, a requested view is not available, or a clip cannot be
            decoded.

    Warns:
        UserWarning: A view is left out.
    """
    requested = None if views == AUTO else list(views)
    clips = read_scores(open_splits(data, "scores", options))
    if encoder not in (None, AUTO):
        frame_encoder(encoder)
    source = _ViewSource(data, options, clips, requested, progress, leave_out_failed)
    arrays, layers = source.title_views(title_encoder, title_layers)
    arrays |= source.feature_views()
    extracted = ""
    if encoder is not None and (encoder != AUTO or requested is None):
        extracted = source.add_frames(arrays, encoder)
    if not arrays:
        reasons = "".join(f"; {note}" for note in source.notes)
        raise InputError(
            f"{data}: there are neither titles nor features to predict from{reasons}; `videomem extract CLIPS --out "
            f"{Path(data) / 'features'}` makes features of videos"
        )
    for note in source.notes:
        warnings.warn(note, stacklevel=2)
    ordered = {name: arrays[name] for name in dict.fromkeys((*_TITLE_VIEWS, *sorted(arrays))) if name in arrays}
    return replace(
        clips, views=ordered, notes=tuple(source.notes), frame_encoder=extracted, failed=source.failed,
        title_encoder=title_encoder or "" if EMBEDDING in ordered else "", title_layers=layers,
    )  # fmt: skip


@dataclass(frozen=True)
class _ViewSource:
    """Where views come from: the user's data, the clips in it, and the views that are requested (None for all).

    `notes` and `failed` are filled while views are loaded; see `ViewData`.
    """

    data: str
    options: dict[str, Any] | None
    clips: ViewData
    requested: list[str] | None
    progress: bool
    leave_out_failed: bool
    notes: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def title_views(
        self, encoder: str | None, layers: Sequence[int] | None
    ) -> tuple[dict[str, np.ndarray], tuple[int, ...]]:
        """The views of titles, and the hidden layers that `title` consists of."""
        names = {EMBEDDING} if self.requested is None else set(_TITLE_VIEWS).intersection(self.requested)
        if self.requested is not None and EMBEDDING in names and encoder is None:
            raise InputError(f"views: {EMBEDDING} needs a title_encoder, and it is null")
        arrays: dict[str, np.ndarray] = {}
        chosen: tuple[int, ...] = ()
        if EMBEDDING in names and encoder and any(self.clips.titles):
            chosen = default_layers(encoder) if layers is None else tuple(layers)
            arrays |= title_views(self.clips.titles, encoder, self.progress, layers=chosen)
        if WORDS in names and any(self.clips.titles):
            arrays[WORDS] = word_view(self.clips.titles)
        return arrays, chosen

    def feature_views(self) -> dict[str, np.ndarray]:
        """The feature columns that are vectors and that enough training clips have, or all that are requested."""
        if self.requested is None:
            configs = feature_configs(self.data)
        else:
            configs = sorted({config_of(name) for name in self.requested if name not in _TITLE_VIEWS})
        train = self.clips.splits["train"]
        arrays = {}
        for config in tqdm(configs, "reading features", unit="feature", disable=not self.progress, leave=False):
            for name, matrix in self._columns(config).items():
                share = np.isfinite(matrix[train]).all(axis=1).mean()
                if share < MIN_SHARE_WITH_VIEW and self.requested is None:
                    self.notes.append(f"{name} is left out: {share:.0%} of the training clips have it")
                else:
                    arrays[name] = matrix
        return arrays

    def _columns(self, config: str) -> dict[str, np.ndarray]:
        """The columns of a configuration as `(clips, size)`; one that is not a vector is left out with a note."""
        tables = list(open_splits(self.data, config, self.options).values())
        if [video_id for table in tables for video_id in table[VIDEO_ID]] != self.clips.video_ids:
            raise InputError(f"{self.data}: the configuration {config!r} has other videos than the scores have")
        known = set(next(iter(open_splits(self.data, "scores", self.options).values())).column_names)
        arrays = {}
        for name in tables[0].column_names:
            if name in known or (self.requested is not None and name not in self.requested):
                continue
            try:
                parts = [feature_columns([table], [name])[0] for table in tables]
            except InputError as error:
                if self.requested is not None:
                    raise
                self.notes.append(f"{name} is left out: {error}")
                continue
            width = max(part.shape[1] for part in parts)
            whole = [part if part.shape[1] == width else np.full((len(part), width), np.nan) for part in parts]
            arrays[name] = np.concatenate(whole).astype(np.float32)
        if self.requested is not None and config in self.requested and not arrays:
            raise InputError(f"{self.data}: the configuration {config!r} has no column {config!r}")
        return arrays

    def add_frames(self, arrays: dict[str, np.ndarray], encoder: str) -> str:
        """Add the view of the videos' frames; returns the name of its encoder, empty if nothing was added."""
        automatic = encoder == AUTO
        if automatic and any(name not in _TITLE_VIEWS and not name.startswith("title-") for name in arrays):
            return ""
        if not automatic and frame_encoder(encoder).folder in arrays:
            return ""
        video_ids, sources = load_sources(self.data, self.options)
        if sources and video_ids != self.clips.video_ids:
            raise InputError(f"{self.data}: the configuration {VIDEOS!r} has other videos than the scores have")
        share = np.mean([sources[row] is not None for row in self.clips.splits["train"]]) if sources else 0.0
        if automatic and share < MIN_SHARE_WITH_VIEW:
            if share:
                self.notes.append(f"the videos are left out: {share:.0%} of the training clips have one")
            return ""
        if not sources:
            raise InputError(f"{self.data}: there are no videos for frame_encoder={encoder}; null leaves frames out")
        name = best_installed() if automatic else encoder
        if name is None:
            hint = "no image encoder is installed (pip install 'videomem_hf[encoders]')"
            self.notes.append(f"the videos are left out: {hint}")
            return ""
        spec = frame_encoder(name)
        failures: dict[str, str] = {}
        arrays[spec.folder] = frame_view(spec, sources, self.progress, failures if self.leave_out_failed else None)
        for video_id, source in zip(self.clips.video_ids, sources, strict=True):
            if source is not None and identity_of(source) in failures:
                self.failed[video_id] = failures[identity_of(source)]
        return name


def feature_configs(data: str) -> list[str]:
    """Configuration names of the features that the user's data have."""
    return [name for name in _configs(data) if name not in NO_FEATURES]


def load_sources(data: str, options: dict[str, Any] | None = None) -> tuple[list[str], list[Source | None]]:
    """The ids and videos of all clips, None where one is missing; nothing where no clip has one."""
    tables = list(open_splits(data, VIDEOS, options).values()) if VIDEOS in _configs(data) else []
    sources = [source for table in tables for source in video_sources(table, data)]
    return ([video_id for table in tables for video_id in table[VIDEO_ID]], sources) if any(sources) else ([], [])


def _configs(data: str) -> list[str]:
    """Names of configurations; of a copy of the release those of its features, and of its videos if it has any."""
    folder = Path(data)
    check_data(data)
    if is_divided(data):
        from datasets import get_dataset_config_names

        return list(get_dataset_config_names(str(folder.resolve()) if folder.exists() else data))
    return configs_of(folder)

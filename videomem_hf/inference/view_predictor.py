"""From a clip and its title to the prediction of a multi-view model; what cannot be had of a clip is left out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch

from videomem_hf.features.catalogue import feature_spec
from videomem_hf.features.extract import ColumnExtractor
from videomem_hf.features.title_views import EMBEDDING, WORDS, embed_titles, plain_title, word_counts
from videomem_hf.inference.feature_predictor import FeaturePredictor
from videomem_hf.inference.prediction import Prediction
from videomem_hf.inference.sources import ClipSource, clip_name
from videomem_hf.schema import Horizon, InputError
from videomem_hf.video.video import Frame, VideoError, VideoSource

MULTIVIEW: Final = "multiview"
_OF_TITLES: Final = (EMBEDDING, WORDS)


class ViewPredictor(FeaturePredictor):
    """A loaded multi-view model that scores clips by the views that can be had of them.

    Args:
        model: A `MultiViewModel`.
        name: Stands in the predictions.
        device: "cpu", "cuda", ...; None takes a GPU if there is one.
        titles: One title for all clips, or a title for each by the path or name that it is given by.

    Raises:
        InputError: No view of the model can be had of any clip.
    """

    def __init__(
        self, model: Any, name: str, device: str | None = None, titles: str | Mapping[str, str] | None = None
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.name = name
        self.horizons: tuple[Horizon, ...] = tuple(model.config.horizons)
        self.titles = titles
        self.extractors: dict[str, ColumnExtractor] = {}
        self.missing: dict[str, str] = {}
        encoder = model.config.frame_encoder
        extracted = {feature_spec(encoder).folder: encoder} if encoder else {}
        for view in model.config.view_names:
            if view in _OF_TITLES:
                continue
            try:
                self.extractors[view] = ColumnExtractor([view], str(self.device), extracted)
            except InputError as error:
                self.missing[view] = str(error)
        if not titles and not self.extractors:
            known = set(model.config.view_names) & set(_OF_TITLES)
            reasons = "; ".join(self.missing.values())
            raise InputError(
                f"{name}: predicts from {', '.join(model.config.view_names)}, none of which can be had of a clip alone"
                + (f" ({reasons})" if reasons else "")
                + ("; give its title with --title" if known else "")
            )

    def predict(
        self,
        source: ClipSource,
        stills: int = 0,
        on_frame: Callable[[Frame], None] | None = None,
        maps: bool = False,
    ) -> Prediction:
        """Score a clip; arguments and errors are those of the base class. The notes name what was left out."""
        source = self._checked(source)
        views, notes = self.views_of(source)
        if not views:
            raise VideoError(f"{clip_name(source)}: {' '.join(notes)}")
        tensors = {name: torch.from_numpy(x)[None].to(self.device) for name, x in views.items()}
        try:
            with torch.inference_mode():
                output = self.model(views=tensors)
        except ValueError as error:
            raise VideoError(f"{clip_name(source)}: {error}") from None
        row = output.scores[0].double().cpu().numpy()
        ends = output.intervals[0].double().cpu().tolist()
        intervals = {horizon: (low, high) for horizon, (low, high) in zip(self.horizons, ends, strict=True)}
        return replace(self._prediction(source, row, stills, notes), intervals=intervals)

    def views_of(self, source: VideoSource) -> tuple[dict[str, np.ndarray], list[str]]:
        """The views that a clip has, `(size,)` float32 each, and why it lacks the others."""
        views: dict[str, np.ndarray] = {}
        notes = [f"Without {view}: {reason}." for view, reason in self.missing.items()]
        config = self.model.config
        title = plain_title(self._title(source))
        if EMBEDDING in config.view_names and title:
            views[EMBEDDING] = embed_titles([title], config.title_encoder, device=str(self.device))[0]
        if WORDS in config.view_names and title:
            views[WORDS] = word_counts([title], config.view_sizes[list(config.view_names).index(WORDS)])[0]
        if set(_OF_TITLES) & set(config.view_names) and not title:
            notes.append("Without its title: none is given.")
        for view, extract in self.extractors.items():
            columns, odd = extract(source)
            views[view] = columns[view].astype(np.float32)
            notes += [note for note in odd if note not in notes]
        return views, notes

    def _title(self, source: VideoSource) -> str | None:
        if isinstance(self.titles, Mapping):
            return self.titles.get(str(source)) or self.titles.get(clip_name(source))
        return self.titles

"""From a clip and its title to the prediction of a multi-view model; what cannot be had of a clip is left out."""

from typing import Any, ClassVar, Final

import numpy as np

from videomem_hf.features.catalogue import feature_spec
from videomem_hf.features.extract import ColumnExtractor
from videomem_hf.features.title_views import EMBEDDING, WORDS, embed_titles, plain_title, word_counts
from videomem_hf.inference.feature_predictor import FeaturePredictor, as_floats
from videomem_hf.inference.typicality import with_distances
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError, VideoSource, source_name

_OF_TITLES: Final = (EMBEDDING, WORDS)


class ViewPredictor(FeaturePredictor):
    """A loaded multi-view model that scores clips by the views that are available for them; notes name missing ones.

    Args:
        model: A `MultiViewModel`, which computes prediction intervals itself.

    Raises:
        InputError: No view of the model can be computed from clips.
    """

    argument: ClassVar[str] = "views"

    def _load_extractors(self) -> None:
        self.extractors: dict[str, ColumnExtractor] = {}
        self.missing: dict[str, str] = {}
        config = self.model.config
        extracted = {feature_spec(config.frame_encoder).folder: config.frame_encoder} if config.frame_encoder else {}
        for view in config.view_names:
            if view in _OF_TITLES:
                continue
            try:
                self.extractors[view] = ColumnExtractor([view], str(self.device), extracted)
            except InputError as error:
                self.missing[view] = str(error)
        if not self.reads_titles and not self.extractors:
            reasons = "; ".join(self.missing.values())
            raise InputError(
                f"{self.name}: predicts from {', '.join(config.view_names)}, none of which can be had of a clip alone"
                + (f" ({reasons})" if reasons else "")
            )

    def _extract(self, source: VideoSource, title: str | None) -> tuple[dict[str, np.ndarray], list[str]]:
        """The views that a clip has, `(size,)` or `(parts, size)` float32 each, and why it lacks the others."""
        notes = [f"Without {view}: {reason}." for view, reason in self.missing.items()]
        views = self._views_of_title(plain_title(title))
        if self.reads_titles and not views:
            notes.append("Without its title: none is given (see --title and --titles).")
        for view, extract in self.extractors.items():
            columns, odd = extract(source)
            views[view] = columns[view].astype(np.float32)
            notes += [note for note in odd if note not in notes]
        if not views:
            raise VideoError(f"{source_name(source)}: {' '.join(notes)}")
        return views, notes

    def _views_of_title(self, title: str) -> dict[str, np.ndarray]:
        config = self.model.config
        views: dict[str, np.ndarray] = {}
        if title and EMBEDDING in config.view_names:
            layers = tuple(config.title_layers)
            views[EMBEDDING] = embed_titles([title], config.title_encoder, device=str(self.device), layers=layers)[0]
        if title and WORDS in config.view_names:
            views[WORDS] = word_counts([title], config.view_sizes[list(config.view_names).index(WORDS)])[0]
        return views

    def _describe(self, values: dict[str, np.ndarray], output: Any) -> dict[str, np.ndarray]:
        described = super()._describe(values, output)
        if getattr(output, "explained", None) is None:
            return described
        return with_distances(described, as_floats(output.explained), self.model.config)

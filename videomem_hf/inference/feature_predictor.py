"""From a clip to the prediction of a model of features, which are extracted from the clip first."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, ClassVar

import numpy as np

from videomem_hf.features.catalogue import reads_titles
from videomem_hf.features.extract import ColumnExtractor
from videomem_hf.inference.clip_predictor import ClipPredictor, Options
from videomem_hf.inference.intervals import LEVEL
from videomem_hf.inference.prediction import Intervals, Prediction, Still
from videomem_hf.inference.selection import EvenSelection
from videomem_hf.inference.sources import ClipSource, input_name, open_source, row_title
from videomem_hf.inference.typicality import with_summaries
from videomem_hf.schema import Horizon
from videomem_hf.video.video import Frame, VideoError, VideoSource, sample_frames


class FeaturePredictor(ClipPredictor):
    """A loaded model of features that scores clips; arguments and errors are those of the base class.

    Args:
        model: Its `forward` takes feature columns; its config names them.
    """

    argument: ClassVar[str] = "features"
    """Of the model's `forward`."""

    @property
    def scores_frames(self) -> bool:
        """False: features describe the whole clip."""
        return False

    def _load_extractors(self) -> None:
        self._extractor = ColumnExtractor(self.model.config.feature_names, str(self.device))

    @property
    def reads_titles(self) -> bool:
        """Whether one of the features is computed from titles."""
        return reads_titles(self.model.config.to_dict())

    def extract(self, source: ClipSource, title: str | None = None) -> tuple[dict[str, np.ndarray], list[str]]:
        return self._extract(self._open_file(source), title or row_title(source) or self.title)

    def _extract(self, source: VideoSource, title: str | None) -> tuple[dict[str, np.ndarray], list[str]]:
        return self._extractor(source, title)

    def _open_file(self, source: ClipSource) -> VideoSource:
        opened = open_source(source)
        if isinstance(opened, np.ndarray):
            raise VideoError(f"{self.name} reads features, which are extracted from the video file: give that")
        return opened

    def _predict_each(self, titled: Iterable[tuple[ClipSource, str | None]], options: Options) -> Iterator[Prediction]:
        for source, title in titled:
            yield self.attempt(source, partial(self._predict_clip, source, title, options), options)

    def _predict_clip(self, source: ClipSource, title: str | None, options: Options) -> Prediction:
        file, name = self._open_file(source), input_name(source)
        values, notes = self._extract(file, title)
        try:
            output = self._run(values)
        except ValueError as error:  # of another size than the model was trained on: an LBP that lacks a pattern, say
            raise VideoError(f"{name}: {error}") from None
        row = as_floats(output.scores[0])
        scores = dict(zip(self.horizons, row.tolist(), strict=True))
        stills = EvenSelection[Frame](options.stills)
        for frame in sample_frames(file) if options.stills else ():
            stills.offer(frame)
        intervals, level = self._intervals(output, scores)
        prediction = Prediction(
            source=name,
            model=self.name,
            scores=scores,
            times_s=np.zeros(1),
            frame_scores=row[None],
            stills=tuple(Still(frame.time_s, scores, frame.image) for frame in stills.choose()),
            notes=self.notes(name, notes, options.maps),
            intervals=intervals,
            interval_level=level,
        )
        return self.with_claims(prediction, self._describe(values, output))

    def _run(self, values: dict[str, np.ndarray]) -> Any:
        """The model's output for the columns of a clip, which have no batch axis."""
        import torch

        tensors = {key: torch.from_numpy(value)[None].to(self.device) for key, value in values.items()}
        with torch.inference_mode():
            return self.model(**{self.argument: tensors})

    def _describe(self, values: dict[str, np.ndarray], output: Any) -> dict[str, np.ndarray]:
        """The groups of numbers by which a clip is compared with the training clips, `(1, size)` each."""
        return with_summaries({key: value.reshape(1, -1) for key, value in values.items()})

    def _intervals(self, output: Any, scores: dict[Horizon, float]) -> tuple[Intervals | None, float]:
        """The prediction intervals that the model gives, and the share of measured scores that lie in them."""
        if getattr(output, "intervals", None) is None:
            return None, LEVEL
        ends = as_floats(output.intervals[0]).tolist()
        intervals = {horizon: (low, high) for horizon, (low, high) in zip(self.horizons, ends, strict=True)}
        return intervals, self.interval_level


def as_floats(values: Any) -> np.ndarray:
    """A tensor on any device, or an array, as a float64 array."""
    return np.asarray(values.double().cpu().numpy() if hasattr(values, "cpu") else values, np.float64)

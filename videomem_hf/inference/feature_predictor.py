"""From a clip to the prediction of a model of features, which are extracted from the clip first."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch

from videomem_hf.features.extract import ColumnExtractor
from videomem_hf.inference.calibration import Calibration
from videomem_hf.inference.prediction import Prediction, Still
from videomem_hf.inference.sources import ClipSource, check_source, clip_name
from videomem_hf.schema import Horizon
from videomem_hf.video.video import Frame, VideoError, VideoSource, sample_frames


class FeaturePredictor:
    """A loaded model of features that scores clips.

    Args:
        model: A memorability predictor whose `forward` takes feature columns; its config names them.
        name: Stands in the predictions.
        device: "cpu", "cuda", ...; None takes a GPU if there is one.
        calibration: Gives the predictions their intervals, if it is known.

    Raises:
        InputError: A feature cannot be extracted from a clip, or what it needs is missing.
    """

    saliency_method: str | None = None
    """The model sees no frames."""

    def __init__(
        self, model: Any, name: str, device: str | None = None, calibration: Calibration | None = None
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.name = name
        self.calibration = calibration or Calibration({})
        self.horizons: tuple[Horizon, ...] = tuple(model.config.horizons)
        self.extract = ColumnExtractor(model.config.feature_names, str(self.device))

    def predict(
        self,
        source: ClipSource,
        stills: int = 0,
        on_frame: Callable[[Frame], None] | None = None,
        maps: bool = False,
    ) -> Prediction:
        """Score a clip.

        Args:
            source: A path, the bytes of a video file, or an open binary file; features are not defined for some frames.
            stills: How many frames to return, without saliency: the model sees none. All have the clip's score.
            on_frame: Not called: no frame is scored by itself.
            maps: Gives none: the model sees no frames.

        Raises:
            VideoError: The clip cannot be decoded, or a feature not be had of it.
            InputError: The source is no clip.
        """
        source = self._checked(source)
        columns, notes = self.extract(source)
        features = {name: torch.from_numpy(values)[None].to(self.device) for name, values in columns.items()}
        try:
            with torch.inference_mode():
                row = self.model(features=features).scores[0].double().cpu().numpy()
        except ValueError as error:  # of another size than the model was trained on: an LBP that lacks a pattern, say
            raise VideoError(f"{clip_name(source)}: {error}") from None
        prediction = self._prediction(source, row, stills, notes)
        return replace(prediction, intervals=self.calibration.intervals(prediction.scores))

    def _checked(self, source: ClipSource) -> VideoSource:
        """Refuse what is no video file."""
        check_source(source)
        if isinstance(source, np.ndarray):
            raise VideoError(f"{self.name} reads features, which are extracted from the video file: give that")
        return source

    def _prediction(self, source: VideoSource, row: np.ndarray, stills: int, notes: Sequence[str]) -> Prediction:
        """A prediction of the scores `(horizons,)` of a whole clip, with its first frames as stills."""
        scores = dict(zip(self.horizons, row.tolist(), strict=True))
        frames = islice(sample_frames(source), stills) if stills else ()
        return Prediction(
            source=clip_name(source),
            model=self.name,
            scores=scores,
            times_s=np.zeros(1),
            frame_scores=row[None],
            stills=tuple(Still(frame.time_s, scores, frame.image) for frame in frames),
            notes=tuple(notes),
        )

    def predict_many(
        self,
        sources: Iterable[ClipSource],
        stills: int = 0,
        on_frame: Callable[[Frame], None] | None = None,
        maps: bool = False,
    ) -> Iterator[Prediction]:
        """Score clips one after the other; arguments and errors are those of `predict`."""
        return (self.predict(source, stills, on_frame, maps) for source in sources)

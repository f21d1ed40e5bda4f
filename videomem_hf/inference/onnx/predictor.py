"""From the frames of a clip to its prediction by an exported network."""

from itertools import groupby
from typing import Any

import numpy as np

from videomem_hf.inference.clip_frames import ClipOutput, Piece
from videomem_hf.inference.clip_predictor import Options
from videomem_hf.inference.onnx.network import OnnxNetwork
from videomem_hf.inference.onnx.processing import FrameProcessor
from videomem_hf.inference.predictor import Predictor
from videomem_hf.inference.sources import ClipSource
from videomem_hf.models.export_names import FRAME_SCORES, INTERVALS, PIXELS, TEMPORAL_WEIGHTS


class OnnxPredictor(Predictor):
    """An exported model of frames that scores clips as `Predictor` does; maps are those of models with attention."""

    model: OnnxNetwork
    processor: FrameProcessor

    def _place(self, model: Any, device: str | None) -> None:
        self.device, self.model = "cpu", model

    def _load_statistics(self) -> None:
        return None

    @property
    def why_no_maps(self) -> str:
        if self.model.has_attention:
            return super().why_no_maps
        return f"{self.name} was exported without attention; Grad-CAM needs the original model and --engine local"

    def extract(self, source: ClipSource, title: str | None = None) -> tuple[dict[str, np.ndarray], list[str]]:
        pieces, notes = self.read_pieces(source)
        pixels = self._input(pieces)
        return {PIXELS: pixels.reshape(-1, *pixels.shape[2:])}, notes

    def score_segments(self, segments: np.ndarray) -> np.ndarray:
        return self.model.score_segments(self._pixels(segments)).rows

    def describe_segments(self, segments: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        found = self.model.score_segments(self._pixels(segments))
        return found.rows, found.groups

    def _finish_clip(self, rows: np.ndarray) -> ClipOutput:
        if not self.model.keeps_features:
            return ClipOutput(rows)
        found = self.model.score_features(rows)
        return ClipOutput(found[FRAME_SCORES], found.get(TEMPORAL_WEIGHTS), found.get(INTERVALS))

    @property
    def _decoding_threads(self) -> int:
        return min(4, max(1, self.model.threads // 4))

    def _pixels(self, segments: np.ndarray) -> np.ndarray:  # type: ignore[override]
        pixels = self.processor.normalize(segments.reshape(-1, *segments.shape[2:]))
        return pixels.reshape(*segments.shape[:2], *pixels.shape[1:])

    def _input(self, batch: list[Piece]) -> np.ndarray:  # type: ignore[override]
        groups = (list(pieces) for _, pieces in groupby(batch, key=lambda piece: piece.frames.shape))
        return np.concatenate([self._pixels(np.stack([each.frames for each in pieces])) for pieces in groups])

    def _score_together(self, batch: list[Piece], options: Options) -> None:
        if not batch:
            return
        found = self.model.score_segments(self._input(batch))
        shows_maps = self.saliency_method is not None and (options.maps or options.stills > 0)
        for index, each in enumerate(batch):
            each.clip.describe({name: values[index] for name, values in found.groups.items()})
            saliency = found.maps[index] if shows_maps and found.maps is not None else None
            each.clip.add(each, found.rows[index], saliency, options.maps)

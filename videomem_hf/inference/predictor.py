"""From the frames of a clip to its prediction, in memory that does not grow with the clip's length."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch
from PIL import Image

from videomem_hf.inference import saliency as explaining
from videomem_hf.inference.calibration import Calibration
from videomem_hf.inference.prediction import Prediction, Saliency, Still
from videomem_hf.inference.saliency import Area, covered_by_cells, place_on_frame, saliency_maps
from videomem_hf.inference.sources import ClipSource, check_source, clip_name, segments_of_frames
from videomem_hf.schema import Horizon
from videomem_hf.video.video import Frame, sample_clip

FRAMES_PER_BATCH = 32
STILL_SIDE_PX = 640


class Predictor:
    """A loaded model that scores clips.

    Args:
        model: A memorability predictor that scores frames.
        processor: The video processor saved with it.
        name: Stands in the predictions.
        device: "cpu", "cuda", ...; None takes a GPU if there is one.
        calibration: Gives the predictions their intervals, if it is known.
    """

    def __init__(
        self, model: Any, processor: Any, name: str, device: str | None = None, calibration: Calibration | None = None
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.processor = processor
        self.name = name
        self.calibration = calibration or Calibration({})
        self.horizons: tuple[Horizon, ...] = tuple(model.config.horizons)
        self._network = threading.Lock()
        self._weighs_frames = bool(getattr(model, "weighs_frames", False))

    @property
    def saliency_method(self) -> str | None:
        """How this model's saliency is found; None if it offers none. See `Prediction`."""
        method = explaining.saliency_method(self.model)
        return explaining.WEIGHED[method] if method and self._weighs_frames else method

    def predict(
        self,
        source: ClipSource,
        stills: int = 0,
        on_frame: Callable[[Frame], None] | None = None,
        maps: bool = False,
    ) -> Prediction:
        """Score a clip.

        Args:
            source: A path, the bytes of a video file, an open binary file, or frames `(frames, height, width, 3)` uint8
                RGB: those that are meant, one a second unless the processor's `fps` says otherwise.
            stills: How many frames to return with their saliency, evenly spread over the clip.
            on_frame: Called with each sampled frame, to show progress.
            maps: Whether to return the saliency of every sampled frame.

        Raises:
            VideoError: The clip cannot be decoded.
            InputError: The source is no clip.
        """
        return next(self.predict_many([source], stills, on_frame, maps))

    def predict_many(
        self,
        sources: Iterable[ClipSource],
        stills: int = 0,
        on_frame: Callable[[Frame], None] | None = None,
        maps: bool = False,
    ) -> Iterator[Prediction]:
        """Score clips one after the other; frames of clips that follow one another share the network's batches.

        Arguments and errors are those of `predict`. Predictions come in the order of the sources.
        """
        scored = self._scored(self._prepared(sources, on_frame, pictures=stills > 0), maps)
        for clip, frames in groupby(scored, key=lambda s: s.clip):
            yield self._prediction(clip, frames, stills, maps)

    def _prediction(self, clip: "_Clip", frames: "Iterator[_Scored]", stills: int, maps: bool) -> Prediction:
        times, rows, found = [], [], []
        selection = _EvenSelection(stills)
        for scored in frames:
            times.append(scored.frame.time_s)
            rows.append(scored.row)
            inputs = scored.pixels
            found += [] if scored.map is None else [scored.map]
            selection.offer(scored)
        frame_scores, weights = self._weighed(np.stack(rows))
        scores = dict(zip(self.horizons, np.average(frame_scores, axis=0, weights=weights).tolist(), strict=True))
        joint = np.stack(found) if found else None
        if joint is not None and weights is not None:
            joint *= weights[:, None, None].astype(np.float32)
        method = self.saliency_method if stills or maps else None
        return Prediction(
            source=clip.name,
            model=self.name,
            scores=scores,
            times_s=np.array(times),
            frame_scores=frame_scores,
            stills=self._explained(selection.chosen(), frame_scores, weights),
            saliency_method=method,
            notes=tuple(clip.notes),
            saliency=None if joint is None else Saliency(np.array(times), joint, *self._areas(clip.shape, inputs)),
            intervals=self.calibration.intervals(scores),
            temporal_weights=weights,
        )

    def _weighed(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Give the scores `(frames, horizons)` of a clip's frames, and their weights; None where all count alike."""
        if not self._weighs_frames:
            return rows, None
        with self._network, torch.inference_mode():
            output = self.model(features=torch.from_numpy(rows)[None].float().to(self.device))
        weights = output.temporal_weights[0].double().cpu().numpy()
        return output.frame_scores[0].double().cpu().numpy(), weights / weights.sum()

    def _prepared(
        self, sources: Iterable[ClipSource], on_frame: Callable[[Frame], None] | None, pictures: bool
    ) -> "Iterator[_Prepared]":
        """Yield every sampled frame, or segment of frames, of every clip."""
        for source in sources:
            check_source(source)
            clip = _Clip(clip_name(source))
            for frame, images in self._segments(source, clip.notes):
                if on_frame is not None:
                    on_frame(frame)
                clip.shape = frame.image.shape[:2]
                shown = _for_display(frame.image) if pictures else frame.image[:0]
                yield _Prepared(clip, Frame(frame.index, frame.time_s, shown), self._prepare(images))

    def _segments(self, source: ClipSource, notes: list[str]) -> Iterator[tuple[Frame, list[np.ndarray]]]:
        """Yield what is scored at once: a frame, or for a network of clips a frame and those that follow it."""
        length, fps = self.processor.segment_length, self.processor.fps
        if isinstance(source, np.ndarray):
            for index, (time_s, images) in enumerate(segments_of_frames(source, fps, length)):
                yield Frame(index, time_s, images[0]), images
            return
        for index, segment in enumerate(sample_clip(source, self.processor, notes)):
            yield Frame(index, segment.time_s, segment.images[0], segment.end_s), segment.images

    def _prepare(self, images: list[np.ndarray]) -> torch.Tensor:
        """Bring frames, each `(height, width, 3)`, to the model's input `(frames, 3, height, width)`."""
        return self.processor(videos=[np.stack(images)], return_tensors="pt")["pixel_values_videos"][0]

    def _scored(self, prepared: "Iterable[_Prepared]", maps: bool) -> "Iterator[_Scored]":
        """Score frames a batch at a time, whichever clips they are of; frames of another shape start a new batch."""
        batch: list[_Prepared] = []
        for each in prepared:
            if batch and each.pixels.shape != batch[0].pixels.shape:
                yield from self._score(batch, maps)
                batch = []
            batch.append(each)
            if len(batch) * len(each.pixels) >= FRAMES_PER_BATCH:
                yield from self._score(batch, maps)
                batch = []
        if batch:
            yield from self._score(batch, maps)

    def _score(self, batch: "list[_Prepared]", maps: bool) -> "Iterator[_Scored]":
        pixels = torch.cat([p.pixels for p in batch]).to(self.device)  # (segments * frames of a segment, 3, h, w)
        with self._network, torch.inference_mode():
            rows = self._rows(pixels)
        rows = rows.unflatten(0, (len(batch), -1))[:, 0].double().cpu().numpy()
        found = self._maps([p.pixels for p in batch]) if maps else [None] * len(batch)
        for each, row, saliency in zip(batch, rows, found, strict=True):
            yield _Scored(each.clip, each.frame, each.pixels, row, saliency)

    def _rows(self, pixels: torch.Tensor) -> torch.Tensor:
        """What is kept of frames: their scores, or their features where a score is a matter of the whole clip."""
        if self._weighs_frames:
            return self.model.embed_frames(pixels)[0]
        return self.model(pixel_values_videos=pixels[None]).frame_scores[0]

    def _maps(self, pixels: list[torch.Tensor]) -> "list[np.ndarray] | list[None]":
        """Explain the scores of segments, each `(frames, 3, height, width)`; None if the model offers nothing."""
        if not self.saliency_method:
            return [None] * len(pixels)
        with self._network:  # Grad-CAM hooks into the model, which several threads may share
            return list(saliency_maps(self.model, torch.stack(pixels).to(self.device)).cpu().numpy())

    def _explained(
        self, kept: "list[_Kept]", frame_scores: np.ndarray, weights: np.ndarray | None
    ) -> tuple[Still, ...]:
        if not kept:
            return ()
        shapes = [k.image.shape[:2] for k in kept]
        areas = [self._areas(shape, k.pixels) for shape, k in zip(shapes, kept, strict=True)]
        known = [k.map for k in kept]
        found = self._maps([k.pixels for k in kept]) if any(map_ is None for map_ in known) else known
        strengths = np.ones(len(frame_scores)) if weights is None else weights / weights.max()
        maps = [
            None if map_ is None else place_on_frame(map_, shape, *area) * np.float32(strengths[k.place])
            for k, map_, shape, area in zip(kept, found, shapes, areas, strict=True)
        ]
        rows = [dict(zip(self.horizons, frame_scores[k.place].tolist(), strict=True)) for k in kept]
        return tuple(Still(k.time_s, row, k.image, map_) for k, row, map_ in zip(kept, rows, maps, strict=True))

    def _areas(self, shape: tuple[int, int], pixels: torch.Tensor) -> tuple[Area, Area]:
        """What of a frame of `shape` the model sees as `pixels`, and what of it a map's cells cover."""
        seen = self._seen_part(shape)
        left, top, right, bottom = covered_by_cells(self.model, (pixels.shape[-2], pixels.shape[-1]))
        width, height = seen[2] - seen[0], seen[3] - seen[1]
        covered = left * width + seen[0], top * height + seen[1], right * width + seen[0], bottom * height + seen[1]
        return seen, covered

    def _seen_part(self, shape: tuple[int, int]) -> Area:
        """Left, top, right, bottom of the centre crop as shares of a frame of `shape`."""
        if not self.processor.do_center_crop:
            return 0.0, 0.0, 1.0, 1.0
        size, crop = self.processor.size, self.processor.crop_size
        height, width = size["height"], size["width"]
        if size["shortest_edge"]:
            scale = size["shortest_edge"] / min(shape)
            height, width = (int(side * scale) for side in shape)
        x, y = (1 - crop["width"] / width) / 2, (1 - crop["height"] / height) / 2
        return x, y, 1 - x, 1 - y


def _for_display(image: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(image)
    picture.thumbnail((STILL_SIDE_PX, STILL_SIDE_PX), Image.Resampling.BILINEAR, reducing_gap=1.0)
    return np.asarray(picture)


@dataclass(eq=False)
class _Clip:
    """What is known of a clip while its frames are scored."""

    name: str
    shape: tuple[int, int] = (0, 0)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Prepared:
    """A frame at display size, with the model's input `(frames of a segment, 3, height, width)`."""

    clip: _Clip
    frame: Frame
    pixels: torch.Tensor


@dataclass(frozen=True)
class _Scored:
    clip: _Clip
    frame: Frame
    pixels: torch.Tensor
    row: np.ndarray
    map: np.ndarray | None


@dataclass(frozen=True)
class _Kept:
    place: int
    time_s: float
    image: np.ndarray
    pixels: torch.Tensor
    map: np.ndarray | None


class _EvenSelection:
    """Keeps at most `8 * wanted` frames of a stream of unknown length, always evenly spread."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.stride = 1
        self.seen = 0
        self.kept: list[_Kept] = []

    def offer(self, scored: _Scored) -> None:
        if self.wanted and self.seen % self.stride == 0:
            frame = scored.frame
            self.kept.append(_Kept(self.seen, frame.time_s, frame.image, scored.pixels, scored.map))
            if len(self.kept) > 8 * self.wanted:
                self.kept = self.kept[::2]
                self.stride *= 2
        self.seen += 1

    def chosen(self) -> list[_Kept]:
        if len(self.kept) <= self.wanted:
            return self.kept
        indices = np.linspace(0, len(self.kept) - 1, self.wanted).round().astype(int)
        return [self.kept[i] for i in indices]

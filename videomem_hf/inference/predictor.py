"""From the frames of a clip to its prediction, in memory that does not grow with the clip's length."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

from videomem_hf.inference import saliency as explaining
from videomem_hf.inference.clip_predictor import ClipPredictor, OnFrame, Options
from videomem_hf.inference.prediction import Prediction, Saliency, Still
from videomem_hf.inference.saliency import Area, covered_by_cells, place_on_frame, saliency_maps
from videomem_hf.inference.sources import ClipSource, input_name, open_source, segments_of_frames
from videomem_hf.video.video import Frame, VideoSource, sample_clip

FRAMES_PER_BATCH = 32
STILL_SIDE_PX = 640


class Predictor(ClipPredictor):
    """A loaded model of frames that scores clips; arguments and errors are those of the base class.

    Args:
        model: A memorability predictor that scores frames.
        processor: The video processor saved with it.
        options: `name`, `device`, `calibration` and `title`, as of the base class.
    """

    def __init__(self, model: Any, processor: Any, *options: Any, **named_options: Any) -> None:
        super().__init__(model, *options, **named_options)
        self.processor = processor
        self._network = threading.Lock()
        self._weighs_frames = bool(getattr(model, "weighs_frames", False))

    @property
    def saliency_method(self) -> str | None:
        method = explaining.saliency_method(self.model)
        return explaining.WEIGHED[method] if method and self._weighs_frames else method

    def extract(self, source: ClipSource, title: str | None = None) -> tuple[dict[str, np.ndarray], list[str]]:
        """Give `pixel_values_videos` `(frames, 3, height, width)` float32, and what was odd about the file."""
        clip = _Clip(source)
        pixels = [item.pixels for item in self._prepare_clip(clip, None, pictures=False)]
        return {"pixel_values_videos": torch.cat(pixels).numpy()}, clip.notes

    def _predict_each(self, titled: Iterable[tuple[ClipSource, str | None]], options: Options) -> Iterator[Prediction]:
        clips = (_Clip(source, selection=_EvenSelection(options.stills)) for source, _ in titled)
        for clip in self._score_clips(self._prepare_clips(clips, options), options):
            yield self.attempt(clip.source, partial(self._prediction, clip, options.maps), options)

    def _prediction(self, clip: "_Clip", maps: bool) -> Prediction:
        if clip.error is not None:
            raise clip.error
        frame_scores, weights = self._apply_weights(np.stack(clip.rows))
        scores = dict(zip(self.horizons, np.average(frame_scores, axis=0, weights=weights).tolist(), strict=True))
        times = np.array(clip.times)
        joint = np.stack(clip.maps) if clip.maps else None
        if joint is not None and weights is not None:
            joint *= weights[:, None, None].astype(np.float32)
        wanted = maps or clip.selection.wanted
        return Prediction(
            source=clip.name,
            model=self.name,
            scores=scores,
            times_s=times,
            frame_scores=frame_scores,
            stills=self._explain_stills(clip.selection.chosen(), frame_scores, weights),
            saliency_method=self.saliency_method if wanted else None,
            notes=self.notes(clip.name, clip.notes, maps),
            saliency=None if joint is None else Saliency(times, joint, *self._areas(clip.shape, clip.pixels)),
            intervals=self.calibration.intervals(scores),
            temporal_weights=weights,
        )

    def _apply_weights(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Give the scores `(frames, horizons)` of a clip's frames, and their weights; None where all count alike."""
        if not self._weighs_frames:
            return rows, None
        with self._network, torch.inference_mode():
            output = self.model(features=torch.from_numpy(rows)[None].float().to(self.device))
        weights = output.temporal_weights[0].double().cpu().numpy()
        return output.frame_scores[0].double().cpu().numpy(), weights / weights.sum()

    def _prepare_clips(self, clips: "Iterable[_Clip]", options: Options) -> "Iterator[_Prepared | _Clip]":
        """Yield every sampled frame, or segment of frames, of every clip, and the clip itself when it has no more."""
        for clip in clips:
            try:
                yield from self._prepare_clip(clip, options.on_frame, options.stills > 0)
            except Exception as error:
                if options.fail_fast:
                    raise
                clip.error = error
            yield clip

    def _prepare_clip(self, clip: "_Clip", on_frame: OnFrame, pictures: bool) -> "Iterator[_Prepared]":
        source = open_source(clip.source, self.processor)
        for frame, images in self._segments(source, clip.notes):
            if on_frame is not None:
                on_frame(frame)
            clip.shape = frame.image.shape[:2]
            shown = _for_display(frame.image) if pictures else frame.image[:0]
            yield _Prepared(clip, Frame(frame.index, frame.time_s, shown), self._prepare(images))

    def _segments(self, source: VideoSource | np.ndarray, notes: list[str]) -> Iterator[tuple[Frame, list[np.ndarray]]]:
        """Yield what is scored at once: a frame, or for a network of segments a frame and those that follow it."""
        if isinstance(source, np.ndarray):
            segments = segments_of_frames(source, self.processor.fps, self.processor.segment_length)
            for index, (time_s, images) in enumerate(segments):
                yield Frame(index, time_s, images[0]), images
            return
        for index, segment in enumerate(sample_clip(source, self.processor, notes)):
            yield Frame(index, segment.time_s, segment.images[0], segment.end_s), segment.images

    def _prepare(self, images: list[np.ndarray]) -> torch.Tensor:
        """Bring frames, each `(height, width, 3)`, to the model's input `(frames, 3, height, width)`."""
        return self.processor(videos=[np.stack(images)], return_tensors="pt")["pixel_values_videos"][0]

    def _score_clips(self, items: "Iterable[_Prepared | _Clip]", options: Options) -> "Iterator[_Clip]":
        """Score frames a batch at a time, whichever clips they are of; yield each clip when all its frames are scored.

        Frames of another shape start a new batch.
        """
        batch: list[_Prepared] = []
        ended: list[_Clip] = []
        for item in items:
            if isinstance(item, _Clip):
                ended.append(item)
            else:
                if batch and item.pixels.shape != batch[0].pixels.shape:
                    self._score(batch, options)
                    batch = []
                batch.append(item)
                if len(batch) * len(item.pixels) >= FRAMES_PER_BATCH:
                    self._score(batch, options)
                    batch = []
            if not batch:
                yield from ended
                ended = []
        if batch:
            self._score(batch, options)
        yield from ended

    def _score(self, batch: "list[_Prepared]", options: Options) -> None:
        """Add the scores of frames to their clips; where that fails, each clip's for itself, as one may be at fault."""
        batch = [each for each in batch if each.clip.error is None]
        clips = list(dict.fromkeys(each.clip for each in batch))
        try:
            self._score_together(batch, options.maps)
        except Exception as error:
            if options.fail_fast:
                raise
            if len(clips) == 1:
                clips[0].error = error
                return
            for clip in clips:
                self._score([each for each in batch if each.clip is clip], options)

    def _score_together(self, batch: "list[_Prepared]", maps: bool) -> None:
        if not batch:
            return
        pixels = torch.cat([p.pixels for p in batch]).to(self.device)  # (segments * frames of a segment, 3, h, w)
        with self._network, torch.inference_mode():
            rows = self._rows(pixels)
        rows = rows.unflatten(0, (len(batch), -1))[:, 0].double().cpu().numpy()
        found = self._maps([p.pixels for p in batch]) if maps else [None] * len(batch)
        for each, row, saliency in zip(batch, rows, found, strict=True):
            each.clip.add(each, row, saliency)

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

    def _explain_stills(
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
            None if map_ is None else place_on_frame(map_, shape, *area) * np.float32(strengths[k.index])
            for k, map_, shape, area in zip(kept, found, shapes, areas, strict=True)
        ]
        rows = [dict(zip(self.horizons, frame_scores[k.index].tolist(), strict=True)) for k in kept]
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


class _Clip:
    """A clip while its frames are scored: what is known of it, one entry per frame."""

    def __init__(self, source: ClipSource, selection: "_EvenSelection | None" = None) -> None:
        self.source = source
        self.name = input_name(source)
        self.selection = selection or _EvenSelection(0)
        self.shape: tuple[int, int] = (0, 0)
        self.notes: list[str] = []
        self.error: Exception | None = None
        self.times: list[float] = []
        self.rows: list[np.ndarray] = []
        self.maps: list[np.ndarray] = []
        self.pixels = torch.empty(0)

    def add(self, prepared: "_Prepared", row: np.ndarray, saliency: np.ndarray | None) -> None:
        """Take a frame's score, or its features, and its saliency map."""
        self.times.append(prepared.frame.time_s)
        self.rows.append(row)
        self.pixels = prepared.pixels
        if saliency is not None:
            self.maps.append(saliency)
        self.selection.offer(prepared, saliency)


@dataclass(frozen=True)
class _Prepared:
    """A frame at display size, with the model's input `(frames of a segment, 3, height, width)`."""

    clip: _Clip
    frame: Frame
    pixels: torch.Tensor


@dataclass(frozen=True)
class _Kept:
    index: int
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

    def offer(self, prepared: _Prepared, saliency: np.ndarray | None) -> None:
        if self.wanted and self.seen % self.stride == 0:
            frame = prepared.frame
            self.kept.append(_Kept(self.seen, frame.time_s, frame.image, prepared.pixels, saliency))
            if len(self.kept) > 8 * self.wanted:
                self.kept = self.kept[::2]
                self.stride *= 2
        self.seen += 1

    def chosen(self) -> list[_Kept]:
        if len(self.kept) <= self.wanted:
            return self.kept
        indices = np.linspace(0, len(self.kept) - 1, self.wanted).round().astype(int)
        return [self.kept[i] for i in indices]

"""From the frames of a clip to its prediction, in memory that does not grow with the clip's length."""

import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import groupby, repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from videomem_hf.inference import saliency as explaining
from videomem_hf.inference.claims import Claims
from videomem_hf.inference.clip_frames import ClipFrames, ClipOutput, KeptFrame, Piece
from videomem_hf.inference.clip_predictor import ClipPredictor, OnFrame, Options
from videomem_hf.inference.prediction import Prediction, Saliency, Still
from videomem_hf.inference.read_ahead import read_ahead
from videomem_hf.inference.saliency import Area, covered_by_cells, place_on_frame, score_rows, scores_and_maps
from videomem_hf.inference.selection import EvenSelection
from videomem_hf.inference.sources import ClipSource, open_source, segments_of_frames
from videomem_hf.video.sources import process
from videomem_hf.video.video import Frame, VideoSource, sample_clip

if TYPE_CHECKING:
    import torch

    from videomem_hf.inference.frame_statistics import FrameStatistics

FRAMES_PER_BATCH = 32
_LOCKS: "weakref.WeakKeyDictionary[Any, threading.Lock]" = weakref.WeakKeyDictionary()
"""One per network, which several predictors may share: Grad-CAM hooks into it."""
_STATISTICS: "weakref.WeakKeyDictionary[Any, FrameStatistics]" = weakref.WeakKeyDictionary()
"""One per network as well: its hooks stay as long as the network."""
_NO_PICTURE = np.empty((0, 0, 3), np.uint8)
STILL_SIDE_PX = 640


class Predictor(ClipPredictor):
    """A loaded model of frames that scores clips; arguments and errors are those of the base class.

    Args:
        model: A memorability predictor that scores frames.
        processor: The video processor saved with it.
        name, device, claims, title: As of the base class.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        name: str,
        device: str | None = None,
        claims: Claims | None = None,
        title: str | None = None,
    ) -> None:
        super().__init__(model, name, device, claims, title)
        self.processor = processor
        self._network = _LOCKS.setdefault(model, threading.Lock())
        self.weighs_frames = bool(getattr(model, "weighs_frames", False))
        self.keeps_features = explaining.keeps_features(model)
        self._statistics = self._load_statistics() if self.claims.typicality else None
        checks = self.claims.reference.maps if self.claims.reference else {}
        self._method = explaining.saliency_method(model) if explaining.maps_pass(checks) else None

    def _load_statistics(self) -> "FrameStatistics | None":
        """What describes the frames of the network's passes; None where the network does that itself."""
        return _statistics_of(self.model)

    @property
    def saliency_method(self) -> str | None:
        return explaining.WEIGHED[self._method] if self._method and self.weighs_frames else self._method

    @property
    def why_no_maps(self) -> str:
        offers = explaining.saliency_method(self.model) is not None
        return explaining.FAILED_CHECK.format(self.name) if offers else super().why_no_maps

    def extract(self, source: ClipSource, title: str | None = None) -> tuple[dict[str, np.ndarray], list[str]]:
        """Give `pixel_values_videos` `(frames, 3, height, width)` float32, and what was odd about the file."""
        pieces, notes = self.read_pieces(source)
        return {"pixel_values_videos": self._input(pieces).flatten(0, 1).numpy()}, notes

    def read_pieces(self, source: ClipSource) -> tuple[list[Piece], list[str]]:
        """All that is scored of a clip, and what was odd about the file."""
        clip = ClipFrames(source)
        return list(self._prepare_clip(clip, None, pictures=False)), clip.notes

    def segments(self, source: ClipSource, on_frame: OnFrame = None) -> Iterator[tuple[Frame, np.ndarray]]:
        """Yield what is scored at once: a frame for display, and the frame or the segment of frames that it begins.

        The latter is resized as the processor does, but not cropped: `(frames, height, width, 3)` uint8.

        Raises:
            VideoError: The clip cannot be decoded.
        """
        for piece in self._prepare_clip(ClipFrames(source), on_frame, pictures=True):
            yield piece.frame, piece.frames

    def score_segments(self, segments: np.ndarray) -> np.ndarray:
        """Give what is kept of each of n segments of one clip, see `score_rows`.

        Args:
            segments: `(n, frames, height, width, 3)` uint8 as of `segments`.
        """
        pixels = self._pixels(segments)
        with self._alone():
            return score_rows(self.model, pixels)[0].double().cpu().numpy()

    def describe_segments(self, segments: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Give the rows of segments as `score_segments` does, and what describes each for the model's typicality.

        The latter are groups of numbers `(n, size)`, whose means over a clip are the clip's; empty without typicality.
        """
        pixels = self._pixels(segments)
        with self._alone():
            rows = score_rows(self.model, pixels)[0].double().cpu().numpy()
            groups = self._statistics.describe(pixels) if self._statistics else {}
        return rows, {name: values.numpy() for name, values in groups.items()}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The network for one thread, without gradients."""
        import torch

        with self._network, torch.inference_mode():
            yield

    def _pixels(self, segments: np.ndarray) -> "torch.Tensor":
        frames = segments.reshape(-1, *segments.shape[2:])
        pixels = process(self.processor, frames, ("resize",), return_tensors="pt").unflatten(0, segments.shape[:2])
        return pixels.to(self.device)

    def score_clip(self, rows: np.ndarray) -> np.ndarray:
        """Give a clip's scores `(horizons,)` by the rows of all its segments."""
        frame_scores, weights = self.weigh_rows(rows)
        return np.average(frame_scores, axis=0, weights=weights)

    def weigh_rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Give the scores `(frames, horizons)` of a clip's frames by their rows, and their weights, which sum to 1.

        None where all count alike.
        """
        found = self._finish_clip(rows)
        return found.frame_scores, found.weights

    def _finish_clip(self, rows: np.ndarray) -> ClipOutput:
        """What the model gives for a clip by the rows of all its segments, in one run of what sees them together."""
        if not self.keeps_features:
            return ClipOutput(rows)
        import torch

        with self._alone():
            output = self.model(features=torch.from_numpy(rows)[None].float().to(self.device))
        kept = (getattr(output, name, None) for name in ("frame_scores", "temporal_weights", "intervals"))
        found: list[Any] = [None if each is None else each[0].double().cpu().numpy() for each in kept]
        return ClipOutput(*found)

    def seen_part(self, shape: tuple[int, int]) -> Area:
        """Left, top, right and bottom of what the model sees of frames of `shape`, as shares of width and height."""
        if not self.processor.do_center_crop:
            return 0.0, 0.0, 1.0, 1.0
        size, crop = self.processor.size, self.processor.crop_size
        height, width = size["height"], size["width"]
        if size["shortest_edge"]:
            scale = size["shortest_edge"] / min(shape)
            height, width = (int(side * scale) for side in shape)
        x, y = (1 - crop["width"] / width) / 2, (1 - crop["height"] / height) / 2
        return x, y, 1 - x, 1 - y

    def _predict_each(self, titled: Iterable[tuple[ClipSource, str | None]], options: Options) -> Iterator[Prediction]:
        clips = (ClipFrames(source, selection=EvenSelection(options.stills)) for source, _ in titled)
        for clip in self._score_clips(self._prepare_clips(clips, options), options):
            yield self.attempt(clip.source, partial(self._prediction, clip, options.maps), options)

    def _prediction(self, clip: "ClipFrames", maps: bool) -> Prediction:
        if clip.error is not None:
            raise clip.error
        rows = np.stack(clip.rows)
        found = self._finish_clip(rows)
        frame_scores, weights = found.frame_scores, found.weights
        scores = dict(zip(self.horizons, np.average(frame_scores, axis=0, weights=weights).tolist(), strict=True))
        times = np.array(clip.times)
        joint = np.stack(clip.maps) if clip.maps else None
        if joint is not None and weights is not None:
            joint *= weights[:, None, None].astype(np.float32)
        wanted = maps or clip.selection.wanted
        prediction = Prediction(
            source=clip.name,
            model=self.name,
            scores=scores,
            times_s=times,
            frame_scores=frame_scores,
            stills=self._explain_stills(clip.selection.choose(), frame_scores, weights),
            saliency_method=self.saliency_method if wanted else None,
            notes=self.notes(clip.name, clip.notes, maps),
            saliency=None if joint is None else Saliency(times, joint, *self._areas(clip.shape, clip.input_shape)),
            temporal_weights=weights,
            intervals=found.intervals(self.horizons),
            interval_level=self.interval_level,
        )
        return self.with_claims(prediction, clip.description())

    def _prepare_clips(self, clips: "Iterable[ClipFrames]", options: Options) -> "Iterator[Piece | ClipFrames]":
        """Yield every sampled frame, or segment of frames, of every clip, and the clip itself when it has no more."""
        prepare = partial(self._prepare_clip, on_frame=options.on_frame, pictures=options.stills > 0)
        with read_ahead(clips, prepare, _can_wait, self._decoding_threads) as prepared:
            for clip, pieces in prepared:
                try:
                    yield from pieces
                except Exception as error:
                    if options.fail_fast:
                        raise
                    clip.error = error
                yield clip

    @property
    def _decoding_threads(self) -> int:
        """One for every four CPUs of this process, at most four: FFmpeg and the network have threads of their own."""
        import torch

        return min(4, max(1, torch.get_num_threads() // 4))

    def _prepare_clip(self, clip: "ClipFrames", on_frame: OnFrame, pictures: bool) -> "Iterator[Piece]":
        source = open_source(clip.source, self.processor)
        for frame, images in self._segments(source, clip.notes):
            if on_frame is not None:
                on_frame(frame)
            clip.shape = frame.image.shape[:2]
            shown = _for_display(frame.image) if pictures else _NO_PICTURE
            small = np.stack([self.processor.resize_frame(image) for image in images])
            yield Piece(clip, Frame(frame.index, frame.time_s, shown), small, self._input_shape(small))

    def _input_shape(self, frames: np.ndarray) -> tuple[int, int]:
        """Height and width of the network's input for resized frames `(frames, height, width, 3)`."""
        if self.processor.do_center_crop:
            return self.processor.crop_size["height"], self.processor.crop_size["width"]
        return frames.shape[1], frames.shape[2]

    def _input(self, batch: "list[Piece]") -> "torch.Tensor":
        """Bring pieces to the network's input `(pieces, frames, 3, height, width)`, outside the threads that decode."""
        import torch

        parts = []
        for _, pieces in groupby(batch, key=lambda piece: piece.frames.shape):
            together = list(pieces)
            pixels = process(
                self.processor, np.concatenate([each.frames for each in together]), ("resize",), return_tensors="pt"
            )
            parts.append(pixels.unflatten(0, (len(together), -1)))
        return torch.cat(parts)

    def _segments(self, source: VideoSource | np.ndarray, notes: list[str]) -> Iterator[tuple[Frame, list[np.ndarray]]]:
        """Yield what is scored at once: a frame, or for a network of segments a frame and those that follow it."""
        if isinstance(source, np.ndarray):
            segments = segments_of_frames(source, self.processor.fps, self.processor.segment_length)
            for index, (time_s, images) in enumerate(segments):
                yield Frame(index, time_s, images[0]), images
            return
        for index, segment in enumerate(sample_clip(source, self.processor, notes)):
            yield Frame(index, segment.time_s, segment.images[0], segment.end_s), segment.images

    def _score_clips(self, items: "Iterable[Piece | ClipFrames]", options: Options) -> "Iterator[ClipFrames]":
        """Score frames a batch at a time, whichever clips they are of; yield each clip when all its frames are scored.

        Frames of another shape start a new batch. Where the clips end with an error, those before it come first.
        """
        batch: list[Piece] = []
        ended: list[ClipFrames] = []
        failure: Exception | None = None
        source = iter(items)
        while True:
            try:
                item = next(source)
            except StopIteration:
                break
            except Exception as error:
                failure = error
                break
            if isinstance(item, ClipFrames):
                ended.append(item)
            else:
                if batch and item.input_shape != batch[0].input_shape:
                    self._score(batch, options)
                    batch = []
                batch.append(item)
                if len(batch) * len(item.frames) >= FRAMES_PER_BATCH:
                    self._score(batch, options)
                    batch = []
            if not batch:
                yield from ended
                ended = []
        if batch:
            self._score(batch, options)
        yield from ended
        if failure is not None:
            raise failure

    def _score(self, batch: "list[Piece]", options: Options) -> None:
        """Add the scores of frames to their clips; where that fails, each clip's for itself, as one may be at fault."""
        batch = [each for each in batch if each.clip.error is None]
        clips = list(dict.fromkeys(each.clip for each in batch))
        try:
            self._score_together(batch, options)
        except Exception as error:
            if options.fail_fast:
                raise
            if len(clips) == 1:
                clips[0].error = error
                return
            for clip in clips:
                self._score([each for each in batch if each.clip is clip], options)

    def _score_together(self, batch: "list[Piece]", options: Options) -> None:
        if not batch:
            return
        segments = self._input(batch).to(self.device)
        method = self._method if options.maps or options.stills else None
        found: Iterable[np.ndarray | None] = repeat(None)
        with self._network:  # Grad-CAM hooks into the model, which several threads may share
            if method is None:
                import torch

                with torch.inference_mode():
                    rows = score_rows(self.model, segments)[0]
            else:
                rows, maps = scores_and_maps(self.model, segments, method)
                found = maps.cpu().numpy()
            groups = self._statistics.describe(segments) if self._statistics else {}
        for index, each in enumerate(batch):
            each.clip.describe({name: values[index].numpy() for name, values in groups.items()})
        for each, row, saliency in zip(batch, rows.double().cpu().numpy(), found, strict=False):
            each.clip.add(each, row, saliency, options.maps)

    def _explain_stills(
        self, kept: "list[KeptFrame]", frame_scores: np.ndarray, weights: np.ndarray | None
    ) -> tuple[Still, ...]:
        if not kept:
            return ()
        strengths = np.ones(len(frame_scores)) if weights is None else weights / weights.max()
        stills = []
        for each in kept:
            shape = each.image.shape[:2]
            areas = self._areas(shape, each.input_shape)
            map_ = None if each.map is None else place_on_frame(each.map, shape, *areas)
            if map_ is not None:
                map_ *= np.float32(strengths[each.index])
            scores = dict(zip(self.horizons, frame_scores[each.index].tolist(), strict=True))
            stills.append(Still(each.time_s, scores, each.image, map_))
        return tuple(stills)

    def _areas(self, shape: tuple[int, int], input_shape: tuple[int, int]) -> tuple[Area, Area]:
        """What of a frame of `shape` the model sees as its input of `input_shape`, and what a map's cells cover."""
        seen = self.seen_part(shape)
        left, top, right, bottom = covered_by_cells(self.model, input_shape)
        width, height = seen[2] - seen[0], seen[3] - seen[1]
        covered = left * width + seen[0], top * height + seen[1], right * width + seen[0], bottom * height + seen[1]
        return seen, covered


def _statistics_of(model: Any) -> "FrameStatistics":
    from videomem_hf.inference.frame_statistics import FrameStatistics

    if model not in _STATISTICS:
        _STATISTICS[model] = FrameStatistics(model)
    return _STATISTICS[model]


def _can_wait(clip: "ClipFrames") -> bool:
    """Whether a clip is the same after the next one is taken: an open file or a buffer of frames may not be."""
    return isinstance(clip.source, str | bytes | os.PathLike | Mapping)


def _for_display(image: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(image)
    picture.thumbnail((STILL_SIDE_PX, STILL_SIDE_PX), Image.Resampling.BILINEAR, reducing_gap=1.0)
    return np.asarray(picture)

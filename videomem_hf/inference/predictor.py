"""The one way from a clip to a prediction, in memory that does not grow with the clip's length."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from videomem_hf.data.video import Frame, VideoError, VideoSource, VideoWarning, sample_frames, source_name
from videomem_hf.inference.feature_predictor import FeaturePredictor
from videomem_hf.inference.prediction import Prediction, Still
from videomem_hf.inference.saliency import place_on_frame, saliency_maps, saliency_method
from videomem_hf.schema import Horizon, InputError

FRAMES_PER_BATCH = 32
STILL_SIDE_PX = 640
RESMEM = "resmem"

NO_MODEL = (
    "no model: either install the published ResMem weights (non-commercial licence) with `pip install resmem`, "
    "or train a model on a generated sample with `videomem quickstart` and name its folder with --model"
)


class Predictor:
    """A loaded model that scores clips.

    Args:
        model: A memorability predictor that scores frames.
        processor: The video processor saved with it.
        name: Stands in the predictions.
        device: "cpu", "cuda", ...; None takes a GPU if there is one.
    """

    def __init__(self, model: Any, processor: Any, name: str, device: str | None = None) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.processor = processor
        self.name = name
        self.horizons: tuple[Horizon, ...] = tuple(model.config.horizons)

    def predict(
        self, source: VideoSource, stills: int = 0, on_frame: Callable[[Frame], None] | None = None
    ) -> Prediction:
        """Score a clip.

        Args:
            source: A path, the bytes of a video file, or an open binary file.
            stills: How many frames to return with their saliency, evenly spread over the clip.
            on_frame: Called with each sampled frame, to show progress.

        Raises:
            VideoError: The clip cannot be decoded.
        """
        times, rows = [], []
        selection = _EvenSelection(stills)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", VideoWarning)
            for frame, pixels, row in self._scored_frames(source, on_frame, pictures=stills > 0):
                times.append(frame.time_s)
                rows.append(row)
                selection.offer(frame, pixels, row)
        frame_scores = np.stack(rows)
        return Prediction(
            source=source_name(source),
            model=self.name,
            scores=dict(zip(self.horizons, frame_scores.mean(axis=0).tolist(), strict=True)),
            times_s=np.array(times),
            frame_scores=frame_scores,
            stills=self._explained(selection.chosen()),
            saliency_method=saliency_method(self.model) if stills else None,
            notes=tuple(str(w.message) for w in caught if issubclass(w.category, VideoWarning)),
        )

    def _scored_frames(
        self, source: VideoSource, on_frame: Callable[[Frame], None] | None, pictures: bool
    ) -> Iterator[tuple[Frame, torch.Tensor, np.ndarray]]:
        """Yield (frame at display size, model input, scores), scored a batch at a time."""
        batch: list[tuple[Frame, torch.Tensor]] = []
        for frame, images in self._stretches(source):
            if on_frame is not None:
                on_frame(frame)
            shown = _for_display(frame.image) if pictures else frame.image[:0]
            batch.append((Frame(frame.index, frame.time_s, shown), self._prepare(images)))
            if len(batch) * len(images) >= FRAMES_PER_BATCH:
                yield from self._score(batch)
                batch = []
        if batch:
            yield from self._score(batch)

    def _stretches(self, source: VideoSource) -> Iterator[tuple[Frame, list[np.ndarray]]]:
        """Yield what is scored at once: a frame, or for a network of clips a frame and those that follow it."""
        if self.processor.clip_length == 1:
            yield from ((frame, [frame.image]) for frame in sample_frames(source, self.processor.fps))
            return
        from videomem_hf.models.video_decoding import sample_stretches

        sampling = self.processor.fps, self.processor.clip_length, self.processor.max_clips
        try:
            for index, (time_s, images) in enumerate(sample_stretches(source, *sampling)):
                yield Frame(index, time_s, images[0]), images
        except ValueError as error:
            raise VideoError(str(error)) from error

    def _prepare(self, images: list[np.ndarray]) -> torch.Tensor:
        """Bring frames, each `(height, width, 3)`, to the model's input `(frames, 3, height, width)`."""
        return self.processor(videos=[np.stack(images)], return_tensors="pt")["pixel_values_videos"][0]

    def _score(self, batch: list[tuple[Frame, torch.Tensor]]) -> Iterator[tuple[Frame, torch.Tensor, np.ndarray]]:
        pixels = torch.cat([p for _, p in batch]).to(self.device)  # (stretches * frames of a stretch, 3, h, w)
        with torch.inference_mode():
            rows = self.model(pixel_values_videos=pixels[None]).frame_scores[0]
        rows = rows.unflatten(0, (len(batch), -1))[:, 0]
        for (frame, prepared), row in zip(batch, rows.double().cpu().numpy(), strict=True):
            yield frame, prepared[0], row

    def _explained(self, kept: "list[_Kept]") -> tuple[Still, ...]:
        if not kept:
            return ()
        maps: list[np.ndarray | None] = [None] * len(kept)
        if saliency_method(self.model):
            pixels = torch.stack([k.pixels for k in kept]).to(self.device)
            found = saliency_maps(self.model, pixels).cpu().numpy()
            maps = [
                place_on_frame(m, k.image.shape[:2], self._seen_part(k.image)) for m, k in zip(found, kept, strict=True)
            ]
        return tuple(
            Still(k.time_s, dict(zip(self.horizons, k.row.tolist(), strict=True)), k.image, saliency)
            for k, saliency in zip(kept, maps, strict=True)
        )

    def _seen_part(self, image: np.ndarray) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the centre crop as shares of the frame."""
        if not self.processor.do_center_crop:
            return 0.0, 0.0, 1.0, 1.0
        size, crop = self.processor.size, self.processor.crop_size
        height, width = size["height"], size["width"]
        if size["shortest_edge"]:
            scale = size["shortest_edge"] / min(image.shape[:2])
            height, width = (int(side * scale) for side in image.shape[:2])
        x, y = (1 - crop["width"] / width) / 2, (1 - crop["height"] / height) / 2
        return x, y, 1 - x, 1 - y


def load_predictor(model: str | None = None, device: str | None = None) -> Predictor | FeaturePredictor:
    """Load a predictor; a model of features comes with what extracts them from a clip.

    Args:
        model: A folder written by `save_pretrained`, a Hub id, or "resmem" for the weights in the `resmem` package;
            None takes "resmem".
        device: As in `Predictor`.

    Raises:
        InputError: There is no such model, it is not a memorability predictor, or it needs features that cannot be
            extracted here; says what to do.
    """
    if device is not None:
        _check_device(device)
    if model in (None, RESMEM):
        from videomem_hf.models.convert_resmem import find_resmem_package, load_resmem

        if find_resmem_package() is None:
            raise InputError(NO_MODEL)
        return Predictor(*load_resmem(), name=RESMEM, device=device)
    return _from_pretrained(str(model), device)


def _from_pretrained(name: str, device: str | None) -> Predictor | FeaturePredictor:
    from safetensors import SafetensorError
    from transformers import AutoModel, AutoVideoProcessor

    try:
        model = AutoModel.from_pretrained(name)
        reads_video = getattr(model, "main_input_name", "") == "pixel_values_videos"
        processor = AutoVideoProcessor.from_pretrained(name) if reads_video else None
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        cause = str(error).strip().split("\n")[0]
        raise InputError(f"{name}: no model can be loaded from it ({cause}); give a folder or a Hub id") from error
    if not getattr(model.config, "horizons", None):
        kind = type(model).__name__
        raise InputError(f"{name}: holds a {kind}, which predicts no memorability; give a predictor of this package")
    if not reads_video:
        return FeaturePredictor(model, name, device)
    return Predictor(model, processor, name, device)


def _check_device(device: str) -> None:
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {device!r} cannot be used ({str(error).splitlines()[0]}); try cpu") from error


def _for_display(image: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(image)
    picture.thumbnail((STILL_SIDE_PX, STILL_SIDE_PX), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(picture)


@dataclass(frozen=True)
class _Kept:
    time_s: float
    image: np.ndarray
    pixels: torch.Tensor
    row: np.ndarray


class _EvenSelection:
    """Keeps at most `8 * wanted` frames of a stream of unknown length, always evenly spread."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.stride = 1
        self.seen = 0
        self.kept: list[_Kept] = []

    def offer(self, frame: Frame, pixels: torch.Tensor, row: np.ndarray) -> None:
        if self.wanted and self.seen % self.stride == 0:
            self.kept.append(_Kept(frame.time_s, frame.image, pixels, row))
            if len(self.kept) > 8 * self.wanted:
                self.kept = self.kept[::2]
                self.stride *= 2
        self.seen += 1

    def chosen(self) -> list[_Kept]:
        if len(self.kept) <= self.wanted:
            return self.kept
        indices = np.linspace(0, len(self.kept) - 1, self.wanted).round().astype(int)
        return [self.kept[i] for i in indices]

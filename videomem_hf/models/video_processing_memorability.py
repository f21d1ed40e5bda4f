"""Frame sampling and preprocessing, saved beside every memorability predictor."""

from typing import Any, Final, Literal

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassFieldValidationError
from torchvision.transforms import functional as tvf
from transformers.image_processing_utils import BatchFeature
from transformers.image_utils import ChannelDimension, PILImageResampling, SizeDict
from transformers.processing_utils import VideosKwargs
from transformers.utils import TensorType
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from .former_names import FORMER_NAMES
from .frame_resizing import resize_frame
from .video_input import open_input, split_clips
from .video_sampling import check_sampling, sample_segments

_CHANNELS: Final[dict[Any, Any]] = {None: None, "channels_first": "first", "channels_last": "last"}


class MemorabilityVideosKwargs(VideosKwargs, total=False):  # type: ignore[call-arg]
    """What a call may change; the last two are ours."""

    segment_length: int
    max_segments: int | None


class MemorabilityVideoProcessor(BaseVideoProcessor):
    """Turns a clip, or the frames of one, into a model's input.

    Given video files (paths, addresses, bytes, open binary files, rows of a `Video` column), it decodes them with PyAV
    and takes frames at regular times. Given images or arrays `(frames, height, width, 3)` uint8 RGB, it takes them as
    the frames that are meant.

    Frames are resized with Pillow: the published image-memorability networks (MemNet's ports, ResMem, ViTMem) were all
    trained and measured on Pillow's antialiased resizing, and torchvision's differs from it by up to one grey level.

    Attributes that travel in `video_preprocessor_config.json`:
        fps: Frames, or segments of frames, taken per second of video (1, paper Sec. 5.1). A last interval under half
            as long as the others is left out, so that a clip of nominally 7 s has 7.
        segment_length: Consecutive frames taken each time; 1 for models that score frames, 16 for 3D networks.
        max_segments: How often at most; None for the whole video.
        size: `{"height": ..., "width": ...}`, to which a frame is stretched; or `{"shortest_edge": ...}`, which keeps
            the aspect (of up to 16 to 1; the middle of a longer frame is taken).
        do_center_crop, crop_size: The part in the middle that the model sees.
        do_rescale: Whether pixels are brought to [0, 1]; else they stay from 0 to 255.
        do_normalize, image_mean, image_std: Per channel, after that.

    Returns:
        `pixel_values_videos` of shape `(batch, frames, 3, height, width)`, float32. If the clips differ in length, they
        are padded with zeros, and `frame_mask` `(batch, frames)` is True for their frames.
    """

    _auto_class = "AutoVideoProcessor"  # the file that defines it travels with it
    model_input_names = ["pixel_values_videos", "frame_mask"]  # noqa: RUF012 - transformers reads a list here
    valid_kwargs = MemorabilityVideosKwargs
    resample = PILImageResampling.BILINEAR
    size = {"height": 256, "width": 256}  # noqa: RUF012
    crop_size = {"height": 224, "width": 224}  # noqa: RUF012
    image_mean = [0.5, 0.5, 0.5]  # noqa: RUF012
    image_std = [0.5, 0.5, 0.5]  # noqa: RUF012
    do_resize = True
    do_center_crop = False
    do_rescale = True
    do_normalize = True
    do_convert_rgb = False
    do_sample_frames = False
    fps = 1.0
    segment_length = 1
    max_segments = None

    def __init__(self, **kwargs: Any) -> None:
        for former, name in FORMER_NAMES.items():
            if former in kwargs:
                kwargs.setdefault(name, kwargs.pop(former))
        super().__init__(**kwargs)

    def preprocess(self, videos: Any, **kwargs: Any) -> BatchFeature:
        """Prepare clips; see the class. Keyword arguments override attributes for this call.

        Args:
            videos: A clip or several: what `decode` takes, a list of such, or an array `(clips, frames, ...)`.
            **kwargs: Attributes of the class; `input_data_format`, "channels_first" or "channels_last", for arrays
                (else the last axis has the colours where it has 3, and the second where it has not).

        Raises:
            ValueError: A clip gives no frames, or an argument is not among the allowed; the message says which.
        """
        if unknown := sorted(kwargs.keys() - self.valid_kwargs.__annotations__.keys() - {"return_tensors"}):
            allowed = ", ".join(sorted(self.valid_kwargs.__annotations__))
            raise ValueError(f"unknown argument {', '.join(unknown)}; allowed are {allowed}")
        if kwargs.get("num_frames") is not None:
            raise ValueError("num_frames is no setting of this processor; fps and max_segments say what is sampled")
        sources = split_clips(videos)
        if not sources:
            raise ValueError("videos is empty; give at least one clip")
        sampling = {name: kwargs[name] for name in ("fps", "segment_length", "max_segments") if name in kwargs}
        layout = kwargs.pop("input_data_format", None)
        if layout not in _CHANNELS:
            raise ValueError(f"input_data_format={layout!r} must be channels_first or channels_last")
        # Shrunk as they are decoded, frames take a hundredth of the memory; resizing them again changes nothing.
        shrink = self.do_resize and not {"do_resize", "size", "resample"} & kwargs.keys()
        clips = [self.decode(source, shrink=shrink, channels=_CHANNELS[layout], **sampling)[0] for source in sources]
        kwargs.setdefault("video_metadata", [self._metadata(clip) for clip in clips])
        try:
            return super().preprocess(clips, input_data_format=ChannelDimension.LAST, **kwargs)
        except (StrictDataclassFieldValidationError, TypeError) as error:  # TypeError: of `VideoMetadata`
            raise ValueError(" ".join(str(error).split())) from error

    def decode(
        self,
        source: Any,
        shrink: bool = False,
        fps: float | None = None,
        segment_length: int | None = None,
        max_segments: int | None = None,
        notes: list[str] | None = None,
        channels: Literal["first", "last"] | None = None,
    ) -> tuple[np.ndarray, list[float]]:
        """Read the frames that the model is meant to see.

        Args:
            source, channels: As of `open_input`.
            shrink: Whether to bring the frames to `size` at once.
            fps, segment_length, max_segments: Override the attributes.
            notes: What is odd about the file is added to it, one sentence each.

        Returns:
            `(frames, height, width, 3)` uint8 RGB; and for each segment of `segment_length` frames the time in seconds
            at which it begins.

        Raises:
            ValueError: The file gives no frames; the message names it and the cause.
        """
        fps = self.fps if fps is None else fps
        segment_length = self.segment_length if segment_length is None else segment_length
        max_segments = self.max_segments if max_segments is None else max_segments
        check_sampling(fps, segment_length, max_segments)
        opened = open_input(source, fps, segment_length, max_segments, channels)
        if isinstance(opened, np.ndarray):
            return opened, [index / fps for index in range(-(-len(opened) // segment_length))]
        convert = self.resize_frame if shrink else np.asarray
        segments = list(sample_segments(opened, fps, segment_length, max_segments, convert, notes))
        frames = [image for segment in segments for image in segment.images]
        return np.stack(frames), [segment.time_s for segment in segments]

    def fetch_videos(self, video_url_or_urls: Any, sample_indices_fn: Any = None) -> Any:
        """Frames and `VideoMetadata` of a file, or a tuple of each for a list: by PyAV, sampled as for the model."""
        if isinstance(video_url_or_urls, list | tuple):
            return tuple(zip(*(self.fetch_videos(source) for source in video_url_or_urls), strict=True))
        frames, _ = self.decode(video_url_or_urls)
        return frames, self._metadata(frames)

    def _metadata(self, frames: np.ndarray) -> VideoMetadata:
        return VideoMetadata(
            total_num_frames=len(frames),
            fps=self.fps if self.segment_length == 1 else None,
            height=frames.shape[1],
            width=frames.shape[2],
            video_backend="pyav",
            frames_indices=list(range(len(frames))),
        )

    def resize(
        self, image: torch.Tensor, size: SizeDict, resample: int | None = None, **kwargs: object
    ) -> torch.Tensor:
        """Resize uint8 frames `(..., 3, height, width)` to `size`, each with Pillow."""
        if image.dtype != torch.uint8:
            raise ValueError(f"frames must be uint8 RGB in 0..255, got {image.dtype}")
        frames = image.reshape(-1, *image.shape[-3:]).permute(0, 2, 3, 1).cpu().numpy()
        resized = [resize_frame(frame, dict(size), self.resample if resample is None else resample) for frame in frames]
        stacked = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2)
        return stacked.reshape(*image.shape[:-2], *stacked.shape[-2:])

    def center_crop(self, image: torch.Tensor, size: SizeDict, **kwargs: object) -> torch.Tensor:
        """Cut out the middle as torchvision does, on which the networks were trained; transformers rounds otherwise."""
        return tvf.center_crop(image, [size.height, size.width])

    def resize_frame(self, frame: np.ndarray) -> np.ndarray:
        """Bring one frame `(height, width, 3)` uint8 to `size`; calling the processor with it is then quick."""
        if not self.do_resize:
            return frame
        return resize_frame(frame, dict(self.size), self.resample)

    def _preprocess(
        self, videos: list[torch.Tensor], return_tensors: str | TensorType | None = None, **kwargs: Any
    ) -> BatchFeature:
        clips = super()._preprocess(videos, return_tensors=None, **kwargs)["pixel_values_videos"]
        longest = max(len(clip) for clip in clips)
        if return_tensors is None or all(len(clip) == longest for clip in clips):
            return BatchFeature({"pixel_values_videos": clips}, tensor_type=return_tensors)
        padded = [torch.cat([clip, clip.new_zeros(longest - len(clip), *clip.shape[1:])]) for clip in clips]
        mask = [torch.arange(longest) < len(clip) for clip in clips]
        return BatchFeature({"pixel_values_videos": padded, "frame_mask": mask}, tensor_type=return_tensors)

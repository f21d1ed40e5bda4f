"""Frame sampling rate and preprocessing, saved beside every memorability predictor."""

import numpy as np
import torch
from PIL import Image
from transformers.image_utils import PILImageResampling, SizeDict
from transformers.video_processing_utils import BaseVideoProcessor


class MemorabilityVideoProcessor(BaseVideoProcessor):
    """Turns the frames of a clip into a model's input.

    Frames are resized with Pillow: the published image-memorability networks (MemNet's ports, ResMem, ViTMem) were all
    trained and measured on Pillow's antialiased resizing, and torchvision's differs from it by up to one grey level.

    Attributes that travel in `video_preprocessor_config.json`:
        fps: Frames sampled per second of video (1, paper Sec. 5.1).
        size: `{"height": ..., "width": ...}`, to which a frame is stretched; the aspect is not kept.
        do_center_crop, crop_size: The part in the middle that the model sees.
        do_normalize, image_mean, image_std: Per channel, after pixels are brought to [0, 1].

    Returns:
        `pixel_values_videos` of shape `(batch, frames, 3, height, width)`, float32.
    """

    model_input_names = ["pixel_values_videos"]  # noqa: RUF012 - transformers reads a list here
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

    def resize(
        self, image: torch.Tensor, size: SizeDict, resample: int | None = None, **kwargs: object
    ) -> torch.Tensor:
        """Resize uint8 frames `(..., 3, height, width)` to `size`, each with Pillow."""
        if not (size.height and size.width):
            raise ValueError(f"size must give height and width, got {size}")
        if image.dtype != torch.uint8:
            raise ValueError(f"frames must be uint8 RGB in 0..255, got {image.dtype}")
        frames = image.reshape(-1, *image.shape[-3:]).permute(0, 2, 3, 1).cpu().numpy()
        filter_ = self.resample if resample is None else resample
        resized = [np.asarray(Image.fromarray(f).resize((size.width, size.height), filter_)) for f in frames]
        stacked = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2)
        return stacked.reshape(*image.shape[:-2], size.height, size.width)

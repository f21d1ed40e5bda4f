"""C3D: class probabilities of a clip's first 16 frames, by `C3DModel` with weights that the user has converted.

Du Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015. The released feature is
the softmax over the 101 classes of UCF-101. Dropout was left on when it was extracted, at random from clip to clip, so
no computation gives the released numbers again: this one gives the network's without dropout.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf.data.feature_files.release_text import format_c3d, format_digits
from videomem_hf.schema import InputError, short_message

from .clips import Clip
from .spec import FrameTransform, Network, NetworkSpec, compute_rows

CLASSES: Final = 101
FOLDER_VARIABLE: Final = "VIDEOMEM_C3D"
"""Environment variable that names the converted model where no option does."""

_CONVERT: Final = (
    "convert a published checkpoint with `videomem convert c3d CHECKPOINT FOLDER` and set "
    f"{FOLDER_VARIABLE} to that folder "
    "(`videomem extract` also takes --c3d)"
)


@dataclass(frozen=True)
class C3DSpec(NetworkSpec):
    """The released "probabilities", or "fc6", the first fully connected layer, which C3D's paper uses for other tasks.

    `model` is the folder of a converted `C3DModel`; None takes it from `VIDEOMEM_C3D`.
    """

    output: str = "probabilities"
    model: str | None = None

    @property
    def _folder(self) -> str:
        folder = self.model or os.environ.get(FOLDER_VARIABLE)
        if not folder:
            raise InputError(f"{self.name} needs C3D's weights: {_CONVERT}")
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder; {_CONVERT}")
        return folder

    def check(self) -> None:
        from videomem_hf.models.configuration_c3d import C3DConfig

        try:
            config = C3DConfig.from_pretrained(self._folder)
        except (OSError, ValueError) as error:
            raise InputError(f"{self._folder}: holds no C3D model ({short_message(error)}); {_CONVERT}") from None
        if config.model_type != C3DConfig.model_type or "c3d" not in str(config.to_dict().get("architectures")).lower():
            raise InputError(f"{self._folder}: holds no C3D model; {_CONVERT}")
        if self.output == "probabilities" and config.num_classes != CLASSES:
            raise InputError(
                f"{self._folder}: has {config.num_classes} classes where the released C3D features have {CLASSES} (of "
                "UCF-101); give weights fine-tuned on UCF-101, or take c3d-fc6, which does not depend on the classes"
            )
        _processor(self._folder)

    def frames(self, clip: Clip) -> Sequence[int]:
        """Return the first 16 frames; a shorter clip's last frame is repeated."""
        length = _processor(self._folder).segment_length
        return [min(index, max(0, clip.frames - 1)) for index in range(length)]

    def frame_transform(self) -> FrameTransform:
        processor = _processor(self._folder)
        return lambda rgb: processor(videos=[rgb[None]], return_tensors="np")["pixel_values_videos"][0, 0]

    def encode(self, value: Any) -> bytes:
        return format_c3d(value) if self.output == "probabilities" else format_digits(value)

    def load(self, device: str) -> Network:
        from safetensors import SafetensorError

        from videomem_hf.models.modeling_c3d import C3DModel

        try:
            model = C3DModel.from_pretrained(self._folder)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise InputError(f"{self._folder}: C3D cannot be loaded from it ({short_message(error)})") from None
        return partial(_features, model.to(device).eval().requires_grad_(False), self.output)


@cache
def _processor(folder: str) -> Any:
    from transformers import AutoVideoProcessor

    try:
        return AutoVideoProcessor.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: holds no video processor ({short_message(error)}); {_CONVERT}") from None


def _features(model: Any, output: str, clips: list[list[Any]]) -> list[list[np.ndarray]]:
    inputs = [np.stack(frames) for frames in clips]
    return [[row] for row in compute_rows(lambda pixels: model(pixels)[output][:, 0], inputs, model.device)]

"""InceptionV3: activations of ImageNet's 1,000 classes, as released and with the network's own preprocessing.

Christian Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016. The release gave
Keras' network frames of 227x227 pixels from 0 to 255, although it was trained on 299x299 from -1 to 1: its activations
are far from what the network can say, and its features weak. The same is done here with torchvision's network. Its
weights are others than Keras', so the released numbers are not reproduced.
"""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from videomem_hf.data.feature_files.release_text import format_inceptionv3
from videomem_hf.schema import InputError

from .extras import library, load_weights
from .spec import FrameTransform, Network, NetworkSpec, compute_rows, split_by_clip

RELEASED_SIDE: Final = 227
CLASSES: Final = 1000
WEIGHTS_VARIABLE: Final = "VIDEOMEM_INCEPTIONV3"
"""Environment variable that names the weights where no option does."""


def released_input(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shrink a frame to `(3, 227, 227)` as the release did: colours exchanged, bilinear without smoothing, 0 to 255."""
    resize = library("skimage.transform", "inceptionv3").resize
    side = RELEASED_SIDE
    small = resize(rgb[..., ::-1], (side, side, 3), mode="constant", preserve_range=True, anti_aliasing=False)
    return small.astype(np.float32).transpose(2, 0, 1)


def corrected_input(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Prepare a frame as the network was trained: `(3, 299, 299)`, normalised."""
    import torch
    from torchvision.models import Inception_V3_Weights

    transform = Inception_V3_Weights.IMAGENET1K_V1.transforms()
    return transform(torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)).numpy()


@dataclass(frozen=True)
class InceptionV3Spec(NetworkSpec):
    """The released feature, or with `corrected` that of frames with true colours, prepared as the network was trained.

    `weights` is a file of torchvision's `inception_v3`; None takes it from `VIDEOMEM_INCEPTIONV3` or torchvision.
    """

    corrected: bool = False
    weights: str | None = None

    def check(self) -> None:
        if not self.corrected:
            library("skimage.transform", self.name)
        path = self._path()
        if path and not Path(path).is_file():
            raise InputError(f"{path}: no such file; {self.name} needs the weights of torchvision's inception_v3")

    def _path(self) -> str | None:
        return self.weights or os.environ.get(WEIGHTS_VARIABLE)

    def frame_transform(self) -> FrameTransform:
        return corrected_input if self.corrected else released_input

    def encode(self, value: Any) -> bytes:
        return format_inceptionv3(value)

    def load(self, device: str) -> Network:
        from torchvision.models import Inception_V3_Weights, inception_v3

        model = inception_v3(weights=None, transform_input=self.corrected, init_weights=False)
        remedy = f"give the file with --inceptionv3 or {WEIGHTS_VARIABLE}"
        published = partial(Inception_V3_Weights.IMAGENET1K_V1.get_state_dict, check_hash=True)
        load_weights(model, self._path(), published, self.name, remedy)
        return partial(_activations, model.to(device).eval().requires_grad_(False), device)


def _activations(model: Any, device: Any, clips: list[list[Any]]) -> list[list[np.ndarray]]:
    frames = [frame for clip in clips for frame in clip]
    rows = compute_rows(lambda pixels: model(pixels).softmax(dim=1), frames, device)
    return [list(part) for part in split_by_clip(rows, clips)]

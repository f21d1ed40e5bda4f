"""What a detector sees in a clip: `concepts:NAME`, for each of its categories how surely it is there.

NAME is one of torchvision's detectors (`fasterrcnn_resnet50_fpn_v2`, `ssdlite320_mobilenet_v3_large`, ...), with the
weights that torchvision publishes for COCO, or `NAME@FILE` with the user's own. One frame a second, at most 64, is
looked at. The score of a category is the mean over these frames of its surest detection's score, 0 where there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from videomem_hf.schema import InputError

from .clips import Clip
from .release_text import format_digits
from .spec import Collector, FrameValues, Network, NetworkSpec, one_per_second
from .weights import load_weights

CATEGORIES: Final = 91
"""COCO's numbers: 0 is the background, some are not used; the names are in torchvision's weights."""

_LONG_SIDE: Final = 1333
"""To which the detectors shrink frames themselves; done at once, it keeps a clip's frames small."""


@dataclass(frozen=True)
class ConceptsSpec(NetworkSpec):
    """Scores of a detector's categories.

    Attributes:
        model: `NAME` or `NAME@FILE`.
    """

    model: str = ""

    @property
    def _parts(self) -> tuple[str, str | None]:
        name, _, file = self.model.partition("@")
        return name, file or None

    def check(self) -> None:
        """See the base class."""
        from torchvision.models import detection, list_models

        name, file = self._parts
        known = [model for model in list_models(module=detection) if "keypoint" not in model]
        if name not in known:
            raise InputError(f"{self.name}: torchvision has no detector {name!r}; there are {', '.join(known)}")
        if file and not Path(file).is_file():
            raise InputError(f"{self.name}: {file}: no such file")

    def frames(self, clip: Clip) -> Sequence[int]:
        """See the module."""
        return one_per_second(clip)

    def collector(self, clip: Clip) -> Collector:
        """See the base class."""
        return FrameValues(lambda picture: _shrunk(picture.rgb))

    def encode(self, value: Any) -> bytes:
        """See the base class."""
        return format_digits(value)

    def load(self, device: str) -> Network:
        """See the base class."""
        from torchvision.models import get_model, get_model_weights

        name, file = self._parts
        model = get_model(name, weights=None, weights_backbone=None, num_classes=CATEGORIES)
        published = partial(get_model_weights(name).DEFAULT.get_state_dict, check_hash=True)
        load_weights(model, file, published, self.name, f"give the file as concepts:{name}@FILE")
        return partial(_scores, model.to(device).eval().requires_grad_(False), device)


def _shrunk(rgb: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(rgb)
    picture.thumbnail((_LONG_SIDE, _LONG_SIDE), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def _scores(model: Any, device: str, clips: list[list[Any]]) -> list[list[np.ndarray]]:
    return [[np.mean([_surest(model, device, frame) for frame in frames], axis=0)] for frames in clips]


def _surest(model: Any, device: str, frame: np.ndarray) -> np.ndarray:
    """Give the score of each category's surest detection in one frame; `(91,)`."""
    import torch

    pixels = torch.from_numpy(frame.copy()).to(device).permute(2, 0, 1) / 255
    with torch.inference_mode():
        found = model([pixels])[0]
    scores = np.zeros(CATEGORIES)
    np.maximum.at(scores, found["labels"].cpu().numpy(), found["scores"].double().cpu().numpy())
    return scores

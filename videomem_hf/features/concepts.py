"""What a detector sees in a clip: `concepts:NAME`, one score for each of its categories.

NAME is one of torchvision's detectors (`fasterrcnn_resnet50_fpn_v2`, `ssdlite320_mobilenet_v3_large`, ...), with the
weights that torchvision publishes for COCO, or `NAME@FILE` with the user's own. It sees one frame per second, at
most 64. A category's score is the mean over these frames of its best detection's score, 0 where there is none.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from videomem_hf.schema import InputError

from .extras import load_weights
from .spec import FrameTransform, Network, NetworkSpec

CATEGORIES: Final = 91
"""COCO's numbers: 0 is the background, some are not used; the names are in torchvision's weights."""

_LONG_SIDE: Final = 1333
"""The detectors shrink frames to this side themselves; doing it here keeps a clip's frames small."""


@dataclass(frozen=True)
class ConceptsSpec(NetworkSpec):
    """Scores of a detector's categories; `model` is `NAME` or `NAME@FILE`."""

    model: str = ""

    @property
    def _parts(self) -> tuple[str, str | None]:
        name, _, file = self.model.partition("@")
        return name, file or None

    def check(self) -> None:
        from torchvision.models import detection, list_models

        name, file = self._parts
        known = [model for model in list_models(module=detection) if "keypoint" not in model]
        if name not in known:
            raise InputError(f"{self.name}: torchvision has no detector {name!r}; there are {', '.join(known)}")
        if file and not Path(file).is_file():
            raise InputError(f"{self.name}: {file}: no such file")

    def frame_transform(self) -> FrameTransform:
        return _shrink

    def load(self, device: str) -> Network:
        from torchvision.models import get_model, get_model_weights

        name, file = self._parts
        model = get_model(name, weights=None, weights_backbone=None, num_classes=CATEGORIES)
        published = partial(get_model_weights(name).DEFAULT.get_state_dict, check_hash=True)
        load_weights(model, file, published, self.name, f"give the file as concepts:{name}@FILE")
        return partial(_scores, model.to(device).eval().requires_grad_(False), device)


def _shrink(rgb: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(rgb)
    picture.thumbnail((_LONG_SIDE, _LONG_SIDE), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def _scores(model: Any, device: str, clips: list[list[Any]]) -> list[list[np.ndarray]]:
    return [[np.mean([_best_scores(model, device, frame) for frame in frames], axis=0)] for frames in clips]


def _best_scores(model: Any, device: str, frame: np.ndarray) -> np.ndarray:
    """Return the score of each category's best detection in one frame; `(91,)`."""
    import torch

    pixels = torch.from_numpy(frame.copy()).to(device).permute(2, 0, 1) / 255
    with torch.inference_mode():
        found = model([pixels])[0]
    scores = np.zeros(CATEGORIES)
    np.maximum.at(scores, found["labels"].cpu().numpy(), found["scores"].double().cpu().numpy())
    return scores

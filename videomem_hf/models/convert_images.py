"""Checkpoints of image-memorability networks, complete with the layers that score: MemNet, ResMem, ViTMem, AMNet."""

from math import isqrt
from pathlib import Path

import numpy as np
import torch

from .checkpoint_files import CheckpointError, read_tensors
from .checkpoints import Converted, count, drop, fill, rename, take
from .configuration_amnet import AMNetConfig
from .configuration_memnet import MemNetConfig
from .configuration_resmem import ResMemConfig
from .configuration_vitmem import ViTMemConfig
from .modeling_amnet import AMNetModel
from .modeling_memnet import MemNetModel
from .modeling_resmem import ResMemModel
from .modeling_vitmem import ViTMemModel
from .video_processing_memorability import MemorabilityVideoProcessor

_HEAD_SIZES = {1280: 80, 1408: 88, 1664: 104}
"""Numbers in a head of timm's huge, giant and gigantic vision transformers, by those of a token; all others': 64."""
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def convert_memnet(path: Path, mean_image: Path | None = None) -> Converted:
    """MemNet in the layout of its public PyTorch ports: conv1 to conv5, fc6 to fc8.

    `mean_image` is a NumPy file `(3, 256, 256)`, blue, green, red from 0 to 255: the mean image of the Caffe release.
    Without one its channel means are subtracted everywhere.
    """
    tensors = read_tensors(path)
    convolutions = take(tensors, path, *(f"conv{i}.weight" for i in range(1, 6)))
    fc6, fc8 = take(tensors, path, "fc6.weight", "fc8.weight")
    config = MemNetConfig(
        horizons=_one_output(path, fc8),
        crop_size=_alexnet_side(fc6[1], convolutions[4][0], path),
        conv_channels=[shape[0] for shape in convolutions],
        hidden_size=fc6[0],
        output_mean=0.7626,
        output_scale=2.0,
        output_bias=0.65,
    )
    model = MemNetModel(config)
    notes = ["No mean image was given: its channel means are subtracted everywhere."]
    if mean_image is not None:
        model.mean_image.copy_(_read_mean_image(mean_image, model.mean_image.shape))
        notes = []
    processor = MemorabilityVideoProcessor(size=square(config.image_size), do_normalize=False)
    return fill(model, tensors, path, processor, notes, new=["mean_image"])


def convert_resmem(path: Path) -> Converted:
    """ResMem in the layout of the `resmem` package's model.pt. Its licence is non-commercial; see `LICENSE_NOTICE`."""
    tensors = read_tensors(path)
    convolutions = take(tensors, path, *(f"conv{i}.weight" for i in range(1, 6)))
    (classes,) = (shape[0] for shape in take(tensors, path, "features.fc.weight"))
    linear = take(tensors, path, *(f"fc{6 + i}.weight" for i in range(max(2, count(tensors, r"fc(\d+)\.weight$")))))
    config = ResMemConfig(
        horizons=_one_output(path, linear[-1]),
        image_size=_alexnet_side(linear[0][1] - classes, convolutions[4][0], path),
        conv_channels=[shape[0] for shape in convolutions],
        resnet_layers=[count(tensors, rf"features\.layer{stage}\.(\d+)\.") for stage in range(1, 5)],
        resnet_classes=classes,
        hidden_sizes=[shape[0] for shape in linear[:-1]],
    )
    return fill(ResMemModel(config), tensors, path, middle_of_256(config.image_size))


def convert_vitmem(path: Path) -> Converted:
    """ViTMem, or a vision transformer of timm to start from, in timm's layout with or without the prefix `vit.`."""
    tensors = read_tensors(path)
    if not any(name.startswith("vit.") for name in tensors):
        tensors = rename(tensors, {"": "vit."})
    names = ("vit.patch_embed.proj.weight", "vit.pos_embed", "vit.blocks.0.mlp.fc1.weight", "vit.head.weight")
    patch, positions, hidden, head = take(tensors, path, *names)
    config = ViTMemConfig(
        image_size=isqrt(positions[1] - 1) * patch[2],
        patch_size=patch[2],
        hidden_size=patch[0],
        num_hidden_layers=count(tensors, r"vit\.blocks\.(\d+)\."),
        num_attention_heads=max(1, patch[0] // _HEAD_SIZES.get(patch[0], 64)),  # the weights do not tell
        intermediate_size=hidden[0],
        qkv_bias="vit.blocks.0.attn.qkv.bias" in tensors,
    )
    model, processor = ViTMemModel(config), middle_of_256(config.image_size)
    if head[0] == 1:
        return fill(model, tensors, path, processor)
    notes = [f"The head of {head[0]} classes was left out; the one for memorability starts untrained."]
    return fill(model, drop(tensors, "vit.head."), path, processor, notes, new=["vit.head."])


def convert_amnet(path: Path) -> Converted:
    """AMNet with ResNet-50 in its authors' layout; the ResNet's last stage, which it does not use, is left out."""
    tensors = drop(read_tensors(path), "core_cnn.core_cnn.layer4.", "core_cnn.core_cnn.fc.")
    names = ("inconv.weight", "eh1.weight", "rnn.weight_hh_l0", "regnet1.weight", "regnet4.weight")
    reduce, positions, lstm, regression, last = take(tensors, path, *names)
    config = AMNetConfig(
        horizons=_one_output(path, last),
        image_size=isqrt(positions[0]) * 16,
        resnet_layers=[count(tensors, rf"core_cnn\.core_cnn\.layer{stage}\.(\d+)\.") for stage in range(1, 4)],
        attention_size=reduce[0],
        lstm_size=lstm[1],
        regression_size=regression[0],
    )
    processor = MemorabilityVideoProcessor(size=square(config.image_size), **IMAGENET)
    notes = ["The ResNet's last stage and classes were left out: AMNet does not use them."]
    return fill(AMNetModel(config), tensors, path, processor, notes)


def _one_output(path: Path, last: torch.Size) -> tuple[str]:
    if last[0] != 1:
        raise CheckpointError(f"{path}: scores memorability with one output, here the last layer has {last[0]}")
    return ("short_term",)


def square(side: int) -> dict[str, int]:
    """A size for video processors."""
    return {"height": side, "width": side}


def middle_of_256(side: int) -> MemorabilityVideoProcessor:
    """As ResMem and ViTMem were trained: 256 x 256 whatever the aspect, the middle of it, pixels in [0, 1]."""
    return MemorabilityVideoProcessor(size=square(256), do_center_crop=True, crop_size=square(side), do_normalize=False)


def _alexnet_side(inputs: int, channels: int, path: Path) -> int:
    """Smallest frame from which AlexNet's convolutions give `inputs` numbers in so many channels; 227 for 6 x 6."""
    side = isqrt(max(0, inputs) // channels)
    if side < 1 or side**2 * channels != inputs:
        raise CheckpointError(f"{path}: fc6.weight takes {inputs} numbers: no square map of {channels} channels")
    for _ in range(3):
        side = (side - 1) * 2 + 3
    return (side - 1) * 4 + 11


def _read_mean_image(path: Path, shape: torch.Size) -> torch.Tensor:
    try:
        image = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a NumPy file ({error})") from None
    if image.shape != tuple(shape):
        raise CheckpointError(f"{path}: a mean image must be {tuple(shape)}, this is {image.shape}")
    return torch.from_numpy(image.astype(np.float32))

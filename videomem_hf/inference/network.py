"""A network as prediction runs it: its number format, and normalisation folded into convolutions."""

from itertools import pairwise
from typing import Any, Final

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from videomem_hf.models.modeling_resnet3d import BasicBlock as BasicBlock3D
from videomem_hf.models.modeling_resnet3d import Bottleneck as Bottleneck3D
from videomem_hf.models.modeling_resnet3d import ResNet3DModel
from videomem_hf.schema import InputError

PRECISIONS: Final = ("auto", "float32", "bfloat16", "float16")
_NORM_FOLLOWS_CONV: Final = (BasicBlock, Bottleneck, ResNet, BasicBlock3D, Bottleneck3D, ResNet3DModel)
"""Modules in which `bn1` follows `conv1` directly, `bn2` follows `conv2`, and so on."""


def for_inference(model: Any, device: str, precision: str = "auto") -> Any:
    """Prepare a network for prediction; it is changed in place and cannot be trained or saved afterwards.

    Batch normalisation becomes part of the convolution before it, where that is known to come directly before it.

    Args:
        model: A memorability predictor.
        device: "cpu", "cuda", ...
        precision: Number format of weights and activations; heads and some normalisations stay float32 in any.
            "auto" keeps the format that the model has, except for float32 on a GPU that computes in bfloat16.

    Returns:
        The model, on its device.

    Raises:
        InputError: An unknown precision.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
    where = torch.device(device)
    model = model.eval().requires_grad_(False)
    for module in model.modules():
        _fold_norms(module)
    dtype = _dtype(model, where, precision)
    return model.to(where) if dtype is None else model.to(where, dtype)


def _dtype(model: Any, device: torch.device, precision: str) -> torch.dtype | None:
    if precision != "auto":
        return getattr(torch, precision)
    is_float32 = getattr(model, "dtype", None) == torch.float32
    faster = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if is_float32 and faster else None


def _fold_norms(module: nn.Module) -> None:
    """Fold the batch normalisations of one module into the convolutions before them."""
    children = dict(module.named_children())
    if type(module).forward is nn.Sequential.forward:
        pairs = list(pairwise(children))
    elif isinstance(module, _NORM_FOLLOWS_CONV):
        pairs = [(name, name.replace("conv", "bn")) for name in children if name.startswith("conv")]
    else:
        return
    for first, second in pairs:
        conv, norm = children[first], children.get(second)
        if not isinstance(conv, nn.Conv2d | nn.Conv3d) or not isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d):
            continue
        mean, variance = norm.running_mean, norm.running_var
        is_float32 = conv.weight.dtype == torch.float32  # the product would be rounded in half precision
        if is_float32 and mean is not None and variance is not None:
            conv.weight, conv.bias = fuse_conv_bn_weights(
                conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias
            )
            setattr(module, second, nn.Identity())

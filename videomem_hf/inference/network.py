"""A network as prediction runs it: its number format, and normalisation folded into convolutions."""

from collections import Counter
from itertools import pairwise
from typing import Any, Final, get_args

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.nn.utils.parametrize import is_parametrized
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from videomem_hf.models.modeling_memorability import Conv3d
from videomem_hf.models.modeling_resnet3d import BasicBlock as BasicBlock3D
from videomem_hf.models.modeling_resnet3d import Bottleneck as Bottleneck3D
from videomem_hf.models.modeling_resnet3d import ResNet3DModel, SplitBasicBlock, SplitBottleneck
from videomem_hf.schema import PRECISION_NAMES, InputError, Precision

PRECISIONS: Final = get_args(Precision)
_NORM_FOLLOWS_CONV: Final = (
    BasicBlock,
    Bottleneck,
    ResNet,
    BasicBlock3D,
    Bottleneck3D,
    SplitBasicBlock,
    SplitBottleneck,
    ResNet3DModel,
)
"""Modules in which `bn1` follows `conv1` directly, `bn2` follows `conv2`, and so on."""


def for_inference(model: Any, device: str, precision: str = "auto") -> Any:
    """Prepare a network for prediction; it is changed in place and cannot be trained or saved afterwards.

    Batch normalisation becomes part of the convolution before it, where that is known to come directly before it.

    Args:
        model: A memorability predictor.
        device: "cpu", "cuda", ...
        precision: Number format of weights and activations; heads and some normalisations stay float32 in any.
            "auto" keeps the format that the model has, except for float32 on a GPU that computes in bfloat16.

    Returns the model, on its device; raises InputError for an unknown precision.
    """
    precision = PRECISION_NAMES.get(precision, precision)
    if precision not in PRECISIONS:
        raise InputError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
    where = torch.device(device)
    model = model.eval().requires_grad_(False)
    if _fold_norms(model):
        model.save_pretrained = model.push_to_hub = _refuse_to_save
    dtype = _dtype(model, where, precision)
    return model.to(where) if dtype is None else model.to(where, dtype)


def _dtype(model: Any, device: torch.device, precision: str) -> torch.dtype | None:
    if precision != "auto":
        return getattr(torch, precision)
    is_float32 = getattr(model, "dtype", None) == torch.float32
    faster = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if is_float32 and faster else None


def _refuse_to_save(*_: Any, **__: Any) -> None:
    raise InputError(
        "this network is prepared for prediction and has other weights; save the one that it was loaded from"
    )


def _fold_norms(model: nn.Module) -> int:
    """Fold batch normalisations into the convolutions directly before them; returns how many."""
    uses = Counter(id(part) for _, part in model.named_modules(remove_duplicate=False))
    is_ours = type(model).__module__.startswith("videomem_hf.models.")
    folded = 0
    for module in list(model.modules()):
        for first, second in _neighbours(module, is_ours):
            conv, norm = getattr(module, first), getattr(module, second, None)
            if norm is not None and uses[id(conv)] == uses[id(norm)] == 1 and _can_be_folded(conv, norm):
                _fold(conv, norm)
                setattr(module, second, nn.Identity())
                folded += 1
    return folded


def _neighbours(module: nn.Module, is_ours: bool) -> list[tuple[str, str]]:
    """Names of the parts of a module of which the second is applied to what the first gives, and to nothing else.

    Someone else's model may call the parts of a Sequential one by one, and use what is between them.
    """
    names = [name for name, _ in module.named_modules(remove_duplicate=False) if name and "." not in name]
    if type(module) is nn.Sequential and is_ours:
        return list(pairwise(names))
    if type(module) not in _NORM_FOLLOWS_CONV:
        return []
    return [(name, name.replace("conv", "bn")) for name in names if name.startswith("conv")]


def _can_be_folded(conv: nn.Module, norm: nn.Module) -> bool:
    """Plain layers in float32 that nobody listens to: the product would be rounded in half precision."""
    if type(conv) not in (nn.Conv2d, nn.Conv3d, Conv3d) or type(norm) not in (nn.BatchNorm2d, nn.BatchNorm3d):
        return False
    changed = any(each._forward_hooks or each._forward_pre_hooks for each in (conv, norm)) or is_parametrized(conv)
    return not changed and conv.weight.dtype == torch.float32 and norm.running_mean is not None


def _fold(conv: Any, norm: Any) -> None:
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )

"""Any image or video network as the trunk of the semantic model: of torchvision, timm or transformers."""

from pathlib import Path
from typing import Any, Final

import torch
from transformers import AutoImageProcessor, AutoVideoProcessor

from .checkpoint_files import CheckpointError, Tensors, list_names, read_tensors
from .checkpoints import HORIZONS, Converted, rename
from .configuration_semantic_embedding import SemanticEmbeddingConfig
from .convert_backbones import NO_CLASSES, semantic_model
from .convert_images import IMAGENET, square
from .modeling_semantic_embedding import SemanticEmbeddingModel
from .recognition import modern_names, torchvision_network
from .transformers_trunks import TransformersTrunk
from .trunk_configs import TIMM_PREFIX, TRANSFORMERS_PREFIX, resolve_config
from .trunks import TimmTrunk, trunk_parts
from .video_processing_memorability import MemorabilityVideoProcessor

_HALF: Final = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
_INCEPTION: Final = ("inception_v3", "googlenet")
"""Trained on pixels from -1 to 1; torchvision's own forward brings those of ImageNet's mean and deviation there."""
_CROP_SHARE: Final = 0.875
"""Of the short side that ImageNet's networks see."""
_TIMM_HEADS: Final = ("head", "fc", "classifier", "last_linear", "pre_logits")
"""Parts of timm's networks that follow the map."""
_TIMM_BUFFERS: Final = ("attn_mask", "relative_position_index", "relative_coords_table", "num_batches_tracked")
"""What earlier versions of timm saved and today's compute."""


def convert_backbone(
    path: Path, horizons: tuple[str, ...] = HORIZONS, attention: bool = False, network: str | None = None
) -> Converted:
    """Any image or video network as the trunk of the semantic model, without its head.

    Args:
        path: Weights of a classification network of torchvision (AlexNet, VGG, Inception v3, ...), which is
            recognised; weights of the timm network that `network` names; or a folder that transformers saved, or a Hub
            id: of transformers such as "facebook/dinov2-small", of timm such as "timm/convnext_tiny.in12k".
        horizons: What the new head predicts.
        attention: Whether the model gets the branch of spatial attention.
        network: "timm/NAME".

    Raises:
        CheckpointError: No such file or network, or they do not fit.
    """
    fields = {"horizons": horizons, "attention": attention}
    if network is not None or (str(path).startswith(TIMM_PREFIX) and not path.exists()):
        return _convert_timm(path, network, fields)
    if path.is_file():
        return _convert_torchvision(path, fields)
    if path.is_dir() and not (path / "config.json").is_file():
        raise CheckpointError(f"{path}: has no config.json, which a network saved by transformers has")
    return _convert_transformers(path, fields)


def _make(trunk: str, fields: dict[str, Any]) -> Any:
    """A model on a network by its name; raises a CheckpointError for one that is none."""
    from huggingface_hub.errors import StrictDataclassError

    try:
        if Path(trunk).is_dir():  # the saved model is to name no folder of this machine
            arguments = resolve_config(trunk, {})
            fields = fields | {"trunk_kwargs": arguments}
            trunk = f"{TRANSFORMERS_PREFIX}{arguments['model_type']}"
        return SemanticEmbeddingModel(SemanticEmbeddingConfig(trunk=trunk, **fields))
    except (ValueError, ModuleNotFoundError, StrictDataclassError) as error:
        raise CheckpointError(f"{trunk}: {error.__cause__ or error}") from None


def _convert_torchvision(path: Path, fields: dict[str, Any]) -> Converted:
    tensors = modern_names(read_tensors(path))
    name = torchvision_network(tensors)
    if name is None:
        raise CheckpointError(
            f"{path}: holds no classification network of torchvision; of timm's networks name which with --network "
            "timm/NAME, of transformers' give the folder"
        )
    positions = trunk_parts(name)
    parts: Tensors = {}
    for each, value in tensors.items():
        part, _, rest = each.partition(".")
        if part in positions:
            parts[f"trunk.{positions[part]}.{rest}"] = value
    side = 299 if name == "inception_v3" else 224
    pixels: dict[str, Any] = _HALF if name in _INCEPTION else IMAGENET
    return semantic_model(
        _make(name, fields),
        parts,
        path,
        notes=(f"{name} of torchvision. {NO_CLASSES}",),
        processor=_cropped(side, **pixels),
    )


def _convert_timm(path: Path, network: str | None, fields: dict[str, Any]) -> Converted:
    name = network or str(path)
    if not name.startswith(TIMM_PREFIX):
        raise CheckpointError(f"the network is {name!r}; it must be one of timm: timm/NAME")
    model = _make(name, fields)
    trunk: TimmTrunk = model.trunk
    weights = read_tensors(path) if network else _downloaded_timm(name)
    own = trunk.model.state_dict()
    others = sorted(n for n in weights.keys() - own if not n.startswith(_TIMM_HEADS) and not n.endswith(_TIMM_BUFFERS))
    if others:  # of a deeper network, say
        raise CheckpointError(f"{path}: does not fit {name}; not known: {list_names(others)}")
    used = {f"trunk.model.{each}": value for each, value in weights.items() if each in own}
    settings = trunk.model.pretrained_cfg
    pixels = {"image_mean": list(settings["mean"]), "image_std": list(settings["std"])}
    processor = _cropped(settings["input_size"][-1], settings.get("crop_pct") or _CROP_SHARE, **pixels)
    return semantic_model(model, used, path, notes=(f"{name}. {NO_CLASSES}",), processor=processor)


def _downloaded_timm(name: str) -> Tensors:
    import timm

    try:
        weights: Tensors = timm.create_model(
            name.removeprefix(TIMM_PREFIX), pretrained=True, num_classes=0
        ).state_dict()
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{name}: its weights cannot be loaded ({_first_line(error)}); give a file of them"
        ) from None
    return weights


def _convert_transformers(path: Path, fields: dict[str, Any]) -> Converted:
    name = str(path)
    model = _make(name, fields)
    trunk: TransformersTrunk = model.trunk
    try:
        pretrained, found = type(trunk.model).from_pretrained(
            name, config=trunk.config, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{name}: its weights cannot be loaded ({_first_line(error)})") from None
    own = trunk.model.state_dict()
    if missing := sorted(own.keys() & set(found["missing_keys"])):
        raise CheckpointError(f"{name}: its weights lack {missing[0]}, {len(missing)} missing in all")
    weights = {each: value for each, value in pretrained.state_dict().items() if each in own}
    return semantic_model(
        model,
        rename(weights, {"": "trunk.model."}),
        path,
        notes=(f"{trunk.config.model_type} of transformers. {NO_CLASSES}",),
        processor=_like(name, trunk),
    )


def _like(name: str, trunk: TransformersTrunk) -> MemorabilityVideoProcessor:
    """What the network's own processor does to frames; pixels from -1 to 1 of its size where it has none."""
    own = _own_processor(name)
    length = trunk.segment_length or 1
    if own is None:
        return MemorabilityVideoProcessor(size=square(trunk.image_size), segment_length=length, **_HALF)
    pixels: dict[str, Any] = {"do_normalize": bool(own.do_normalize), "segment_length": length}
    if own.do_normalize:
        pixels |= {"image_mean": list(own.image_mean), "image_std": list(own.image_std)}
    size = {key: value for key, value in dict(own.size).items() if value}
    crop = dict(own.crop_size) if getattr(own, "do_center_crop", False) and own.crop_size else {}
    if side := crop.get("height") or size.get("shortest_edge"):
        edge = size.get("shortest_edge") or size.get("height") or side
        return _cropped(int(side), side / edge if crop else getattr(own, "crop_pct", None) or 1.0, **pixels)
    return MemorabilityVideoProcessor(size={key: size[key] for key in ("height", "width")}, **pixels)


def _own_processor(name: str) -> Any:
    for kind in (AutoVideoProcessor, AutoImageProcessor):
        try:
            return kind.from_pretrained(name)
        except (OSError, ValueError, ImportError):
            continue
    return None


def _cropped(side: int, share: float = _CROP_SHARE, **fields: Any) -> MemorabilityVideoProcessor:
    """The middle of frames whose short side is `side / share`."""
    return MemorabilityVideoProcessor(
        size={"shortest_edge": round(side / share)}, do_center_crop=True, crop_size=square(side), **fields
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

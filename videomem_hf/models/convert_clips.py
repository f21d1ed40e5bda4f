"""Checkpoints of networks of clips: the 3D ResNets of Hara et al. and of torchvision, and C3D."""

from pathlib import Path
from typing import Any

from .checkpoint_files import CheckpointError, Tensors, read_checkpoint, read_tensors
from .checkpoints import HORIZONS, UNTRAINED, Converted, count, drop, fill, rename, take
from .configuration_c3d import C3DConfig
from .configuration_resnet3d import DEPTHS, R2PLUS1D, RESNET3D, ResNet3DConfig
from .convert_images import square
from .modeling_c3d import C3DModel
from .modeling_resnet3d import ResNet3DModel
from .video_processing_memorability import MemorabilityVideoProcessor

_C3D_LAYERS = {
    **{"features.0.": "conv1.", "features.3.": "conv2.", "features.6.": "conv3a.", "features.8.": "conv3b."},
    **{"features.11.": "conv4a.", "features.13.": "conv4b.", "features.16.": "conv5a.", "features.18.": "conv5b."},
    **{"classifier.0.": "fc6.", "classifier.3.": "fc7.", "classifier.6.": "fc8."},
}
"""Names of the port that writes C3D as lists of layers, and ours."""
_STAGES = range(1, 5)
_TORCHVISION_NAMES = {(True, True): "r2plus1d_18", (False, True): "r3d_18", (False, False): "mc3_18"}
"""By whether convolutions are split, and whether those of the second stage see time."""
_TORCHVISION_PIXELS = {
    "size": {"height": 128, "width": 171},
    "image_mean": [0.43216, 0.394666, 0.37645],
    "image_std": [0.22803, 0.22145, 0.216989],
}
_PIXELS_2018 = {"do_rescale": False, "image_mean": [114.7748, 107.7354, 99.475], "image_std": [1.0, 1.0, 1.0]}
_PIXELS_2020 = {"image_mean": [0.4345, 0.4051, 0.3775], "image_std": [0.2768, 0.2713, 0.2737]}


def convert_resnet3d(path: Path, horizons: tuple[str, ...] = HORIZONS) -> Converted:
    """ResNet3D in both generations of its authors' checkpoints, their R(2+1)D, ResNeXt and wide networks, and
    torchvision's r3d_18, mc3_18 and r2plus1d_18; the classes are left out.

    2018 (Kinetics-400; names begin with `module.`): pixels from 0 to 255 minus their means. Since 2020: pixels in
    [0, 1], mean and standard deviation.
    """
    checkpoint = read_checkpoint(path)
    tensors = checkpoint.tensors
    if "stem.0.weight" in tensors:
        return _convert_torchvision(tensors, path, horizons)
    config = _hara_config(tensors, path, horizons)
    first_generation = config.shortcut == "A" or "module." in checkpoint.prefixes
    network = "R(2+1)D" if config.network == R2PLUS1D else "ResNeXt" if config.groups > 1 else "ResNet"
    notes = (
        f"{network} of Hara et al.: depth {config.depth}, shortcut {config.shortcut}, preprocessing of "
        f"{'2018' if first_generation else '2020'}.",
        _left_out(tensors),
    )
    processor = _clips(config.segment_length, 112, **(_PIXELS_2018 if first_generation else _PIXELS_2020))
    return fill(ResNet3DModel(config), drop(tensors, "fc."), path, processor, notes, new=["fc."])


def _hara_config(tensors: Tensors, path: Path, horizons: tuple[str, ...]) -> ResNet3DConfig:
    split = "conv1_s.weight" in tensors
    kind = "bottleneck" if "layer1.0.conv3.weight" in tensors else "basic"
    blocks = tuple(count(tensors, rf"layer{stage}\.(\d+)\.") for stage in _STAGES)
    depths = [depth for depth, architecture in DEPTHS.items() if architecture == (kind, blocks)]
    if not depths:
        raise CheckpointError(f"{path}: no ResNet3D has stages of {blocks} {kind} blocks")
    last = "_t" if split else ""
    of_stage = "conv1" if kind == "bottleneck" else f"conv1{last}"
    stem, *stages = take(
        tensors, path, f"conv1{last}.weight", *(f"layer{stage}.0.{of_stage}.weight" for stage in _STAGES)
    )
    shape: dict[str, Any] = {}
    if kind == "bottleneck":
        widest, middle = take(tensors, path, "layer1.0.conv3.weight", f"layer1.0.conv2{'_s' if split else ''}.weight")
        shape = {"expansion": widest[0] // stages[0][0], "groups": 1 if split else middle[0] // middle[1]}
    return ResNet3DConfig(
        horizons=horizons,
        network=R2PLUS1D if split else RESNET3D,
        depth=depths[0],
        shortcut="B" if any(".downsample." in name for name in tensors) else "A",
        hidden_sizes=[each[0] for each in stages],
        stem_size=None if stem[0] == stages[0][0] else stem[0],
        **shape,
    )


def _convert_torchvision(tensors: Tensors, path: Path, horizons: tuple[str, ...]) -> Converted:
    split = "layer1.0.conv1.0.3.weight" in tensors
    (second,) = take(tensors, path, f"layer2.0.conv1.0{'.3' if split else ''}.weight")
    name = _TORCHVISION_NAMES[split, second[2] == 3]
    config = ResNet3DConfig(horizons=horizons, network=name, depth=18, shortcut="B")
    processor = _clips(config.segment_length, 112, **_TORCHVISION_PIXELS)
    notes = (f"{name} of torchvision.", _left_out(tensors))
    return fill(ResNet3DModel(config), drop(tensors, "fc."), path, processor, notes, new=["fc."])


def _left_out(tensors: Tensors) -> str:
    classes = f"The head of {len(tensors['fc.weight'])} classes was left out. " if "fc.weight" in tensors else ""
    return classes + UNTRAINED.format("fc")


def convert_c3d(path: Path) -> Converted:
    """C3D in the layouts of its PyTorch ports: conv1 to conv5b and fc6 to fc8, or features.N and classifier.N."""
    tensors = rename(read_tensors(path), _C3D_LAYERS)
    names = [f"conv{layer}.weight" for layer in ("1", "2", "3a", "4a", "5a")]
    *convolutions, fc6, fc8 = take(tensors, path, *names, "fc6.weight", "fc8.weight")
    side = round((fc6[1] // convolutions[4][0]) ** 0.5)
    config = C3DConfig(
        num_classes=fc8[0],
        hidden_sizes=[shape[0] for shape in convolutions],
        fc_size=fc6[0],
        image_size=112 if side == 4 else max(16, 32 * (side - 1)),
    )
    mean = {"do_rescale": False, "image_mean": [107.76, 102.86, 95.14], "image_std": [1.0, 1.0, 1.0]}
    # VideoMem's released features are of a clip's first 16 frames.
    processor = _clips(config.segment_length, config.image_size, max_segments=1, **mean)
    notes = ["A feature extractor: it gives class probabilities, fc6 and fc7, not memorability."]
    return fill(C3DModel(config), tensors, path, processor, notes)


def _clips(length: int, side: int, **changes: Any) -> MemorabilityVideoProcessor:
    """Segments of consecutive frames, one each second; short side to `side` and the middle of it."""
    fields = {"size": {"shortest_edge": side}} | changes
    return MemorabilityVideoProcessor(do_center_crop=True, crop_size=square(side), segment_length=length, **fields)

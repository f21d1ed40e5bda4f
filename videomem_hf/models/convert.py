"""Published checkpoints turned into this package's models: all kinds, by name."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any, Final

from .checkpoint_files import CheckpointError, Tensors, list_names, read_tensors
from .checkpoints import Converted
from .convert_backbones import convert_resnet, convert_semantic_embedding, convert_vgg16
from .convert_clips import convert_c3d, convert_resnet3d
from .convert_images import convert_amnet, convert_memnet, convert_resmem, convert_vitmem
from .convert_trunks import convert_backbone
from .recognition import recognize

KINDS: Final[dict[str, Callable[..., Converted]]] = {
    "memnet": convert_memnet,
    "resmem": convert_resmem,
    "vitmem": convert_vitmem,
    "amnet": convert_amnet,
    "resnet3d": convert_resnet3d,
    "c3d": convert_c3d,
    "semantic-embedding": convert_semantic_embedding,
    "resnet": convert_resnet,
    "vgg16": convert_vgg16,
    "backbone": convert_backbone,
}

_MOST_PARTS: Final = 8
"""Beginnings of names under which a known network is looked for."""


def convert(kind: str, path: Path, **options: Any) -> Converted:
    """Read a published checkpoint: safetensors, or a file of `torch.save` that holds no code.

    Args:
        kind: One of `KINDS`.
        options: Arguments of the kind's function: `horizons`, `attention`, `mean_image`, `caption_vgg`, `network`.

    Raises:
        CheckpointError: The kind or an option is unknown, or the file does not fit; the message names what, which
            network the file is of, and the kind that it fits.
    """
    if kind not in KINDS:
        raise CheckpointError(f"no kind of checkpoint is called {kind!r}; there are {', '.join(KINDS)}")
    if unknown := options.keys() - signature(KINDS[kind]).parameters.keys():
        raise CheckpointError(f"checkpoints of kind {kind} have no option {', '.join(sorted(unknown))}")
    try:
        return KINDS[kind](path, **options)
    except CheckpointError as error:
        raise CheckpointError(f"{error}{_what_it_is(kind, path)}") from None


def _what_it_is(kind: str, path: Path) -> str:
    """Which network a file is of, and what would take it; empty for one that cannot be read."""
    try:
        tensors = read_tensors(path)
    except CheckpointError:
        return ""
    network = recognize(tensors)
    if network is None:
        return (
            _known_part(tensors)
            or f"; the file holds a network that is not known here, with {list_names(sorted(tensors))}"
        )
    if network.kind is None:
        return f"; the file holds {network.name}, which no kind takes ({', '.join(KINDS)})"
    takes_any = kind == "backbone" and not path.is_dir()
    fits = (
        "part of it differs from what is published"
        if takes_any or network.kind == kind
        else f"convert it as {network.kind}"
    )
    return f"; the file holds {network.name}: {fits}"


def _known_part(tensors: Tensors) -> str:
    """Which network a part of a file is of, by the beginning of its names; empty if none is known."""
    for first in list(dict.fromkeys(name.partition(".")[0] for name in tensors))[:_MOST_PARTS]:
        begin = f"{first}."
        part = {name.removeprefix(begin): tensor for name, tensor in tensors.items() if name.startswith(begin)}
        if found := recognize(part):
            return f"; what begins with {begin} in the file is {found.name}: save that alone"
    return ""

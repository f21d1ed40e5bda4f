"""`videomem convert`: published checkpoints and networks as models of this package."""

import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from videomem_hf.cli.options import quote, say_next
from videomem_hf.model_names import check_on_hub
from videomem_hf.schema import InputError, check_horizon
from videomem_hf.system import os_cause

COMPLETE: Final = ("memnet", "resmem", "vitmem", "amnet")
BACKBONES: Final = ("resnet3d", "semantic-embedding", "resnet", "vgg16", "backbone")
EXTRACTORS: Final = ("c3d",)
KINDS_HELP: Final = (
    f"{', '.join(COMPLETE)} (complete image-memorability networks); {', '.join(BACKBONES)} (backbones: train their "
    f"heads; backbone is any network of torchvision, timm, transformers); {', '.join(EXTRACTORS)} (feature extractor)."
)
_GOOD_FOR: Final = {
    COMPLETE: "It predicts the image memorability that it was published for, frame by frame; how well that ranks your "
    "videos, `videomem evaluate` measures.",
    BACKBONES: "A backbone: its new head knows nothing yet, and predicts memorability after training only.",
    EXTRACTORS: "It gives features to `videomem extract` and to models of features, and predicts nothing by itself.",
}


def complete_kind(incomplete: str) -> list[str]:
    """Kinds of checkpoint that start so, for the shell's completion."""
    return [kind for kind in (*COMPLETE, *BACKBONES, *EXTRACTORS) if kind.startswith(incomplete)]


def convert(
    kind: Annotated[str, typer.Argument(help=KINDS_HELP, autocompletion=complete_kind)],
    file: Annotated[
        Path,
        typer.Argument(
            help="The checkpoint: safetensors, or a PyTorch file without code; of one in parts, its index or folder. "
            "As backbone also a folder of transformers, or a Hub id such as facebook/dinov2-small or timm/NAME."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder for the model; new or empty.")],
    horizon: Annotated[
        list[str] | None,
        typer.Option(
            help="Horizon that a backbone's new head predicts; one option each. (default: short_term, long_term)"
        ),
    ] = None,
    attention: Annotated[
        bool,
        typer.Option("--attention", help="Add the spatial attention branch (semantic-embedding, resnet, backbone)."),
    ] = False,
    mean_image: Annotated[
        Path | None, typer.Option(help="Mean image of the Caffe release as .npy, 3 x 256 x 256, in BGR order (memnet).")
    ] = None,
    caption_vgg: Annotated[
        Path | None, typer.Option(help="torchvision's VGG19 for the caption stream (vgg16).")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Network of timm that the file has weights of: timm/NAME (backbone).")
    ] = None,
) -> None:
    """Turn a published checkpoint into a model folder that loads with `from_pretrained`.

    The names of all weights must match. A file that contains code is refused.

    Examples: [bold]videomem convert memnet memnet.pth memnet/[/bold],
    [bold]videomem convert resnet3d resnet-34-kinetics.pth resnet3d/ --horizon short_term[/bold],
    [bold]videomem convert backbone facebook/dinov2-small dinov2/[/bold]
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists and is not an empty folder; name another")
    given = {
        "horizons": _horizons(horizon),
        "attention": attention or None,
        "mean_image": mean_image,
        "caption_vgg": caption_vgg,
        "network": network,
    }
    converted = _convert(kind, file, {name: value for name, value in given.items() if value is not None})
    _save(converted, out)
    _tell(kind, converted, out)


def _tell(kind: str, converted: Any, out: Path) -> None:
    parameters = sum(p.numel() for p in converted.model.parameters())
    typer.echo(f"{out}: {type(converted.model).__name__}, {parameters / 1e6:.1f} million parameters")
    for note in (*converted.notes, *(text for kinds, text in _GOOD_FOR.items() if kind in kinds)):
        typer.echo(note)
    if kind in EXTRACTORS:
        say_next(f"videomem extract clips --features {kind} --{kind} {quote(out)} --out features")
    elif kind in COMPLETE:
        say_next(f"videomem predict clip.mp4 --model {quote(out)}")
    else:
        say_next("videomem recipes", f"videomem train --recipe RECIPE --init {quote(out)} --data release --output run")


def _convert(kind: str, file: Path, options: dict[str, Any]) -> Any:
    from videomem_hf.models.checkpoint_files import CheckpointError
    from videomem_hf.models.convert import convert as convert_checkpoint

    if kind == "backbone" and "network" not in options:
        check_on_hub(str(file), "model")
    try:
        return convert_checkpoint(kind, file, **options)
    except CheckpointError as error:
        raise InputError(str(error)) from None


def _horizons(names: list[str] | None) -> tuple[str, ...] | None:
    if not names:
        return None
    if len(set(names)) < len(names):
        raise InputError(f"--horizon is {' and '.join(names)}; give each horizon once")
    for name in names:
        check_horizon(name)
    return tuple(names)


def _save(converted: Any, out: Path) -> None:
    """Write the folder under another name beside it, and rename it when it is whole."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
            for part in (converted.model, converted.processor):
                part.save_pretrained(Path(folder) / "model")
            if out.exists():
                out.rmdir()
            (Path(folder) / "model").rename(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({os_cause(error)})") from None

"""Names of trunks, and the configurations of those of transformers, which travel with the model."""

import importlib
from typing import Any, Final

from transformers import PreTrainedConfig

TIMM_PREFIX: Final = "timm/"
TRANSFORMERS_PREFIX: Final = "transformers/"
_NOT_OF_THE_NETWORK: Final = (
    "_name_or_path", "architectures", "dtype", "id2label", "label2id", "problem_type", "torch_dtype",
    "transformers_version",
)  # fmt: skip


def is_of_transformers(name: str) -> bool:
    """Whether a trunk of this name is one of transformers."""
    return "/" in name and not name.startswith(TIMM_PREFIX)


def is_trunk(name: str) -> bool:
    """Whether this names a network of torchvision, timm or transformers."""
    if "/" in name:
        return True
    torchvision = importlib.import_module("torchvision")  # which models without a network of it do not need
    return name in torchvision.models.list_models(module=torchvision.models)


def resolve_trunk(
    name: str, arguments: dict[str, Any] | None, length: int | None
) -> tuple[dict[str, Any] | None, int | None]:
    """The arguments of a trunk completed, see `resolve_config`, and the frames that it sees together.

    Raises:
        ValueError: As `resolve_config`, or `length` is given and another.
    """
    if not is_of_transformers(name):
        found = None
    else:
        arguments = resolve_config(name, arguments or {})
        found = segment_length(arguments)
    if length not in (None, found):
        raise ValueError(f"segment_length is the trunk's, {found} for {name!r}, got {length}; leave it out")
    return arguments, found


def resolve_config(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a network as plain values, `model_type` among them.

    Args:
        name: "transformers/" before a model type, such as "transformers/dinov2"; or a folder or Hub id, such as
            "facebook/dinov2-small", whose configuration is read unless `arguments` have a `model_type`.
        arguments: Fields that are to differ.

    Raises:
        ValueError: There is no such network or configuration, or it is none of images or videos.
    """
    if name.startswith(TRANSFORMERS_PREFIX):
        arguments = {"model_type": name.removeprefix(TRANSFORMERS_PREFIX)} | arguments
    if "model_type" not in arguments:
        from transformers import AutoConfig  # which imports this package's files

        try:
            config = AutoConfig.from_pretrained(name)
        except (OSError, ValueError) as error:
            cause = str(error).strip().splitlines()[0]
            raise ValueError(
                f"the configuration of {name!r} cannot be read ({cause}); give a folder that holds its config.json, or "
                f"'{TRANSFORMERS_PREFIX}MODEL_TYPE' and the fields"
            ) from None
        found = _of_images(config)
        arguments = {"model_type": found.model_type} | found.to_diff_dict() | arguments
    return {key: value for key, value in arguments.items() if key not in _NOT_OF_THE_NETWORK}


def make_config(values: dict[str, Any]) -> PreTrainedConfig:
    """The configuration of a network from what `resolve_config` gave; raises a ValueError for an unknown type."""
    from transformers import AutoConfig

    fields = dict(values)
    kind = str(fields.pop("model_type"))
    try:
        config = AutoConfig.for_model(kind, **fields)
    except ValueError:
        raise ValueError(f"transformers has no network of the type {kind!r}") from None
    return _of_images(config)


def segment_length(values: dict[str, Any]) -> int | None:
    """Consecutive frames that a network of videos sees together; None for one of images."""
    config = make_config(values)
    names = (
        ("num_frames", "frames_per_clip") if hasattr(config, "num_frames") or hasattr(config, "tubelet_size") else ()
    )
    found: list[int] = [int(getattr(config, name)) for name in names if getattr(config, name, None)]
    return found[0] if found else None


def _of_images(config: Any) -> Any:
    """The configuration of the vision tower, of a network of images and texts."""
    return getattr(config, "vision_config", None) or config

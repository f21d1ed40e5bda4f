"""Loading a saved model with other horizons than those that it was saved with."""

import copy
import warnings
from collections.abc import Mapping
from typing import Any, Final

import torch
from transformers import PreTrainedConfig

_HUB_OPTIONS: Final = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "subfolder", "token")


def saved_horizons(model_class: Any, name: Any, config: Any, options: Mapping[str, Any]) -> list[str] | None:
    """The horizons of a saved configuration; None where nothing asks for others, or there is no configuration.

    Args:
        model_class: A predictor.
        name, config, options: Arguments of its `from_pretrained`.
    """
    if name is None or _wanted(config, options) is None:
        return None
    hub = {key: options[key] for key in _HUB_OPTIONS if key in options}
    try:
        found, _ = model_class.config_class.get_config_dict(name, **hub)
    except OSError:
        return None
    return list(found["horizons"]) if "horizons" in found else None


def check_horizons(saved: list[str] | None, config: Any, options: Mapping[str, Any], may_change: bool) -> None:
    """Refuse other horizons than those saved, unless they may change."""
    wanted = _wanted(config, options)
    if saved is None or wanted == saved or may_change:
        return
    raise ValueError(
        f"the saved model predicts {', '.join(saved)}, and {', '.join(wanted or ())} is asked for; "
        "give ignore_mismatched_sizes=True to start with a new head"
    )


def renew_head(model: Any, saved: list[str] | None) -> None:
    """Start what depends on the horizons anew, with a warning, if a loaded model's are not those saved."""
    horizons = list(model.config.horizons)
    if saved is None or saved == horizons:
        return
    names = model.horizon_tensors()
    if len(saved) == len(horizons):  # those of another size were made anew when the weights were loaded
        _initialize(model, names)
    warnings.warn(
        f"the saved model predicts {', '.join(saved)}; {', '.join(sorted(names))} start untrained for "
        f"{', '.join(horizons)}",
        stacklevel=3,
    )


def horizon_tensors(model: Any) -> set[str]:
    """Names of the parameters and buffers whose size depends on the number of horizons."""
    config = copy.deepcopy(model.config)
    count = len(config.horizons) + 1
    config.horizons = [f"horizon{number}" for number in range(count)]
    config.score_means, config.score_stds = [0.5] * count, [0.2] * count
    with torch.device("meta"):
        shapes = {name: each.shape for name, each in type(model)(config).state_dict().items()}
    return {name for name, each in model.state_dict().items() if each.shape != shapes[name]}


def _wanted(config: Any, options: Mapping[str, Any]) -> list[str] | None:
    given = isinstance(config, PreTrainedConfig)
    found = getattr(config, "horizons", None) if given else options.get("horizons")
    return None if found is None else list(found)


def _initialize(model: Any, names: set[str]) -> None:
    tensors = model.state_dict(keep_vars=True)
    if any(tensors[name].is_meta for name in names):
        raise ValueError("other horizons need the whole model in memory; load it without an offload, and save it")
    owners = {name.rpartition(".")[0] for name in names}
    for name, tensor in tensors.items():
        tensor._is_hf_initialized = name not in names  # read by the functions of `transformers.initialization`
    for name, module in model.named_modules():
        module._is_hf_initialized = name not in owners
    model.initialize_weights()

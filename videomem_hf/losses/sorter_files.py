"""Sorters on disk: `config.json`, `model.safetensors` and, from training, `results.json` in one folder."""

import json
import re
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from videomem_hf.losses.sorter_networks import ARCHITECTURES, Sorter
from videomem_hf.recipes import build_by_name
from videomem_hf.schema import InputError

CONFIG_FILE: Final = "config.json"
WEIGHTS_FILE: Final = "model.safetensors"
RESULTS_FILE: Final = "results.json"
SHIPPED: Final = Path(__file__).parent / "sorters"
"""Folder of the sorters that come with the package."""


def build_sorter(architecture: str, **options: Any) -> Sorter:
    """Build an untrained sorter. Raises InputError for an unknown architecture, option or value."""
    return build_by_name("sorter architecture", ARCHITECTURES, architecture, options)


def shipped_sorters() -> list[str]:
    """Names of the trained sorters that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CONFIG_FILE}"))


def load_sorter(source: str | Path) -> Sorter:
    """Load a sorter.

    Args:
        source: `exact`, which needs no weights; the name of a sorter that comes with the package; or a folder that
            `videomem train-sorter` wrote.

    Raises:
        InputError: There is no such sorter, or its files are missing, damaged or of another architecture.
    """
    if source == "exact":
        return build_sorter("exact")
    folder = SHIPPED / source if str(source) in shipped_sorters() else Path(source)
    if not (folder / CONFIG_FILE).is_file():
        known = ", ".join(["exact", *shipped_sorters()])
        raise InputError(f"no sorter {str(source)!r}; there are {known}, or give a folder with {CONFIG_FILE}")
    config = _read_config(folder / CONFIG_FILE)
    sorter = build_sorter(config["architecture"], **config["options"])
    weights = folder / WEIGHTS_FILE
    try:
        sorter.load_state_dict(load_file(weights))
    except (OSError, SafetensorError) as error:
        raise InputError(f"{weights}: cannot be read ({error}); train or copy the sorter again") from None
    except RuntimeError as error:
        raise InputError(f"{weights}: does not fit {folder / CONFIG_FILE}: {' '.join(str(error).split())}") from None
    return sorter.requires_grad_(False)


def save_sorter(
    sorter: Sorter, folder: Path, architecture: str, options: dict[str, Any], results: dict[str, Any]
) -> None:
    """Write a trained sorter; `config.json`, without which nothing is loaded, comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.cpu().contiguous() for name, value in sorter.state_dict().items()}, folder / WEIGHTS_FILE)
    one_line_lists = re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found[0].split()), json.dumps(results, indent=2))
    (folder / RESULTS_FILE).write_text(one_line_lists + "\n", encoding="utf-8")
    config = {"architecture": architecture, "options": options}
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); train or copy the sorter again") from None
    if not isinstance(config, dict) or set(config) != {"architecture", "options"}:
        raise InputError(f"{path}: must hold architecture and options, as `videomem train-sorter` writes them")
    if not isinstance(config["options"], dict):
        raise InputError(f"{path}: options must be a section of names and values")
    return config

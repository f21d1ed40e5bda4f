"""Names of models and data sets, checked before anything heavy is loaded."""

import json
import re
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from videomem_hf.schema import InputError, short_message

RESMEM: Final = "resmem"
"""The weights in the package of that name; the predictor where none is named."""
NO_MODEL: Final = (
    "no model: either install the published ResMem weights (non-commercial licence) with `pip install resmem`, "
    "or train a model on a generated sample with `videomem quickstart` and name its folder with --model"
)
NO_TITLES: Final = "this model reads no titles; leave them out"

EXPORT_FILE: Final = "export.json"
"""The file that only the folder of an exported model has; it has no `config.json`."""
_PROBE_S: Final = 10
_MODEL_FILE: Final = "config.json"


def is_hub_id(name: str) -> bool:
    """Whether a name has the form `OWNER/NAME` of a Hub id, and is no path here."""
    return re.fullmatch(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", name) is not None and not Path(name).exists()


def check_on_hub(name: str, kind: Literal["model", "dataset"]) -> None:
    """Raise InputError for a Hub id that the Hub does not have; asked once, where loading would try for half a minute.

    A name that is no Hub id, and one that is in the cache already, is not looked up.
    """
    if not is_hub_id(name):
        return
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError

    if (Path(constants.HF_HUB_CACHE) / f"{kind}s--{name.replace('/', '--')}").is_dir():
        return
    try:
        HfApi().repo_info(name, repo_type=kind, timeout=_PROBE_S)
        return
    except (RepositoryNotFoundError, HFValidationError):
        found = f"no {kind} of that name is on the Hub, or none that you may see"
    except HfHubHTTPError:  # the Hub answers, and loading says what it thinks
        return
    except OfflineModeIsEnabled:
        found = "HF_HUB_OFFLINE is set"
    except Exception as error:  # whatever its HTTP library raises, which differs between its versions
        found = f"the Hub cannot be reached ({short_message(error)})"
    raise InputError(f"{name}: no such folder here, and {found}; give a folder that is here, or a Hub id")


def check_model_name(name: str | Path | None) -> None:
    """Raise InputError for a model that is neither a folder here nor of the form of a Hub id, and for a missing ResMem.

    `OWNER/NAME` is a Hub id unless there is a folder `OWNER`; None is ResMem.
    """
    if name in (None, RESMEM):
        if find_spec(RESMEM) is None:
            raise InputError(NO_MODEL)
        return
    path, found = Path(str(name)), "no such folder"
    with suppress(OSError):  # of a name that is longer than the file system takes
        if path.is_dir():
            _check_model_folder(path)
            return
        if is_hub_id(str(name)) and not path.parent.exists():
            return
        found = "is a file" if path.exists() else found
    raise InputError(f"{name}: {found}; give the folder of a model, or a Hub id such as owner/name")


def check_not_exported(name: str | Path) -> None:
    """Raise InputError for the folder of an exported model, which ONNX engines alone can run."""
    folder = Path(name)
    if (folder / EXPORT_FILE).is_file() and not (folder / _MODEL_FILE).is_file():
        raise InputError(
            f"{name}: is an exported model (ONNX), which `videomem predict --engine onnx` alone takes; give the folder "
            "that it was exported from"
        )


def is_model_of_frames(name: str | Path | None) -> bool:
    """Whether a model is known, without loading it, to read no features or views, and so no titles; None is ResMem."""
    if name in (None, RESMEM):
        return True
    try:
        config = json.loads((Path(str(name)) / _MODEL_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # on the Hub, or loading says what is wrong
        return False
    return isinstance(config, dict) and not config.keys() & {"feature_names", "view_names"}


def _check_model_folder(folder: Path) -> None:
    """Raise InputError for a folder that holds no model but a folder with one; loading finds what else is wrong."""
    inside = sorted(each.parent for each in folder.glob(f"*/{_MODEL_FILE}"))
    if inside and not (folder / _MODEL_FILE).is_file():
        raise InputError(f"{folder}: holds no {_MODEL_FILE}, so it is no model's folder; did you mean {inside[0]}?")

"""Names of models, checked before anything heavy is loaded."""

import re
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from videomem_hf.schema import InputError

RESMEM: Final = "resmem"
"""The weights in the package of that name; the predictor where none is named."""
NO_MODEL: Final = (
    "no model: either install the published ResMem weights (non-commercial licence) with `pip install resmem`, "
    "or train a model on a generated sample with `videomem quickstart` and name its folder with --model"
)


def is_hub_id(name: str) -> bool:
    """Whether a name has the form `OWNER/NAME` of a model on the Hub."""
    return re.fullmatch(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", name) is not None


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
        if path.is_dir() or (is_hub_id(str(name)) and not path.parent.exists()):
            return
        found = "is a file" if path.exists() else found
    raise InputError(f"{name}: {found}; give the folder of a model, or a Hub id such as owner/name")

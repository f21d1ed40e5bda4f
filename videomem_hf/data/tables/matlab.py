"""Tables in MATLAB files: a list of structures, each of which is a row."""

from pathlib import Path
from typing import Any

import numpy as np

from videomem_hf.schema import InputError, short_message


def read_structures(path: Path) -> list[dict[str, Any]]:
    """Read the first variable of a .mat file (up to version 7), a list of structures, as a dictionary for each.

    Numbers, texts and None for what is neither; raises an InputError for a file that holds something else.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(str(path), squeeze_me=True)
    except (MatReadError, NotImplementedError, OSError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: not a MATLAB file that can be read ({short_message(error)}); write a .csv of it"
        ) from None
    name = next((name for name in content if not name.startswith("__")), None)
    # A cell holds a structure as an array of one record.
    records = [] if name is None else [np.atleast_1d(cell)[0] for cell in np.atleast_1d(content[name])]
    if not records or not all(isinstance(record, np.void) and record.dtype.names for record in records):
        raise InputError(f"{path}: holds no list of structures, one for each image; write a .csv of it")
    return [{field: _plain(record[field]) for field in record.dtype.names} for record in records]


def _plain(value: Any) -> Any:
    """Return a number or a text as Python has it, None for anything else, such as a matrix."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | float | str) else None

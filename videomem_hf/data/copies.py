"""A user's own copy of a data set: where it is, what state it is in, and what it lacks."""

import hashlib
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from videomem_hf.data.release.inventory import is_ignored
from videomem_hf.data.release.odd_rows import first_three
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause


def data_dir_or_variable(dataset: str, data_dir: str | None, variable: str) -> str:
    """Return `data_dir`, or the folder that an environment variable names; raises an InputError if there is none."""
    found = data_dir or os.environ.get(variable)
    if not found:
        raise InputError(
            f"{dataset} is not downloaded, its licence does not allow that: give data_dir=, the folder of your own "
            f"copy, or set {variable}."
        )
    return found


def files_state(paths: Iterable[Path], folders: Iterable[Path] = ()) -> bytes:
    """Digest name, size and time of files, and of every file in folders but the system's own.

    Raises an InputError for a file that cannot be read.
    """
    state = hashlib.sha256()

    def add(path: str, status: os.stat_result) -> None:
        state.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))

    try:
        for path in sorted(paths):
            add(str(path), path.stat())
        for folder in sorted(folders):
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    links_nowhere = entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110 - circles
                    if not is_ignored(entry.name) and (links_nowhere or not entry.is_dir()):
                        add(entry.path, entry.stat(follow_symlinks=not links_nowhere))
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({os_cause(error)}); check the path.") from None
    return state.digest()


def warn_of_missing(column: str, missing: Sequence[str], expected: int) -> None:
    """Warn once of the rows, or frames, that will be null because the copy has no file for them."""
    if missing:
        warnings.warn(
            f"{len(missing)} of {expected} files for the column '{column}' are not in this copy (first: "
            f"{first_three(missing)}); their entries are null.",
            stacklevel=3,
        )

"""Parts of Arrow tables that the builders of all data sets share: batches of rows, and columns of files by path."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa

PATH_TYPE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""How `datasets` stores a video or an image; `bytes` is null for a file referred to by its path."""

MAX_BATCH_ROWS: Final = 512
MIN_BATCHES: Final = 8

T = TypeVar("T")


def path_column(paths: Sequence[Path | None]) -> pa.Array:
    """Refer to video or image files by their paths; null where there is none."""
    return pa.array([None if path is None else {"bytes": None, "path": str(path)} for path in paths], PATH_TYPE)


def batches(records: Sequence[T]) -> list[list[T]]:
    """Cut records into batches, small enough for memory and several of them for parallel workers."""
    rows = max(1, min(MAX_BATCH_ROWS, -(-len(records) // MIN_BATCHES)))
    return [list(records[start : start + rows]) for start in range(0, len(records), rows)]

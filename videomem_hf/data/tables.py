"""Records, features and videos of a copy as Arrow tables: what the builder caches and `prepare` writes."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa

from videomem_hf.data.feature_files.columns import read_columns
from videomem_hf.data.feature_files.folders import FeatureFiles
from videomem_hf.data.release.records import VideoRecord
from videomem_hf.schema import ANNOTATION_COUNTS, HORIZONS, TITLE, VIDEO, VIDEO_ID

RECORD_SCHEMA: Final = pa.schema(
    [(VIDEO_ID, pa.string()), (TITLE, pa.string())]
    + [(horizon, pa.float64()) for horizon in HORIZONS]
    + [(column, pa.int32()) for column in ANNOTATION_COUNTS.values()]
)
"""The columns of every configuration."""

PATH_TYPE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""How `datasets` stores a video or an image; `bytes` is null for a file referred to by its path."""

MAX_BATCH_ROWS: Final = 512
MIN_BATCHES: Final = 8

T = TypeVar("T")


def record_tables(
    batches: Sequence[Sequence[VideoRecord]],
    features: Sequence[FeatureFiles] = (),
    videos: Mapping[str, Path] | None = None,
) -> Iterator[pa.Table]:
    """Make a table of each batch of videos: records, a column a feature, and the paths of their files where asked.

    Raises:
        InputError: A feature file that cannot be read as what it is.
    """
    ids = [[record.video_id for record in records] for records in batches]
    read = read_columns(features, ids) if features else repeat([])
    for records, batch_ids, columns in zip(batches, ids, read, strict=False):
        values = {name: [getattr(record, name) for record in records] for name in RECORD_SCHEMA.names}
        table = pa.table(values, RECORD_SCHEMA)
        for files, column in zip(features, columns, strict=True):
            table = table.append_column(files.column, column)
        if videos is not None:
            table = table.append_column(VIDEO, path_column([videos.get(video_id) for video_id in batch_ids]))
        yield table


def path_column(paths: Sequence[Path | None]) -> pa.Array:
    """Refer to video or image files by their paths; null where there is none."""
    return pa.array([None if path is None else {"bytes": None, "path": str(path)} for path in paths], PATH_TYPE)


def batches(records: Sequence[T]) -> list[list[T]]:
    """Cut records into batches, small enough for memory and several of them for parallel workers."""
    rows = max(1, min(MAX_BATCH_ROWS, -(-len(records) // MIN_BATCHES)))
    return [list(records[start : start + rows]) for start in range(0, len(records), rows)]

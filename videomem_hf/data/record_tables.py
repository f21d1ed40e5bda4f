"""Records, features and videos of a copy as Arrow tables: what the builder caches and `prepare` writes."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Final

import pyarrow as pa

from videomem_hf.data.feature_files.columns import read_columns
from videomem_hf.data.feature_files.folders import FeatureFiles
from videomem_hf.data.release.records import VideoRecord
from videomem_hf.schema import ANNOTATION_COUNTS, HORIZONS, TITLE, VIDEO, VIDEO_ID, Horizon

from .arrow_tables import path_column
from .copies import warn_of_missing


def record_schema(horizons: Sequence[Horizon] = HORIZONS) -> pa.Schema:
    """Return the columns that every configuration of a data set with these horizons has."""
    return pa.schema(
        [(VIDEO_ID, pa.string()), (TITLE, pa.string())]
        + [(horizon, pa.float64()) for horizon in horizons]
        + [(ANNOTATION_COUNTS[horizon], pa.int32()) for horizon in horizons]
    )


RECORD_SCHEMA: Final = record_schema()
"""Those of VideoMem."""


def record_tables(
    batches: Sequence[Sequence[VideoRecord]],
    features: Sequence[FeatureFiles] = (),
    videos: Mapping[str, Path] | None = None,
    schema: pa.Schema = RECORD_SCHEMA,
) -> Iterator[pa.Table]:
    """Make one table per batch of videos: records, one column per feature, and the paths of the videos where asked.

    Raises an InputError for a feature file that cannot be read as what it is.
    """
    ids = [[record.video_id for record in records] for records in batches]
    read = read_columns(features, ids) if features else repeat([])
    for records, batch_ids, columns in zip(batches, ids, read, strict=False):
        values = {name: [record.value(name) for record in records] for name in schema.names}
        table = pa.table(values, schema)
        for files, column in zip(features, columns, strict=True):
            table = table.append_column(files.column, column)
        if videos is not None:
            table = table.append_column(VIDEO, path_column([videos.get(video_id) for video_id in batch_ids]))
        yield table


def warn_of_missing_files(ids: Sequence[str], features: Iterable[FeatureFiles], videos: Collection[str] | None) -> None:
    """Warn once per column of the videos and frames that have no file in a copy."""
    if videos is not None:
        warn_of_missing(VIDEO, [video_id for video_id in ids if video_id not in videos], len(ids))
    for files in features:
        warn_of_missing(files.column, files.missing(ids), files.expected(len(ids)))

"""The `datasets` builder of Memento10k: `load_dataset("memento10k", data_dir=...)` after `import videomem_hf`."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import datasets
import pyarrow as pa

from videomem_hf.data.release.inventory import Inventory, scan
from videomem_hf.schema import VIDEO

from .arrow_tables import path_column
from .building import CopyBuilder, CopyConfig, video_feature, whole_rows
from .copies import data_dir_or_variable, warn_of_missing
from .memento10k import MementoFiles, MementoRecord, find_memento_files, find_memento_videos, read_memento, video_of

DATA_DIR_VARIABLE: Final = "MEMENTO10K_DATA_DIR"

_SCHEMA: Final = pa.schema(
    [
        ("video_id", pa.string()),
        ("short_term", pa.float64()),
        ("short_term_raw", pa.float64()),
        ("short_term_annotations", pa.int32()),
        ("decay_alpha", pa.float64()),
        ("captions", pa.list_(pa.string())),
        ("url", pa.string()),
    ]
)


@dataclass
class Memento10kConfig(CopyConfig):
    """One way of loading Memento10k."""

    inventory: Inventory | None = field(default=None, repr=False)
    files: MementoFiles | None = field(default=None, repr=False)

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None) -> str:
        """Find the files of the copy, and name the cache folder after their state."""
        data_dir = data_dir_or_variable("Memento10k", self.data_dir, DATA_DIR_VARIABLE)
        self.check_flags()
        self.inventory = scan(data_dir, allow_links=self.allow_links)
        self.files = find_memento_files(self.inventory)
        folders: set[Path] = set()
        options: list[Any] = [custom_features, self.drop_missing]
        if self.name == "videos":
            folders = {path.parent for path in find_memento_videos(self.inventory).values()}
            options.append(repr(video_feature()))
        return self.config_id(self.inventory.root, options, self.files.paths, folders)


class Memento10k(CopyBuilder):
    """Memento10k from the user's own copy: `scores` (the default) or `videos`, in its official splits."""

    DATASET_NAME = "memento10k"
    MODULE = __name__
    BUILDER_CONFIGS = [  # noqa: RUF012 - the base class's own declaration
        Memento10kConfig(name="scores", description="Scores, decay and captions."),
        Memento10kConfig(name="videos", description="The same with the video files."),
    ]

    def _columns(self) -> datasets.Features:
        video = {VIDEO: video_feature()} if self.config.name == "videos" else {}
        return datasets.Features({**datasets.Features.from_arrow_schema(_SCHEMA), **video})

    def _read_splits(self) -> tuple[dict[str, list[MementoRecord]], dict[str, Path] | None]:
        splits = read_memento(self.config.files)
        if self.config.name != "videos":
            return self._kept(splits, None), None
        videos = find_memento_videos(self.config.inventory)
        records = [record for records in splits.values() for record in records]
        missing = [record.video_id for record in records if video_of(record, videos) is None]
        warn_of_missing(VIDEO, missing, len(records))
        return self._kept(splits, videos), videos

    def _kept(
        self, splits: dict[str, list[MementoRecord]], videos: dict[str, Path] | None
    ) -> dict[str, list[MementoRecord]]:
        if not self.config.drop_missing:
            return splits
        return whole_rows(
            splits, lambda record: {**asdict(record), "file_name": None, VIDEO: videos and video_of(record, videos)}
        )

    def _generate_tables(
        self, batches: list[list[MementoRecord]], files: dict[str, Path] | None
    ) -> Iterator[tuple[str, pa.Table]]:
        for records in batches:
            columns = {name: [getattr(record, name) for record in records] for name in _SCHEMA.names}
            table = pa.table(columns, _SCHEMA)
            if files is not None:
                table = table.append_column(VIDEO, path_column([video_of(record, files) for record in records]))
            yield records[0].video_id, table

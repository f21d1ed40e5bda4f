"""The builder of one's own table: `load_dataset("memorability", data_dir=...)` after `import videomem_hf`."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import datasets
import pyarrow as pa

from videomem_hf.data.building import CopyBuilder, CopyConfig, video_feature, whole_rows
from videomem_hf.data.copies import data_dir_or_variable
from videomem_hf.data.feature_files.columns import arrow_type
from videomem_hf.data.feature_files.folders import FeatureFiles
from videomem_hf.data.record_tables import record_tables, warn_of_missing_files
from videomem_hf.data.release.splits import SplitOptions, check_split_options, split_records
from videomem_hf.schema import VIDEO, VIDEO_ID

from .media import is_image
from .opening import OpenedTable, open_table
from .options import OPTION_NAMES, TableOptions

DATA_DIR_VARIABLE: Final = "MEMORABILITY_DATA_DIR"
IMAGE: Final = "image"


@dataclass
class MemorabilityConfig(TableOptions, SplitOptions, CopyConfig):
    """One way of loading a table of scores; its attributes, inherited ones included, are `load_dataset`'s keywords."""

    opened: OpenedTable | None = field(default=None, repr=False)
    files: list[FeatureFiles] = field(default_factory=list, repr=False)

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None) -> str:
        """Read the table, and name the cache folder after the options and the state of the files."""
        self.check_flags()
        check_split_options(self)
        data_dir = data_dir_or_variable("The data set of your table", self.data_dir, DATA_DIR_VARIABLE)
        given = {name: getattr(self, name) for name in OPTION_NAMES}
        self.opened = open_table(data_dir, given, allow_links=self.allow_links)
        options = [custom_features, self.drop_missing, self.opened.options]
        options += [getattr(self, option.name) for option in fields(SplitOptions)]
        folders = []
        if self.name == "videos":
            options.append(repr(video_feature()))
            folders = self.opened.media.folders
        elif self.name != "scores":
            self.files = self.opened.feature_files(self.name)
            folders = [folder.path for folder in self.opened.features[self.name]]
        paths = [*self.opened.tables, *map(Path, (self.split_files or {}).values())]
        return self.config_id(self.opened.root, options, paths, folders)


class Memorability(CopyBuilder):
    """A table of scores, one's own or a published set's.

    Configurations: `scores` (the default), `videos` with videos or images, and one per feature that `videomem extract`
    wrote below the folder (`c3d`, `hmp`, ...).
    """

    DATASET_NAME = "memorability"
    MODULE = __name__
    BUILDER_CONFIGS = [  # noqa: RUF012 - the base class's own declaration
        MemorabilityConfig(name="scores", description="Scores, annotation counts, titles and the table's own columns."),
        MemorabilityConfig(name="videos", description="The same with the videos or images."),
    ]

    def _create_builder_config(self, config_name: str | None = None, **kwargs: Any) -> tuple[MemorabilityConfig, str]:
        """Accept the name of any feature folder as a configuration."""
        if config_name is None or config_name in self.builder_configs:
            return super()._create_builder_config(config_name, **kwargs)
        description = f"Scores and the {config_name} features."
        return super()._create_builder_config(None, name=config_name, description=description, **kwargs)

    @property
    def _of_images(self) -> bool:
        return bool(self.config.opened.media.paths) and all(map(is_image, self.config.opened.media.paths))

    def _columns(self) -> datasets.Features:
        columns = [pa.field(files.column, arrow_type(files.feature)) for files in self.config.files]
        features = datasets.Features.from_arrow_schema(pa.schema([*self.config.opened.schema, *columns]))
        if self.config.name == "videos":
            features[VIDEO] = datasets.Video(decode=False) if self._of_images else video_feature()
            if self._of_images:
                features[IMAGE] = datasets.Image(mode="RGB")
        return features

    def _read_splits(self) -> tuple[dict[str, list[Any]], dict[str, Path] | None]:
        opened = self.config.opened
        splits: dict[str, list[Any]] = dict(split_records(opened.records, self.config))
        videos = None
        if self.config.name == "videos":
            videos = opened.find_media()
            opened.warn_of_missing_media(videos)
        ids = [record.video_id for record in opened.records]
        warn_of_missing_files(ids, self.config.files, None)
        if self.config.drop_missing:
            lacking = {files.column: files.lacking(ids) for files in self.config.files}
            splits = whole_rows(
                splits,
                lambda record: {
                    **{column: None if record.video_id in lost else True for column, lost in lacking.items()},
                    **{name: record.value(name) for name in opened.schema.names},
                    VIDEO: videos and videos.get(record.video_id),
                },
            )
        return splits, videos

    def _generate_tables(
        self, batches: list[list[Any]], files: dict[str, Path] | None
    ) -> Iterator[tuple[str, pa.Table]]:
        for table in record_tables(batches, self.config.files, files, self.config.opened.schema):
            if files is not None and self._of_images:
                table = table.append_column(IMAGE, table[VIDEO])
            yield table[VIDEO_ID][0].as_py(), table

"""The `datasets` builder of VideoMem: `load_dataset("videomem", CONFIG, data_dir=...)` after `import videomem_hf`."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import datasets
import pyarrow as pa

from videomem_hf.data.feature_files.columns import arrow_type
from videomem_hf.data.feature_files.folders import (
    KNOWN,
    PLAIN_CONFIGS,
    FeatureFiles,
    feature_folders,
    find_feature_files,
)
from videomem_hf.data.release.reader import Release, find_video_files, open_release, read_records
from videomem_hf.data.release.records import VideoRecord
from videomem_hf.data.release.splits import SplitOptions, check_split_options, split_records
from videomem_hf.schema import HORIZONS, VIDEO, VIDEO_ID, VIDEO_SUFFIXES, InputError

from .building import CopyBuilder, CopyConfig, GenerationInputError, video_feature, whole_rows
from .copies import data_dir_or_variable
from .record_tables import RECORD_SCHEMA, record_tables, warn_of_missing_files

DATA_DIR_VARIABLE: Final = "VIDEOMEM_DATA_DIR"
"""Environment variable that stands for `data_dir` where none is given."""


@dataclass
class VideoMemConfig(SplitOptions, CopyConfig):
    """One way of loading VideoMem; its attributes, inherited ones included, are `load_dataset`'s keywords.

    `release` is `2018` or `2022`; it is needed only where `data_dir` holds both.
    """

    release: str | None = None
    opened: Release | None = field(default=None, repr=False)

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None) -> str:
        """Open the copy, and name the cache folder after the options and the state of the files."""
        data_dir = data_dir_or_variable("VideoMem", self.data_dir, DATA_DIR_VARIABLE)
        self.check_flags()
        check_split_options(self, HORIZONS)
        self.opened = open_release(data_dir, name=self.release, allow_links=self.allow_links)
        options = [
            self.release,
            self.drop_missing,
            *(getattr(self, option.name) for option in fields(SplitOptions)),
            custom_features,
        ]
        if self.with_videos:
            options.append(repr(video_feature()))
        lists = map(Path, (self.split_files or {}).values())
        paths = [*self.opened.tables.paths, *lists]
        folders = [folder.path for names in self.feature_folders.values() for folder in names]
        if self.with_videos:
            folders += [folder.path for folder in self.opened.inventory.folders if folder.holds(VIDEO_SUFFIXES)]
        return self.config_id(self.opened.root, options, paths, folders)

    @property
    def with_videos(self) -> bool:
        """Whether the configuration has the video column."""
        return self.name in {"videos", "all"}

    @property
    def feature_folders(self) -> dict[str, Any]:
        """The folders of the configuration's features; raises an InputError if the copy has no feature of its name."""
        if self.opened is None or self.name in PLAIN_CONFIGS:
            return {}
        found = feature_folders(self.opened.inventory)
        if self.name != "all" and self.name not in found:
            raise InputError(
                f"No configuration '{self.name}' for {self.opened.root}: beside scores, videos and all, this copy has "
                f"{'the features ' + ', '.join(found) if found else 'no feature files'}."
            )
        return found if self.name == "all" else {self.name: found[self.name]}


class VideoMem(CopyBuilder):
    """VideoMem from the user's own copy of the release.

    Configurations: `scores` (the default), `videos`, one per feature (`c3d`, `hmp`, `lbp`, `hog`, `inceptionv3`,
    `colorhistogram`, `orb`, `aesthetics`, and any other feature folder under its name), and `all`.
    """

    DATASET_NAME = "videomem"
    MODULE = __name__
    BUILDER_CONFIGS = [  # noqa: RUF012 - the base class's own declaration
        VideoMemConfig(name="scores", description="Scores, annotation counts and titles."),
        VideoMemConfig(name="videos", description="Scores and the video files."),
        *(VideoMemConfig(name=name, description=f"Scores and the {name} features.") for name in KNOWN),
        VideoMemConfig(name="all", description="Scores, the video files and every feature of the copy."),
    ]

    def _create_builder_config(self, config_name: str | None = None, **kwargs: Any) -> tuple[VideoMemConfig, str]:
        """Accept the name of any feature folder as a configuration, and the release's own in any case."""
        if config_name is None or config_name in self.builder_configs:
            return super()._create_builder_config(config_name, **kwargs)
        if config_name.lower() in self.builder_configs:
            return super()._create_builder_config(config_name.lower(), **kwargs)
        description = f"Scores and the {config_name} features."
        return super()._create_builder_config(None, name=config_name, description=description, **kwargs)

    @cached_property
    def _features(self) -> list[FeatureFiles]:
        return [
            files
            for name, folders in self.config.feature_folders.items()
            for files in find_feature_files(name, folders)
        ]

    def _columns(self) -> datasets.Features:
        columns = [pa.field(files.column, arrow_type(files.feature)) for files in self._features]
        features = datasets.Features.from_arrow_schema(pa.schema([*RECORD_SCHEMA, *columns]))
        if self.config.with_videos:
            features[VIDEO] = video_feature()
        return features

    def _read_splits(self) -> tuple[dict[str, list[VideoRecord]], dict[str, Path] | None]:
        splits = split_records(read_records(self.config.opened), self.config)
        videos = find_video_files(self.config.opened) if self.config.with_videos else None
        ids = [record.video_id for records in splits.values() for record in records]
        warn_of_missing_files(ids, self._features, videos)
        if self.config.drop_missing:
            lacking = [(files.column, set(files.missing(ids))) for files in self._features]
            splits = whole_rows(splits, lambda record: self._presence(record, lacking, videos))
        return splits, videos

    def _presence(
        self, record: VideoRecord, lacking: list[tuple[str, set[str]]], videos: dict[str, Path] | None
    ) -> dict[str, Any]:
        """What a row has, by column: anything but None."""
        present: dict[str, Any] = {name: getattr(record, name) for name in RECORD_SCHEMA.names}
        for files, (column, missing) in zip(self._features, lacking, strict=True):
            names = [record.video_id, *(f"{record.video_id}-{frame}" for frame in files.feature.frames)]
            present[column] = None if missing.intersection(names) else True
        if videos is not None:
            present[VIDEO] = videos.get(record.video_id)
        return present

    def _generate_tables(
        self, batches: list[list[VideoRecord]], files: dict[str, Path] | None
    ) -> Iterator[tuple[str, pa.Table]]:
        try:
            for table in record_tables(batches, self._features, files):
                yield table[VIDEO_ID][0].as_py(), table
        except InputError as error:
            raise GenerationInputError(str(error)) from None

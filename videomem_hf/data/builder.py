"""The `datasets` builder of VideoMem: `load_dataset("videomem", CONFIG, data_dir=...)` after `import videomem_hf`."""

import hashlib
import importlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets.exceptions import DatasetGenerationError

from videomem_hf.schema import ANNOTATION_COUNTS, HORIZONS, TITLE, VIDEO, VIDEO_ID, InputError

from .release import Release, VideoRecord, find_videos, open_release, read_records
from .splits import split_records

DATA_DIR_VARIABLE = "VIDEOMEM_DATA_DIR"
"""Environment variable that stands for `data_dir` where none is given."""

_BATCH_ROWS = 512


class GenerationInputError(InputError, DatasetGenerationError):
    """Bad input found while rows are generated; being `datasets`' own kind it reaches the user as it is."""


@dataclass
class VideoMemConfig(datasets.BuilderConfig):
    """One way of loading VideoMem.

    Attributes:
        seed: Of the split of the dev set into train and validation.
        allow_links: Follow links that lead out of `data_dir`.
    """

    seed: int = 0
    allow_links: bool = False
    release: Release | None = field(default=None, repr=False, compare=False)

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None) -> str:
        """Name the cache folder after the options and the state of the files read, so that it notices changes."""
        self.release = open_release(_data_dir(self.data_dir), allow_links=self.allow_links)
        state = hashlib.sha256(repr((str(self.release.root), self.seed, self.allow_links)).encode())
        paths = list(self.release.tables.paths)
        if self.name == "videos":
            state.update(str(_decodes_video()).encode())
            paths.extend(find_videos(self.release).values())
        for path in paths:
            status = path.stat()
            state.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
        if custom_features is not None:
            state.update(repr(custom_features).encode())
        return f"{self.name}-{state.hexdigest()[:16]}"


class VideoMem(datasets.ArrowBasedBuilder):
    """VideoMem from the user's own copy of the release: `scores` (the default) or `videos`."""

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = VideoMemConfig
    BUILDER_CONFIGS = [  # noqa: RUF012 - the base class's own declaration
        VideoMemConfig(name="scores", version=VERSION, description="Scores, annotation counts and titles."),
        VideoMemConfig(name="videos", version=VERSION, description="The same with the video files."),
    ]
    DEFAULT_CONFIG_NAME = "scores"

    def __init__(self, *args: Any, dataset_name: str | None = None, hash: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, dataset_name=dataset_name or "videomem", hash=hash or code_hash(), **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        columns: dict[str, Any] = {VIDEO_ID: datasets.Value("string"), TITLE: datasets.Value("string")}
        columns |= {horizon: datasets.Value("float64") for horizon in HORIZONS}
        columns |= {column: datasets.Value("int32") for column in ANNOTATION_COUNTS.values()}
        if self.config.name == "videos":
            columns[VIDEO] = datasets.Video() if _decodes_video() else datasets.Video(decode=False)
        return datasets.DatasetInfo(description=self.config.description or "", features=datasets.Features(columns))

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        release: Release = self.config.release
        videos = find_videos(release) if self.config.name == "videos" else None
        splits = split_records(read_records(release), seed=self.config.seed)
        if videos is not None:
            _warn_of_missing(release.root, [record for records in splits.values() for record in records], videos)
        return [
            datasets.SplitGenerator(name, gen_kwargs={"batches": _batches(records), "videos": videos})
            for name, records in splits.items()
        ]

    def _generate_tables(
        self, batches: list[list[VideoRecord]], videos: dict[str, Path] | None
    ) -> Iterator[tuple[str, pa.Table]]:
        schema = self.info.features.arrow_schema
        for records in batches:
            columns: dict[str, Any] = {name: [getattr(record, name) for record in records] for name in schema.names[:6]}
            if videos is not None:
                columns[VIDEO] = [
                    {"path": str(path), "bytes": None} if (path := videos.get(record.video_id)) else None
                    for record in records
                ]
            yield records[0].video_id, pa.table(columns, schema=schema)


def code_hash() -> str:
    """Hash the code that reads releases: a new version of it does not use what an older one cached."""
    state = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def _data_dir(given: str | None) -> str:
    data_dir = given or os.environ.get(DATA_DIR_VARIABLE)
    if not data_dir:
        raise InputError(
            "VideoMem is licensed to its recipients and not downloaded: give data_dir=, the folder of your own copy of "
            f"the release, or set {DATA_DIR_VARIABLE}."
        )
    return data_dir


def _decodes_video() -> bool:
    """Whether `datasets` can decode the video column here: it needs torchcodec and FFmpeg's shared libraries."""
    if int(datasets.__version__.split(".")[0]) < 4:
        return False
    try:
        importlib.import_module("torchcodec")
    except (ImportError, RuntimeError, OSError):
        return False
    return True


def _batches(records: list[VideoRecord]) -> list[list[VideoRecord]]:
    return [records[start : start + _BATCH_ROWS] for start in range(0, len(records), _BATCH_ROWS)]


def _warn_of_missing(root: Path, records: list[VideoRecord], videos: dict[str, Path]) -> None:
    missing = [record.video_id for record in records if record.video_id not in videos]
    if missing:
        warnings.warn(
            f"{len(missing)} of {len(records)} videos have no file under {root} (first: {missing[0]}); their column "
            f"'{VIDEO}' is null.",
            stacklevel=2,
        )

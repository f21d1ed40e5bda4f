"""`videomem prepare`: a release as a dataset repository of Parquet files, which loads without this package.

The result is a folder with one sub-folder per configuration, a README.md card whose YAML names them, and checksums. It
is written shard by shard, each whole or not at all, so that an interrupted run can be continued.
Types are those that every version of `datasets` reads from the Parquet files alone.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from videomem_hf.data.feature_files.folders import PLAIN_CONFIGS, FeatureFiles, feature_folders, find_feature_files
from videomem_hf.data.release.reader import Release, find_video_files, open_release, read_records
from videomem_hf.data.release.records import VideoRecord
from videomem_hf.data.release.splits import SplitOptions, split_records
from videomem_hf.data.tables.opening import OpenedTable, open_table
from videomem_hf.schema import VIDEO, InputError, horizons_of
from videomem_hf.system import atomic_write, os_cause

from .arrow_tables import PATH_TYPE, batches
from .copies import files_state
from .croissant import CROISSANT, render_croissant
from .identify import identify
from .prepared_card import describe_for_croissant, render_card
from .provenance import CARD, generated_plan, is_study, own_table
from .record_tables import RECORD_SCHEMA, record_schema, record_tables, warn_of_missing_files

CHECKSUMS: Final = "SHA256SUMS"
MANIFEST: Final = ".prepare.json"
FORMAT: Final = 1
"""Part of every shard's identity; raised when the same input gives other files."""

_ROWS: Final = 1000
_EMBEDDED_BYTES: Final = 64 << 20
"""A shard is one row group, held in memory while it is written and by whoever streams it."""

Videos = Literal["none", "reference", "embed"]


@dataclass(kw_only=True)
class PrepareOptions(SplitOptions):
    """What goes into a prepared repository, and how it is split.

    Attributes:
        configs: Configurations; None for `scores` and every feature of the copy, and `videos` unless that is `none`.
        videos: How the configuration `videos` has them: `none`, by `reference` to where they are now, or `embed`ded.
        release: `2018` or `2022`, where the copy holds both.
        allow_links: Follow links that lead out of the copy.
    """

    configs: tuple[str, ...] | None = None
    videos: Videos = "none"
    release: str | None = None
    allow_links: bool = False


@dataclass(frozen=True)
class Shard:
    """One Parquet file to be: its path below the repository and the records in it."""

    path: str
    config: str
    split: str
    records: list[VideoRecord] = field(repr=False)


@dataclass
class Source:
    """What the shards are made of: `features` has the columns of each configuration beside those of all."""

    release: Release | OpenedTable
    splits: dict[str, list[VideoRecord]]
    features: dict[str, list[FeatureFiles]]
    videos: dict[str, Path]
    options: PrepareOptions
    incomplete: frozenset[str]
    """Feature columns that lack a file for some video."""
    schema: pa.Schema = RECORD_SCHEMA


def prepare(data_dir: str | Path, out: str | Path, options: PrepareOptions | None = None) -> list[Path]:
    """Write a release as a dataset repository; run again, it writes what is missing or has changed, and nothing else.

    Returns the files written by this run, none when everything was there.

    Args:
        data_dir: The copy of the release.
        out: The repository's folder: new, empty, or written by an earlier run.
        options: What goes into it.

    Raises:
        InputError: A copy that cannot be read, a configuration it does not have, or another content in `out`.
    """
    options = options or PrepareOptions()
    source = _open_source(data_dir, options)
    root = Path(out).expanduser()
    manifest = _open_repository(root, source.release)
    _write_text(root / MANIFEST, json.dumps(manifest, indent=1))  # marks the folder as ours
    shards = _plan(source)
    checking = tqdm(shards, "Checking", unit="shard", disable=not manifest)
    waiting = [shard for shard in checking if not _is_done(root, shard, source, manifest)]
    if waiting and (root / CARD).exists():  # a card is there only while all that it names is
        (root / CARD).unlink()
    written = []
    for shard in tqdm(waiting, "Writing", unit="shard", disable=not waiting):
        manifest[shard.path] = _write_shard(root, shard, source)
        _write_text(root / MANIFEST, json.dumps(manifest, indent=1))
        written.append(root / shard.path)
    _remove_stale(root, {shard.path for shard in shards}, manifest)
    description = _description(source, shards, manifest)
    written += _write_text(root / CARD, render_card(description))
    written += _write_text(root / CROISSANT, _croissant(root, shards, manifest, description))
    written += _write_text(root / CHECKSUMS, _checksums(root, manifest))
    return written


def _open_source(data_dir: str | Path, options: PrepareOptions) -> Source:
    name, keywords = identify(data_dir, release=options.release, allow_links=options.allow_links)
    return _open_table_source(data_dir, keywords, options) if name == "memorability" else _open_copy(data_dir, options)


def _open_table_source(data_dir: str | Path, keywords: dict[str, Any], options: PrepareOptions) -> Source:
    """Open a table of scores: its configurations are `scores`, its features and `videos`."""
    opened = open_table(data_dir, keywords, allow_links=options.allow_links)
    configs = options.configs or ("scores", *opened.features, *(["videos"] if options.videos != "none" else []))
    _check_configs(configs, ("scores", *opened.features, "videos"), opened.root, options)
    videos = opened.find_media() if "videos" in configs else {}
    if "videos" in configs:
        opened.warn_of_missing_media(videos)
    splits: dict[str, list[VideoRecord]] = split_records(opened.records, options)
    features = {name: opened.feature_files(name) if name in opened.features else [] for name in configs}
    return Source(opened, splits, features, videos, options, _incomplete(features, opened.records), opened.schema)


def _incomplete(features: Mapping[str, Sequence[FeatureFiles]], records: Sequence[VideoRecord]) -> frozenset[str]:
    """The feature columns that lack a file for some video; warns of them."""
    ids = [record.video_id for record in records]
    every_feature = [files for columns in features.values() for files in columns]
    warn_of_missing_files(ids, every_feature, None)
    return frozenset(files.column for files in every_feature if files.missing(ids))


def _check_configs(configs: Sequence[str], known: Sequence[str], root: Path, options: PrepareOptions) -> None:
    if unknown := [name for name in configs if name not in known]:
        raise InputError(f"No configuration '{unknown[0]}' for {root}; there are {', '.join(known)}.")
    if "videos" in configs and options.videos == "none":
        raise InputError(
            "The configuration 'videos' can refer to the files or embed them; say which with --videos reference or "
            "--videos embed (videos= in Python)."
        )


def _open_copy(data_dir: str | Path, options: PrepareOptions) -> Source:
    release = open_release(data_dir, name=options.release, allow_links=options.allow_links)
    folders = feature_folders(release.inventory)
    configs = options.configs or ("scores", *folders, *(["videos"] if options.videos != "none" else []))
    _check_configs(configs, ["scores", *folders, "videos"], release.root, options)
    splits = split_records(read_records(release), options)
    features = {name: find_feature_files(name, folders[name]) if name in folders else [] for name in configs}
    videos = find_video_files(release) if "videos" in configs else {}
    ids = [record.video_id for records in splits.values() for record in records]
    every_feature = [files for columns in features.values() for files in columns]
    warn_of_missing_files(ids, every_feature, videos if "videos" in configs else None)
    incomplete = frozenset(files.column for files in every_feature if files.missing(ids))
    return Source(release, splits, features, videos, options, incomplete)


def _open_repository(root: Path, release: Release | OpenedTable) -> dict[str, dict[str, Any]]:
    """Return the manifest of a repository that an earlier run wrote, making the folder where there is none."""
    if root.resolve().is_relative_to(release.root) or release.root.is_relative_to(root.resolve()):
        raise InputError(f"{root} and the copy at {release.root} contain one another; write to a folder beside it.")
    if root.is_file():
        raise InputError(f"{root} is a file; give a new folder.")
    root.mkdir(parents=True, exist_ok=True)
    if (root / MANIFEST).is_file():
        try:
            manifest: dict[str, dict[str, Any]] = json.loads((root / MANIFEST).read_text())
        except json.JSONDecodeError:
            raise InputError(f"{root / MANIFEST} is damaged; remove {root} and prepare it again.") from None
        return manifest
    if any(root.iterdir()):
        raise InputError(f"{root} holds other files; give a new or empty folder.")
    return {}


def _plan(source: Source) -> list[Shard]:
    """Cut every split of every configuration into shards."""
    shards: list[Shard] = []
    for config in source.features:
        for split, records in source.splits.items():
            pieces = list(_pieces(config, records, source))
            for number, piece in enumerate(pieces):
                path = f"{config}/{split}-{number:05d}-of-{len(pieces):05d}.parquet"
                shards.append(Shard(path, config, split, piece))
    return shards


def _pieces(config: str, records: Sequence[VideoRecord], source: Source) -> Iterator[list[VideoRecord]]:
    if config != "videos" or source.options.videos != "embed":
        rows = len(records) if config in PLAIN_CONFIGS else _ROWS
        yield from (list(records[start : start + rows]) for start in range(0, len(records), rows))
        return
    piece: list[VideoRecord] = []
    size = 0
    for record in records:
        path = source.videos.get(record.video_id)
        bytes_ = path.stat().st_size if path else 0
        if piece and size + bytes_ > _EMBEDDED_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(record)
        size += bytes_
    yield piece


def _identity(shard: Shard, source: Source) -> str:
    """Digest what a shard is made of: its rows, and the state of the files that are read for it."""
    frames = [(files, files.feature.frames or (None,)) for files in source.features.get(shard.config, [])]
    keys = [(files, (record.video_id, frame)) for record in shard.records for files, fs in frames for frame in fs]
    paths = [Path(files.paths[key]) for files, key in keys if key in files.paths]
    incomplete = sorted(source.incomplete & {files.column for files, _ in frames})
    state = hashlib.sha256(repr((FORMAT, incomplete, [asdict(record) for record in shard.records])).encode())
    if shard.config == "videos":
        state.update(source.options.videos.encode())
        paths += [source.videos[record.video_id] for record in shard.records if record.video_id in source.videos]
    state.update(files_state(paths))
    return state.hexdigest()


def _is_done(root: Path, shard: Shard, source: Source, manifest: Mapping[str, Mapping[str, Any]]) -> bool:
    entry, path = manifest.get(shard.path), root / shard.path
    if entry is None or not path.is_file():
        return False
    return entry["identity"] == _identity(shard, source) and entry["sha256"] == _sha256(path)


def _write_shard(root: Path, shard: Shard, source: Source) -> dict[str, Any]:
    """Write a shard, whole or not at all; gives its entry of the manifest."""
    identity = _identity(shard, source)
    videos = source.videos if shard.config == "videos" else None
    features = source.features.get(shard.config, [])
    table = pa.concat_tables(record_tables(batches(shard.records), features, videos, source.schema))
    # Columns with null entries get lists of variable length: pyarrow before 17 cannot read fixed ones with nulls.
    kinds = {column.name: _variable(column.type) for column in table.schema if column.name in source.incomplete}
    table = table.cast(pa.schema([column.with_type(kinds.get(column.name, column.type)) for column in table.schema]))
    if videos is not None:
        if source.options.videos == "embed":
            table = _embed(table)
        features_of_video = _video_features(source.schema)
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features_of_video}})})
    path = root / shard.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        pq.write_table(table, partial, row_group_size=len(table), compression="zstd")
    return {
        "identity": identity,
        "sha256": _sha256(path),
        "bytes": path.stat().st_size,
        "rows": len(table),
        "memory": table.nbytes,
        "config": shard.config,
        "split": shard.split,
    }


def _variable(list_type: pa.DataType) -> pa.DataType:
    if pa.types.is_fixed_size_list(list_type) or pa.types.is_list(list_type):
        return pa.list_(_variable(list_type.value_type))
    return list_type


_DTYPES: Final = {pa.string(): "string", pa.float64(): "float64", pa.int32(): "int32"}


def _video_features(schema: pa.Schema) -> dict[str, Any]:
    """Return types as `datasets` writes them into a file; only needed where Arrow types do not tell, as for a video."""
    values = {
        column.name: {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}
        if pa.types.is_list(column.type)
        else {"dtype": _DTYPES[column.type], "_type": "Value"}
        for column in schema
    }
    return {**values, VIDEO: {"decode": False, "_type": "Video"}}


def _embed(table: pa.Table) -> pa.Table:
    """Put the files that the video column refers to into the column, with their names."""
    try:
        videos = [
            video and {"bytes": Path(video["path"]).read_bytes(), "path": Path(video["path"]).name}
            for video in table[VIDEO].to_pylist()
        ]
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({os_cause(error)}); check its permissions.") from None
    return table.set_column(table.schema.get_field_index(VIDEO), VIDEO, pa.array(videos, PATH_TYPE))


def _remove_stale(root: Path, planned: set[str], manifest: dict[str, dict[str, Any]]) -> None:
    """Remove the shards of an earlier run that are not in the plan any more."""
    for path in sorted(manifest.keys() - planned):
        (root / path).unlink(missing_ok=True)
        del manifest[path]
        if not any((root / path).parent.iterdir()):
            (root / path).parent.rmdir()
    _write_text(root / MANIFEST, json.dumps(manifest, indent=1))


def _description(source: Source, shards: Sequence[Shard], manifest: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Gather what the card says: configurations with their splits, and how the splits were made."""
    configs: dict[str, dict[str, Counter[str]]] = {}
    for shard in shards:
        entry = manifest[shard.path]
        counts = configs.setdefault(shard.config, {}).setdefault(shard.split, Counter())
        counts.update(num_bytes=entry["memory"], num_examples=entry["rows"], size=entry["bytes"])
    return {
        "configs": configs,
        "release": source.release.name if isinstance(source.release, Release) else None,
        "title": "VideoMem" if isinstance(source.release, Release) else source.release.title,
        "horizons": (horizons := horizons_of(source.schema.names)),
        "extras": [name for name in source.schema.names if name not in record_schema(horizons).names],
        "generated": generated_plan(source.release.root),
        "study": is_study(source.release.root),
        "table": own_table(source.release.root),
        "options": asdict(source.options),
        "features": {name: [files.column for files in columns] for name, columns in source.features.items() if columns},
    }


def _croissant(
    root: Path, shards: Sequence[Shard], manifest: Mapping[str, Mapping[str, Any]], description: Mapping[str, Any]
) -> str:
    schemas = {shard.config: pq.read_schema(root / shard.path) for shard in shards}
    files = {shard.path: manifest[shard.path] for shard in shards}
    return render_croissant(describe_for_croissant(description), files, schemas)


def _checksums(root: Path, manifest: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the checksums of all files, in the form that `sha256sum -c` reads."""
    sums = {path: str(entry["sha256"]) for path, entry in manifest.items()}
    sums |= {name: _sha256(root / name) for name in (CARD, CROISSANT)}
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_text(path: Path, text: str) -> list[Path]:
    """Write a text file, whole or not at all, unless it already says that; gives the path when it was written."""
    if path.is_file() and path.read_bytes() == text.encode():
        return []
    with atomic_write(path) as partial:
        partial.write_bytes(text.encode())
    return [path]

"""What the builders of the three data sets share on the side of `datasets`."""

import ast
import hashlib
import importlib
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import datasets
from datasets.exceptions import DatasetGenerationError

from videomem_hf.schema import InputError

from .arrow_tables import batches
from .copies import files_state

T = TypeVar("T")

_VERSION: Final = datasets.Version("1.0.0")
_ROOT: Final = Path(__file__).parents[2]
_ROW_CODE: Final = re.compile(r"videomem_hf\.(data|schema)(\.|$)")


class GenerationInputError(InputError, DatasetGenerationError):
    """Bad input found while rows are generated: being `datasets`' own kind of error, it reaches the user as it is."""


@dataclass
class CopyConfig(datasets.BuilderConfig):
    """One way of loading a user's own copy; the attributes are `load_dataset`'s keywords.

    `data_dir` is the copy, by default what the data set's environment variable names; with `allow_links`, links that
    lead out of it are followed; with `drop_missing`, rows are left out that lack a value that other rows of their split
    have, as a `DataLoader` needs.
    """

    version: datasets.Version | str | None = _VERSION
    allow_links: bool = False
    drop_missing: bool = False

    def check_flags(self) -> None:
        """Refuse options of a wrong type with an InputError."""
        for name in ("allow_links", "drop_missing"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} is {getattr(self, name)!r:.60}; it must be True or False.")

    def config_id(self, root: Path, options: Sequence[Any], paths: Iterable[Path], folders: Iterable[Path] = ()) -> str:
        """Name the cache folder after the options and the state of the files read, so that it notices changes."""
        state = hashlib.sha256(repr((str(root), *options)).encode(errors="surrogateescape"))
        state.update(files_state(paths, folders))
        return f"{self.name}-{state.hexdigest()[:16]}"


class CopyBuilder(datasets.ArrowBasedBuilder):
    """Builds a data set from a user's own copy of it."""

    DATASET_NAME: str
    MODULE: str
    """The module of the builder, where a loading script derives from it as well."""
    VERSION = _VERSION

    def __init_subclass__(cls) -> None:
        # `datasets` makes a builder's module read remote files, which these never do. With its own mark of a module
        # that is done, it does not import SciPy for that (a third of a second).
        for module in (cls.__module__, __name__):
            vars(sys.modules[module])["_patched_for_streaming"] = True
        first = cls.BUILDER_CONFIGS[0]
        cls.BUILDER_CONFIG_CLASS, cls.DEFAULT_CONFIG_NAME = type(first), first.name

    def __init__(self, *args: Any, dataset_name: str | None = None, hash: str | None = None, **kwargs: Any) -> None:
        # With no hash in its path, preparing this builder would delete what `load_dataset` has cached of the same data.
        hash = hash or code_hash(self.MODULE)
        super().__init__(*args, dataset_name=dataset_name or self.DATASET_NAME, hash=hash, **kwargs)

    def _columns(self) -> datasets.Features:
        raise NotImplementedError

    def _read_splits(self) -> tuple[Mapping[str, Sequence[Any]], Any]:
        """Read the records of each split, and find the files that they refer to; warn of missing ones."""
        raise NotImplementedError

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(description=self.config.description or "", features=self._columns())

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        splits, files = self._read_splits()
        return [
            datasets.SplitGenerator(name, gen_kwargs={"batches": batches(records), "files": files})
            for name, records in splits.items()
        ]


def whole_rows(splits: Mapping[str, Sequence[T]], values: Callable[[T], Mapping[str, Any]]) -> dict[str, list[T]]:
    """Leave out the records that lack a value which other records of their split have, with a warning.

    Args:
        splits: Records by split.
        values: Gives a record's values by column, None (or nothing) where one is missing.
    """
    whole: dict[str, list[T]] = {}
    for name, records in splits.items():
        rows = [values(record) for record in records]
        columns = {column for row in rows for column, value in row.items() if value is not None}
        missing = [[column for column in columns if row.get(column) is None] for row in rows]
        whole[name] = [record for record, lost in zip(records, missing, strict=True) if not lost]
        if dropped := len(records) - len(whole[name]):
            lacking = ", ".join(sorted({column for lost in missing for column in lost}))
            warnings.warn(
                f"{dropped} of {len(records)} rows of the split '{name}' are left out, they lack a value of {lacking}",
                stacklevel=3,
            )
    return whole


def code_hash(module: str, root: Path = _ROOT) -> str:
    """Hash the code that turns the files of a data set into rows, so that what another version cached is not used.

    That code is `module`, a builder's such as `videomem_hf.data.builder`, and what it imports, directly or through
    others, of `videomem_hf.data` and of the schema. `root` is the folder that holds the package.
    """
    state = hashlib.sha256()
    found: set[str] = set()
    waiting = {module}
    while waiting:
        name = min(waiting)
        waiting.remove(name)
        path = root.joinpath(*name.split(".")).with_suffix(".py")
        if name not in found and path.is_file():  # else a name within a module
            found.add(name)
            source = path.read_bytes()
            state.update(source)
            waiting.update(filter(_ROW_CODE.match, _imports(name, source)))
    return state.hexdigest()[:16]


@cache
def _imports(module: str, source: bytes) -> frozenset[str]:
    """Return the modules that a module imports, and the names in them, which may be modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = f"{module.rsplit('.', node.level)[0]}." if node.level else ""
            base = f"{package}{node.module or ''}".rstrip(".")
            found.update({base, *(f"{base}.{alias.name}" for alias in node.names)})
    return frozenset(found)


def video_feature() -> Any:
    """Return the type of the video column: decoded where this installation can, else the path alone.

    Decoding by `datasets` needs torchcodec and FFmpeg's shared libraries; the path can be decoded with PyAV.
    """
    return datasets.Video() if _has_torchcodec() else datasets.Video(decode=False)


def _has_torchcodec() -> bool:
    if int(datasets.__version__.split(".")[0]) < 4:  # decoded with other libraries
        return False
    try:
        importlib.import_module("torchcodec")
    except (ImportError, RuntimeError, OSError):  # torchcodec raises RuntimeError where it does not find FFmpeg
        return False
    return True

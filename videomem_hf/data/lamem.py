"""LaMem, image memorability (Khosla et al., ICCV 2015): `load_dataset("lamem", "split_1", data_dir=...)`.

The paper fine-tunes on it as well (Sec. 5.3). Short-term scores only; five official splits of about 45,000 / 4,000 /
10,000 of its 58,741 images.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import datasets
import pyarrow as pa

from videomem_hf.data.release.csv_tables import parse_score
from videomem_hf.data.release.inventory import Inventory, scan
from videomem_hf.data.release.text_files import numbered_lines, read_text
from videomem_hf.schema import SPLITS, InputError

from .arrow_tables import path_column
from .building import CopyBuilder, CopyConfig, whole_rows
from .copies import data_dir_or_variable, warn_of_missing

DATA_DIR_VARIABLE: Final = "LAMEM_DATA_DIR"
IMAGE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})

_SPLIT_FILE = re.compile(r"(?:lamem_)?(train|val|test)_(\d+)\.(?:txt|csv)")
_SPLIT_NAMES: Final = {"train": "train", "val": "validation", "test": "test"}
_SCHEMA: Final = pa.schema([("image_id", pa.string()), ("short_term", pa.float64())])


class ImageScore(NamedTuple):
    """One line of a split: an image's file name and its score in [0, 1]."""

    file_name: str
    short_term: float


def read_split(path: Path) -> list[ImageScore]:
    """Read a split file: a line is a file name, a space (in CSV a comma) and a score; CSV has a header.

    Raises InputError for a line of another form, a name that leads elsewhere, or an image that is listed twice.
    """
    scores: list[ImageScore] = []
    lines: dict[str, int] = {}
    separator = "," if path.suffix == ".csv" else " "
    for line, text in numbered_lines(read_text(path)):
        name, _, score = text.strip().partition(separator)
        if separator == "," and line == 1 and "." not in name:
            continue  # image_name,memory_score
        if not re.fullmatch(r"[\w-][\w.-]*", name) or Path(name).suffix.lower() not in IMAGE_SUFFIXES:
            raise InputError(f"{path}:{line}: '{name[:60]}' is not the name of an image such as 00000001.jpg.")
        try:
            value = parse_score(score.strip())
        except ValueError as error:
            raise InputError(f"{path}:{line}: '{score[:60]}' is not {error}.") from None
        if name in lines:
            raise InputError(f"{path}:{line}: {name} is in line {lines[name]} as well; remove one of them.")
        lines[name] = line
        scores.append(ImageScore(name, value))
    return scores


def find_split_files(inventory: Inventory) -> dict[str, dict[str, Path]]:
    """Find the split files of a copy: configuration (`split_1`) -> split -> file.

    Raises an InputError for no split file, or two of one name.
    """
    found: dict[str, dict[str, Path]] = {}
    for folder in inventory.folders:
        for name in folder.names:
            if match := _SPLIT_FILE.fullmatch(name):
                files = found.setdefault(f"split_{match[2]}", {})
                if other := files.get(_SPLIT_NAMES[match[1]]):
                    raise InputError(f"{folder.path / name}: a second file of that name, beside {other}; keep one.")
                files[_SPLIT_NAMES[match[1]]] = folder.path / name
    if not found:
        raise InputError(
            f"No splits of LaMem under {inventory.root}: no file there is named train_1.txt, val_1.txt, ... Give the "
            f"folder that holds `splits` and `images`.{inventory.unpacking_hint()}"
        )
    return found


def find_images(inventory: Inventory) -> dict[str, Path]:
    """Find the images of a copy by file name, in lower case."""
    return {
        name.lower(): folder.path / name
        for folder in inventory.folders
        for name in folder.names
        if Path(name).suffix.lower() in IMAGE_SUFFIXES
    }


@dataclass
class LaMemConfig(CopyConfig):
    """One of LaMem's official splits, of a copy with `splits` and `images`."""

    inventory: Inventory | None = field(default=None, repr=False)
    split_files: dict[str, Path] = field(default_factory=dict, repr=False)

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None) -> str:
        """Find the files of the copy, and name the cache folder after their state."""
        data_dir = data_dir_or_variable("LaMem", self.data_dir, DATA_DIR_VARIABLE)
        self.check_flags()
        self.inventory = scan(data_dir, allow_links=self.allow_links)
        found = find_split_files(self.inventory)
        if self.name not in found:
            raise InputError(f"No {self.name} of LaMem under {self.inventory.root}; found {', '.join(sorted(found))}.")
        self.split_files = found[self.name]
        images = {path.parent for path in find_images(self.inventory).values()}
        return self.config_id(
            self.inventory.root, [custom_features, self.drop_missing], self.split_files.values(), images
        )


class LaMem(CopyBuilder):
    """LaMem from the user's own copy; configurations `split_1` (the default) to `split_5`."""

    DATASET_NAME = "lamem"
    MODULE = __name__
    BUILDER_CONFIGS = [  # noqa: RUF012 - the base class's own declaration
        LaMemConfig(name=f"split_{number}", description=f"Official split {number}.") for number in range(1, 6)
    ]

    def _columns(self) -> datasets.Features:
        image = datasets.Image(mode="RGB")  # some of LaMem's are grey or CMYK
        return datasets.Features({**datasets.Features.from_arrow_schema(_SCHEMA), "image": image})

    def _read_splits(self) -> tuple[dict[str, list[ImageScore]], dict[str, Path]]:
        images, files = find_images(self.config.inventory), self.config.split_files
        splits: dict[str, list[ImageScore]] = {name: read_split(files[name]) for name in SPLITS if name in files}
        _refuse_overlap(splits, files)
        names = [score.file_name for scores in splits.values() for score in scores]
        warn_of_missing("image", [name for name in names if name.lower() not in images], len(names))
        if self.config.drop_missing:
            splits = whole_rows(splits, lambda score: {"image": images.get(score.file_name.lower())})
        return splits, images

    def _generate_tables(
        self, batches: list[list[ImageScore]], files: dict[str, Path]
    ) -> Iterator[tuple[str, pa.Table]]:
        for scores in batches:
            names = [score.file_name for score in scores]
            ids, short_term = [Path(name).stem for name in names], [score.short_term for score in scores]
            table = pa.table({"image_id": ids, "short_term": short_term}, _SCHEMA)
            yield names[0], table.append_column("image", path_column([files.get(name.lower()) for name in names]))


def _refuse_overlap(splits: dict[str, list[ImageScore]], files: dict[str, Path]) -> None:
    """Refuse an image that two of a configuration's splits list."""
    seen: dict[str, str] = {}
    for split, scores in splits.items():
        for score in scores:
            if other := seen.get(score.file_name):
                raise InputError(f"{files[split]}: {score.file_name} is in {files[other]} as well; keep one of them.")
            seen[score.file_name] = split

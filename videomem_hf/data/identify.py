"""What a folder of data is: VideoMem's release, one's own table, or another published set."""

import warnings
from itertools import islice
from pathlib import Path
from typing import Any

from videomem_hf.data.lamem import find_split_files
from videomem_hf.data.release.csv_tables import read_records
from videomem_hf.data.release.inventory import Inventory, scan
from videomem_hf.data.release.names import parse_video_id
from videomem_hf.data.release.reader import find_video_files, open_release
from videomem_hf.data.tables.formats import is_table
from videomem_hf.data.tables.opening import open_table
from videomem_hf.data.tables.options import DECISIONS
from videomem_hf.data.tables.presets import detect_presets
from videomem_hf.schema import InputError


def identify(
    folder: str | Path, *, release: str | None = None, allow_links: bool = False
) -> tuple[str, dict[str, Any]]:
    """Say what `load_dataset` calls a folder of data, and the keywords that it needs.

    A folder with a `memorability.yaml` is one's own table; else VideoMem's release comes first, then the published sets
    that have a preset, then the only table of scores in the folder. `release` is VideoMem's, where it has been said.

    Raises:
        InputError: The folder is none of these, or can be two.
    """
    path = Path(folder).expanduser()
    if (path / DECISIONS).is_file():
        return "memorability", {}
    try:
        tables = open_release(path, name=release, allow_links=allow_links).tables.ground_truths
        if any(map(_has_videomems_ids, tables)) or not (tables or _has_own_table(path)):
            return "videomem", {}
        if not tables:  # extracted features have a list of videos as a test set has, beside the table of one's own
            return _own_table(path, allow_links) or ("videomem", {})
        reason = InputError(f"{tables[0]}: no name of VideoMem's, such as video10.webm.")
    except InputError as error:
        reason = error
    inventory = scan(path, allow_links=allow_links)
    names = detect_presets(inventory)
    if len(names) > 1:
        raise InputError(f"{path}: this can be {' or '.join(names)}; say which with load_dataset(NAME, data_dir=...).")
    if names:
        return "memorability", {"preset": names[0]}
    try:
        _open_quietly(path, allow_links)
    except InputError as error:
        if _is_lamem(inventory):
            loads = 'load_dataset("lamem", data_dir=...)'
            raise InputError(f"{path} is LaMem; load it with {loads}, and train on it with --lamem.") from None
        raise (error if _has_own_table(path) else reason) from None
    return "memorability", {}


def _own_table(path: Path, allow_links: bool) -> tuple[str, dict[str, Any]] | None:
    """One's own table, if the folder has one that can be read."""
    try:
        _open_quietly(path, allow_links)
    except InputError:
        return None
    return "memorability", {}


def _open_quietly(path: Path, allow_links: bool) -> None:
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        open_table(path, allow_links=allow_links)


def _is_lamem(inventory: Inventory) -> bool:
    try:
        return bool(find_split_files(inventory))
    except InputError:
        return False


def _has_own_table(folder: Path) -> bool:
    """Whether a folder has a file that is likely to be a table of one's own, however it is damaged."""
    return any(is_table(file) and file.suffix.lower() != ".txt" for file in folder.iterdir() if file.is_file())


def _has_videomems_ids(table: Path) -> bool:
    """Whether the first row of a ground truth names a video as VideoMem does (`video10.webm`), or cannot be read."""
    try:
        (_, header), (_, cells) = islice(read_records(table), 2)
    except (InputError, ValueError):
        return True
    names = [cell for name, cell in zip(header, cells, strict=False) if name.strip().lower() in {"video", "video_id"}]
    return not names or parse_video_id(names[0]) is not None


def configs_of(folder: str | Path) -> list[str]:
    """Names of the configurations with features or videos that a folder of data has; its scores aside."""
    name, options = identify(folder)
    if name == "videomem":
        from videomem_hf.data.feature_files.folders import feature_folders

        release = open_release(folder)
        return [*feature_folders(release.inventory), *(["videos"] if find_video_files(release) else [])]
    opened = open_table(folder, options)
    return [*opened.features, *(["videos"] if opened.media.paths else [])]

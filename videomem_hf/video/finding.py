"""Clips among files and folders. Imports no large library, so that the command line starts quickly."""

from collections.abc import Iterable
from pathlib import Path

from videomem_hf.models.video_addresses import slashes_hint
from videomem_hf.schema import VIDEO_SUFFIXES, InputError, is_system_file

NOT_THERE = "no such file or folder"
"""How `find_videos` says it."""


def find_videos(arguments: list[str], skipped: list[Path] | None = None) -> list[Path]:
    """Files named by paths, folders (searched to any depth, by ending) and glob patterns, in order, each once.

    Links that lead nowhere, pipes and devices in folders are left out, and added to `skipped`. An argument that matches
    nothing raises an InputError that says what was looked for.
    """
    skipped = [] if skipped is None else skipped
    found: dict[Path, None] = {}
    for argument in arguments:
        path = expand_user(argument)
        if path_exists(path) and path.is_dir():
            candidates = (p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
            matches = _clips_among(candidates, skipped)
            missing = f"{argument}: the folder holds no file that ends in {', '.join(sorted(VIDEO_SUFFIXES))}"
        elif (there := path_exists(path)) or not any(c in argument for c in "*?["):
            matches, missing = [path] if there else [], f"{argument}: {NOT_THERE}{slashes_hint(argument)}"
        else:
            missing = f"{argument}: the pattern matches no file"
            try:
                matches = _clips_among(Path(path.anchor).glob(str(path.relative_to(path.anchor))), skipped)
            except ValueError as error:
                raise InputError(f"{argument}: is no pattern ({str(error).lower()}); ** stands for folders") from None
        if not matches:
            raise InputError(missing)
        found.update(dict.fromkeys(matches))
    return list(found)


def expand_user(path: str) -> Path:
    """A path with `~` or `~name` in place of a home folder, where there is such a user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # a file whose name begins with ~
        return Path(path)


def path_exists(path: Path) -> bool:
    """Whether there is such a file or folder; False for a name that is too long, too."""
    try:
        return path.exists()
    except OSError:  # a name longer than the file system takes
        return False


def _clips_among(paths: Iterable[Path], skipped: list[Path]) -> list[Path]:
    candidates = sorted(path for path in paths if not is_system_file(path))
    skipped += (path for path in candidates if not path.is_file() and not path.is_dir())
    return [path for path in candidates if path.is_file()]

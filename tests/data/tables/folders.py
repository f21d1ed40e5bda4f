"""Writes small folders with a table of scores and media, for tests."""

from pathlib import Path

from tests.data.release_trees import write

NUMBERS = range(1, 25)
SCORES = {number: (40 + number * 7 % 55) / 100 for number in NUMBERS}


def write_media(root: Path, names: list[str]) -> None:
    for name in names:
        write(root / name, f"clip {name}")


def write_museum(root: Path) -> Path:
    """A folder as a museum has it: semicolons, decimal commas, its own names of columns, clips in sub-folders."""
    lines = ["Clip;Short-term memorability;n;room;Titel"]
    lines += [f"clip_{n:02d};{SCORES[n]:.2f};{12 + n};{'AB'[n % 2]};Szene {n}".replace("0.", "0,") for n in NUMBERS]
    write(root / "scores.csv", "\r\n".join(lines))
    write_media(root, [f"clips/room {'AB'[n % 2]}/Clip_{n:02d}.MP4" for n in NUMBERS])
    return root

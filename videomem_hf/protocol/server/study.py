"""The folder of a study: clips, design, settings, secrets, and the database unless another is given.

study/
  study.yaml      settings (texts, questions, codes, limits), for editing
  design.yaml     the design, for editing before the first participant
  clips/          the clips of the game; examples/ those of the instructions
  practice/       clips of the practice, if generated ones are not wanted
  texts/          texts of the pages in further languages, or changed ones: xx.po
  secrets.json    the study's key and a hash of the experimenter's secret; readable only by the owner
  study.db        the responses (SQLite)
"""

import hmac
import json
import os
import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Final

from videomem_hf.protocol.design import StudyDesign, load_design, save_design
from videomem_hf.protocol.server.clips import check_clip, compare_lengths, find_clips, find_copies
from videomem_hf.protocol.server.practice import own_practice_clips
from videomem_hf.protocol.server.settings import StudySettings, load_settings, save_settings
from videomem_hf.protocol.server.tokens import hash_secret, new_token
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause

_EXAMPLES: Final = 2
_EXAMPLE_SEED: Final = 8


@dataclass(frozen=True)
class Study:
    """An opened study: its clips keyed by name in a fixed order, as `examples` those of the instructions, and as
    `practice` those of the practice, empty where they are generated.

    `key` is the study's key, 64 hexadecimal digits; `admin_hash` a hash of the experimenter's secret.
    """

    folder: Path
    design: StudyDesign
    settings: StudySettings
    clips: dict[str, Path]
    examples: tuple[Path, ...]
    practice: tuple[Path, ...]
    key: str
    admin_hash: str

    def is_admin(self, secret: str) -> bool:
        """Whether this is the experimenter's secret."""
        return hmac.compare_digest(hash_secret(secret), self.admin_hash)

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.folder / 'study.db'}"


def create_study(
    folder: Path,
    clips: list[Path],
    *,
    design: StudyDesign | None = None,
    settings: StudySettings | None = None,
    examples: list[Path] | None = None,
    link: bool = False,
    progress: Callable[[list[Path]], Iterable[Path]] = list,
    report: Callable[[str], object] = lambda _: None,
) -> tuple[Study, str]:
    """Create the folder of a study; nothing is left behind if that fails.

    Returns the study, and the experimenter's secret, which is not stored.

    Args:
        folder: New or empty.
        clips: Files and folders of clips.
        design: The paper's by default; adapted to the number of clips.
        examples: Clips for the instructions; by default two of the clips, which are then not in the game.
        link: Hard links instead of copies; the clips must be on the same disk and must not change later.
        progress: Wraps the list of clips while they are checked, such as `tqdm`.
        report: Called with what the experimenter should know, such as clips that are too short, and copies.

    Raises:
        InputError: The folder is in use, browsers cannot play a clip, or there are too few clips for the design.
    """
    design, settings = design or StudyDesign(), settings or StudySettings()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists already; give a new folder.")
    game, instructions = _choose_examples(find_clips(clips), None if examples is None else find_clips(examples))
    design.check_collection(len(game), len(game) + len(instructions))
    design = design.for_collection(len(game))
    lengths = [check_clip(clip) for clip in progress([*game, *instructions])]
    for note in (compare_lengths(lengths, design.presentation.window_s), find_copies([*game, *instructions])):
        if note is not None:
            report(note)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _copy(game, partial / "clips", link)
        _copy(instructions, partial / "examples", link)
        save_design(design, partial / "design.yaml")
        save_settings(settings, partial / "study.yaml")
        secret = _write_secrets(partial, token_hex(32))
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return open_study(folder), secret


def open_study(folder: Path) -> Study:
    """Open the folder of a study. Raises InputError if it is none, or if something in it is missing or damaged."""
    if not (folder / "secrets.json").is_file():
        raise InputError(f"{folder}: not the folder of a study; make one with `videomem study init {folder} CLIPS...`.")
    try:
        content = json.loads((folder / "secrets.json").read_text())
        key, admin_hash = str(content["key"]), str(content["admin_hash"])
        bytes.fromhex(key)
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / 'secrets.json'}: damaged ({error}); restore it from a copy.") from None
    except OSError as error:
        raise InputError(f"{folder / 'secrets.json'}: {os_cause(error)}.") from None
    design = load_design(folder / "design.yaml")
    clips = {file.stem: file for file in sorted((folder / "clips").iterdir()) if file.is_file()}
    design.check_collection(len(clips))
    examples = tuple(sorted(file for file in (folder / "examples").iterdir() if file.is_file()))
    practice = own_practice_clips(folder, design.practice, clips.values())
    return Study(folder, design, load_settings(folder / "study.yaml"), clips, examples, practice, key, admin_hash)


def new_admin_secret(study: Study) -> str:
    """Replace the experimenter's secret; the new one is returned and not stored. Restart the server afterwards."""
    return _write_secrets(study.folder, study.key)


def _write_secrets(folder: Path, key: str) -> str:
    secret = new_token()
    content = json.dumps({"key": key, "admin_hash": hash_secret(secret)}, indent=2) + "\n"
    path = folder / "secrets.json.new"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(content)
    path.replace(folder / "secrets.json")
    return secret


def _choose_examples(clips: list[Path], examples: list[Path] | None) -> tuple[list[Path], list[Path]]:
    """The clips of the game and those of the instructions."""
    if examples is not None:
        if both := {clip.resolve() for clip in clips} & {clip.resolve() for clip in examples}:
            raise InputError(f"{min(both)}: an example that is in the game as well; leave it out of one of them.")
        return clips, examples
    chosen = random.Random(_EXAMPLE_SEED).sample(clips, min(_EXAMPLES, len(clips)))
    return [clip for clip in clips if clip not in chosen], [clip for clip in clips if clip in chosen]


def _copy(files: list[Path], folder: Path, link: bool) -> None:
    folder.mkdir(parents=True)
    for file in files:
        try:
            if link:
                os.link(file.resolve(), folder / file.name)
            else:
                shutil.copyfile(file, folder / file.name)
        except OSError as error:
            hint = "leave out --link" if link else "make room or choose another folder"
            raise InputError(f"{file}: cannot be copied to {folder} ({os_cause(error)}); {hint}.") from None

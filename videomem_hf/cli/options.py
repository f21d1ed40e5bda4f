"""Arguments and options that several commands share, and the parts of `NAME=VALUE` options."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from videomem_hf.model_names import check_model_name
from videomem_hf.schema import InputError

DATA_HELP: Final = (
    "Folder of a release (VideoMem's or a sample's) or of your own table, a prepared folder, or a Hub id."
)
FIGURE_FORMATS: Final = ("png", "pdf", "svg")
"""Endings of the figures that commands write or that a user may name."""

Clips = Annotated[
    list[str] | None,
    typer.Argument(
        help="Video files, folders (searched to any depth), glob patterns or, on this machine, addresses (http://, "
        "https://, hf://)."
    ),
]
ClipFiles = Annotated[
    list[str] | None, typer.Argument(help="Video files, folders (searched to any depth) or glob patterns.")
]
ListFile = Annotated[
    Path | None,
    typer.Option(
        "--list",
        metavar="FILE",
        help="Text file with one path per line; lines that start with # are comments; - for standard input.",
    ),
]
Titles = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Titles of the clips, for models and features of titles: a text file with one line `clip.mp4<TAB>title` "
        "per clip.",
    ),
]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first clip that fails.")]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(help="local: this machine. ray: a Ray cluster; without one, Ray on this machine."),
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")]
Import = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="FILE",
        help="Python file or module that registers a predictor of your own. May be given several times.",
    ),
]
EvaluationSplit = Annotated[
    str | None,
    typer.Option(help="validation, test, ... (default: the split that training held out, or validation)"),
]
AllowTrainingClips = Annotated[
    bool, typer.Option("--allow-training-clips", help="Also evaluate on clips that the model was trained on.")
]
BatchSize = Annotated[int, typer.Option(min=1, help="Clips per batch; fewer need less memory.")]
FrameCacheFolder = Annotated[
    Path | None, typer.Option(help="Folder for decoded frames. (default: beside the other Hugging Face caches)")
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code", help="Run the Python files in the model's folder; only if you trust their author."
    ),
]


def check_predictor_name(name: str) -> None:
    """Raise InputError for what is no file here and can be no model either."""
    from videomem_hf.data.tables.formats import is_table

    if Path(name).is_file():
        return
    if is_table(Path(name)):
        raise InputError(f"{name}: no such file; give a file of predictions, the folder of a run or model, or a Hub id")
    check_model_name(name)


def complete_recipe(incomplete: str) -> list[str]:
    """Names of recipes that start with the text, for shell completion."""
    from videomem_hf.recipes import recipe_names

    return [name for name in recipe_names() if name.startswith(incomplete)]


def _complete_list(incomplete: str, names: Iterable[str]) -> list[str]:
    """Complete the last of names that commas separate."""
    before, comma, last = incomplete.rpartition(",")
    given = before.split(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(last) and name not in given]


def complete_extracted_features(incomplete: str) -> list[str]:
    """Lists of features that `videomem extract` knows, for the shell's completion."""
    from videomem_hf.features.catalogue import CORRECTED, MODELS, OTHERS, RELEASED
    from videomem_hf.features.packaged import PACKAGED

    return _complete_list(incomplete, (*RELEASED, *CORRECTED, *OTHERS, *PACKAGED, *(f"{name}:" for name in MODELS)))


def complete_sample_features(incomplete: str) -> list[str]:
    """Lists of features that `videomem sample` writes, for the shell's completion."""
    from videomem_hf.sample import FEATURES

    return _complete_list(incomplete, ("all", "none", *FEATURES))


def complete_configs(incomplete: str) -> list[str]:
    """Lists of configurations that `videomem prepare` writes, for the shell's completion."""
    from videomem_hf.sample import FEATURES

    return _complete_list(incomplete, ("scores", "videos", *FEATURES))


Recipe = typer.Option(help="Name of a recipe (see `videomem recipes`), or a YAML file.", autocompletion=complete_recipe)
Data = Annotated[str, typer.Option(help=DATA_HELP)]
Release = Annotated[str | None, typer.Option(help="2018 or 2022, if the copy contains both.")]
AllowLinks = Annotated[bool, typer.Option("--allow-links", help="Follow links to files outside the copy.")]
AnnotationFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="ANNOTATIONS...",
        help="Export of a study, the original software's two results tables, or a folder with either.",
    ),
]
Design = Annotated[Path | None, typer.Option(metavar="FILE", help="Design of the study, YAML. (default: the paper's)")]
Ignore = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Accept what this check finds; errors name it. May be given several times."),
]
LagCorrection = Annotated[
    Literal["significant", "always", "never"],
    typer.Option(help="When short-term scores are corrected for the lag; significant: if its slope differs from 0."),
]
ScoreModel = Annotated[
    Literal["plain", "detection"] | None,
    typer.Option(
        help="plain: the paper's scores. detection: also d', criterion, rates of hits and of false alarms, each with "
        "its error and reliability, in OUT/measurement. (default: plain; detection where assignment was adaptive)",
        show_default=False,
    ),
]


def uses_detection(model: str | None, policy: str) -> bool:
    """Whether the detection model is fitted: as --model says, else where assignment made plain scores biased."""
    return policy == "adaptive" if model is None else model == "detection"


OutFolder = Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; new, or of an earlier run.")]


def named_folder(text: str) -> Path:
    """A folder as it is typed, for the `parser` of an argument or option; an empty name is not the current folder."""
    if not text:
        raise typer.BadParameter("is empty; name a folder")
    return Path(text)


def check_output_files(*files: Path | None) -> None:
    """Refuse at once what would fail after the work; None stands for a file that is not wanted.

    Raises:
        InputError: One is a folder, or lies in none, or two are the same file, or one is `-`: standard output gets the
            report.
    """
    written: set[Path] = set()
    for file in (each for each in files if each is not None):
        path = Path(os.path.realpath(file))  # `Path.resolve` raises of links in a circle
        if str(file) == "-":
            raise InputError("- is standard output, which gets the report; name a file (./- for one of that name)")
        if path in written:
            raise InputError(f"{file} is named for two outputs; name two files")
        if path.is_dir():
            raise InputError(f"{file} is a folder; name a file")
        if not path.parent.is_dir():
            raise InputError(f"{file}: the folder {path.parent} does not exist; make it first")
        written.add(path)


def say_next(*commands: str, python: str | None = None) -> None:
    """End a command with what a user would type now, on standard error: in the shell, and in Python.

    Commands name the program as it was called.
    """
    called = quote(sys.argv[0]) if Path(sys.argv[0]).name == "videomem" and not shutil.which("videomem") else ""
    lines = [each.replace("videomem ", f"{called} ", 1) if called else each for each in commands]
    text = [*(["Next:"] if lines else []), *(f"  {line}" for line in lines)]
    text += ["In Python:", f"  {python}"] if python else []
    if text:
        typer.echo("\n".join(text), err=True)


def require_study_extra() -> None:
    """Raise InputError where the packages of the extra `study` are missing."""
    missing = [
        name for name in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "cryptography") if find_spec(name) is None
    ]
    if missing:
        raise InputError(f"This command needs {', '.join(missing)}; pip install 'videomem_hf[study]'.")


def quote(path: Path | str) -> str:
    """A path as a shell takes it, and a command does not take for an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def python_line(call: str) -> str:
    """A line for Python that loads a data set."""
    return f"import videomem_hf; from datasets import load_dataset; data = {call}"


def read_pairs(option: str, given: list[str] | None, form: str) -> dict[str, str]:
    """Read an option given several times, each time in a form such as RECIPE=FOLDER; each name may occur once."""
    pairs: dict[str, str] = {}
    for each in given or []:
        name, _, value = each.partition("=")
        if not name or not value or name in pairs:
            raise InputError(f"{option} {each}; give {form}, once for each")
        pairs[name] = value
    return pairs

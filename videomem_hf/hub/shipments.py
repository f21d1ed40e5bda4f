"""What a push would send: decided from local files alone, file by file, before anything is sent."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow.parquet as pq
from huggingface_hub import DatasetCard, ModelCard, RepoCard, SpaceCard
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from yaml import YAMLError

from videomem_hf.data.prepare import CARD, CHECKSUMS
from videomem_hf.data.provenance import generated_plan, is_study, own_table
from videomem_hf.data.release.names import parse_video_id
from videomem_hf.hub.generated_data import differences_from_sample
from videomem_hf.hub.metric_repository import metric_files
from videomem_hf.hub.model_card import PLACEHOLDER, render_model_card
from videomem_hf.hub.run_facts import read_run
from videomem_hf.inference.reference import read_reference
from videomem_hf.run_files import (
    CLAIM_FILES,
    PREDICTIONS_FILE,
    REFERENCE_FILE,
    RESULTS_FILE,
    TRAINING_CLIPS_FILE,
    TYPICALITY_FILE,
    is_run_folder,
)
from videomem_hf.schema import VIDEO_ID, InputError, short_message

RepoType = Literal["model", "dataset", "space"]
_WITH_A_MODEL: Final = (
    "config.json", "*.safetensors", "*.safetensors.index.json", "*.py", "*preprocessor_config.json",
    *CLAIM_FILES,
)  # fmt: skip
_PATHS: Final = ("data", "output", "init", "lamem", "frame_cache", "recipe")
"""Of the training configuration: where things lay on the machine that trained; their names alone go."""


@dataclass(frozen=True)
class Shipment:
    """Everything that a push sends.

    Attributes:
        files: Path in the repository to the file here, or to its content where that is made for the Hub.
        removes: Patterns of files that go from the repository unless they are among `files`.
        notes: What to know before it is sent, a sentence each.
    """

    repo: str
    repo_type: RepoType
    public: bool
    files: Mapping[str, Path | bytes]
    removes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_repo(self.repo)

    @property
    def sizes(self) -> dict[str, int]:
        return {
            name: len(source) if isinstance(source, bytes) else source.stat().st_size
            for name, source in self.files.items()
        }


def check_repo(repo: str) -> None:
    """Raise InputError for a repository's name that is not of the form `USER/NAME`."""
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise InputError(f"{repo}: no name of a repository ({short_message(error)})") from None
    if repo.count("/") != 1:
        raise InputError(f"{repo}: give the owner as well, USER/NAME")


def model_shipment(folder: Path, repo: str, public: bool = False) -> Shipment:
    """A model: weights, configuration, the code that both need, and a card.

    The card is the folder's README.md, with the repository's name in place of `USER/NAME`; without one it is written
    from the run. Measured scores of the data stay here unless the data are generated.

    Raises:
        InputError: The folder holds no model, lacks a file that the model names, or has no results for a card.
    """
    check_repo(repo)
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder}: holds no config.json; give the folder of a trained or converted model")
    found = (path for pattern in _WITH_A_MODEL for path in sorted(folder.glob(pattern)) if path.is_file())
    files: dict[str, Path | bytes] = {path.name: path for path in found}
    _check_model(folder, files)
    text = _model_readme(folder, repo)
    files["README.md"] = text.encode()
    for picture in sorted(folder.glob("*.png")):
        if f"]({picture.name})" in text:
            files[picture.name] = picture
    notes = []
    if is_run_folder(folder):
        facts = read_run(folder)
        files[RESULTS_FILE] = (json.dumps(_without_paths(facts.results), indent=2) + "\n").encode()
        lists = (TRAINING_CLIPS_FILE,) if facts.generated is None else (TRAINING_CLIPS_FILE, PREDICTIONS_FILE)
        files |= {name: folder / name for name in lists if (folder / name).is_file()}
        if REFERENCE_FILE not in files and (reference := read_reference(folder, facts.model["horizons"])):
            files[REFERENCE_FILE] = reference.to_json().encode()
        if facts.generated is None:
            notes.append(
                f"{PREDICTIONS_FILE} stays here, as it holds measured scores; {REFERENCE_FILE} has their distribution, "
                "from which percentiles and intervals come"
            )
            if public:
                title = facts.data_title
                notes.append(f"trained on {title}: look whether the licence of your copy lets you publish the weights")
    return Shipment(repo, "model", public, files, notes=tuple(notes))


def dataset_shipment(folder: Path, repo: str, public: bool = False) -> Shipment:
    """A folder that `videomem prepare` wrote: what its list of checksums names, after checking it, and no other file.

    Raises:
        InputError: The folder is not one, a file is missing, damaged or refers to this machine; or it is to be public
            and is neither, row for row, a generated sample nor a table with a licence.
    """
    if not (folder / CHECKSUMS).is_file() or not (folder / CARD).is_file():
        raise InputError(f"{folder}: holds no {CARD} and {CHECKSUMS}; `videomem prepare RELEASE {folder}` writes them")
    check_repo(repo)
    text = (folder / CARD).read_text(encoding="utf-8")
    _card(DatasetCard, text, folder / CARD)
    files: dict[str, Path | bytes] = {name: folder / name for name in _checked_files(folder)}
    files |= _card_files(folder, text.replace(PLACEHOLDER, repo))
    shards = [folder / name for name in files if name.endswith(".parquet")]
    _refuse_references(shards)
    notes = ["Parquet files that the repository has beside these are removed from it"]
    if public:
        notes.append(_check_public(folder, shards))
    elif is_study(folder):
        notes.append("a study's data: share them only as participants agreed to")
    elif table := own_table(folder):
        notes.append(f"{table['title']} ({table['license'] or 'its licence is not stated'}): share it as that allows")
    elif generated_plan(folder) is None:
        notes.append("VideoMem may not be passed on: give nobody access beyond what your licence allows")
    return Shipment(repo, "dataset", public, files, ("*.parquet",), tuple(notes))


def metric_shipment(repo: str, public: bool = False) -> Shipment:
    """The metric as the Hub has `evaluate` modules: a Space that `evaluate.load(repo)` reads."""
    return Shipment(repo, "space", public, metric_files(repo))


def space_shipment(folder: Path, repo: str, public: bool = False) -> Shipment:
    """A Space: every file of its folder but hidden ones and Python's own.

    Raises:
        InputError: The folder lacks a README.md that names the SDK, or the file that it says to run.
    """
    if not (folder / "README.md").is_file():
        raise InputError(f"{folder}: holds no README.md, whose first lines tell the Hub how a Space runs")
    card = _card(SpaceCard, (folder / "README.md").read_text(encoding="utf-8"), folder / "README.md")
    start = card.data.get("app_file", "app.py")
    if card.data.get("sdk") != "gradio":
        raise InputError(
            f"{folder / 'README.md'}: its header says sdk: {card.data.get('sdk')}; this pushes sdk: gradio"
        )
    for needed in (start, "requirements.txt"):
        if not (folder / needed).is_file():
            raise InputError(f"{folder}: lacks {needed}, without which the Space does not run")
    files: dict[str, Path | bytes] = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
    }
    return Shipment(repo, "space", public, files)


SHIPMENTS: Final[dict[str, Callable[..., Shipment]]] = {
    "model": model_shipment,
    "dataset": dataset_shipment,
    "metric": metric_shipment,
    "space": space_shipment,
}
"""What can be pushed."""


def _check_model(folder: Path, files: Mapping[str, Path | bytes]) -> None:
    """See that the weights are there, and every file of code that the configurations name."""
    if not any(name.endswith(".safetensors") and name != TYPICALITY_FILE for name in files):
        raise InputError(f"{folder}: holds no weights (*.safetensors)")
    for name in [name for name in files if name.endswith("config.json")]:
        try:
            classes = json.loads((folder / name).read_text(encoding="utf-8")).get("auto_map", {})
        except ValueError:
            raise InputError(f"{folder / name}: not JSON; save the model again") from None
        if name == "config.json" and not classes:
            raise InputError(f"{folder / name}: names no code; save the model again with a class of videomem_hf")
        for module in {str(each).split(".")[0] for each in classes.values()}:
            if f"{module}.py" not in files:
                raise InputError(f"{folder}: lacks {module}.py, which {name} names; save the model again")


def _model_readme(folder: Path, repo: str) -> str:
    path = folder / "README.md"
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        _card(ModelCard, text, path)
    elif is_run_folder(folder):
        text = str(render_model_card(read_run(folder)))
    else:
        raise InputError(
            f"{folder}: has neither a card nor a run's {RESULTS_FILE} to write one from; write a README.md that says "
            "what the model is, how good it is, and under which licence"
        )
    return text.replace(PLACEHOLDER, repo)


def _card(kind: type[RepoCard], text: str, path: Path) -> RepoCard:
    try:
        return kind(text)
    except (ValueError, YAMLError) as error:
        raise InputError(f"{path}: its header cannot be read ({short_message(error)}); correct it") from None


def _without_paths(results: Mapping[str, Any]) -> dict[str, Any]:
    """Results as they may be seen: paths of the machine that trained become names."""
    config = dict(results["config"])
    config |= {key: Path(config[key]).name for key in _PATHS if config.get(key) is not None}
    if files := config["splits"].get("split_files"):
        config["splits"] = config["splits"] | {"split_files": {name: Path(path).name for name, path in files.items()}}
    return {**results, "config": config}


def _checked_files(folder: Path) -> list[str]:
    """The files that the list of checksums names, each as it says."""
    names = []
    for line in (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        path = folder / name
        if not name or not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise InputError(f"{folder}: lacks {name or line!r}, which {CHECKSUMS} names; run `videomem prepare` again")
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise InputError(f"{path}: differs from {CHECKSUMS}, so it was changed; run `videomem prepare` again")
        names.append(name)
    return names


def _card_files(folder: Path, card: str) -> dict[str, bytes]:
    """The card with the repository's name in it, and the list of checksums with the card's new one."""
    line = f"{hashlib.sha256(card.encode()).hexdigest()}  {CARD}"
    sums = re.sub(rf"^\w+  {re.escape(CARD)}$", line, (folder / CHECKSUMS).read_text("utf-8"), flags=re.MULTILINE)
    return {CARD: card.encode(), CHECKSUMS: sums.encode()}


def _refuse_references(shards: Iterable[Path]) -> None:
    for shard in shards:
        if "video" not in pq.read_schema(shard).names:
            continue
        videos = pq.read_table(shard, columns=["video"])["video"].to_pylist()
        if any(video is not None and video["bytes"] is None for video in videos):
            raise InputError(
                f"{shard}: names videos by their paths on this machine; prepare with --videos embed, or without videos"
            )


def _check_public(folder: Path, shards: list[Path]) -> str:
    """See that data may be public, and say why; raises an InputError for others.

    They are a generated sample, row for row, or a table whose licence its `memorability.yaml` says.
    """
    if table := own_table(folder):
        _refuse_table(folder, table, shards)
        return f"{table['title']} becomes public under the licence that its table states: {table['license']}"
    _refuse_licensed(folder, shards)
    return "every row was compared with the generator: a sample, with nothing of VideoMem in it"


def _refuse_table(folder: Path, table: Mapping[str, str | None], shards: Iterable[Path]) -> None:
    if table["license"] is None:
        raise InputError(
            f"{folder}: the licence of {table['title']} is not stated, so this cannot be public; write it as license: "
            "in the memorability.yaml of the data and prepare them again, or push without --public"
        )
    for shard in shards:
        ids = pq.read_table(shard, columns=[VIDEO_ID])[VIDEO_ID].to_pylist()
        if ids and all(parse_video_id(name) for name in ids):
            raise InputError(
                f"{shard}: all videos are named as VideoMem's are ({ids[0]}), which may not be passed on, so this "
                "cannot be public; push it without --public"
            )


def _refuse_licensed(folder: Path, shards: Iterable[Path]) -> None:
    plan = generated_plan(folder)
    if plan is None and is_study(folder):
        raise InputError(
            f"{folder}: a study's data are pushed as private only, as participants may not have agreed to more; push "
            "them without --public, and change that on the Hub if they have"
        )
    if plan is None:
        raise InputError(
            f"{folder}: VideoMem may not be passed on, so this cannot be public; only a generated sample can "
            "(`videomem sample`). Push it without --public"
        )
    if difference := differences_from_sample(plan, shards):
        raise InputError(f"{folder}: calls itself a generated sample, but {difference}; this cannot be public")

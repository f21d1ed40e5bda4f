"""The public interface is frozen: what is removed or renamed needs a new version and a line in the changelog."""

import importlib
import inspect
import re
import tomllib
from pathlib import Path

import pytest

import videomem_hf

ROOT = Path(__file__).parents[1]
NAMES = {
    "videomem_hf": {"__version__", "load_predictor", "predict"},
    "videomem_hf.inference": {
        "ClipPredictor", "ClipSource", "FeaturePredictor", "Prediction", "Predictor", "Saliency", "Still",
        "ViewPredictor", "load_predictor", "predict",
    },
    "videomem_hf.features": {
        "Extractor", "color_histogram", "extract", "grey", "hmp", "hog", "hog_value_shares", "lbp", "orb",
    },
    "videomem_hf.extraction": {"Report", "extract_clips"},
    "videomem_hf.losses": {
        "LOSSES", "AbsoluteError", "BinomialLoss", "HorizonLoss", "MemorabilityLoss", "PairwiseRankingLoss",
        "SoftRankLoss", "SpearmanLoss", "SquaredError", "build_loss", "build_sorter", "load_sorter", "ranks",
        "shipped_sorters", "soft_ranks",
    },
}  # fmt: skip
CALLS = {
    "videomem_hf.predict": "source, model=None, *, device=None, stills=0, maps=False, title=None, titles=None, "
    "fail_fast=False",
    "videomem_hf.load_predictor": "model=None, device=None, title=None",
    "videomem_hf.features.extract": "source, features, title=None",
    "videomem_hf.extraction.extract_clips": "clips, specs, out, *, titles=None, processes=None, device=None, "
    "overwrite=False, fail_fast=False",
    "videomem_hf.losses.build_loss": "name, **options",
    "videomem_hf.metrics.metric_path": "",
    "videomem_hf.training.train": "config",
    "videomem_hf.video.video.sample_frames": "source, frames_per_second=1.0",
    "videomem_hf.video.video.find_videos": "arguments",
    "videomem_hf.statistics.spearman": "predictions, references",
}
"""What callers may rely on; a parameter that is new has a default."""


@pytest.mark.parametrize("module", NAMES)
def test_names(module: str) -> None:
    imported = importlib.import_module(module)
    assert set(imported.__all__) == NAMES[module]
    for name in NAMES[module]:
        assert getattr(imported, name) is not None


@pytest.mark.parametrize("call", CALLS)
def test_calls(call: str) -> None:
    module, _, name = call.rpartition(".")
    signature = inspect.signature(getattr(importlib.import_module(module), name))
    given: dict[str, object] = {}
    exec(f"def promised({CALLS[call]}): ...", given)
    promised = inspect.signature(given["promised"])  # type: ignore[arg-type]
    now = [(p.name, p.kind, p.default) for p in signature.parameters.values()]
    before = [(p.name, p.kind, p.default) for p in promised.parameters.values()]
    assert [each for each in now if each in before] == before
    by_place = [each for each in before if each[1] is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert now[: len(by_place)] == by_place
    added = [p for p in signature.parameters.values() if p.name not in promised.parameters]
    assert all(p.default is not p.empty or p.kind is p.VAR_KEYWORD for p in added)


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "videomem_hf/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", videomem_hf.__version__)
    files = [path for pattern in ("videomem_hf/**/*.py", "docs/*.*", "*.toml", "*.py") for path in ROOT.glob(pattern)]
    holding = [path for path in files if f'"{videomem_hf.__version__}"' in path.read_text(encoding="utf-8")]
    assert holding == [ROOT / "videomem_hf/__init__.py"]


def test_types_are_shipped() -> None:
    assert (Path(videomem_hf.__file__).parent / "py.typed").is_file()


def test_the_source_distribution_takes_what_a_reader_needs() -> None:
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"][
        "include"
    ]
    assert {"/videomem_hf", "/tests", "/docs", "/train.py", "/README.md", "/CHANGELOG.md", "/LICENSE"} <= set(included)
    assert all((ROOT / name.lstrip("/")).exists() for name in included)

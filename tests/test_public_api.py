"""The public interface is frozen: what is removed or renamed needs a new version and a line in the changelog."""

import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import videomem_hf

ROOT = Path(__file__).parents[1]
NAMES = {
    "videomem_hf": {"__version__", "adapt", "load_predictor", "predict", "timeline"},
    "videomem_hf.inference": {
        "ClipPredictor", "ClipSource", "FeaturePredictor", "Prediction", "Predictor", "Saliency", "Still",
        "ViewPredictor", "load_predictor", "predict",
    },
    "videomem_hf.features": {
        "Extractor", "color_histogram", "extract", "grey", "hmp", "hog", "hog_value_shares", "lbp", "orb",
    },
    "videomem_hf.extraction": {"Report", "extract_clips"},
    "videomem_hf.losses": {
        "LOSSES", "AbsoluteError", "BinomialLoss", "Criterion", "HorizonLoss", "MemorabilityLoss",
        "PairwiseRankingLoss", "SoftRankLoss", "SpearmanLoss", "SquaredError", "build_loss", "build_sorter",
        "load_sorter", "ranks", "shipped_sorters", "soft_ranks",
    },
    "videomem_hf.inference.export": {"DTYPES", "export_onnx"},
    "videomem_hf.inference.onnx": {"load_onnx_predictor"},
    "videomem_hf.inference.sources": {
        "ClipSource", "NamedBytes", "each_clip", "holds_several_clips", "input_name", "is_frame_list", "open_source",
        "row_title", "segments_of_frames",
    },
    "videomem_hf.video.video": {
        "Frame", "VideoError", "VideoInfo", "VideoSource", "VideoWarning", "open_video", "probe",
        "sample_clip", "sample_frames", "source_name", "upright_rgb", "warn_of",
    },
    "videomem_hf.multiview": {"BestFit", "FitOptions", "fit_best", "title_views"},
    "videomem_hf.sample": {
        "FEATURES", "SamplePaths", "Scene", "SceneTruth", "draw_scene", "generate_sample", "read_truth", "render_frame",
        "thing_box",
    },
    "videomem_hf.training": {"TrainingConfig", "TrainingError", "TrainingResult", "TrainingStopped", "train"},
    "videomem_hf.training.run": {"TrainingError", "TrainingResult", "TrainingStopped", "train"},
}  # fmt: skip
"""Each `__all__` of the package."""
DOCUMENTED = {
    "videomem_hf.films.advice": {"Advice", "Gain", "Trial", "advise"},
    "videomem_hf.films.advice_page": {"AdviceFiles", "write_advice"},
    "videomem_hf.films.cutting": {"WrittenPart", "write_part"},
    "videomem_hf.films.span": {"Span"},
    "videomem_hf.films.edits": {"Edit", "Look"},
    "videomem_hf.films.excerpt": {"Excerpt", "WrittenExcerpt", "best_excerpt"},
    "videomem_hf.inference.forgetting": {"ForgettingCurve", "forgetting_curve"},
    "videomem_hf.protocol.two_versions": {"VersionComparison", "compare_versions", "responses_needed"},
    "videomem_hf.protocol.detection.combined": {"Combined", "combine"},
    "videomem_hf.protocol.assignment.log": {"Decision", "replay"},
    "videomem_hf.protocol.detection.measure": {"MEASURES", "Measurement", "measure", "measure_study"},
    "videomem_hf.protocol.responses.importing": {"ImportedStudy", "import_responses"},
    "videomem_hf.benchmark.benchmark": {"BenchmarkOptions", "read_result", "run_benchmark", "write_result"},
    "videomem_hf.benchmark.leaderboard": {"add_result", "read_leaderboard"},
    "videomem_hf.benchmark.predictors": {"Coverage", "Predictor", "read_predictors"},
    "videomem_hf.benchmark.truth": {"GroundTruth", "Version", "read_ground_truth"},
    "videomem_hf.data.check": {"check_files", "list_contents"},
    "videomem_hf.multiview.adapt": {"Adaptation", "adapt"},
    "videomem_hf.data.identify": {"identify"},
    "videomem_hf.data.repair": {"repair_tables"},
    "videomem_hf.data.tables.opening": {"open_table"},
    "videomem_hf.inference.map_checks": {"map_checks", "maps_depend_on_weights"},
    "videomem_hf.inference.moments": {"Moment", "standout_moment"},
    "videomem_hf.inference.occlusion": {"OcclusionMaps", "occlude_rectangle", "occlusion_maps"},
    "videomem_hf.recipes": {"recipe_names", "recipe_path"},
    "videomem_hf.run_files": {"TrainingResult", "write_predictions"},
    "videomem_hf.schema": {"HORIZONS", "InputError"},
    "videomem_hf.statistics": {
        "Comparison", "Interval", "Resampled", "bootstrap_interval", "bootstrap_intervals", "compare", "holm", "mse",
        "noise_ceiling", "pearson", "resample", "spearman", "spearman_brown",
    },
}  # fmt: skip
"""Names of modules without `__all__` that callers may use; there are others."""
CALLS = {
    "videomem_hf:predict": "source, model=None, *, device=None, stills=0, maps=False, title=None, titles=None, "
    "fail_fast=False",
    "videomem_hf:adapt": "model, data, output=None, *, splits=None, options=None, device=None, frame_cache=None, "
    "progress=True, trust_remote_code=False",
    "videomem_hf:load_predictor": "model=None, device=None, title=None",
    "videomem_hf.inference.onnx:load_onnx_predictor": "folder, title=None, threads=None",
    "videomem_hf.inference.moments:standout_moment": "prediction, horizon",
    "videomem_hf.inference.occlusion:occlusion_maps": "predictor, source, grid=(6, 6), frames=5, on_progress=None",
    "videomem_hf.inference.occlusion:occlude_rectangle": "predictor, source, rectangle, on_frame=None",
    "videomem_hf.films.advice:advise": "source, predictor, horizon=None, on_progress=None",
    "videomem_hf.films.excerpt:best_excerpt": "source, length_s, stem, model=None, *, horizon=None, poster=False, "
    "device=None, on_progress=None",
    "videomem_hf.inference.forgetting:forgetting_curve": "scores, intervals=None, level=0.9, decay_per_lag=None",
    "videomem_hf.protocol.two_versions:compare_versions": "before, after",
    "videomem_hf.features:extract": "source, features, title=None",
    "videomem_hf.extraction:extract_clips": "clips, specs, out, *, titles=None, processes=None, device=None, "
    "overwrite=False, fail_fast=False",
    "videomem_hf.losses:build_loss": "name, **options",
    "videomem_hf.metrics:metric_path": "",
    "videomem_hf.training:train": "config",
    "videomem_hf.training:TrainingConfig.from_recipe": "recipe, *, data, output, overrides=()",
    "videomem_hf.multiview:fit_best": "views, scores, counts=None, *, train=None, groups=None, options=None, seed=0",
    "videomem_hf.sample:generate_sample": "out, *, videos=200, test_videos=None, seed=0, size=(320, 180), "
    "features=('c3d', 'hmp'), write_videos=True, workers=None, progress=True",
    "videomem_hf.sample:read_truth": "out",
    "videomem_hf.benchmark.benchmark:run_benchmark": "predictors, truth, options=None",
    "videomem_hf.benchmark.leaderboard:add_result": "folder, result",
    "videomem_hf.benchmark.predictors:read_predictors": "names, truth, *, horizon=None, columns=None",
    "videomem_hf.benchmark.truth:read_ground_truth": "data",
    "videomem_hf.data.feature_files.matrices:feature_matrix": "column",
    "videomem_hf.inference.ray_engine:score_on_ray": "clips, model, device=None, workers=None",
    "videomem_hf.protocol.annotation_files:read_annotations": "paths",
    "videomem_hf.protocol.scoring:score_study": "annotations, design=None",
    "videomem_hf.protocol.study_analysis:analyse_study": "annotations, scores, *, splits=25, seed=0",
    "videomem_hf.protocol.simulate_study:simulate_study": "videos, design=None, *, participants=9402, returning=3246, "
    "seed=0, model=None",
    "videomem_hf.video.video:sample_frames": "source, frames_per_second=1.0",
    "videomem_hf.video.finding:find_videos": "arguments",
    "videomem_hf.statistics:spearman": "predictions, references",
    "videomem_hf.statistics:bootstrap_interval": "predictions, references, statistic='spearman', *, confidence=0.95, "
    "resamples=10000, seed=0",
    "videomem_hf.statistics:compare": "predictions, other_predictions, references, statistic='spearman', *, "
    "confidence=0.95, resamples=10000, seed=0",
    "videomem_hf.statistics:noise_ceiling": "scores, counts",
}
"""What callers may rely on; a parameter that is new has a default."""


def test_every_all_is_listed() -> None:
    package = ROOT / "videomem_hf"
    files = [path for path in package.rglob("*.py") if re.search(r"^__all__ = ", path.read_text("utf-8"), re.M)]
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files}
    assert modules == set(NAMES)


@pytest.mark.parametrize("module", DOCUMENTED)
def test_documented_names(module: str) -> None:
    assert set(vars(importlib.import_module(module))) >= DOCUMENTED[module]


@pytest.mark.parametrize("module", NAMES)
def test_names(module: str) -> None:
    imported = importlib.import_module(module)
    assert set(imported.__all__) == NAMES[module]
    for name in NAMES[module]:
        assert getattr(imported, name) is not None


@pytest.mark.parametrize("call", CALLS)
def test_calls(call: str) -> None:
    signature = inspect.signature(pkgutil.resolve_name(call))
    given: dict[str, object] = {}
    exec(f"def promised({CALLS[call]}): ...", given)
    promised = inspect.signature(given["promised"])  # type: ignore[arg-type]
    now = [(p.name, p.kind, p.default) for p in signature.parameters.values()]
    before = [(p.name, p.kind, p.default) for p in promised.parameters.values()]
    assert [each for each in now if each in before] == before
    by_position = [each for each in before if each[1] is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert now[: len(by_position)] == by_position
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

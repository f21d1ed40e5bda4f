"""A benchmark: predictors on a ground truth under protocols, with leaks and published figures, as one result."""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf import __version__
from videomem_hf.benchmark import clip_content
from videomem_hf.benchmark.leaks import predictor_leaks, split_leaks
from videomem_hf.benchmark.predictors import Predictor, coverage
from videomem_hf.benchmark.protocols import ALL, Protocol, available_protocols, chosen_protocols
from videomem_hf.benchmark.published import beside
from videomem_hf.benchmark.scoring import Group, Sampling, score_protocol
from videomem_hf.benchmark.truth import GroundTruth
from videomem_hf.evaluation.training_clips import data_fingerprint
from videomem_hf.run_files import without_nan
from videomem_hf.schema import InputError
from videomem_hf.system import atomic_write

SCHEMA: Final = "videomem-benchmark"
SCHEMA_VERSION: Final = 1
SCHEMA_FILE: Final = Path(__file__).with_name("result.schema.json")
"""JSON Schema of a result (draft 2020-12)."""
RESULT_FILE: Final = "benchmark.json"
_ENOUGH: Final = 0.9


@dataclass(frozen=True)
class BenchmarkOptions:
    """What a benchmark does.

    Attributes:
        protocols: Names; empty for all that the data allow.
        frames: Whether videos are read for copies among them and for motion.
        features: Features that are compared for copies.
        topics: Largest number of topics.
        sampling: Of the intervals.
    """

    protocols: tuple[str, ...] = ()
    frames: bool = False
    features: tuple[str, ...] = ()
    topics: int = 10
    sampling: Sampling = field(default_factory=Sampling)


def run_benchmark(
    predictors: Sequence[Predictor],
    truth: GroundTruth,
    options: BenchmarkOptions | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Score predictors under protocols and look for leaks.

    Args:
        predictors: As `read_predictors` gives them, of different names.
        truth: The ground truth.
        options: What is done.
        say: Is called with what comes next.

    Returns:
        What `SCHEMA_FILE` describes; a value that is not defined is None.

    Raises:
        InputError: A protocol that the data do not allow, two predictors of one name, or no clip that all scored.
    """
    options = options or BenchmarkOptions()
    names = [each.name for each in predictors]
    if len(set(names)) < len(names):
        raise InputError(f"{next(n for n in names if names.count(n) > 1)}: is given twice; give different predictors")
    protocols = chosen_protocols(options.protocols, truth)
    skipped = []
    if not options.protocols:
        protocols = [each for each in protocols if _is_covered(predictors, truth, each)]
        kept = [each.name for each in protocols]
        skipped = [name for name in available_protocols(truth) if name not in kept]
    copies, groups = _read_content(truth, options, say)
    leaks = list(predictor_leaks(predictors, truth, _fingerprint(predictors, truth)))
    scored = []
    for protocol in protocols:
        say(f"protocol {protocol.name}")
        leaks += split_leaks(truth, protocol, copies)
        own = [*groups, *clip_content.title_leak_groups(truth, protocol)]
        scored.append(score_protocol(predictors, truth, protocol, own, options.sampling))
    if not any(each.horizons for each in scored):
        each_has = ", ".join(f"{each.name} {coverage(each, truth, protocols[-1]).covered:,}" for each in predictors)
        raise InputError(
            f"no two clips of {', '.join(each.name for each in protocols)} were scored by all predictors (of "
            f"{len(truth.ids):,} clips, {each_has}); give predictions of the same clips, as `videomem predict CLIPS "
            "--model MODEL --csv FILE` writes them, or each in a benchmark of its own"
        )
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "package": __version__,
        "ground_truth": _describe_truth(truth),
        "settings": asdict(options.sampling),
        "predictors": [_describe_predictor(each, truth) for each in predictors],
        "protocols": [asdict(each) for each in scored],
        "protocols_left_out": skipped,
        "leaks": [asdict(each) for each in leaks],
        "checked_for_copies": ["titles", *(["frames"] if options.frames else []), *options.features],
        "published": beside(truth.version, [each.name for each in protocols]),
    }
    return dict(without_nan(json.loads(json.dumps(result))))


def _is_covered(predictors: Sequence[Predictor], truth: GroundTruth, protocol: Protocol) -> bool:
    """Whether a protocol that nobody asked for is worth while: predictors scored nearly all of its clips."""
    found = [coverage(each, truth, protocol) for each in predictors]
    return protocol.name == ALL or all(each.covered >= _ENOUGH * each.clips for each in found)


def _read_content(
    truth: GroundTruth, options: BenchmarkOptions, say: Callable[[str], None]
) -> tuple[dict[str, np.ndarray], list[Group]]:
    """Copies by kind, and the groups that do not depend on a protocol."""
    copies: dict[str, np.ndarray] = {}
    groups = clip_content.topic_groups(truth, options.topics)
    if options.frames:
        say("frames")
        content = clip_content.read_frame_content(truth)
        copies["duplicate_frames"] = clip_content.frame_copies(content)
        groups += clip_content.motion_groups(content.motion)
    found = []
    for name in options.features:
        say(f"feature {name}")
        vectors = clip_content.read_feature(truth, name)
        found.append(clip_content.feature_copies(vectors))
        if name == "hmp" and not options.frames:
            groups += clip_content.motion_groups(clip_content.hmp_motion(vectors))
    if found:
        copies["duplicate_features"] = np.unique(np.concatenate(found), axis=0)
    return copies, groups


def _fingerprint(predictors: Sequence[Predictor], truth: GroundTruth) -> str | None:
    """The fingerprint of the data as runs record it; None where no predictor has one."""
    if all(each.given.fingerprint is None for each in predictors):
        return None
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # whoever opened the data had them
        return data_fingerprint(truth.data, "scores")


def _describe_truth(truth: GroundTruth) -> dict[str, Any]:
    horizons = []
    for column, horizon in enumerate(truth.horizons):
        known = np.isfinite(truth.scores[:, column])
        values, counts = truth.scores[known, column], truth.counts[known, column]
        has_counts = bool(np.isfinite(counts).any())
        mean, std = (float(values.mean()), float(values.std())) if len(values) else (None, None)
        annotations = float(np.nanmean(counts)) if has_counts else None
        horizons.append(
            {"name": horizon, "clips": len(values), "mean": mean, "std": std, "mean_annotations": annotations}
        )
    version = asdict(truth.version)
    sizes = {"clips": len(truth), "unscored": len(truth.unscored)}
    return {"data": truth.data, "hash": truth.content_hash, "version": version, **sizes, "horizons": horizons}


def _describe_predictor(each: Predictor, truth: GroundTruth) -> dict[str, Any]:
    counts = np.isfinite(each.scores).sum(axis=0)
    return {
        "name": each.name,
        "digest": each.given.digest,
        "clips": {h: int(count) for h, count in zip(truth.horizons, counts, strict=True) if count},
        "notes": list(each.notes),
    }


def write_result(folder: Path, result: dict[str, Any]) -> Path:
    """Write the JSON of a result into a folder; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RESULT_FILE
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_result(path: Path) -> dict[str, Any]:
    """Read the JSON of a result. Raises an InputError for a file that is none, or one of another version."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); remove it, or write it again") from None
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        raise InputError(f"{path}: is no result of `videomem benchmark`; remove it from the folder")
    if result.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{path}: has version {result.get('schema_version')} of the schema, and this package reads "
            f"{SCHEMA_VERSION}; run the benchmark again"
        )
    return result

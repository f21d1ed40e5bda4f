"""How many participants adaptive assignment takes for the same rank correlation with the truth.

    OMP_NUM_THREADS=1 python benchmarks/adaptive_assignment.py --out benchmarks/results/adaptive_assignment.json

Simulated studies by the paper's rules (`study plan` for small collections; 38 short-term and 13 long-term annotations
per video, as in the paper) are played by each of `POLICIES` with several numbers of participants; the scores of each
study are compared with the videos' true memorability. Reported for each policy and each kind of score: the share of the
participants that reaches what the paper's policy and score reach with all of them; the errors of scores by fifths of
the true memorability; the fewest annotations of a video. Of the largest collection only the paper's rule with all
participants and the third policy are played. Then studies that stop by themselves: the reliability that
they asked for and what they have, and the error of their scores. Last, how long a choice takes.
"""

import argparse
import math
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from results_file import machine, write_results

from videomem_hf.protocol.assignment.policy import Tally, assign_step1
from videomem_hf.protocol.design import Assignment, StudyDesign
from videomem_hf.protocol.detection.combined import combine
from videomem_hf.protocol.detection.measure import measure_study
from videomem_hf.protocol.plan import EXAMPLES, plan_design
from videomem_hf.protocol.plan_adaptive import adaptive_design
from videomem_hf.protocol.scoring import StudyScores, score_study
from videomem_hf.protocol.simulate import draw_videos
from videomem_hf.protocol.simulate_study import AT_ONCE, SimulatedStudy, simulate_study
from videomem_hf.schema import HORIZONS
from videomem_hf.statistics import spearman

ANNOTATIONS = {"short_term": 38, "long_term": 13}
SHARES = (0.5, 0.65, 0.8, 1.0)
STUDIES = {60: 20, 300: 5, 1000: 2, 10_000: 1}
FIFTHS = 5
POLICIES = ("least_annotated", "adaptive", "adaptive, more targets")
LARGE = 5000
"""Videos from which on `LARGE_RUNS` alone are played."""
LARGE_RUNS = {"least_annotated": (1.0,), "adaptive, more targets": (0.5, 0.65)}


def design_for(videos: int, assignment: Assignment) -> StudyDesign:
    return replace(plan_design(videos + EXAMPLES).for_collection(videos), assignment=assignment)


def runs(videos: int) -> dict[str, tuple[float, ...]]:
    """Shares of the participants that are played, by policy."""
    return LARGE_RUNS if videos >= LARGE else dict.fromkeys(POLICIES, SHARES)


def play(videos: int, assignment: Assignment, share: float, seed: int, more: bool = False) -> SimulatedStudy:
    """A study of this share of the participants that the paper's annotations take; a fortieth of them plays at once."""
    design = design_for(videos, assignment)
    first = math.ceil(share * ANNOTATIONS["short_term"] * videos / design.step1.targets)
    second = min(first, math.ceil(share * ANNOTATIONS["long_term"] * videos / design.step2.targets))
    collection = draw_videos([f"video{number}" for number in range(1, videos + 1)], seed)
    at_once = max(4, min(AT_ONCE, first // 40))
    design = adaptive_design(design) if more else design
    return simulate_study(collection, design, participants=first, returning=second, seed=seed, at_once=at_once)


def scores_of(study: SimulatedStudy, scored: StudyScores) -> dict[tuple[str, str], np.ndarray]:
    """Scores by kind and horizon."""
    measured = measure_study(study.annotations, scored.screening, study.design)
    combined = combine(measured, scored.annotations)
    found = {}
    for horizon in HORIZONS:
        found["paper", horizon] = scored.scores[horizon].score
        found["model", horizon] = measured[horizon].values["hit_rate"]
        found["combined", horizon] = combined.values[horizon]
    return found


def figures(study: SimulatedStudy) -> list[dict[str, Any]]:
    """Of each kind of score and horizon: rank correlation with the truth, and errors by fifths of the truth."""
    result = []
    scored = score_study(study.annotations, study.design)
    for (kind, horizon), values in scores_of(study, scored).items():
        truth, counts = getattr(study.videos, horizon), scored.scores[horizon].annotations
        known = np.isfinite(values)
        fifth = np.argsort(np.argsort(truth)) * FIFTHS // len(truth)
        result.append({
            "score": kind, "horizon": horizon, "rank_correlation": spearman(values[known], truth[known]),
            "squared_correlation": float(np.corrcoef(values[known], truth[known])[0, 1] ** 2),
            "errors": [float((values - truth)[known & (fifth == part)].mean()) for part in range(FIFTHS)],
            "mean_error": float((values - truth)[known].mean()),
            "slope": float(np.polyfit(values[known], truth[known], 1)[0]),
            "fewest": int(counts.min()), "annotations": float(counts.mean()),
        })  # fmt: skip
    return result


def compare(job: tuple[int, str, float, int]) -> dict[str, Any]:
    videos, policy, share, seed = job
    study = play(videos, Assignment(policy.split(",")[0]), share, seed, policy == POLICIES[2])  # type: ignore[arg-type]
    return {"videos": videos, "policy": policy, "share": share, "seed": seed, "figures": figures(study)}


def stop(job: tuple[int, float, int]) -> dict[str, Any]:
    """A study that stops by itself, at most at three times the paper's annotations."""
    videos, wanted, seed = job
    study = play(videos, Assignment("adaptive", wanted, wanted - 0.2), 3.0, seed)
    return {"videos": videos, "wanted": wanted, "seed": seed, "figures": figures(study)}


def shares(played: list[dict[str, Any]], videos: int) -> list[dict[str, Any]]:
    """The share of the participants that each policy and score needs."""
    curves: dict[tuple[str, str, str], list[float]] = {}
    for policy, of_policy in runs(videos).items():
        for share in of_policy:
            found = [run for run in played if (run["videos"], run["policy"], run["share"]) == (videos, policy, share)]
            for number, first in enumerate(found[0]["figures"]):
                mean = float(np.mean([run["figures"][number]["rank_correlation"] for run in found]))
                curves.setdefault((policy, first["score"], first["horizon"]), []).append(mean)
    table = []
    for (policy, score, horizon), values in curves.items():
        goal = curves["least_annotated", "paper", horizon][-1]
        of_policy = runs(videos)[policy]
        enough = float(np.interp(goal, values, of_policy)) if values[-1] >= goal else float("nan")
        lower = values[0] >= goal
        table.append({
            "videos": videos, "policy": policy, "score": score, "horizon": horizon, "shares": of_policy,
            "rank_correlations": [round(value, 4) for value in values], "participants": round(enough, 3),
            "below_the_least_share": lower,
        })  # fmt: skip
    return table


def bias(played: list[dict[str, Any]], videos: int) -> list[dict[str, Any]]:
    """Errors of scores by each policy at half the participants and more: mean over studies and videos."""
    table = []
    for policy in runs(videos):
        found = [run for run in played if run["videos"] == videos and run["policy"] == policy]
        for number, first in enumerate(found[0]["figures"]):
            parts = [run["figures"][number] for run in found]
            table.append({
                "videos": videos, "policy": policy, "score": first["score"], "horizon": first["horizon"],
                "mean_error": round(float(np.mean([part["mean_error"] for part in parts])), 5),
                "errors_by_fifth": np.mean([part["errors"] for part in parts], axis=0).round(4).tolist(),
                "slope_of_truth": round(float(np.mean([part["slope"] for part in parts])), 3),
                "fewest": min(part["fewest"] for part in parts),
                "fewest_share": round(min(part["fewest"] / part["annotations"] for part in parts), 3),
            })  # fmt: skip
    return table


def stops(stopped: list[dict[str, Any]]) -> list[dict[str, Any]]:
    table = []
    for videos, wanted in sorted({(run["videos"], run["wanted"]) for run in stopped}):
        found = [run for run in stopped if (run["videos"], run["wanted"]) == (videos, wanted)]
        for number, first in enumerate(found[0]["figures"]):
            parts = [run["figures"][number] for run in found]
            table.append({
                "videos": videos, "wanted": wanted if first["horizon"] == "short_term" else round(wanted - 0.2, 2),
                "score": first["score"], "horizon": first["horizon"], "studies": len(found),
                "reliability": round(float(np.mean([part["squared_correlation"] for part in parts])), 3),
                "annotations": [round(float(each), 1) for each in np.percentile(
                    [part["annotations"] for part in parts], [0, 50, 100])],
                "mean_error": round(float(np.mean([part["mean_error"] for part in parts])), 5),
                "errors_by_fifth": np.mean([part["errors"] for part in parts], axis=0).round(4).tolist(),
            })  # fmt: skip
    return table


def choice_ms(videos: int, repeats: int = 20) -> float:
    """Median time of a choice for one participant, in ms."""
    generator = np.random.default_rng(0)
    given = generator.integers(5, 40, videos)
    waiting = generator.integers(0, 10, videos)
    tally = Tally(given + generator.integers(0, 4, videos), given, generator.binomial(given, 0.86), waiting)
    design = design_for(videos, Assignment("adaptive"))
    found = []
    for seed in range(repeats):
        start = time.perf_counter()
        assign_step1(design, range(videos), {"short_term": tally, "long_term": tally}, seed)
        found.append(1000 * (time.perf_counter() - start))
    return round(float(np.median(found)), 1)


def run(function: Callable[[Any], dict[str, Any]], jobs: list[Any], processes: int) -> list[dict[str, Any]]:
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(function, jobs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--videos", type=int, nargs="+", default=list(STUDIES))
    parser.add_argument("--studies", type=float, default=1.0, help="factor on the number of studies of each size")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    results: dict[str, Any] = {"machine": machine(), "participants": [], "bias": [], "choice_ms": {}}
    for videos in arguments.videos:
        studies = max(1, round(STUDIES.get(videos, 1) * arguments.studies))
        jobs = [
            (videos, policy, share, seed)
            for policy, of_policy in runs(videos).items()
            for share in of_policy
            for seed in range(studies)
        ]
        played = run(compare, jobs, arguments.processes)
        results["participants"] += shares(played, videos)
        results["bias"] += bias(played, videos)
        results["choice_ms"][str(videos)] = choice_ms(videos)
        if arguments.out is not None:
            write_results(results, arguments.out)
    small = [videos for videos in arguments.videos if videos < 1000]
    jobs = [(videos, 0.6, seed) for videos in small for seed in range(round(STUDIES[videos] * arguments.studies))]
    results["stopping"] = stops(run(stop, jobs, arguments.processes)) if jobs else []
    write_results(results, arguments.out)


if __name__ == "__main__":
    main()

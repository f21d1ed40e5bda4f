"""Speed and scale of the memory game's offline half, at the size of the paper's study.

    python benchmarks/protocol_speed.py --out benchmarks/results/protocol_speed.json

A study of the paper's size (9,402 and 3,246 participants who pass, 10,000 videos) is simulated, written, read,
scored and analysed. Times are the best of several repeats, CPU and wall. For schedules, the evenness of the lags is
compared with the original software's, which draws positions and lags at random and again if a position is taken.
"""

import argparse
import json
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from videomem_hf.protocol.annotation_files import read_annotations
from videomem_hf.protocol.annotations import write_annotations
from videomem_hf.protocol.consistency import (
    annotation_consistency,
    expected_consistency,
    human_consistency,
)
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.schedule import choose_step1_videos, choose_step2_videos, draw_step1, draw_step2
from videomem_hf.protocol.scoring import StudyScores, score_study, summary
from videomem_hf.protocol.simulate import draw_videos
from videomem_hf.protocol.simulate_study import simulate_study
from videomem_hf.schema import HORIZONS

SCHEDULES = 2000


def best(run: Callable[[], Any], repeats: int) -> tuple[dict[str, float], Any]:
    """Seconds of CPU and wall time, the best of several runs, and the last result."""
    cpu, wall, result = [], [], None
    for _ in range(repeats):
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        result = run()
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    return {"cpu_s": round(min(cpu), 3), "wall_s": round(min(wall), 3)}, result


def rejection_lags(generator: np.random.Generator) -> np.ndarray | None:
    """Lags as the original software draws them: a first position, a lag, and another if that position is taken."""
    step = StudyDesign().step1
    taken = np.zeros(step.showings, dtype=bool)
    for _ in range(step.vigilance_fillers):
        if not _draw_pair(taken, generator, step.showings - 7, 3, 6):
            return None
    firsts = []
    while len(firsts) < step.targets:
        position = round(generator.uniform(0, step.showings - step.target_lag_max - 1))
        if not taken[position]:
            taken[position] = True
            firsts.append(position)
    lags = []
    for position in firsts:
        for _ in range(100):
            lag = round(generator.uniform(step.target_lag_min, step.target_lag_max))
            if not taken[position + lag]:
                break
        else:
            return None
        taken[position + lag] = True
        lags.append(lag)
    return np.array(lags)


def _draw_pair(taken: np.ndarray, generator: np.random.Generator, highest: int, shortest: int, longest: int) -> bool:
    for _ in range(100):
        position = round(generator.uniform(0, highest))
        lag = round(generator.uniform(shortest, longest))
        if not taken[[position, position + lag]].any():
            taken[[position, position + lag]] = True
            return True
    return False


def evenness(lags: np.ndarray) -> dict[str, float]:
    """The evenness of lags, `(schedules, 40)`: over all schedules, and within one."""
    counts = np.bincount(lags.ravel(), minlength=101)[45:101]
    fifths = np.apply_along_axis(lambda row: np.histogram(row, bins=np.linspace(45, 101, 6))[0], 1, lags)
    return {
        "chi_square_over_degrees_of_freedom": round(float(stats.chisquare(counts).statistic / 55), 2),
        "rarest_lag_of_expected": round(float(counts.min() / counts.mean()), 3),
        "most_frequent_lag_of_expected": round(float(counts.max() / counts.mean()), 3),
        "sd_of_a_fifth_of_the_range_within_a_schedule": round(float(fifths.std(axis=0).mean()), 2),
    }


def schedules() -> dict[str, Any]:
    """Time and evenness of schedules."""
    design, videos, counts = StudyDesign(), [f"video{number}" for number in range(10_000)], np.arange(10_000) % 7
    seeds = range(300)
    step1, _ = best(lambda: [draw_step1(design, seed) for seed in seeds], 3)
    step2, _ = best(lambda: [draw_step2(design, seed) for seed in seeds], 3)
    choose1, chosen = best(lambda: [choose_step1_videos(design, videos, counts, seed) for seed in seeds], 3)
    choose2, _ = best(lambda: [choose_step2_videos(design, videos, chosen[0], seed) for seed in seeds], 3)
    ours = np.array(
        [[s.lag for s in draw_step1(design, seed) if s.repeat and s.role == "target"] for seed in range(SCHEDULES)]
    )
    generator, theirs, tries = np.random.default_rng(0), [], 0
    while len(theirs) < SCHEDULES:
        tries += 1
        lags = rejection_lags(generator)
        if lags is not None:
            theirs.append(lags)
    each = {"step1_order": step1, "step2_order": step2, "step1_videos": choose1, "step2_videos": choose2}
    return {
        "cpu_ms_each": {name: round(times["cpu_s"] / len(seeds) * 1000, 2) for name, times in each.items()},
        "lags": evenness(ours),
        "lags_drawn_by_rejection": {**evenness(np.array(theirs)), "tries_a_schedule": round(tries / SCHEDULES, 2)},
    }


def consistencies(scores: StudyScores) -> dict[str, Any]:
    """Time and values of the consistencies of both horizons."""
    found: dict[str, Any] = {}
    for horizon in HORIZONS:
        annotations, videos = scores.annotations[horizon], len(scores.videos)
        to_lag = 100 if horizon == "short_term" else None
        human_time, human = best(lambda a=annotations, t=to_lag, v=videos: human_consistency(a, v, to_lag=t), 3)
        curve_time, curve = best(lambda a=annotations, t=to_lag, v=videos: annotation_consistency(a, v, to_lag=t), 2)
        thin_time, _ = best(
            lambda a=annotations, t=to_lag, v=videos: annotation_consistency(a, v, thin=True, to_lag=t), 1
        )
        mean = float(scores.scores[horizon].annotations.mean())
        found[horizon] = {
            "half_splits_25": human_time,
            "curve_25_splits": curve_time,
            "thinned_curve_25_splits": thin_time,
            "human_consistency": round(human.spearman, 3),
            "annotation_consistency_at_the_mean": round(curve.at(mean), 3),
            "expected_between_studies": round(float(expected_consistency(curve, mean).spearman), 3),
        }
    return found


def main() -> None:
    """Run all and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON file to write.")
    parser.add_argument("--machine", default=platform.machine(), help="Description of the machine for the result.")
    arguments = parser.parse_args()
    result: dict[str, Any] = {"command": "python benchmarks/protocol_speed.py", "machine": arguments.machine}
    result["schedules"] = schedules()
    videos = draw_videos([f"video{number}" for number in range(1, 10_001)], 0)
    result["simulate"], study = best(lambda: simulate_study(videos, seed=0), 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "annotations.csv"
        result["write"], _ = best(lambda: write_annotations(study.annotations, path), 1)
        result["table_mb"] = round(path.stat().st_size / 1e6, 1)
        result["read"], annotations = best(lambda: read_annotations([path]), 3)
    result["showings"] = len(annotations)
    result["score"], scores = best(lambda: score_study(annotations), 3)
    result["study"] = summary(scores)
    result["consistency"] = consistencies(scores)
    result["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    text = json.dumps(result, indent=2) + "\n"
    sys.stdout.write(text)
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

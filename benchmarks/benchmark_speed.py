"""How long `videomem benchmark` takes at VideoMem's size: every protocol that the data allow, ten splits among them.

    python benchmarks/benchmark_speed.py --out benchmarks/results/benchmark_speed.json

Scores, counts, titles and predictions are generated: the figures are of time and memory alone.
"""

import argparse
import csv
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from results_file import machine, write_results

from videomem_hf.benchmark.benchmark import BenchmarkOptions, run_benchmark, write_result
from videomem_hf.benchmark.page import write_page
from videomem_hf.benchmark.predictors import read_predictors
from videomem_hf.benchmark.truth import read_ground_truth

HORIZONS = ("short_term", "long_term")
WORDS = [f"{kind}{number}" for kind in ("person", "animal", "place", "thing", "colour") for number in "abcdefghijkl"]


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8000)
    parser.add_argument("--predictors", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    seconds = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names = write_data(folder, given.clips, given.predictors)
        started = time.monotonic()
        truth = read_ground_truth(str(folder / "data"))
        seconds["ground truth"] = time.monotonic() - started
        found = read_predictors(names, truth)
        seconds["files"] = time.monotonic() - started - sum(seconds.values())
        result = run_benchmark(found, truth, BenchmarkOptions())
        seconds["benchmark"] = time.monotonic() - started - sum(seconds.values())
        write_page(folder / "index.html", result)
        write_result(folder, result)
        seconds["page"] = time.monotonic() - started - sum(seconds.values())
    results = {
        "command": f"python benchmarks/benchmark_speed.py --clips {given.clips} --predictors {given.predictors}",
        "machine": machine(),
        "data": "generated scores and predictions",
        "protocols": [f"{each['name']} ({each['folds']})" for each in result["protocols"]],
        "resamples": result["settings"]["resamples"],
        "seconds": {name: round(each, 2) for name, each in seconds.items()},
        "seconds in all": round(sum(seconds.values()), 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    write_results(results, given.out)


def write_data(folder: Path, clips: int, predictors: int) -> list[str]:
    """Write a table of scores with titles, and a file of each predictor; returns the files."""
    generator = np.random.default_rng(0)
    true = np.column_stack([generator.beta(12, 3, clips), generator.beta(7, 2.5, clips)])
    counts = np.column_stack([generator.integers(20, 60, clips), generator.integers(5, 20, clips)])
    scores = generator.binomial(counts, true) / counts
    titles = ["-".join(generator.choice(WORDS, 7)) for _ in range(clips)]
    for row in range(0, clips - 1, 14):  # about one in seven shares its title, as in VideoMem
        titles[row + 1] = titles[row]
    (folder / "data").mkdir()
    columns = ["video", "title", *(f"{h}{end}" for h in HORIZONS for end in ("", "_annotations"))]
    with (folder / "data" / "scores.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in range(clips):
            cells = (cell for pair in zip(scores[row].round(3), counts[row], strict=True) for cell in pair)
            writer.writerow([f"video{row + 1}.webm", titles[row], *cells])
    names = []
    for number in range(predictors):
        predicted = true + generator.normal(0, 0.1 + 0.05 * number, true.shape)
        names.append(str(folder / f"predictor{number + 1}.csv"))
        with Path(names[-1]).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["video_id", *(f"{h}_pred" for h in HORIZONS)])
            writer.writerows([f"video{row + 1}", *predicted[row].round(6)] for row in range(clips))
    return names


if __name__ == "__main__":
    main()

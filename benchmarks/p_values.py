"""False positives of every p-value that `videomem analyse` prints, in studies in which nothing that is tested is so.

    PYTHONPATH=. python benchmarks/p_values.py [--studies 200] [--out benchmarks/results/p_values.json]

Studies of 60 videos are drawn without the package's simulator (`tests/protocol/null_studies.py`): people differ much in
ability and pace, neither lag nor delay matters, and scores and response times are independent. `printed` is the share
of studies with p below .05 as the report prints it, `naive` the same if each response came from a person of its own.
The standard error of a share of .05 is .015 with 200 studies.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results_file import machine, write_results
from tests.protocol.null_studies import ABILITY_SD, PACE_SD, false_positives

LEVEL = 0.05
SIZES = ((20, 12), (40, 30), (120, 60))
"""Participants of step 1, and those of them who return."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {
        "machine": machine(),
        "studies": options.studies,
        "videos": 60,
        "ability_sd": ABILITY_SD,
        "pace_sd": PACE_SD,
        "level": LEVEL,
        "false_positives": [measure(options.studies, *size) for size in SIZES],
    }
    write_results(results, options.out)


def measure(studies: int, people: int, returning: int) -> dict[str, Any]:
    """The shares of one size of study."""
    found = list(false_positives(studies, people, returning))
    shares = {
        name: np.mean([[p < LEVEL for p in study[name]] for study in found], axis=0).round(4).tolist()
        for name in found[0]
    }
    return {
        "participants": people,
        "returning": returning,
        "printed": {name: printed for name, (printed, _) in shares.items()},
        "naive": {name: naive for name, (_, naive) in shares.items()},
    }


if __name__ == "__main__":
    main()

"""Speed and calibration of the detection model, and who is left out.

    python benchmarks/measurement.py --out benchmarks/results/measurement.json

- Speed: responses like those of a study of 10,000 videos, 2.5 million of them, are fitted, and fitted again until it is
  clear who attends.
- Calibration: studies are drawn from the model, fitted with all parameters estimated, and the shares of true hit
  tendencies, false-alarm tendencies and d' within the 90 % intervals counted (simulation-based calibration).
- Large systems are solved approximately: the same counts for a study that is.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from results_file import machine, write_results
from scipy import special

from videomem_hf.protocol.detection.measure import measure
from videomem_hf.protocol.detection.model import Responses, fit_detection

MEAN, SLOPE = np.array([-1.5, 1.0]), -0.25
VIDEOS = np.array([[0.16, -0.05], [-0.05, 0.2]])
PEOPLE = np.array([[0.3, 0.05], [0.05, 0.25]])
WEIGHTS = {"hits": (0.0, 1.0), "false alarms": (1.0, 0.0), "d'": (-1.0, 1.0)}


def draw(
    videos: int, people: int, repeated: int, once: int, generator: np.random.Generator
) -> tuple[Responses, np.ndarray]:
    """Responses of people who each see `repeated` videos twice and `once` others, and the videos' true tendencies."""
    of_videos = MEAN + generator.multivariate_normal([0, 0], VIDEOS, videos)
    of_people = generator.multivariate_normal([0, 0], PEOPLE, people)
    shown = np.array([generator.choice(videos, repeated + once, replace=False) for _ in range(people)])
    video = np.concatenate([shown, shown[:, :repeated]], axis=1).ravel()
    kind = np.tile(np.r_[np.zeros(repeated + once, int), np.ones(repeated, int)], people)
    who = np.repeat(np.arange(people), 2 * repeated + once)
    log_lag = np.where(kind == 1, np.log(generator.integers(45, 101, len(kind)) / 100), 0.0)
    chance = special.ndtr(of_videos[video, kind] + of_people[who, kind] + SLOPE * log_lag)
    pressed = generator.random(len(chance)) < chance
    return Responses(video, who, kind == 1, pressed, log_lag, videos, people), of_videos


def speed(videos: int, people: int, generator: np.random.Generator) -> dict[str, Any]:
    responses, truth = draw(videos, people, 40, 80, generator)
    start = time.perf_counter()
    fit = fit_detection(responses)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    measure(responses, np.tile(np.arange(len(responses) // people), people))
    whole = time.perf_counter() - start
    correlation = np.corrcoef((fit.tendencies.mean @ [-1, 1]), truth @ [-1, 1])[0, 1]
    return {
        "videos": videos, "participants": people, "responses": len(responses), "wall_s": round(seconds, 1),
        "with_who_attends_s": round(whole, 1),
        "iterations": fit.iterations, "converged": fit.converged, "d_prime_with_truth": round(float(correlation), 3),
        "covered": covered([(fit, truth)]),
        "video_covariance": fit.video_covariance.round(3).tolist(),
    }  # fmt: skip


def covered(fits: list[Any]) -> dict[str, float]:
    """The share of true values within the 90 % intervals."""
    inside: dict[str, list[np.ndarray]] = {name: [] for name in WEIGHTS}
    for fit, truth in fits:
        for name, weights in WEIGHTS.items():
            error = np.sqrt(np.einsum("i,nij,j->n", weights, fit.tendencies.covariance, weights))
            inside[name].append(np.abs((fit.tendencies.mean - truth) @ weights) < special.ndtri(0.95) * error)
    return {name: round(float(np.concatenate(each).mean()), 4) for name, each in inside.items()}


def calibration(
    studies: int, videos: int, people: int, repeated: int, once: int, generator: np.random.Generator
) -> dict[str, Any]:
    fits = []
    for _ in range(studies):
        responses, truth = draw(videos, people, repeated, once, generator)
        fits.append((fit_detection(responses), truth))
    return {
        "studies": studies, "videos": videos, "participants": people,
        "repeats_per_video": round(people * repeated / videos, 1), "covered": covered(fits),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--studies", type=int, default=200, help="number of studies of each size")
    parser.add_argument("--participants", type=int, default=15_625, help="of the large study; each gives 160 responses")
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    sizes = ((60, 30, 12, 12), (60, 120, 12, 12), (300, 200, 40, 80))
    results = {
        "machine": machine(),
        "calibration": [calibration(arguments.studies, *size, generator) for size in sizes],
        "speed": [speed(10_000, arguments.participants, generator)],
    }
    write_results(results, arguments.out)


if __name__ == "__main__":
    main()

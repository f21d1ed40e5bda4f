"""Quality of the losses: rank error of the sorters, and the Spearman correlation that training with each loss reaches.

    OMP_NUM_THREADS=1 python benchmarks/losses_quality.py --out benchmarks/results/losses_quality.json
    ... --sorter mlp=FOLDER --sorter cnn=FOLDER        also evaluate sorters of `videomem train-sorter`

The committed results name two sorters of SoDeep's kind, each trained for a few minutes of one CPU core:
`videomem train-sorter mlp --architecture mlp --steps 20` and `videomem train-sorter cnn --architecture cnn --steps 3`.

Three parts:

1. Rank error: mean absolute error of soft ranks in (0, 1], on families that no sorter is trained on.
2. Free scores: 100 scores move along the gradient, in steps of one size, towards the order of 100 measured ones;
   Spearman's correlation after some steps. They start random, or in two far groups as those of a network that has
   learned one coarse cause. For each number of steps the best step size of a grid.
3. Regression: a perceptron (40 inputs, 32 hidden units, sigmoid output) learns scores that are k hits of n annotations,
   n from 9 to 40, from 1,500 items, and is evaluated on 1,000 others at the step that is best on 500 more. Seeds are
   trained side by side; differences to squared error are paired. "Even": the chance of a hit is a logistic curve of a
   noisy score. "Skewed": most items are at the top and few far below, as memorability scores are.

In part 3 every loss has the learning rate of a grid whose validation correlation is best.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from videomem_hf.losses import MemorabilityLoss, build_loss, load_sorter, ranks, shipped_sorters
from videomem_hf.losses.ranking import standardize
from videomem_hf.losses.sequences import HELD_OUT_FAMILIES, two_clusters, uniform
from videomem_hf.losses.sorter_networks import ExactSorter, Sorter

LENGTHS = (10, 32, 100, 300)
TRAINING_ITEMS, VALIDATION_ITEMS, TEST_ITEMS = 1500, 500, 1000
INPUTS, HIDDEN = 40, 32


@dataclass(frozen=True)
class Candidate:
    """A loss with its options, as in a recipe."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{name}={value}" for name, value in self.options.items())])


CANDIDATES = [
    Candidate("mse"),
    Candidate("l1"),
    Candidate("binomial"),
    Candidate("sodeep", {"sorter": "exact"}),
    Candidate("sodeep", {"sorter": "comparison_soft"}),
    Candidate("sodeep", {"sorter": "comparison"}),
    Candidate("sodeep", {"sorter": "comparison_soft", "l1_weight": 0.0}),
    Candidate("sodeep", {"sorter": "comparison_soft", "l1_weight": 1.0}),
    Candidate("soft_rank", {"strength": 0.1}),
    Candidate("soft_rank", {"strength": 1.0}),
    Candidate("pairwise", {"kind": "logistic"}),
    Candidate("pairwise", {"kind": "margin"}),
    Candidate("pairwise", {"kind": "logistic", "difference_power": 1.0}),
]


@dataclass(frozen=True)
class Problem:
    """Items of all seeds: inputs `(seeds, items, INPUTS)`, scores and annotation counts `(seeds, items)`."""

    inputs: torch.Tensor
    scores: torch.Tensor
    counts: torch.Tensor


def main() -> None:
    """Run all parts, print them and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sorter", action="append", default=[], metavar="NAME=FOLDER", help="evaluate one more sorter")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=300, help="of part 3")
    parser.add_argument("--only", type=int, choices=(1, 2, 3), help="run one part; the others stay in the file")
    parser.add_argument("--machine", default=platform.processor(), help="its name, for the results")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    others = dict(each.split("=", 1) for each in arguments.sorter)
    options = [f"--seeds {arguments.seeds} --steps {arguments.steps}", *(f"--sorter {name}=FOLDER" for name in others)]
    results: dict[str, Any] = {
        "machine": arguments.machine,
        "command": " ".join(["python benchmarks/losses_quality.py", *options]),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    if arguments.only in (None, 1):
        results["rank_error"] = rank_error(others)
    if arguments.only in (None, 2):
        results["free_scores"] = {start: free_scores(start, arguments.seeds) for start in ("random", "two groups")}
    if arguments.only in (None, 3):
        results["regression"] = {}
        for kind, batch in (("skewed", 32), ("even", 32), ("skewed", 100)):
            found = regression(kind, batch, arguments.seeds, arguments.steps)
            results["regression"][f"{kind}, batch {batch}"] = found
            write(results, arguments.out)
    write(results, arguments.out)
    sys.stdout.write(json.dumps(results, indent=1) + "\n")


def write(results: dict[str, Any], out: Path | None) -> None:
    """Write the results; parts that were not run stay as they are in the file."""
    if out is not None:
        before = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
        out.write_text(json.dumps(before | results, indent=1) + "\n", encoding="utf-8")


@torch.no_grad()
def rank_error(folders: dict[str, str]) -> dict[str, dict[str, dict[str, float]]]:
    """Part 1: sorter to length to family to error; means over the families under "mean"."""
    sorters: dict[str, Sorter] = {f"exact, sharpness {s:g}": ExactSorter(s) for s in (6.8, 20.0, 60.0)}
    sorters |= {name: load_sorter(name) for name in shipped_sorters()}
    sorters |= {name: load_sorter(folder) for name, folder in folders.items()}
    table: dict[str, dict[str, dict[str, float]]] = {}
    for name, sorter in sorters.items():
        table[name] = {}
        for length in LENGTHS if sorter.length is None else (sorter.length,):
            generator = torch.Generator().manual_seed(11)
            errors = {}
            for family, draw in HELD_OUT_FAMILIES.items():
                values = draw(64, length, generator)
                errors[family] = (sorter(values) - ranks(values)).abs().mean().item()
            errors["mean"] = sum(errors.values()) / len(errors)
            table[name][str(length)] = {family: round(error, 5) for family, error in errors.items()}
    return table


def free_scores(start: str, seeds: int, steps: Sequence[int] = (10, 30, 100)) -> dict[str, Any]:
    """Part 2: for each loss the mean correlation after each number of steps, at the step size best for that number."""
    generator = torch.Generator().manual_seed(3)
    draw = uniform if start == "random" else two_clusters
    first = 0.8 + 0.08 * draw(4 * seeds, 100, generator)
    measured = 0.8 + 0.08 * uniform(4 * seeds, 100, generator)
    table = {}
    for candidate in tqdm(CANDIDATES, desc=f"free scores, {start}"):
        loss = build_loss(candidate.name, **candidate.options)
        runs = [_move(loss, first, measured, size, steps) for size in (0.001, 0.002, 0.004, 0.008, 0.016)]
        table[str(candidate)] = {str(step): round(max(values), 4) for step, *values in zip(steps, *runs, strict=True)}
    return table


def _move(
    loss: MemorabilityLoss, first: torch.Tensor, measured: torch.Tensor, size: float, steps: Sequence[int]
) -> list[float]:
    """Correlations after `steps`; a step moves each sequence's scores by `size` in root mean square."""
    scores = first
    reached = []
    for step in range(1, max(steps) + 1):
        scores.requires_grad_()
        (gradient,) = torch.autograd.grad(_value(loss, scores, measured, torch.full_like(measured, 30.0)), scores)
        unit = gradient / gradient.square().mean(dim=-1, keepdim=True).sqrt().clamp_min(1e-12)
        scores = (scores - size * unit).detach()
        if step in steps:
            reached.append(spearman(scores, measured).mean().item())
    return reached


def regression(kind: str, batch: int, seeds: int, steps: int) -> dict[str, Any]:
    """Part 3: for each loss the test correlation, mean over seeds, and its difference to that of squared error."""
    problem = make_problem(kind, seeds)
    reached: dict[str, torch.Tensor] = {}
    rates: dict[str, float] = {}
    for candidate in tqdm(CANDIDATES, desc=f"regression, {kind}, batch {batch}"):
        loss = build_loss(candidate.name, **candidate.options)
        runs = {rate: _train(loss, problem, batch, steps, rate) for rate in (0.001, 0.003, 0.01)}
        rates[str(candidate)] = max(runs, key=lambda rate: runs[rate][0].mean().item())
        reached[str(candidate)] = runs[rates[str(candidate)]][1]
    table = {}
    for name, values in reached.items():
        difference = values - reached["mse"]
        table[name] = {
            "rate": rates[name],
            "spearman": round(values.mean().item(), 4),
            "minus_mse": round(difference.mean().item(), 4),
            "standard_error": round(difference.std().item() / seeds**0.5, 4),
        }
    return table


def make_problem(kind: str, seeds: int) -> Problem:
    """Draw one problem per seed: a linear and a small nonlinear cause, and noise that no input explains."""
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(seeds, *shape, generator=generator)

    items = TRAINING_ITEMS + VALIDATION_ITEMS + TEST_ITEMS
    inputs = normal(items, INPUTS)
    linear, product = (inputs @ normal(INPUTS, width) / INPUTS**0.5 for width in (1, 5))
    noise = 1.0 if kind == "even" else 0.3
    cause = linear[..., 0] + 1.5 * product.tanh().prod(dim=-1) + noise * normal(items)
    cause = standardize(cause, torch.ones_like(cause, dtype=torch.bool))
    chance = torch.sigmoid(1.5 + (cause if kind == "even" else (0.8 * cause).exp()))
    counts = torch.randint(9, 41, (seeds, items), generator=generator).float()
    return Problem(inputs, torch.binomial(counts, chance, generator=generator) / counts, counts)


def _train(
    loss: MemorabilityLoss, problem: Problem, batch: int, steps: int, rate: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Best validation correlation of each seed, and the test correlation at that step."""
    seeds = len(problem.inputs)
    predict, parameters = _perceptrons(seeds)
    optimizer = torch.optim.Adam(parameters, lr=rate)
    generator = torch.Generator().manual_seed(2)
    best, test = torch.full((seeds,), -2.0), torch.zeros(seeds)
    evaluated = slice(TRAINING_ITEMS, TRAINING_ITEMS + VALIDATION_ITEMS), slice(-TEST_ITEMS, None)
    for step in range(1, steps + 1):
        items = torch.randint(0, TRAINING_ITEMS, (batch,), generator=generator)
        value = _value(loss, predict(problem.inputs[:, items]), problem.scores[:, items], problem.counts[:, items])
        optimizer.zero_grad()
        (seeds * value).backward()  # the loss is the mean over seeds
        optimizer.step()
        if step % 20 == 0:
            with torch.no_grad():
                validation, tested = (spearman(predict(problem.inputs[:, s]), problem.scores[:, s]) for s in evaluated)
            better = validation > best
            best, test = torch.where(better, validation, best), torch.where(better, tested, test)
    return best, test


def _perceptrons(seeds: int) -> tuple[Callable[[torch.Tensor], torch.Tensor], list[torch.Tensor]]:
    """One perceptron per seed, `(seeds, items, INPUTS)` to `(seeds, items)`, and all their parameters."""
    generator = torch.Generator().manual_seed(4)
    first = torch.randn(seeds, INPUTS, HIDDEN, generator=generator) / INPUTS**0.5
    last = 0.3 * torch.randn(seeds, HIDDEN, 1, generator=generator) / HIDDEN**0.5
    parameters = [first, torch.zeros(seeds, 1, HIDDEN), last, torch.full((seeds, 1, 1), 1.8)]
    for each in parameters:
        each.requires_grad_()
    w1, b1, w2, b2 = parameters
    return lambda inputs: torch.sigmoid(((inputs @ w1 + b1).tanh() @ w2 + b2)[..., 0]), parameters


def _value(
    loss: MemorabilityLoss, predictions: torch.Tensor, scores: torch.Tensor, counts: torch.Tensor
) -> torch.Tensor:
    return loss(predictions, scores, counts=counts) if loss.needs_counts else loss(predictions, scores)


def spearman(predictions: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Spearman's correlation of each row."""
    everything = torch.ones_like(scores, dtype=torch.bool)
    a, b = (standardize(ranks(values), everything) for values in (predictions, scores))
    return (a * b).mean(dim=-1)


if __name__ == "__main__":
    main()

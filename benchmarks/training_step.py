"""A step of the training loop on a CPU, beside a plain PyTorch step of the same network on the same batches.

    python benchmarks/training_step.py --out benchmarks/results/training_step.json

The networks have their published sizes, the batches are small, frames and labels are random. The loop runs with its
defaults: warm frame cache, data augmentation, checks of the loss, meters, gradient clipping where the recipe has it.
The plain loop takes its batches from a `DataLoader` over the same examples; `batch_in_memory_s` is its step without
that. Both run in turns; the fastest epoch and the fastest plain loop count. The checkpoint at the end of the epoch is
timed by itself and divided among the steps of an epoch of the paper's 6,500 training videos, in the recipe's batches.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from gpu import CASES, Run, TrainingCase, alone_step
from made_up_clips import make_loop
from results_file import machine, write_results

from videomem_hf.losses import Criterion
from videomem_hf.training import loop as training_loop
from videomem_hf.training.config import TrainingConfig
from videomem_hf.training.stages import make_optimizer

MEASURED = {CASES[2].name: (4, 6), CASES[3].name: (4, 6), CASES[4].name: (8, 120)}
"""Name of a case of `gpu.py`: clips per batch, and batches per epoch."""

TRAINING_VIDEOS = 6500
"""Of the paper's split."""


def measure(case: TrainingCase, batch_size: int, steps: int, turns: int) -> dict[str, Any]:
    """Seconds per step of both loops, the fastest of `turns`."""
    config = TrainingConfig.from_recipe(case.recipe, data="", output="", overrides=[])
    steps_of_epoch = TRAINING_VIDEOS // config.batch_size
    rows = [measure_once(case, batch_size, steps) for _ in range(turns)]
    row = {name: min(row[name] for row in rows) for name in rows[0]}
    step = row["loop_step_s"] + row["checkpoint_s"] / steps_of_epoch
    return {"batch": batch_size, "steps": steps} | row | {"loop_over_plain": step / row["plain_step_s"]}


def measure_once(case: TrainingCase, batch_size: int, steps: int) -> dict[str, float]:
    """Train two epochs with the loop, then the same steps as a plain loop; the second epoch counts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = TrainingConfig.from_recipe(
            case.recipe,
            data="",
            output=str(folder / "run"),
            overrides=[f"batch_size={batch_size}", "checkpoint_every=2"],
        )
        config.stages = [config.stages[case.stage]]
        config.stages[0].epochs = 2
        ends: list[float] = []
        saving: list[float] = []

        def at_end_of_epoch(_: Any) -> dict[str, float]:
            ends.append(time.perf_counter())
            return {"short_term": 0.0, "long_term": 0.0}

        def save(accelerator: Any, output: Path, done: Any) -> None:
            started = time.perf_counter()
            training_loop_save(accelerator, output, done)
            saving.append(time.perf_counter() - started)

        training_loop_save = training_loop.save_checkpoint
        training_loop.save_checkpoint = save
        try:
            loop = make_loop(config, folder, steps, at_end_of_epoch)
            loop.run(resume=False)
        finally:
            training_loop.save_checkpoint = training_loop_save
        return {
            "loop_step_s": (ends[1] - ends[0]) / steps,
            "checkpoint_s": saving[0],
            "plain_step_s": plain_step(config, loop),
            "batch_in_memory_s": alone_step(Run("cpu", float("inf"), Path()), config, loop),
        }


def plain_step(config: TrainingConfig, loop: training_loop.TrainingLoop) -> float:
    """Seconds per step of the loop that one would write, over a loader of the same examples; the second epoch."""
    stage, model, size = config.stages[0], loop.model.train(), config.batch_size
    optimizer, criterion = make_optimizer(stage, model), Criterion(stage.loss)
    steps = loop.clips // size
    for epoch in range(2):
        keys = [[(epoch, step * size + index) for index in range(size)] for step in range(steps)]
        loader: Any = torch.utils.data.DataLoader(
            loop.examples, batch_sampler=keys, num_workers=config.loader_workers, collate_fn=loop.collate
        )
        started = time.perf_counter()
        for batch in loader:
            batch.pop("annotation_counts")
            loss = criterion(model, batch)
            loss.backward()
            if stage.max_grad_norm is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), stage.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
    return (time.perf_counter() - started) / steps


def main() -> None:
    """Time every case, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"machine": machine(), "cases": {}}
    for case in CASES:
        if case.name in MEASURED:
            batch_size, steps = MEASURED[case.name]
            results["cases"][case.name] = measure(case, batch_size, steps, options.turns)
    write_results(results, options.out)


if __name__ == "__main__":
    main()

"""A step of the training loop on a CPU, beside a plain PyTorch step of the same network on the same batches.

    python benchmarks/training_step.py --out benchmarks/results/training_step.json

The networks have their published sizes, the batches are small. The loop runs with its defaults: warm frame cache, data
augmentation, checks of the loss, meters, and a checkpoint at the end of the epoch. The plain step has its batch in
memory. Both run in turns; the fastest epoch and the fastest plain steps count. Frames and labels are random.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from gpu import CASES, Run, TrainingCase, alone_step
from made_up_clips import make_loop
from results_file import machine, write_results

from videomem_hf.training.config import TrainingConfig

MEASURED = {CASES[2].name: (4, 4), CASES[3].name: (4, 6), CASES[4].name: (8, 120)}
"""Name of a case of `gpu.py`: clips per batch, and batches per epoch."""


def measure(case: TrainingCase, batch_size: int, steps: int, turns: int) -> dict[str, Any]:
    """Seconds per step of the loop and of the plain step, the fastest of `turns`."""
    run = Run("cpu", float("inf"), Path())
    in_loop, plain = [], []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            config = TrainingConfig.from_recipe(
                case.recipe, data="", output=str(folder / "run"), overrides=[f"batch_size={batch_size}"]
            )
            config.stages = [config.stages[case.stage]]
            config.stages[0].epochs = 2
            ends: list[float] = []

            def at_end_of_epoch(_: Any, ends: list[float] = ends) -> dict[str, float]:
                ends.append(time.perf_counter())
                return {"short_term": 0.0, "long_term": 0.0}

            loop = make_loop(config, folder, steps, at_end_of_epoch)
            loop.run(resume=False)
            in_loop.append((ends[1] - ends[0]) / steps)
            plain.append(alone_step(run, config, loop))
    return {
        "batch": batch_size,
        "steps": steps,
        "loop_step_s": min(in_loop),
        "plain_step_s": min(plain),
        "loop_over_plain": min(in_loop) / min(plain),
    }


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

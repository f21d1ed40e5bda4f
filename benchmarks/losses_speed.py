"""Cost of the losses: forward and backward, alone and as a share of a training step.

    OMP_NUM_THREADS=1 python benchmarks/losses_speed.py --out benchmarks/results/losses_speed.json
    python benchmarks/losses_speed.py --device cuda

The step is that of the smallest network trained on frames (`frame_attention`, two frames of 54 x 96 per clip, the
recipe's batch of 32) on a CPU, and of ResNet3D-34 (16 frames, batch 32) on a GPU.
Losses take turns; the figure is the least of the repeats, of process time on a CPU, which other work disturbs least.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from videomem_hf.losses import HorizonLoss, SpearmanLoss, build_loss, build_sorter
from videomem_hf.models import config_class, model_class

BATCHES = (32, 100, 256, 1000)


def main() -> None:
    """Time every loss at every batch size and one training step; print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--machine", default=platform.processor(), help="its name, for the results")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.device == "cpu":
        torch.set_num_threads(1)
    clock = Clock(arguments.device)
    losses = {str(batch): time_losses(batch, arguments.repeats, clock) for batch in BATCHES}
    step_ms = time_step(arguments.repeats, clock)
    results: dict[str, Any] = {
        "machine": torch.cuda.get_device_name() if clock.cuda else arguments.machine,
        "command": f"python benchmarks/losses_speed.py --device {arguments.device} --repeats {arguments.repeats}",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "milliseconds": losses,
        "step_milliseconds": round(step_ms, 3),
        "share_of_step_at_batch_32": {name: round(ms / step_ms, 5) for name, ms in losses["32"].items()},
    }
    sys.stdout.write(json.dumps(results, indent=1) + "\n")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


class Clock:
    """Milliseconds of a function: process time on a CPU, wall time with synchronisation on a GPU."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.cuda = self.device.type == "cuda"

    def __call__(self, function: Callable[[], None], calls: int) -> float:
        read = time.perf_counter if self.cuda else time.process_time
        self._wait()
        started = read()
        for _ in range(calls):
            function()
        self._wait()
        return 1000 * (read() - started) / calls

    def _wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()


def time_losses(batch: int, repeats: int, clock: Clock) -> dict[str, float]:
    """Least milliseconds of forward and backward over `(batch, 2)` scores, for each loss."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(batch, 2, generator=generator).to(clock.device).requires_grad_()
    labels = torch.rand(batch, 2, generator=generator).to(clock.device)
    counts = torch.full_like(labels, 30.0)
    losses = {
        "mse": build_loss("mse"),
        "l1": build_loss("l1"),
        "binomial": build_loss("binomial"),
        "pairwise": build_loss("pairwise"),
        "soft_rank": build_loss("soft_rank"),
        "sodeep, exact": build_loss("sodeep", sorter="exact"),
        "sodeep, comparison_soft": build_loss("sodeep", sorter="comparison_soft"),
        "sodeep, comparison": build_loss("sodeep", sorter="comparison"),
    }
    if batch == 100:  # untrained: as fast as a trained one
        losses |= {f"sodeep, {name}": SpearmanLoss(build_sorter(name)) for name in ("mlp", "cnn", "gru", "lstm_large")}
    functions = {}
    for name, loss in losses.items():
        whole = HorizonLoss(loss).to(clock.device)
        functions[name] = lambda whole=whole: torch.autograd.grad(whole(scores, labels, counts), scores)
    for function in functions.values():
        function()
    best = dict.fromkeys(functions, float("inf"))
    for _ in tqdm(range(repeats), desc=f"losses, batch {batch}"):
        for name, function in functions.items():
            calls = 1 if batch > 256 or "lstm" in name or "gru" in name else 20
            best[name] = min(best[name], clock(function, calls))
    return {name: round(ms, 3) for name, ms in best.items()}


def time_step(repeats: int, clock: Clock) -> float:
    """Least milliseconds of a training step with the model's own loss."""
    name, frames, size = ("resnet3d", 16, (112, 112)) if clock.cuda else ("frame_attention", 2, (54, 96))
    model = model_class(name)(config_class(name)()).to(clock.device).train()
    optimizer = torch.optim.AdamW(model.parameters())
    pixels = torch.randn(32, frames, 3, *size, device=clock.device)
    labels = torch.rand(32, len(model.config.horizons), device=clock.device)

    def step() -> None:
        model(pixel_values_videos=pixels, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    return min(clock(step, 1) for _ in tqdm(range(repeats), desc="training step"))


if __name__ == "__main__":
    main()

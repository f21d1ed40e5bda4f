"""Everything worth measuring on a GPU, in one command that stops by itself in time.

    python benchmarks/gpu.py --minutes 8 --out q/gpu      on a machine with a GPU
    python benchmarks/gpu.py --minutes 8 --out q/gpu      without one: the same measurements, tiny, on the CPU

No video, data set or network is needed: the frames are drawn at random and put into a frame cache. Measured, in this
order, each part written to OUT/gpu.json as soon as it is there:

- peaks: the largest matrix product in float32, TF32 and bfloat16, and the memory bandwidth: the limits that the rest
  is compared with.
- training: clips per second, peak memory and share of the matrix peak of one training step of ResNet3D-34, of the
  semantic embedding model (frozen, whole, whole with gradient checkpointing) and of the spatio-temporal model, with the
  recipes' batches and losses, in float32, TF32, bfloat16, and bfloat16 in channels-last order, as it is and compiled.
- scores: the largest difference between scores on the CPU and on the device, for every network.
- prediction: clips per second of the predictor as `load_predictor` prepares it (on a GPU in bfloat16), with and without
  saliency maps.
- loop: an epoch of the training loop from a warm frame cache, compared with its steps on batches that already lie on
  the device. The ratio is the share of time in which the device has work.
- resume: a training run that is killed and resumed, compared with one that is not.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from made_up_clips import SECONDS, make_loop, random_batch
from results_file import machine
from timing import copy_bandwidth, matrix_peak, synchronize
from torch.utils.flop_counter import FlopCounterMode
from variants import VARIANTS, Variant, allow_tf32

from videomem_hf.inference.loading import predictor_of
from videomem_hf.inference.network import for_inference
from videomem_hf.losses import Criterion
from videomem_hf.models import config_class, model_class
from videomem_hf.models.folders import load_model, save_model
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.training.config import TrainingConfig
from videomem_hf.training.loop import TrainingLoop
from videomem_hf.training.setup import make_model_config
from videomem_hf.training.stages import make_optimizer

COMMAND = "python benchmarks/gpu.py"


@dataclass(frozen=True)
class TrainingCase:
    """A stage of a recipe; `tiny` are the overrides for a CPU."""

    name: str
    recipe: str
    stage: int
    checkpointing: bool = False
    tiny: tuple[str, ...] = ()


_SMALL = ("batch_size=4", "processor.size={height: 64, width: 64}")
_SMALL_EMBEDDING = (*_SMALL, "model.trunk=resnet18", "model.map_size=32", "model.embedding_size=32")
CASES = (
    TrainingCase("semantic embedding, whole", "semantic_embedding", 1, tiny=_SMALL_EMBEDDING),
    TrainingCase("semantic embedding, whole, checkpointing", "semantic_embedding", 1, True, _SMALL_EMBEDDING),
    TrainingCase("ResNet3D-34, whole", "resnet3d", 1, tiny=("batch_size=2", "model.depth=18")),
    TrainingCase("semantic embedding, frozen", "semantic_embedding", 0, tiny=_SMALL_EMBEDDING),
    TrainingCase("spatio-temporal, whole", "spatiotemporal", 0, tiny=("batch_size=4",)),
)
SCORED: tuple[tuple[str, dict[str, Any], dict[str, Any], int], ...] = (
    ("semantic_embedding", {"attention": True}, {"trunk": "resnet18", "map_size": 32, "embedding_size": 32}, 400),
    ("resnet3d", {}, {"depth": 18}, 112),
    ("resmem", {}, {}, 227),
    ("memnet", {}, {}, 256),
    ("squalli", {}, {}, 224),
    ("vitmem", {}, {}, 224),
    ("amnet", {}, {}, 224),
    ("frame_attention", {}, {}, 96),
    ("spatiotemporal", {}, {}, 96),
)
"""Model type, its fields, the fields that make it small for a CPU, and the side of its frames."""


Rows = Iterator[dict[str, Any]]


@dataclass
class Run:
    """A benchmark run: where it computes, until when, and what it has measured so far."""

    device: str
    deadline: float
    out: Path
    results: dict[str, Any] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    flops: dict[str, int] = field(default_factory=dict)

    @property
    def tiny(self) -> bool:
        return self.device == "cpu"

    @property
    def left_s(self) -> float:
        return self.deadline - time.monotonic()

    def part(self, name: str, needs_s: float, measure: "Measure") -> None:
        """Measure one part, unless the time that it needs is no longer there; keep whatever came out."""
        started = time.monotonic()
        rows = self.results[name] = []
        if self.left_s < needs_s:
            rows.append({"left_out": f"{self.left_s:.0f} s left, {needs_s:.0f} s needed"})
        else:
            signal.setitimer(signal.ITIMER_REAL, self.left_s)
            try:
                for row in measure(self):
                    rows.append(row)
                    self.save()
            except Exception as error:  # one part that fails must not cost the others
                rows.append({"failed": f"{type(error).__name__}: {error}"})
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        self.results.setdefault("seconds", {})[name] = round(time.monotonic() - started, 1)
        self.save()
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s, {self.left_s:.0f} s left\n")

    def save(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        (self.out / "gpu.json").write_text(json.dumps(self.results, indent=1) + "\n", encoding="utf-8")


Measure = Callable[[Run], Rows]


def main() -> None:
    """Measure all parts that fit into the time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="stop before this time is over [8]")
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="folder for gpu.json [gpu]")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--only", nargs="*", help="parts [all]")
    parser.add_argument("--train-to", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train_to:
        train_in_this_process(options.train_to, options.device)
        return
    run = Run(options.device, time.monotonic() + 60 * options.minutes, options.out)
    run.results["environment"] = environment(run.device) | {"command": f"{COMMAND} --minutes {options.minutes:g}"}
    signal.signal(signal.SIGALRM, stop)
    parts: dict[str, tuple[float, Measure]] = {
        "peaks": (5, peaks),
        "training": (20, training),
        "scores": (20, scores),
        "prediction": (20, prediction),
        "loop": (20, loop),
        "resume": (60, resume),
    }
    for name, (needs_s, measure) in parts.items():
        if options.only is None or name in options.only:
            run.part(name, needs_s, measure)
    sys.stdout.write(json.dumps(run.results, indent=1) + "\n")


def stop(*_: object) -> None:
    """End the part that is being measured; what it has measured is kept."""
    raise TimeoutError("the time is over")


def environment(device: str) -> dict[str, Any]:
    """The card, or the CPU, and the versions."""
    card = torch.cuda.get_device_properties(0) if device != "cpu" else None
    versions = {}
    for name in ("torch", "transformers", "accelerate", "timm", "numpy"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "device": card.name if card else f"{machine()}, {torch.get_num_threads()} threads",
        "memory_gb": round(card.total_memory / 1e9, 1) if card else None,
        "cuda": torch.version.cuda if card else None,
        "python": platform.python_version(),
        "versions": versions,
    }


def peaks(run: Run) -> Rows:
    """Operations and bytes per second of the device."""
    for name, dtype, tf32 in (
        ("float32", torch.float32, False), ("TF32", torch.float32, True), ("bfloat16", torch.bfloat16, True),
    ):  # fmt: skip
        allow_tf32(tf32)
        run.peaks[name] = matrix_peak(run.device, dtype)
        yield {"of": f"matrix product in {name}", "flop_per_s": run.peaks[name]}
    yield {"of": "memory", "bytes_per_s": copy_bandwidth(run.device)}


def training(run: Run) -> Rows:
    """One training step of each case in each variant; the most telling cases come first."""
    for case in CASES:
        for variant in VARIANTS:
            row = {"case": case.name, "variant": variant.name}
            if run.tiny and variant.compiled:
                yield row | {"left_out": "compilation takes minutes on a CPU"}
                continue
            # The parts after this one need a minute and a half; a compilation of ResNet-152 takes as long as that.
            if run.left_s < (20 if run.tiny else 180 if variant.compiled else 100):
                yield row | {"left_out": "no time left"}
                continue
            try:
                yield row | training_step(run, case, variant)
            except (RuntimeError, ValueError) as error:  # out of memory, or a model without checkpointing
                yield row | {"failed": str(error).splitlines()[0]}
            torch._dynamo.reset()
            if not run.tiny:
                torch.cuda.empty_cache()


def training_step(run: Run, case: TrainingCase, variant: Variant) -> dict[str, Any]:
    """Clips per second, memory and operations of one step as the recipe's stage does it."""
    overrides = case.tiny if run.tiny else ()
    config = TrainingConfig.from_recipe(case.recipe, data="", output="", overrides=overrides)
    stage = config.stages[case.stage]
    torch.manual_seed(0)
    model = model_class(config.model["type"])(make_model_config(config)).to(run.device).train()
    model = variant.lay_out(model, is_3d=config.model["type"] == "resnet3d")
    if case.checkpointing:
        model.gradient_checkpointing_enable()
    model.freeze_backbone(stage.train == "head")
    criterion, optimizer = Criterion(stage.loss).to(run.device), make_optimizer(stage, model)
    batch = random_batch(config, run.device)
    called: Any = torch.compile(model) if variant.compiled else model

    def step() -> None:
        with variant.autocast(run.device):
            loss = criterion(called, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    if not run.tiny:
        torch.cuda.reset_peak_memory_stats()
    seconds = steady(step, run.device, 2 if run.tiny else 6)
    peak_gb = None if run.tiny else torch.cuda.max_memory_allocated() / 1e9
    if case.name not in run.flops:  # compiled code cannot be counted
        with FlopCounterMode(display=False) as counter:
            step()
        run.flops[case.name] = counter.get_total_flops()
    flop_per_s = run.flops[case.name] / seconds
    return {
        "batch": config.batch_size,
        "step_s": seconds,
        "clips_per_s": config.batch_size / seconds,
        "peak_memory_gb": peak_gb,
        "flop_per_step": run.flops[case.name],
        "share_of_matrix_peak": flop_per_s / run.peaks[variant.peak_name] if run.peaks else None,
    }


def steady(step: Callable[[], object], device: str, steps: int) -> float:
    """Seconds of a step, the mean over several that follow two to warm up (and to compile)."""
    for _ in range(2):
        step()
    synchronize(device)
    started = time.perf_counter()
    for _ in range(steps):
        step()
    synchronize(device)
    return (time.perf_counter() - started) / steps


def scores(run: Run) -> Rows:
    """Scores on the CPU in float32 against the device's in float32, TF32 and bfloat16."""
    for kind, fields, small, side in SCORED:
        if run.left_s < 90 and not run.tiny:
            yield {"model": kind, "left_out": "no time left"}
            continue
        model, _ = random_model(kind, fields | (small if run.tiny else {}), side)
        length = getattr(model.config, "segment_length", 0) or 1
        pixels = torch.rand(2, length, 3, side, side, generator=torch.Generator().manual_seed(1))
        with torch.inference_mode():
            expected = model(pixel_values_videos=pixels).scores
        row: dict[str, Any] = {"model": kind}
        model, pixels = model.to(run.device), pixels.to(run.device)
        for variant in VARIANTS[:3]:
            allow_tf32(variant.tf32)
            with torch.inference_mode(), variant.autocast(run.device):
                found = model(pixel_values_videos=pixels).scores
            row[variant.name] = float((found.float().cpu() - expected).abs().max())
        yield row


def random_model(kind: str, fields: dict[str, Any], side: int) -> tuple[Any, MemorabilityVideoProcessor]:
    """A network with random weights, and a processor for it."""
    torch.manual_seed(0)
    model = model_class(kind)(config_class(kind)(**fields)).eval()
    length = getattr(model.config, "segment_length", 0) or 1
    processor = MemorabilityVideoProcessor(size={"height": side, "width": side}, segment_length=length)
    return model, processor


def prediction(run: Run) -> Rows:
    """Clips of decoded 360p frames through the predictor: its own preparation, batches and maps included."""
    clips = 2 if run.tiny else 64
    frames = np.random.default_rng(0).integers(0, 256, (SECONDS, 360, 640, 3), dtype=np.uint8)
    for kind, fields, small, side in SCORED[:1] if run.tiny else (SCORED[0], SCORED[2]):
        model, processor = random_model(kind, fields | (small if run.tiny else {}), side)
        predictor = predictor_of(for_inference(model, run.device), processor, kind, run.device)
        row: dict[str, Any] = {"model": kind, "clips": clips, "map": predictor.saliency_method}
        for name, maps in (("clips_per_s", False), ("clips_per_s_with_maps", True)):
            for count in (2, clips):  # the first round warms up
                synchronize(run.device)
                started = time.perf_counter()
                predicted = list(predictor.predict_many([frames] * count, maps=maps))
                row[name] = len(predicted) / (time.perf_counter() - started)
        yield row


def loop(run: Run) -> Rows:
    """An epoch of the training loop from a warm frame cache, against its steps on batches on the device."""
    allow_tf32(True)
    for case in (CASES[0], CASES[2], CASES[4]):
        if run.left_s < 75 and not run.tiny:
            yield {"case": case.name, "left_out": "no time left"}
            continue
        with tempfile.TemporaryDirectory() as folder:
            yield loop_epoch(run, case, Path(folder))
        if not run.tiny:
            torch.cuda.empty_cache()


def loop_epoch(run: Run, case: TrainingCase, folder: Path) -> dict[str, Any]:
    """Seconds of a step in the loop and on its own, in bfloat16 on a GPU."""
    overrides = [*(case.tiny if run.tiny else ()), f"loader_workers={0 if run.tiny else 8}", "evaluation.keep=last"]
    overrides += ["checkpoint_every=1000", f"mixed_precision={'null' if run.tiny else 'bf16'}"]
    config = TrainingConfig.from_recipe(case.recipe, data="", output=str(folder / "run"), overrides=overrides)
    steps = 4 if run.tiny else 12
    config.stages = [config.stages[case.stage]]
    config.stages[0].epochs = 2
    ends: list[float] = []

    def at_end_of_epoch(_: Any) -> dict[str, float]:
        synchronize(run.device)
        ends.append(time.perf_counter())
        return {"short_term": 0.0, "long_term": 0.0}

    training_loop = make_loop(config, folder, steps, at_end_of_epoch)
    training_loop.run(resume=False)
    in_loop = (ends[1] - ends[0]) / steps
    alone = alone_step(run, config, training_loop)
    return {
        "case": case.name,
        "batch": config.batch_size,
        "loop_step_s": in_loop,
        "plain_step_s": alone,
        "device_busy": alone / in_loop,
    }


def alone_step(run: Run, config: TrainingConfig, training_loop: TrainingLoop) -> float:
    """Seconds of the plain PyTorch step on a batch that lies on the device."""
    stage, model = config.stages[0], training_loop.model.train()
    optimizer, criterion = make_optimizer(stage, model), Criterion(stage.loss).to(run.device)
    batch = random_batch(config, run.device)

    def step() -> None:
        with torch.autocast(torch.device(run.device).type, torch.bfloat16, enabled=not run.tiny):
            loss = criterion(model, batch)
        loss.backward()
        if stage.max_grad_norm is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), stage.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()

    return steady(step, run.device, 4 if run.tiny else 10)


def resume(run: Run) -> Rows:
    """Train in processes of their own: once undisturbed, once killed after a checkpoint and resumed."""
    with tempfile.TemporaryDirectory() as name:
        whole, cut = Path(name) / "whole", Path(name) / "cut"
        start_training(whole, run.device).wait(timeout=max(1, run.left_s))
        process = start_training(cut, run.device)
        while process.poll() is None and not list((cut / "run").glob("checkpoint-*")):
            time.sleep(0.05)
        if killed := process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        at = [path.name for path in (cut / "run").glob("checkpoint-*")]
        start_training(cut, run.device).wait(timeout=max(1, run.left_s))
        first, second = (load_model(folder / "model").state_dict() for folder in (whole, cut))
        difference = max(float((first[key].double() - second[key].double()).abs().max()) for key in first)
    yield {"killed": killed, "resumed_from": at, "largest_difference_of_weights": difference}


def start_training(folder: Path, device: str) -> "subprocess.Popen[bytes]":
    """Start `train_in_this_process` in another one."""
    command = [sys.executable, __file__, "--train-to", str(folder), "--device", device]
    return subprocess.Popen(command, env=os.environ | {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"})


def train_in_this_process(folder: Path, device: str) -> None:
    """Train a small network with dropout and augmentation; goes on from a checkpoint that is there."""
    warnings.simplefilter("ignore")
    torch.use_deterministic_algorithms(True, warn_only=True)
    folder.mkdir(parents=True, exist_ok=True)
    config = TrainingConfig.from_recipe(
        "frame_attention", data="", output=str(folder / "run"), overrides=["batch_size=16", "evaluation.every=0"]
    )
    config.stages[0].epochs = 6 if device == "cpu" else 12
    goes_on = (folder / "run").exists()
    shutil.rmtree(folder / "frames", ignore_errors=True)
    training_loop = make_loop(config, folder, 4)
    training_loop.run(resume=goes_on)
    save_model(training_loop.model, folder / "model")


if __name__ == "__main__":
    main()

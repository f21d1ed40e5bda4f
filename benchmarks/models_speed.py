"""Speed of the predictors: clips per second, share of the device's measured peak, and comparison with plain code.

    python benchmarks/models_speed.py                    on the CPU, one or two frames per clip, a few minutes
    python benchmarks/models_speed.py --device cuda      on a GPU: whole clips, bfloat16, channels last, torch.compile

This package's models and the plain implementations (`plain_networks.py`) run in turns; the fastest of the repeats is
reported, which other load on the machine disturbs least. The peak is the fastest large matrix product in the same run
and number format; convolutions by Winograd's method need fewer multiplications than are counted, so their share can
exceed 1. Weldon pooling is also timed alone, and compared with a full sort.
"""

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plain_networks
import torch
from timing import fastest, matrix_peak
from torch.utils.flop_counter import FlopCounterMode
from variants import VARIANTS, Variant

from videomem_hf.models import config_class, model_class
from videomem_hf.models.modeling_semantic_embedding import weldon_pool

BOTH = {"horizons": ("short_term", "long_term")}
HMP = {"feature_names": ("hmp",), "feature_sizes": (6075,), "hidden_sizes": (10, 10)}
PAPER_CLIPS = 6500
"""Training clips of the paper; each step of its perceptrons' optimiser uses all of them."""


@dataclass(frozen=True)
class Case:
    """A model at its published size.

    Attributes:
        name: In `videomem_hf.models.MODELS`.
        frame: Height and width in pixels; None for feature vectors.
        frames: Frames of a 7 s clip as the model's processor samples it.
        cpu_frames: Frames of the shorter clip that is used on a CPU.
        config: Fields that differ from their defaults.
        title: Row of the table.
    """

    name: str
    frame: int | None
    frames: int
    cpu_frames: int
    config: dict[str, Any]
    title: str


CASES = [
    Case("memnet", 256, 7, 1, {}, "MemNet, ten crops"),
    Case("squalli", 224, 7, 1, {}, "Squalli-Houssaini et al."),
    Case("feature_mlp", None, 1, 1, HMP, "Perceptron on HMP features"),
    Case("c3d", 112, 16, 16, {}, "C3D (network)"),
    Case("resnet3d", 112, 112, 16, {}, "ResNet3D-34"),
    Case("semantic_embedding", 400, 7, 1, {}, "Semantic embedding"),
    Case("semantic_embedding", 400, 7, 1, {"attention": True}, "Semantic embedding with attention"),
    Case("resmem", 227, 7, 2, {}, "ResMem"),
    Case("vitmem", 224, 7, 2, {}, "ViTMem"),
    Case("amnet", 224, 7, 2, {}, "AMNet"),
]


def main() -> None:
    """Time the selected models, print a table, and write it with its environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clips", type=int, help="clips in a batch [1 on a CPU, 8 on a GPU]")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], help="names of models")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    gpu = options.device != "cpu"
    clips = options.clips or (8 if gpu else 1)
    variants = [each for each in VARIANTS if each.name != "TF32"] if gpu else VARIANTS[:1]
    rows = []
    for case in CASES:
        if not options.only or case.name in options.only:
            for variant in variants:
                rows.append(measure(case, variant, options.device, clips, options.repeats))
                put_share_of_peak(rows)
                print(line(rows[-1]), flush=True)  # noqa: T201
    pooling = measure_pooling(options.device, clips, options.repeats)
    print(f"Weldon pooling {pooling['ours_ms']:.1f} ms, by a sort {pooling['sort_ms']:.1f} ms")  # noqa: T201
    if options.out:
        device = torch.cuda.get_device_name() if gpu else f"{platform.machine()}, {torch.get_num_threads()} threads"
        write(options.out, {"device": device, "torch": torch.__version__, "clips": clips}, rows, pooling)


def put_share_of_peak(rows: list[dict[str, Any]]) -> None:
    """Compare each row with the fastest matrix product of all rows with its number format."""
    for row in rows:
        kind = row["variant"].partition(",")[0]
        peaks = [each["peak_flop_per_s"] for each in rows if each["variant"].partition(",")[0] == kind]
        row["share_of_peak"] = row["flop_per_s"] / max(peaks)


def write(path: Path, environment: dict[str, Any], rows: list[dict[str, Any]], pooling: dict[str, float]) -> None:
    """Write the results; results of other models in the file are kept, so that models can be measured one by one."""
    measured = {(row["model"], row["variant"]) for row in rows}
    earlier = json.loads(path.read_text())["models"] if path.exists() else []
    kept = [row for row in earlier if (row["model"], row["variant"]) not in measured]
    content = environment | {"models": kept + rows, "weldon_pooling": pooling}
    path.write_text(json.dumps(content, indent=1) + "\n")


def measure(case: Case, variant: Variant, device: str, clips: int, repeats: int) -> dict[str, Any]:
    """Time one model in one variant, and its plain implementation in plain float32 or the same number format."""
    torch.manual_seed(0)
    has_horizons = case.name != "c3d"
    config = config_class(case.name)(**case.config, **(BOTH if has_horizons else {}))
    model = model_class(case.name)(config).eval().to(device)
    batch = inputs(case, device, clips)
    plain_batch = plain_inputs(case, batch)
    model = variant.lay_out(model, is_3d=case.name in ("c3d", "resnet3d"))
    ours: Callable[..., Any] = torch.compile(model) if variant.compiled else model
    plain = getattr(plain_networks, case.name)
    autocast = variant.autocast(device)

    def forward() -> None:
        with torch.no_grad(), autocast:
            ours(**batch)

    def plain_forward() -> None:
        with torch.no_grad(), autocast:
            plain(model, plain_batch)

    def training() -> None:
        with autocast:
            output = ours(**batch)
        (output.logits if case.name == "c3d" else output.scores).float().sum().backward()

    def plain_training() -> None:
        with autocast:
            output = plain(model, plain_batch)
        output.float().sum().backward()

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**batch)
    seconds, plain_seconds = fastest([forward, plain_forward], device, repeats)
    step, plain_step = fastest([training, plain_training], device, repeats)
    peak = matrix_peak(device, variant.dtype)
    clips = len(plain_batch) if case.frame is None else clips
    return {
        "model": case.title,
        "variant": variant.name,
        "frames": batch[next(iter(batch))].shape[1] if case.frame else 0,
        "clips_per_s": clips / seconds,
        "training_clips_per_s": clips / step,
        "flop_per_s": counter.get_total_flops() / seconds,
        "peak_flop_per_s": peak,
        "gflop_per_clip": counter.get_total_flops() / clips / 1e9,
        "plain_time_over_ours": plain_seconds / seconds,
        "plain_training_time_over_ours": plain_step / step,
    }


def inputs(case: Case, device: str, clips: int) -> dict[str, torch.Tensor]:
    """Random clips."""
    if case.frame is None:
        return {"features": torch.rand(PAPER_CLIPS, *HMP["feature_sizes"], device=device)}
    frames = case.frames if device != "cpu" else case.cpu_frames
    return {"pixel_values_videos": torch.rand(clips, frames, 3, case.frame, case.frame, device=device)}


def plain_inputs(case: Case, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The same clips in the shape that the published code takes."""
    if case.frame is None:
        return batch["features"]
    pixels = batch["pixel_values_videos"]
    if case.name in ("c3d", "resnet3d"):
        return pixels.unflatten(1, (-1, 16)).transpose(2, 3).flatten(0, 1)
    return pixels.flatten(0, 1)


def measure_pooling(device: str, clips: int, repeats: int) -> dict[str, float]:
    """Time Weldon pooling of seven frames' 2400 x 13 x 13 maps, against a sort of every channel."""
    maps = torch.randn(7 * clips, 2400, 13, 13, device=device)

    def by_sort() -> None:
        ordered, _ = torch.sort(maps.flatten(2), dim=2, descending=True)
        ordered[:, :, :15].mean(dim=2).add_(ordered[:, :, -15:].mean(dim=2))

    ours, sort = fastest([lambda: weldon_pool(maps, 15), by_sort], device, repeats + 2)
    return {"ours_ms": ours * 1e3, "sort_ms": sort * 1e3}


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    return (
        f"{row['model']:34} {row['variant']:34} {row['frames']:4} frames "
        f"{row['clips_per_s']:9.2f} clips/s {row['training_clips_per_s']:8.2f} trained/s "
        f"{row['share_of_peak']:6.1%} of peak; plain {row['plain_time_over_ours']:.2f}x, "
        f"training {row['plain_training_time_over_ours']:.2f}x"
    )


if __name__ == "__main__":
    main()

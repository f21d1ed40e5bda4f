"""How the benchmarks time code on a CPU or a GPU, and what the device can do at most."""

import time
from collections.abc import Callable

import torch


def fastest(functions: list[Callable[[], object]], device: str, repeats: int) -> list[float]:
    """Seconds of the fastest of several runs of each function; they run in turns, in alternating order."""
    seconds: list[list[float]] = [[] for _ in functions]
    for turn in range(repeats + 1):  # the first round warms up
        for which in range(len(functions))[:: -1 if turn % 2 else 1]:
            synchronize(device)
            start = time.perf_counter()
            functions[which]()
            synchronize(device)
            seconds[which].append(time.perf_counter() - start)
    return [min(times[1:]) for times in seconds]


def synchronize(device: str) -> None:
    """Wait for a GPU."""
    if device != "cpu":
        torch.cuda.synchronize()


def matrix_peak(device: str, dtype: torch.dtype) -> float:
    """Operations per second of a large matrix product."""
    size = 8192 if device != "cpu" else 2048
    a, b = (torch.rand(size, size, device=device, dtype=dtype) for _ in range(2))
    (seconds,) = fastest([lambda: torch.mm(a, b)], device, 3)
    return 2 * size**3 / seconds


def copy_bandwidth(device: str) -> float:
    """Bytes per second that a large copy on the device reads and writes."""
    source = torch.rand(2**28 if device != "cpu" else 2**24, device=device)
    target = torch.empty_like(source)
    (seconds,) = fastest([lambda: target.copy_(source)], device, 3)
    return 2 * source.nbytes / seconds

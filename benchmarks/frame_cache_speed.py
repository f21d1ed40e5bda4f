"""Time to read a clip from the frame cache, compared with decoding it.

    python benchmarks/frame_cache_speed.py CLIP... [--out RESULTS.json]

For each clip and input of a predictor (7 frames at 224 x 224; 16 consecutive frames per second at 112 x 112; 96 x 54):
the time to decode and resize it, to read it from the cache for the first time in a process, and to read it again. The
fastest of the repeats, in milliseconds of CPU time.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from results_file import machine, write_results

from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.video.frame_cache import FrameCache

REPEATS = 3
PROCESSORS: dict[str, dict[str, Any]] = {
    "7 frames, 224 x 224": {"size": {"height": 224, "width": 224}},
    "16 frames per second, 112 x 112": {
        "size": {"shortest_edge": 112}, "do_center_crop": True, "crop_size": {"height": 112, "width": 112},
        "segment_length": 16,
    },
    "7 frames, 96 x 54": {"size": {"height": 54, "width": 96}},
}  # fmt: skip


def cpu_ms(function: Callable[[], Any], repeats: int) -> float:
    """CPU time of the fastest of the repeats, in milliseconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def measure(clip: Path, processor: MemorabilityVideoProcessor) -> dict[str, float]:
    """Time one clip."""
    with tempfile.TemporaryDirectory() as folder:
        caches = iter([FrameCache(Path(folder) / str(n), processor) for n in range(REPEATS)])
        decode = cpu_ms(lambda: next(caches).fill([clip], workers=1, progress=False), REPEATS)
        caches = iter([FrameCache(Path(folder) / "0", processor) for _ in range(50)])
        first = cpu_ms(lambda: np.array(next(caches).load(clip)), 50)
        cache = FrameCache(Path(folder) / "0", processor)
        again = cpu_ms(lambda: np.array(cache.load(clip)), 200)
        size = cache.load(clip).nbytes
    return {
        "decode_ms": decode, "first_read_ms": first, "read_ms": again, "megabytes": size / 1e6,
        "times_faster_first": decode / first, "times_faster": decode / again,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {"command": "python benchmarks/frame_cache_speed.py CLIP...", "machine": machine()}
    for clip in options.clips:
        for title, fields in PROCESSORS.items():
            row = measure(clip, MemorabilityVideoProcessor(**fields))
            results[f"{clip.name}: {title}"] = {name: round(value, 4) for name, value in row.items()}
    write_results(results, options.out)


if __name__ == "__main__":
    main()

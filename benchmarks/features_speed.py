"""Speed of the classical features on a 1080p clip like those of the release, compared with scikit-image and OpenCV.

    python benchmarks/features_speed.py --out benchmarks/results/features_speed.json

The clip is generated like those of the sample (VP8 in WebM, 1920x1080, 168 frames, 24 per second), or given with
--clip. Generated clips decode faster than filmed ones. To make a clip with the bit rate, size and codec of the release
from a filmed one, `world.mp4` of Gradio's wheel:

    ffmpeg -i world.mp4 -t 7 -an -vf "scale=1920:1080:flags=lanczos,noise=alls=6:allf=t,fps=24" \
        -c:v libvpx -b:v 3M -deadline realtime -cpu-used 8 natural.webm

Each figure is the best of several repeats, in seconds of CPU time of one process, which depends less on other load
than wall time. One process on one core and two on two are compared by wall time over the same clips, which is
meaningful only on idle cores, and by CPU time, which shows the overhead of the second process.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from results_file import machine, write_results
from skimage import exposure
from skimage.feature import hog as skimage_hog
from skimage.feature import local_binary_pattern

from videomem_hf.features import color_histogram, grey, hmp, hog, lbp, orb
from videomem_hf.features.catalogue import CLASSICAL, feature_specs
from videomem_hf.features.clips import pictures
from videomem_hf.features.collecting import collect
from videomem_hf.sample.scene import draw_scene
from videomem_hf.sample.video import write_video

SIZE = (1920, 1080)


def main() -> None:
    """Measure, print a table and write it with its environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="clip to measure [default: generated]")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clips", type=int, default=24, help="copies for the comparison of one and two processes")
    parser.add_argument("--machine", default=machine(), help="name of the machine in the results")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        clip = options.clip or generate(Path(folder) / "video1.webm")
        results = measure(clip, options.repeats) | scaling(clip, Path(folder), options.clips)
    results = {"machine": options.machine, "clip": options.clip.name if options.clip else "generated"} | results
    write_results(results, options.out)


def generate(path: Path) -> Path:
    """Write a clip of the sample at full size."""
    write_video(draw_scene(0, 1), path, SIZE)
    return path


def measure(clip: Path, repeats: int) -> dict[str, Any]:
    """Time each part alone, on decoded frames, and all together with decoding."""
    taken = list(pictures(clip, "NONE"))
    thirds = [taken[third * len(taken) // 3].rgb for third in range(3)]
    luma = [picture.luma for picture in taken[::3]]
    frames = len(taken)
    del taken
    greys = [grey(rgb) for rgb in thirds]

    def each(function: Callable[[Any], Any], inputs: list[Any]) -> Callable[[], Any]:
        return lambda: [function(item) for item in inputs]

    timed = {
        "decode": lambda: [None for _ in pictures(clip, "NONE")],
        "hmp": lambda: hmp(luma),
        "lbp_three_frames": each(lbp, greys),
        "hog_three_frames": each(hog, greys),
        "colorhistogram_three_frames": each(color_histogram, thirds),
        "orb_three_frames": each(orb, greys),
        "grey_three_frames": each(grey, thirds),
        "skimage_lbp_three_frames": each(lambda g: local_binary_pattern(g, 120, 15, "uniform"), greys),
        "skimage_hog_three_frames": each(lambda g: skimage_hog(g, 9, (32, 32), (1, 1), "L2-Hys"), greys),
        "skimage_histogram_three_frames": each(lambda f: [exposure.histogram(f[..., c]) for c in range(3)], thirds),
        "opencv_histogram_three_frames": each(
            lambda f: [cv2.calcHist([f], [c], None, [256], [0, 256]) for c in range(3)], thirds
        ),
        "opencv_orb_three_frames": each(lambda f: cv2.ORB_create().detectAndCompute(f, None), thirds),
        "opencv_block_means": each(
            lambda plane: cv2.resize(plane, (SIZE[0] // 8, SIZE[1] // 8), interpolation=cv2.INTER_AREA), luma
        ),
        "all_classical_with_decode": lambda: collect(clip, feature_specs(list(CLASSICAL)), threads="NONE"),
        "all_but_lbp_with_decode": lambda: collect(
            clip, feature_specs([name for name in CLASSICAL if name != "lbp"]), threads="NONE"
        ),
    }
    seconds = best_seconds(timed, repeats, time.process_time)
    beside = {
        "decode": timed["decode"],
        "all_classical_on_one_core": timed["all_classical_with_decode"],
        "all_classical_beside_decoding": lambda: collect(clip, feature_specs(list(CLASSICAL))),
    }
    wall = best_seconds(beside, repeats, time.perf_counter)
    for expected, found in zip(greys, each(lbp, greys)(), strict=True):
        codes = local_binary_pattern(expected, 120, 15, "uniform").astype(int)
        assert np.array_equal(np.bincount(codes.ravel(), minlength=122) / codes.size, found)
    return {
        "frames": frames,
        "cpu_seconds": {name: round(value, 4) for name, value in seconds.items()},
        "wall_seconds": {name: round(value, 4) for name, value in wall.items()},
        "ratios": {
            "all_classical_over_decode": round(seconds["all_classical_with_decode"] / seconds["decode"], 2),
            "all_classical_beside_decoding_over_decode_by_wall_time": round(
                wall["all_classical_beside_decoding"] / wall["decode"], 2
            ),
            "all_but_lbp_over_decode": round(seconds["all_but_lbp_with_decode"] / seconds["decode"], 2),
            "skimage_lbp_over_ours": round(seconds["skimage_lbp_three_frames"] / seconds["lbp_three_frames"], 2),
            "skimage_hog_over_ours": round(seconds["skimage_hog_three_frames"] / seconds["hog_three_frames"], 2),
        },
    }


def best_seconds(timed: dict[str, Callable[[], Any]], repeats: int, clock: Callable[[], float]) -> dict[str, float]:
    """Minimum time of several runs of each function, in turns."""
    best = dict.fromkeys(timed, float("inf"))
    for _ in range(repeats):
        for name, function in timed.items():
            start = clock()
            function()
            best[name] = min(best[name], clock() - start)
    return best


def scaling(clip: Path, folder: Path, copies: int) -> dict[str, Any]:
    """Time `videomem extract` on one core and on two, on copies of the clip, from its start to its end."""
    clips = folder / "clips"
    clips.mkdir()
    for number in range(copies):
        shutil.copy(clip, clips / f"video{number + 100}.webm")
    command = [sys.executable, "-m", "videomem_hf", "extract", str(clips), "--features", ",".join(CLASSICAL)]
    wall, cpu = {}, {}
    cores = os.sched_getaffinity(0)
    for processes in (1, 2):
        os.sched_setaffinity(0, sorted(cores)[:processes])
        start, start_cpu = time.perf_counter(), cpu_seconds()
        out = ["--out", str(folder / f"out{processes}"), "--jobs", str(processes)]
        subprocess.run([*command, *out], check=True, capture_output=True)
        wall[f"processes_{processes}"] = round(time.perf_counter() - start, 2)
        cpu[f"processes_{processes}"] = round(cpu_seconds() - start_cpu, 2)
    os.sched_setaffinity(0, cores)
    return {
        "clips_in_processes": copies,
        "wall_seconds_of_clips": wall,
        "cpu_seconds_of_clips": cpu,
        "two_processes_speed_over_one": {
            "by_wall_time": round(wall["processes_1"] / wall["processes_2"], 2),
            "of_decoding_alone_by_wall_time": decoding_of_two_processes(clip),
            "by_cpu_time_if_both_cores_were_free": round(2 * cpu["processes_1"] / cpu["processes_2"], 2),
        },
    }


def decoding_of_two_processes(clip: Path) -> float:
    """Speed-up of decoding with two processes, each four times the clip: an upper bound on this machine."""
    seconds = []
    for processes in (1, 2):
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pool.map(decode, [clip] * processes, chunksize=1)  # started and loaded
            start = time.perf_counter()
            pool.map(decode, [clip] * 4 * processes, chunksize=4)
            seconds.append((time.perf_counter() - start) / processes)
    return round(seconds[0] / seconds[1], 2)


def decode(clip: Path) -> int:
    """Decode a clip; returns the number of its frames."""
    return sum(1 for _ in pictures(clip, "NONE"))


def cpu_seconds() -> float:
    """CPU time of this process and of its finished child processes."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


if __name__ == "__main__":
    main()

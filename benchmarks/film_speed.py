"""Time and memory of a timeline of a long film, beside decoding alone and the network alone.

    python benchmarks/film_speed.py clips/*.mp4 --minutes 90 --out benchmarks/results/film_speed.json

The film is made by joining clips, scaled to 1080p and encoded with H.264, again and again without encoding them anew;
`--film` keeps it, and takes one that is there.
Each way runs in a process of its own, whose largest memory is measured. The goal is

    timeline <= 1.2 * (decoding with its sampled frames + the network for these frames)

in CPU seconds, and less than 2 GB. Decoding reads the film once and converts and resizes the frames that are sampled.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from results_file import machine, write_results

from videomem_hf.films.shot_scores import FRAMES_PER_BATCH
from videomem_hf.films.timeline import film_predictor, timeline
from videomem_hf.video.video import probe, sample_clip, sample_frames

RATE: Final = 25


def main() -> None:
    """Make the film, run the ways one after the other, and write the results with their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--size", type=int, nargs=2, default=(1920, 1080), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--film", type=Path, help="MP4 file, which is made if it is not there")
    parser.add_argument("--model", default="resmem")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--run", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(measure(options)))  # noqa: T201 - to the process that started this one
        return
    with tempfile.TemporaryDirectory() as folder:
        film = options.film or Path(folder) / "film.mp4"
        if not film.exists():
            write_film(options.clips, film, 60 * options.minutes, tuple(options.size))
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the commands do
        command = [sys.executable, __file__, str(film), "--model", options.model, "--precision", options.precision]
        ways = {}
        for name in WAYS:
            run = subprocess.run([*command, "--run", name], check=True, capture_output=True, text=True)
            ways[name] = json.loads(run.stdout.splitlines()[-1])
        size, info = film.stat().st_size, probe(film)
    limit = {kind: sum(ways[name][kind] for name in ("decoding", "network")) for kind in ("seconds", "cpu_seconds")}
    about = {
        "machine": machine(),
        "minutes": round((info.duration_s or 0) / 60, 1),
        "bytes": size,
        "model": Path(options.model).name,
    }
    about |= {"precision": options.precision, "size": [info.width, info.height]}
    over = {kind: round(ways["timeline"][kind] / value, 3) for kind, value in limit.items()}
    write_results(about | {"ways": ways, "timeline_over_decoding_and_network": over}, options.out)


def write_film(clips: list[Path], path: Path, seconds: float, size: tuple[int, int]) -> None:
    """Encode clips once, and copy their packets one after the other until the film is long enough."""
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "part.mp4"
        with av.open(str(part), "w") as container:
            stream = container.add_stream("libx264", rate=RATE, options={"crf": "23", "preset": "veryfast"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            for clip in clips:
                for frame in sample_frames(clip, RATE):
                    picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24").reformat(*size, "yuv420p")
                    container.mux(stream.encode(picture))
            container.mux(stream.encode())
        _repeat(part, path, seconds)


def _repeat(part: Path, path: Path, seconds: float) -> None:
    with av.open(str(path), "w") as container:
        stream, offset = None, 0
        while stream is None or offset * stream.time_base < seconds:
            with av.open(str(part)) as opened:
                source = opened.streams.video[0]
                stream = stream or container.add_stream_from_template(source)
                for packet in opened.demux(source):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                    container.mux(packet)
                offset += source.duration


def measure(options: Any) -> dict[str, float]:
    """Run one way in this process, without the time that loading takes."""
    predictor = film_predictor(options.model, "cpu", options.precision)
    predictor.describe_segments(_random_frames(predictor, FRAMES_PER_BATCH))
    started, cpu = time.perf_counter(), time.process_time()
    count = WAYS[options.run](predictor, options.clips[0])
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2), "count": count, "most_bytes": most}


def decode(predictor: Any, film: Path) -> int:
    """Decode the film, and bring the sampled frames to the network's size."""
    return sum(
        len([predictor.processor.resize_frame(image) for image in segment.images])
        for segment in sample_clip(film, predictor.processor)
    )


def run_network(predictor: Any, film: Path) -> int:
    """Score as many frames as are sampled of the film, in the same batches, none of them like another."""
    frames, batch = round(probe(film).duration_s or 0), _random_frames(predictor, FRAMES_PER_BATCH)
    for start in range(0, frames, FRAMES_PER_BATCH):
        predictor.describe_segments(batch[: min(FRAMES_PER_BATCH, frames - start)])
    return frames


def run_timeline(predictor: Any, film: Path) -> int:
    """Make the timeline."""
    return len(timeline(film, predictor).shots)


def _random_frames(predictor: Any, count: int) -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)
    small = predictor.processor.resize_frame(image)
    return np.stack([np.roll(small, index, axis=1)[None] for index in range(count)])


WAYS: Final[dict[str, Callable[[Any, Path], int]]] = {
    "decoding": decode,
    "network": run_network,
    "timeline": run_timeline,
}


if __name__ == "__main__":
    main()

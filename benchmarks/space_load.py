"""Many visitors of the Space at once: response times, places in the queue, and the memory that the Space needs.

    python benchmarks/space_load.py MODEL [--clients 20] [--clip CLIP] [--out RESULTS.json]

MODEL is the folder of a trained model; CLIP defaults to a 1080p clip of 7 s that Gradio's wheel contains, and is
repeated until it lasts 30 s. The Space runs in its own process. All clients send a copy of that (a different file with
the same frames) at the same moment and wait for scores, charts and maps; everyone must get the scores that a single
visitor gets, and who waits must be told their place in the queue. The memory of the Space is reported before the
requests and at its peak.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import av
import gradio_client
from space_speed import ask, cpu_s, run, start

from videomem_hf.video.video import sample_frames

SECONDS = 30
RATE = 30


def main() -> None:
    """Run the benchmark."""
    results = run(__doc__, measure, "clients", 20)
    if results["answered"] != results["clients"]:
        sys.exit("Not everyone got the right scores.")


def measure(model: Path, clip: Path, clients: int) -> dict[str, Any]:
    """Start the Space, send one request alone, then all at once."""
    with tempfile.TemporaryDirectory() as folder:
        return measure_long(model, repeat(clip, Path(folder) / "long.mp4"), clients)


def repeat(clip: Path, path: Path) -> Path:
    """Write a clip again and again until it lasts `SECONDS`."""
    frames = [frame.image for frame in sample_frames(clip, RATE)]
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for index in range(SECONDS * RATE):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frames[index % len(frames)], format="rgb24")))
        container.mux(stream.encode())
    return path


def measure_long(model: Path, clip: Path, clients: int) -> dict[str, Any]:
    """As `measure`, with the clip as it is."""
    server, port, _ = start(model)
    address = f"http://127.0.0.1:{port}"
    try:
        time.sleep(25)  # the examples are scored meanwhile
        alone, scores = ask(gradio_client.Client(address, verbose=False), clip, model.name, overlay=False)
        before, cpu = memory_mb(server.pid, "VmRSS"), cpu_s(server.pid)
        begun = time.perf_counter()
        found = all_at_once(address, model, clip, clients)
        seconds = time.perf_counter() - begun
        peak, cpu = memory_mb(server.pid, "VmHWM"), cpu_s(server.pid) - cpu
    finally:
        server.terminate()
        server.wait(30)
    answered = [times for times, own_scores in found if own_scores == scores]
    waited = [times for times in answered if times["scores_s"] > 3 * alone["scores_s"]]
    return {
        "clients": clients,
        "answered": len(answered),
        "seconds": round(seconds, 1),
        "scores_s": spread([times["scores_s"] for times in answered]),
        "waited": len(waited),
        "waited_and_knew_their_place": sum(times["first_place"] > 0 for times in waited),
        "first_place_told_s": spread([times["told_s"] for times in waited]),
        "alone": alone,
        "server_cpu_s": round(cpu, 1),
        "server_memory_mb": {"before": before, "most": peak},
    }


def all_at_once(address: str, model: Path, clip: Path, clients: int) -> list[tuple[dict[str, float], dict[str, Any]]]:
    """Let all clients send their clip at the same moment; returns the times and scores of those that got a response."""
    found = []
    ready = threading.Barrier(clients)

    def visit(number: int) -> None:
        client = gradio_client.Client(address, verbose=False, download_files=False)
        copy = Path(folder) / f"{number}{clip.suffix}"
        copy.write_bytes(clip.read_bytes() + bytes([number]))
        ready.wait()
        found.append(wait_in_queue(client, copy, model.name))

    with tempfile.TemporaryDirectory() as folder:
        threads = [threading.Thread(target=visit, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


def wait_in_queue(client: gradio_client.Client, clip: Path, model: str) -> tuple[dict[str, float], dict[str, Any]]:
    """Send a clip and watch the place in the queue; gives times in seconds, the first place told, and the scores."""
    begun = time.perf_counter()
    times = {"first_place": 0.0, "told_s": 0.0}
    job = client.submit(gradio_client.handle_file(clip), model, api_name="/analyse")
    while not job.outputs() and not job.done():
        place = job.status().rank
        if place is not None and not times["first_place"]:
            times |= {"first_place": place + 1.0, "told_s": round(time.perf_counter() - begun, 2)}
        time.sleep(0.1)
    times["scores_s"] = round(time.perf_counter() - begun, 2)
    numbers = job.result()[3]
    return times, {name: numbers[name] for name in ("short_term", "long_term", "frames")}


def spread(values: list[float]) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {"min": min(values), "median": round(statistics.median(values), 2), "max": max(values)} if values else {}


def memory_mb(process: int, field: str) -> int:
    """Memory of a process in MB, from a field of /proc/PID/status."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(field):
            return round(int(line.split()[1]) / 1000)
    return 0


if __name__ == "__main__":
    main()

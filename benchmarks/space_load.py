"""Many visitors of the Space at once: response times, and the memory that the Space needs.

    python benchmarks/space_load.py MODEL [--clients 20] [--clip CLIP] [--out RESULTS.json]

MODEL is the folder of a trained model; CLIP defaults to a 1080p clip of 7 s that Gradio's wheel contains. The Space
runs in its own process. All clients send a copy of the clip (a different file with the same frames) at the same moment
and wait for scores and overlay video; everyone must get the scores that a single visitor gets. The memory of the Space
is reported before the requests and at its peak.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import gradio_client
from space_speed import ask, cpu_s, run, start


def main() -> None:
    """Run the benchmark."""
    results = run(__doc__, measure, "clients", 20)
    if results["answered"] != results["clients"]:
        sys.exit("Not everyone got the right scores.")


def measure(model: Path, clip: Path, clients: int) -> dict[str, Any]:
    """Start the Space, send one request alone, then all at once."""
    server, port, _ = start(model)
    address = f"http://127.0.0.1:{port}"
    try:
        time.sleep(25)  # the examples are scored meanwhile
        alone, scores = ask(gradio_client.Client(address, verbose=False), clip, model.name)
        before, cpu = memory_mb(server.pid, "VmRSS"), cpu_s(server.pid)
        begun = time.perf_counter()
        found = all_at_once(address, model, clip, clients)
        seconds = time.perf_counter() - begun
        peak, cpu = memory_mb(server.pid, "VmHWM"), cpu_s(server.pid) - cpu
    finally:
        server.terminate()
        server.wait(30)
    answered = [times for times, own_scores in found if "overlay_s" in times and own_scores == scores]
    return {
        "clients": clients,
        "answered": len(answered),
        "seconds": round(seconds, 1),
        "scores_s": spread([times["scores_s"] for times in answered]),
        "overlay_s": spread([times["overlay_s"] for times in answered]),
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
        found.append(ask(client, copy, model.name))

    with tempfile.TemporaryDirectory() as folder:
        threads = [threading.Thread(target=visit, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


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

"""Many visitors at once: is everyone answered, how soon, and in how much memory?

    python benchmarks/space_load.py MODEL [--clients 20] [--clip CLIP] [--out RESULTS.json]

MODEL is the folder of a trained model; CLIP defaults to a 1080p clip of 7 s that Gradio's wheel brings along. The
Space runs as a process of its own. Every client hands in a copy of its own (another file, the same picture) at the
same moment and waits for its scores and for its overlay video; everyone must get the scores that a single visitor
gets. Memory is the most that the Space's process ever held, and what it held before.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import gradio_client
from space_speed import CLIP, MACHINE, cpu_s, start

SCORES = 'role="meter"'


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--clip", type=Path, default=CLIP)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    command = f"python benchmarks/space_load.py MODEL --clients {options.clients}"
    result = {"machine": MACHINE, "command": command, "load_average": os.getloadavg()[0]} | measure(options)
    text = json.dumps(result, indent=2) + "\n"
    sys.stdout.write(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")
    if result["answered"] != options.clients:
        sys.exit("Not everyone was answered.")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Start the Space, ask once alone, then with everyone at once."""
    server, port, _ = start(options.model)
    address = f"http://127.0.0.1:{port}"
    try:
        time.sleep(25)  # the examples are scored meanwhile
        alone = ask(gradio_client.Client(address, verbose=False), options.clip, options.model.name)
        before, cpu = memory_mb(server.pid, "VmRSS"), cpu_s(server.pid)
        begun = time.perf_counter()
        found = all_at_once(address, options)
        seconds = time.perf_counter() - begun
        peak, cpu = memory_mb(server.pid, "VmHWM"), cpu_s(server.pid) - cpu
    finally:
        server.terminate()
        server.wait(30)
    answered = [f for f in found if "overlay_s" in f and f["numbers"] == alone["numbers"]]
    return {
        "clients": options.clients,
        "answered": len(answered),
        "seconds": round(seconds, 1),
        "scores_s": spread([f["scores_s"] for f in answered]),
        "overlay_s": spread([f["overlay_s"] for f in answered]),
        "alone": {name: alone[name] for name in ("scores_s", "overlay_s")},
        "server_cpu_s": round(cpu, 1),
        "server_memory_mb": {"before": before, "most": peak},
    }


def all_at_once(address: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Let every client ask at the same moment; gives what each that was answered has found."""
    found: list[dict[str, Any]] = []
    ready = threading.Barrier(options.clients)

    def visit(number: int) -> None:
        client = gradio_client.Client(address, verbose=False, download_files=False)
        clip = Path(folder) / f"{number}{options.clip.suffix}"
        clip.write_bytes(options.clip.read_bytes() + bytes([number]))
        ready.wait()
        found.append(ask(client, clip, options.model.name))

    with tempfile.TemporaryDirectory() as folder:
        threads = [threading.Thread(target=visit, args=(number,)) for number in range(options.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return found


def ask(client: gradio_client.Client, clip: Path, model: str) -> dict[str, Any]:
    """Seconds until scores and overlay video, and the numbers."""
    begun = time.perf_counter()
    found: dict[str, Any] = {}
    for summary, _, film, numbers in client.submit(gradio_client.handle_file(clip), model, api_name="/analyse"):
        if SCORES in str(summary):
            found.setdefault("scores_s", round(time.perf_counter() - begun, 2))
        if film and film.get("value"):
            found["overlay_s"] = round(time.perf_counter() - begun, 2)
            found["numbers"] = {name: numbers[name] for name in ("short_term", "long_term", "frames")}
    return found


def spread(values: list[float]) -> dict[str, float]:
    """The least, the median and the most."""
    return {"min": min(values), "median": round(statistics.median(values), 2), "max": max(values)} if values else {}


def memory_mb(process: int, field: str) -> int:
    """What /proc says of a process's memory, in MB."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(field):
            return round(int(line.split()[1]) / 1000)
    return 0


if __name__ == "__main__":
    main()

"""How soon the Space answers: its start, its page, the first scores of a 7 s 1080p clip, the overlay video.

    python benchmarks/space_speed.py MODEL [--clip CLIP] [--repeats 5] [--out RESULTS.json]

MODEL is the folder of a trained model, such as `videomem quickstart` makes; CLIP defaults to a 1080p clip of 7 s that
Gradio's wheel brings along. The Space runs as a process of its own, as `python space/app.py` starts it; the clip goes
to it over HTTP. `decode_s` is the time that decoding alone takes, one frame a second, in a process that does nothing
else: the scores can come no sooner. Of repeated times the best counts, as the machine is shared. The page counts as
interactive when a browser (Chromium through Playwright; left out where there is none) can switch its tabs.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gradio
import gradio_client

from videomem_hf.video.video import sample_frames

MACHINE = "2-core x86-64 virtual machine, 24 GB, shared with other work"
APP = Path(__file__).parents[1] / "space" / "app.py"
CLIP = Path(gradio.__file__).parent / "media_assets" / "videos" / "a.mp4"
SCORES = 'role="meter"'


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--clip", type=Path, default=CLIP)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    command = f"python benchmarks/space_speed.py MODEL --repeats {options.repeats}"
    result = {"machine": MACHINE, "command": command, "load_average": os.getloadavg()[0]} | measure(options)
    text = json.dumps(result, indent=2) + "\n"
    sys.stdout.write(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Start the Space and ask it for the clip's scores again and again."""
    server, port, start_s = start(options.model)
    try:
        page = page_seconds(f"http://127.0.0.1:{port}", options.repeats)
        client = gradio_client.Client(f"http://127.0.0.1:{port}", verbose=False)
        first = ask(client, options.clip, options.model.name)
        time.sleep(25)  # the examples are scored meanwhile
        before = cpu_s(server.pid)
        warm = [ask(client, options.clip, options.model.name) for _ in range(options.repeats)]
        cpu = (cpu_s(server.pid) - before) / options.repeats
    finally:
        server.terminate()
        server.wait(30)
    decode = [decoding(options.clip) for _ in range(options.repeats)]
    scores_s = min(times["scores_s"] for times in warm)
    return {
        "server_start_s": round(start_s, 2),
        "page_interactive_s": page,
        "decode_s": round(min(decode), 2),
        "first_request": first,
        "warm_scores_s": round(scores_s, 2),
        "warm_scores_beyond_decoding_s": round(scores_s - min(decode), 2),
        "warm_overlay_s": round(min(times["overlay_s"] for times in warm), 2),
        "warm_cpu_s_with_overlay": round(cpu, 2),
    }


def start(model: Path) -> tuple[subprocess.Popen, int, float]:
    """Start the Space; gives its process, its port and the seconds until it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = time.perf_counter()
    command = [sys.executable, str(APP), "--model", str(model), "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(APP.parents[1])}
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return server, port, time.perf_counter() - begun
        except OSError:
            time.sleep(0.02)
    raise SystemExit("the Space does not start")


def page_seconds(address: str, repeats: int) -> float | None:
    """Seconds from opening the page until its tabs answer, the best of some fresh visits."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(repeats):
            page = browser.new_context().new_page()
            begun = time.perf_counter()
            page.goto(address, wait_until="commit")
            page.get_by_role("tab", name="About").click()
            page.wait_for_selector("text=What the scores mean", state="visible")
            found.append(time.perf_counter() - begun)
            page.context.close()
        browser.close()
    return round(min(found), 2)


def ask(client: gradio_client.Client, clip: Path, model: str) -> dict[str, float]:
    """Seconds from handing in the clip, its upload included, until the scores and until the overlay video are there."""
    begun = time.perf_counter()
    times = {}
    job = client.submit(gradio_client.handle_file(clip), model, api_name="/analyse")
    for summary, _, film, _ in job:
        if SCORES in str(summary):
            times.setdefault("scores_s", round(time.perf_counter() - begun, 2))
        if film and film.get("value"):
            times.setdefault("overlay_s", round(time.perf_counter() - begun, 2))
    return times


def decoding(clip: Path) -> float:
    """Seconds that it takes to decode a frame a second."""
    begun = time.perf_counter()
    for _ in sample_frames(clip):
        pass
    return time.perf_counter() - begun


def cpu_s(process: int) -> float:
    """Processor time of a process so far, in seconds; 0 where there is no /proc."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.is_file():
        return 0.0
    fields = stat.read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()

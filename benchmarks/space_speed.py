"""Response times of the Space: start, page, first scores of a 7 s 1080p clip, charts and maps, overlay video.

    python benchmarks/space_speed.py MODEL [--clip CLIP] [--repeats 5] [--out RESULTS.json]

MODEL is the folder of a trained model, such as `videomem quickstart` makes; CLIP defaults to a 1080p clip of 7 s that
Gradio's wheel contains. The Space runs in its own process, started by `python space/app.py`, and gets the clip over
HTTP. `decode_s` is the time of decoding alone, one frame per second, in an otherwise idle process: a lower bound for
the scores. The best of the repeats is reported, because the machine may be shared. The page counts as interactive when
a browser (Chromium with Playwright; skipped without it) can switch its tabs.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio
import gradio_client
from results_file import machine, write_results

from videomem_hf.video.video import sample_frames

APP = Path(__file__).parents[1] / "space" / "app.py"
CLIP = Path(gradio.__file__).parent / "media_assets" / "videos" / "a.mp4"
SCORES, CHARTS = 'role="meter"', "vm-explorer"


def run(
    description: str | None, measure: Callable[[Path, Path, int], dict[str, Any]], count: str, default: int
) -> dict[str, Any]:
    """Parse the command line of a benchmark of the Space, measure, and write the results.

    Args:
        description: Help text of the command.
        measure: Called with model, clip and count.
        count: Name of the option that says how often.
        default: Its default.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--clip", type=Path, default=CLIP)
    parser.add_argument(f"--{count}", dest="count", type=int, default=default)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    command = f"python benchmarks/{Path(sys.argv[0]).name} MODEL --{count} {options.count}"
    results = {"machine": machine(), "command": command, "load_average": os.getloadavg()[0]}
    results |= measure(options.model, options.clip, options.count)
    write_results(results, options.out)
    return results


def measure(model: Path, clip: Path, repeats: int) -> dict[str, Any]:
    """Start the Space and request the clip's scores several times."""
    server, port, start_s = start(model)
    try:
        page = page_seconds(f"http://127.0.0.1:{port}", repeats)
        client = gradio_client.Client(f"http://127.0.0.1:{port}", verbose=False)
        first, _ = ask(client, clip, model.name)
        time.sleep(25)  # the examples are scored meanwhile
        before = cpu_s(server.pid)
        warm = [ask(client, clip, model.name, overlay=False)[0] for _ in range(repeats)]
        cpu = (cpu_s(server.pid) - before) / repeats
        overlay_s = min(ask(client, clip, model.name)[0]["overlay_s"] for _ in range(repeats))
    finally:
        server.terminate()
        server.wait(30)
    decode = [decoding(clip) for _ in range(repeats)]
    scores_s = min(times["scores_s"] for times in warm)
    return {
        "server_start_s": round(start_s, 2),
        "page_interactive_s": page,
        "decode_s": round(min(decode), 2),
        "first_request": first,
        "warm_scores_s": round(scores_s, 2),
        "warm_scores_beyond_decoding_s": round(scores_s - min(decode), 2),
        "warm_charts_s": round(min(times["charts_s"] for times in warm), 2),
        "warm_cpu_s": round(cpu, 2),
        "overlay_s": overlay_s,
    }


def start(model: Path) -> tuple[subprocess.Popen, int, float]:
    """Start the Space; returns its process, its port and the seconds until it listens."""
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
    """Seconds from opening the page until its tabs work, the best of several new visits."""
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


def ask(
    client: gradio_client.Client, clip: Path, model: str, overlay: bool = True
) -> tuple[dict[str, float], dict[str, Any]]:
    """Send a clip, then ask for the overlay video of its result.

    Returns:
        Seconds from the start, upload included, until the scores are there and until the charts and maps are, and
        seconds that the overlay video takes; and the scores.
    """
    begun = time.perf_counter()
    times: dict[str, float] = {}
    scores: dict[str, Any] = {}
    for summary, charts, _, numbers, *_ in client.submit(gradio_client.handle_file(clip), model, api_name="/analyse"):
        if SCORES in str(summary):
            times.setdefault("scores_s", round(time.perf_counter() - begun, 2))
        if CHARTS in str(charts):
            times.setdefault("charts_s", round(time.perf_counter() - begun, 2))
            scores = {name: numbers[name] for name in ("short_term", "long_term", "frames")}
    if overlay:
        begun = time.perf_counter()
        client.predict(api_name="/overlay")
        times["overlay_s"] = round(time.perf_counter() - begun, 2)
    return times, scores


def decoding(clip: Path) -> float:
    """Seconds that decoding one frame per second takes."""
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
    run(__doc__, measure, "repeats", 5)

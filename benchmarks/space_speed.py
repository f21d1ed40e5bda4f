"""Response times of the Space: start, page, first scores of a 7 s 1080p clip, charts and maps, overlay video.

    python benchmarks/space_speed.py MODEL [--clip CLIP] [--repeats 5] [--out RESULTS.json]

MODEL is the folder of a trained model, such as `videomem quickstart` makes; CLIP defaults to a 1080p clip of 7 s that
Gradio's wheel contains. The Space runs in its own process, started by `python space/app.py`, and gets the clip over
HTTP; `browser_scores_s` is the time in a browser, from choosing the file until the scores are drawn, and
`browser_scores_median_s` the median of the repeats. `decode_s` is the time of decoding alone, one frame per second, in
an otherwise idle process: a lower bound for the scores. Else the best of the repeats is reported, because the machine
may be shared. The page counts as interactive when a browser can switch its tabs. The browser is Chromium with
Playwright; what needs it is skipped without it.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
        address = f"http://127.0.0.1:{port}"
        page = page_seconds(address, repeats)
        client = gradio_client.Client(f"http://127.0.0.1:{port}", verbose=False)
        first, _ = ask(client, clip, model.name)
        time.sleep(25)  # the examples are scored meanwhile
        before = cpu_s(server.pid)
        warm = [ask(client, clip, model.name, overlay=False)[0] for _ in range(repeats)]
        cpu = (cpu_s(server.pid) - before) / repeats
        in_browser = browser_scores(address, clip, repeats)
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
        "browser_scores_s": in_browser and round(min(in_browser), 2),
        "browser_scores_median_s": in_browser and round(statistics.median(in_browser), 2),
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


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; None where there is no Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def page_seconds(address: str, repeats: int) -> float | None:
    """Seconds from opening the page until its tabs work, the best of several new visits."""
    found = []
    with chromium() as browser:
        if browser is None:
            return None
        for _ in range(repeats):
            page = browser.new_context().new_page()
            begun = time.perf_counter()
            page.goto(address, wait_until="commit")
            page.get_by_role("tab", name="About").click()
            page.wait_for_selector("text=What the scores mean", state="visible")
            found.append(time.perf_counter() - begun)
            page.context.close()
    return round(min(found), 2)


WATCH = """() => {
  window.times = {};
  document.addEventListener('change', () => { times.chosen ??= performance.now(); }, true);
  new MutationObserver(() => {
    if (times.scores || !document.querySelector('#vm-summary [role=meter]')) return;
    requestAnimationFrame(() => setTimeout(() => { times.scores ??= performance.now(); }));
  }).observe(document.body, { childList: true, subtree: true });
}"""


def browser_scores(address: str, clip: Path, repeats: int) -> list[float] | None:
    """Seconds from choosing a file until its scores are drawn, by the page's own clock, of several new visits."""
    found = []
    with chromium() as browser:
        if browser is None:
            return None
        for _ in range(repeats):
            page = browser.new_context().new_page()
            page.goto(address)
            page.wait_for_function("window.vm?.label")
            page.evaluate(WATCH)
            page.set_input_files("#vm-clip input[type=file]", clip)
            page.wait_for_function("times.scores")
            found.append(page.evaluate("(times.scores - times.chosen) / 1000"))
            page.wait_for_selector(".vm-explorer")
            page.context.close()
    return found


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

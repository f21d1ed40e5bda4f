"""Load on a study's server: many simulated participants at once, over HTTP on this machine's loopback.

    PYTHONPATH=. python benchmarks/study_server_load.py CLIPS [--participants 200] [--speed 3] [--showings 60]
                                                              [--kills N] [--policy adaptive] [--out OUT]

CLIPS is a folder of at least 60 WebM or MP4 clips, such as `videomem sample` makes. Everyone plays step 1 of a short
design (60 showings), or of the paper's (--showings 180, of at least 200 clips), at the paper's timing, sped up: at
--speed 3 a clip lasts at most 2.3 s and the gap is 0.33 s, so that the server has three times the work of as many real
participants; --speed 1 is the real pace. Everyone loads each clip from the server and identifies it by its content.
With --kills N the server is killed (SIGKILL) N times at equal intervals and started again after 2 s.

With --policy adaptive the videos are assigned by the responses so far, and all decisions are recomputed at the end:
`decisions_that_differ` counts those that are not as stored. --database takes a PostgreSQL database.

The time of a response runs from the request to the reply as the participant sees it. At the end every response that the
server has confirmed is looked up in the export; `lost` counts those that are missing or differ.
"""

import argparse
import csv
import gc
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np

from tests.protocol.play import ClipNames, HttpConnection, Play, SimulatedParticipant
from videomem_hf.protocol.assignment.log import replay
from videomem_hf.protocol.design import Assignment, FirstStep, Presentation, SecondStep, StudyDesign
from videomem_hf.protocol.server.assignment import log_lines
from videomem_hf.protocol.server.database import Database
from videomem_hf.protocol.server.settings import StudySettings
from videomem_hf.protocol.server.study import create_study
from videomem_hf.protocol.simulate import draw_participants, draw_videos

MACHINE = "2-core x86-64 virtual machine, 24 GB, shared with other work"
STEP1 = FirstStep(
    targets=12,
    target_lag_min=15,
    target_lag_max=30,
    vigilance_fillers=6,
    vigilance_lag_min=3,
    vigilance_lag_max=6,
    fillers=24,
    candidates=58,
)
STEP2 = SecondStep(targets=8, fillers=16)
ARRIVE_S = 8.0
"""Seconds within which the participants arrive."""
JITTER_S = 0.1
"""Random extra seconds of each wait, as in browsers. Without them, participants synchronised by one slow reply would
stay synchronised."""
DOWN_S = 2.0


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument("--speed", type=float, default=3.0)
    parser.add_argument("--showings", type=int, choices=(60, 180), default=60)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--policy", choices=("least_annotated", "adaptive"), default="least_annotated")
    parser.add_argument("--database", help="URL of an empty database; by default SQLite")
    parser.add_argument("--workers", type=int, default=2, help="processes that the participants are spread over")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        result = measure(options, Path(work) / "study")
    text = json.dumps(result, indent=2) + "\n"
    sys.stdout.write(text)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")
    if result["lost"] or result["responses"] != result["responses_expected"]:
        sys.exit("Responses were lost.")
    if result["decisions_that_differ"]:
        sys.exit("Decisions cannot be recomputed.")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Make a study, serve it, let everyone play, and compare what was confirmed with what is exported."""
    paper = Presentation()
    pace = replace(paper, window_s=paper.window_s / options.speed, gap_s=paper.gap_s / options.speed)
    settings = StudySettings(joins_per_minute=100_000, requests_per_second=1000)
    design = StudyDesign(STEP1, STEP2, pace) if options.showings == 60 else StudyDesign(presentation=pace)
    design = replace(design, assignment=Assignment(options.policy))
    study, _ = create_study(folder, [options.clips], design=design, settings=settings)
    port = free_port()
    server = start_server(folder, port, options.database)
    start = time.perf_counter()
    replies, players = start_players(options, folder, port)
    interval_s = design.step1.showings * (pace.window_s + pace.gap_s) / (options.kills + 1)
    for _ in range(options.kills):
        time.sleep(interval_s)
        server.kill()
        server.wait()
        time.sleep(DOWN_S)
        server = start_server(folder, port, options.database)
    times, responses = collect(replies, players, options.participants)
    elapsed_s = time.perf_counter() - start
    usage = server_cpu_s(server.pid)
    server.send_signal(signal.SIGINT)
    server.wait(30)
    exported = export(folder, options.database)
    decisions = recompute(options.database or study.database_url, design)
    return {
        "machine": MACHINE,
        "command": " ".join(["PYTHONPATH=. python benchmarks/study_server_load.py CLIPS", *arguments(options)]),
        "participants": options.participants,
        "speed": options.speed,
        "kills": options.kills,
        "clip_kb_mean": round(float(np.mean([file.stat().st_size for file in (folder / "clips").iterdir()])) / 1000, 1),
        "seconds": round(elapsed_s, 1),
        "responses_per_second": round(len(responses) / elapsed_s, 1),
        "server_cpu_share_of_a_core": None if options.kills else round(usage / elapsed_s, 2),
        "response_ms": spread(times["PUT"]),
        "clip_ms": spread(times["GET"]),
        "begin_ms": spread(times["POST"]),
        "responses_expected": options.participants * design.step1.showings,
        "responses": len(exported),
        "decisions": len(decisions),
        "decisions_that_differ": decisions.count(False),
        "lost": sum(exported.get(key) != value for key, value in responses.items()),
    }


def start_players(options: argparse.Namespace, folder: Path, port: int) -> tuple[Any, list[Any]]:
    """Start the participants, spread over processes."""
    context = multiprocessing.get_context("spawn")
    replies = context.Queue()
    shares = [range(start, options.participants, options.workers) for start in range(options.workers)]
    players = [context.Process(target=play_share, args=(folder, port, share, replies)) for share in shares]
    for player in players:
        player.start()
    return replies, players


def play_share(folder: Path, port: int, share: range, replies: Any) -> None:
    """Play some of the participants, one thread each."""
    files = sorted((folder / "clips").iterdir())
    names = ClipNames(files)
    videos = draw_videos([file.stem for file in files], 0)
    gc.collect()
    gc.freeze()  # a collection would stop all these participants and count as the server's time
    threads = [
        threading.Thread(target=play_one, args=(port, number, names, videos, replies), daemon=True) for number in share
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def play_one(port: int, number: int, names: ClipNames, videos: Any, replies: Any) -> None:
    """Play step 1 as one simulated participant; puts times and confirmed responses into the queue."""
    draw = np.random.default_rng([number, 5])
    time.sleep(ARRIVE_S * draw.random())
    times: list[tuple[str, float]] = []

    def note(method: str, path: str, seconds: float) -> None:
        if "/steps/" in path:
            times.append((method, seconds))

    def sleep(seconds: float) -> None:
        time.sleep(seconds + JITTER_S * draw.random())

    connection = HttpConnection(f"http://127.0.0.1:{port}")
    placeholder = SimulatedParticipant(videos, draw_participants(1, draw), seed=number)
    play = Play(connection, names, placeholder, sleep=sleep, on_reply=note)
    placeholder.window_ms = play.facts["window_ms"]
    play.join()
    play.step(1)
    name = play.me()["participant"]
    responses = {f"{name} {position}": [video, rt_ms] for (_, position), (video, rt_ms) in play.responses.items()}
    replies.put((times, responses))


def collect(replies: Any, players: list[Any], count: int) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Wait for all participants."""
    times: dict[str, list[float]] = {"PUT": [], "GET": [], "POST": []}
    responses: dict[str, Any] = {}
    for _ in range(count):
        while True:
            try:
                own_times, own_responses = replies.get(timeout=5)
                break
            except Empty:
                if not any(player.is_alive() for player in players):
                    raise SystemExit("A participant could not play to the end.") from None
        for method, seconds in own_times:
            times[method].append(seconds)
        responses |= own_responses
    return times, {key: (video, None if rt is None else round(rt, 1)) for key, (video, rt) in responses.items()}


def recompute(database_url: str, design: StudyDesign) -> list[bool]:
    """Whether each logged decision is as stored; empty where none is logged."""
    if not design.assignment.logged:
        return []
    database = Database(database_url)
    with database.read() as connection:
        found = [decision.as_stored for decision in replay(log_lines(connection, design))]
    database.close()
    return found


def export(folder: Path, database: str | None) -> dict[str, tuple[str, float | None]]:
    """Video and response time of every stored response, by participant and position."""
    out = folder / "annotations.csv"
    subprocess.run(
        [sys.executable, "-m", "videomem_hf", "study", "export", str(folder), str(out), *at(database)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        f"{row['participant']} {row['position']}": (row["video"], float(row["rt_ms"]) if row["rt_ms"] else None)
        for row in rows
    }


def at(database: str | None) -> list[str]:
    return ["--database", database] if database else []


def start_server(folder: Path, port: int, database: str | None) -> subprocess.Popen[bytes]:
    """Start the server and wait until it replies."""
    command = [sys.executable, "-m", "videomem_hf", "study", "serve", str(folder), "--port", str(port), *at(database)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return server
    raise SystemExit("The server does not start.")


def server_cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spread(seconds: list[float]) -> dict[str, float]:
    """Median, high percentiles and maximum, in ms."""
    values = 1000 * np.array(seconds)
    points = {"median": 50, "p95": 95, "p99": 99, "max": 100}
    return {name: round(float(np.percentile(values, point)), 1) for name, point in points.items()} | {
        "count": len(values)
    }


def arguments(options: argparse.Namespace) -> list[str]:
    """The options as they were given."""
    return [
        f"--participants {options.participants}",
        f"--speed {options.speed:g}",
        *([f"--showings {options.showings}"] if options.showings != 60 else []),
        *([f"--kills {options.kills}"] if options.kills else []),
        *([f"--policy {options.policy}"] if options.policy != "least_annotated" else []),
        *(["--database URL"] if options.database else []),
    ]


if __name__ == "__main__":
    main()

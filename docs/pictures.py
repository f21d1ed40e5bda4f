"""Pictures of the outputs of commands, made from a generated sample while the site is built.

A page asks for a picture with `<!-- picture: NAME | ALT TEXT -->`. `make` runs the commands and keeps the pictures in a
folder that git ignores; it makes those again whose code has changed. A picture that is not there is left out of the
page.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = Path(__file__).parent / "_pictures"
CLIP: Final = ROOT / "space/examples/cafe-sign.webm"
WIDEST: Final = 1400
TALLEST: Final = 1500
VIDEOS: Final = 300
EPOCHS: Final = 28
"""So that the maps show what the model has learnt; both together take about a minute."""
SMALL_GAME: Final = """\
step1: {targets: 2, target_lag_min: 2, target_lag_max: 6, vigilance_fillers: 1, vigilance_lag_min: 1,
        vigilance_lag_max: 2, fillers: 2, candidates: 5}
step2: {targets: 2, fillers: 1}
"""
PAGE_LOADS_MS: Final = 180_000

logger = logging.getLogger(__name__)


class UnavailableError(Exception):
    """A program that some pictures need is not installed."""


@dataclass(frozen=True)
class Maker:
    """A function that makes some of the pictures.

    Attributes:
        pictures: Their names.
        run: Called with a folder to work in and the folder for the pictures.
        inputs: Files and folders of code that they depend on, besides this file.
    """

    pictures: tuple[str, ...]
    run: Callable[[Path, Path], None]
    inputs: tuple[str, ...]

    def fingerprint(self) -> str:
        """A hash of everything that the pictures depend on."""
        found = hashlib.sha256(Path(__file__).read_bytes())
        for path in (ROOT / each for each in self.inputs):
            files = [path] if path.is_file() else sorted(path.rglob("*"))
            for file in files:
                if file.is_file() and "__pycache__" not in file.parts and "vendor" not in str(file):
                    found.update(file.read_bytes())
        return found.hexdigest()


def make(folder: Path = FOLDER) -> list[str]:
    """Make the pictures that are missing or whose inputs have changed; returns those that could not be made."""
    folder.mkdir(exist_ok=True)
    known_file = folder / "inputs.json"
    known = json.loads(known_file.read_text()) if known_file.is_file() else {}
    left_out: list[str] = []
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)  # of a run that failed
    for maker in MAKERS:
        fingerprint, files = maker.fingerprint(), [folder / f"{name}.png" for name in maker.pictures]
        if all(file.is_file() for file in files) and known.get(maker.pictures[0]) == fingerprint:
            continue
        try:
            work.mkdir(exist_ok=True)
            maker.run(work, folder)
        except UnavailableError as reason:
            left_out += maker.pictures
            logger.warning("pictures left out: %s (%s)", ", ".join(maker.pictures), reason)
            continue
        known[maker.pictures[0]] = fingerprint
        known_file.write_text(json.dumps(known, indent=2) + "\n")
    shutil.rmtree(work, ignore_errors=True)
    return left_out


PICTURE: Final = re.compile(r"<!-- picture: (\w+) \| ([^\n]+?) -->")


def place(text: str, folder: Path = FOLDER) -> str:
    """Put the pictures that exist into a page; those that do not are left out."""

    def image(found: re.Match[str]) -> str:
        return f"![{found[2]}]({folder.name}/{found[1]}.png)" if (folder / f"{found[1]}.png").is_file() else ""

    return PICTURE.sub(image, text)


def videomem(work: Path, *arguments: object) -> None:
    """Run a command in a folder as a user would. Raises a RuntimeError with its output if it fails."""
    words = [sys.executable, "-m", "videomem_hf", *map(str, arguments)]
    done = subprocess.run(words, cwd=work, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        raise RuntimeError(f"videomem {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}")


def _environment() -> dict[str, str]:
    own = {"PYTHONPATH": str(ROOT), "ACCELERATE_USE_CPU": "true", "VIDEOMEM_SPACE_MODELS": "", "OMP_NUM_THREADS": "1"}
    return os.environ | own


def _keep(source: Path, target: Path) -> None:
    """Save the upper part of a picture, no wider than a page needs."""
    with Image.open(source) as image:
        image = image.convert("RGB")
        image.thumbnail((WIDEST, image.height))
        image.crop((0, 0, image.width, min(image.height, TALLEST))).save(target, optimize=True)


def _train_model(work: Path) -> None:
    """A model, trained on a generated sample; both are kept in the folder for the next picture."""
    if not (work / "run").is_dir():
        _generate_sample(work)
        overrides = (f"stages.*.epochs={EPOCHS}", "frame_cache=frames")
        data = ("--data", "sample/release", "--output", "run")
        videomem(work, "train", "--recipe", "frame_attention", *data, "--set", *overrides)


def _generate_sample(work: Path) -> None:
    if not (work / "sample").is_dir():
        size = ("--size", "160x90", "--features", "none")
        videomem(work, "sample", "sample", "--videos", VIDEOS, "--test-videos", 0, *size)


def _predict(work: Path, out: Path) -> None:
    import av

    _train_model(work)
    videomem(work, "predict", CLIP, "--model", "run", "--plots", "plots", "--overlay", "videos", "--occlusion")
    [plot] = (work / "plots").glob("*.png")
    _keep(plot, out / "prediction.png")
    [video] = (work / "videos").glob("*.mp4")
    with av.open(str(video)) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
    frames[len(frames) // 2].save(out / "overlay.png", optimize=True)


def _timeline(work: Path, out: Path) -> None:
    _train_model(work)
    _join(sorted((work / "sample").rglob("*.webm"))[:14], work / "film.webm")
    videomem(work, "timeline", "film.webm", "--model", "run", "--out", "timeline")
    _keep(work / "timeline/timeline.png", out / "timeline.png")


def _improve(work: Path, out: Path) -> None:
    _train_model(work)
    from videomem_hf.sample import read_truth

    by_truth = sorted(read_truth(work / "sample"), key=lambda truth: truth.short_term)
    paths = {path.stem: path for path in (work / "sample").rglob("*.webm")}
    _join([paths[f"video{truth.video_id}"] for truth in (*by_truth[:2], *by_truth[-3:])], work / "advert.webm")
    videomem(work, "improve", "advert.webm", "--model", "run", "--out", "edits")
    videomem(work, "predict", CLIP, "--model", "run", "--forgetting", "curves")
    _keep(work / f"curves/{CLIP.stem}-forgetting.png", out / "forgetting.png")
    with _browser() as browser:
        page = browser.new_page(viewport={"width": 1000, "height": 1250})
        page.goto((work / "edits/improve.html").as_uri())
        page.evaluate("document.querySelectorAll('video').forEach(video => video.currentTime = 2)")
        page.wait_for_function("[...document.querySelectorAll('video')].every(v => !v.seeking && v.readyState === 4)")
        page.screenshot(path=out / "improve.png")


def _join(clips: list[Path], film: Path) -> None:
    """Join clips of one kind without encoding them anew."""
    import av

    with av.open(str(film), "w") as container:
        stream, end = None, 0
        for clip in clips:
            with av.open(str(clip)) as opened:
                source = opened.streams.video[0]
                stream = stream or container.add_stream_from_template(source)
                for packet in opened.demux(source):
                    if packet.dts is not None:
                        packet.pts, packet.dts, packet.stream = packet.pts + end, packet.dts + end, stream
                        last = packet.pts + packet.duration
                        container.mux(packet)
                end = last


def _train(work: Path, out: Path) -> None:
    _train_model(work)
    _keep(work / "run/training.png", out / "training.png")


def _report(work: Path, out: Path) -> None:
    _train_model(work)
    videomem(work, "report", "run")
    _keep(work / "run/report/calibration.png", out / "report.png")


def _compare(work: Path, out: Path) -> None:
    _train_model(work)
    overrides = ("stages.*.epochs=2", "frame_cache=frames")
    data = ("--data", "sample/release", "--output", "run2")
    videomem(work, "train", "--recipe", "frame_attention", *data, "--set", *overrides)
    videomem(work, "compare", "run", "run2", "--plot", "comparison.png")
    _keep(work / "comparison.png", out / "comparison.png")


def _describe(work: Path, out: Path) -> None:
    _generate_sample(work)
    videomem(work, "describe", "sample/release", "--plots", "described")
    _keep(work / "described/score_distributions.png", out / "describe.png")


def _analyse(work: Path, out: Path) -> None:
    videomem(work, "study", "simulate", "played", "--videos", 300, "--participants", 800, "--returning", 400)
    videomem(work, "analyse", "played/annotations.csv", "analysis", "--splits", 3)
    _keep(work / "analysis/figure3_retention.png", out / "analyse.png")
    _keep(work / "analysis/figure4_consistency.png", out / "analyse_consistency.png")


def _space(work: Path, out: Path) -> None:
    _train_model(work)
    command = [ROOT / "space/app.py", "--model", work / "run"]
    sizes = {"space_desktop": (1280, 900, False), "space_phone": (390, 844, True)}
    with _browser() as browser, _serve(*command) as address:
        for name, (width, height, phone) in sizes.items():
            page = browser.new_page(viewport={"width": width, "height": height}, is_mobile=phone, has_touch=phone)
            page.set_default_timeout(PAGE_LOADS_MS)
            page.goto(address)
            page.click("text=Cafe sign")
            page.wait_for_selector(".vm-explorer")
            page.wait_for_timeout(3000)  # until the clip is drawn and panels have unfolded
            page.screenshot(path=work / f"{name}.png", full_page=True)
            _keep(work / f"{name}.png", out / f"{name}.png")
            page.close()


def _game(work: Path, out: Path) -> None:
    from videomem_hf.protocol.server.app import page_is_built

    if not page_is_built():
        raise UnavailableError("the page of the game is not built: python -m videomem_hf.protocol.server.build")
    with _browser() as browser:
        (work / "small.yaml").write_text(SMALL_GAME)
        _generate_sample(work)
        clips = sorted((work / "sample").rglob("*.webm"))[:12]
        videomem(work, "study", "init", "mystudy", *clips, "--design", "small.yaml")
        with _serve("-m", "videomem_hf", "study", "serve", work / "mystudy") as address:
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            page.goto(address)
            page.wait_for_selector("text=I agree")
            page.screenshot(path=out / "game_start.png")
            page.click("text=I agree to take part")
            page.wait_for_selector("text=Your keyboard")
            page.keyboard.press("Space")
            page.wait_for_selector("#jspsych-instructions-next")
            page.screenshot(path=out / "game_instructions.png")
            for _ in range(3):
                page.click("#jspsych-instructions-next")
            page.click("text=Start")
            page.wait_for_selector(".verdict", timeout=60_000)
            page.screenshot(path=out / "game_practice.png")
            for _ in range(4):
                page.click("text=Continue")
                page.wait_for_selector(".verdict", timeout=60_000)
            page.click("text=Continue")
            page.wait_for_selector("text=The practice is over")
            page.click("text=Continue")
            page.click("#jspsych-fullscreen-btn")
            page.wait_for_selector("video.clip")
            page.wait_for_timeout(1500)  # into the clip
            page.screenshot(path=out / "game_trial.png")


@contextmanager
def _browser() -> Iterator[Any]:
    """Chromium. Raises UnavailableError where it or playwright is not installed."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise UnavailableError("playwright is not installed") from None
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise UnavailableError("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def _serve(*command: object) -> Iterator[str]:
    """Run a server on a free port until the block ends; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, *map(str, command), "--port", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment())
    try:
        deadline = time.monotonic() + PAGE_LOADS_MS / 1000
        while time.monotonic() < deadline and server.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise RuntimeError(f"{' '.join(words)} does not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


_CLI: Final = "videomem_hf/cli"
_STYLE: Final = "videomem_hf/analysis/style.py"
_MODEL: Final = tuple(
    f"videomem_hf/{each}"
    for each in ("training", "sample", "models", "video", "losses", "data", "evaluation", "statistics.py")
)
_PREDICTION: Final = (*_MODEL, "videomem_hf/inference", "videomem_hf/analysis", "videomem_hf/conformal.py")
MAKERS: Final = (
    Maker(
        ("prediction", "overlay"),
        _predict,
        (*_PREDICTION, *(f"{_CLI}/predict{part}.py" for part in ("", "_here", "_outputs"))),
    ),
    Maker(("timeline",), _timeline, (*_PREDICTION, "videomem_hf/films", f"{_CLI}/timeline.py")),
    Maker(("improve", "forgetting"), _improve, (*_PREDICTION, "videomem_hf/films", f"{_CLI}/improve.py")),
    Maker(("training",), _train, (*_MODEL, f"{_CLI}/train.py", _STYLE, "videomem_hf/analysis/training_figure.py")),
    Maker(
        ("report",),
        _report,
        (
            *_MODEL,
            *(f"{_CLI}/report{part}.py" for part in ("", "_contents")),
            "videomem_hf/inference/intervals.py",
            "videomem_hf/conformal.py",
            _STYLE,
            *(f"videomem_hf/analysis/{each}.py" for each in ("errors", "calibration")),
        ),
    ),
    Maker(
        ("comparison",),
        _compare,
        (*_MODEL, f"{_CLI}/compare.py", _STYLE, "videomem_hf/analysis/comparison_figure.py", "videomem_hf/benchmark"),
    ),
    Maker(
        ("describe",),
        _describe,
        (
            "videomem_hf/sample",
            "videomem_hf/data",
            f"{_CLI}/data.py",
            _STYLE,
            "videomem_hf/analysis/dataset_figures.py",
        ),
    ),
    Maker(
        ("analyse", "analyse_consistency"),
        _analyse,
        (
            "videomem_hf/protocol",
            "videomem_hf/statistics.py",
            f"{_CLI}/analyse.py",
            _STYLE,
            "videomem_hf/analysis/study_figures.py",
        ),
    ),
    Maker(("space_desktop", "space_phone"), _space, (*_PREDICTION, "space")),
    Maker(
        ("game_start", "game_instructions", "game_practice", "game_trial"),
        _game,
        ("videomem_hf/protocol", "videomem_hf/sample"),
    ),
)

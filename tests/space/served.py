"""A tiny model and the Space as a process of its own, for the tests that look at it from outside."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import torch

from videomem_hf.models import config_class, model_class
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor

SPACE = Path(__file__).parents[2] / "space"


def save_tiny_model(folder: Path) -> Path:
    """An untrained network with attention and both horizons; the seed makes its scores those of every run."""
    torch.manual_seed(0)
    config = config_class("frame_attention")(
        hidden_sizes=(8, 8, 8),
        feature_size=16,
        horizons=("short_term", "long_term"),
        score_means=(0.86, 0.78),
        score_stds=(0.08, 0.14),
    )
    model_class("frame_attention")(config).save_pretrained(folder)
    MemorabilityVideoProcessor(size={"height": 54, "width": 96}).save_pretrained(folder)
    return folder


def save_title_model(folder: Path) -> Path:
    """A model that reads nothing but titles."""
    torch.manual_seed(0)
    config = config_class("multiview")(view_names=["title_words"], view_sizes=[64])
    model_class("multiview")(config).save_pretrained(folder)
    return folder


def silent(share: float, what: str) -> None:
    """Hears how far the scoring is."""
    assert 0 <= share <= 1


class Served:
    """`python space/app.py` with models, on a free port or a given one; all its temporary files are in `files`."""

    def __init__(self, models: list[Path], files: Path, port: int = 0) -> None:
        self.files = files
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            self.port = probe.getsockname()[1]
        command = [sys.executable, str(SPACE / "app.py"), "--port", str(self.port)]
        command += [part for model in models for part in ("--model", str(model))]
        own = {"TMPDIR": str(files), "VIDEOMEM_SPACE_MODELS": "", "PYTHONPATH": str(SPACE.parent)}
        environment = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"} | own
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise TimeoutError("the Space does not start")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self, how: int = signal.SIGINT) -> None:
        self.process.send_signal(how)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(15)

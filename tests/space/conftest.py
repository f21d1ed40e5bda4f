import shutil
import signal
import sys
from pathlib import Path

import gradio
import numpy as np
import pytest

from tests.clips import write_clip
from tests.space.served import SPACE, Served, save_tiny_model, save_title_model

sys.path.insert(0, str(SPACE))  # as when `python space/app.py` runs


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny & <b>small")


@pytest.fixture(scope="session")
def title_model(tmp_path_factory):
    return save_title_model(tmp_path_factory.mktemp("models") / "words")


@pytest.fixture(scope="session")
def served(model_folder, title_model, tmp_path_factory):
    """A Space; when it is stopped as the Hub stops one, what was handed in and drawn is gone."""
    space = Served([model_folder, title_model], tmp_path_factory.mktemp("files"))
    yield space
    space.stop(signal.SIGTERM)
    assert space.process.returncode == 0
    assert [path for path in space.files.rglob("*") if path.is_file()] == []


@pytest.fixture(scope="session")
def real_clip(tmp_path_factory):
    """A filmed clip of 5 s that Gradio's wheel brings along, under a name with what HTML and shells would act on."""
    clip = Path(gradio.__file__).parent / "media_assets" / "videos" / "muted_b.mp4"
    return Path(shutil.copy(clip, tmp_path_factory.mktemp("clips") / "la Terre & 'co' {{x}}.mp4"))


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory):
    """Four different frames in 4 s."""
    rng = np.random.default_rng(0)
    frames = [np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(8)]
    return write_clip(tmp_path_factory.mktemp("small") / "c.webm", frames, fps=2)


@pytest.fixture
def clip(small_clip):
    return small_clip


@pytest.fixture
def scoring(model_folder):
    import intake
    import models
    import scoring

    return scoring.Scoring(models.Models([str(model_folder)]), intake.Limits())


@pytest.fixture
def own_files(tmp_path, monkeypatch):
    """Where new files go."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path

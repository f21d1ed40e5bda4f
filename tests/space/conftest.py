import shutil
import sys
from pathlib import Path

import gradio
import pytest

from tests.space.served import SPACE, Served, save_tiny_model

sys.path.insert(0, str(SPACE))  # as when `python space/app.py` runs


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny & <b>small")


@pytest.fixture(scope="session")
def served(model_folder, tmp_path_factory):
    space = Served(model_folder, tmp_path_factory.mktemp("gradio"))
    yield space
    space.stop()


@pytest.fixture(scope="session")
def real_clip(tmp_path_factory):
    """A filmed clip of 5 s that Gradio's wheel brings along, under a name with what HTML and shells would act on."""
    clip = Path(gradio.__file__).parent / "media_assets" / "videos" / "b.mp4"
    return Path(shutil.copy(clip, tmp_path_factory.mktemp("clips") / "la Terre & 'co' {{x}}.mp4"))

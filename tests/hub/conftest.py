"""Small things to push: a model of random weights with a run's record, a prepared sample, and a stand-in Hub."""

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from tests.hub.stand_in import Hub, running_hub
from tests.training.conftest import TINY
from videomem_hf.data.prepare import PrepareOptions, prepare
from videomem_hf.multiview.config import BestConfig
from videomem_hf.multiview.run import train_best
from videomem_hf.sample import SamplePaths, generate_sample
from videomem_hf.training import TrainingConfig, train


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SamplePaths:
    """A sample of 24 scored clips with features."""
    out = tmp_path_factory.mktemp("hub-sample") / "sample"
    return generate_sample(
        out, videos=24, test_videos=2, size=(64, 64), features=("c3d", "hmp"), workers=1, progress=False
    )


@pytest.fixture(scope="session")
def run(sample: SamplePaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a network with attention."""
    folder = tmp_path_factory.mktemp("hub-run")
    overrides = (*TINY, "stages.*.epochs=1", f"frame_cache={folder / 'frames'}")
    config = TrainingConfig.from_recipe(
        "frame_attention", data=sample.release, output=folder / "run", overrides=overrides
    )
    return train(config, progress=False).output


@pytest.fixture(scope="session")
def features_run(sample: SamplePaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a perceptron on features."""
    folder = tmp_path_factory.mktemp("hub-features-run") / "run"
    overrides = ("stages.*.epochs=1", "evaluation.resamples=20")
    config = TrainingConfig.from_recipe("c3d_hmp", data=sample.release, output=folder, overrides=overrides)
    return train(config, progress=False).output


@pytest.fixture(scope="session")
def views_run(sample: SamplePaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a predictor of several views, whose head the recipe fixes."""
    folder = tmp_path_factory.mktemp("hub-views-run") / "run"
    overrides = ("title_encoder=null", "grouped=false", "fit.folds=3", "resamples=20")
    return train_best(
        BestConfig.from_recipe("best", data=sample.release, output=folder, overrides=overrides), progress=False
    ).output


@pytest.fixture(scope="session")
def prepared(sample: SamplePaths, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample as a repository of Parquet files."""
    out = tmp_path_factory.mktemp("hub-prepared") / "parquet"
    prepare(sample.release, out, PrepareOptions(configs=("scores", "c3d")))
    return out


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A stand-in Hub that this process pushes to, with a token that may write as `ann`."""
    with running_hub() as served:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", served.url)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", "hf_writer")
        yield served

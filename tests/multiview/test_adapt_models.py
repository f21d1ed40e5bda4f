"""Adaptation of a model of features and of one of several views, from folders as users have them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.multiview.test_run import encoder, finished
from videomem_hf.cli import app
from videomem_hf.inference.loading import load_network
from videomem_hf.multiview.adapt import LEFT_OUT_FILE, adapt
from videomem_hf.run_files import TrainingResult, read_predictions, read_results
from videomem_hf.sample import generate_sample
from videomem_hf.training import TrainingConfig, train

__all__ = ["encoder", "finished"]
CLIPS = 40
pytestmark = pytest.mark.filterwarnings("ignore:.* files for the column 'video':UserWarning")


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another release with feature files and no clips."""
    out = tmp_path_factory.mktemp("domain") / "sample"
    return generate_sample(
        out, videos=CLIPS, test_videos=0, seed=7, size=(64, 64), features=("c3d", "hmp"), write_videos=False,
        workers=1, progress=False,
    ).release  # fmt: skip


def by_hand(state: dict[str, Any], rows: np.ndarray, prior: np.ndarray, groups: list[int]) -> np.ndarray:
    """Corrected scores `(clips, horizons)` by plain sums over the clips that were adapted on."""
    state = {name: each.double().numpy() for name, each in state.items()}
    cuts = np.cumsum(groups)[:-1]
    found = prior.copy()
    for clip, row in enumerate(rows.astype(np.float64) * state["factor"]):
        apart = [np.square(a - b).sum(axis=1) for a, b in zip(
            np.split(state["rows"], cuts, axis=1), np.split(row, cuts), strict=True)]  # fmt: skip
        for h in range(prior.shape[1]):
            kernel = state["amplitude"][h] * np.exp(-sum(g * d for g, d in zip(state["gammas"][h], apart, strict=True)))
            offset, slope = state["line"][h]
            found[clip, h] += offset + slope * (prior[clip, h] - state["centre"][h]) + kernel @ state["weights"][h]
    return np.clip(found, 0, 1)


def check_commands(model: Path, domain: Path, tmp_path: Path) -> None:
    """The adapted model is evaluated like any other, and has seen the clips."""
    assert len(read_predictions(model / LEFT_OUT_FILE)[0]) == CLIPS
    assert read_results(model)["clips"] == CLIPS
    table = tmp_path / "scores.csv"
    command = ["evaluate", str(model), "--data", str(domain), "--allow-training-clips", "--csv", str(table)]
    found = CliRunner().invoke(app, command, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    columns = read_predictions(table)[1]
    assert (columns["long_term_low"] <= columns["long_term_model"]).all()
    assert (columns["long_term_model"] <= columns["long_term_high"]).all()


def test_a_model_of_features(features: Path, domain: Path, tmp_path: Path) -> None:
    config = TrainingConfig.from_recipe(
        "c3d", data=features, output=tmp_path / "run", overrides=["evaluation.resamples=20"]
    )
    train(config, progress=False)
    found = adapt(str(tmp_path / "run"), domain, tmp_path / "out", progress=False)
    assert list(found.horizons) == ["short_term", "long_term"]
    model, processor = load_network(str(tmp_path / "out"))
    assert processor is None
    x = torch.rand(3, 101, generator=torch.Generator().manual_seed(0)) / 50
    base = load_network(str(tmp_path / "run"))[0].eval()
    with torch.no_grad():
        prior, rows = base(features=x).scores.double().numpy(), base.embed(x).numpy()
        scores = model.eval()(features=x).scores.numpy()
    expected = by_hand(model.correction.state_dict(), rows, prior, model.config.group_sizes)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    check_commands(tmp_path / "out", domain, tmp_path)


def test_a_model_of_several_views(finished: TrainingResult, domain: Path, tmp_path: Path) -> None:
    found = adapt(str(finished.output), domain, tmp_path / "out", progress=False)
    assert list(found.horizons) == ["short_term", "long_term"]
    assert found.model.config.base == "multiview"
    assert len(found.model.config.group_sizes) == 3  # title, c3d, hmp
    check_commands(tmp_path / "out", domain, tmp_path)

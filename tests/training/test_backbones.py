"""Training on a network of transformers, with weights by `videomem convert backbone` or new ones."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel
from typer.testing import CliRunner

from tests.models.test_backbones import SIZES, VJEPA2
from videomem_hf.cli import app
from videomem_hf.models.configuration_spatiotemporal import SpatioTemporalConfig
from videomem_hf.schema import InputError
from videomem_hf.training import TrainingConfig, train
from videomem_hf.training.frozen_maps import check_backbone

SHORT = ("stages.*.epochs=1", "batch_size=8", "evaluation.resamples=50", "model.feature_size=8")


def test_the_recipe_trains_on_a_converted_network(release: Path, frames: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.for_model("dinov2", **SIZES)).save_pretrained(tmp_path / "dinov2")
    network, run = tmp_path / "network", tmp_path / "run"
    said = CliRunner().invoke(
        app, ["convert", "backbone", str(tmp_path / "dinov2"), str(network)], catch_exceptions=False
    )
    assert "dinov2 of transformers. The head of classes was left out" in said.output
    arguments = ["--recipe", "backbone", "--init", str(network), "--data", str(release), "--output", str(run)]
    changes = [f"--set={each}" for each in (*SHORT, f"frame_cache={frames}")]
    CliRunner().invoke(app, ["train", *arguments, *changes], catch_exceptions=False)
    model, begun = AutoModel.from_pretrained(run), AutoModel.from_pretrained(network)
    assert model.config.model_type == "spatiotemporal"
    expected = begun.trunk.state_dict()
    found = model.backbone.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert (run / "results.json").is_file()


@pytest.mark.parametrize(
    ("backbone", "overrides"),
    [
        ("transformers/dinov2", ("processor.size={height: 32, width: 32}",)),
        ("transformers/vjepa2", ("processor.size={height: 32, width: 32}", "processor.segment_length=4")),
    ],
)
def test_a_network_is_trained_from_its_configuration(
    backbone: str, overrides: tuple[str, ...], release: Path, frames: Path, tmp_path: Path
) -> None:
    sizes = SIZES if backbone.endswith("dinov2") else VJEPA2
    config = TrainingConfig.from_recipe(
        "spatiotemporal", data=release, output=tmp_path / "run",
        overrides=(
            *SHORT, f"frame_cache={frames}", "frames_per_clip=1", "augmentation.shift_px=0",
            f"model.backbone={backbone}", f"model.backbone_config={sizes}", *overrides,
        ),
    )  # fmt: skip
    model = AutoModel.from_pretrained(train(config, progress=False).output)
    assert model.config.segment_length == (4 if backbone.endswith("vjepa2") else None)


def test_maps_of_segments_are_not_cached(release: Path, frames: Path, tmp_path: Path) -> None:
    backbone = ("model.backbone=transformers/vjepa2", f"model.backbone_config={VJEPA2}", "init=x")
    config = TrainingConfig.from_recipe(
        "backbone", data=release, output=tmp_path / "run", overrides=(*SHORT, *backbone)
    )
    with pytest.raises(InputError, match="cache_maps is for networks of single frames"):
        check_backbone(config, SpatioTemporalConfig(backbone="transformers/vjepa2", backbone_config=VJEPA2))

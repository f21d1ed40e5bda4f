"""A predictor that a user writes: what it declares is enough for saliency, freezing, and use as a backbone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import CONFIG_MAPPING, MODEL_MAPPING, AutoConfig, AutoModel

from tests.common import PredictorContract
from videomem_hf.inference.saliency import covered_by_cells, saliency_maps, saliency_method
from videomem_hf.models.configuration_memorability import DEFAULT_SCORES, MemorabilityConfig
from videomem_hf.models.configuration_resnet3d import ResNet3DConfig
from videomem_hf.models.configuration_spatiotemporal import SpatioTemporalConfig
from videomem_hf.models.modeling_memorability import FrameMemorabilityModel, MapInfo
from videomem_hf.models.modeling_spatiotemporal import SpatioTemporalModel
from videomem_hf.models.scoring import scores_around_mean
from videomem_hf.protocol.paper import PAPER
from videomem_hf.schema import RELEASED_SCORES, InputError
from videomem_hf.training.frozen_maps import check_backbone
from videomem_hf.training.initial import initial_config


@strict
class PlainConfig(MemorabilityConfig):
    """A convolution of patches, and a linear layer."""

    model_type = "own_plain"
    channels: int = 6


class PlainModel(FrameMemorabilityModel):
    """Declares all that others need."""

    config: PlainConfig
    head_modules = ("head",)
    backbone_module = "patches"
    attribution_layers = ("patches",)

    def __init__(self, config: PlainConfig) -> None:
        super().__init__(config)
        self.map_info = MapInfo(config.channels, stride=8, window=8)
        self.patches = nn.Conv2d(3, config.channels, kernel_size=8, stride=8)
        self.head = nn.Linear(config.channels, len(config.horizons))
        self.post_init()

    def embed_frames(
        self, pixels: torch.Tensor, output_attentions: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Map frames to the mean of their patches."""
        return self.patches(pixels).relu().mean(dim=(2, 3)), None

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        """Map features to scores."""
        return scores_around_mean(self.head(features), self.config.score_means, self.config.score_stds)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    AutoConfig.register("own_plain", PlainConfig, exist_ok=True)
    AutoModel.register(PlainConfig, PlainModel, exist_ok=True)
    yield
    CONFIG_MAPPING._extra_content.pop("own_plain")
    MODEL_MAPPING._extra_content.pop(PlainConfig)


class TestPlain(PredictorContract):
    """The contract holds for it, but for its files: they are of this test."""

    model_class = PlainModel

    def tiny_config(self, **changes: Any) -> PlainConfig:
        return PlainConfig(**changes)

    test_its_files_can_be_shipped_alone = None  # type: ignore[assignment]


def test_it_is_explained_and_frozen() -> None:
    model = TestPlain().model().requires_grad_(False)
    assert saliency_method(model) == "Grad-CAM"
    assert saliency_maps(model, torch.rand(2, 3, 32, 48)).shape[0] == 2
    # 4 whole patches of 8 pixels in 36: the last 4 pixels belong to none
    assert covered_by_cells(model, (36, 48)) == (0.0, 0.0, 1.0, 32 / 36)
    model.freeze_backbone()
    assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == {
        "head.weight",
        "head.bias",
    }


def test_it_lends_its_backbone(tmp_path: Path) -> None:
    frames = TestPlain().model(channels=5)
    frames.save_pretrained(tmp_path / "plain")
    config = initial_config(str(tmp_path / "plain"), "spatiotemporal")
    assert (config.backbone, config.backbone_config) == ("own_plain", {"channels": 5})
    model = SpatioTemporalModel(config).eval()
    model.init_from_pretrained(frames)
    pixels = torch.rand(1, 2, 3, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(model.map_frames(pixels[0]), frames.patches(pixels[0]))
        expected = model(pixel_values_videos=pixels).scores
        model.save_pretrained(tmp_path / "spatiotemporal")
        again = AutoModel.from_pretrained(tmp_path / "spatiotemporal")
        assert torch.equal(again(pixel_values_videos=pixels).scores, expected)
    assert covered_by_cells(model, (36, 48)) == (0.0, 0.0, 1.0, 32 / 36)


def test_a_model_without_maps_of_frames_is_no_backbone() -> None:
    class Recipe:
        recipe, cache_maps, init = "spatiotemporal", False, None

    with pytest.raises(InputError, match="model: ResNet3DModel gives no maps of frames"):
        check_backbone(Recipe(), SpatioTemporalConfig.on(ResNet3DConfig()))  # type: ignore[arg-type]


def test_the_default_score_statistics_are_the_packages() -> None:
    for horizon, (mean, std) in DEFAULT_SCORES.items():
        assert mean == PAPER[f"{horizon}_mean"].value
        assert std == round(RELEASED_SCORES[horizon].std, 3)
        assert mean == pytest.approx(RELEASED_SCORES[horizon].mean, abs=0.001)

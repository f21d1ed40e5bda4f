"""Image and video networks of transformers under the three heads: built from a configuration, without a network."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, AutoModel, CLIPConfig, CLIPModel, ViTImageProcessor

from tests.common import PredictorContract
from videomem_hf.models.checkpoint_files import CheckpointError
from videomem_hf.models.configuration_frame_attention import FrameAttentionConfig
from videomem_hf.models.configuration_semantic_embedding import SemanticEmbeddingConfig
from videomem_hf.models.configuration_spatiotemporal import SpatioTemporalConfig
from videomem_hf.models.convert import convert
from videomem_hf.models.modeling_frame_attention import FrameAttentionModel
from videomem_hf.models.modeling_semantic_embedding import SemanticEmbeddingModel
from videomem_hf.models.modeling_spatiotemporal import SpatioTemporalModel
from videomem_hf.models.trunks import build_trunk

SIZES = {
    "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 48, "patch_size": 8,
    "image_size": 32,
}  # fmt: skip
VJEPA2 = {
    "crop_size": 32, "patch_size": 8, "frames_per_clip": 4, "tubelet_size": 2, "hidden_size": 24,
    "num_attention_heads": 2, "num_hidden_layers": 2, "pred_hidden_size": 12, "pred_num_hidden_layers": 1,
    "pred_num_attention_heads": 2,
}  # fmt: skip
IMAGES: dict[str, dict[str, Any]] = {
    "vit": SIZES,
    "dinov2": SIZES,
    "dinov2_with_registers": SIZES,
    "dinov3_vit": SIZES | {"num_register_tokens": 2},
    "clip_vision_model": SIZES,
    "siglip_vision_model": SIZES,
    "convnext": {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 1, 1], "image_size": 64},
    "swin": {
        "embed_dim": 8,
        "depths": [1, 1],
        "num_heads": [2, 2],
        "window_size": 4,
        "image_size": 32,
        "patch_size": 4,
    },
}
VIDEOS: dict[str, dict[str, Any]] = {
    "vjepa2": VJEPA2,
    "videomae": SIZES | {"num_frames": 4, "tubelet_size": 2},
    "timesformer": SIZES | {"num_frames": 4},
    "vivit": SIZES | {"num_frames": 4, "tubelet_size": [2, 8, 8]},
}


@pytest.mark.parametrize("kind", IMAGES)
def test_maps_of_images(kind: str) -> None:
    torch.manual_seed(0)
    trunk, channels = build_trunk(f"transformers/{kind}", IMAGES[kind])
    trunk.eval()
    peer = AutoModel.from_config(AutoConfig.for_model(kind, **IMAGES[kind])).eval()
    peer.load_state_dict(trunk.model.state_dict(), strict=False)
    side = IMAGES[kind]["image_size"]
    pixels = torch.rand(2, 3, side, side)
    with torch.no_grad():
        maps, expected = trunk(pixels), peer(pixel_values=pixels).last_hidden_state
    assert maps.shape[:2] == (2, channels)
    if expected.ndim == 4:
        assert torch.equal(maps, expected)
    else:
        cells = maps.flatten(2).transpose(1, 2)
        torch.testing.assert_close(cells, expected[:, -cells.shape[1] :])
        assert expected.shape[1] - cells.shape[1] == {"dinov2_with_registers": 5, "dinov3_vit": 3}.get(
            kind, 0 if kind in ("siglip_vision_model", "swin") else 1
        )
    assert all(p.grad is None for p in trunk.parameters())
    trunk(pixels).square().sum().backward()
    assert not [name for name, p in trunk.named_parameters() if p.requires_grad and p.grad is None]


@pytest.mark.parametrize("kind", VIDEOS)
def test_maps_of_segments_are_means_over_time(kind: str) -> None:
    torch.manual_seed(0)
    trunk, channels = build_trunk(f"transformers/{kind}", VIDEOS[kind])
    trunk.eval()
    assert trunk.segment_length == 4
    segments = torch.rand(2, 3, 4, 32, 32)
    argument = trunk.model.main_input_name
    with torch.no_grad():
        maps = trunk(segments)
        options = {"skip_predictor": True} if kind == "vjepa2" else {}
        tokens = trunk.model(**{argument: segments.transpose(1, 2)}, **options).last_hidden_state
    assert maps.shape == (2, channels, 4, 4)
    steps = 4 if kind == "timesformer" else 2
    patches = tokens[:, -16 * steps :]
    grid = (4, 4, steps) if kind == "timesformer" else (steps, 4, 4)
    expected = patches.unflatten(1, grid).mean(dim=3 if kind == "timesformer" else 1).movedim(3, 1)
    torch.testing.assert_close(maps, expected)


def test_frames_of_another_size_where_positions_are_interpolated() -> None:
    for kind in ("vit", "dinov2", "clip_vision_model", "siglip_vision_model", "dinov3_vit"):
        trunk, channels = build_trunk(f"transformers/{kind}", IMAGES[kind])
        assert trunk(torch.rand(1, 3, 48, 64)).shape == (1, channels, 6, 8)


class TestFrameHeadOnDINOv2(PredictorContract):
    """The frame network's attention on a vision transformer."""

    model_class = FrameAttentionModel
    frame_shape = (4, 32, 32)

    def tiny_config(self, **changes: Any) -> FrameAttentionConfig:
        trunk = {"trunk": "transformers/dinov2", "trunk_kwargs": SIZES, "feature_size": 8}
        return FrameAttentionConfig(**(trunk | changes))


class TestSemanticHeadOnSigLIP(PredictorContract):
    """The semantic head on a vision tower."""

    model_class = SemanticEmbeddingModel
    learning_rate = 1e-4
    frame_shape = (3, 32, 32)

    def tiny_config(self, **changes: Any) -> SemanticEmbeddingConfig:
        trunk = {"trunk": "transformers/siglip_vision_model", "trunk_kwargs": SIZES, "attention": True}
        sizes = {"map_size": 20, "pool_size": 3, "embedding_size": 12, "mlp_size": 8}
        return SemanticEmbeddingConfig(**(trunk | sizes | changes))


class TestSemanticHeadOnVideoMAE(TestSemanticHeadOnSigLIP):
    """The same on segments of four frames."""

    frame_shape = (8, 32, 32)

    def tiny_config(self, **changes: Any) -> SemanticEmbeddingConfig:
        trunk = {"trunk": "transformers/videomae", "trunk_kwargs": VIDEOS["videomae"]}
        return super().tiny_config(**(trunk | changes))

    def test_padding_does_not_count(self) -> None:
        model, inputs = self.model(), self.inputs()
        mask = torch.ones(3, 8, dtype=torch.bool)
        mask[1, 4:] = False
        with torch.no_grad():
            padded = model(**inputs, frame_mask=mask)
            shorter = model(pixel_values_videos=inputs["pixel_values_videos"][1:2, :4])
        torch.testing.assert_close(padded.scores[1:2], shorter.scores, atol=1e-5, rtol=0)

    def test_attention_sums_to_one_or_is_refused(self) -> None:
        with torch.no_grad():
            output = self.model()(**self.inputs(), output_attentions=True)
        assert output.attentions.shape == (3, 2, 4, 4)  # one map of each segment


class TestSpatioTemporalOnVJEPA2(PredictorContract):
    """Attention over segments, on a network of videos that is named as `backbone`."""

    model_class = SpatioTemporalModel
    scores_frames = False
    frame_shape = (8, 32, 32)
    backbone: ClassVar[dict[str, Any]] = {"backbone": "transformers/vjepa2", "backbone_config": VJEPA2}

    def tiny_config(self, **changes: Any) -> SpatioTemporalConfig:
        return SpatioTemporalConfig(**(self.backbone | {"feature_size": 8, "temporal_size": 5} | changes))

    def test_attention_sums_to_one_or_is_refused(self) -> None:
        with torch.no_grad():
            output = self.model()(**self.inputs(), output_attentions=True)
        assert output.attentions.shape == (3, 2, 4, 4)
        assert output.temporal_weights.shape == output.frame_scores.shape[:2] == (3, 8)
        torch.testing.assert_close(output.temporal_weights.sum(dim=1), torch.ones(3))
        weighed = (output.frame_scores * output.temporal_weights[..., None]).sum(dim=1)
        torch.testing.assert_close(weighed, output.scores)


def test_a_trunk_is_a_backbone_by_its_name() -> None:
    for name, arguments in (("resnet18", None), ("transformers/dinov2", SIZES), ("timm/test_resnet", None)):
        config = SpatioTemporalConfig(backbone=name, backbone_config=arguments)
        again = SpatioTemporalConfig.from_dict(config.to_dict())
        assert again.frame_config().trunk == name
        assert again.segment_length is None
    with pytest.raises(StrictDataclassError, match="segment_length is the backbone's, 4, got 7"):
        SpatioTemporalConfig(backbone="transformers/vjepa2", backbone_config=VJEPA2, segment_length=7)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("transformers/no_such", {}, "transformers has no network of the type 'no_such'"),
        ("./nowhere/x", {}, r"the configuration of './nowhere/x' cannot be read .* give a folder that holds its"),
        ("transformers/bert", {"num_hidden_layers": 1}, "bert takes input_ids, no frames"),
    ],
)
def test_networks_that_do_not_work_are_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_trunk(name, arguments)


def test_a_folder_of_transformers_becomes_a_model(tmp_path: Path) -> None:
    """Also the vision tower of a network of images and texts, with its own processor."""
    torch.manual_seed(0)
    text = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "vocab_size": 50,
    }
    peer = CLIPModel(CLIPConfig(vision_config=SIZES, text_config=text, projection_dim=8)).eval()
    peer.save_pretrained(tmp_path / "clip")
    ViTImageProcessor(
        size={"height": 32, "width": 32}, image_mean=[0.4, 0.5, 0.6], image_std=[0.2] * 3
    ).save_pretrained(tmp_path / "clip")
    converted = convert("backbone", tmp_path / "clip", horizons=("short_term",))
    assert converted.model.config.trunk == "transformers/clip_vision_model"
    assert str(tmp_path) not in converted.model.config.to_json_string()
    pixels = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = peer.vision_model(pixel_values=pixels).last_hidden_state[:, 1:]
        torch.testing.assert_close(converted.model.trunk(pixels).flatten(2).transpose(1, 2), expected)
    assert list(converted.processor.image_mean) == [0.4, 0.5, 0.6]
    assert (converted.processor.size["height"], converted.processor.size["width"]) == (32, 32)
    converted.model.save_pretrained(tmp_path / "model")
    again = AutoModel.from_pretrained(tmp_path / "model")
    with torch.no_grad():
        assert torch.equal(again(pixels[None]).scores, converted.model(pixels[None]).scores)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"has no config.json"):
        convert("backbone", tmp_path / "empty")

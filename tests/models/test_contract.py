"""Every predictor passes the contract; what is particular to one is tested in a file of its own."""

from typing import Any

import pytest
import torch

from tests.common import BATCH, PredictorContract
from videomem_hf.models.configuration_amnet import AMNetConfig
from videomem_hf.models.configuration_feature_mlp import FeatureMLPConfig
from videomem_hf.models.configuration_memnet import MemNetConfig
from videomem_hf.models.configuration_resmem import ResMemConfig
from videomem_hf.models.configuration_resnet3d import ResNet3DConfig
from videomem_hf.models.configuration_semantic_embedding import SemanticEmbeddingConfig
from videomem_hf.models.configuration_squalli import SqualliConfig
from videomem_hf.models.configuration_vitmem import ViTMemConfig
from videomem_hf.models.modeling_amnet import AMNetModel
from videomem_hf.models.modeling_feature_mlp import FeatureMLPModel
from videomem_hf.models.modeling_memnet import MemNetModel
from videomem_hf.models.modeling_resmem import ResMemModel
from videomem_hf.models.modeling_resnet3d import ResNet3DModel
from videomem_hf.models.modeling_semantic_embedding import SemanticEmbeddingModel
from videomem_hf.models.modeling_squalli import SqualliModel
from videomem_hf.models.modeling_vitmem import ViTMemModel

BOTH = ("short_term", "long_term")


class TestMemNet(PredictorContract):
    """MemNet with narrow layers and frames of 71 pixels."""

    model_class = MemNetModel
    frame_shape = (3, 71, 71)

    def tiny_config(self, **changes: Any) -> MemNetConfig:
        sizes = {"image_size": 71, "crop_size": 67, "conv_channels": [8, 8, 8, 8, 8], "hidden_size": 64}
        return MemNetConfig(**({"horizons": BOTH} | sizes | changes))


class TestResMem(PredictorContract):
    """ResMem with narrow layers and a ResNet of four blocks."""

    model_class = ResMemModel
    learning_rate = 1e-5
    frame_shape = (3, 67, 67)

    def tiny_config(self, **changes: Any) -> ResMemConfig:
        sizes = {
            "image_size": 67,
            "conv_channels": [8, 8, 8, 8, 8],
            "resnet_layers": [1, 1, 1, 1],
            "resnet_classes": 16,
            "hidden_sizes": [64, 32],
        }
        return ResMemConfig(**({"horizons": BOTH} | sizes | changes))


class TestViTMem(PredictorContract):
    """ViTMem with two narrow blocks."""

    model_class = ViTMemModel
    frame_shape = (4, 32, 32)

    def tiny_config(self, **changes: Any) -> ViTMemConfig:
        sizes = {
            "image_size": 32,
            "patch_size": 8,
            "hidden_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "intermediate_size": 48,
        }
        return ViTMemConfig(**({"horizons": BOTH} | sizes | changes))


class TestAMNet(PredictorContract):
    """AMNet with one block a stage and frames of 48 pixels."""

    model_class = AMNetModel
    learning_rate = 1e-5
    frame_shape = (3, 48, 48)

    def tiny_config(self, **changes: Any) -> AMNetConfig:
        sizes = {
            "image_size": 48,
            "resnet_layers": [1, 1, 1],
            "attention_size": 16,
            "lstm_size": 12,
            "regression_size": 10,
        }
        return AMNetConfig(**({"horizons": BOTH} | sizes | changes))


class TestSqualli(PredictorContract):
    """Both streams with a convolution a group."""

    model_class = SqualliModel
    learning_rate = 1e-4
    frame_shape = (4, 64, 64)

    def tiny_config(self, **changes: Any) -> SqualliConfig:
        sizes = {
            "image_size": 64,
            "vgg_layers": [1, 1, 1, 1, 1],
            "vgg_channels": [4, 4, 8, 8, 8],
            "vgg_fc_size": 16,
            "vgg_classes": 12,
            "caption_layers": [1, 1, 1, 1, 1],
            "caption_size": 10,
            "mlp_sizes": [8],
        }
        return SqualliConfig(**(sizes | changes))


class TestSemanticEmbedding(PredictorContract):
    """The embedding on a torchvision trunk of two blocks."""

    model_class = SemanticEmbeddingModel
    learning_rate = 1e-5
    frame_shape = (3, 32, 48)

    def tiny_config(self, **changes: Any) -> SemanticEmbeddingConfig:
        blocks = {"width_mult": 0.1, "inverted_residual_setting": [[1, 8, 1, 2], [2, 8, 1, 2]]}
        trunk = {"trunk": "mobilenet_v2", "trunk_kwargs": blocks}
        sizes = {**trunk, "map_size": 20, "pool_size": 3, "embedding_size": 12, "mlp_size": 8}
        return SemanticEmbeddingConfig(**(sizes | changes))


class TestSemanticEmbeddingWithAttention(TestSemanticEmbedding):
    """The same with the branch of Fig. 7."""

    def tiny_config(self, **changes: Any) -> SemanticEmbeddingConfig:
        return super().tiny_config(**({"attention": True} | changes))


class TestResNet3DShortcutA(PredictorContract):
    """The shallowest network on segments of two frames."""

    model_class = ResNet3DModel
    frame_shape = (4, 32, 32)

    def tiny_config(self, **changes: Any) -> ResNet3DConfig:
        sizes = {"depth": 10, "hidden_sizes": [4, 6, 8, 10], "segment_length": 2}
        return ResNet3DConfig(**(sizes | changes))

    def varied_model(self) -> ResNet3DModel:
        model = self.model()
        torch.nn.init.normal_(model.fc.weight)
        return model


class TestResNet3DShortcutB(TestResNet3DShortcutA):
    """With the shortcut that has parameters."""

    def tiny_config(self, **changes: Any) -> ResNet3DConfig:
        return super().tiny_config(**({"shortcut": "B"} | changes))


class TestFeatureMLP(PredictorContract):
    """Two feature columns joined."""

    model_class = FeatureMLPModel
    scores_frames = False

    def tiny_config(self, **changes: Any) -> FeatureMLPConfig:
        sizes = {"feature_names": ["c3d", "hmp"], "feature_sizes": [11, 7], "hidden_sizes": [10, 10]}
        return FeatureMLPConfig(**(sizes | changes))

    def inputs(self, batch: int = BATCH) -> dict[str, torch.Tensor]:
        return {"features": torch.randn(batch, 18, generator=torch.Generator().manual_seed(1))}


CASES = [
    TestMemNet,
    TestResMem,
    TestViTMem,
    TestAMNet,
    TestSqualli,
    TestSemanticEmbedding,
    TestSemanticEmbeddingWithAttention,
    TestResNet3DShortcutA,
    TestResNet3DShortcutB,
    TestFeatureMLP,
]


@pytest.mark.parametrize("case", CASES[:-1])
def test_features_give_the_scores_that_pixels_gave(case: type[PredictorContract]) -> None:
    """The head can be trained alone on features computed once, and only its parameters are used then."""
    contract = case()
    model, pixels = contract.model(), contract.inputs()["pixel_values_videos"]
    with torch.no_grad():
        expected = model(pixel_values_videos=pixels)
        if isinstance(model, ResNet3DModel):
            segments = pixels.unflatten(1, (2, 2)).transpose(2, 3)
            features = model.embed_frames(segments.flatten(0, 1))[0].unflatten(0, (BATCH, 2))
        else:
            features = model.embed_frames(pixels.flatten(0, 1))[0].unflatten(0, pixels.shape[:2])
    found = model(features=features, labels=contract.labels())
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-6, rtol=0)
    found.loss.backward()
    used = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert used
    assert used == {name for name, _ in model.named_parameters() if name.startswith(tuple(model.head_modules))}


@pytest.mark.parametrize("case", CASES[:-1])
def test_a_frozen_backbone_stays_as_it_is(case: type[PredictorContract]) -> None:
    contract = case()
    model, inputs, labels = contract.model(), contract.inputs(), contract.labels()
    model.freeze_backbone()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model(**inputs, labels=labels).loss.backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all(name.startswith(tuple(model.head_modules)) for name in changed)
    model.freeze_backbone(False)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("case", CASES)
def test_wrong_arguments_are_refused(case: type[PredictorContract]) -> None:
    contract = case()
    model, inputs = contract.model(), contract.inputs()
    with pytest.raises(ValueError, match="labels must be"):
        model(**inputs, labels=torch.zeros(BATCH))
    with pytest.raises(ValueError, match="annotation_counts weigh the loss; they need labels"):
        model(**inputs, annotation_counts=torch.ones(BATCH, 2))
    if isinstance(model, FeatureMLPModel):
        return
    pixels = inputs["pixel_values_videos"]
    with pytest.raises(ValueError, match="either pixel_values_videos or features"):
        model()
    with pytest.raises(
        ValueError, match=r"expected pixel_values_videos \(batch, frames, 3, height, width\), got \(3, "
    ):
        model(pixel_values_videos=pixels[:, :, 0])
    with pytest.raises(ValueError, match="frame_mask must be bool"):
        model(**inputs, frame_mask=torch.ones(pixels.shape[:2]))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_compiles_without_a_break(case: type[PredictorContract]) -> None:
    contract = case()
    model, inputs, labels = contract.model(), contract.inputs(), contract.labels()
    counts = torch.full_like(labels, 20)
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    output = compiled(**inputs, labels=labels, annotation_counts=counts)
    output.loss.backward()
    torch.testing.assert_close(output.scores, model(**inputs).scores)

"""The model with attention over space and time: the contract, its weights over frames, and its backbones."""

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch.nn import functional

from tests.common import BATCH, PredictorContract
from tests.models import test_contract
from tests.models.test_frame_attention import TestFrameAttention as Frames
from videomem_hf.models.configuration_feature_mlp import FeatureMLPConfig
from videomem_hf.models.configuration_spatiotemporal import SHIPPED, SpatioTemporalConfig
from videomem_hf.models.modeling_feature_mlp import FeatureMLPModel
from videomem_hf.models.modeling_memorability import MemorabilityModel
from videomem_hf.models.modeling_spatiotemporal import SpatioTemporalModel, SpatioTemporalOutput

TINY = {"hidden_sizes": [4, 6], "feature_size": 8, "output_stride": 4}
FAMILY = {
    "amnet": test_contract.TestAMNet,
    "frame_attention": Frames,
    "memnet": test_contract.TestMemNet,
    "resmem": test_contract.TestResMem,
    "semantic_embedding": test_contract.TestSemanticEmbedding,
    "squalli": test_contract.TestSqualli,
    "vitmem": test_contract.TestViTMem,
}


def _on_backbone(frames: MemorabilityModel, **changes: Any) -> SpatioTemporalModel:
    """A model initialised from a predictor of frames."""
    model = SpatioTemporalModel(SpatioTemporalConfig.on(frames.config, **changes))
    model.init_from_pretrained(frames)
    return model


def _joint(output: SpatioTemporalOutput) -> torch.Tensor:
    """Each frame's map times its weight."""
    return output.attentions * output.temporal_weights[:, :, None, None]


class TestSpatioTemporal(PredictorContract):
    """Attention over frames, on the tiny trunk."""

    model_class = SpatioTemporalModel
    scores_frames = False  # a clip's score is no plain mean of its frame scores; see below
    temporal: ClassVar[str] = "attention"

    def tiny_config(self, **changes: Any) -> SpatioTemporalConfig:
        sizes = {"backbone_config": TINY, "feature_size": 8, "temporal_size": 5, "temporal": self.temporal}
        return SpatioTemporalConfig(**(sizes | changes))

    def uneven(self, **changes: Any) -> SpatioTemporalModel:
        """The model, with weights over frames that differ as after training."""
        model = self.model(**changes)
        if model.temporal_attention is not None:
            torch.nn.init.normal_(model.temporal_attention.score.weight, std=3.0)
        torch.nn.init.normal_(model.head.weight)
        return model

    def varied_model(self) -> SpatioTemporalModel:
        return self.uneven()

    def test_weights_sum_to_one_over_the_frames_that_are_there(self) -> None:
        mask = torch.tensor([[True] * 4, [True, True, False, False], [False, True, False, True]])
        with torch.no_grad():
            weights = self.uneven()(**self.inputs(), frame_mask=mask).temporal_weights
        torch.testing.assert_close(weights.sum(dim=1), torch.ones(BATCH))
        assert torch.equal(weights > 0, mask)
        assert (weights[0].std() > 1e-3) == (self.temporal != "mean")

    def test_a_clips_score_is_the_weighted_mean_of_its_frame_scores(self) -> None:
        mask = torch.tensor([[True] * 4, [True, True, False, False], [False, True, True, False]])
        with torch.no_grad():
            output = self.uneven()(**self.inputs(), frame_mask=mask, output_attentions=True)
        for clip in range(BATCH):
            kept = mask[clip].nonzero()[:, 0].tolist()
            expected = sum(output.temporal_weights[clip, i] * output.frame_scores[clip, i] for i in kept)
            torch.testing.assert_close(output.scores[clip], expected)
        assert not output.frame_scores[~mask].any()
        assert not output.attentions[~mask].any()
        torch.testing.assert_close(_joint(output).sum(dim=(1, 2, 3)), torch.ones(BATCH))

    def test_padding_changes_nothing_wherever_it_stands(self) -> None:
        model, pixels = self.uneven(), self.inputs(1)["pixel_values_videos"]
        with torch.no_grad():
            alone = model(pixel_values_videos=pixels, output_attentions=True)
            for places in ([0, 1, 2, 3], [2, 3, 4, 5], [0, 2, 3, 6]):
                padded = torch.full((2, 7, *pixels.shape[2:]), torch.nan)
                padded[0], mask = 0.3, torch.zeros(2, 7, dtype=torch.bool)
                mask[0], padded[1, places], mask[1, places] = True, pixels[0], True
                output = model(pixel_values_videos=padded, frame_mask=mask, output_attentions=True)
                torch.testing.assert_close(output.scores[1], alone.scores[0], atol=1e-6, rtol=1e-5)
                for name in ("frame_scores", "temporal_weights", "attentions"):
                    found, expected = getattr(output, name)[1, places], getattr(alone, name)[0]
                    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)

    def test_permuted_frames(self) -> None:
        """Attention sees no order: weights follow their frames, and the score stays. A recurrent block sees it."""
        model, pixels = self.uneven(), self.inputs()["pixel_values_videos"]
        if model.recurrence is not None:
            torch.nn.init.normal_(model.recurrence.projection.weight)
        order = torch.tensor([2, 0, 3, 1])
        with torch.no_grad():
            first, second = model(pixel_values_videos=pixels), model(pixel_values_videos=pixels[:, order])
        follows = torch.allclose(second.temporal_weights, first.temporal_weights[:, order], atol=1e-6)
        assert follows == (self.temporal != "gru")
        assert torch.allclose(second.scores, first.scores, atol=1e-6) == (self.temporal != "gru")

    def test_maps_and_features_give_what_pixels_gave(self) -> None:
        """Those of cached maps are the same to the bit; they train everything but the backbone."""
        model, pixels = self.uneven(), self.inputs()["pixel_values_videos"]
        with torch.no_grad():
            expected = model(pixel_values_videos=pixels, output_attentions=True)
            maps = model.map_frames(pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2])
            features = model.embed_frames(pixels.flatten(0, 1))[0].unflatten(0, pixels.shape[:2])
            assert torch.equal(model(features=features).scores, expected.scores)
        found = model(frame_maps=maps, labels=self.labels(), output_attentions=True)
        assert torch.equal(found.scores, expected.scores)
        assert torch.equal(_joint(found), _joint(expected))
        found.loss.backward()
        used = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
        assert used == {name for name, _ in model.named_parameters() if not name.startswith("backbone.")}
        assert used == {name for name, _ in model.named_parameters() if model.in_head(name)}

    def test_a_frozen_backbone_stays_as_it_is(self) -> None:
        model = self.model()
        model.freeze_backbone()
        model(**self.inputs(), labels=self.labels()).loss.backward()
        trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
        assert trained == {name for name, _ in model.named_parameters() if not name.startswith("backbone.")}


class TestSpatioTemporalGRU(TestSpatioTemporal):
    """A recurrent block before the attention."""

    temporal = "gru"

    def test_the_block_is_torchs_gru_added_to_the_features(self) -> None:
        """Against the recurrence written out (Cho et al., 2014, in torch's arrangement), forwards."""
        model = self.model()
        block, features = model.recurrence, torch.randn(2, 4, 8)
        gru, states, state = block.gru, [], torch.zeros(2, 5)
        with torch.no_grad():
            for t in range(4):
                x = functional.linear(features[:, t], gru.weight_ih_l0, gru.bias_ih_l0).chunk(3, dim=1)
                h = functional.linear(state, gru.weight_hh_l0, gru.bias_hh_l0).chunk(3, dim=1)
                reset, update = (x[0] + h[0]).sigmoid(), (x[1] + h[1]).sigmoid()
                state = update * state + (1 - update) * (x[2] + reset * h[2]).tanh()
                states.append(state)
            block.projection.weight[:, 5:] = 0  # backwards
            expected = features + torch.stack(states, dim=1) @ block.projection.weight[:, :5].T + block.projection.bias
            torch.testing.assert_close(block(features, None), expected)


class TestSpatioTemporalMean(TestSpatioTemporal):
    """All frames alike: the plain frame network."""

    temporal = "mean"
    scores_frames = True

    def test_it_is_the_frame_network(self) -> None:
        frames = Frames().model()
        model = _on_backbone(frames, temporal="mean").eval()
        assert model.config.feature_size == frames.config.feature_size
        mask = torch.tensor([[True] * 4, [True, True, False, False], [True, True, True, False]])
        with torch.no_grad():
            found, expected = (
                each(**self.inputs(), frame_mask=mask, output_attentions=True) for each in (model, frames)
            )
        torch.testing.assert_close(found.scores, expected.scores)
        torch.testing.assert_close(found.frame_scores, expected.frame_scores)
        torch.testing.assert_close(found.attentions, expected.attentions)

    def test_another_head_begins_anew_on_the_same_backbone(self) -> None:
        frames = Frames().model()
        model = _on_backbone(frames, feature_size=5, horizons=["long_term"])
        assert model.head.weight.shape == (1, 5)
        assert torch.equal(model.attention_conv.weight, frames.attention_conv.weight)
        assert all(
            torch.equal(a, b) for a, b in zip(model.backbone.parameters(), frames.trunk.parameters(), strict=True)
        )


class TestSpatioTemporalWithoutSpatial(TestSpatioTemporal):
    """Attention over frames alone."""

    def tiny_config(self, **changes: Any) -> SpatioTemporalConfig:
        return super().tiny_config(**({"spatial_attention": False} | changes))

    test_a_clips_score_is_the_weighted_mean_of_its_frame_scores = None  # type: ignore[assignment]
    test_padding_changes_nothing_wherever_it_stands = None  # type: ignore[assignment]
    test_maps_and_features_give_what_pixels_gave = None  # type: ignore[assignment]

    def test_all_places_count_alike(self) -> None:
        model, pixels = self.uneven(), self.inputs()["pixel_values_videos"]
        with torch.no_grad():
            features = model.embed_frames(pixels[0])[0]
            torch.testing.assert_close(features, model.last_conv(model.map_frames(pixels[0])).mean(dim=(2, 3)))


class TestSpatioTemporalOnMaps(TestSpatioTemporal):
    """Maps of another network, and no backbone."""

    def tiny_config(self, **changes: Any) -> SpatioTemporalConfig:
        none = {"backbone": None, "backbone_config": None, "map_channels": 7}
        return super().tiny_config(**(none | changes))

    def inputs(self, batch: int = BATCH) -> dict[str, torch.Tensor]:
        return {"frame_maps": torch.randn(batch, 4, 7, 5, 6, generator=torch.Generator().manual_seed(1))}

    test_padding_changes_nothing_wherever_it_stands = None  # type: ignore[assignment]
    test_permuted_frames = None  # type: ignore[assignment]
    test_maps_and_features_give_what_pixels_gave = None  # type: ignore[assignment]

    def test_the_scale_of_the_maps_is_not_seen(self) -> None:
        maps = self.inputs()["frame_maps"]
        with torch.no_grad():
            first, second = (self.uneven()(frame_maps=each).scores for each in (maps * 10, maps * 1000 + 50))
        torch.testing.assert_close(first, second, atol=1e-4, rtol=0)

    def test_pixels_are_refused(self) -> None:
        with pytest.raises(ValueError, match="no backbone; give frame_maps"):
            self.model()(pixel_values_videos=torch.zeros(1, 2, 3, 8, 8))
        with pytest.raises(ValueError, match=r"expected frame_maps \(batch, frames, 7, height, width\), got \(1, 2, 6"):
            self.model()(frame_maps=torch.zeros(1, 2, 6, 5, 5))


CASES = [
    TestSpatioTemporal,
    TestSpatioTemporalGRU,
    TestSpatioTemporalMean,
    TestSpatioTemporalWithoutSpatial,
    TestSpatioTemporalOnMaps,
]


@pytest.mark.parametrize("kind", [each.model_type for each in SHIPPED])
def test_every_predictor_of_frames_lends_its_backbone(kind: str) -> None:
    """Its map is what the predictor's own last convolution gives, or takes; its weights are copied, not shared."""
    contract = FAMILY[kind]()
    frames, pixels = contract.model(), contract.inputs()["pixel_values_videos"]
    if kind == "memnet":
        frames.config.crop_size = frames.config.image_size  # one crop: the whole frame
        frames.fc6 = torch.nn.LazyLinear(64)
    model = _on_backbone(frames, feature_size=8, temporal_size=4).eval()
    seen: list[torch.Tensor] = []
    watched = {
        "frame_attention": "trunk", "semantic_embedding": "trunk", "memnet": "conv5", "vitmem": "vit.norm",
    }.get(kind) or frames.attribution_layers[-1]  # fmt: skip
    frames.get_submodule(watched).register_forward_hook(lambda _, __, output: seen.append(output))
    with torch.no_grad():
        frames(pixel_values_videos=pixels)
        maps = model.map_frames(pixels.flatten(0, 1))
        output = model(pixel_values_videos=pixels, output_attentions=True)
    expected = seen[0]
    if kind == "vitmem":
        expected = expected[:, 1:].transpose(1, 2).reshape(maps.shape)
    elif kind == "memnet":
        expected = expected[: len(maps)].relu()
    torch.testing.assert_close(maps, expected)
    assert output.attentions.shape == (*pixels.shape[:2], *maps.shape[-2:])
    own = {parameter.data_ptr() for parameter in model.parameters()}
    assert not own & {parameter.data_ptr() for parameter in frames.parameters()}


@pytest.mark.parametrize("kind", ["memnet", "resmem", "vitmem"])
def test_any_backbone_is_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    contract = FAMILY[kind]()
    model = _on_backbone(contract.model(), feature_size=8, temporal_size=4).eval()
    model.save_pretrained(tmp_path)
    again = SpatioTemporalModel.from_pretrained(tmp_path)
    inputs = contract.inputs()
    with torch.no_grad():
        assert torch.equal(again(**inputs).scores, model(**inputs).scores)
    assert json.loads((tmp_path / "config.json").read_text())["backbone"] == kind
    assert {f"modeling_{kind}.py", "backbones.py"} <= {path.name for path in tmp_path.glob("*.py")}


def test_heads_are_not_carried_along() -> None:
    with torch.device("meta"):
        model = SpatioTemporalModel(SpatioTemporalConfig(backbone="squalli"))
    vgg16 = 14_714_688  # parameters of VGG-16's convolutions (Simonyan and Zisserman, 2015; torchvision)
    assert sum(p.numel() for p in model.backbone.parameters()) == vgg16


def test_attention_learns_which_frames_count() -> None:
    """A clip's score is that of the frames that are marked, one or more; the mean over all cannot tell it."""
    generator = torch.Generator().manual_seed(0)
    quality = torch.rand(256, 5, generator=generator)
    marked = torch.rand(256, 5, generator=generator) < 0.4
    marked[:, 0] |= ~marked.any(dim=1)
    maps = torch.stack([quality, 3.0 * marked, torch.zeros(256, 5)], dim=2)[..., None, None].expand(-1, -1, -1, 2, 2)
    labels = (0.5 + 0.4 * (quality * marked).sum(dim=1) / marked.sum(dim=1))[:, None]
    losses, weights = {}, {}
    for temporal in ("attention", "mean"):
        torch.manual_seed(0)
        config = SpatioTemporalConfig(
            backbone=None, map_channels=3, feature_size=16, temporal=temporal, horizons=["short_term"],
            score_means=[float(labels.mean())], score_stds=[float(labels.std())],
        )  # fmt: skip
        model = SpatioTemporalModel(config)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
        for _ in range(150):
            output = model(frame_maps=maps, labels=labels)
            optimizer.zero_grad()
            output.loss.backward()
            optimizer.step()
        losses[temporal] = output.loss.item()
        weights[temporal] = (output.temporal_weights * marked).sum(dim=1).mean().item()
    assert losses["attention"] < 0.05
    assert losses["mean"] > 0.2
    assert weights["attention"] > 0.9
    assert weights["mean"] == pytest.approx(marked.float().mean().item())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"backbone": "nothing"}, "backbone must be null, amnet, frame_attention, .* or a registered predictor of fr"),
        ({"backbone": "c3d"}, "backbone must be null, amnet, frame_attention, .* or a registered predictor of frames"),
        ({"backbone_config": {"hidden": 3}}, "frame_attention has no field hidden; it has dropout, feature_size"),
        ({"backbone_config": {"output_stride": 5}}, "output_stride must be one of"),
        ({"map_channels": 5}, "map_channels are the backbone's"),
        ({"backbone": None}, "without a backbone map_channels must be 1 or more"),
        ({"backbone": None, "map_channels": 3, "backbone_config": {}}, "backbone_config belongs to a backbone"),
        ({"temporal": "lstm"}, "temporal must be one of attention, gru, mean, got 'lstm'"),
        ({"temporal_size": 0}, "must be at least 1"),
        ({"dropout": 1.0}, "dropout must be from 0 to below 1"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(StrictDataclassError, match=message):
        SpatioTemporalConfig(**wrong)


def test_wrong_input_is_refused() -> None:
    model = TestSpatioTemporal().model()
    pixels = TestSpatioTemporal().inputs()["pixel_values_videos"]
    for given in ({}, {"pixel_values_videos": pixels, "frame_maps": pixels}):
        with pytest.raises(ValueError, match="give either pixel_values_videos or features or frame_maps"):
            model(**given)
    with pytest.raises(ValueError, match="expected pixel_values_videos"):
        model(pixel_values_videos=pixels[:, 0])
    with pytest.raises(ValueError, match="frame_mask must be bool"):
        model(pixel_values_videos=pixels, frame_mask=torch.ones(BATCH, 4))
    with pytest.raises(ValueError, match="gives no maps of frames"):
        FeatureMLPModel(FeatureMLPConfig(feature_names=["c3d"], feature_sizes=[3])).frame_backbone()


def test_dropout_is_wired() -> None:
    inputs = TestSpatioTemporal().inputs()
    with torch.no_grad():
        plain, dropped = (TestSpatioTemporal().model(dropout=p).train()(**inputs).scores for p in (0.0, 0.9))
    assert not np.allclose(plain, dropped)


@pytest.mark.slow
@pytest.mark.parametrize("case", [TestSpatioTemporal, TestSpatioTemporalMean, TestSpatioTemporalWithoutSpatial])
def test_compiles_without_a_break(case: type[TestSpatioTemporal]) -> None:
    contract = case()
    model, inputs, labels = contract.model(), contract.inputs(), contract.labels()
    torch._dynamo.reset()
    output = torch.compile(model, backend="aot_eager", fullgraph=True)(**inputs, labels=labels)
    output.loss.backward()
    torch.testing.assert_close(output.scores, model(**inputs).scores)

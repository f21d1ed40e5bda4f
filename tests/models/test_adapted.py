"""The adapted predictor: the contract on a frame model, and what is particular to the correction."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoModel

from tests.common import BATCH, PredictorContract
from videomem_hf.models.configuration_adapted import AdaptedConfig
from videomem_hf.models.configuration_feature_mlp import FeatureMLPConfig
from videomem_hf.models.configuration_frame_attention import FrameAttentionConfig
from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.models.configuration_spatiotemporal import SpatioTemporalConfig
from videomem_hf.models.modeling_adapted import AdaptedModel, spread_frames

CLIPS, ROWS, SIZE, MAPS = 5, 10, 8, 12
TINY = {"hidden_sizes": [4, 6], "output_stride": 4, "feature_size": SIZE}


def fill_correction(model: AdaptedModel, seed: int = 0) -> AdaptedModel:
    """A correction with a positive definite covariance, as a fit leaves it, for vectors around the model's own."""
    generator = torch.Generator().manual_seed(seed)
    correction = model.correction
    clips, horizons = correction.prior.shape[1], len(correction.amplitude)
    rows = torch.randn(correction.rows.shape, generator=generator) * 0.3
    owner = torch.arange(len(rows)) * clips // len(rows)
    state = {
        "factor": torch.ones(rows.shape[1]), "rows": rows, "owner": owner.float(),
        "share": 1 / torch.bincount(owner)[owner],
        "gammas": torch.full_like(correction.gammas, 0.2), "amplitude": torch.full((horizons,), 0.01),
        "weights": torch.randn(horizons, clips, generator=generator),
        "prior": torch.rand(horizons, clips, generator=generator),
        "centre": torch.full((horizons,), 0.5), "line": torch.tensor([[0.02, -0.3]] * horizons),
        "line_variance": torch.tensor([0.04, 0.25]), "residual": torch.full((horizons,), 0.002),
        "typical_count": torch.full((horizons,), 20.0), "quantiles": torch.tensor([[-1.5, 1.7]] * horizons),
    }  # fmt: skip
    correction.load_state_dict(state | {"root": correction.root})
    kernel = correction.kernels(rows, rows)
    pairs = torch.zeros(clips, len(rows)).index_put((owner, torch.arange(len(rows))), state["share"])
    apart = correction.prior - correction.centre[:, None]
    covariance = pairs @ kernel @ pairs.T + 0.04 + 0.25 * apart[:, :, None] * apart[:, None] + 0.01 * torch.eye(clips)
    correction.root.copy_(torch.linalg.inv(torch.linalg.cholesky(covariance)))
    return model


class TestAdapted(PredictorContract):
    """The frame network with attention, corrected."""

    model_class = AdaptedModel

    def tiny_config(self, **changes: Any) -> AdaptedConfig:
        sizes = {"clips": CLIPS, "rows": ROWS, "group_sizes": [SIZE, MAPS]}
        return AdaptedConfig.on(FrameAttentionConfig(**TINY), **(sizes | changes))

    def model(self, **changes: Any) -> AdaptedModel:
        return fill_correction(super().model(**changes))

    def test_the_correction_is_that_of_a_gaussian_process(self) -> None:
        """Mean and variance by the textbook formula on clips, in float64 NumPy; frames by frames, never by clips."""
        model, inputs = self.model(), self.inputs()
        with torch.no_grad():
            output = model(**inputs)
            base = model.base(**inputs)
            features = model.embed_frames(inputs["pixel_values_videos"].flatten(0, 1))[0].unflatten(0, (BATCH, -1))
        held = {name: each.double().numpy() for name, each in model.correction.named_buffers()}

        def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            return 0.01 * np.exp(-0.2 * ((a[:, None] - b[None]) ** 2).sum(axis=2))

        trained = [held["rows"][held["owner"] == clip] for clip in range(CLIPS)]
        for clip in range(BATCH):
            own = features[clip].double().numpy()
            for h in range(2):
                prior = float(base.scores[clip, h])
                cross = np.array([kernel(own, other).mean() for other in trained])
                mean = prior + 0.02 - 0.3 * (prior - 0.5) + cross @ held["weights"][h]
                assert float(output.scores[clip, h]) == pytest.approx(mean, abs=1e-5)
                apart = held["prior"][h] - 0.5
                among = np.array([[kernel(a, b).mean() for a in trained] for b in trained])
                covariance = among + 0.04 + 0.25 * apart[:, None] * apart + 0.01 * np.eye(CLIPS)
                cross = cross + 0.04 + 0.25 * (prior - 0.5) * apart
                variance = kernel(own, own).mean() + 0.04 + 0.25 * (prior - 0.5) ** 2
                variance -= cross @ np.linalg.solve(covariance, cross)
                sigma = np.sqrt(variance + 0.002 + mean * (1 - mean) / 20)
                ends = np.clip([mean - 1.5 * sigma, mean + 1.7 * sigma], 0, 1)
                np.testing.assert_allclose(output.intervals[clip, h], ends, atol=1e-4)

    def test_more_annotations_make_narrower_intervals(self) -> None:
        model, inputs = self.model(), self.inputs()
        few, many, unknown = (
            model(**inputs, interval_counts=torch.full((BATCH, 2), count)).intervals.diff(dim=-1)
            for count in (5.0, 200.0, float("nan"))
        )
        assert (many < unknown).all()
        assert (unknown < few).all()

    def test_auto_model_loads_it(self, tmp_path: Path) -> None:
        model = self.model()
        model.save_pretrained(tmp_path)
        loaded, found = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
        assert not found["missing_keys"]
        inputs = self.inputs()
        with torch.no_grad():
            torch.testing.assert_close(loaded(**inputs).intervals, model(**inputs).intervals, rtol=0, atol=0)
        assert (tmp_path / "modeling_frame_attention.py").is_file()

    def test_it_has_the_horizons_that_the_data_had(self) -> None:
        model = self.model(horizons=["long_term"])
        with torch.no_grad():
            plain = model.base(**self.inputs()).scores
            model.correction.load_state_dict(
                {name: torch.zeros_like(each) for name, each in model.correction.state_dict().items()}
            )
            torch.testing.assert_close(model(**self.inputs()).scores, plain[:, 1:])


class TestAdaptedSpatioTemporal(TestAdapted):
    """A base that weighs frames: kernels of clips weigh them alike."""

    def tiny_config(self, **changes: Any) -> AdaptedConfig:
        base = SpatioTemporalConfig(backbone_config={"hidden_sizes": [4, 6], "output_stride": 4}, feature_size=SIZE)
        sizes = {"clips": CLIPS, "rows": ROWS, "group_sizes": [SIZE, MAPS]}
        return AdaptedConfig.on(base, **(sizes | changes))

    def test_a_clips_score_is_the_mean_of_its_frame_scores(self) -> None:
        with torch.no_grad():
            output = self.model()(**self.inputs())
        weighed = (output.frame_scores * output.temporal_weights[..., None]).sum(dim=1)
        torch.testing.assert_close(output.scores, weighed)

    def test_the_correction_is_that_of_a_gaussian_process(self) -> None:
        """With one frame per clip nothing is weighed."""
        model, inputs = self.model(), self.inputs()
        one = {"pixel_values_videos": inputs["pixel_values_videos"][:, :1]}
        with torch.no_grad():
            features = model.embed_frames(one["pixel_values_videos"][:, 0])[0]
            assert features.shape == (BATCH, SIZE + MAPS)
            expected = model.correction.correct(features, model.base(**one).scores)
            torch.testing.assert_close(model(**one).scores, expected.clamp(0, 1))


def test_on_features_it_compares_the_last_hidden_units() -> None:
    base = FeatureMLPConfig(feature_names=["c3d"], feature_sizes=[6], hidden_sizes=[4])
    model = fill_correction(AdaptedModel(AdaptedConfig.on(base, clips=CLIPS, rows=CLIPS, group_sizes=[4]))).eval()
    features = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        x = (model.base.layers[0](features)).tanh()
        expected = model.correction.correct(x, model.base(features).scores).clamp(0, 1)
        output = model(features={"c3d": features})
    torch.testing.assert_close(output.scores, expected)
    assert output.intervals.shape == (3, 2, 2)


def test_on_views_a_missing_one_counts_as_none() -> None:
    base = MultiViewConfig(
        view_names=["title", "c3d"], view_sizes=[4, 6], view_roots=[False] * 2, view_units=[True, False],
        view_kernels=["rbf"] * 2, summands=[[0], [1]], patterns=[[0, 1], [0], [1]], anchors=3, components=1,
    )  # fmt: skip
    model = fill_correction(AdaptedModel(AdaptedConfig.on(base, clips=CLIPS, rows=CLIPS, group_sizes=[4, 6]))).eval()
    title = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = model(views={"title": title})
        rows = torch.cat([torch.nn.functional.normalize(title, dim=1), torch.zeros(2, 6)], dim=1)
        expected = model.correction.correct(rows, model.base(views={"title": title}).scores).clamp(0, 1)
    torch.testing.assert_close(output.scores, expected)
    assert output.intervals.shape == (2, 2, 2)


def test_another_base_of_the_same_configuration_is_read_as_its_own() -> None:
    """With the maps of its backbone and its hidden states."""
    model, twin, inputs = TestAdapted().model(), TestAdapted().model(), TestAdapted().inputs()
    base = type(model.base)(model.base.config).eval()
    base.load_state_dict(model.base.state_dict())
    twin.replace_base(base)
    with torch.no_grad():
        expected, found = (each(**inputs, output_hidden_states=True) for each in (model, twin))
    assert torch.equal(found.scores, expected.scores)
    assert all(map(torch.equal, found.hidden_states, expected.hidden_states))
    assert len(found.hidden_states) == len(expected.hidden_states) > 0


def test_fields_of_the_base_are_read_from_its_configuration() -> None:
    base = FeatureMLPConfig(feature_names=["c3d"], feature_sizes=[6], hidden_sizes=[4])
    config = AdaptedConfig.on(base, group_sizes=[4])
    assert config.feature_names == ["c3d"]
    assert config.group_sizes == [4]
    assert not hasattr(config, "view_names")
    with pytest.raises(StrictDataclassError, match="predicts no long_term"):
        AdaptedConfig.on(FrameAttentionConfig(horizons=["short_term"]), horizons=["short_term", "long_term"])


def test_frames_that_are_compared_are_spread_over_those_that_count() -> None:
    rows = torch.arange(10.0).expand(2, 10)[..., None]
    shares = torch.full((2, 10), 0.1)
    shares[1, [0, 3, 4, 5, 6, 7, 9]] = 0
    found, weights = spread_frames(rows, shares / shares.sum(dim=1, keepdim=True), 4)
    assert found[..., 0].tolist() == [[0, 3, 6, 9], [1, 2, 8, 8]]
    torch.testing.assert_close(weights, torch.tensor([[0.25] * 4, [1 / 3] * 3 + [0]]))

"""The multilayer perceptron against scikit-learn's, on the same weights."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from videomem_hf.models.configuration_feature_mlp import FeatureMLPConfig
from videomem_hf.models.modeling_feature_mlp import FeatureMLPModel

MEANS, STDS = np.array([0.859, 0.778]), np.array([0.082, 0.145])


def scores_to_offsets(scores: np.ndarray) -> np.ndarray:
    """Undo the last step by hand: what the last linear layer gave."""
    logit = np.log(scores / (1 - scores)) - np.log(MEANS / (1 - MEANS))
    return logit * MEANS * (1 - MEANS) / STDS


def test_equals_scikit_learn_on_the_same_weights() -> None:
    rng = np.random.default_rng(0)
    raw = rng.gamma(2.0, 3.0, (200, 8)) * rng.uniform(0.01, 100, 8)
    scaler = StandardScaler().fit(raw)
    peer = MLPRegressor(hidden_layer_sizes=(10, 6), activation="tanh", solver="lbfgs", max_iter=20, random_state=0)
    with pytest.warns(ConvergenceWarning):  # any weights will do
        peer.fit(scaler.transform(raw), rng.normal(0, 1, (200, 2)))

    config = FeatureMLPConfig(feature_names=["a", "b"], feature_sizes=[5, 3], hidden_sizes=[10, 6])
    model = FeatureMLPModel(config).double().eval()
    for layer, weight, bias in zip(model.layers, peer.coefs_, peer.intercepts_, strict=True):
        layer.weight.data = torch.from_numpy(weight.T.copy())
        layer.bias.data = torch.from_numpy(bias.copy())
    joined = torch.from_numpy(raw)
    model.standardize_on(joined)
    np.testing.assert_allclose(model.feature_mean, scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(model.feature_std, scaler.scale_, rtol=1e-12)

    new = torch.from_numpy(rng.gamma(2.0, 3.0, (9, 8)) * scaler.scale_)
    with torch.no_grad():
        scores = model(features={"b": new[:, 5:], "unused": new, "a": new[:, :5]}).scores
        assert torch.equal(scores, model(features=new).scores)
    expected = peer.predict(scaler.transform(new.numpy()))
    np.testing.assert_allclose(scores_to_offsets(scores.numpy()), expected, rtol=1e-8, atol=1e-10)


def test_a_number_that_never_varies_is_only_centred() -> None:
    features = torch.rand(50, 3)
    features[:, 1] = 0.3
    model = FeatureMLPModel(FeatureMLPConfig(feature_names=["x"], feature_sizes=[3]))
    model.standardize_on(features)
    assert model.feature_std[1] == 1
    assert model.feature_mean[1] == pytest.approx(0.3)
    expected = StandardScaler().fit(features.double().numpy()).scale_
    np.testing.assert_allclose(model.feature_std, expected, rtol=1e-6)


def test_frame_features_are_flattened() -> None:
    model = FeatureMLPModel(FeatureMLPConfig(feature_names=["lbp"], feature_sizes=[6], hidden_sizes=[4])).eval()
    features = torch.rand(2, 3, 2)
    assert torch.equal(model(features={"lbp": features}).scores, model(features=features.flatten(1)).scores)


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (FeatureMLPConfig(horizons=["short_term"]), 101 * 100 + 100 + 100 + 1),
        (
            FeatureMLPConfig(
                horizons=["short_term"], feature_names=["hmp"], feature_sizes=[6075], hidden_sizes=[10, 10]
            ),
            6075 * 10 + 10 + 10 * 10 + 10 + 10 + 1,
        ),
    ],
    ids=["C3D", "HMP"],
)
def test_the_papers_networks(config: FeatureMLPConfig, parameters: int) -> None:
    assert sum(p.numel() for p in FeatureMLPModel(config).parameters()) == parameters


def test_lbfgs_fits_a_smooth_function() -> None:
    torch.manual_seed(0)
    features = torch.randn(300, 5, dtype=torch.float64)
    labels = (0.8 + 0.08 * torch.tanh(features[:, :1] + features[:, 1:2] ** 2 - 1)).expand(-1, 2)
    config = FeatureMLPConfig(feature_names=["x"], feature_sizes=[5], hidden_sizes=[20], score_means=[0.8, 0.8])
    model = FeatureMLPModel(config).double()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=150, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(features=features, labels=labels).loss
        loss.backward()
        return loss

    optimizer.step(closure)
    scores = model(features=features).scores.detach()
    assert np.corrcoef(scores[:, 0], labels[:, 0])[0, 1] > 0.99


def test_refuses_features_that_do_not_fit() -> None:
    model = FeatureMLPModel(FeatureMLPConfig())
    with pytest.raises(ValueError, match=r"needs the feature 'c3d', got \['hmp'\]"):
        model(features={"hmp": torch.zeros(2, 6075)})
    with pytest.raises(ValueError, match="'c3d' must have 101 numbers per clip, got 487"):
        model(features={"c3d": torch.zeros(2, 487)})
    with pytest.raises(ValueError, match=r"must be \(batch, 101\), got \(2, 3\)"):
        model(features=torch.zeros(2, 3))

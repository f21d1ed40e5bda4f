"""The multi-view model: the contract, missing views, scikit-learn's kernel ridge and Gaussian process as references."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.kernel_ridge import KernelRidge

from tests.common import BATCH, PredictorContract
from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.models.modeling_multiview import MultiViewModel, interval_scale, prepare_view

SIZES = [5, 4, 6]


class TestMultiView(PredictorContract):
    """Two kernels of distances and a linear one, with a product, for all subsets of the first two."""

    model_class = MultiViewModel
    scores_frames = False

    def tiny_config(self, **changes: Any) -> MultiViewConfig:
        sizes = {
            "view_names": ["title", "concepts", "title_words"],
            "view_sizes": SIZES,
            "view_roots": [False, True, True],
            "view_units": [True, False, True],
            "view_kernels": ["rbf", "rbf", "linear"],
            "summands": [[0], [1], [2], [0, 1]],
            "patterns": [[0, 1, 2], [0], [1], [0, 1]],
            "anchors": 7,
            "components": 3,
        }
        return MultiViewConfig(**(sizes | changes))

    def inputs(self, batch: int = BATCH) -> dict[str, torch.Tensor]:
        return {"features": torch.randn(batch, sum(SIZES), generator=torch.Generator().manual_seed(1))}


class TestMultiViewOfLayers(TestMultiView):
    """A view of two layers, a product that counts missing views as typical, and the variance that is explained."""

    def tiny_config(self, **changes: Any) -> MultiViewConfig:
        layers = {
            "view_names": ["title", "concepts"],
            "view_sizes": [10, 5],
            "view_parts": [2, 1],
            "view_roots": [False, True],
            "view_units": [True, False],
            "view_kernels": ["rbf", "rbf"],
            "summands": [[0], [1], [0, 1]],
            "patterns": [[0, 1], [0], [1]],
            "missing_distance": 1.0,
            "inducing": 4,
        }
        return super().tiny_config(**(layers | changes))


@pytest.fixture
def model() -> MultiViewModel:
    return TestMultiView().model()


def test_views_by_name_equal_views_side_by_side(model: MultiViewModel) -> None:
    features = TestMultiView().inputs()["features"]
    title, concepts, words = features.split(SIZES, dim=1)
    with torch.no_grad():
        flat = model(features=features)
        named = model(views={"title_words": words, "title": title, "concepts": concepts, "unknown": words})
    assert torch.equal(flat.scores, named.scores)
    assert torch.equal(flat.intervals, named.intervals)


def test_a_missing_view_has_no_influence_and_is_a_missing_name(model: MultiViewModel) -> None:
    features = TestMultiView().inputs()["features"]
    title, concepts, words = features.split(SIZES, dim=1)
    absent = concepts.clone()
    absent[:, 0] = torch.nan
    with torch.no_grad():
        full = model(features=features).scores
        without = model(views={"title": title, "title_words": words}).scores
        by_nan = model(views={"title": title, "title_words": words, "concepts": absent}).scores
        mixed = model(features=torch.cat([features[:1], torch.cat([title, absent, words], 1)[1:]])).scores
    assert without.isfinite().all()
    assert torch.equal(without, by_nan)
    assert not torch.allclose(without, full)
    torch.testing.assert_close(mixed, torch.cat([full[:1], without[1:]]))


def test_one_component_is_scikit_learns_kernel_ridge() -> None:
    rng = np.random.default_rng(0)
    x, y, new = rng.normal(size=(60, 5)), rng.normal(size=(60, 2)), rng.normal(size=(9, 5))
    gamma, ridge = 0.13, 0.7
    reference = KernelRidge(kernel="rbf", gamma=gamma, alpha=ridge).fit(x, y)
    config = MultiViewConfig(
        view_sizes=[5], view_units=[False], anchors=60, score_means=[0.5, 0.5], score_stds=[0.05, 0.1]
    )
    model = MultiViewModel(config).double().eval()
    model.load_state_dict(
        model.state_dict()
        | {
            "anchors_0": torch.from_numpy(x),
            "gammas": torch.tensor([gamma]),
            "coefficients": torch.from_numpy(reference.dual_coef_),
            "stack": torch.eye(2)[None],
            "intercept": torch.zeros(1, 2),
        }
    )
    with torch.no_grad():
        scores = model(views={"title": torch.from_numpy(new)}).scores.numpy()
    np.testing.assert_allclose((scores - 0.5) / [0.05, 0.1], reference.predict(new), atol=1e-6)


def test_layers_have_kernels_of_their_own_and_products_mean_distances() -> None:
    model = TestMultiViewOfLayers().model()
    model.summand_widths.copy_(torch.tensor([[3.0, 0], [0, 2], [1, 0.5]]))
    rng = np.random.default_rng(0)
    new = [torch.from_numpy(rng.uniform(size=(4, size))).float() for size in (10, 5)]
    present = torch.ones(4, 2, dtype=torch.bool)
    found = model.kernels(new, present, range(3))
    gammas = model.gammas.numpy()
    first, second = ([x[:, :5], x[:, 5:]] for x in (new[0].numpy(), model.anchors_0.numpy()))
    layers = [g * cdist(a, b, "sqeuclidean") for g, a, b in zip(gammas, first, second, strict=False)]
    concepts = gammas[2] * cdist(new[1].numpy(), model.anchors_1.numpy(), "sqeuclidean")
    np.testing.assert_allclose(found[0], np.mean([np.exp(-3 * each) for each in layers], axis=0), atol=1e-6)
    np.testing.assert_allclose(found[1], np.exp(-2 * concepts), atol=1e-6)
    product = np.exp(-np.mean(layers, axis=0) - 0.5 * concepts)
    np.testing.assert_allclose(found[2], product, atol=1e-6)
    present[:, 1] = False
    without = model.kernels(new, present, range(3))
    assert not without[1].any()
    np.testing.assert_allclose(without[2], np.exp(-np.mean(layers, axis=0) - 0.5), atol=1e-6)


def test_a_model_of_the_neural_head_is_refused_and_a_kernel_model_of_before_is_read() -> None:
    old = {"head": "kernel", "hidden_size": 64, "members": 1, "dropout": 0.3, "view_dropout": 0.2}
    config = TestMultiView().tiny_config(**old)
    assert config.parts == [1, 1, 1]
    assert not old.keys() & config.to_dict().keys()
    with pytest.raises(ValueError, match=r"^the neural head of an older version cannot be loaded: train again"):
        TestMultiView().tiny_config(**(old | {"head": "neural"}))


def test_more_annotations_give_narrower_intervals(model: MultiViewModel) -> None:
    model.interval_quantiles.copy_(torch.tensor([-1.0, 1.0]).expand_as(model.interval_quantiles))
    features = TestMultiView().inputs()["features"]
    widths = []
    for count in (10, 1000):
        with torch.no_grad():
            ends = model(features=features, interval_counts=torch.full((BATCH, 2), count)).intervals
        assert ends.min() >= 0
        assert ends.max() <= 1
        widths.append((ends[..., 1] - ends[..., 0]).sum())
    assert widths[0] > 5 * widths[1] > 0


def test_the_scale_of_errors_is_binomial() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.binomial(25, 0.8, 200_000) / 25 + rng.normal(0, 0.05, 200_000)
    scale = interval_scale(torch.tensor(0.8), torch.tensor(25.0), torch.tensor(0.05**2))
    assert float(scale) == pytest.approx(drawn.std(), rel=0.01)


def test_hellingers_map_and_unit_length() -> None:
    values = torch.tensor([[0.0, 4.0, 9.0, -1.0]])
    shift, factor = torch.tensor([0.0, 1.0, 0.0, 0.0]), torch.tensor([1.0, 1.0, 2.0, 1.0])
    assert prepare_view(values, shift, factor, root=True, unit=False).tolist() == [[0.0, 1.0, 6.0, 0.0]]
    assert float(prepare_view(values, shift, factor, root=True, unit=True).norm()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "either views or features"),
        ({"features": torch.zeros(2, 3)}, r"features must be \(batch, 15\), got \(2, 3\)"),
        ({"views": {"hmp": torch.zeros(2, 3)}}, r"one of the views title, concepts, title_words, got \['hmp'\]"),
        ({"views": {"title": torch.zeros(2, 3)}}, "'title' must have 5 numbers per clip, got 3"),
        ({"views": {"title": torch.zeros(2, 5), "concepts": torch.zeros(3, 4)}}, r"one number of clips, got \[2, 3\]"),
        ({"features": torch.full((2, 15), torch.nan)}, "each clip needs one of the views"),
        ({"features": torch.zeros(2, 15), "interval_counts": torch.ones(3, 2)}, r"interval_counts must be \(2, 2\)"),
    ],
)
def test_what_does_not_fit_is_refused(model: MultiViewModel, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(**given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"view_sizes": [3]}, "one value for each"),
        ({"view_kernels": ["rbf", "rbf", "cosine"]}, "view_kernels must be rbf or linear"),
        ({"summands": [[0], [5]]}, "summands must be lists of indices"),
        ({"summands": [[0, 2]]}, "multiply the kernel of a linear view"),
        ({"patterns": [[0]]}, "patterns must start with all views"),
        ({"view_parts": [2, 1, 1]}, "view_parts must divide view_sizes"),
        ({"anchors": 0}, "at least 1"),
    ],
)
def test_configurations_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        TestMultiView().tiny_config(**changes)

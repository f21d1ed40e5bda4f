"""`fit_best` from arrays: gains over single views, coverage, options, errors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.kernel_ridge import KernelRidge
from transformers import AutoModel

from videomem_hf.inference.typicality import Typicality, with_distances, with_summaries
from videomem_hf.multiview import BestFit, FitOptions, fit_best
from videomem_hf.multiview.predict import model_outputs
from videomem_hf.schema import HORIZONS, InputError

TRAIN, TEST = np.arange(600), np.arange(600, 1600)
QUICK = FitOptions(folds=5)
Data = dict[str, Any]


@pytest.fixture(scope="module")
def data() -> Data:
    """Made-up clips: two complementary views, few long-term annotations, and a part that no view explains."""
    rng = np.random.default_rng(0)
    clips = 1600
    title = rng.normal(size=(clips, 12))
    title /= np.linalg.norm(title, axis=1, keepdims=True)
    concepts = rng.beta(1, 4, (clips, 10)) * (rng.uniform(size=(clips, 10)) > 0.5)
    shared = 2 * np.tanh(2 * title[:, 0] + title[:, 1]) + 3 * np.sqrt(concepts[:, 0]) - 3 * np.sqrt(concepts[:, 1])
    drive = (shared - shared.mean()) / shared.std()
    truth = np.stack([0.86 + 0.06 * drive, 0.78 + 0.085 * drive], axis=1)
    truth += rng.normal(size=(clips, 1)) * [0.03, 0.045]
    counts = np.stack([rng.integers(30, 50, clips), rng.integers(9, 20, clips)], axis=1).astype(float)
    scores = rng.binomial(counts.astype(int), np.clip(truth, 0, 1)) / counts
    return {"views": {"title": title, "concepts": concepts}, "scores": scores, "counts": counts}


@pytest.fixture(scope="module")
def fit(data: Data) -> BestFit:
    return fit_best(**data, train=TRAIN, options=QUICK)


def _rows(data: Data, rows: np.ndarray, *names: str) -> dict[str, np.ndarray]:
    return {name: x[rows] for name, x in data["views"].items() if not names or name in names}


def _correlations(fit: BestFit, data: Data, *names: str) -> list[float]:
    scores, _ = fit.predict(_rows(data, TEST, *names))
    return [float(spearmanr(scores[:, h], data["scores"][TEST, h])[0]) for h in (0, 1)]


def test_all_views_are_better_than_each(fit: BestFit, data: Data) -> None:
    both = _correlations(fit, data)
    for name in data["views"]:
        alone = _correlations(fit, data, name)
        assert all(b > a + 0.03 for b, a in zip(both, alone, strict=True))


def test_it_is_better_for_long_term_than_kernel_ridge_that_does_not_borrow(fit: BestFit, data: Data) -> None:
    x = np.concatenate([data["views"]["title"], np.sqrt(data["views"]["concepts"])], axis=1)
    x = (x - x.mean(0)) / x.std(0)
    y = data["scores"][:, 1] - data["scores"][TRAIN, 1].mean()
    models = [KernelRidge(kernel="rbf", gamma=1.5 / 44, alpha=ridge).fit(x[TRAIN], y[TRAIN]) for ridge in (0.5, 2, 8)]
    plain = max(spearmanr(each.predict(x[TEST]), y[TEST])[0] for each in models)
    assert _correlations(fit, data)[1] > plain


def test_held_out_correlations_are_close_to_those_of_new_clips(fit: BestFit, data: Data) -> None:
    assert fit.correlations == pytest.approx(_correlations(fit, data), abs=0.06)
    assert fit.held_out.shape == (len(TRAIN), 2)


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_intervals_cover_new_clips(data: Data, level: float) -> None:
    fit = fit_best(**data, train=TRAIN, options=FitOptions(folds=5, level=level))
    for names in ((), ("title",)):
        _, ends = fit.predict(_rows(data, TEST, *names), data["counts"][TEST])
        inside = (ends[..., 0] <= data["scores"][TEST]) & (data["scores"][TEST] <= ends[..., 1])
        np.testing.assert_allclose(inside.mean(axis=0), level, atol=0.035)


def test_it_is_a_function_of_its_arguments(fit: BestFit, data: Data) -> None:
    again = fit_best(**data, train=TRAIN, options=QUICK).model.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in fit.model.state_dict().items())
    other = fit_best(**data, train=TRAIN, options=FitOptions(folds=5), seed=1).model.state_dict()
    assert not torch.equal(other["interval_quantiles"], again["interval_quantiles"])


def test_clips_outside_the_training_part_have_no_influence(fit: BestFit, data: Data) -> None:
    changed = data | {"scores": np.concatenate([data["scores"][TRAIN], 1 - data["scores"][TEST]])}
    mask = np.zeros(1600, bool)
    mask[TRAIN] = True
    other = fit_best(**changed, train=mask, options=QUICK)
    assert torch.equal(other.model.coefficients, fit.model.coefficients)


def test_the_title_may_have_layers(data: Data) -> None:
    """Of which each tells another part of the scores."""
    x = data["views"]["title"]
    parts = np.stack([np.roll(x, shift, axis=1)[:, :6] for shift in (0, 1)], axis=1)
    fit = fit_best({"title": parts}, data["scores"], data["counts"], train=TRAIN, options=QUICK)
    assert list(fit.model.config.view_parts) == [2]
    scores, _ = fit.predict({"title": parts[TEST]})
    flat, _ = fit.predict({"title": parts[TEST].reshape(len(TEST), -1)})
    np.testing.assert_array_equal(scores, flat)
    assert spearmanr(scores[:, 0], data["scores"][TEST, 0])[0] > 0.3


def test_typical_clips_explain_variance_and_others_do_not(fit: BestFit, data: Data) -> None:
    rng = np.random.default_rng(0)
    near = model_outputs(fit.model, _rows(data, TEST))["explained"]
    assert near.shape == (len(TEST), 3)
    assert ((near > 0) & (near < 1)).all()
    foreign = {"title": rng.normal(size=(50, 12)), "concepts": 30 + rng.uniform(size=(50, 10))}
    far = model_outputs(fit.model, foreign)["explained"]
    assert (far[:, [0, 2]] < np.quantile(near, 0.05, axis=0)[[0, 2]]).all()


def test_odd_clips_are_flagged_and_few_others(fit: BestFit, data: Data) -> None:
    """At 5 %, as a run does: noise, constants, zeros and another scale."""
    rng = np.random.default_rng(0)

    def describe(views: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return with_distances(with_summaries(views), model_outputs(fit.model, views)["explained"], fit.model.config)

    typicality = Typicality.fit(describe(_rows(data, TRAIN)), describe(_rows(data, TEST[:600])))
    assert typicality is not None

    def flagged(views: dict[str, np.ndarray]) -> float:
        described = describe(views)
        count = len(next(iter(views.values())))
        percents = [typicality.percent({name: x[[row]] for name, x in described.items()}) for row in range(count)]
        return float(np.mean([percent is not None and percent <= 5 for percent in percents]))

    new = _rows(data, TEST[600:])
    assert flagged(new) <= 0.08  # 5 % of 400, and chance
    some = _rows(data, TEST[600:660])
    size = some["concepts"].shape
    kinds = {
        "noise": rng.uniform(size=size), "constant": np.full(size, 0.5), "scale": 50 * some["concepts"],
        "zeros": np.zeros(size),
    }  # fmt: skip
    shares = {name: flagged(some | {"concepts": x}) for name, x in kinds.items()}
    assert min(shares.values()) >= 0.95, shares


def test_it_saves_and_loads_with_transformers(fit: BestFit, data: Data, tmp_path: Path) -> None:
    fit.model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    views = {name: torch.from_numpy(x).float() for name, x in _rows(data, TEST[:20]).items()}
    with torch.no_grad():
        output = loaded(views=views)
    scores, intervals = fit.predict(_rows(data, TEST[:20]))
    np.testing.assert_array_equal(output.scores.numpy(), scores.astype(np.float32))
    np.testing.assert_array_equal(output.intervals.numpy(), intervals.astype(np.float32))


def test_a_model_of_before_has_intervals(fit: BestFit, data: Data, tmp_path: Path, caplog: Any) -> None:
    """Without trends and lines: quantiles times the expected error of a typical annotation count."""
    newer = ("count_factors", "interval_trends", "typical_lines")
    state = {name: value for name, value in fit.model.state_dict().items() if name not in newer}
    fit.model.save_pretrained(tmp_path, state_dict=state | {"typical_quantiles": torch.zeros(3, 2, 2)})
    loaded = AutoModel.from_pretrained(tmp_path)
    assert not caplog.records
    scores, intervals = BestFit(loaded, fit.held_out, [], fit.choices).predict(_rows(data, TEST[:20]))
    variance, count = (state[name].numpy() for name in ("noise_variance", "typical_counts"))
    sigma = np.sqrt(variance[0] + scores * (1 - scores) / count)
    expected = scores[..., None] + state["interval_quantiles"][0].numpy() * sigma[..., None]
    np.testing.assert_allclose(intervals, expected.clip(0, 1), atol=1e-5)


def test_clips_may_lack_views_in_training_and_later(data: Data) -> None:
    views = {name: x.copy() for name, x in data["views"].items()}
    views["concepts"][:200] = np.nan
    fit = fit_best(**data | {"views": views}, train=TRAIN, options=QUICK)
    assert min(_correlations(fit, data)) > max(0.3, _correlations(fit, data, "title")[1])
    mixed = _rows(data | {"views": views}, np.arange(190, 210))
    assert np.isfinite(fit.predict(mixed)[0]).all()


def test_scores_of_one_horizon_may_be_missing(data: Data) -> None:
    scores = data["scores"].copy()
    scores[100:400, 1] = np.nan
    fit = fit_best(**data | {"scores": scores}, train=TRAIN, options=QUICK)
    assert min(_correlations(fit, data)) > 0.3
    single = fit_best(data["views"], data["scores"][:, :1], train=TRAIN, horizons=HORIZONS[:1], options=QUICK)
    assert single.predict(_rows(data, TEST))[0].shape == (1000, 1)


def test_landmarks_approximate_all_clips(fit: BestFit, data: Data) -> None:
    few = fit_best(**data, train=TRAIN, options=FitOptions(folds=5, exact_up_to=100, landmarks=200))
    assert few.model.config.anchors == 200
    assert _correlations(few, data) == pytest.approx(_correlations(fit, data), abs=0.05)


def _state(data: Data, **options: Any) -> dict[str, torch.Tensor]:
    quick = {"folds": 3}
    return fit_best(**data, train=TRAIN[:200], options=FitOptions(**(quick | options))).model.state_dict()


@pytest.mark.parametrize(
    ("name", "value"),
    [("folds", 4), ("level", 0.5), ("use_counts", False), ("tune_on", 40), ("exact_up_to", 100)],
)
def test_every_option_matters(data: Data, name: str, value: Any) -> None:
    before, after = _state(data), _state(data, **{name: value})
    same = all(before[key].shape == after[key].shape for key in before)
    assert not same or any(not torch.equal(before[key], after[key]) for key in before)


def test_landmarks_are_as_many_as_asked_for(data: Data) -> None:
    assert [len(_state(data, exact_up_to=100, landmarks=n)["anchors_0"]) for n in (50, 60)] == [50, 60]


def test_counts_give_clips_with_more_annotations_more_weight() -> None:
    """Half of the training scores are coin tosses of one annotation: with counts they matter less."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 4))
    truth = 1 / (1 + np.exp(-1.5 * x[:, 0]))
    counts = np.where(np.arange(900) % 2, 1, 200)
    scores = (rng.binomial(counts, truth) / counts)[:, None]
    gained = {}
    for use_counts in (True, False):
        options = FitOptions(folds=4, use_counts=use_counts)
        fit = fit_best({"x": x}, scores, counts[:, None], train=np.arange(300), horizons=HORIZONS[:1], options=options)
        gained[use_counts] = spearmanr(fit.predict({"x": x[300:]})[0][:, 0], truth[300:])[0]
    assert gained[True] > gained[False] + 0.005


def test_kernels_are_chosen_on_a_part_and_fitted_on_all_clips(data: Data) -> None:
    few, all_clips, default = (
        fit_best(**data, train=TRAIN, options=FitOptions(folds=5, **more))
        for more in ({"tune_on": 100}, {"tune_on": len(TRAIN)}, {})
    )
    assert few.choices.trials[0] != default.choices.trials[0]
    assert few.model.config.anchors == len(few.held_out) == len(TRAIN)
    assert all_clips.choices == default.choices


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "^folds must be at least 2, got 1$"),
        ({"folds": "ten"}, r"^Field 'folds' expected int, got str \(value: 'ten'\)$"),
        ({"level": 1.0}, "^level must be between 0 and 1, got 1.0$"),
        ({"tune_on": 0}, "^tune_on must be at least 1, got 0$"),
    ],
)
def test_wrong_options_are_input_errors(data: Data, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_best(**data, train=TRAIN, options=FitOptions(**options))


def test_many_views_have_models_alone_in_pairs_and_together(data: Data) -> None:
    rng = np.random.default_rng(1)
    more = {f"view{i}": rng.normal(size=(1600, 3)) for i in range(3)}
    views = data["views"] | more
    fit = fit_best(views, data["scores"], data["counts"], train=TRAIN[:200], options=QUICK)
    assert len(fit.model.config.patterns) == 1 + 5 + 10
    three = {name: views[name][TEST] for name in ("title", "concepts", "view0")}
    assert np.isfinite(fit.predict(three)[0]).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"views": {}}, "no view is given"),
        (
            {"views": {"title": np.zeros((3, 4))}},
            r"'title' must be \(1600, size\) or \(1600, parts, size\), got \(3, 4\)",
        ),
        ({"views": {"title": np.full((1600, 2), np.inf)}}, "infinite numbers"),
        ({"scores": np.full((1600, 2), 1.5)}, "scores must lie from 0 to 1, got 1.5 to 1.5"),
        ({"scores": np.zeros((1600, 3))}, r"scores must be \(clips, 2\) for short_term, long_term"),
        ({"counts": np.zeros((5, 2))}, r"counts must be \(1600, 2\) as the scores"),
        ({"train": np.arange(10)}, "10 training clips have a score and a view; at least 20"),
    ],
)
def test_what_cannot_be_fitted_is_refused(data: Data, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_best(**(data | {"train": TRAIN} | changes), options=QUICK)


def test_square_roots_are_standardised_where_that_is_better(data: Data) -> None:
    """A histogram whose rare bins tell more than its frequent ones."""
    rng = np.random.default_rng(0)
    drive = data["scores"][:, 0] - data["scores"][:, 0].mean()
    rare = np.clip(0.001 + 0.006 * drive + 0.0003 * rng.normal(size=1600), 0, None)
    histogram = np.column_stack([rng.uniform(0.1, 0.9, (1600, 8)), rare])
    fit = fit_best({"histogram": histogram}, data["scores"], data["counts"], train=TRAIN, options=QUICK)
    assert fit.choices.standardised == ["histogram"]
    scores, _ = fit.predict({"histogram": histogram[TEST]})
    assert spearmanr(scores[:, 0], data["scores"][TEST, 0])[0] > 0.8
    assert fit_best(**data, train=TRAIN, options=QUICK).choices.standardised == []

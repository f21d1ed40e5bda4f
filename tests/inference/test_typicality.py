"""Clips unlike those of the training are flagged, and few of those that are like them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.clips import write_clip
from tests.inference.test_spatiotemporal import TINY
from videomem_hf.inference import Predictor
from videomem_hf.inference.claims import Claims
from videomem_hf.inference.frame_statistics import FrameStatistics
from videomem_hf.inference.network import for_inference
from videomem_hf.inference.prediction import ATYPICAL_NOTE
from videomem_hf.inference.saliency import score_rows
from videomem_hf.inference.typicality import GaussianFit, Typicality, with_distances, with_summaries
from videomem_hf.models import config_class, model_class
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.schema import InputError


def groups(rng: np.random.Generator, clips: int, shift: float = 0.0) -> dict[str, np.ndarray]:
    mixed = rng.normal(size=(clips, 12)) @ np.random.default_rng(9).normal(size=(12, 12)) + shift
    return {"a": mixed[:, :8], "b": mixed[:, 8:]}


def one(described: dict[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
    return {name: values[row : row + 1] for name, values in described.items()}


def test_distances_are_those_of_scipy() -> None:
    from scipy.spatial.distance import mahalanobis

    rng = np.random.default_rng(0)
    rows, new = (groups(rng, n)["a"] for n in (400, 5))
    inverse = np.linalg.inv(np.cov(rows.T, bias=True))
    expected = [mahalanobis(row, rows.mean(axis=0), inverse) ** 2 for row in new]
    np.testing.assert_allclose(GaussianFit.fit(rows).distances(new), expected, rtol=1e-3)


def test_a_number_that_never_varies_is_ignored() -> None:
    rows = np.column_stack([np.random.default_rng(0).normal(size=50), np.full(50, 3.0)])
    fit = GaussianFit.fit(rows)
    assert fit.distances(np.array([[0.0, 3.0]])) == fit.distances(np.array([[0.0, 99.0]]))


def test_few_clips_like_the_held_out_ones_are_flagged_and_all_others() -> None:
    rng = np.random.default_rng(0)
    typicality = Typicality.fit(groups(rng, 300), groups(rng, 200))
    assert typicality is not None
    new, odd = groups(rng, 400), groups(rng, 20, shift=30.0)
    flagged = [typicality.percent(one(new, i)) <= 5 for i in range(400)]  # type: ignore[operator]
    assert 0.01 <= np.mean(flagged) <= 0.08
    assert all(typicality.percent(one(odd, i)) <= 5 for i in range(20))  # type: ignore[operator]
    with_one = {"b": new["b"][:1], "a": np.full((1, 8), np.nan)}
    assert typicality.percent(with_one) == typicality.percent({"b": new["b"][:1]})
    assert typicality.percent({"c": new["b"][:1]}) is None


def test_features_far_outside_of_the_training_ones_are_flagged() -> None:
    """Also sparse ones, whose rare numbers are far from everything in some held-out clips, and several at once."""

    def features(seed: int, clips: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        histogram = np.where(
            rng.random((clips, 400)) < np.linspace(0.002, 0.5, 400), rng.exponential(size=(clips, 400)), 0
        )
        unit = rng.normal(size=(clips, 16))
        return {
            "histogram": histogram / histogram.sum(axis=1, keepdims=True),
            "unit": unit / np.linalg.norm(unit, axis=1, keepdims=True),
        }

    typicality = Typicality.fit(with_summaries(features(0, 160)), with_summaries(features(1, 38)))
    assert typicality is not None
    clip = one(features(2, 1), 0)
    assert typicality.percent(with_summaries(clip)) > 5  # type: ignore[operator]
    for factor in (0, 0.1, 10):
        for changed in (["histogram"], ["unit"], ["histogram", "unit"]):
            odd = clip | {name: clip[name] * factor for name in changed}
            assert typicality.percent(with_summaries(odd)) <= 5, (factor, changed)  # type: ignore[operator]
    new = features(3, 200)
    flagged = [typicality.percent(with_summaries(one(new, i))) <= 5 for i in range(200)]  # type: ignore[operator]
    assert np.mean(flagged) <= 0.1


def test_one_number_everywhere_is_flagged_although_it_is_near_the_mean() -> None:
    """Of sparse scores; also where the other views are as usual. New clips are flagged in one of twenty cases."""

    def views(seed: int, clips: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        scores = np.where(rng.random((clips, 80)) < 0.2, rng.random((clips, 80)), 0)
        return {"concepts": scores, "title": rng.normal(size=(clips, 24))}

    typicality = Typicality.fit(with_summaries(views(0, 500)), with_summaries(views(1, 400)))
    assert typicality is not None
    new = views(2, 400)
    constant = new | {"concepts": np.full((400, 80), new["concepts"].mean())}
    shares = []
    for kind in (new, constant):
        described = with_summaries(kind)
        shares.append(np.mean([typicality.percent(one(described, i)) <= 5 for i in range(400)]))  # type: ignore[operator]
    assert shares[0] <= 0.08  # 5 % and chance
    assert shares[1] >= 0.95


def test_a_model_of_before_compares_what_it_knows() -> None:
    """Its file has no shapes of vectors: those of new clips are left out."""
    rng = np.random.default_rng(0)
    typicality = Typicality.fit(groups(rng, 60), groups(rng, 30))
    assert typicality is not None
    clip = groups(rng, 1)
    assert set(with_summaries(clip)) > set(clip)
    assert typicality.percent(with_summaries(clip)) == typicality.percent(clip)


@pytest.mark.parametrize("held_out", [19, 25])
def test_a_clip_far_off_in_one_group_is_flagged_with_few_held_out_clips(held_out: int) -> None:
    """Of two groups one other clip is the furthest in the other: the sum of ranks decides between them."""
    flagged = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        typicality = Typicality.fit(groups(rng, 60), groups(rng, held_out))
        assert typicality is not None
        clip = groups(rng, 1)
        flagged.append(typicality.percent(clip | {"a": clip["a"] + 1000}) <= 5)  # type: ignore[operator]
    assert np.mean(flagged) > 0.2


def test_with_too_few_clips_there_is_none() -> None:
    rng = np.random.default_rng(0)
    assert Typicality.fit(groups(rng, 300), groups(rng, 18)) is None
    assert Typicality.fit(groups(rng, 9), groups(rng, 200)) is None


def test_it_is_saved_without_loss(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    typicality = Typicality.fit(groups(rng, 60), groups(rng, 30))
    assert typicality is not None
    typicality.save(tmp_path / "typicality.safetensors")
    loaded = Typicality.load(tmp_path / "typicality.safetensors")
    new = groups(rng, 5)
    assert list(loaded.fits) == ["a", "b"]
    assert [loaded.percent(one(new, i)) for i in range(5)] == [typicality.percent(one(new, i)) for i in range(5)]
    (tmp_path / "typicality.safetensors").write_bytes(b"no")
    with pytest.raises(InputError, match="is damaged"):
        Typicality.load(tmp_path / "typicality.safetensors")


def hooks_of(model: torch.nn.Module) -> int:
    """How many hooks a network has; some are its own."""
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def test_input_is_described_by_its_pixels() -> None:
    model = model_class("frame_attention")(config_class("frame_attention")())
    before = hooks_of(model)
    statistics = FrameStatistics(model)
    assert hooks_of(model) > before
    noise = torch.randn(2, 1, 3, 54, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        score_rows(model, noise)
    described = statistics.describe(noise)
    assert set(described) == {"input", "levels", "last"}
    np.testing.assert_allclose(described["input"][:, :3], noise[:, 0].mean(dim=(2, 3)), atol=1e-6)
    np.testing.assert_allclose(described["input"][:, 3:6], noise[:, 0].flatten(2).std(dim=2).log(), atol=1e-3)
    # Differences of the mean of three independent colours, and of a normal variable the mean size.
    np.testing.assert_allclose(described["input"][:, 6], np.log(np.sqrt(2 / 3)), atol=0.03)
    np.testing.assert_allclose(described["input"][:, 7], np.log(np.sqrt(2 / np.pi)), atol=0.03)
    assert described["last"].shape == (2, 2 * model.config.feature_size)
    statistics.close()
    assert hooks_of(model) == before


KINDS = {
    "frame_attention": ({}, 1),
    "spatiotemporal": ({"backbone_config": TINY, "feature_size": 8}, 1),
    "resnet3d": ({"depth": 18, "hidden_sizes": (4, 4, 4, 4), "segment_length": 2}, 2),
}


def test_predictors_of_one_network_share_its_hooks() -> None:
    model = model_class("frame_attention")(config_class("frame_attention")())
    rng = np.random.default_rng(0)
    claims = Claims(typicality=Typicality.fit(groups(rng, 60), groups(rng, 30)))
    processor = MemorabilityVideoProcessor(size={"height": 32, "width": 48})
    before, hooks = hooks_of(model), []
    for _ in range(3):
        Predictor(model, processor, "tiny", "cpu", claims)
        hooks.append(hooks_of(model) - before)
    assert hooks == [1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_is_described_in_its_own_pass(kind: str) -> None:
    """Prepared for inference, in bfloat16 and with maps a clip is as typical as in the network that was trained."""
    torch.manual_seed(0)
    fields, length = KINDS[kind]
    model = model_class(kind)(config_class(kind)(**fields)).eval()
    processor = MemorabilityVideoProcessor(size={"height": 32, "width": 48}, segment_length=length)
    rng = np.random.default_rng(0)

    def frames(sd: float) -> np.ndarray:
        coarse = rng.normal(128, sd, (2, 4, 6, 3)).clip(0, 255)
        return np.kron(coarse, np.ones((1, 8, 8, 1))).astype(np.uint8)

    statistics = FrameStatistics(model)

    def describe(clips: list[np.ndarray]) -> dict[str, np.ndarray]:
        found = []
        for clip in clips:
            pixels = processor(videos=[clip], return_tensors="pt")["pixel_values_videos"][0]
            segments = pixels.unflatten(0, (-1, length))
            with torch.no_grad():
                score_rows(model, segments)
            found.append({k: v.mean(dim=0).numpy() for k, v in statistics.describe(segments).items()})
        return {name: np.stack([each[name] for each in found]) for name in found[0]}

    typicality = Typicality.fit(describe([frames(30) for _ in range(60)]), describe([frames(30) for _ in range(40)]))
    statistics.close()
    assert typicality is not None
    usual, noise = frames(30), rng.integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    expected = typicality.percent(describe_once(model, processor, usual, length))
    predictor = Predictor(for_inference(model, "cpu"), processor, "tiny", "cpu", Claims(typicality=typicality))
    for maps in (False, True):
        found = predictor.predict(usual, maps=maps)
        assert found.typicality == pytest.approx(expected, abs=3)
        assert not found.atypical
        odd = predictor.predict(noise, maps=maps)
        assert odd.atypical
        assert odd.notes[0] == ATYPICAL_NOTE
        assert odd.to_dict()["atypical"] is True
    halved = Predictor(model.to(torch.bfloat16), processor, "tiny", "cpu", Claims(typicality=typicality))
    assert halved.predict(usual).typicality == pytest.approx(expected, abs=15)
    assert halved.predict(noise).atypical


def describe_once(model, processor, clip, length):  # type: ignore[no-untyped-def]
    statistics = FrameStatistics(model)
    segments = processor(videos=[clip], return_tensors="pt")["pixel_values_videos"][0].unflatten(0, (-1, length))
    with torch.no_grad():
        score_rows(model, segments)
    found = {name: values.mean(dim=0, keepdim=True).numpy() for name, values in statistics.describe(segments).items()}
    statistics.close()
    return found


def test_clips_of_one_batch_are_described_apart(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = model_class("frame_attention")(config_class("frame_attention")())
    processor = MemorabilityVideoProcessor(size={"height": 32, "width": 48})
    rng = np.random.default_rng(0)
    described = {"input": rng.normal(size=(60, 22)), "last": rng.normal(size=(60, 192))}
    predictor = Predictor(model, processor, "tiny", "cpu", Claims(typicality=Typicality.fit(described, described)))
    seen: list[dict[str, np.ndarray]] = []
    predictor.with_claims = lambda prediction, described: seen.append(described) or prediction  # type: ignore[method-assign,func-returns-value,assignment]
    paths = [
        write_clip(tmp_path / f"{level}.webm", [np.full((32, 48, 3), level, np.uint8)] * 3, fps=1)
        for level in (40, 200)
    ]
    list(predictor.predict_many(paths))
    predictor.predict(paths[1])
    assert seen[0]["input"][0, 0] < seen[1]["input"][0, 0]
    np.testing.assert_allclose(seen[1]["input"], seen[2]["input"], atol=1e-5)


def test_a_distance_by_a_gaussian_process_counts_only_where_it_is_large(tmp_path: Path) -> None:
    """What the training clips explain of a clip: less than of all held-out clips is odd, more is not."""
    rng = np.random.default_rng(0)
    config = config_class("multiview")(
        view_names=["a", "b"], view_sizes=[2, 2], view_roots=[False] * 2, view_units=[False] * 2,
        view_kernels=["rbf"] * 2, summands=[[0], [1]], patterns=[[0, 1], [0], [1]], inducing=1,
    )  # fmt: skip
    explained = rng.uniform(0.2, 0.6, (240, 3))
    described = with_distances({}, explained, config)
    assert list(described) == ["distance by a + b", "distance by a", "distance by b"]
    halves = ({name: rows[part] for name, rows in described.items()} for part in (slice(40), slice(40, None)))
    fitted = Typicality.fit(*halves)
    assert fitted is not None
    fitted.save(tmp_path / "typicality.safetensors")
    found = Typicality.load(tmp_path / "typicality.safetensors")
    typical, near, odd, unknown = ([0.4, 0.4, 0.4], [0.99, 0.99, 0.99], [0.4, 0.01, 0.4], [np.nan, 0.01, np.nan])
    percents = [found.percent(with_distances({}, np.array([each]), config)) for each in (typical, near, odd, unknown)]
    assert percents[0] is not None
    assert percents[0] > 20
    assert percents[1] == 100
    assert percents[2] == percents[3] == pytest.approx(100 / 201)
    assert found.percent(with_distances({}, np.zeros((1, 3)), config)) == pytest.approx(100 / 201)

"""Adaptation to a new domain: the process against brute force, and the way from a folder to a model."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import videomem_hf
from videomem_hf.cli import app
from videomem_hf.inference import load_predictor
from videomem_hf.models.configuration_frame_attention import FrameAttentionConfig
from videomem_hf.models.modeling_frame_attention import FrameAttentionModel
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.multiview import adapt_data, adapt_process
from videomem_hf.multiview.adapt import LEFT_OUT_FILE, adapt, warning_of
from videomem_hf.multiview.adapt_card import result_lines
from videomem_hf.multiview.adapt_clips import ClipRows, Measured, inverse_counts
from videomem_hf.multiview.adapt_process import HyperParameters, Kernel
from videomem_hf.multiview.adapt_support import HorizonResult, measure_support
from videomem_hf.run_files import read_predictions
from videomem_hf.schema import InputError
from videomem_hf.statistics import Comparison, Interval

CLIPS = 40


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with random weights, saved with its processor."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("base") / "model"
    model = FrameAttentionModel(FrameAttentionConfig(hidden_sizes=[4, 6], output_stride=4, feature_size=8))
    torch.nn.init.normal_(model.head.weight, std=0.1)
    model.save_pretrained(folder)
    MemorabilityVideoProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def write_photos(folder: Path, scores: np.ndarray, header: str = "image,short_term,short_term_annotations") -> Path:
    """Photos of which the redder are those with the higher of `linspace`; scores and counts are given by row."""
    (folder / "photos").mkdir(parents=True)
    lines = [header]
    for number, score in enumerate(scores):
        red = int(255 * number / (len(scores) - 1))
        Image.new("RGB", (16, 16), (red, 90, 255 - red)).save(folder / "photos" / f"p{number}.png")
        lines.append(f"p{number}.png,{score:.4f}" + ",20" * (header.count(",") - 1))
    (folder / "scores.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos whose scores follow their colour, up and down, which the base model's do not."""
    noise = np.random.default_rng(0).normal(0, 0.03, CLIPS)
    scores = 0.65 + 0.2 * np.cos(np.linspace(0, 2 * np.pi, CLIPS)) + noise
    return write_photos(tmp_path_factory.mktemp("data") / "museum", scores)


@pytest.fixture(scope="module")
def adapted(base: Path, museum: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adapted") / "model"
    found = CliRunner().invoke(app, ["adapt", str(base), "--data", str(museum), "--out", str(out)])
    assert found.exit_code == 0, found.output
    assert "short-term: 40 clips, median 20 annotations" in found.output
    assert "The data have no long-term scores: the adapted model predicts none." in found.output
    assert "Do not trust" not in found.output
    assert "Clips that were left out support it" in found.output
    assert f"Written: {out}" in found.output
    return out


def made_up(clips: int = 12, seed: int = 0) -> tuple[ClipRows, Measured]:
    generator = np.random.default_rng(seed)
    owner = np.repeat(np.arange(clips), 2)
    rows = ClipRows(generator.normal(size=(2 * clips, 3)).astype(np.float32), owner, np.full(2 * clips, 0.5), (1, 2))
    prior = generator.uniform(0.5, 0.9, (clips, 2))
    scores = np.clip(prior + generator.normal(0, 0.1, clips)[:, None] + generator.normal(0, 0.02, (clips, 2)), 0, 1)
    scores[2, 1] = np.nan
    inverse = np.where(np.arange(clips) % 3, 1 / 20, 0.0)
    return rows, Measured(prior, scores, np.column_stack([inverse, inverse]))


def test_left_out_clips_are_predicted_from_those_of_the_other_tenths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against conditioning the joint normal distribution, written out pair by pair."""
    rows, data = made_up()
    hyper = HyperParameters(np.array([0.02, 0.03]), np.array([0.7, 0.3]), 0.6, np.array([0.004, 0.006]))
    trends = data.trends()
    monkeypatch.setattr(adapt_process, "fit_hyper_parameters", lambda *_: hyper)
    monkeypatch.setattr(Measured, "trends", lambda _: trends)
    found = adapt_process.predict_left_out(Kernel(rows), data)
    x = rows.rows.astype(np.float64).reshape(12, 2, 3)
    kernel = np.array([[np.mean([
        np.exp(-0.7 * (a[0] - b[0]) ** 2 - 0.3 * ((a[1:] - b[1:]) ** 2).sum()) for a in first for b in second
    ]) for second in x] for first in x])  # fmt: skip
    noise = data.noise(trends)
    pairs = [(clip, h) for clip in range(12) for h in range(2) if np.isfinite(data.scores[clip, h])]
    assert len(pairs) == 23

    def joint(one: tuple[int, int], other: tuple[int, int]) -> float:
        (i, g), (j, h) = one, other
        process = kernel[i, j] * np.sqrt(hyper.amplitude[g] * hyper.amplitude[h])
        if g != h:
            return 0.6 * float(process)
        centre = data.prior[np.isfinite(data.scores[:, h]), h].mean()
        return float(process + 0.2**2 + 0.5**2 * (data.prior[i, h] - centre) * (data.prior[j, h] - centre))

    for h in range(2):
        here = np.flatnonzero(np.isfinite(data.scores[:, h]))
        folds = dict(zip(here, adapt_process.balanced_folds(data.scores[here, h]), strict=True))
        assert sorted(np.bincount(list(folds.values()))) == sorted([1] * 8 + [2] * 2 if h == 0 else [1] * 9 + [2])
        for position, clip in enumerate(here):
            mean, variance = [], []
            others = [p for p in pairs if folds.get(p[0]) != folds[clip]]
            for rest in (others, [p for p in others if p[1] == h]):
                among = np.array([[joint(p, q) for q in rest] for p in rest])
                among += np.diag([noise[p] + hyper.residual[p[1]] for p in rest])
                across = np.array([joint((clip, h), p) for p in rest])
                apart = np.array([data.scores[p] - data.prior[p] for p in rest])
                mean.append(data.prior[clip, h] + across @ np.linalg.solve(among, apart))
                variance.append(joint((clip, h), (clip, h)) - across @ np.linalg.solve(among, across))
            # The mean takes all horizons, the variance its own alone.
            assert found[h].predicted[position] == pytest.approx(np.clip(mean[0], 0, 1), abs=1e-6)
            assert found[h].variance[position] == pytest.approx(variance[1], abs=1e-6)


def test_a_clip_that_is_left_out_has_no_influence_on_its_prediction() -> None:
    rows, data = made_up(30)
    before = adapt_process.predict_left_out(Kernel(rows), data)
    for h, clip in enumerate(np.nanargmax(data.scores, axis=0)):
        scores = data.scores.copy()
        scores[clip, h] = 1.0  # a higher best score leaves the order of the scores, and so the tenths
        after = adapt_process.predict_left_out(Kernel(rows), replace(data, scores=scores))
        position = clip - int(h == 1 and clip > 2)  # the third clip has no score of the second horizon
        for name in ("predicted", "variance", "residual"):
            one, other = (getattr(each[h], name)[position] for each in (before, after))
            assert other == pytest.approx(one, abs=1e-9)


def test_predictions_of_nothing_do_not_follow_the_scores_the_wrong_way() -> None:
    """Of scores that nothing predicts, plain leave-one-out predictions have a correlation near -1."""
    generator = np.random.default_rng(0)
    found = []
    for seed in range(6):
        rows, _ = made_up(40, seed)
        scores = generator.normal(0.7, 0.1, (40, 1)).clip(0, 1)
        data = Measured(np.full((40, 1), 0.6), scores, np.full((40, 1), 1 / 20))
        predicted = adapt_process.predict_left_out(Kernel(rows), data)[0].predicted
        found.append(np.corrcoef(predicted, scores[:, 0])[0, 1])
    assert np.mean(found) > -0.25


def test_a_process_with_given_hyper_parameters_conditions_on_all_scores() -> None:
    rows, data = made_up()
    kernel = Kernel(rows)
    given = [
        HyperParameters(np.array([0.02, 0.03]), np.array([0.7, 0.3]) * scale, 0.6, np.array([0.004, 0.006]))
        for scale in (1.0, 2.0)
    ]
    at_clips = []
    for hyper in given:
        process = adapt_process.fit_process(kernel, data, hyper)
        similar = kernel(torch.from_numpy(hyper.gammas)).numpy()
        apart = data.prior - np.array([each.centre for each in process.trends])
        found = (hyper.amplitude[:, None] * process.weights @ similar).T
        found = found + process.line[:, 0] + process.line[:, 1] * apart
        whole = adapt_process.covariance(
            kernel(torch.from_numpy(hyper.gammas)), data, process.trends, torch.from_numpy(hyper.amplitude),
            torch.tensor(hyper.shared), torch.from_numpy(hyper.residual),
        ).numpy()  # fmt: skip
        horizon, clip = data.pairs
        own = np.diag(data.noise(process.trends)[clip, horizon] + hyper.residual[horizon])
        np.testing.assert_allclose(found[clip, horizon], (whole - own) @ np.linalg.solve(whole, data.apart), atol=1e-3)
        at_clips.append(found[clip, horizon])
    assert abs(at_clips[0] - at_clips[1]).max() > 2e-3


def test_hyper_parameters_follow_the_data() -> None:
    """Scores that depend on the first group alone: its scale grows above the other's; noise goes to the residual."""
    generator = np.random.default_rng(1)
    matrix = generator.normal(size=(150, 4)).astype(np.float32)
    rows = ClipRows(matrix, np.arange(150), np.ones(150), (2, 2))
    wave = 0.1 * np.sin(1.5 * matrix[:, 0])
    prior, unknown = np.full((150, 2), 0.7), np.zeros((150, 2))
    noise = generator.normal(0, 0.03, (150, 2))
    alike = Measured(prior, 0.7 + wave[:, None] + noise, unknown)
    hyper = adapt_process.fit_hyper_parameters(Kernel(rows), alike, np.arange(150))
    assert hyper.gammas[0] > 3 * hyper.gammas[1]
    assert (hyper.residual**0.5 > 0.02).all()
    assert (hyper.residual**0.5 < 0.05).all()
    assert hyper.shared > 0.8
    other = np.column_stack([wave, 0.1 * np.sin(1.5 * matrix[:, 1] + 1)])
    apart = adapt_process.fit_hyper_parameters(
        Kernel(rows), Measured(prior, 0.7 + other + noise, unknown), np.arange(150)
    )
    assert apart.shared < 0.5
    chance = Measured(prior[:, :1], 0.7 + generator.normal(0, 0.1, (150, 1)), unknown[:, :1])
    assert 0.07 < adapt_process.fit_hyper_parameters(Kernel(rows), chance, np.arange(150)).residual[0] ** 0.5 < 0.12


def test_the_saved_model_predicts_as_left_out_clips_were(adapted: Path, museum: Path) -> None:
    """Its prediction of a training photo lies between the measured score and the one without that photo."""
    ids, columns = read_predictions(adapted / LEFT_OUT_FILE)
    assert len(ids) == CLIPS
    measured, left_out = columns["short_term"], columns["short_term_model"]
    assert np.corrcoef(left_out, measured)[0, 1] > 0.7
    predictor = load_predictor(str(adapted))
    now = np.array([predictor.predict(museum / "photos" / f"{each}.png").scores["short_term"] for each in ids[:8]])
    residual = np.abs(now - measured[:8])
    assert (residual <= np.abs(left_out[:8] - measured[:8]) + 1e-3).all()


def test_a_prediction_has_interval_percentile_and_typicality(adapted: Path, museum: Path, tmp_path: Path) -> None:
    known = videomem_hf.predict(museum / "photos/p20.png", model=str(adapted))
    low, high = known.intervals["short_term"]
    assert 0 < low < known.scores["short_term"] < high < 1
    assert known.interval_level == 0.9
    assert known.reference.among == 'of 40 held-out clips of the data "museum"'
    assert not known.atypical
    assert known.notes == ()
    assert set(known.scores) == {"short_term"}
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "odd.png")
    odd = videomem_hf.predict(tmp_path / "odd.png", model=str(adapted))
    assert odd.atypical


def test_it_is_not_evaluated_on_the_clips_that_it_was_adapted_on(adapted: Path, museum: Path) -> None:
    found = CliRunner().invoke(app, ["evaluate", str(adapted), "--data", str(museum)])
    assert isinstance(found.exception, InputError)
    assert "was trained on" in str(found.exception)


def test_evaluation_has_the_intervals_of_the_process(adapted: Path, museum: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    command = ["evaluate", str(adapted), "--data", str(museum), "--allow-training-clips", "--csv", str(out)]
    found = CliRunner().invoke(app, command, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    ids, columns = read_predictions(out)
    predictor = load_predictor(str(adapted))
    assert ids
    for row, name in enumerate(ids[:3]):
        prediction = predictor.predict(museum / "photos" / f"{name}.png")
        assert columns["short_term_model"][row] == pytest.approx(prediction.scores["short_term"], abs=1e-4)
        assert columns["short_term_low"][row] == pytest.approx(prediction.intervals["short_term"][0], abs=1e-4)


def test_the_card_says_from_what_to_what(adapted: Path) -> None:
    card = (adapted / "README.md").read_text("utf-8")
    assert "# `model`, adapted to `museum`" in card
    assert "| short-term | 40 | 20 |" in card
    assert "| yes |" in card
    assert "The data have no long-term scores" in card
    results = json.loads((adapted / "results.json").read_text())
    assert results["left_out"]["short_term"]["supported"] is True
    assert 0.75 < results["left_out"]["short_term"]["coverage"] <= 1


def test_it_is_pushed_with_the_code_of_its_base(adapted: Path, tmp_path: Path) -> None:
    from videomem_hf.hub.shipments import model_shipment

    shipped = model_shipment(adapted, "me/model").files
    needed = {"model.safetensors", "modeling_adapted.py", "modeling_frame_attention.py", "reference.json"}
    assert needed <= set(shipped)
    assert LEFT_OUT_FILE not in shipped  # measured scores stay here


def test_scores_by_chance_are_not_to_be_trusted(base: Path, tmp_path: Path) -> None:
    scores = np.random.default_rng(3).uniform(0.4, 0.9, CLIPS)
    data = write_photos(tmp_path / "chance", scores, "image,short_term")
    found = CliRunner().invoke(app, ["adapt", str(base), "--data", str(data), "--out", str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    assert re.search(r"Do not trust the (order of the )?short-term scores?( yet)?: on 40 clips", found.output)
    assert "no annotation counts" in found.output
    prediction = videomem_hf.predict(data / "photos/p3.png", model=str(tmp_path / "out"))
    assert prediction.notes[0].startswith("Do not trust the")
    assert "> **Do not trust" in (tmp_path / "out/README.md").read_text("utf-8")


def test_a_gain_that_few_clips_suggest_names_how_many_would_show_it() -> None:
    generator = np.random.default_rng(2)
    scores = generator.uniform(0.5, 0.9, 30)
    better = scores + generator.normal(0, 0.15, 30)
    worse = scores + generator.normal(0, 0.22, 30)
    held_out = adapt_process.HeldOut(better, np.full(30, 0.01), np.full(30, 0.01), worse)
    result, _ = measure_support(held_out, scores, np.full(30, np.nan))
    assert not result.supported
    assert result.more_clips is not None
    assert 10 <= result.more_clips <= 300
    assert "the one week score" in warning_of({"one_week": result})
    unchanged = replace(held_out, predicted=worse)
    same, _ = measure_support(unchanged, scores, np.full(30, np.nan))
    assert (same.supported, same.more_clips) == (False, None)


def test_verdicts_of_clips_that_were_left_out() -> None:
    """Better, worse, and better in level alone, each said as it is; a difference of nothing has no sign."""
    generator = np.random.default_rng(2)
    scores = generator.uniform(0.5, 0.9, 200)
    close, far = (np.clip(scores + generator.normal(0, sd, 200), 0, 1) for sd in (0.05, 0.3))
    counts = np.full(200, np.nan)

    def judge(predicted: np.ndarray, base: np.ndarray) -> HorizonResult:
        held_out = adapt_process.HeldOut(predicted, np.full(200, 0.01), np.full(200, 0.01), base)
        return measure_support(held_out, scores, counts)[0]

    better, worse = judge(close, far), judge(far, close)
    assert (better.verdict, better.supported, warning_of({"short_term": better})) == ("better", True, "")
    assert (worse.verdict, worse.supported) == ("worse", False)
    said = "adapted scores are clearly worse than those of the model before by rank correlation and squared error."
    assert said in warning_of({"short_term": worse})
    level = judge(0.7 + generator.normal(0, 0.01, 200), 0.2 + generator.normal(0, 0.01, 200))
    assert (level.verdict, level.ranks_clips) == ("better", False)
    assert warning_of({"short_term": level}).startswith("Do not trust the order of the short-term scores yet: on 200")
    unclear = judge(close, close)
    both = warning_of({"short_term": unclear, "long_term": unclear})
    assert both.startswith("Do not trust the short-term and long-term scores yet: on 200 clips")
    nothing = replace(better, mse_gain=Comparison(-1e-6, Interval(-4e-5, 1e-6), 1.0))
    assert "+0.0000 (+0.0000 to +0.0000)" in "\n".join(result_lines({"short_term": nothing}))


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.linspace(0.4, 0.9, 19), "19 clips with a short-term score .* at least 20"),
        (np.full(25, 0.5), "all 25 short-term scores are 0.5"),
    ],
)
def test_too_few_clips_and_constant_scores_are_refused(base: Path, tmp_path: Path, scores: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        adapt(str(base), write_photos(tmp_path / "data", scores), tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_a_horizon_with_few_scores_is_left_out_and_the_other_adapted(base: Path, tmp_path: Path) -> None:
    scores = 0.65 + 0.2 * np.cos(np.linspace(0, 6, 30))
    data = write_photos(tmp_path / "data", scores, "image,short_term,long_term")
    lines = (data / "scores.csv").read_text().splitlines()
    few = [
        f"{line.rsplit(',', 1)[0]},{0.5 + number / 40 if number < 5 else ''}" for number, line in enumerate(lines[1:])
    ]
    few[29] = "p29.png,,0.9"  # of no use without the horizon
    (data / "scores.csv").write_text("\n".join([lines[0], *few]) + "\n")
    with pytest.warns(UserWarning, match="have no (short|long)-term score"):
        found = adapt(str(base), data, tmp_path / "out", progress=False)
    assert list(found.horizons) == ["short_term"]
    assert found.horizons["short_term"].clips == len(found.video_ids) == 29
    said = "The adapted model predicts no long-term score: 6 clips with a long-term score that the model has not seen"
    assert any(note.startswith(said) for note in found.notes)
    assert set(load_predictor(str(tmp_path / "out")).predict(data / "photos/p3.png").scores) == {"short_term"}


def test_data_without_a_score_of_the_model_are_refused(base: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    torch.manual_seed(0)
    config = FrameAttentionConfig(hidden_sizes=[4, 6], output_stride=4, feature_size=8, horizons=["long_term"])
    FrameAttentionModel(config).save_pretrained(tmp_path / "one")
    shutil.copy(base / "video_preprocessor_config.json", tmp_path / "one")
    data = write_photos(tmp_path / "data", 0.6 + 0.2 * np.cos(np.arange(25)))
    said = "has scores of short_term alone, and the model predicts long_term.* --column long_term=COLUMN --save"
    with pytest.raises(InputError, match=said):
        adapt(str(tmp_path / "one"), data, progress=False)


def test_a_photo_that_cannot_be_read_is_left_out_and_named(base: Path, museum: Path, tmp_path: Path) -> None:
    data = shutil.copytree(museum, tmp_path / "damaged")
    (data / "photos/p7.png").write_bytes(b"no picture")
    found = CliRunner().invoke(app, ["adapt", str(base), "--data", str(data), "--out", str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    assert "p7.png" in found.stderr
    assert "1 clip could not be read and are left out" not in found.output
    assert "1 clip could not be read and is left out." in found.output
    assert "39 clips" in found.output


def test_an_adapted_model_and_a_full_folder_are_refused(adapted: Path, base: Path, museum: Path) -> None:
    with pytest.raises(InputError, match="is adapted already"):
        adapt(str(adapted), museum, progress=False)
    with pytest.raises(InputError, match="is not empty"):
        adapt(str(base), museum, adapted, progress=False)


def test_of_many_clips_some_are_drawn(base: Path, museum: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt_data, "MOST_CLIPS", 30)
    with pytest.warns(UserWarning, match="40 clips: 30 of them, drawn at random"):
        found = adapt(str(base), museum, progress=False)
    assert len(found.video_ids) == 30
    assert found.output is None


def test_unknown_annotation_counts_are_as_the_others_on_average() -> None:
    counts = np.array([[10.0, np.nan], [40, np.nan], [np.nan, 0], [0, np.nan]])
    assert inverse_counts(counts).tolist() == [[0.1, 0.0], [0.025, 0.0], [0.0625, 0.0], [0.0625, 0.0]]
    assert inverse_counts(counts[:, 0]).tolist() == [0.1, 0.025, 0.0625, 0.0625]

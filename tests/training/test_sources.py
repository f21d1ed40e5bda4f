"""What a run can train on: feature columns, LaMem's images, prepared folders, and the weights of another model."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoVideoProcessor

from tests.training.conftest import MakeConfig
from videomem_hf.data.prepare import PrepareOptions, prepare
from videomem_hf.data.scored_clips import load_clips, load_images
from videomem_hf.schema import HORIZONS, InputError
from videomem_hf.training import TrainingConfig, train


def _features_config(release: Path, output: Path, recipe: str = "c3d", *overrides: str) -> TrainingConfig:
    values = ("evaluation.resamples=50", *overrides)
    return TrainingConfig.from_recipe(recipe, data=release, output=output, overrides=values)


def test_feature_columns_are_those_of_the_files(features: Path) -> None:
    clips = load_clips(str(features), "train", HORIZONS, features=["c3d", "hmp"])
    assert clips.features is not None
    assert clips.features.shape == (len(clips), 101 + 6075)
    assert clips.feature_sizes == (101, 6075)
    file = next(features.rglob(f"C3D/{clips.video_ids[5]}.txt"))
    np.testing.assert_allclose(clips.features[5, :101], np.loadtxt(file), rtol=1e-6)
    pairs = [pair.split(":") for pair in next(features.rglob(f"HMP/{clips.video_ids[5]}.txt")).read_text().split()]
    dense = np.zeros(6075)
    dense[[int(place) - 1 for place, _ in pairs]] = [float(value) for _, value in pairs]
    np.testing.assert_allclose(clips.features[5, 101:], dense, rtol=1e-6)


def test_videos_without_the_feature_are_left_out_and_told(features: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(features, copy)
    clips = load_clips(str(features), "train", HORIZONS, features=["c3d"])
    next(copy.rglob(f"C3D/{clips.video_ids[0]}.txt")).unlink()
    left_out = "1 scored clips of the split 'train' have no feature and are left out"
    with pytest.warns(UserWarning, match="1 of 160 files"), pytest.warns(UserWarning, match=left_out):
        fewer = load_clips(str(copy), "train", HORIZONS, features=["c3d"])
    assert fewer.video_ids == clips.video_ids[1:]


@pytest.mark.parametrize("recipe", ["c3d", "hmp", "c3d_hmp"])
def test_perceptrons_learn_by_lbfgs_and_keep_their_best_epoch(features: Path, tmp_path: Path, recipe: str) -> None:
    result = train(_features_config(features, tmp_path / "run", recipe), progress=False)
    losses = result.results["losses"]
    assert len(losses) == 40
    assert losses[-1] < 0.7 * losses[0]
    looked = result.results["validation"]
    means = [np.nan_to_num(np.mean([row[horizon] for horizon in HORIZONS]), nan=-1) for row in looked]
    assert result.results["kept_epoch"] == 1 + int(np.argmax(means))
    kept = looked[result.results["kept_epoch"] - 1]
    assert result.results["metrics"]["short_term"]["model"]["spearman"] == pytest.approx(kept["short_term"], abs=1e-6)
    assert not (result.output / "best").exists()
    last = AutoModel.from_pretrained(result.output / "last").state_dict()
    best = AutoModel.from_pretrained(result.output).state_dict()
    same = all(torch.equal(last[name], best[name]) for name in last)
    assert same == (result.results["kept_epoch"] == 40)


def test_lbfgs_ends_where_the_gradient_vanishes(features: Path, tmp_path: Path) -> None:
    """No hidden layer, one horizon, a penalty: the formula written out, and its gradient at what was found."""
    overrides = [
        "model.hidden_sizes=[]", "model.horizons=[short_term]", "stages.0.weight_decay=0.1", "stages.0.epochs=20",
        "evaluation.keep=last", "stages.0.loss={type: mse}",
    ]  # fmt: skip
    result = train(_features_config(features, tmp_path / "run", "c3d", *overrides), progress=False)
    assert result.results["losses"][-1] == pytest.approx(result.results["losses"][-2], rel=1e-4)
    clips = load_clips(str(features), "train", ("short_term",), features=["c3d"])
    assert clips.features is not None
    model = AutoModel.from_pretrained(result.output)
    x = (torch.from_numpy(clips.features) - model.feature_mean) / model.feature_std
    y = torch.from_numpy(clips.labels[:, 0]).float()
    weight, bias = model.layers[0].weight.detach().requires_grad_(), model.layers[0].bias.detach().requires_grad_()
    mean, std = model.config.score_means[0], model.config.score_stds[0]
    logit = np.log(mean / (1 - mean))
    scores = torch.sigmoid(logit + (x @ weight.T + bias)[:, 0] * std / (mean * (1 - mean)))
    loss = ((scores - y) ** 2).mean() + 0.05 * (weight**2).sum()
    gradient = torch.autograd.grad(loss, [weight, bias])
    assert max(float(each.abs().max()) for each in gradient) < 1e-4


def test_feature_sizes_that_are_not_the_datas_are_refused(features: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"feature_sizes are \[101\] in this data, not \[50\]"):
        train(_features_config(features, tmp_path / "run", "c3d", "model.feature_sizes=[50]"), progress=False)


def test_a_feature_that_the_data_have_not_is_named(features: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No configuration 'lbp' for .*features c3d, hmp"):
        train(_features_config(features, tmp_path / "run", "c3d", "model.feature_names=[lbp]"), progress=False)


def test_images_are_clips_with_a_short_term_score(lamem: Path) -> None:
    images = load_images(str(lamem), "train", HORIZONS)
    assert len(images) == 20
    np.testing.assert_allclose(images.labels[:, 0], np.arange(1, 21) / 20)
    assert np.isnan(images.labels[:, 1]).all()
    with pytest.raises(InputError, match="short-term scores only"):
        load_images(str(lamem), "train", ("long_term",))


def test_lamem_is_mixed_in(make_config: MakeConfig, lamem: Path) -> None:
    both = train(make_config("train_on=both", f"lamem={lamem}", output="both"), progress=False)
    assert both.results["train_clips"] == 26 + 20
    alone = train(
        make_config("train_on=lamem", f"lamem={lamem}", "model.horizons=[short_term]", output="alone"), progress=False
    )
    assert alone.results["train_clips"] == 20
    assert AutoModel.from_pretrained(alone.output).config.score_means == [pytest.approx(0.525)]
    with pytest.raises(InputError, match="give its folder with lamem=FOLDER, or train on VideoMem alone"):
        train(make_config("train_on=both", output="none"), progress=False)


def test_each_division_of_lamem_has_its_own_images(make_config: MakeConfig, lamem: Path) -> None:
    lines = (lamem / "splits/train_1.txt").read_text().splitlines()
    (lamem / "splits/train_2.txt").write_text("\n".join(lines[:12]))
    for name in ("val", "test"):
        (lamem / f"splits/{name}_2.txt").write_text((lamem / f"splits/{name}_1.txt").read_text())
    assert len(load_images(str(lamem), "train", HORIZONS, 2)) == 12
    overrides = ("train_on=lamem", f"lamem={lamem}", "model.horizons=[short_term]", "stages.*.epochs=1")
    clips = [
        train(make_config(*overrides, f"lamem_split={split}", output=str(split)), progress=False).results["train_clips"]
        for split in (1, 2)
    ]
    assert clips == [20, 12]


def test_a_prepared_folder_gives_the_same_clips(release: Path, tmp_path: Path) -> None:
    prepare(release, tmp_path / "prepared", PrepareOptions(configs=("videos",), videos="embed"))
    raw, prepared = (load_clips(str(folder), "train", HORIZONS) for folder in (release, tmp_path / "prepared"))
    assert prepared.video_ids == raw.video_ids
    np.testing.assert_array_equal(prepared.labels, raw.labels)
    for stored, path in zip(prepared.sources, raw.sources, strict=True):
        assert stored.read() == Path(str(path)).read_bytes()  # type: ignore[union-attr]
    with pytest.raises(InputError, match="is divided already"):
        load_clips(str(tmp_path / "prepared"), "train", HORIZONS, options={"seed": 1})


def test_options_of_the_splits_reach_the_data(release: Path) -> None:
    first, second = (load_clips(str(release), "train", HORIZONS, options={"seed": seed}) for seed in (0, 1))
    assert set(first.video_ids) != set(second.video_ids)
    with pytest.raises(InputError, match=r"splits: unknown key 'sed' \(did you mean 'seed'"):
        load_clips(str(release), "train", HORIZONS, options={"sed": 1})


def test_a_run_begins_with_given_weights_and_their_pixels(make_config: MakeConfig) -> None:
    begun = train(
        make_config("processor.image_mean=[0.1, 0.2, 0.3]", "model.horizons=[short_term]", output="begun"),
        progress=False,
    )
    config = make_config(f"init={begun.output}", "stages.*.epochs=1", "stages.0.train=head", output="on")
    config.model = {"type": "frame_attention"}  # sizes come from the weights
    with pytest.warns(UserWarning, match="do not fit and start untrained"):
        on = train(config, progress=False)
    before, after = (AutoModel.from_pretrained(folder) for folder in (begun.output, on.output))
    assert after.config.hidden_sizes == before.config.hidden_sizes
    assert list(after.config.horizons) == list(HORIZONS)
    kept = [name for name in before.state_dict() if not name.startswith("head")]
    assert kept
    assert all(torch.equal(before.state_dict()[name], after.state_dict()[name]) for name in kept)
    assert list(AutoVideoProcessor.from_pretrained(on.output).image_mean) == [0.1, 0.2, 0.3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InputError, match="holds a frame_attention, the recipe trains a resnet3d"):
            train(make_config(f"init={begun.output}", "model={type: resnet3d}", output="other"), progress=False)
    with pytest.raises(InputError, match="nowhere: no such folder"):
        train(make_config("init=nowhere", output="none"), progress=False)


def test_weights_that_have_seen_the_evaluation_split_are_refused(features: Path, tmp_path: Path) -> None:
    short = ("stages.0.epochs=1", "evaluation.resamples=20")
    first = train(_features_config(features, tmp_path / "first", "c3d", "splits.seed=1", *short), progress=False)
    init = f"init={first.output}"
    with pytest.raises(InputError, match=r"first was trained on \d+ of the 30 clips of the split 'validation'"):
        train(_features_config(features, tmp_path / "second", "c3d", "splits.seed=2", init, *short), progress=False)
    same = train(_features_config(features, tmp_path / "same", "c3d", "splits.seed=1", init, *short), progress=False)
    assert same.results["train_clips"] == first.results["train_clips"]

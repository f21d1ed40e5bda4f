"""A whole run on a tiny generated release: what it leaves, that it learns, and that stopping it loses nothing."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import AutoModel, AutoVideoProcessor

from tests.training.conftest import MakeConfig
from videomem_hf.data.scored_clips import load_clips
from videomem_hf.evaluation.tables import metrics_text
from videomem_hf.inference.reference import read_reference
from videomem_hf.run_files import read_predictions
from videomem_hf.schema import HORIZONS, InputError
from videomem_hf.training import TrainingConfig, TrainingError, TrainingResult, initial, run, train
from videomem_hf.training.setup import make_model_config
from videomem_hf.video.video import sample_frames


def _weights(folder: Path | str) -> dict[str, torch.Tensor]:
    return AutoModel.from_pretrained(folder).state_dict()


def _equal(first: Path | str, second: Path | str) -> bool:
    one, other = _weights(first), _weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _predictions(folder: Path | str) -> dict[str, dict[str, str]]:
    with (Path(folder) / "predictions.csv").open(newline="") as file:
        return {row["video_id"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def finished(release: Path, frames: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """One finished run, for the tests that only look at it."""
    from tests.training.conftest import TINY

    output = tmp_path_factory.mktemp("finished") / "run"
    plain = ("augmentation.colour_order=0", "augmentation.gain=0", "augmentation.offset=0", "augmentation.shift_px=0")
    values = (*TINY, f"frame_cache={frames}", "stages.*.epochs=20", "stages.*.learning_rate=0.01", *plain)
    config = TrainingConfig.from_recipe("frame_attention", data=release, output=output, overrides=values)
    return train(config, progress=False)


def test_the_loss_goes_down(finished: TrainingResult) -> None:
    losses = finished.results["losses"]
    assert len(losses) == 20
    # The loss is measured in the variance of the training scores: an untrained network is worth about a constant.
    assert losses[0] == pytest.approx(1.0, abs=0.3)
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_what_it_leaves(finished: TrainingResult) -> None:
    names = {path.name for path in finished.output.iterdir()}
    assert {"config.json", "model.safetensors", "training_config.yaml", "results.json", "predictions.csv"} <= names
    assert any(name.endswith("preprocessor_config.json") for name in names)
    assert not [name for name in names if "checkpoint" in name]
    saved = json.loads((finished.output / "results.json").read_text())
    assert saved == finished.results
    assert saved["train_clips"] == 26
    assert saved["split_clips"] == 6
    assert set(saved["metrics"]) == set(HORIZONS)
    assert saved["metrics"]["short_term"]["constant"]["spearman"] is None
    reference = read_reference(finished.output, HORIZONS)
    assert reference is not None
    assert (reference.clips, reference.split, reference.generated) == (6, "validation", True)
    _, columns = read_predictions(finished.output / "predictions.csv")
    assert reference.quantiles["short_term"][0] == columns["short_term_model"].min()
    assert reference.frame_noise["short_term"].sd > 0
    assert saved["seconds"]["description"] > 0
    assert columns["short_term_annotations"].min() > 0


def test_a_failure_of_the_description_keeps_the_run(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError("too many clips")

    monkeypatch.setattr(run, "describe_run", fail)
    with pytest.warns(UserWarning, match="the run is complete, but .*MemoryError: too many clips"):
        result = train(make_config("stages.*.epochs=1"), progress=False)
    assert json.loads((result.output / "results.json").read_text())["metrics"]
    assert not list(result.output.glob("*checkpoint*"))


def test_clips_that_share_batches_are_described_as_if_alone(release: Path, frames: Path) -> None:
    from tests.training.conftest import TINY
    from videomem_hf.models import config_class, model_class
    from videomem_hf.training import reference
    from videomem_hf.training.run_data import RunData
    from videomem_hf.training.setup import make_processor
    from videomem_hf.video.frame_cache import FrameCache

    config = TrainingConfig.from_recipe("frame_attention", data=release, output=frames, overrides=TINY)
    processor = make_processor(config)
    clips = load_clips(str(release), "validation", HORIZONS)
    cache = FrameCache(frames, processor)
    cache.fill(clips.sources, progress=False)
    torch.manual_seed(0)
    model = model_class("frame_attention")(config_class("frame_attention")()).eval()
    data = RunData(clips, clips, {}, cache, processor)
    together, curves = reference.describe_clips(model, data, clips, False)
    for index in range(len(clips)):
        alone, (curve,) = reference.describe_clips(model, data, clips.take([index]), False)
        for name, values in alone.items():
            np.testing.assert_allclose(together[name][index], values[0], atol=1e-4)
        np.testing.assert_allclose(curves[index], curve, atol=1e-5)


def test_its_metrics_are_those_of_its_predictions(finished: TrainingResult, release: Path) -> None:
    rows = _predictions(finished.output)
    assert sorted(rows) == sorted(load_clips(str(release), "validation", HORIZONS).video_ids)
    for horizon in HORIZONS:
        model, measured = ([float(row[key]) for row in rows.values()] for key in (f"{horizon}_model", horizon))
        metrics = finished.results["metrics"][horizon]["model"]
        assert metrics["spearman"] == pytest.approx(stats.spearmanr(model, measured)[0])
        assert metrics["items"] == 6


def test_loading_the_folder_alone_reproduces_a_prediction(finished: TrainingResult, release: Path) -> None:
    model = AutoModel.from_pretrained(finished.output)
    processor = AutoVideoProcessor.from_pretrained(finished.output)
    clips = load_clips(str(release), "validation", HORIZONS)
    frames = np.stack([frame.image for frame in sample_frames(clips.sources[0], processor.fps)])
    inputs = processor(videos=[frames], return_tensors="pt", do_sample_frames=False)
    with torch.no_grad():
        scores = model(**inputs).scores[0]
    row = _predictions(finished.output)[clips.video_ids[0]]
    np.testing.assert_allclose(scores, [float(row[f"{horizon}_model"]) for horizon in HORIZONS], atol=1e-5)


def test_scores_start_from_the_training_scores(finished: TrainingResult, release: Path) -> None:
    config = AutoModel.from_pretrained(finished.output).config
    labels = load_clips(str(release), "train", HORIZONS).labels
    np.testing.assert_allclose(config.score_means, labels.mean(axis=0))
    np.testing.assert_allclose(config.score_stds, labels.std(axis=0))


def test_the_table_tells_the_numbers(finished: TrainingResult) -> None:
    table = metrics_text(finished.results["metrics"], 0.9).splitlines()
    assert "90% interval" in table[0]
    assert len(table) == 1 + 2 * 3
    model = next(line for line in table if line.startswith("short-term model"))
    spearman = finished.results["metrics"]["short_term"]["model"]["spearman"]
    assert f"{spearman:.3f}".replace("0.", ".") in model
    assert next(line for line in table if "constant" in line).count("-") >= 3


def test_equal_seeds_give_equal_weights_and_others_do_not(make_config: MakeConfig) -> None:
    outputs = {}
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        outputs[name] = train(make_config(f"seed={seed}", "stages.*.epochs=2", output=name), progress=False).output
    assert _equal(outputs["first"], outputs["again"])
    assert not _equal(outputs["first"], outputs["other"])


def test_reading_in_other_processes_changes_nothing(make_config: MakeConfig) -> None:
    outputs = [
        train(make_config(f"loader_workers={workers}", "stages.*.epochs=2", output=str(workers)), progress=False).output
        for workers in (0, 2)
    ]
    assert _equal(*outputs)


@pytest.mark.parametrize(
    "override",
    [
        "stages.0.learning_rate=0.001", "stages.0.warmup=0.5", "stages.0.weight_decay=5", "stages.0.loss={type: l1}",
        "stages.0.max_grad_norm=0.001", "stages.0.optimizer=adam", "stages.0.optimizer=sgd", "stages.0.train=head",
        "stages.0.schedule=constant", "weigh_by_annotations=true", "gradient_accumulation=2", "mixed_precision=bf16",
        "frames_per_clip=null", "augmentation.flip=0", "augmentation.gain=0.5", "batch_size=4",
    ],
)  # fmt: skip
def test_options_are_wired(make_config: MakeConfig, override: str) -> None:
    plain = train(make_config("stages.*.epochs=1", output="plain"), progress=False)
    changed = train(make_config("stages.*.epochs=1", override, output="changed"), progress=False)
    assert not _equal(plain.output, changed.output)


def test_gradient_checkpointing_is_wired(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model has the flag, and the weights are those without it."""
    found, outputs = [], []
    real = run.initial_model

    def initial(*arguments: Any) -> Any:
        found.append(real(*arguments))
        return found[-1]

    monkeypatch.setattr(run, "initial_model", initial)
    for value in ("false", "true"):
        config = make_config("stages.*.epochs=1", f"gradient_checkpointing={value}", output=value)
        outputs.append(train(config, progress=False).output)
    assert [model.gradient_checkpointing for model in found] == [False, True]
    weights = [_weights(output) for output in outputs]
    torch.testing.assert_close(weights[1], weights[0], atol=1e-5, rtol=1e-4)


def test_gradient_checkpointing_of_a_model_without_it_is_refused(features: Path, tmp_path: Path) -> None:
    overrides = ["gradient_checkpointing=true"]
    config = TrainingConfig.from_recipe("hmp", data=features, output=tmp_path / "run", overrides=overrides)
    with pytest.raises(InputError, match=r"^gradient_checkpointing must be false for feature_mlp: the model has none$"):
        train(config, progress=False)
    assert not (tmp_path / "run").exists()


def test_gradient_checkpointing_of_a_network_without_blocks_is_refused(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("it has no blocks")

    config = make_config("gradient_checkpointing=true")
    monkeypatch.setattr(
        "videomem_hf.models.modeling_memorability.MemorabilityModel._set_gradient_checkpointing", refuse
    )
    with pytest.raises(InputError, match=r"^gradient_checkpointing must be false: it has no blocks$"):
        train(config, progress=False)


def test_trainer_checkpoints_gradients(make_config: MakeConfig, tmp_path: Path) -> None:
    from transformers import Trainer, TrainingArguments

    generator = torch.Generator().manual_seed(0)
    clips, labels = torch.randn(4, 2, 3, 18, 32, generator=generator), torch.rand(4, 2, generator=generator)
    examples = [{"pixel_values_videos": clip, "labels": scores} for clip, scores in zip(clips, labels, strict=True)]
    losses = []
    for sparing in (False, True):
        torch.manual_seed(0)
        model = AutoModel.from_config(make_model_config(make_config()))
        arguments = TrainingArguments(
            tmp_path, max_steps=2, report_to=[], use_cpu=True, disable_tqdm=True, gradient_checkpointing=sparing
        )
        losses.append(Trainer(model, arguments, train_dataset=examples).train().training_loss)
        assert model.gradient_checkpointing is sparing
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)


def test_momentum_is_wired(make_config: MakeConfig) -> None:
    outputs = [
        train(
            make_config(
                "stages.*.epochs=1", "stages.0.optimizer=sgd", f"stages.0.momentum={momentum}", output=momentum
            ),
            progress=False,
        ).output
        for momentum in ("0", "0.9")
    ]
    assert not _equal(*outputs)


class Stopped(Exception):  # noqa: N818 - not an error
    """Stands for a kill."""


def _stop_in(monkeypatch: pytest.MonkeyPatch, epoch: int, cause: type[BaseException]) -> None:
    """Stop the run at the second step of an epoch."""
    original: Callable[..., Any] = run.TrainingClips.__getitem__
    seen: list[int] = []

    def stopping(self: Any, key: tuple[int, int]) -> Any:
        seen.append(key[0])
        if key[0] == epoch and seen.count(epoch) > 8:
            raise cause
        return original(self, key)

    monkeypatch.setattr(run.TrainingClips, "__getitem__", stopping)


@pytest.mark.parametrize("cause", [Stopped, KeyboardInterrupt])
def test_a_stopped_run_goes_on_to_the_same_bits(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, cause: type[BaseException]
) -> None:
    whole = train(make_config("model.dropout=0.3", output="whole"), progress=False)
    config = make_config("model.dropout=0.3", output="stopped")
    _stop_in(monkeypatch, epoch=2, cause=cause)
    with pytest.raises(cause):
        train(config, progress=False)
    monkeypatch.undo()
    assert not (Path(config.output) / "results.json").exists()
    resumed = train(config, resume=True, progress=False)
    assert _equal(whole.output, resumed.output)
    assert resumed.results["losses"] == whole.results["losses"]
    assert resumed.results["metrics"] == whole.results["metrics"]


def test_checkpoints_are_as_far_apart_as_wanted(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config("checkpoint_every=2")
    _stop_in(monkeypatch, epoch=3, cause=Stopped)
    with pytest.raises(Stopped):
        train(config, progress=False)
    assert [path.name for path in Path(config.output).glob("checkpoint-*")] == ["checkpoint-000002-000000"]


def test_a_loss_that_is_not_finite_is_one_clear_error(make_config: MakeConfig) -> None:
    with pytest.raises(
        TrainingError, match=r"the loss of epoch \d is (nan|inf).*start again with a learning_rate below"
    ):
        train(make_config("stages.*.learning_rate=1e30", "stages.*.max_grad_norm=1e30"), progress=False)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["batch_size=27"], "batch_size=27 is more than the 26 training clips"),
        (["evaluation.split=test"], "no clip of the split 'test' has both"),
        (["model.type=none"], "no type 'none'"),
        (["model={type: c3d}"], "c3d predicts no scores; train a feature_mlp on its features"),
        (["stages.0.loss={type: sodeep, sorter: nowhere}"], "nowhere"),
    ],
)
def test_what_cannot_work_is_refused_before_a_model_is_built(
    make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, overrides: list[str], message: str
) -> None:
    monkeypatch.setattr(initial.AutoModel, "from_config", lambda *_: pytest.fail("a model was built"))
    config = make_config(*overrides)
    with pytest.raises(InputError, match=message):
        train(config, progress=False)
    assert not Path(config.output).exists()


def test_a_bad_clip_is_refused_before_a_model_is_built(
    release: Path, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import shutil

    copy = tmp_path / "release"
    shutil.copytree(release, copy)
    bad = Path(str(load_clips(str(copy), "validation", HORIZONS).sources[0]))
    bad.write_bytes(b"damaged")
    monkeypatch.setattr(initial.AutoModel, "from_config", lambda *_: pytest.fail("a model was built"))
    config = make_config()
    config.data = str(copy)
    with pytest.raises(InputError, match=rf"1 of 32 clips failed.*\n.*{bad.name}: not a video"):
        train(config, progress=False)


def test_progress_bars_show_the_loss(make_config: MakeConfig, capfd: pytest.CaptureFixture[str]) -> None:
    train(make_config("stages.*.epochs=1", output="shown"), progress=True)
    shown = capfd.readouterr().err
    assert "training: 100%" in shown
    assert "loss=" in shown
    train(make_config("stages.*.epochs=1", output="quiet"), progress=False)
    assert "training" not in capfd.readouterr().err


def test_trackers_get_the_course_of_the_run(make_config: MakeConfig) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    result = train(make_config("trackers=[tensorboard]", "stages.*.epochs=2"), progress=False)
    folders = sorted({path.parent for path in (result.output / "logs").rglob("events.*")})
    accumulators = [event_accumulator.EventAccumulator(str(folder)).Reload() for folder in folders]
    events = next(each for each in accumulators if "loss" in each.Tags()["scalars"])
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(result.results["losses"])
    shown = [event.value for event in events.Scalars("validation/short_term")]
    assert shown == pytest.approx([row["short_term"] for row in result.results["validation"]])
    assert [event.step for event in events.Scalars("learning_rate")] == [1, 2]


def test_a_tracker_that_is_not_there_is_named(make_config: MakeConfig) -> None:
    with pytest.raises(InputError, match=r"trackers: no tracker 'tensorbored'; there are .*tensorboard"):
        train(make_config("trackers=[tensorbored]"), progress=False)
    with pytest.raises(InputError, match="trackers: comet_ml is not installed; run `pip install comet_ml`"):
        train(make_config("trackers=[comet_ml]"), progress=False)


def test_the_best_epoch_is_kept_and_the_last_beside_it(make_config: MakeConfig) -> None:
    last = train(make_config(output="last"), progress=False)
    best = train(make_config("evaluation.keep=short_term", output="best"), progress=False)
    looked = best.results["validation"]
    assert [row["epoch"] for row in looked] == [1, 2, 3, 4]
    assert best.results["kept_epoch"] == 1 + int(np.argmax([row["short_term"] for row in looked]))
    found = best.results["metrics"]["short_term"]["model"]["spearman"]
    assert found == pytest.approx(max(row["short_term"] for row in looked))
    assert _equal(best.output / "last", last.output)
    assert _equal(best.output, last.output) == (best.results["kept_epoch"] == 4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_half_precision_without_a_gpu_is_refused(make_config: MakeConfig) -> None:
    with pytest.raises(InputError, match="fp16 needs a GPU"):
        train(make_config("mixed_precision=fp16"), progress=False)

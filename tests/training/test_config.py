"""Recipes and overrides: what is right is read to the letter, what is wrong is one clear sentence."""

from dataclasses import asdict
from pathlib import Path

import pytest

from videomem_hf.multiview.config import is_multiview_recipe
from videomem_hf.recipes import RECIPES_FOLDER, apply_override, parse_yaml
from videomem_hf.schema import InputError
from videomem_hf.training import TrainingConfig
from videomem_hf.training.setup import make_model_config, make_processor

RECIPES = sorted(path.stem for path in RECIPES_FOLDER.glob("*.yaml") if not is_multiview_recipe(path.stem))


def _config(*overrides: str) -> TrainingConfig:
    return TrainingConfig.from_recipe("frame_attention", data="data", output="out", overrides=overrides)


def test_there_are_recipes() -> None:
    assert "frame_attention" in RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_shipped_recipes_give_a_model_and_a_processor(name: str) -> None:
    config = TrainingConfig.from_recipe(name, data="data", output="out")
    assert make_model_config(config).model_type == config.model["type"]
    processor = make_processor(config)
    assert (processor is None) == config.uses_features
    if processor is not None:
        assert processor.fps == config.processor.get("fps", 1.0)


def test_overrides_reach_their_fields() -> None:
    config = _config(
        "stages.0.epochs=7", "stages.*.learning_rate=1e-3", "stages.0.weight_decay=1", "augmentation.flip=0",
        "model.hidden_sizes=[8, 16, 8, 8]",
        "frames_per_clip=null", "processor.size={height: 9, width: 16}", "weigh_by_annotations=true",
    )  # fmt: skip
    stage = config.stages[0]
    assert (config.epochs, stage.epochs, stage.learning_rate, stage.weight_decay) == (7, 7, 0.001, 1.0)
    assert config.augmentation.flip == 0.0
    assert config.frames_per_clip is None
    assert config.weigh_by_annotations is True
    assert list(make_model_config(config).hidden_sizes) == [8, 16, 8, 8]
    assert dict(make_processor(config).size) == {"height": 9, "width": 16}


def test_a_file_is_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "model: {type: frame_attention}\nprocessor: {fps: 2}\nbatch_size: 2\n"
        "stages: [{epochs: 1, learning_rate: 1e-2}]\n"
    )
    config = TrainingConfig.from_recipe(path, data="data", output="out")
    assert config.stages[0].learning_rate == 0.01
    assert config.recipe == str(path)


def test_saved_then_read_back_is_equal(tmp_path: Path) -> None:
    config = _config(
        "stages.0.learning_rate=3e-4", "stages.0.max_grad_norm=null", "frames_per_clip=null", "augmentation.gain=0.25"
    )
    config.save(tmp_path / "config.yaml")
    assert asdict(TrainingConfig.from_file(tmp_path / "config.yaml")) == asdict(config)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("batchsize=3", r"unknown key 'batchsize' \(did you mean 'batch_size'\?\); allowed are model, stages, "),
        ("augmentation.flp=1", r"augmentation: unknown key 'flp' \(did you mean 'flip'\?\); allowed are flip, "),
        ("stages.0.epoch=1", r"stages 0: unknown key 'epoch' \(did you mean 'epochs'\?\); allowed are epochs, "),
        ("epochs=3", r"unknown key 'epochs' \(did you mean 'stages\.\*\.epochs'\?\); allowed are model, "),
        ("learning_rate=1", r"unknown key 'learning_rate' \(did you mean 'stages\.\*\.learning_rate'\?\)"),
        ("output=elsewhere", "unknown key 'output'"),
        ("augmentation=3", "augmentation: a section of keys and values is wanted, got 3"),
        ("stages.1.epochs=3", r"'1' is no index of the list; there are 0, or \* for all"),
        ("batch_size.deep=3", "batch_size is a single value, not a section"),
        ("seed", "'seed' is not of the form key=value, such as batch_size=8$"),
        ("model.type=[", "the value is not YAML"),
        ("stages.0.epochs=many", "stages 0: .*'epochs' needs a whole number, such as 3; got 'many'"),
        ("seed=1.5", "'seed' needs a whole number, such as 3; got 1.5"),
        ("stages.0.learning_rate=true", "'learning_rate' needs a number, such as 0.5; got True"),
        ("stages.0.learning_rate=fast", "'learning_rate' needs a number, such as 0.5; got 'fast'"),
        ("stages.0.learning_rate=0", "learning_rate must be above 0"),
        ("stages.0.epochs=0", "epochs must be at least 1, got 0"),
        ("stages.0.warmup=1", "warmup must be from 0 to below 1"),
        ("stages.0.train=body", "train must be one of all, head, got 'body'"),
        ("stages.0.optimizer=adamax", "optimizer must be one of adamw, adam, sgd, lbfgs, got 'adamax'"),
        ("stages.0.schedule=linear", "schedule must be one of constant, cosine, step, got 'linear'"),
        ("stages.0.loss.type=huber", "loss must be a section with a type, one of model, mse, l1, "),
        ("stages.0.loss={type: model, weight: 1}", "loss must be without options for the type model"),
        ("stages.0.step_factor=2", "step_factor must be above 0, at most 1"),
        ("stages.0.optimizer=lbfgs", "optimizer must be another than lbfgs for a model of frames"),
        ("stages=[]", "stages must be one or more sections"),
        ("frames_per_clip=0", "frames_per_clip must be at least 1"),
        ("train_on=images", "train_on must be one of videomem, lamem, both"),
        ("mixed_precision=int8", "mixed_precision must be no, bf16, fp16 or null"),
        ("gradient_accumulation=0", "gradient_accumulation must be at least 1"),
        ("frame_cache_gb=0", "frame_cache_gb must be above 0"),
        ("checkpoint_minutes=0", "checkpoint_minutes must be above 0"),
        ("evaluation={keep: mean, every: 0}", "every must be at least 1 to keep the best epoch"),
        ("seed=-1", "seed must be at least 0"),
        ("augmentation.flip=2", "flip must be from 0 to 1"),
        ("augmentation.shift_px=-1", "shift_px must be at least 0"),
        ("augmentation.gain=1", "gain must be from 0 to below 1"),
        ("evaluation.split=train", "split must be the name of a split other than train"),
        ("evaluation.confidence=1", "confidence must be between 0 and 1"),
        ("model={}", "model must be a section with a type"),
        ("mixed_precision=2", r"recipe .*: 'mixed_precision' needs a text or null; got 2$"),
        ("trackers=wandb", r"'trackers' needs list\[str\]; got 'wandb'$"),
        ("frames_per_clip=many", r"'frames_per_clip' needs a whole number, such as 3 or null; got 'many'$"),
        ("gradient_checkpointing=1", r"'gradient_checkpointing' needs true or false; got 1$"),
    ],
)
def test_a_wrong_override_is_one_clear_sentence(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _config(override)


def test_no_is_a_number_format_though_yaml_reads_false() -> None:
    assert _config("mixed_precision=no").mixed_precision == "no"
    assert _config("mixed_precision=bf16").mixed_precision == "bf16"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.type=resnet", "model: no type 'resnet'; there are .*frame_attention"),
        ("model.hidden_size=[8]", r"model: unknown key 'hidden_size' \(did you mean 'hidden_sizes'\?\)"),
        ("model.output_stride=3", "model: output_stride must be one of"),
        ("model.dropout=[]", "model: .*dropout"),
        ("model.horizons=[1_day]", "model: horizons must be"),
    ],
)
def test_a_wrong_model_is_one_clear_sentence(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_model_config(_config(override))


def test_a_wrong_processor_field_is_named() -> None:
    with pytest.raises(InputError, match="processor: unknown key 'sizes'"):
        make_processor(_config("processor.sizes=3"))


def test_lbfgs_takes_no_parts_of_a_batch() -> None:
    overrides = ["stages.0.optimizer=lbfgs", "gradient_accumulation=4"]
    with pytest.raises(InputError, match=r"gradient_accumulation must be 1 with the optimizer lbfgs, got 4$"):
        TrainingConfig.from_recipe("hmp", data="data", output="out", overrides=overrides)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: [", "not YAML"),
        ("- epochs", "must hold keys and values"),
        ("batch_size: 3", "missing .* required"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"wrong\.yaml.*{message}"):
        TrainingConfig.from_recipe(path, data="data", output="out")


def test_an_unknown_recipe_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no recipe 'frame_atention' \(did you mean 'frame_attention'\?\); there are "
    ):
        TrainingConfig.from_recipe("frame_atention", data="data", output="out")
    with pytest.raises(InputError, match=r"gone\.yaml: cannot be read"):
        TrainingConfig.from_recipe(tmp_path / "gone.yaml", data="data", output="out")


def test_recipes_and_runs_with_former_names_are_read(tmp_path: Path) -> None:
    recipe = tmp_path / "old.yaml"
    recipe.write_text(
        "model: {type: resnet3d, clip_length: 8}\nprocessor: {clip_length: 8, max_clips: 2}\nbatch_size: 4\n"
        "stages: [{epochs: 1}]\n"
    )
    config = TrainingConfig.from_recipe(recipe, data="d", output="o")
    assert config.model["segment_length"] == 8
    assert config.processor == {"segment_length": 8, "max_segments": 2}


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 0.001), ("-2E+4", -20000.0), ("1.5e5", 150000.0), ("1e", "1e"), ("a1e3", "a1e3")]
)
def test_numbers_with_exponents_are_numbers(text: str, value: object) -> None:
    values: dict[str, object] = {}
    apply_override(values, f"key={text}")
    assert values == {"key": value}
    assert parse_yaml(f"[{text}]") == [value]

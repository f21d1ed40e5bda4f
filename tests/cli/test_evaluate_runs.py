"""`videomem evaluate` on training runs: their own data and splits, and no clip that they were trained on."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from videomem_hf.cli import app
from videomem_hf.cli.options import quote
from videomem_hf.data.prepare import PrepareOptions, prepare
from videomem_hf.inference.claims import OF_GENERATED, ON_GENERATED
from videomem_hf.sample import generate_sample
from videomem_hf.schema import InputError
from videomem_hf.training import TrainingConfig, train

SEED = 3
HELD_OUT = "video2 video6 video8 video14 video16 video22 video24 video37 video39 video41 video57 video58"
"""The 12 of the 64 whose `printf 3:ID | sha256sum` comes first."""


def _release(folder: Path, seed: int = 0, **options: Any) -> Path:
    made = {"videos": 64, "features": ("c3d",), "write_videos": False} | options
    return generate_sample(
        folder / "sample", test_videos=2, size=(64, 64), seed=seed, workers=1, progress=False, **made
    ).release


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _release(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A perceptron that was trained on a split of its own."""
    output = tmp_path_factory.mktemp("runs") / "run"
    overrides = [f"splits.seed={SEED}", "stages.*.epochs=2", "evaluation.resamples=60", "evaluation.confidence=0.8"]
    train(TrainingConfig.from_recipe("c3d", data=data, output=output, overrides=overrides), progress=False)
    return output


def _evaluate(*arguments: object) -> Any:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    if result.exception is not None:
        raise result.exception
    return result


def _rows(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row["video_id"]: row for row in csv.DictReader(file)}


def test_a_run_needs_no_options_and_its_results_are_repeated(run: Path, tmp_path: Path) -> None:
    output = _evaluate(run, "--json", tmp_path / "metrics.json", "--csv", tmp_path / "scores.csv").output
    expected = json.loads((run / "results.json").read_text())
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["splits"] == {"seed": SEED}
    assert found["caveats"] == [ON_GENERATED, OF_GENERATED]
    assert output.index("Spearman") < output.index(ON_GENERATED) < output.index("The paper's")
    for horizon in ("short_term", "long_term"):
        before, now = (each["metrics"][horizon]["model"] for each in (expected, found))
        assert now == pytest.approx(before)
        assert [now[f"spearman_{end}"] for end in ("low", "high")] == [
            before[f"spearman_{end}"] for end in ("low", "high")
        ]
    rows, own = _rows(tmp_path / "scores.csv"), _rows(run / "predictions.csv")
    assert set(rows) == set(own) == set(HELD_OUT.split())
    for name, row in rows.items():
        assert float(row["short_term_model"]) == pytest.approx(float(own[name]["short_term_model"]), abs=1e-6)
        assert len(row["short_term_model"]) <= 12
        assert row["short_term_annotations"].isdigit()
        low, high = float(row["short_term_low"]), float(row["short_term_high"])
        assert 0 <= low < float(row["short_term_model"]) < high <= 1
    assert f"Next:\n  videomem report {quote(run)}\n" in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--seed", 0), r"--seed is 0, and .*run was trained with 3; leave the option out"),
        (("--hold-out", 10, "--split", "test10"), r"--hold-out is 10, and .*run was trained with 0"),
        (("--group-titles",), r"--group-titles is True, and .*run was trained with False"),
    ],
)
def test_options_that_contradict_the_run_are_refused(
    run: Path, data: Path, options: tuple[object, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _evaluate(run, "--data", data, *options)
    assert _evaluate(run, "--data", data, "--allow-training-clips", *options).exit_code == 0


def test_clips_that_were_trained_on_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run was trained on 52 of the 52 clips of the split 'train': video\d+, "):
        _evaluate(run, "--split", "train")
    last = shutil.copytree(run, tmp_path / "copy") / "last"
    with pytest.raises(InputError, match="was trained on 52 of the 52 clips"):
        _evaluate(last, "--split", "train")
    _evaluate(run, "--split", "train", "--allow-training-clips", "--csv", tmp_path / "scores.csv")
    assert len(_rows(tmp_path / "scores.csv")) == 52


def test_a_prepared_copy_with_another_division_is_refused(run: Path, data: Path, tmp_path: Path) -> None:
    prepare(data, tmp_path / "same", PrepareOptions(configs=("c3d",), seed=SEED))
    assert _evaluate(run, "--data", tmp_path / "same").exit_code == 0
    prepare(data, tmp_path / "other", PrepareOptions(configs=("c3d",), seed=0))
    with pytest.raises(InputError, match=r"was trained on \d+ of the 12 clips of the split 'validation'"):
        _evaluate(run, "--data", tmp_path / "other")


def test_other_data_may_have_the_same_names_but_not_the_same_clips(run: Path, tmp_path: Path) -> None:
    other = _release(tmp_path, seed=1)
    assert _evaluate(run, "--data", other, "--seed", 5, "--csv", tmp_path / "scores.csv").exit_code == 0
    evaluated = sorted(_rows(tmp_path / "scores.csv"))[0]
    trained = next(iter(_rows(run / "training_clips.csv")))
    original = json.loads((run / "results.json").read_text())["config"]["data"]
    source = next(Path(original).rglob(f"C3D/{trained}.txt"))
    shutil.copy(source, next(other.rglob(f"C3D/{evaluated}.txt")))
    wanted = trained if trained == evaluated else rf"{evaluated} \(there {trained}\)"
    with pytest.raises(InputError, match=rf"was trained on 1 of the 12 clips .*'validation': {wanted};"):
        _evaluate(run, "--data", other, "--seed", 5)


@pytest.fixture
def old_run(run: Path, tmp_path: Path) -> Path:
    """A run as it was written before training clips and the data's fingerprint were recorded."""
    folder = shutil.copytree(run, tmp_path / "old")
    (folder / "training_clips.csv").unlink()
    results = json.loads((folder / "results.json").read_text())
    del results["data"]["fingerprint"]
    (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_the_split_of_an_old_run_is_made_again(old_run: Path, data: Path, tmp_path: Path) -> None:
    assert _evaluate(old_run).exit_code == 0
    with pytest.raises(InputError, match="was trained on 52 of the 52 clips"):
        _evaluate(old_run, "--split", "train")
    moved = shutil.copytree(data, tmp_path / "moved")
    results = json.loads((old_run / "results.json").read_text())
    results["config"]["data"] = "gone"
    (old_run / "results.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match=r"was trained on gone, which is not here, or has .* now; give --data"):
        _evaluate(old_run)
    assert _evaluate(old_run, "--data", moved).exit_code == 0
    with pytest.raises(InputError, match=r"--seed is 1, and .* was trained with 3"):
        _evaluate(old_run, "--data", moved, "--seed", 1)


def test_a_model_without_a_run_needs_data(run: Path, data: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(run / name, tmp_path)
    with pytest.raises(InputError, match="has no record of a training run; give --data"):
        _evaluate(tmp_path)
    assert _evaluate(tmp_path, "--data", data, "--seed", 1).exit_code == 0


def test_a_copied_video_is_recognised_by_its_content(tmp_path: Path) -> None:
    from tests.training.conftest import TINY

    release = _release(tmp_path, videos=24, features=(), write_videos=True)
    overrides = [*TINY, "stages.*.epochs=1", f"frame_cache={tmp_path / 'frames'}"]
    config = TrainingConfig.from_recipe("frame_attention", data=release, output=tmp_path / "run", overrides=overrides)
    result = train(config, progress=False)
    assert _evaluate(result.output, "--frame-cache", tmp_path / "frames").exit_code == 0
    trained, evaluated = (sorted(_rows(result.output / f"{name}.csv"))[0] for name in ("training_clips", "predictions"))
    shutil.copy(next(release.rglob(f"{trained}.webm")), next(release.rglob(f"{evaluated}.webm")))
    with pytest.raises(InputError, match=rf"trained on 1 of the \d clips .*: {evaluated} \(there {trained}\);"):
        _evaluate(result.output, "--frame-cache", tmp_path / "frames")
    # Training itself leaves such a copy out, so that its own results are of unseen clips.
    config.output = str(tmp_path / "again")
    with pytest.warns(UserWarning, match=rf"1 training clips are copies .*: {trained} of {evaluated}"):
        again = train(config, progress=False)
    assert again.results["train_clips"] == result.results["train_clips"] - 1
    assert _evaluate(again.output, "--frame-cache", tmp_path / "frames").exit_code == 0


def test_a_damaged_video_is_left_out_and_named(make_config: Any, release: Path, tmp_path: Path) -> None:
    run = train(make_config("stages.*.epochs=1"), progress=False).output
    copy = shutil.copytree(release, tmp_path / "release")
    evaluated = sorted(_rows(run / "predictions.csv"))
    bad = next(copy.rglob(f"{evaluated[0]}.webm"))
    bad.write_bytes(b"damaged")
    arguments = ["evaluate", str(run), "--data", str(copy), "--frame-cache", str(make_config().frame_cache)]
    arguments += ["--csv", str(tmp_path / "scores.csv")]
    stopped = CliRunner().invoke(app, [*arguments, "--fail-fast"])
    assert isinstance(stopped.exception, InputError)
    assert f"{bad}: not a video" in str(stopped.exception)
    assert not (tmp_path / "scores.csv").exists()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert f"videomem: {bad}: not a video" in result.stderr
    assert "Spearman" in result.stdout
    assert sorted(_rows(tmp_path / "scores.csv")) == evaluated[1:]


def test_lamem_alone_leaves_nothing_to_check(make_config: Any, lamem: Path) -> None:
    overrides = ["train_on=lamem", f"lamem={lamem}", "model.horizons=[short_term]", "stages.*.epochs=1"]
    result = train(make_config(*overrides), progress=False)
    cache = make_config().frame_cache
    assert _rows(result.output / "training_clips.csv") == {}
    assert _evaluate(result.output, "--split", "train", "--frame-cache", cache).exit_code == 0


def test_a_report_needs_no_data_and_has_the_runs_own_level(old_run: Path, tmp_path: Path) -> None:
    results = json.loads((old_run / "results.json").read_text())
    results["config"]["data"] = "gone"
    (old_run / "results.json").write_text(json.dumps(results))
    result = CliRunner().invoke(app, ["report", str(old_run), "--out", str(tmp_path / "report")])
    assert result.exit_code == 0, result.output
    assert "gone is not here" in result.output
    text = (tmp_path / "report/report.md").read_text()
    assert "80% interval" in text
    assert "95% interval" not in text


def test_an_unfinished_run_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "training_config.yaml").write_text("data: x\n")
    with pytest.raises(InputError, match="is not finished; go on with --resume"):
        _evaluate(tmp_path)

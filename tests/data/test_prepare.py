"""`prepare`: a repository that loads without this package, is resumed where it stopped, and changes only what must."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import load_dataset
from huggingface_hub import DatasetCard

import videomem_hf  # noqa: F401 - registers the dataset
from tests.data.feature_trees import write_features
from tests.data.release_trees import write, write_mediaeval
from videomem_hf.data import prepare as module
from videomem_hf.data.prepare import PrepareOptions, prepare
from videomem_hf.data.provenance import generated_plan
from videomem_hf.sample import generate_sample
from videomem_hf.schema import InputError

DEV = list(range(1, 25))
TEST = list(range(25, 31))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = write_mediaeval(tmp_path / "release", DEV, TEST)
    write_features(root / "devset/dev-set/features", DEV)
    write_features(root / "testset/me19me-testset/test-set/features", TEST[:-1], "test", seed=1)
    return root


@pytest.fixture(autouse=True)
def quiet(recwarn: pytest.WarningsRecorder) -> None:
    """Missing features of the last test video are warned of; that is tested elsewhere."""


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


FRESH = """
import json, sys
from datasets import get_dataset_config_names, load_dataset
out = {}
for config in get_dataset_config_names(sys.argv[1]):
    splits = load_dataset(sys.argv[1], config)
    stream = load_dataset(sys.argv[1], config, split="train", streaming=True)
    first = next(iter(stream))
    def plain(row):
        row = dict(row)
        if row.get("video"):
            row["video"] = [row["video"]["path"], row["video"]["bytes"] and row["video"]["bytes"].decode()]
        return row
    assert plain(first) == plain(splits["train"][0])
    out[config] = {name: [plain(row) for row in split] for name, split in splits.items()}
assert not any(name.startswith("videomem_hf") for name in sys.modules)
print(json.dumps(out))
"""


def load_in_a_fresh_process(out: Path, cache: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(cache), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-I", "-c", FRESH, str(out)]
    done = subprocess.run(command, cwd=cache, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def test_it_loads_in_a_process_without_the_package(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(release, out, PrepareOptions(videos="embed", configs=("scores", "c3d", "lbp", "orb", "videos")))
    cache = tmp_path / "cache"
    cache.mkdir()
    loaded = load_in_a_fresh_process(out, cache)
    assert list(loaded) == ["scores", "c3d", "lbp", "orb", "videos"]
    for config in ("scores", "c3d", "lbp", "orb"):
        direct = load_dataset("videomem", config, data_dir=str(release))
        assert loaded[config] == {name: list(split) for name, split in direct.items()}
    videos = [row for rows in loaded["videos"].values() for row in rows]
    assert {row["video_id"]: row["video"] for row in videos} == {
        f"video{number}": [f"video{number}.webm", f"clip {number}"] for number in DEV + TEST
    }


def test_types_in_the_files_are_those_of_every_version(release: Path, tmp_path: Path) -> None:
    prepare(release, tmp_path / "out", PrepareOptions(configs=("hmp", "aesthetics")))
    complete = pq.read_schema(tmp_path / "out/hmp/train-00000-of-00001.parquet")
    assert not complete.metadata or b"huggingface" not in complete.metadata
    assert str(complete.field("hmp").type) == "list<element: double>"  # one test video has no file
    (release / "testset/me19me-testset/test-set/features/HMP/video30.txt").write_text("1:1.000000\n")
    prepare(release, tmp_path / "out", PrepareOptions(configs=("hmp", "aesthetics")))
    complete = pq.read_schema(tmp_path / "out/hmp/train-00000-of-00001.parquet")
    assert str(complete.field("hmp").type) == "fixed_size_list<element: double>[6075]"


def test_running_it_twice_changes_nothing(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = prepare(release, out, PrepareOptions(videos="reference"))
    assert {path.name for path in first} >= {"README.md", "SHA256SUMS", "train-00000-of-00001.parquet"}
    before = state(out)
    assert prepare(release, out, PrepareOptions(videos="reference")) == []
    assert state(out) == before


def test_checksums(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(release, out, PrepareOptions(configs=("scores", "c3d")))
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=out, capture_output=True, text=True, check=True)
    assert done.stdout.count(": OK") == 8


def test_it_does_again_what_has_changed_and_nothing_else(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(release, out, PrepareOptions(configs=("scores", "c3d", "hmp")))
    before = state(out)
    write(release / "devset/dev-set/features/C3D/video1.txt", "0.5 0.5 " + "0.0 " * 99)
    written = {
        str(path.relative_to(out)) for path in prepare(release, out, PrepareOptions(configs=("scores", "c3d", "hmp")))
    }
    (split,) = written & {f"c3d/{name}-00000-of-00001.parquet" for name in ("train", "validation")}
    assert written <= {split, "README.md", "croissant.json", "SHA256SUMS"}
    unchanged = {path for path, found in state(out).items() if before.get(path) == found}
    assert unchanged == before.keys() - written - {".prepare.json"}


def test_a_damaged_or_missing_shard_is_written_again(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(release, out)
    before = {path: data for path, (_, data) in state(out).items()}
    write(out / "c3d/train-00000-of-00001.parquet", before["c3d/train-00000-of-00001.parquet"][:-1])
    (out / "hmp/test-00000-of-00001.parquet").unlink()
    written = {str(path.relative_to(out)) for path in prepare(release, out)}
    assert {"c3d/train-00000-of-00001.parquet", "hmp/test-00000-of-00001.parquet"} <= written
    assert {path: data for path, (_, data) in state(out).items()} == before


@pytest.mark.parametrize("after", [0, 1, 5])
def test_an_interrupted_run_goes_on(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    whole = tmp_path / "whole"
    prepare(release, whole)
    write_table: Callable[..., None] = pq.write_table
    calls = []

    def interrupted(table: Any, path: Path, **options: Any) -> None:
        calls.append(path)
        if len(calls) > after:
            Path(path).write_bytes(b"half")
            raise KeyboardInterrupt
        write_table(table, path, **options)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(module.pq, "write_table", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(release, out)
    assert not list(out.rglob("*.partial*"))
    assert not (out / "README.md").exists()
    assert len(list(out.rglob("*.parquet"))) == after
    written = [path for path in prepare(release, out) if path.suffix == ".parquet"]
    assert len(written) == len(list(whole.rglob("*.parquet"))) - after
    assert {path: data for path, (_, data) in state(out).items()} == {
        path: data for path, (_, data) in state(whole).items()
    }


def test_configurations_that_are_no_longer_asked_for_go(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(release, out, PrepareOptions(configs=("scores", "c3d", "hmp")))
    prepare(release, out, PrepareOptions(configs=("scores", "hmp")))
    assert {path.name for path in out.iterdir()} == {
        "scores", "hmp", "README.md", "croissant.json", "SHA256SUMS", ".prepare.json",
    }  # fmt: skip


def test_large_splits_are_cut_into_shards(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 5)
    monkeypatch.setattr(module, "_EMBEDDED_BYTES", 30)
    out = tmp_path / "out"
    prepare(release, out, PrepareOptions(configs=("c3d", "videos"), videos="embed"))
    assert len(list((out / "c3d").glob("train-*-of-00004.parquet"))) == 4
    assert len(list((out / "videos").glob("test-*-of-00002.parquet"))) == 2
    assert {pq.ParquetFile(path).num_row_groups for path in out.rglob("*.parquet")} == {1}
    direct = load_dataset("videomem", data_dir=str(release), split="train")
    assert load_dataset(str(out), "c3d", split="train")["video_id"][:] == direct["video_id"][:]


def test_the_card_says_what_it_is(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(release, out, PrepareOptions(most_annotated=4, group_titles=True, seed=3))
    _, front, text = (out / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(front)
    assert card["license"] == "other"
    assert card["configs"][0]["default"] is True
    assert {(entry["split"], entry["path"]) for entry in card["configs"][0]["data_files"]} == {
        (split, f"scores/{split}-*.parquet") for split in ("train", "validation", "test", "test4")
    }
    for words in (
        "may not be passed on",
        "videomem push dataset",
        "seed 3",
        "nearly the same title",
        "`test4` has the 4",
        "SHA256SUMS",
    ):
        assert words in text
    counts = {split["name"]: split["num_examples"] for split in card["dataset_info"][0]["splits"]}
    assert sum(counts.values()) == len(DEV + TEST)


def test_the_card_of_a_generated_sample_does_not_call_it_licensed(tmp_path: Path) -> None:
    sample = generate_sample(
        tmp_path / "sample", videos=8, test_videos=2, seed=4, size=(64, 64), features=(), write_videos=False, workers=1,
        progress=False,
    )  # fmt: skip
    prepare(sample.release, tmp_path / "out", PrepareOptions(configs=("scores",)))
    card = DatasetCard.load(tmp_path / "out" / "README.md")
    assert card.data.license == "apache-2.0"
    assert "private" not in card.text.replace("privately", "")
    assert "--videos 8 --test-videos 2 --seed 4 --size 64x64" in card.text
    assert (
        generated_plan(tmp_path / "out")
        == generated_plan(sample.release)
        == json.loads((tmp_path / "sample" / "sample.json").read_text())
    )


def test_a_copy_is_not_taken_for_a_generated_sample(release: Path, tmp_path: Path) -> None:
    prepare(release, tmp_path / "out", PrepareOptions(configs=("scores",)))
    assert DatasetCard.load(tmp_path / "out" / "README.md").data.license_name == "videomem-recipients-only"
    assert generated_plan(tmp_path / "out") is None
    write(tmp_path / "sample.json", '{"seed": 0}')
    assert generated_plan(release) is not None  # as `videomem sample` lays it
    release.rename(tmp_path / "copy")
    assert generated_plan(tmp_path / "copy") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PrepareOptions(configs=("scores", "nope")), r"No configuration 'nope' .* there are scores, .*c3d.*, videos"),
        (PrepareOptions(configs=("videos",)), r"say which with --videos reference or --videos embed"),
    ],
)
def test_wrong_options_are_one_sentence(release: Path, tmp_path: Path, options: PrepareOptions, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare(release, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_folders_that_hold_something_else_are_left_alone(release: Path, tmp_path: Path) -> None:
    write(tmp_path / "mine" / "thesis.tex", "x")
    with pytest.raises(InputError, match=r"mine holds other files"):
        prepare(release, tmp_path / "mine")
    with pytest.raises(InputError, match=r"contain one another"):
        prepare(release, release / "out")
    with pytest.raises(InputError, match=r"contain one another"):
        prepare(release, tmp_path)
    write(tmp_path / "file", "x")
    with pytest.raises(InputError, match=r"is a file"):
        prepare(release, tmp_path / "file")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "x"

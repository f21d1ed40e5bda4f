"""What would go and what stays here, decided from files alone."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.data.release_trees import write
from videomem_hf.data.prepare import PrepareOptions, prepare
from videomem_hf.data.provenance import generated_plan
from videomem_hf.hub.shipments import dataset_shipment, metric_shipment, model_shipment, space_shipment
from videomem_hf.sample import SamplePaths
from videomem_hf.schema import InputError

REPO = "ann/name"


@pytest.fixture
def model(run: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(run, tmp_path / "run"))


@pytest.fixture
def parquet(prepared: Path, tmp_path: Path) -> Path:
    """A copy of the prepared folder that a test may change."""
    return Path(shutil.copytree(prepared, tmp_path / "parquet"))


def of_videomem(folder: Path) -> None:
    """Make a run one that was not trained on generated data."""
    results = json.loads((folder / "results.json").read_text())
    results["data"]["generated"] = None
    (folder / "results.json").write_text(json.dumps(results))


def test_measured_scores_stay_here_unless_they_are_generated(model: Path) -> None:
    shipment = model_shipment(model, REPO)
    assert "predictions.csv" in shipment.files
    assert shipment.notes == ()
    of_videomem(model)
    shipment = model_shipment(model, REPO, public=True)
    assert "predictions.csv" not in shipment.files
    assert [note.split()[0] for note in shipment.notes] == ["predictions.csv", "trained"]
    assert shipment.repo_type != "dataset"
    assert "VideoMem is licensed to each recipient" in shipment.files["README.md"].decode()


def own_table(folder: Path, decisions: str, name: str = "clip") -> Path:
    """A prepared table of one's own."""
    rows = "".join(f"{name}{number},0.{number}\n" for number in range(1, 9))
    write(folder / "museum/scores.csv", f"video,short_term\n{rows}")
    write(folder / "museum/memorability.yaml", f"title: The museum\n{decisions}")
    prepare(folder / "museum", folder / "own", PrepareOptions())
    return folder / "own"


def test_a_table_of_ones_own_is_public_under_the_licence_that_it_states(tmp_path: Path) -> None:
    shipment = dataset_shipment(own_table(tmp_path, "license: cc-by-4.0\ncitation: Ours.\n"), REPO, public=True)
    assert shipment.notes[-1] == "The museum becomes public under the licence that its table states: cc-by-4.0"
    card = shipment.files["README.md"].decode()
    header = yaml.safe_load(card.split("---")[1])
    assert (header["pretty_name"], header["license"]) == ("The museum", "cc-by-4.0")
    assert "Ours." in card
    assert "VideoMem" not in card


def test_a_table_without_a_licence_stays_private(tmp_path: Path) -> None:
    folder = own_table(tmp_path, "")
    assert dataset_shipment(folder, REPO).notes[-1].startswith("The museum (its licence is not stated)")
    with pytest.raises(InputError, match=r"the licence of The museum is not stated, so this cannot be public"):
        dataset_shipment(folder, REPO, public=True)


def test_videomems_names_stay_private_whatever_a_table_says(tmp_path: Path) -> None:
    folder = own_table(tmp_path, "license: cc0-1.0\n", name="video")
    with pytest.raises(InputError, match=r"all videos are named as VideoMem's are \(video1\), which may not be passed"):
        dataset_shipment(folder, REPO, public=True)


def test_no_path_of_this_machine_goes(model: Path) -> None:
    shipment = model_shipment(model, REPO)
    for name, source in shipment.files.items():
        content = source if isinstance(source, bytes) else source.read_bytes()
        assert str(model.parent).encode() not in content, name
        assert b"/hub-run" not in content, name
        assert b"/hub-sample" not in content, name
    config = json.loads(shipment.files["results.json"])["config"]
    assert (config["data"], config["output"], config["frame_cache"]) == ("release", "run", "frames")
    assert config["stages"][0]["epochs"] == 1
    assert "training_config.yaml" not in shipment.files


def test_a_card_of_ones_own_goes_with_its_picture(model: Path) -> None:
    (model / "README.md").write_text("---\nlicense: mit\n---\n\n# Mine\n\nUSER/NAME\n\n![maps](attention.png)\n")
    for name in ("attention.png", "training.png"):
        (model / name).write_bytes(b"png")
    shipment = model_shipment(model, REPO)
    assert shipment.files["README.md"].endswith(b"# Mine\n\nann/name\n\n![maps](attention.png)\n")
    assert "attention.png" in shipment.files
    assert "training.png" not in shipment.files


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json; give the folder of a trained"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"holds no weights \(\*.safetensors\)"),
        (
            lambda folder: (folder / "modeling_frame_attention.py").unlink(),
            "lacks modeling_frame_attention.py, which config.json names",
        ),
        (
            lambda folder: (folder / "video_processing_memorability.py").unlink(),
            "lacks video_processing_memorability.py, which video_preprocessor_config.json names",
        ),
        (lambda folder: (folder / "results.json").unlink(), "neither a card nor a run's results.json"),
        (lambda folder: (folder / "results.json").write_text("{"), "results.json: not JSON"),
        (lambda folder: (folder / "README.md").write_text("---\na: [\n---\n"), "README.md: its header cannot be read"),
    ],
)
def test_a_model_that_would_not_load_is_refused(model: Path, spoil: Callable[[Path], object], message: str) -> None:
    spoil(model)
    with pytest.raises(InputError, match=message):
        model_shipment(model, REPO)


@pytest.mark.parametrize("name", ["name", "ann/name/more", "ann/na me", "ann/-name", "ann/na--me"])
def test_names_of_repositories(name: str) -> None:
    with pytest.raises(InputError, match=r"no name of a repository|USER/NAME"):
        metric_shipment(name)


def test_a_dataset_is_what_its_checksums_name(parquet: Path) -> None:
    (parquet / "thesis.tex").write_text("mine")
    shipment = dataset_shipment(parquet, REPO)
    assert not shipment.public
    names = {f"{config}/{split}-00000-of-00001.parquet" for config in ("scores", "c3d") for split in
             ("train", "validation", "test")}  # fmt: skip
    assert set(shipment.files) == names | {"README.md", "croissant.json", "SHA256SUMS"}
    card = shipment.files["README.md"]
    assert b'load_dataset("ann/name", "scores")' in card
    sums = dict(reversed(line.split("  ")) for line in shipment.files["SHA256SUMS"].decode().splitlines())
    assert sums["README.md"] == hashlib.sha256(card).hexdigest()
    assert set(sums) == set(shipment.files) - {"SHA256SUMS"}


def test_a_generated_sample_may_be_public(parquet: Path) -> None:
    shipment = dataset_shipment(parquet, REPO, public=True)
    assert shipment.public
    assert "every row was compared with the generator" in " ".join(shipment.notes)


def test_a_sample_of_the_former_format_has_the_same_rows(parquet: Path) -> None:
    change_card(parquet, format=2)
    sign_again(parquet)
    assert dataset_shipment(parquet, REPO, public=True).public


def test_a_copy_of_videomem_is_never_public(sample: SamplePaths, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(sample.release, tmp_path / "copy"))
    prepare(copy, tmp_path / "out", PrepareOptions(configs=("scores",)))
    with pytest.raises(InputError, match="VideoMem may not be passed on, so this cannot be public; only a generated"):
        dataset_shipment(tmp_path / "out", REPO, public=True)
    shipment = dataset_shipment(tmp_path / "out", REPO)
    assert "give nobody access" in " ".join(shipment.notes)


def sign_again(folder: Path) -> None:
    """Bring the checksums in line with the files."""
    lines = [line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in lines]
    (folder / "SHA256SUMS").write_text("".join(sums))


def change_card(folder: Path, **changes: object) -> None:
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    values = yaml.safe_load(front)
    values["generated_sample"] |= changes
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(values)}---\n{text}")


def change_score(folder: Path) -> None:
    path = folder / "c3d/train-00000-of-00001.parquet"
    table = pq.read_table(path)
    scores = [value - 0.001 for value in table["long_term"].to_pylist()]
    pq.write_table(table.set_column(table.schema.names.index("long_term"), "long_term", pa.array(scores)), path)


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (change_score, r"the long_term of video\d+ in train-00000-of-00001.parquet is not what the generator gives"),
        (lambda folder: change_card(folder, seed=1), "is not what the generator gives"),
        (
            lambda folder: change_card(folder, videos=2),
            r"video\d+ in .* is not one of its|not what the generator",
        ),
        (lambda folder: change_card(folder, format=1), "its format is 1 and this version generates"),
        (lambda folder: change_card(folder, colour="red"), "the arguments that it names are not those of a sample"),
    ],
)
def test_what_only_calls_itself_generated_is_never_public(
    parquet: Path, forge: Callable[[Path], object], message: str
) -> None:
    forge(parquet)
    sign_again(parquet)
    assert generated_plan(parquet) is not None
    with pytest.raises(InputError, match=f"calls itself a generated sample, but .*{message}.*; this cannot be public"):
        dataset_shipment(parquet, REPO, public=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "SHA256SUMS").unlink(), "holds no README.md and SHA256SUMS; `videomem prepare"),
        (change_score, "train-00000-of-00001.parquet: differs from SHA256SUMS, so it was changed"),
        (lambda folder: (folder / "scores/test-00000-of-00001.parquet").unlink(), "lacks 'scores/test-00000-of-00001"),
        (lambda folder: (folder / "SHA256SUMS").write_text("0  ../secret\n"), "lacks '../secret'"),
    ],
)
def test_a_damaged_dataset_is_refused(parquet: Path, spoil: Callable[[Path], object], message: str) -> None:
    (parquet.parent / "secret").write_text("secret")
    spoil(parquet)
    with pytest.raises(InputError, match=message):
        dataset_shipment(parquet, REPO)


def test_videos_by_reference_are_refused(sample: SamplePaths, tmp_path: Path) -> None:
    prepare(sample.release, tmp_path / "out", PrepareOptions(configs=("videos",), videos="reference"))
    with pytest.raises(InputError, match="names videos by their paths on this machine; prepare with --videos embed"):
        dataset_shipment(tmp_path / "out", REPO)
    prepare(sample.release, tmp_path / "out", PrepareOptions(configs=("videos",), videos="embed"))
    assert dataset_shipment(tmp_path / "out", REPO, public=True).public


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no README.md"),
        ({"README.md": "---\nsdk: docker\n---\n"}, "its header says sdk: docker"),
        ({"README.md": "---\nsdk: gradio\napp_file: main.py\n---\n"}, "lacks main.py"),
        ({"README.md": "---\nsdk: gradio\n---\n", "app.py": ""}, "lacks requirements.txt"),
    ],
)
def test_a_space_that_would_not_run_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        space_shipment(tmp_path, REPO)

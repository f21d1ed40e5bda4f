"""`videomem prepare` and `videomem describe` as a person runs them."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
import yaml
from datasets import load_dataset
from scipy.stats import spearmanr
from typer.testing import CliRunner

from tests.data.feature_trees import write_features
from tests.data.release_trees import course_ground_truth, make_truth, write, write_mediaeval
from tests.data.tables.folders import write_museum
from videomem_hf.cli.data import describe, prepare
from videomem_hf.data.describe import describe as look_through
from videomem_hf.data.provenance import data_title
from videomem_hf.schema import InputError

DEV = list(range(1, 31))
TEST = list(range(31, 35))

app = typer.Typer()
app.command()(prepare)
app.command()(describe)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = write_mediaeval(tmp_path / "release", DEV, TEST)
    write_features(root / "devset/dev-set/features", DEV)
    (root / "devset/dev-set/features/C3D/video9.txt").unlink()
    (root / "devset/dev-set/sources/video2.webm").unlink()
    return root


def test_describe_counts_what_is_there(release: Path) -> None:
    description = look_through(release)
    parts = {part.name: (part.present, part.expected, part.first_missing) for part in description.parts}
    assert parts["c3d"] == (len(DEV) - 1, len(DEV + TEST), "video9")
    assert parts["orb"] == (3 * len(DEV), 3 * len(DEV + TEST), "video31-0")
    assert parts["video"] == (len(DEV + TEST) - 1, len(DEV + TEST), "video2")
    truths = [make_truth(number) for number in DEV]
    short_term = [truth.short_term for truth in truths]
    assert description.statistics["mean"]["short_term"] == pytest.approx(sum(short_term) / len(DEV))
    assert description.statistics["distinct values"]["short_term"] == len(set(short_term))
    assert description.statistics["most annotations"]["long_term"] == max(
        truth.long_term_annotations for truth in truths
    )
    expected = spearmanr(short_term, [truth.long_term for truth in truths]).statistic
    assert description.spearman == pytest.approx(expected)
    assert description.shared_titles == 2 * len([number for number in DEV + TEST if number % 7 == 0])


def test_describe_prints_tables_and_plots(release: Path, tmp_path: Path) -> None:
    output = run("describe", release, "--plots", tmp_path / "plots")
    for text in ("videos, labelled", "30", "8,000", "video9", "0.8590", "0.3048", "Spearman"):
        assert text in output
    plots = sorted((tmp_path / "plots").iterdir())
    assert [path.name for path in plots] == ["score_distributions.png", "short_against_long_term.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in plots)


def test_what_comes_next_works_with_what_is_there(release: Path, tmp_path: Path) -> None:
    assert "videomem train --recipe frame_attention --data" in run("describe", release)
    for video in release.rglob("*.webm"):
        video.unlink()
    assert "videomem train --recipe hmp --data" in run("describe", release)
    write(tmp_path / "testset" / "test-set_list.txt", "video1.txt\nvideo2.txt")
    shown = run("describe", tmp_path / "testset")
    assert "videomem train" not in shown
    assert "videomem prepare" in shown


def test_data_of_a_study_are_called_so(tmp_path: Path) -> None:
    write(tmp_path / "scores/release/ground-truth.csv", course_ground_truth(DEV))
    assert "VideoMem (2018 release) at" in run("describe", tmp_path / "scores/release")
    for name in ("summary.json", "design.yaml"):
        write(tmp_path / "scores" / name, "{}")
    assert "A study, in VideoMem's layout, at" in run("describe", tmp_path / "scores/release")
    out = tmp_path / "parquet"
    assert "It holds a study's data" in run("prepare", tmp_path / "scores/release", out)
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "pretty_name: Video memorability, a study" in card
    assert "# Video memorability, a study" in card
    assert "Mechanical" not in card
    assert data_title(out) == "a study"


def test_describe_says_what_is_odd(tmp_path: Path) -> None:
    write(tmp_path / "gt.csv", course_ground_truth(DEV))
    write(tmp_path / "captions.txt", "video1.webm\t#NAME?\nvideo99.webm\ta-b")
    output = run("describe", tmp_path)
    assert "Note: " in output
    assert "captions.txt:1: 1 titles were replaced" in output
    assert "captions.txt:2: 1 videos have a title but no row" in output


def test_describe_of_a_test_set_has_nothing_to_plot(tmp_path: Path) -> None:
    write(tmp_path / "testset" / "test-set_list.txt", "video1.txt\nvideo2.txt")
    assert "Spearman" in run("describe", tmp_path)
    with pytest.raises(InputError, match="no scores to plot"):
        run("describe", tmp_path, "--plots", tmp_path / "plots")


def test_prepare_writes_and_says_how_to_go_on(release: Path, tmp_path: Path) -> None:
    split = write(tmp_path / "mine.txt", "video1\nvideo3")
    arguments = ["prepare", release, tmp_path / "out", "--configs", "scores, c3d", "--split-file", f"mine={split}"]
    output = run(*arguments)
    assert "keep it private" in output
    assert "videomem push dataset" in output
    assert sorted(path.name for path in (tmp_path / "out/c3d").iterdir()) == ["mine-00000-of-00001.parquet"]
    assert "nothing to do" in run(*arguments)


def test_prepare_shows_what_is_missing_as_a_sentence(release: Path, tmp_path: Path) -> None:
    output = run("prepare", release, tmp_path / "out", "--configs", "c3d")
    assert (
        "Note: 5 of 34 files for the column 'c3d' are not in this copy (first: video9, video31, video32, ...)" in output
    )
    assert "UserWarning" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split-file", "train"], "--split-file train; give SPLIT=FILE"),
        (["--configs", "nope"], "No configuration 'nope'"),
        (["--configs", "videos"], "say which with --videos reference or --videos embed"),
    ],
)
def test_wrong_arguments_are_one_sentence(release: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run("prepare", release, tmp_path / "out", *arguments)


def test_another_way_to_embed_is_refused_with_those_that_exist(release: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["prepare", str(release), str(tmp_path / "out"), "--videos", "all"])
    assert result.exit_code == 2
    assert all(name in result.output for name in ("--videos", "'none'", "'reference'", "'embed'"))


def test_the_most_annotated_by_each_count(release: Path, tmp_path: Path) -> None:
    ranked = {
        "long_term": lambda truth: truth.long_term_annotations,
        "short_term": lambda truth: truth.short_term_annotations,
    }
    for by, count in ranked.items():
        run(
            "prepare", release, tmp_path / by, "--configs", "scores", "--most-annotated", "3", "--most-annotated-by", by
        )
        table = pq.read_table(tmp_path / by / "scores" / "test3-00000-of-00001.parquet")
        least = min(count(make_truth(int(name.removeprefix("video")))) for name in table["video_id"].to_pylist())
        held_out = set(table["video_id"].to_pylist())
        others = [number for number in DEV if f"video{number}" not in held_out]
        assert len(held_out) == 3
        assert least >= max(count(make_truth(number)) for number in others)
        assert (
            f"`test3` has the 3 labelled videos with the most {by.replace('_', '-')} annotations"
            in (tmp_path / by / "README.md").read_text()
        )


@pytest.fixture
def museum(tmp_path: Path) -> Path:
    return write_museum(tmp_path / "museum")


def test_describe_says_what_the_columns_of_ones_own_table_are(museum: Path) -> None:
    output = run("describe", museum)
    for cells in (
        ("video", "Clip", "clip_01"),
        ("short_term", "Short-term memorability", "0.47"),
        ("short_term_annotations", "n", "13"),
        ("title", "Titel", "Szene 1"),
        ("kept as they are", "room"),
        ("train", "20"),
        ("videos", "24"),
    ):
        assert any(all(cell in line for cell in cells) for line in output.splitlines()), cells
    assert f"videomem describe {museum} --save" in output


def test_describe_keeps_what_was_decided(museum: Path) -> None:
    (museum / "clips/room A/Clip_02.MP4").unlink()
    said = ["--videos", "clips", "--column", "long_term=Short-term memorability"]
    kept = f"videomem describe {museum} --videos clips --column 'long_term=Short-term memorability' --save"
    assert kept in run("describe", museum, *said)
    output = run("describe", museum, *said, "--save")
    assert "1 (clip_02)" in output
    assert yaml.safe_load((museum / "memorability.yaml").read_text()) == {
        "table": "scores.csv",
        "videos": "clips",
        "columns": {
            "long_term": "Short-term memorability",
            "video": "Clip",
            "title": "Titel",
            "long_term_annotations": "n",
        },
    }
    again = run("describe", museum)
    assert any("long_term" in line and "Short-term memorability" in line for line in again.splitlines())
    assert "long-term" in again
    assert f"videomem train --recipe frame_attention --data {museum}" in again
    (museum / "features/HMP").mkdir(parents=True)
    (museum / "features/HMP/video1.txt").write_text("1 2")
    assert any("features" in line and "hmp" in line for line in run("describe", museum).splitlines())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--column", "short_term"], "--column short_term; give ROLE=NAME"),
        (["--column", "titel=n"], "'titel' is nothing that a column can be; .* did you mean title"),
        (["--table", "none.csv"], "none.csv: no such file"),
        (["--videos", "none"], "none does not exist"),
        (["--preset", "none"], "no preset 'none'; there are"),
    ],
)
def test_wrong_options_of_a_table_are_one_sentence(museum: Path, options: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run("describe", museum, *options)


def test_the_options_of_a_table_are_refused_for_a_release(release: Path) -> None:
    with pytest.raises(InputError, match="--save and the options of a table are for tables of your own"):
        run("describe", release, "--save")


def test_prepare_writes_ones_own_table(museum: Path, tmp_path: Path) -> None:
    run("prepare", museum, tmp_path / "out", "--videos", "embed")
    table = pq.read_table(next((tmp_path / "out/videos").glob("train-*.parquet")))
    assert {"video_id", "short_term", "room", "video"} <= set(table.column_names)
    assert table["video"][0].as_py()["bytes"].startswith(b"clip clips/room")
    loaded = load_dataset(str(tmp_path / "out"), "scores", cache_dir=str(tmp_path / "cache"))
    assert sum(map(len, loaded.values())) == 24
    with pytest.raises(InputError, match=r"No configuration 'c3d' for .*; there are scores, videos"):
        run("prepare", museum, tmp_path / "other", "--configs", "c3d")

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import videomem_hf
from tests.clips import grey_levels, write_clip
from tests.inference.test_predictor import tiny  # noqa: F401 - a fixture
from tests.inference.test_reference import write_run
from videomem_hf.cli import app, main
from videomem_hf.cli.predict_here import Outcome
from videomem_hf.cli.predict_table import print_table
from videomem_hf.inference import Prediction
from videomem_hf.inference.claims import UNTESTED, caveats_of_reference
from videomem_hf.inference.prediction import NOT_COMPARED_NOTE
from videomem_hf.inference.reference import Reference
from videomem_hf.inference.score_journal import ModelFacts
from videomem_hf.inference.typicality import Typicality
from videomem_hf.schema import InputError
from videomem_hf.video.video import probe


@pytest.fixture
def folder(tmp_path, tiny, monkeypatch):  # noqa: F811
    """Three clips, the middle one unreadable, and a model in `model/`."""
    tiny.model.save_pretrained(tmp_path / "model")
    tiny.processor.save_pretrained(tmp_path / "model")
    (tmp_path / "clips").mkdir()
    write_clip(tmp_path / "clips" / "a.webm", grey_levels(72))
    (tmp_path / "clips" / "b.mp4").write_text("this is not a video")
    write_clip(tmp_path / "clips" / "c $1.webm", grey_levels(24))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["predict", *arguments, "--model", "model", "--device", "cpu"])


def test_table_json_csv_and_plots(folder):
    result = run("clips", "--json", "out.json", "--csv", "out.csv", "--plots", "plots")
    assert result.exit_code == 1, result.output
    assert "not a video that FFmpeg can read" in " ".join(result.stdout.split())
    assert "2 clips scored by model, 1 failed" in " ".join(result.stdout.split())

    rows = json.loads((folder / "out.json").read_text())
    assert [row["clip"] for row in rows] == ["clips/a.webm", "clips/b.mp4", "clips/c $1.webm"]
    assert [len(row.get("frames", [])) for row in rows] == [3, 0, 1]
    assert rows[1]["error"].startswith("not a video")
    failed = [rows[1][name] for name in ("model", "short_term", "notes")]
    assert failed == ["model", None, [rows[1]["error"]]]
    with (folder / "out.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    for row, line in zip(rows, table, strict=True):
        assert line["clip"] == row["clip"]
        assert line["frames"] == str(len(row.get("frames", [])))
        assert (
            (float(line["short_term"]) == pytest.approx(row["short_term"], abs=1e-6))
            if "frames" in row
            else line["note"]
        )
    plots = sorted(p.name for p in (folder / "plots").iterdir())
    assert plots == ["a.png", "c_1.png"]
    assert np.asarray(Image.open(folder / "plots" / "a.png").convert("RGB")).std() > 10


def test_all_readable_is_success_and_json_to_stdout_is_clean(folder):
    result = run("clips/a.webm", "--json", "-")
    assert result.exit_code == 0
    assert json.loads(result.stdout)[0]["clip"] == "clips/a.webm"
    assert "1 clip scored" in " ".join(result.stderr.split())


def test_overlay_videos(folder):
    result = run("clips", "--overlay", "videos")
    assert result.exit_code == 1, result.output
    assert sorted(p.name for p in (folder / "videos").iterdir()) == ["a.mp4", "c_1.mp4"]
    info = probe(folder / "videos" / "a.mp4")
    assert (info.codec, info.frames_per_second, info.duration_s) == ("h264", 24, pytest.approx(3))
    rows = "".join(line for line in result.stdout.splitlines() if "c $1" in line)
    assert rows.split()[:3] == ["2", "c", "$1.webm"]
    assert len(rows.split()) == 5  # and a score, and a number of frames


def test_clips_of_the_same_name_keep_their_plots(folder):
    (folder / "other").mkdir()
    write_clip(folder / "other" / "a.webm", grey_levels(24))
    assert run("clips/a.webm", "other/a.webm", "--plots", "plots").exit_code == 0
    assert sorted(p.name for p in (folder / "plots").iterdir()) == ["a-2.png", "a.png"]


def test_an_interruption_keeps_what_is_done(folder, monkeypatch):
    from videomem_hf.inference import Predictor

    real = Predictor.predict_many

    def interrupted(self, *arguments):
        yield from islice(real(self, *arguments), 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "predict_many", interrupted)
    result = run("clips", "--json", "out.json", "--csv", "out.csv")
    assert result.exit_code == 130
    assert "2 of 3 clips are done" in result.stderr
    assert len(json.loads((folder / "out.json").read_text())) == 2
    assert len((folder / "out.csv").read_text().splitlines()) == 3


def started(folder, *arguments, **options):
    """Run the command in a process of its own, with pipes that are none of the test's."""
    environment = {**os.environ, "PYTHONPATH": str(Path(videomem_hf.__file__).parents[1]), "COLUMNS": "200"}
    command = [sys.executable, "-m", "videomem_hf", "predict", *arguments, "--model", "model", "--device", "cpu"]
    return subprocess.run(command, capture_output=True, cwd=folder, check=False, env=environment, **options)


def test_rows_on_standard_output_and_the_table_beside_it(folder):
    result = started(folder, "/dev/stdin", "--csv", "-", input=(folder / "clips/a.webm").read_bytes())
    assert result.returncode == 0, result.stderr
    (row,) = csv.DictReader(result.stdout.decode().splitlines())
    assert (row["clip"], row["frames"], row["note"]) == ("/dev/stdin", "3", "")
    assert "1 clip scored by model" in result.stderr.decode()
    refused = run("clips/a.webm", "--csv", "-", "--json", "-")
    assert "cannot both be standard output" in str(refused.exception)


def test_names_that_are_not_utf8_are_escaped(folder):
    name = b"lat\xe9in.webm".decode("utf-8", "surrogateescape")
    (folder / "clips/c $1.webm").rename(folder / "clips" / name)
    arguments = ("--csv", "o.csv", "--json", "o.json", "--plots", "plots", "--overlay", "videos")
    result = started(folder, "clips", *arguments)
    assert result.returncode == 1, result.stderr  # b.mp4
    assert r"lat\udce9in.webm" in result.stdout.decode("utf-8")
    rows = list(csv.DictReader((folder / "o.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["clip"] for row in rows] == ["clips/a.webm", "clips/b.mp4", r"clips/lat\udce9in.webm"]
    assert [row["clip"] for row in json.loads((folder / "o.json").read_bytes())] == [row["clip"] for row in rows]
    assert sorted(path.name for path in (folder / "plots").iterdir()) == ["a.png", "lat_in.png"]
    assert sorted(path.name for path in (folder / "videos").iterdir()) == ["a.mp4", "lat_in.mp4"]


def test_files_of_the_operating_system_are_no_clips(folder):
    for name in ("._a.webm", "__MACOSX/x.webm", "Thumbs.db", ".DS_Store"):
        (folder / "clips" / name).parent.mkdir(exist_ok=True)
        (folder / "clips" / name).write_bytes(b"\0\5\x16\7")
    (folder / "list.txt").write_text("clips/._a.webm\nclips/a.webm\n")
    for arguments in (("clips/a.webm", "clips/*a.webm"), ("--list", "list.txt")):
        assert run(*arguments, "--csv", "o.csv").exit_code == 0
        assert len((folder / "o.csv").read_text().splitlines()) == 2
    assert run("clips", "--csv", "o.csv").exit_code == 1  # of b.mp4
    assert len((folder / "o.csv").read_text().splitlines()) == 4
    assert "clips/._a.webm: is no clip" in str(run("clips/._a.webm").exception)


def test_whatever_a_clip_raises_goes_into_its_note(folder, monkeypatch):
    from videomem_hf.analysis import clip_figure
    from videomem_hf.inference import predictor

    real, drawn = predictor.sample_clip, clip_figure.save_figure

    def failing(source, *arguments):
        if "c $1" in str(source):
            raise MemoryError
        return real(source, *arguments)

    monkeypatch.setattr(predictor, "sample_clip", failing)
    assert run("clips", "--csv", "o.csv").exit_code == 1
    rows = list(csv.DictReader((folder / "o.csv").read_text().splitlines()))
    assert [row["note"][:11] for row in rows] == ["", "not a video", "MemoryError"]
    assert run("clips", "--csv", "o.csv", "--fail-fast").exit_code == 1
    assert len((folder / "o.csv").read_text().splitlines()) == 3

    monkeypatch.setattr(predictor, "sample_clip", real)

    def full_disk(figure, path):
        if path.stem == "a":
            raise OSError(28, "No space left on device")
        drawn(figure, path)

    monkeypatch.setattr(clip_figure, "save_figure", full_disk)
    assert run("clips/a.webm", "clips/c $1.webm", "--csv", "o.csv", "--json", "o.json", "--plots", "p").exit_code == 1
    rows = list(csv.DictReader((folder / "o.csv").read_text().splitlines()))
    assert [(row["frames"], row["note"][:22]) for row in rows] == [("3", "Scored, but not drawn:"), ("1", "")]
    assert "No space left" in json.loads((folder / "o.json").read_text())[0]["error"]


def test_several_processes_give_the_same(folder):
    for index in range(3):
        write_clip(folder / "clips" / f"d{index}.webm", grey_levels(24 * (index + 1)))
    outputs = {jobs: (f"{jobs}.csv", f"{jobs}.json", f"plots{jobs}", f"videos{jobs}") for jobs in (1, 2)}
    for jobs, (table, json_file, plots, videos) in outputs.items():
        files = ("--csv", table, "--json", json_file, "--plots", plots, "--overlay", videos)
        result = run("clips", *files, "--jobs", str(jobs))
        assert result.exit_code == 1, result.output  # b.mp4
        assert "5 clips scored by model, 1 failed" in " ".join(result.stdout.split())
        assert len(list((folder / plots).iterdir())) == len(list((folder / videos).iterdir())) == 5
    assert (folder / "1.csv").read_text() == (folder / "2.csv").read_text()
    one, two = (json.loads((folder / f"{jobs}.json").read_text()) for jobs in outputs)
    assert [row.get("frames") for row in one] == [row.get("frames") for row in two]


def test_a_process_that_ends_costs_only_the_clip_that_it_was_at(folder):
    (folder / "own.py").write_text(
        "import os, videomem_hf.inference.predictor as predictor\n"
        "real = predictor.sample_clip\n"
        "def sample_clip(source, *arguments):\n"
        "    if 'c $1' in str(source):\n"
        "        os._exit(9)\n"
        "    return real(source, *arguments)\n"
        "predictor.sample_clip = sample_clip\n"
    )
    write_clip(folder / "clips" / "d.webm", grey_levels(24))
    result = started(folder, "clips", "--csv", "o.csv", "--jobs", "2", "--import", "own.py")
    assert result.returncode == 1, result.stderr
    rows = list(csv.DictReader((folder / "o.csv").read_text().splitlines()))
    assert [row["clip"] for row in rows] == [f"clips/{name}" for name in ("a.webm", "b.mp4", "c $1.webm", "d.webm")]
    assert [row["frames"] for row in rows] == ["3", "0", "0", "1"]
    assert rows[2]["note"] == "the process that worked on it ended; its memory may not have sufficed"


def test_a_pipe_is_read_by_one_process_only(folder):
    os.mkfifo(folder / "pipe")
    refused = run("pipe", "clips/a.webm", "--jobs", "2", "--csv", "o.csv")
    assert str(refused.exception) == "pipe: is a pipe, which no other process can read; leave --jobs out"
    assert not (folder / "o.csv").exists()


def test_precision_changes_scores_a_little(folder):
    scores = {}
    for name in ("float32", "bfloat16"):
        assert run("clips/a.webm", "--csv", "o.csv", "--precision", name).exit_code == 0
        (row,) = csv.DictReader((folder / "o.csv").read_text().splitlines())
        scores[name] = float(row["short_term"])
    assert 0 < abs(scores["float32"] - scores["bfloat16"]) < 0.005


def test_addresses_are_fetched(folder):
    result = run("http://127.0.0.1:9/a.mp4", "clips/a.webm", "--csv", "o.csv")
    assert result.exit_code == 1
    rows = list(csv.DictReader((folder / "o.csv").read_text().splitlines()))
    assert rows[0]["clip"] == "http://127.0.0.1:9/a.mp4"
    assert rows[0]["note"].startswith("cannot be fetched (")
    assert rows[1]["note"] == ""
    refused = CliRunner().invoke(app, ["extract", "http://127.0.0.1:9/a.mp4", "--out", "features"])
    assert "is an address; download the clip" in str(refused.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.mp4"], "missing.mp4: no such file or folder"),
        (["clips", "--json", "no/such/folder.json"], "does not exist; make it first"),
        (["clips", "--plots", "clips/a.webm"], "cannot be a folder"),
        (["clips", "--overlay", "clips/a.webm"], "--overlay clips/a.webm: cannot be a folder"),
        (
            ["clips", "--overlay", "o.mp4"],
            "--overlay o.mp4: is named like a file, and each clip gets a file of its own",
        ),
        (["clips", "--model", "clips"], "no model can be loaded"),
        (["clips", "--model", "."], "holds no config.json, so it is no model's folder; did you mean model?"),
    ],
)
def test_mistakes_end_in_one_sentence(folder, arguments, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["videomem", "predict", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("videomem: ")
    assert message in error
    assert error.count("\n") == 1


def test_the_module_runs(folder):
    environment = {**os.environ, "PYTHONPATH": str(Path(videomem_hf.__file__).parents[1])}
    command = [sys.executable, "-m", "videomem_hf", "predict", "missing.mp4"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, env=environment)
    assert (result.returncode, result.stderr) == (1, "videomem: missing.mp4: no such file or folder\n")


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (("--csv", "clips/a.webm"), "clips/a.webm is one of the clips"),
        (("--json", "clips/a.webm"), "clips/a.webm is one of the clips"),
        (("--overlay", "clips"), "holds a.webm, which is a clip"),
        (("--csv", "out", "--json", "./out"), "out is named for two outputs"),
        (("--json", "model"), "model is a folder"),
    ],
)
def test_no_output_is_written_over_a_clip_or_another_output(folder, outputs, message):
    before = (folder / "clips" / "a.webm").read_bytes()
    result = run("clips/a.webm", *outputs)
    assert result.exit_code != 0
    assert message in str(result.exception)
    assert (folder / "clips" / "a.webm").read_bytes() == before


def test_odd_names_are_one_sentence_or_a_clip(folder):
    write_clip(folder / "~clip.webm", grey_levels(24))
    assert run("~clip.webm").exit_code == 0
    for argument, message in {"a" * 300: "no such file", "**.mp4": "is no pattern"}.items():
        result = run(argument)
        assert isinstance(result.exception, InputError)
        assert message in str(result.exception)
    (folder / "notes.txt").write_text("words, and no picture\n" * 200)
    result = run("notes.txt", "clips/a.webm", "--csv", "-")
    assert result.exit_code == 1
    assert "is a text file, not a video" in result.stdout
    assert "clips/a.webm,0." in result.stdout


def test_a_model_is_a_path_as_well_and_nothing_else(folder):
    assert videomem_hf.predict("clips/a.webm", model=folder / "model").scores
    with pytest.raises(InputError, match="a int is no predictor"):
        videomem_hf.predict("clips/a.webm", model=3)


def rows_of(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_a_missing_clip_costs_no_other(folder):
    result = run("clips/a.webm", "missing.mp4", "--csv", "o.csv")
    assert result.exit_code == 1
    assert [(row["clip"], row["frames"]) for row in rows_of(folder / "o.csv")] == [
        ("clips/a.webm", "3"), ("missing.mp4", "0")
    ]  # fmt: skip
    assert rows_of(folder / "o.csv")[1]["note"] == "cannot be opened (no such file or directory)"
    for arguments in (("missing.mp4",), ("missing.mp4", "gone.mp4")):
        assert str(run(*arguments).exception) == "missing.mp4: no such file or folder"


def test_nothing_is_no_clip_and_no_file(folder, monkeypatch):
    def load(*_):
        pytest.fail("loaded the model first")

    monkeypatch.setattr("videomem_hf.inference.load_predictor", load)
    for arguments in ((), ("clips/a.webm",)):
        assert "'' names no clip" in str(run(*arguments, "").exception)
    for option in ("--csv", "--json", "--plots", "--overlay"):
        assert f"{option} is empty; name a" in str(run("clips/a.webm", option, "").exception)


def test_lists_are_read_as_editors_write_them(folder):
    name = "a\u2028b.webm"
    (folder / "clips" / "a.webm").rename(folder / "clips" / name)
    lines = f"# of today\r\nclips/{name}\r\nclips/c $1.webm\r\n"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-be"):
        bom = b"\xfe\xff" if encoding == "utf-16-be" else b""
        (folder / "list.txt").write_bytes(bom + lines.encode(encoding))
        assert run("--list", "list.txt", "--csv", "o.csv").exit_code == 0, encoding
        with (folder / "o.csv").open(encoding="utf-8", newline="") as file:
            assert [row["clip"] for row in csv.DictReader(file)] == [f"clips/{name}", "clips/c $1.webm"]
    (folder / "list.txt").write_bytes(b"\xff\xfea")
    assert "--list list.txt: cannot be read" in str(run("--list", "list.txt").exception)


def test_pipes_are_called_what_was_typed(folder):
    command = (
        f"{sys.executable} -m videomem_hf predict <(cat clips/a.webm) <(cat clips/c*.webm) <(cat clips/b.mp4) "
        "--model model --device cpu --csv o.csv --plots plots"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(videomem_hf.__file__).parents[1]), "COLUMNS": "200"}
    result = subprocess.run(["bash", "-c", command], capture_output=True, cwd=folder, check=False, env=environment)
    assert result.returncode == 1, result.stderr
    assert b"/dev/fd" not in result.stdout + result.stderr + (folder / "o.csv").read_bytes()
    assert [(row["clip"], row["frames"]) for row in rows_of(folder / "o.csv")] == [
        ("<(...) 1", "3"), ("<(...) 2", "1"), ("<(...) 3", "0")
    ]  # fmt: skip
    assert sorted(path.name for path in (folder / "plots").iterdir()) == ["pipe-2.png", "pipe.png"]


def test_numbers_have_their_plural(folder):
    result = run("clips/a.webm")
    assert "1 clip scored by model." in " ".join(result.output.split())


def test_secrets_of_addresses_are_in_no_output(folder):
    address = "http://user:pass@127.0.0.1:9/a.mp4?token=s3cret"
    result = run(address, "clips/a.webm", "--csv", "o.csv", "--json", "o.json", "--plots", "plots")
    written = result.output + (folder / "o.csv").read_text() + (folder / "o.json").read_text()
    assert rows_of(folder / "o.csv")[0]["clip"] == "http://127.0.0.1:9/a.mp4"
    refused = CliRunner().invoke(app, ["extract", address, "--out", "features"])
    for secret in ("pass", "token", "s3cret"):
        assert secret not in written + str(refused.exception)


@pytest.mark.parametrize("command", ["evaluate", "card", "report"])
def test_a_folder_that_is_not_there_is_named(folder, command):
    result = CliRunner().invoke(app, [command, "nosuchfolder"])
    assert str(result.exception).startswith("nosuchfolder: no such folder; give the folder of a ")


def test_names_of_mediaevals_files_are_for_a_submission(folder):
    for option in (("--team", "mine"), ("--year", "2020"), ("--run", "2")):
        result = CliRunner().invoke(app, ["evaluate", "model", "--data", "release", *option])
        assert str(result.exception) == f"{option[0]} is for the files of --submission; give its folder as well"


@pytest.mark.parametrize(("clips", "counted"), [(7, "7 clips"), (1, "1 clip")])
def test_a_report_of_few_clips_says_how_many_it_needs(folder, clips, counted):
    (folder / "run").mkdir()
    (folder / "run" / "results.json").write_text('{"config": {"data": "none"}}')
    rows = [f"video{i},0.8,{'0.7' if i < clips else ''}" for i in range(12)]
    (folder / "run" / "predictions.csv").write_text("\n".join(["video_id,short_term,short_term_model", *rows]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("videomem_hf.evaluation.training_clips.check_own_predictions", lambda _: None)
        result = CliRunner().invoke(app, ["report", "run"])
    assert f"{counted} with a measured and a predicted score; a report needs 10 or more" in str(result.exception)
    assert "The run needs 10 or more evaluated clips" in " ".join(
        CliRunner().invoke(app, ["report", "--help"], env={"COLUMNS": "200"}).output.split()
    )


def test_what_cannot_be_used_costs_no_other(folder):
    (folder / "empty").mkdir()
    (folder / "loop.mp4").symlink_to("loop.mp4")
    result = run("clips/a.webm", "empty", "*.none", "loop.mp4", "--csv", "o.csv")
    assert result.exit_code == 1
    assert [(row["clip"], row["frames"]) for row in rows_of(folder / "o.csv")] == [
        ("clips/a.webm", "3"), ("loop.mp4", "0")
    ]  # fmt: skip
    assert "videomem: empty: the folder holds no file that ends in" in result.stderr
    assert "videomem: *.none: the pattern matches no file" in result.stderr
    assert "the folder holds no file" in str(run("empty").exception)


def test_occlusion_maps_are_drawn_below_the_stills(folder, monkeypatch):
    from videomem_hf.analysis import clip_figure

    saved, real = [], clip_figure.save_figure
    monkeypatch.setattr(clip_figure, "save_figure", lambda figure, path: (saved.append(figure), real(figure, path)))
    for options, rows in (((), 2), (("--occlusion",), 3)):
        result = run("clips/a.webm", "--plots", "plots", *options)
        assert result.exit_code == 0, result.output
        pictures = [axes for axes in saved[-1].axes if axes.images]
        assert len(pictures) == 3 * rows
        labels = " ".join(axes.get_xlabel() for axes in saved[-1].axes)
        assert ("score when a cell is covered" in labels) is bool(options)


def test_occlusion_needs_a_folder_for_the_pictures(folder):
    result = run("clips/a.webm", "--occlusion")
    assert result.exit_code == 1
    assert "--occlusion: needs --plots FOLDER" in f"{result.exception}{result.output}"


def test_what_stands_beside_scores_is_in_every_form(folder):
    """Intervals, percentiles, the model and its version in the table, the CSV and the JSON; caveats once below."""
    write_run(folder / "model", "validation", 19, generated=True)
    result = run("clips/a.webm", "clips/c $1.webm", "--json", "out.json", "--csv", "out.csv")
    assert result.exit_code == 0, result.output
    shown = " ".join(result.stdout.split())
    assert shown.count("Trained on generated clips") == 1
    assert "its 90% prediction interval" in shown
    assert "predictions that are lower, of 19 held-out clips of a generated sample." in shown
    rows, stored = rows_of(folder / "out.csv"), json.loads((folder / "out.json").read_text())
    for row, plain in zip(rows, stored, strict=True):
        ends = [float(row["short_term_low_90"]), float(row["short_term_high_90"])]
        assert ends == pytest.approx(plain["intervals"]["short_term"], abs=1e-6)
        assert ends[0] <= float(row["short_term"]) < ends[1]
        assert float(row["short_term_percentile"]) == plain["percentiles"]["short_term"]
        assert f"above {round(plain['percentiles']['short_term'] * 19 / 100)} of 19" in shown
        assert row["percentile_among"] == plain["among"] == "of 19 held-out clips of a generated sample"
        assert len(row["model_version"]) == 8
        assert row["model_version"] == plain["model_version"]
        assert row["caveats"] == " ".join(plain["caveats"])
        assert row["model"] == "model"


def test_a_table_of_eighty_columns_has_its_notes_once_below(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    reference = Reference("a set", difference_error={"short_term": 0.05})
    note = "Unlike the clips that the model was trained on: its score may mean nothing."

    def outcome(name: str, score: float, notes: tuple[str, ...] = ()) -> Outcome:
        values = np.array([[score, 0.7]])
        ends = {"short_term": (score - 0.1, score + 0.1), "long_term": (0.5, 0.9)}
        scores = {"short_term": score, "long_term": 0.7}
        prediction = Prediction(
            name, "m", scores, np.zeros(1), values, notes=notes, intervals=ends, reference=reference
        )
        return Outcome(Path(name), name, prediction)

    outcomes = [outcome("a.mp4", 0.8, (note,)), outcome("b.mp4", 0.78, (note,)), outcome("c.mp4", 0.6)]
    outcomes.append(Outcome(Path("d.mp4"), "d.mp4", None, "not a video"))
    model = ModelFacts("m", ("short_term", "long_term"), "1", ("A caveat.",), is_tested=True)
    print_table(outcomes, model, to_stderr=False)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.count("Unlike the clips") == shown.count("A caveat.") == shown.count("not a video") == 1
    ranked = [line.split() for line in shown.splitlines() if ".mp4" in line]
    assert [line[:2] for line in ranked] == [["1", "a.mp4"], ["1", "b.mp4"], ["3", "c.mp4"], ["-", "d.mp4"]]
    assert [line[-1] for line in ranked] == ["1", "1", "1", "2"]  # of c.mp4 the number of frames
    assert "0.70 to 0.90" in shown
    print_table(outcomes[2:3], replace(model, scores_frames=False), to_stderr=False)
    (row,) = (line.split() for line in capsys.readouterr().out.splitlines() if "c.mp4" in line)
    assert row[-1] == "-"  # a model of features scores no frames


@pytest.mark.parametrize("name", ["reference.json", "typicality.safetensors"])
def test_a_damaged_file_of_the_model_is_no_fault_of_the_clips(folder, name):
    (folder / "model" / name).write_text('{"data": "x", "quantiles": 3}')
    result = run("clips/a.webm", "--csv", "out.csv")
    assert result.exit_code == 1
    assert isinstance(result.exception, InputError)  # which `main` prints
    assert str(result.exception).startswith(f"model/{name}: is damaged (")
    assert "fetch it or train the model again, or remove it" in str(result.exception)
    assert not (folder / "out.csv").exists()


def test_no_name_of_a_clip_acts_as_a_formula_in_a_spreadsheet(folder):
    write_clip(folder / "=1+1.webm", grey_levels(24))
    assert run("=1+1.webm", "clips/a.webm", "--csv", "out.csv", "--json", "out.json").exit_code == 0
    with (folder / "out.csv").open(newline="") as file:
        assert [row["clip"] for row in csv.DictReader(file)] == ["'=1+1.webm", "clips/a.webm"]
    assert [row["clip"] for row in json.loads((folder / "out.json").read_text())] == ["=1+1.webm", "clips/a.webm"]


def test_equal_scores_of_all_clips_are_told(capsys):
    def outcomes(*scores: float) -> list[Outcome]:
        made = [Prediction(f"{s}", "m", {"short_term": s}, np.zeros(1), np.array([[s]])) for s in scores]
        return [Outcome(Path("a.mp4"), "a.mp4", each) for each in made]

    told = "All clips have the same short-term score: the model does not tell them apart."
    for scores, is_told in (((0.8, 0.8, 0.8), True), ((0.8, 0.8), False), ((0.8, 0.8, 0.7), False)):
        print_table(outcomes(*scores), ModelFacts("m", ("short_term",)), to_stderr=False)
        assert (told in capsys.readouterr().out.replace("\n", " ")) == is_told


def test_one_clip_has_no_rank_and_none_has_no_explanations(capsys):
    caveats = (f"{UNTESTED}, as 11 held-out clips are too few and 50 are needed.", "Another caveat.")
    caveats += caveats_of_reference(["short_term", "long_term"], Reference("x", trained_on="lamem"))[:1]
    model = ModelFacts("m", ("short_term",), "1", caveats)

    def shown(*scores: float) -> str:
        made = [Prediction(f"{s}", "m", {"short_term": s}, np.zeros(1), np.array([[s]])) for s in scores]
        outcomes = [Outcome(Path("a.mp4"), "a.mp4", each) for each in made]
        print_table([*outcomes, Outcome(Path("d.mp4"), "d.mp4", None, "not a video")], model, to_stderr=False)
        return " ".join(capsys.readouterr().out.split())

    photographs = (
        "Trained on photographs (LaMem): it ranks clips against each other, and its scores are not on VideoMem's"
    )
    alone = (
        "Trained on photographs (LaMem): its score is not on VideoMem's scale, and only says whether this clip is above"
    )
    assert caveats[0] in shown(0.8, 0.7)
    assert photographs in shown(0.8, 0.7)
    assert alone in shown(0.8)
    assert photographs not in shown(0.8)
    assert "Ranks follow" not in shown(0.8)
    assert "Another caveat." in shown(0.8)
    assert shown().endswith("1 not a video 0 clips scored by m, 1 failed.")


def test_typical_clips_of_another_model_are_told_once(folder):
    rows = np.random.default_rng(0).normal(size=(40, 3))
    typicality = Typicality.fit({"another": rows}, {"another": rows})
    assert typicality is not None
    typicality.save(folder / "model" / "typicality.safetensors")
    result = run("clips/a.webm", "clips/c $1.webm", "--csv", "out.csv")
    assert result.exit_code == 0, result.output
    assert " ".join(result.stdout.split()).count("was not measured") == 1
    assert [NOT_COMPARED_NOTE in row["note"] for row in rows_of(folder / "out.csv")] == [True, True]

"""Files of predictions of every usual form are read; what they do not say is asked for in one sentence."""

from dataclasses import replace
from pathlib import Path

import pytest
from openpyxl import Workbook

from tests.benchmark.made_up_truth import make_truth
from videomem_hf.benchmark.prediction_files import merge_runs, read_prediction_file
from videomem_hf.benchmark.predictors import align
from videomem_hf.schema import InputError

BOTH = ("short_term", "long_term")
WITH_MEASURED = ("preds_short_term.tsv", "eye_short_term.tsv", "eye2_short_term.csv", "z.csv", "beside_short_term.csv")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("name", "text", "horizon"),
    [
        ("2019mem_team_shortterm_run1-required.csv", "video1.webm,0.9,1\r\nvideo2.webm,0.5,1\r\n", "short_term"),
        ("me_long-term_run2.csv", "video,score\nvideo1.webm,.9\nvideo2.webm,.5\n", "long_term"),
        ("semicolons_long_term.csv", "\ufeffid;score;confidence\nvideo1;.9;1\nvideo2;.5;1\n", "long_term"),
        (
            "preds_short_term.tsv",
            "filename\tpred\tgt\nvideos/video1.mp4\t.9\t.8\nvideos/video2.mp4\t.5\t.6\n",
            "short_term",
        ),
        ("x.csv", "video_id,long_term_prediction\nvideo1,.9\nvideo2,.5\n", "long_term"),
        ("y.csv", "clip,short_term,frames\nvideo1.webm,.9,7\nvideo2.webm,.5,7\n", "short_term"),
        ("commas_short_term.csv", "video1.webm;0,9\nvideo2.webm;0,5\n", "short_term"),
        ("percent_short_term.csv", "video1.webm,90%\nvideo2.webm,50 %\n", "short_term"),
        ("gap_short_term.csv", "video0.webm,NA\nvideo1.webm,.9\nvideo2.webm,.5\nvideo3.webm,\n", "short_term"),
        ("rows_short_term.csv", "id,name,score\n0,video1.webm,.9\n1,video2.webm,.5\n", "short_term"),
        ("numbers_short_term.csv", ",video,score\n7,video1.webm,.9\n8,video2.webm,.5\n", "short_term"),
        ("spaces_long_term.txt", "video1.webm 0.9\nvideo2.webm   0.5\n", "long_term"),
        ("sep.csv", "sep=;\nVideo;Short-term score\nvideo1;.9\nvideo2;.5\n;\n", "short_term"),
        ("words.csv", "video,st,long\nvideo1,9,.9\nvideo2,9,.5\n", "long_term"),
        ("whole.csv", "video,shortterm_score,confidence\nvideo1,.9,1\nvideo2,.5,1\n", "short_term"),
        ("team_short_run1.csv", "video1.webm,.9\nvideo2.webm,.5\n", "short_term"),
        (
            "p.jsonl",
            '{"video_id": "video1", "long_term": 0.9}\n{"video_id": "video2", "long_term": 0.5}\n',
            "long_term",
        ),
        (
            "p_longterm.json",
            '[{"clip": "a/video1.mp4", "pred": 0.9}, {"clip": "video2.mp4", "pred": 0.5, "note": null}]',
            "long_term",
        ),
        ("eye_short_term.tsv", "vid\tmem_pred\tmem_gt\nvideo1.mp4\t.9\t.8\nvideo2.mp4\t.5\t.6\n", "short_term"),
        (
            "beside_short_term.csv",
            "video,prediction_time,pred_low,score,pred,pred_high,pred_std\n"
            "video1,3,.7,.8,.9,1,.1\nvideo2,3,.4,.6,.5,.6,.1\n",
            "short_term",
        ),
        ("error_short_term.csv", "video,prediction_error,net_pred\nvideo1,.2,.9\nvideo2,.1,.5\n", "short_term"),
        ("eye2_short_term.csv", "video,mem_score,mem_score_pred\nvideo1,.8,.9\nvideo2,.6,.5\n", "short_term"),
        ("map_longterm.json", '{"video1.mp4": 0.9, "video2.mp4": 0.5, "video3": null}', "long_term"),
        ("maps.json", '{"video1.mp4": {"long_term": 0.9}, "video2.mp4": {"long_term": 0.5, "x": 1}}', "long_term"),
        ("z.csv", "video_id,short_term,short_term_model\nvideo1,.8,.9\nvideo2,.6,.5\n", "short_term"),
    ],
)
def test_usual_forms(tmp_path: Path, name: str, text: str, horizon: str) -> None:
    found = read_prediction_file(write(tmp_path, name, text), BOTH)
    assert found.predicted == {horizon: {"video1": 0.9, "video2": 0.5}}
    measured = {"short_term": {"video1": 0.8, "video2": 0.6}} if name in WITH_MEASURED else {}
    assert found.measured == measured


def test_intervals_with_their_level(tmp_path: Path) -> None:
    text = "clip,short_term,short_term_low_80,short_term_high_80\na.mp4,.5,.3,.7\nb.mp4,.6,.4,.8\n"
    found = read_prediction_file(write(tmp_path, "p.csv", text), BOTH)
    assert found.intervals == {"short_term": {"a": (0.3, 0.7), "b": (0.4, 0.8)}}
    assert found.level == 0.8


def test_columns_and_the_horizon_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path, "p.csv", "stimulus,guess\na,.5\nb,.6\n")
    with pytest.raises(InputError, match="no column of clips among stimulus, guess; say which with --column clip=NAME"):
        read_prediction_file(path, BOTH)
    found = read_prediction_file(path, BOTH, columns={"clip": "stimulus", "long_term": "guess"})
    assert found.predicted == {"long_term": {"a": 0.5, "b": 0.6}}
    with pytest.raises(InputError, match="--column long_term=gues does not fit"):
        read_prediction_file(path, BOTH, columns={"long_term": "gues"})
    plain = write(tmp_path, "q.csv", "a,.5\nb,.6\n")
    with pytest.raises(InputError, match="has no header, so --column names nothing"):
        read_prediction_file(plain, BOTH, horizon="long_term", columns={"clip": "a"})
    with pytest.raises(InputError, match="--horizon week: the data have short_term, long_term"):
        read_prediction_file(write(tmp_path, "r.csv", "video,short_term\na,.5\n"), BOTH, horizon="week")
    with pytest.raises(InputError, match="does not say which of short_term, long_term"):
        read_prediction_file(plain, BOTH)
    several = write(tmp_path, "s.csv", "video,st_hat,lt_hat\na,.5,.6\n")
    with pytest.raises(InputError, match="here video, st_hat, lt_hat, say which with --column short_term=NAME"):
        read_prediction_file(several, BOTH)
    assert list(read_prediction_file(plain, BOTH, horizon="long_term").predicted) == ["long_term"]
    assert list(read_prediction_file(plain, ("after_a_week",)).predicted) == ["after_a_week"]


def test_horizons_of_ones_own_names(tmp_path: Path) -> None:
    own = ("day", "day_1", "day_10", "Week")
    for stem, horizon in (("run_day10", "day_10"), ("run_day_1", "day_1"), ("day", "day"), ("my-week", "Week")):
        found = read_prediction_file(write(tmp_path, f"{stem}.csv", "a,.5\nb,.6\n"), own)
        assert list(found.predicted) == [horizon]
    text = "video,Week,Week_pred,Week_low_90,Week_high_90\na,.4,.5,.3,.7\n"
    found = read_prediction_file(write(tmp_path, "t.csv", text), own)
    assert (found.predicted, found.measured) == ({"Week": {"a": 0.5}}, {"Week": {"a": 0.4}})
    assert found.intervals == {"Week": {"a": (0.3, 0.7)}}


def test_names_with_points(tmp_path: Path) -> None:
    text = "".join(f"{name},0.{n}\n" for n, name in enumerate(("a/clip.v2.MP4", "clip.v3", "10.5.webm", "7", "b.jpg")))
    found = read_prediction_file(write(tmp_path, "short_term.csv", text), BOTH)
    assert found.predicted["short_term"] == {"clip.v2": 0.0, "clip.v3": 0.1, "10.5": 0.2, "7": 0.3, "b": 0.4}
    truth, _ = make_truth(3)
    named = replace(truth, ids=["clip.v2", "clip.v3", "10.5"])
    assert align(found, named).scores[:, 0].tolist() == [0.0, 0.1, 0.2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,.5\nb\n", "row 2 has 1 columns, and the first 2; mend the row"),
        ("a\nb\n", "has one column in its first row"),
        ("video,score,Score\na,.5,.6\nb,.6,.5\n", "has two columns 'score'"),
        ("video,score\na,high\nb,.5\n", "row 1 has 'high', which is no number"),
        ("a,.5,1,2\nb,.5,1,2\n", "has no header and 4 columns"),
        (f"video,score,note\na,.5,{'x' * 140_000}\n", "cannot be read .field larger"),
        ("video,weight\na,.5\n", "no column of predictions among video, weight"),
        ("video,a_pred,b_pred\na,.5,.6\n", "a_pred, b_pred can all be the predictions; say which with --column short"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_prediction_file(write(tmp_path, "short_term.csv", text), BOTH)


def test_a_clip_that_an_object_has_twice_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "short_term.json", '{"video1": 0.9, "video2": 0.5, "video1": 0.1}')
    with pytest.raises(InputError, match=r"short_term.json: 'video1' twice in one object; keep one of them"):
        read_prediction_file(path, BOTH)


def test_json_that_is_nested_without_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"short_term\.json: not JSON"):
        read_prediction_file(write(tmp_path, "short_term.json", "[" * 100_000), BOTH)


def test_spreadsheets_and_utf_16(tmp_path: Path) -> None:
    rows = [("Video", "Short-term memorability"), ("video1.webm", 0.9), ("video2.webm", 0.5)]
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "p.xlsx")
    (tmp_path / "p.csv").write_text("\n".join(f"{clip}\t{score}" for clip, score in rows), encoding="utf-16")
    for name in ("p.xlsx", "p.csv"):
        assert read_prediction_file(tmp_path / name, BOTH).predicted == {"short_term": {"video1": 0.9, "video2": 0.5}}


def test_folders_say_the_horizon_too(tmp_path: Path) -> None:
    files = []
    for name in ("short-term", "long-term"):
        (tmp_path / name).mkdir()
        files.append(read_prediction_file(write(tmp_path / name, "run1.csv", "video1,.9\nvideo2,.8\n"), BOTH))
    (both,) = merge_runs(files, BOTH)
    assert list(both.predicted) == ["short_term", "long_term"]
    assert both.name == f"{tmp_path / 'short-term/run1.csv'} + {tmp_path / 'long-term/run1.csv'}"


def test_two_runs_of_one_predictor_become_one(tmp_path: Path) -> None:
    names = ("2019mem_a_shortterm_run1.csv", "2019mem_a_longterm_run1.csv", "2019mem_b_longterm_run1.csv")
    files = [read_prediction_file(write(tmp_path, name, "video1,.9\nvideo1,.8\n"), BOTH) for name in names]
    both, other = merge_runs(files, BOTH)
    assert list(both.predicted) == ["short_term", "long_term"]
    assert list(other.predicted) == ["long_term"]
    assert both.twice == ("video1",)
    assert both.predicted["short_term"] == {"video1": 0.9}

"""What the pages are made of, without a server: limits, models, HTML, CSV."""

import csv
import os
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path

import intake
import models as space_models
import numpy as np
import pytest
import scoring as space_scoring
import views

from tests.clips import grey_levels, write_clip
from videomem_hf.inference import Prediction, loading
from videomem_hf.schema import InputError

HOSTILE = "<img src=x onerror=alert(1)>\"'`${alert(1)}{{x}}\n\x00\u202egpm.mp4"


@pytest.fixture
def clip(small_clip):
    return small_clip


@pytest.fixture
def scoring(model_folder):
    return space_scoring.Scoring(space_models.Models([str(model_folder)]), intake.Limits())


def silent(share, what):
    assert 0 <= share <= 1


def scored(name: str, short: float, notes=()) -> space_scoring.Scored:
    rows = np.array([[short]])
    return space_scoring.Scored(
        name, Prediction("x", "m", {"short_term": short}, np.zeros(1), rows, notes=tuple(notes))
    )


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (intake.Limits(megabytes=0), "the file has 0 MB; clips may have up to 0 MB"),
        (intake.Limits(seconds=2), "the clip lasts 4 s; clips may have up to 100 MB, 2 s"),
        (intake.Limits(pixels=64 * 48 - 1), "the picture is 64x48; clips may have"),
    ],
)
def test_limits_are_one_sentence_without_the_place_of_the_file(clip, limits, message):
    with pytest.raises(InputError, match=message) as caught:
        intake.check_clip(clip, limits)
    assert str(clip.parent) not in str(caught.value)
    assert str(caught.value).startswith("c.webm: ")
    assert intake.check_clip(clip, intake.Limits()) == pytest.approx(4, abs=0.1)


def test_a_header_that_lies_is_found_out(model_folder, tmp_path):
    clip = write_clip(tmp_path / "live.webm", grey_levels(40), fps=4, live=True)
    limits = intake.Limits(seconds=5)
    assert intake.check_clip(clip, limits) is None
    scoring = space_scoring.Scoring(space_models.Models([str(model_folder)]), limits)
    with pytest.raises(InputError, match=r"live.webm: the clip lasts over 5 s"):
        scoring.score(clip, scoring.models.labels[0], silent)
    slow = space_scoring.Scoring(scoring.models, intake.Limits(work_s=0))
    with pytest.raises(InputError, match="not scored within 0 s"):
        slow.score(clip, scoring.models.labels[0], silent)


def test_names_are_on_one_line_and_not_long():
    name = intake.display_name(Path("a" * 300 + "\n\x1b[31m.mp4"))
    assert len(name) == intake.LONGEST_NAME
    assert name.isprintable()
    assert name.endswith(".mp4")


def test_weights_are_loaded_once_for_everybody(model_folder, monkeypatch):
    loads = []
    load = loading._from_pretrained
    monkeypatch.setattr(loading, "_from_pretrained", lambda *a: (loads.append(a), load(*a))[1])
    models = space_models.Models([str(model_folder)])
    found = []
    threads = [threading.Thread(target=lambda: found.append(models.predictor(models.labels[0]))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len(found) == 6
    assert len({id(predictor) for predictor in found}) == 1


def test_visitors_see_labels_and_reach_no_folder(model_folder, tmp_path, monkeypatch):
    other = tmp_path / "two" / model_folder.name
    other.parent.mkdir()
    other.symlink_to(model_folder)
    models = space_models.Models([str(model_folder), str(other)])
    assert models.labels[:2] == [model_folder.name, f"{model_folder.name} (2)"]
    monkeypatch.chdir(model_folder.parent.parent)
    inside = os.path.relpath(model_folder)
    for typed in (
        str(model_folder),
        inside,
        "../x",
        "/etc",
        "a/b/c",
        "x",
        "-",
        "a" * 500,
        "<b>/x",
        "file:///etc/passwd",
    ):
        with pytest.raises(InputError, match="there is no such model; choose"):
            models.predictor(typed)
    with pytest.raises(InputError, match="Choose a model first"):
        models.predictor("  ")
    with pytest.raises(InputError, match="cannot be fetched from the Hub"):
        models.predictor("owner/name")  # tests have no network


def test_scores_are_those_of_the_package(scoring, clip, model_folder, tmp_path):
    import videomem_hf

    expected = videomem_hf.predict(clip, model=str(model_folder), device="cpu")
    *_, last = stages = list(scoring.explain(clip, model_folder.name, tmp_path, silent))
    assert [s.overlay is not None for s in stages] == [False, True]
    assert last.prediction.scores == pytest.approx(expected.scores, abs=1e-6)
    assert len(last.prediction.stills) == 4
    assert last.overlay.read_bytes()[4:8] == b"ftyp"
    assert scoring.score(clip, model_folder.name, silent).prediction.scores == pytest.approx(expected.scores, abs=1e-6)


def test_examples_are_scored_once(model_folder, clip, tmp_path, monkeypatch):
    scoring = space_scoring.Scoring(space_models.Models([str(model_folder)]), intake.Limits(), {"One": clip})
    scoring.warm_up()
    again = tmp_path / "renamed.webm"
    again.write_bytes(clip.read_bytes())
    monkeypatch.setattr(loading.Predictor, "predict", None)
    (result,) = scoring.explain(again, model_folder.name, tmp_path, silent)
    assert result.name == "renamed.webm"
    assert result.overlay.is_file()
    again.write_bytes(clip.read_bytes()[:-1] + b"x")  # as long, another clip
    with pytest.raises(TypeError):
        next(scoring.explain(again, model_folder.name, tmp_path, silent))


def test_what_visitors_write_is_text(scoring, clip, model_folder, tmp_path):
    *_, last = scoring.explain(clip, model_folder.name, tmp_path, silent)
    last = space_scoring.Scored(HOSTILE, last.prediction)
    rows = [views.Row(HOSTILE, last), views.Row(HOSTILE, error=HOSTILE)]
    for html in (views.summary(last), views.explorer(last), views.ranking(rows)):
        found = Tags(html)
        assert not [tag for tag, attrs in found.tags if tag == "script" or any(a.startswith("on") for a in attrs)]
        assert all(attrs["src"].startswith("data:image/jpeg") for tag, attrs in found.tags if tag == "img")
    assert sum(HOSTILE in t for t in Tags(views.ranking(rows)).texts) == 3


def test_pages_can_be_read_without_seeing_them(scoring, clip, model_folder, tmp_path):
    *_, last = scoring.explain(clip, model_folder.name, tmp_path, silent)
    summary, explorer = Tags(views.summary(last)), Tags(views.explorer(last))
    meters = [attrs for _, attrs in summary.tags if attrs.get("role") == "meter"]
    assert len(meters) == 2
    for meter, (_, score) in zip(meters, last.prediction.scores.items(), strict=True):
        assert float(meter["aria-valuenow"]) == pytest.approx(score, abs=1e-3)
        assert f"{score:.2f} of 1, more memorable than about" in meter["aria-valuetext"]
    assert all("alt" in attrs for tag, attrs in explorer.tags if tag == "img")
    assert all(attrs["aria-label"] for tag, attrs in explorer.tags if tag == "button")
    slider = next(attrs for tag, attrs in explorer.tags if attrs.get("type") == "range")
    assert slider["aria-label"]
    assert "short-term" in slider["aria-valuetext"]
    assert sum(tag == "tr" for tag, _ in explorer.tags) == 1 + len(last.prediction.times_s)


def test_the_most_memorable_comes_first_and_failures_last():
    rows = [views.Row("b", scored("b", 0.5)), views.Row("bad", error="no video"), views.Row("a", scored("a", 0.9))]
    html = views.ranking(rows, waiting=2)
    assert html.index(">a<") < html.index(">b<") < html.index(">bad<")
    assert "2 more to come" in html
    assert "Long-term" not in html


def test_a_missing_horizon_and_a_note_are_told():
    html = views.summary(scored("a", 0.9, ["/secret/place/a.mp4: 2 damaged part(s) passed over"]))
    assert "This model does not predict it." in html
    assert "2 damaged part(s) passed over" in html
    assert "secret" not in html


def test_the_csv_file_can_be_opened_in_a_spreadsheet(tmp_path):
    from app import write_csv

    rows = [views.Row("=1+1.mp4", scored("x", 0.5)), views.Row("b, c.mp4", error="not a video")]
    write_csv(tmp_path / "m.csv", rows)
    with (tmp_path / "m.csv").open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert first["clip"] == "'=1+1.mp4"
    assert (first["short_term"], first["long_term"], first["frames"]) == ("0.500000", "", "1")
    assert 0 <= float(first["short_term_percentile"]) <= 100
    assert (second["clip"], second["short_term"], second["note"]) == ("b, c.mp4", "", "not a video")


def test_a_clip_that_raises_anything_stops_no_batch(scoring, clip, tmp_path, monkeypatch):
    import app

    from videomem_hf.inference import Predictor

    other = tmp_path / "other.webm"
    other.write_bytes(clip.read_bytes())
    real = Predictor.predict

    def failing(self, source, *arguments, **options):
        if Path(source).name == "other.webm":
            raise RuntimeError(f"{source}: a fault of the program")
        return real(self, source, *arguments, **options)

    monkeypatch.setattr(Predictor, "predict", failing)
    label = scoring.models.labels[0]
    rows = list(app._score_rows(scoring, [str(other), str(clip)], label, lambda share, desc: None))
    assert [(row.error, row.scored is None) for row in rows] == [
        ("This clip cannot be scored (RuntimeError)", True),
        ("", False),
    ]


@pytest.mark.parametrize(("level", "share"), [(0.9, "90 %"), (0.5, "50 %")])
def test_an_interval_is_shown_with_its_level(level, share):
    both = {"short_term": 0.8, "long_term": 0.7}
    intervals = {"short_term": (0.7, 0.9), "long_term": (0.5, 0.85)}
    prediction = Prediction(
        "x", "m", both, np.zeros(1), np.array([[0.8, 0.7]]), intervals=intervals, interval_level=level
    )
    page = " ".join(Tags(views.summary(space_scoring.Scored("x", prediction))).texts)
    assert f"{share} of such clips score 0.70 to 0.90" in page.replace("\xa0", " ")
    assert f"{share} of such clips score 0.50 to 0.85" in page.replace("\xa0", " ")


def test_without_gradio_it_says_in_one_sentence_what_to_do():
    code = "import runpy, sys; sys.modules['gradio'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    app = Path(space_scoring.__file__).with_name("app.py")
    result = subprocess.run([sys.executable, "-c", code, app], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "The Space needs Gradio: pip install -r requirements.txt\n"

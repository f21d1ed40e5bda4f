"""What the pages are made of, without a server: limits, models, HTML, CSV."""

import csv
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cards
import charts
import explorer
import files
import intake
import models as space_models
import numpy as np
import pictures
import pytest
import ranking
import scoring as space_scoring
import several

import videomem_hf
from tests.space.served import silent
from videomem_hf.inference import Prediction, Still, loading
from videomem_hf.inference.reference import Reference
from videomem_hf.inference.score_journal import ModelFacts
from videomem_hf.inference.score_table import score_columns
from videomem_hf.models import config_class
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError

HOSTILE = "<img src=x onerror=alert(1)>\"'`${alert(1)}{{x}}\n\x00\u202egpm.mp4"


def scored(name: str, short: float, **options) -> space_scoring.Scored:
    rows = np.array([[short]])
    return space_scoring.Scored(
        name, Prediction("x", "m", {"short_term": short}, np.zeros(1), rows, **options), "the-model"
    )


def test_horizons_of_other_names_have_cards_colours_and_columns_of_their_own():
    def of(name: str, *scores: float) -> space_scoring.Scored:
        horizons = dict(zip(("week", "false_alarms"), scores, strict=True))
        return space_scoring.Scored(name, Prediction("x", "m", horizons, np.zeros(1), np.array([scores])), "the-model")

    html = cards.summary(of("a", 0.7, 0.2))
    assert "<h2>Week <span></span></h2>" in html
    assert "<h2>False alarms <span></span></h2>" in html
    assert ".vm-week {" in html
    assert "does not predict" not in html
    table = ranking.ranking([ranking.Row("a", of("a", 0.7, 0.2)), ranking.Row("b", of("b", 0.9, 0.1))])
    assert 'data-horizon="false_alarms">False alarms' in table
    assert 'data-false-alarms="0.200000"' in table
    assert table.index("</i>b</span>") < table.index("</i>a</span>")


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


def test_scores_are_those_of_the_package(scoring, clip, model_folder):
    import videomem_hf

    expected = videomem_hf.predict(clip, model=str(model_folder), device="cpu")
    found = scoring.explain(clip, model_folder.name, silent)
    assert found.prediction.scores == pytest.approx(expected.scores, abs=1e-6)
    assert len(found.prediction.stills) == 4
    assert scoring.score(clip, model_folder.name, silent).prediction.scores == pytest.approx(expected.scores, abs=1e-6)


def test_the_overlay_video_is_made_without_scoring_again(scoring, clip, model_folder, own_files, monkeypatch):
    kept = scoring.explain(clip, model_folder.name, silent).without_stills
    assert kept.prediction.stills == ()
    monkeypatch.setattr(loading.Predictor, "predict", None)
    out = scoring.write_overlay(kept, silent)
    assert out.read_bytes()[4:8] == b"ftyp"
    assert out.is_relative_to(own_files)


def test_examples_are_scored_once(model_folder, clip, tmp_path, monkeypatch):
    scoring = space_scoring.Scoring(space_models.Models([str(model_folder)]), intake.Limits(), {"One": clip})
    scoring.warm_up()
    again = tmp_path / "renamed.webm"
    again.write_bytes(clip.read_bytes())
    monkeypatch.setattr(loading.Predictor, "predict", None)
    assert scoring.explain(again, model_folder.name, silent).name == "renamed.webm"
    again.write_bytes(clip.read_bytes()[:-1] + b"x")  # as long, another clip
    with pytest.raises(TypeError):
        scoring.explain(again, model_folder.name, silent)


def test_what_covering_does_is_that_of_the_package(scoring, clip, model_folder):
    from videomem_hf.inference.occlusion import occlude_rectangle, occlusion_maps

    result = scoring.explain(clip, model_folder.name, silent).without_stills
    predictor = scoring.models.predictor(model_folder.name)
    sides = [0.2, 0.1, 0.7, 0.9]
    changes = scoring.cover(result, sides, silent)
    assert changes == pytest.approx(occlude_rectangle(predictor, clip, tuple(sides)))
    html = cards.rectangle_card(result, changes, sides)
    for horizon, change in changes.items():
        assert f"{result.prediction.scores[horizon] + change:.3f}</strong> ({change:+.3f})" in html
    maps = scoring.cover_cells(result, 2.0, silent)
    expected = occlusion_maps(predictor, clip, (6, 6), [2.0])
    np.testing.assert_allclose(maps.changes["short_term"], expected.changes["short_term"])
    images = [attrs["alt"] for tag, attrs in Tags(cards.grid_card(result, maps)).tags if tag == "img"]
    assert len(images) == 2
    assert f"{expected.changes['short_term'].min():.3f}" in images[0]


def test_what_visitors_write_is_text(scoring, clip, model_folder):
    prediction = scoring.explain(clip, model_folder.name, silent).prediction
    hostile = space_scoring.Scored(HOSTILE, prediction, HOSTILE)
    rows = [ranking.Row(HOSTILE, hostile), ranking.Row(HOSTILE, hostile), ranking.Row(HOSTILE, error=HOSTILE)]
    for html in (
        cards.summary(hostile),
        explorer.explorer(hostile),
        ranking.ranking(rows),
        cards.failure(HOSTILE),
        cards.offer(HOSTILE, 90.0, 60),
    ):
        found = Tags(html)
        assert not [tag for tag, attrs in found.tags if tag == "script" or any(a.startswith("on") for a in attrs)]
        assert all(attrs["src"].startswith("data:image/jpeg") for tag, attrs in found.tags if tag == "img")


def test_pages_can_be_read_without_seeing_them(scoring, clip, model_folder):
    result = scoring.explain(clip, model_folder.name, silent)
    summary, page = Tags(cards.summary(result)), Tags(explorer.explorer(result))
    meters = [attrs for _, attrs in summary.tags if attrs.get("role") == "meter"]
    assert len(meters) == 2
    for meter, (_, score) in zip(meters, result.prediction.scores.items(), strict=True):
        assert float(meter["aria-valuenow"]) == pytest.approx(score, abs=1e-3)
        assert f"{score:.2f} of 1" in meter["aria-valuetext"]
    assert all("alt" in attrs for tag, attrs in page.tags if tag == "img")
    assert all(attrs["aria-label"] for tag, attrs in page.tags if tag == "button" and "vm-thumb" in attrs["class"])
    slider = next(attrs for tag, attrs in page.tags if attrs.get("type") == "range")
    assert slider["aria-label"]
    assert "short-term" in slider["aria-valuetext"]
    assert sum(tag == "tr" for tag, _ in page.tags) == 1 + len(result.prediction.times_s)


def test_maps_are_sent_as_they_are(scoring, clip, model_folder):
    import base64

    result = scoring.explain(clip, model_folder.name, silent)
    root = Tags(explorer.explorer(result)).tags[0][1]
    rows, columns = map(int, root["data-map-size"].split())
    sent = np.frombuffer(base64.b64decode(root["data-maps"]), "<u2").reshape(-1, rows, columns).astype(float)
    maps = result.prediction.saliency.maps
    np.testing.assert_allclose(sent / sent.sum(axis=(1, 2), keepdims=True), maps, atol=1e-4)
    assert [float(t) for t in root["data-map-times"].split()] == pytest.approx(result.prediction.times_s, abs=1e-3)
    assert len(base64.b64decode(root["data-palette"])) == 3 * 256


def test_the_most_memorable_comes_first_and_failures_last():
    rows = [
        ranking.Row("b", scored("b", 0.5)),
        ranking.Row("bad", error="no video"),
        ranking.Row("a", scored("a", 0.9)),
    ]
    html = ranking.ranking(rows, waiting=2)
    assert html.index("a</span>") < html.index("b</span>") < html.index(">bad<")
    assert "2 more to come" in html
    assert "Long-term" not in html
    assert "differences are not tested" in html


def test_clips_that_cannot_be_told_apart_share_a_rank():
    reference = Reference("x", difference_error={"short_term": 0.1})
    rows = [ranking.Row(n, scored(n, s, reference=reference)) for n, s in (("a", 0.9), ("b", 0.85), ("c", 0.6))]
    ranks = [
        attrs["data-rank-short-term"] for tag, attrs in Tags(ranking.ranking(rows)).tags if "data-short-term" in attrs
    ]
    assert ranks == ["1=", "1=", "3"]


def test_a_missing_horizon_a_note_and_a_caveat_are_told():
    html = cards.summary(
        scored("a", 0.9, notes=("/secret/place/a.mp4: 2 damaged part(s) passed over",), caveats=("Only ranks clips.",))
    )
    assert "This model does not predict it." in html
    assert "2 damaged part(s) passed over" in html
    assert "secret" not in html
    assert html.count("Only ranks clips.") == 1
    assert html.count("the-model") == 3  # what it is a result of, and on each card


def test_a_percentile_says_among_what_or_is_not_shown():
    quantiles = tuple(np.linspace(0, 1, 101))
    reference = Reference("a sample", generated=True, clips=100, quantiles={"short_term": quantiles})
    page = " ".join(Tags(cards.summary(scored("a", 0.74, reference=reference))).texts).replace("\xa0", " ")
    assert "higher than 74% of 100 held-out clips of a generated sample" in page
    assert "vm-all" in cards.summary(scored("a", 0.74, reference=reference))
    alone = cards.summary(scored("a", 0.74))
    assert "higher than" not in alone
    assert "vm-all" not in alone


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.83, 0.87, [0.83, 0.84, 0.85, 0.86, 0.87]),
        (0.651, 0.849, [0.65, 0.7, 0.75, 0.8, 0.85]),
        (0.0, 59.0, [0.0, 20.0, 40.0, 60.0]),
    ],
)
def test_ticks_are_round_and_equally_far_apart(low, high, ticks):
    assert charts.round_ticks(low, high) == pytest.approx(ticks)


def test_ticks_hold_what_is_drawn():
    rng = np.random.default_rng(0)
    for low, high in np.sort(rng.uniform(0, 1, (500, 2)), axis=1):
        ticks = charts.round_ticks(low, high)
        assert ticks[0] <= low + 1e-9
        assert ticks[-1] >= high - 1e-9
        assert 2 <= len(ticks) <= 6
        np.testing.assert_allclose(np.diff(ticks), ticks[1] - ticks[0], rtol=1e-6)


def test_both_gauges_have_one_axis():
    both = {"short_term": 0.9, "long_term": 0.45}
    prediction = Prediction("x", "m", both, np.zeros(1), np.array([[0.9, 0.45]]))
    html = cards.summary(space_scoring.Scored("x", prediction, "m"))
    gauges = [part.split("</svg>")[0] for part in html.split("<svg")[1:]]
    labels = [[text for text in Tags(f"<svg{gauge}").texts if text.strip()] for gauge in gauges]
    assert labels[0] == labels[1]
    assert float(labels[0][0]) <= 0.45
    assert float(labels[0][-1]) >= 0.9


def test_an_error_says_its_cause_first():
    texts = Tags(cards.failure("a.mp4: holds no moving picture", "a.mp4")).texts
    assert texts == ["Holds no moving picture", "a.mp4"]


def test_the_csv_file_can_be_opened_in_a_spreadsheet(tmp_path):
    intervals = {"short_term": (0.4, 0.6)}
    rows = [
        ranking.Row("=1+1.mp4", scored("x", 0.5, intervals=intervals, notes=("=cmd|' /C calc'!A0",))),
        ranking.Row("b, c.mp4", error="-v: not a video"),
    ]
    files.write_csv(tmp_path / "m.csv", rows)
    with (tmp_path / "m.csv").open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert list(first) == score_columns(ModelFacts("m", ("short_term",)))  # as of `videomem predict --csv`
    assert first["clip"] == "'=1+1.mp4"
    assert first["note"] == "'=cmd|' /C calc'!A0"
    assert (first["short_term"], first["frames"]) == ("0.500000", "1")
    assert (first["short_term_low_90"], first["short_term_high_90"]) == ("0.400000", "0.600000")
    assert (first["short_term_percentile"], first["percentile_among"], first["model"]) == ("", "", "the-model")
    assert (second["clip"], second["short_term"], second["note"]) == ("b, c.mp4", "", "'-v: not a video")


def test_the_page_to_keep_needs_nothing_else(scoring, clip, model_folder, tmp_path):
    result = scoring.explain(clip, model_folder.name, silent)
    rows = [ranking.Row(name, replace(result)) for name in ("a <1>.mp4", "b.mp4", "c.mp4")]
    files.write_page(tmp_path / "m.html", rows)
    page = Tags((tmp_path / "m.html").read_text(encoding="utf-8"))
    addresses = [attrs[name] for _, attrs in page.tags for name in ("src", "href") if name in attrs]
    assert len(addresses) == 3
    assert all(address.startswith("data:image/jpeg") for address in addresses)
    assert sum("vm-line" in attrs.get("class", "") for _, attrs in page.tags) == 6  # three clips, two horizons
    assert files.file_stem(rows) == "memorability of a -1 and 2 more"
    assert files.file_stem(rows[1:]) == "memorability of b and c"


def test_a_clip_that_raises_anything_stops_no_batch(scoring, clip, tmp_path, monkeypatch):
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
    rows = [several.score_row(scoring, path, label, silent) for path in (other, clip)]
    assert [(row.error, row.scored is None) for row in rows] == [
        ("This clip cannot be scored (RuntimeError)", True),
        ("", False),
    ]


@pytest.mark.parametrize(("level", "share"), [(0.9, "90%"), (0.5, "50%")])
def test_an_interval_is_shown_with_its_level_and_kind(level, share):
    both = {"short_term": 0.8, "long_term": 0.7}
    intervals = {"short_term": (0.7, 0.9), "long_term": (0.5, 0.85)}
    prediction = Prediction(
        "x", "m", both, np.zeros(1), np.array([[0.8, 0.7]]), intervals=intervals, interval_level=level
    )
    page = " ".join(Tags(cards.summary(space_scoring.Scored("x", prediction))).texts).replace("\xa0", " ")
    assert f"{share} prediction interval: 0.70 to 0.90" in page
    assert f"{share} prediction interval: 0.50 to 0.85" in page


def test_a_moment_stands_out_or_none_does():
    """Twelve frames nearly alike and three in a row that are higher: no order by chance gives such a peak."""
    scores = np.array([0.5] * 5 + [0.9] * 3 + [0.5] * 7) + np.linspace(0, 0.01, 15)
    image = np.zeros((4, 4, 3), np.uint8)
    for curve, found in ((scores, "most memorable at 7 s (0.90"), (np.full(15, 0.5), "no moment stands out")):
        stills = tuple(Still(float(t), {"short_term": s}, image) for t, s in enumerate(curve))
        prediction = Prediction("x", "m", {"short_term": 0.6}, np.arange(15.0), curve[:, None], stills=stills)
        html = explorer.explorer(space_scoring.Scored("x", prediction, "m"))
        assert found in html


def test_without_gradio_it_says_in_one_sentence_what_to_do():
    code = "import runpy, sys; sys.modules['gradio'] = None; runpy.run_path(sys.argv[1], run_name='__main__')"
    app = Path(space_scoring.__file__).with_name("app.py")
    environment = os.environ | {"PYTHONPATH": str(app.parents[1])}
    for folder, shown in ((app.parent, "requirements.txt"), (app.parents[1], "space/requirements.txt")):
        result = subprocess.run(
            [sys.executable, "-c", code, app], capture_output=True, text=True, check=False, cwd=folder, env=environment
        )
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == f"The Space needs Gradio: pip install -r {shown}\n"


def test_results_are_kept_only_of_offered_models(model_folder, clip, monkeypatch):
    monkeypatch.setattr(space_models, "_check_hub_id", lambda name, labels: None)
    load = space_models._load
    monkeypatch.setattr(space_models, "_load", lambda name: load(str(model_folder)))
    scoring = space_scoring.Scoring(space_models.Models([str(model_folder)]), intake.Limits(), {"One": clip})
    seen = []

    def count(share, what):
        seen.append(what)

    for label, repeated in ((model_folder.name, False), ("owner/typed", True)):
        scoring.explain(clip, label, count)
        seen.clear()
        scoring.explain(clip, f"{label} ", count)
        assert bool(seen) == repeated


def test_a_label_has_no_blanks_around_it(scoring, clip, model_folder):
    """The page compares it with what is chosen."""
    for score in (scoring.score, scoring.explain):
        assert score(clip, f" {model_folder.name} ", silent).model == model_folder.name


def test_parts_can_be_covered_only_where_the_model_scores_frames(scoring, clip, model_folder):
    result = scoring.explain(clip, model_folder.name, silent)
    assert "vm-grid-go" in explorer.explorer(result)
    assert "vm-grid-go" not in explorer.explorer(replace(result, can_cover=False))


def test_all_results_say_of_which_clip_and_model_they_are(scoring, clip, model_folder):
    """So that `page.js` marks them when another clip or model is chosen."""
    result = replace(scoring.explain(clip, model_folder.name, silent), model="a <model>")
    maps = scoring.cover_cells(replace(result, model=model_folder.name), 2.0, silent)
    for html in (
        cards.summary(result),
        explorer.explorer(result),
        cards.rectangle_card(result, dict.fromkeys(result.prediction.scores, -0.1), [0, 0, 0.5, 0.5]),
        cards.grid_card(result, maps),
        cards.overlay_head(result),
    ):
        page = Tags(html)
        (attrs,) = [attrs for _, attrs in page.tags if "vm-result" in attrs.get("class", "").split()]
        assert attrs["data-model"] == "a <model>"
        assert sum("vm-ribbon" in attrs.get("class", "") for _, attrs in page.tags) == 1
    for html in (cards.grid_card(result, maps), cards.overlay_head(result)):
        assert "c.webm · a <model>" in Tags(html).texts


def test_colours_beside_a_map_are_those_of_the_map():
    """A change of full size over grey of medium brightness is drawn as `overlay_change` draws it."""
    from videomem_hf.analysis.clip_figure import overlay_change

    grey = np.full((1, 2, 3), pictures.MIDDLE_GREY / 0.85, np.uint8)
    for share, stop in ((-1.0, 0), (1.0, -1)):
        drawn = overlay_change(grey, np.full((1, 2), share), 1.0)[0, 0].astype(int)
        colours = re.findall(r"rgb\((\d+) (\d+) (\d+)\)", pictures.css_gradient("change"))
        np.testing.assert_allclose([int(c) for c in colours[stop]], drawn, atol=2)


def test_titles_reach_a_model_that_reads_them(title_model, model_folder, clip):
    models = space_models.Models([str(model_folder), str(title_model)])
    assert [models.reads_titles(label) for label in (*models.labels[:2], "owner/typed", "", None)] == [
        False, True, False, False, False
    ]  # fmt: skip
    scoring = space_scoring.Scoring(models, intake.Limits(), {"One": clip})
    other, words = (scoring.explain(clip, "words", silent, title=title) for title in ("red car", "blue sky"))
    expected = videomem_hf.predict(clip, model=str(title_model), title="red car", device="cpu")
    assert other.prediction.scores == pytest.approx(expected.scores)
    assert (other.title, words.title) == ("red car", "blue sky")
    assert "c.webm</strong> · red car" in cards.summary(other)
    assert 'data-title="red car"' in explorer.explorer(other)
    assert str(title_model) not in explorer.explorer(other)
    assert scoring.score(clip, "words", silent, "red car").prediction.scores == other.prediction.scores
    with pytest.raises(VideoError, match=r"\(see --title and --titles\)") as caught:
        scoring.explain(clip, "words", silent)
    assert intake.message(caught.value, clip) == "c.webm: Without its title: none is given."
    assert "--title" not in cards.notes(replace(other.prediction, notes=(str(caught.value),)))
    assert scoring.explain(clip, model_folder.name, silent, title="red car").title is None
    assert models.reads_titles("words")  # loaded


def test_it_is_known_of_a_folder_whether_its_model_reads_titles(tmp_path):
    """By its configuration: the weights are not loaded."""
    columns = {"titles": "title-sentence-transformers--all-MiniLM-L6-v2", "colours": "colorhistogram"}
    for name, column in columns.items():
        config_class("feature_mlp")(feature_names=[column], feature_sizes=[4]).save_pretrained(tmp_path / name)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{")
    models = space_models.Models([str(tmp_path / name) for name in (*columns, "damaged")])
    assert [models.reads_titles(label) for label in models.labels[:3]] == [True, False, False]


def test_lines_are_titles_of_clips():
    assert several.read_title_lines("", 2) == ["", ""]
    assert several.read_title_lines("a\n\n c \n\n", 4) == ["a", "", "c", ""]
    with pytest.raises(InputError, match=r"3 titles for 2 clips; give one line per clip"):
        several.read_title_lines("a\nb\nc", 2)


def test_a_damaged_model_is_told_without_where_it_lies(model_folder, clip, tmp_path):
    damaged = shutil.copytree(model_folder, tmp_path / "damaged")
    (damaged / "reference.json").write_text('{"data": 3}')
    models = space_models.Models([str(damaged)])
    with pytest.raises(InputError, match=r"^damaged/reference\.json: is damaged \(quantiles is missing") as caught:
        space_scoring.Scoring(models, intake.Limits()).explain(clip, "damaged", silent)
    assert str(tmp_path) not in str(caught.value)


def test_the_terminal_says_which_model_is_shown(model_folder, tmp_path, monkeypatch):
    import app

    monkeypatch.chdir(Path(app.__file__).parents[1])
    monkeypatch.setattr(space_models.importlib.util, "find_spec", lambda name: None)
    said = app.which_models(space_models.Models([str(model_folder), "owner/model"]))
    assert said == (
        f"Model: {model_folder.name} ({model_folder}); also offered: owner/model. To show another: "
        "python space/app.py --model FOLDER_OR_HUB_ID"
    )
    nothing = app.which_models(space_models.Models([]))
    assert nothing.startswith("No model is offered, as none is given and ResMem is not installed; give one: python")


def test_a_model_that_is_not_there_is_refused_at_the_start(capsys):
    import app

    with pytest.raises(SystemExit):
        app.read_options(["--model", "no/such/folder"])
    assert "no/such/folder: no such folder; give the folder of a model" in capsys.readouterr().err


def test_equal_scores_of_all_clips_are_told():
    alike = [ranking.Row(f"{i}.mp4", scored(f"{i}", 0.5)) for i in range(3)]
    assert "All clips have the same short-term score" in ranking.ranking(alike)
    assert "the same short-term score" not in ranking.ranking(alike[:2])
    assert "the same short-term score" not in ranking.ranking([*alike, ranking.Row("x.mp4", scored("x", 0.6))])


def test_a_clip_that_is_given_twice_has_two_rows_and_curves(scoring, clip, model_folder):
    rows = [several.score_row(scoring, clip, model_folder.name, silent) for _ in range(2)]
    page = Tags(ranking.ranking(rows))
    assert sum("vm-line" in attrs.get("class", "") for _, attrs in page.tags) == 4  # two horizons
    assert {"=" in found for found in page.texts if found.strip() in ("1", "1=")} == {True}

"""A clip that fails, for whatever reason, stops no batch: its prediction says why, and the others are scored."""

import itertools
import json
import math

import numpy as np
import pytest
import torch

import videomem_hf
from tests.clips import grey_levels, write_clip
from tests.inference.test_feature_predictor import save_model
from tests.inference.test_predicting import folder, processor_of_segments  # noqa: F401 - a fixture
from tests.inference.test_predictor import clip, tiny  # noqa: F401 - fixtures
from videomem_hf.inference import Predictor, ViewPredictor, load_predictor
from videomem_hf.inference import predictor as predictor_module
from videomem_hf.models import config_class, model_class
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError


@pytest.fixture
def bad(tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    return tmp_path / "bad.mp4"


def segments_predictor() -> Predictor:
    torch.manual_seed(0)
    config = config_class("resnet3d")(depth=18, hidden_sizes=(4, 4, 4, 4), segment_length=2)
    return Predictor(model_class("resnet3d")(config), processor_of_segments(2), "clips", device="cpu")


def feature_predictor(tmp_path):
    return load_predictor(str(save_model(tmp_path / "features", ["colorhistogram"], [2304])), "cpu")


@pytest.mark.parametrize("kind", ["frames", "segments", "features"])
def test_bad_clips_among_good_ones(kind, tiny, clip, bad, tmp_path):  # noqa: F811
    predictor = {
        "frames": lambda: tiny, "segments": segments_predictor, "features": lambda: feature_predictor(tmp_path)
    }[kind]()  # fmt: skip
    alone = predictor.predict(clip)
    found = videomem_hf.predict([bad, clip, 3, tmp_path / "gone.mp4", clip], model=predictor)
    assert [each.error is None for each in found] == [False, True, False, False, True]
    for each in (found[1], found[4]):
        np.testing.assert_allclose(each.frame_scores, alone.frame_scores, atol=1e-6)
    assert found[0].source == str(bad)
    assert str(found[0].error).startswith("not a video that FFmpeg can read (")
    assert found[0].notes == (found[0].error,)
    assert all(math.isnan(score) for score in found[0].scores.values())
    plain = json.loads(json.dumps(found[0].to_dict(), allow_nan=False))
    assert plain["short_term"] is None
    assert plain["error"] == found[0].error
    assert "is no clip" in str(found[2].error)
    with pytest.raises(VideoError, match="not a video"):
        videomem_hf.predict([clip, bad], model=predictor, fail_fast=True)
    with pytest.raises(VideoError, match="not a video"):
        videomem_hf.predict(bad, model=predictor)


def test_a_fault_in_the_network_costs_only_its_clip(tiny, clip, tmp_path, monkeypatch):  # noqa: F811
    white = write_clip(tmp_path / "white.webm", [np.full((48, 64, 3), 255, np.uint8)] * 3, fps=1)
    expected = tiny.predict(clip).frame_scores
    forward = tiny.model.forward

    def failing(pixel_values_videos, **kwargs):
        if (pixel_values_videos.flatten(2).min(dim=2).values > 0.9).any():
            raise RuntimeError("out of memory\nlong story")
        return forward(pixel_values_videos=pixel_values_videos, **kwargs)

    monkeypatch.setattr(tiny.model, "forward", failing)
    for size in (2, 4, 32):
        monkeypatch.setattr(predictor_module, "FRAMES_PER_BATCH", size)
        found = list(tiny.predict_many([clip, white, clip]))
        assert [each.error for each in found] == [None, "RuntimeError: out of memory", None]
        for each in (found[0], found[2]):
            np.testing.assert_allclose(each.frame_scores, expected, atol=1e-6)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(tiny.predict_many([clip, white], fail_fast=True))


def test_the_pipeline_gives_good_results_beside_an_error(folder, clip, bad):  # noqa: F811
    from transformers import pipeline

    pipe = pipeline("video-memorability", model=folder, device="cpu")
    good = pipe(clip)
    for inputs in ([clip, bad, clip], iter([clip, bad, clip])):
        found = list(pipe(inputs, batch_size=2))
        assert [row["short_term"] for row in found] == [pytest.approx(good["short_term"]), None, found[0]["short_term"]]
        assert "not a video" in found[1]["error"]
    with pytest.raises(VideoError, match="not a video"):
        pipe(bad)


def test_predictors_have_one_interface(tiny, clip, tmp_path):  # noqa: F811
    features = feature_predictor(tmp_path)
    for predictor, names in ((tiny, {"pixel_values_videos"}), (features, {"colorhistogram"})):
        inputs, notes = predictor.extract(clip)
        assert set(inputs) == names
        assert notes == []
        assert predictor.claims.reference is None
        assert not predictor.reads_titles
        for call in (
            lambda p=predictor: p.predict(clip, title="a-dog"),
            lambda p=predictor: p.predict_many([], titles=[]),
        ):
            with pytest.raises(InputError, match="reads no title"):
                call()
    with torch.no_grad():
        scores = tiny.model(
            pixel_values_videos=torch.from_numpy(tiny.extract(clip)[0]["pixel_values_videos"])[None]
        ).scores
    assert tiny.predict(clip).scores["short_term"] == pytest.approx(scores.item(), abs=1e-6)
    assert features.predict(clip, maps=True).notes == (f"No saliency maps: {features.name} offers none.",)
    assert features.predict(clip).notes == ()


def test_titles_of_single_clips(clip):  # noqa: F811
    torch.manual_seed(0)
    config = config_class("multiview")(view_names=["title_words"], view_sizes=[64], horizons=["short_term"])
    model = model_class("multiview")(config)
    seen = []

    class Words(ViewPredictor):
        def _views_of_title(self, title):
            seen.append(title)
            return super()._views_of_title(title)

    with pytest.raises(VideoError, match="none is given \\(see --title and --titles\\)"):
        ViewPredictor(model, "words", "cpu").predict(clip)
    predictor = Words(model, "words", "cpu", title="of-all")
    found = videomem_hf.predict([clip, clip, clip], model=predictor, titles=["red-car", None, "blue-sea"])
    assert seen == ["red car", "", "blue sea"]
    assert "none is given" in str(found[1].error)
    assert predictor.claims.reference is None
    assert set(predictor.extract(clip, "x")[0]) == {"title_words"}
    videomem_hf.predict(clip, model=predictor, title="single")
    videomem_hf.predict(clip, model=predictor)
    assert seen[-2:] == ["single", "of all"]
    with pytest.raises(InputError, match="one per clip"):
        videomem_hf.predict([clip], model=predictor, titles=["a", "b"])


def test_names_that_are_not_utf8_are_escaped_in_json(tiny, tmp_path):  # noqa: F811
    path = tmp_path / b"lat\xe9in.webm".decode("utf-8", "surrogateescape")
    write_clip(tmp_path / "plain.webm", grey_levels(24)).rename(path)
    plain = tiny.predict(path).to_dict()
    assert plain["clip"] == str(tmp_path / r"lat\udce9in.webm")
    json.dumps(plain, ensure_ascii=False).encode()


def levels_of_one_buffer():
    """Three clips in one buffer, which is filled anew for each."""
    buffer = np.zeros((2, 48, 64, 3), np.uint8)
    for level in (20, 120, 220):
        buffer[:] = level
        yield buffer


def test_a_generator_may_use_one_buffer_for_all_clips(tiny, folder):  # noqa: F811
    from transformers import pipeline

    expected = [tiny.predict(each.copy()).scores["short_term"] for each in levels_of_one_buffer()]
    assert len(set(expected)) == 3
    found = videomem_hf.predict(levels_of_one_buffer(), model=tiny)
    np.testing.assert_allclose([each.scores["short_term"] for each in found], expected, atol=1e-6)
    pipe = pipeline("video-memorability", model=folder, device="cpu", batch_size=2)
    np.testing.assert_allclose([each["short_term"] for each in pipe(levels_of_one_buffer())], expected, atol=1e-6)


def test_a_generator_may_close_each_file(tiny, clip):  # noqa: F811
    def opened():
        for _ in range(2):
            with clip.open("rb") as file:
                yield file

    assert [each.error for each in videomem_hf.predict(opened(), model=tiny)] == [None, None]


class BrokenColumn:
    """A column of which one row cannot be decoded."""

    def __init__(self, good):
        self.good = good

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index == 1:
            raise RuntimeError("bad packet")
        return self.good


def test_a_row_that_raises_costs_only_itself(tiny, folder, clip):  # noqa: F811
    from transformers import pipeline

    found = videomem_hf.predict(BrokenColumn(str(clip)), model=tiny)
    assert [each.error for each in found] == [None, "RuntimeError: bad packet", None]
    assert found[1].source == "row 1"
    pipe = pipeline("video-memorability", model=folder, device="cpu")
    assert [each.get("error") for each in pipe(BrokenColumn(str(clip)))] == [each.error for each in found]


def test_titles_are_as_many_as_clips(tmp_path, clip):  # noqa: F811
    clips = [str(clip)] * 2
    from videomem_hf.inference.clip_predictor import pair_titles

    assert list(pair_titles(clips, itertools.repeat("a"))) == [(clips[0], "a"), (clips[1], "a")]
    for titles in (["a"], ["a"] * 3):
        with pytest.raises(InputError, match=r"there are \d titles? .*clips"):
            list(pair_titles(clips, titles))

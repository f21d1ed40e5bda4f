"""`videomem_hf.predict` and the pipeline give what the predictor gives, for every kind of source."""

import io
import subprocess
import sys

import numpy as np
import pytest

import videomem_hf
from tests.clips import write_clip
from tests.inference.test_predictor import clip, tiny  # noqa: F401 - fixtures
from tests.inference.test_reference import write_run
from videomem_hf.inference import predictor as predictor_module
from videomem_hf.inference.loading import load_network, predictor_of
from videomem_hf.models import config_class, model_class
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError, sample_frames


@pytest.fixture
def folder(tiny, tmp_path):  # noqa: F811
    tiny.model.save_pretrained(tmp_path / "model")
    tiny.processor.save_pretrained(tmp_path / "model")
    write_run(tmp_path / "model", "validation", 19)
    return str(tmp_path / "model")


def shorter(clip, tmp_path):  # noqa: F811
    frames = [frame.image[::-1].copy() for frame in sample_frames(clip)]
    return write_clip(tmp_path / "other.webm", frames[:3], fps=1)


def test_every_kind_of_source_gives_the_same(folder, clip):  # noqa: F811
    frames = np.stack([frame.image for frame in sample_frames(clip)])
    expected = videomem_hf.predict(clip, model=folder, maps=True, device="cpu")
    assert expected.intervals == {"short_term": pytest.approx((max(expected.scores["short_term"] - 0.17, 0), 1), abs=1)}
    assert len(expected.saliency.maps) == 5
    predictor = videomem_hf.load_predictor(folder, "cpu")
    data = clip.read_bytes()
    for source in (str(clip), data, io.BytesIO(data), frames):
        found = videomem_hf.predict(source, model=predictor, maps=True)
        np.testing.assert_array_equal(found.frame_scores, expected.frame_scores)
        np.testing.assert_array_equal(found.times_s, [0, 1, 2, 3, 4])
        np.testing.assert_array_equal(found.saliency.maps, expected.saliency.maps)
    assert found.source == "the given frames"


def test_clips_share_batches_and_stay_apart(tiny, clip, tmp_path, monkeypatch):  # noqa: F811
    other = shorter(clip, tmp_path)
    alone = [videomem_hf.predict(c, model=tiny, stills=2, maps=True) for c in (clip, other, clip)]
    sizes = []
    forward = tiny.model.forward

    def counted(pixel_values_videos, **kwargs):
        sizes.append(pixel_values_videos.shape[0])
        return forward(pixel_values_videos=pixel_values_videos, **kwargs)

    monkeypatch.setattr(predictor_module, "FRAMES_PER_BATCH", 7)
    monkeypatch.setattr(tiny.model, "forward", counted)
    together = videomem_hf.predict([clip, other, clip], model=tiny)
    assert sizes == [7, 6]
    assert [len(p.times_s) for p in together] == [5, 3, 5]
    for a, b in zip(alone, together, strict=True):
        assert a.source == b.source
        np.testing.assert_allclose(a.frame_scores, b.frame_scores, atol=1e-6)


def test_open_files_and_buffers_may_change_after_the_next_clip_is_taken(tiny, clip, tmp_path):  # noqa: F811
    paths = [clip, shorter(clip, tmp_path), clip]
    expected = [prediction.scores for prediction in tiny.predict_many(paths)]

    def files():
        for path in paths:
            with path.open("rb") as file:
                yield file

    def buffers():
        buffer = np.empty((2, 32, 32, 3), np.uint8)
        for level in (10, 120, 240):
            buffer[:] = level
            yield buffer

    with clip.open("rb") as file:
        same = list(tiny.predict_many([file] * 3))
    for found, wanted in zip(tiny.predict_many(files()), expected, strict=True):
        assert found.scores == pytest.approx(wanted, abs=1e-6), found.error
    assert [each.scores for each in same] == [pytest.approx(expected[0], abs=1e-6)] * 3
    alone = [tiny.predict(np.full((2, 32, 32, 3), level, np.uint8)).scores for level in (10, 120, 240)]
    assert alone[0] != alone[1]
    assert [each.scores for each in tiny.predict_many(buffers())] == [pytest.approx(each, abs=1e-6) for each in alone]


def test_an_error_of_the_list_comes_after_the_clips_before_it(tiny, clip):  # noqa: F811
    def clips():
        yield from (clip, clip)
        raise RuntimeError("the list ends here")

    predictions = tiny.predict_many(clips())
    assert [len(next(predictions).times_s) for _ in range(2)] == [5, 5]
    with pytest.raises(RuntimeError, match="the list ends here"):
        next(predictions)


def test_what_waits_to_be_scored_keeps_no_decoded_frame(tiny, clip, monkeypatch):  # noqa: F811
    waiting = []
    score = tiny._score

    def look(batch, options):
        waiting.extend(batch)
        score(batch, options)

    monkeypatch.setattr(tiny, "_score", look)
    tiny.predict(clip)
    assert len(waiting) == 5
    assert all(piece.frame.image.size == 0 and piece.frame.image.base is None for piece in waiting)


def test_what_is_no_clip_is_one_sentence(tiny, tmp_path):  # noqa: F811
    for source, message in (
        (3, "a int is no clip"),
        (np.zeros((2, 8, 8, 3)), "must be .frames, height, width, 3. or .frames, 3, height, width., uint8"),
        (np.zeros((8, 8, 3), np.uint8), "frames of shape .8, 8, 3."),
        (np.zeros((0, 8, 8, 3), np.uint8), "at least one"),
        (b"no video", "not a video that FFmpeg can read"),
        (tmp_path / "none.mp4", "cannot be opened"),
    ):
        with pytest.raises(InputError, match=message):
            videomem_hf.predict(source, model=tiny)
    with pytest.raises(InputError, match="load_predictor"):
        videomem_hf.predict(b"", model=tiny, device="cpu")


def test_networks_of_clips_want_whole_segments():
    config = config_class("resnet3d")(depth=18, hidden_sizes=(4, 4, 4, 4), segment_length=4)
    processor = processor_of_segments(4)
    predictor = predictor_module.Predictor(model_class("resnet3d")(config), processor, "clips", device="cpu")
    frames = np.random.default_rng(0).integers(0, 255, (8, 40, 40, 3), dtype=np.uint8)
    assert len(videomem_hf.predict(frames, model=predictor, maps=True).saliency.maps) == 2
    with pytest.raises(VideoError, match="7 frames: this model scores 4"):
        videomem_hf.predict(frames[:7], model=predictor)


def processor_of_segments(length):
    from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor

    side = {"height": 32, "width": 32}
    return MemorabilityVideoProcessor(size=side, segment_length=length)


def test_the_pipeline_gives_the_same_as_plain_values(folder, clip, tmp_path):  # noqa: F811
    from transformers import pipeline

    pipe = pipeline("video-memorability", model=folder, device="cpu")
    other = shorter(clip, tmp_path)
    same = predictor_of(*load_network(folder), folder, "cpu")
    expected = [p.to_dict() for p in videomem_hf.predict([clip, other], model=same, maps=True)]
    assert pipe(str(clip), maps=True) == expected[0]
    assert "saliency" not in pipe(clip.read_bytes())
    assert [p["short_term"] for p in pipe([clip, other])] == pytest.approx([p["short_term"] for p in expected])
    streamed = pipe((c for c in (clip, other, clip)), batch_size=2)
    assert not isinstance(streamed, list)
    assert [len(p["frames"]) for p in streamed] == [5, 3, 5]
    assert set(expected[0]["percentiles"]) == {"short_term"}
    pipe.save_pretrained(tmp_path / "again")
    again = pipeline("video-memorability", model=str(tmp_path / "again"), device="cpu")(clip)
    assert again["frames"] == expected[0]["frames"]
    assert again["intervals"] == expected[0]["intervals"]
    assert again["caveats"] == expected[0]["caveats"]


def test_importing_the_package_is_enough_for_the_pipeline(folder, clip):  # noqa: F811
    code = (
        "import sys, videomem_hf; assert 'torch' not in sys.modules; assert not hasattr(videomem_hf, 'absent');"
        "from transformers import pipeline;"
        f"print(pipeline('video-memorability', model={folder!r}, device='cpu')({str(clip)!r})['short_term'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = videomem_hf.predict(clip, model=folder, device="cpu").scores["short_term"]
    assert float(result.stdout) == pytest.approx(expected, abs=1e-6)

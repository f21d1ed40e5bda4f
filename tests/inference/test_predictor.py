import json

import numpy as np
import pytest
import torch
from PIL import Image

from tests.clips import grey_levels, write_audio, write_clip
from videomem_hf.inference import Predictor, load_predictor
from videomem_hf.inference import predictor as predictor_module
from videomem_hf.inference.saliency import place_on_frame, saliency_maps
from videomem_hf.models import config_class, model_class
from videomem_hf.models.configuration_resmem import ResMemConfig
from videomem_hf.models.modeling_resmem import ResMemModel
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError, sample_frames


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    config = ResMemConfig(
        image_size=99, conv_channels=(8, 8, 8, 8, 8), resnet_layers=(1, 1, 1, 1), hidden_sizes=(16, 8)
    )
    processor = MemorabilityVideoProcessor(
        size={"height": 112, "width": 112},
        do_center_crop=True,
        crop_size={"height": 99, "width": 99},
        do_normalize=False,
    )
    return Predictor(ResMemModel(config), processor, "tiny", device="cpu")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    rng = np.random.default_rng(0)
    frames = [np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(10)]
    return write_clip(tmp_path_factory.mktemp("clips") / "c.webm", frames, fps=2)


def test_clip_score_is_the_mean_of_frame_scores_computed_frame_by_frame(tiny, clip):
    expected = []
    for frame in sample_frames(clip):
        image = Image.fromarray(frame.image).resize((112, 112), Image.Resampling.BILINEAR).crop((6, 6, 105, 105))
        pixels = torch.from_numpy(np.asarray(image) / np.float32(255)).permute(2, 0, 1)
        with torch.no_grad():
            expected.append(tiny.model(pixel_values_videos=pixels[None, None]).scores.item())
    prediction = tiny.predict(clip)
    assert len(expected) == 5
    assert np.ptp(expected) > 1e-4
    np.testing.assert_allclose(prediction.frame_scores[:, 0], expected, atol=1e-6)
    assert prediction.scores["short_term"] == pytest.approx(np.mean(expected), abs=1e-6)
    np.testing.assert_array_equal(prediction.times_s, [0, 1, 2, 3, 4])
    assert prediction.stills == ()


def test_batches_of_frames_change_nothing(tiny, clip, monkeypatch):
    whole = tiny.predict(clip).frame_scores
    monkeypatch.setattr(predictor_module, "FRAMES_PER_BATCH", 2)
    np.testing.assert_allclose(tiny.predict(clip).frame_scores, whole, atol=1e-6)


def test_stills_are_evenly_spread_and_explained(tiny, tmp_path):
    clip = write_clip(tmp_path / "long.webm", grey_levels(100), fps=1)
    prediction = tiny.predict(clip, stills=3)
    times = [s.time_s for s in prediction.stills]
    assert len(prediction.times_s) == 100
    assert times[0] == 0
    assert times[-1] >= 90
    assert abs(times[1] - 50) < 6
    assert prediction.saliency_method == "Grad-CAM"
    for still in prediction.stills:
        assert still.saliency.shape == still.image.shape[:2] == (48, 64)
        assert still.saliency.min() >= 0
        assert not still.saliency[:2].any()  # the centre crop leaves out 5.8 % at each edge
        assert still.saliency.sum() == pytest.approx(1, abs=1e-4) or not still.saliency.any()
        assert still.scores["short_term"] in prediction.frame_scores


def test_grad_cam_finds_the_only_cause():
    """A network whose score is the brightness of the frame's blue channel must point to the blue patch."""

    class Blue(torch.nn.Module):
        attribution_layers = ("conv",)
        config = None

        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 1, 8, stride=8, bias=False)
            torch.nn.init.zeros_(self.conv.weight)
            self.conv.weight.data[0, 2] = 1 / 64

        def forward(self, pixel_values_videos):
            maps = self.conv(pixel_values_videos.flatten(0, 1))
            scores = maps.mean(dim=(1, 2, 3)).sigmoid().reshape(pixel_values_videos.shape[0], -1, 1)
            return type("Output", (), {"frame_scores": scores})

    pixels = torch.zeros(2, 3, 112, 112)
    pixels[0, 2, 16:40, 64:96] = 1.0
    pixels[1, 2, 80:104, 8:24] = 1.0
    maps = saliency_maps(Blue(), pixels)
    np.testing.assert_allclose(maps.sum(dim=(1, 2)), 1.0, atol=1e-5)
    rows = maps.sum(dim=2).argmax(dim=1) * 8
    columns = maps.sum(dim=1).argmax(dim=1) * 8
    assert 16 <= rows[0] < 40
    assert 64 <= columns[0] < 96
    assert 80 <= rows[1] < 104
    assert 8 <= columns[1] < 24


def test_place_on_frame_covers_only_what_was_seen():
    placed = place_on_frame(np.ones((4, 4)), (50, 100), (0.1, 0.2, 0.9, 0.8))
    assert placed.sum() == pytest.approx(1)
    np.testing.assert_array_equal(np.nonzero(placed.any(axis=0))[0][[0, -1]], [10, 89])
    np.testing.assert_array_equal(np.nonzero(placed.any(axis=1))[0][[0, -1]], [10, 39])
    assert not place_on_frame(np.zeros((4, 4)), (8, 8), (0, 0, 1, 1)).any()


def test_prediction_as_json(tiny, clip):
    stored = json.loads(json.dumps(tiny.predict(clip).to_dict()))
    assert stored["short_term"] == pytest.approx(np.mean([f["short_term"] for f in stored["frames"]]))
    assert [f["time_s"] for f in stored["frames"]] == [0, 1, 2, 3, 4]


def test_saved_model_gives_the_same_prediction(tiny, clip, tmp_path):
    tiny.model.save_pretrained(tmp_path)
    tiny.processor.save_pretrained(tmp_path)
    again = load_predictor(str(tmp_path), device="cpu")
    np.testing.assert_allclose(again.predict(clip).frame_scores, tiny.predict(clip).frame_scores, atol=1e-6)


def test_wrong_models_and_devices_are_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"model_type": "resnet"}')
    cases = {str(tmp_path): "no model can be loaded", str(tmp_path / "none"): "no such folder"}
    for name, message in cases.items():
        with pytest.raises(InputError, match=message) as caught:
            load_predictor(name)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="device 'gpu9'"):
        load_predictor(str(tmp_path), device="gpu9")
    monkeypatch.setattr("videomem_hf.models.convert_resmem.find_resmem_package", lambda: None)
    with pytest.raises(InputError, match="pip install resmem"):
        load_predictor()


def test_notes_and_errors_of_a_clip(tiny, tmp_path):
    with pytest.raises(VideoError, match="only sound"):
        tiny.predict(write_audio(tmp_path / "sound.m4a"))


def test_a_network_of_clips_scores_segments(tmp_path):
    torch.manual_seed(0)
    config = config_class("resnet3d")(depth=18, hidden_sizes=(8, 8, 8, 8), segment_length=4)
    processor = MemorabilityVideoProcessor(
        size={"shortest_edge": 32},
        do_center_crop=True,
        crop_size={"height": 32, "width": 32},
        segment_length=4,
    )
    predictor = Predictor(model_class("resnet3d")(config), processor, "clips", device="cpu")
    rng = np.random.default_rng(0)
    frames = [np.kron(rng.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(72)]
    clip = write_clip(tmp_path / "c.webm", frames)
    prediction = predictor.predict(clip, stills=2)
    with torch.no_grad():
        expected = predictor.model(**processor(videos=[str(clip)], return_tensors="pt")).scores[0]
    np.testing.assert_array_equal(prediction.times_s, [0, 1, 2])
    assert np.ptp(prediction.frame_scores[:, 0]) > 0
    np.testing.assert_allclose(list(prediction.scores.values()), expected, atol=1e-6)
    assert prediction.saliency_method == "Grad-CAM"
    assert all(still.saliency.shape == (48, 64) for still in prediction.stills)
    with pytest.raises(VideoError, match="no moving picture"):
        predictor.predict(write_audio(tmp_path / "sound.m4a"))


def test_models_whose_features_cannot_be_extracted_are_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("VIDEOMEM_C3D", raising=False)
    model_class("feature_mlp")(config_class("feature_mlp")(feature_names=["c3d"], feature_sizes=[101])).save_pretrained(
        tmp_path
    )
    with pytest.raises(InputError, match="c3d needs C3D's weights"):
        load_predictor(str(tmp_path))

"""Features of networks, with small networks of random weights saved to disk: each against a plain call."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.clips import write_clip
from tests.features.media import moving_frames
from videomem_hf.data.feature_files.text import TextFiles, parse_dense, parse_pairs
from videomem_hf.features import Extractor, extract
from videomem_hf.features.catalogue import feature_spec, feature_specs
from videomem_hf.features.clips import Clip, pictures
from videomem_hf.features.collecting import collect
from videomem_hf.features.inceptionv3 import corrected_input, released_input
from videomem_hf.models.configuration_c3d import C3DConfig
from videomem_hf.models.modeling_c3d import C3DModel
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.schema import InputError


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "video7.webm", moving_frames(60))


@pytest.fixture(scope="module")
def frames(clip: Path) -> list[np.ndarray]:
    return [picture.rgb for picture in pictures(clip)]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def c3d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("c3d")
    C3DModel(C3DConfig(num_classes=101, hidden_sizes=(2, 3, 4, 5, 6), fc_size=20)).save_pretrained(folder)
    MemorabilityVideoProcessor(
        size={"shortest_edge": 112},
        do_center_crop=True,
        crop_size={"height": 112, "width": 112},
        do_rescale=False,
        image_mean=[100.0, 110.0, 120.0],
        image_std=[1.0, 1.0, 1.0],
        segment_length=16,
        max_segments=1,
    ).save_pretrained(folder)
    return folder


class TestC3D:
    def expected(self, folder: Path, frames: list[np.ndarray]) -> Any:
        """Short side to 112, centre crop, minus the mean; no processor of ours."""
        prepared = []
        for frame in frames:
            height, width = frame.shape[:2]
            small = Image.fromarray(frame).resize((112 * width // height, 112), Image.Resampling.BILINEAR)
            left = round((small.width - 112) / 2)
            prepared.append(np.asarray(small, np.float32)[:, left : left + 112] - [100.0, 110.0, 120.0])
        pixels = torch.from_numpy(np.stack(prepared)).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            return C3DModel.from_pretrained(folder).eval()(pixel_values_videos=pixels[None])

    def test_probabilities_of_the_first_16_frames(self, c3d: Path, clip: Path, frames: list[np.ndarray]) -> None:
        made = feature_spec("c3d", c3d=str(c3d))
        (values,) = Extractor([made], "cpu")(clip)["c3d"]
        expected = self.expected(c3d, frames[:16]).probabilities[0, 0]
        np.testing.assert_allclose(values, expected, atol=1e-6)
        assert made.encode(values).endswith(b" ")
        parsed, counts = parse_dense(TextFiles(["c.txt"], [made.encode(values)]))
        assert counts.tolist() == [101]
        np.testing.assert_allclose(parsed, expected, atol=1e-6)

    def test_fc6(self, c3d: Path, clip: Path, frames: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VIDEOMEM_C3D", str(c3d))
        (values,) = extract(clip, ["c3d-fc6"])["c3d-fc6"]
        np.testing.assert_allclose(values, self.expected(c3d, frames[:16]).fc6[0, 0], atol=1e-4)

    def test_a_short_clips_last_frame_is_repeated(self, c3d: Path) -> None:
        made = feature_spec("c3d", c3d=str(c3d))
        assert made.frames(Clip("c", 5)) == [0, 1, 2, 3, 4, *[4] * 11]

    def test_other_classes_and_folders_are_refused(self, c3d: Path, tmp_path: Path) -> None:
        C3DModel(C3DConfig(num_classes=487, hidden_sizes=(2, 2, 2, 2, 2), fc_size=4)).save_pretrained(tmp_path / "487")
        with pytest.raises(InputError, match="487 classes where the released C3D features have 101"):
            feature_specs(["c3d"], c3d=str(tmp_path / "487"))
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match="holds no C3D model"):
            feature_specs(["c3d"], c3d=str(tmp_path / "empty"))


class TestInceptionV3:
    def test_released_input_is_plain_bilinear_on_exchanged_colours(self) -> None:
        rgb = np.random.default_rng(0).integers(0, 256, (454, 681, 3)).astype(np.uint8)
        small = released_input(rgb)
        assert small.shape == (3, 227, 227)
        # Half the height: each pixel is the mean of two lines; a third of the width: the middle one of three columns.
        expected = rgb[..., ::-1].astype(float).reshape(227, 2, 227, 3, 3).mean(axis=1)[:, :, 1]
        np.testing.assert_allclose(small.transpose(1, 2, 0), expected, atol=1e-3)

    def test_corrected_input_is_the_networks_own(self) -> None:
        values = corrected_input(np.full((400, 500, 3), [255, 0, 128], np.uint8))
        assert values.shape == (3, 299, 299)
        expected = (np.array([1, 0, 128 / 255]) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        np.testing.assert_allclose(values[:, 5, 5], expected, atol=1e-5)

    @pytest.mark.parametrize("name", ["inceptionv3", "inceptionv3-corrected"])
    def test_activations_are_a_softmax_of_the_network(self, name: str, clip: Path, tmp_path: Path) -> None:
        from torchvision.models import inception_v3

        torch.manual_seed(0)
        network = inception_v3(weights=None, init_weights=False).eval()
        for module in network.modules():  # random weights die away over so many layers
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_var.fill_(0.05)
        torch.save(network.state_dict(), tmp_path / "w.pth")
        made = feature_spec(name, inceptionv3=str(tmp_path / "w.pth"))
        values = Extractor([made], "cpu")(clip)[name]
        network.transform_input = name.endswith("corrected")
        prepare = corrected_input if name.endswith("corrected") else released_input
        wanted = [picture.rgb for picture in pictures(clip) if picture.index in (0, 20, 40)]
        with torch.no_grad():
            expected = network(torch.from_numpy(np.stack([prepare(rgb) for rgb in wanted]))).softmax(dim=1)
        assert np.ptp(expected.numpy()) > 1e-6
        np.testing.assert_allclose(np.stack(values), expected, rtol=1e-3)
        pairs = parse_pairs(TextFiles(["v.txt"], [made.encode(values[0])]))
        np.testing.assert_allclose(pairs.values, values[0][values[0] > 0], rtol=1e-6)

    def test_wrong_and_missing_weights_are_one_sentence(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(InputError, match="no such file"):
            feature_specs(["inceptionv3"], inceptionv3=str(tmp_path / "none.pth"))
        torch.save({"x": torch.zeros(3)}, tmp_path / "w.pth")
        with pytest.raises(InputError, match="does not fit Inception3"):
            feature_spec("inceptionv3", inceptionv3=str(tmp_path / "w.pth")).load("cpu")  # type: ignore[attr-defined]

        def offline(*args: object, **kwargs: object) -> None:
            raise OSError("no network")

        monkeypatch.delenv("VIDEOMEM_INCEPTIONV3", raising=False)
        monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
        monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
        with pytest.raises(InputError, match=r"cannot be downloaded.*--inceptionv3"):
            feature_spec("inceptionv3").load("cpu")  # type: ignore[attr-defined]


class TestConcepts:
    NAME = "ssdlite320_mobilenet_v3_large"

    def test_scores_are_the_mean_of_the_surest(self, clip: Path, frames: list[np.ndarray], tmp_path: Path) -> None:
        from torchvision.models import get_model

        torch.manual_seed(0)
        detector = get_model(self.NAME, weights=None, weights_backbone=None, num_classes=91).eval()
        torch.save(detector.state_dict(), tmp_path / "w.pth")
        name = f"concepts:{self.NAME}@{tmp_path / 'w.pth'}"
        (values,) = Extractor([feature_spec(name)], "cpu")(clip)[name]
        expected = np.zeros((2, 91))
        for row, index in enumerate((0, 30)):  # 60 frames at 24 a second: 2 s
            with torch.no_grad():
                found = detector([torch.from_numpy(frames[index]).permute(2, 0, 1) / 255])[0]
            for label, score in zip(found["labels"].tolist(), found["scores"].tolist(), strict=True):
                expected[row, label] = max(expected[row, label], score)
        assert np.count_nonzero(expected) > 5
        np.testing.assert_allclose(values, expected.mean(axis=0), atol=1e-6)

    def test_what_is_no_detector_is_one_sentence(self) -> None:
        with pytest.raises(InputError, match="no detector 'resnet18'; there are fasterrcnn"):
            feature_specs(["concepts:resnet18"])
        with pytest.raises(InputError, match="no such file"):
            feature_specs([f"concepts:{self.NAME}@nowhere.pth"])


def test_networks_get_several_clips_at_once(c3d: Path, clip: Path, tmp_path: Path) -> None:
    other = write_clip(tmp_path / "other.webm", moving_frames(20, seed=5))
    made = feature_spec("c3d", c3d=str(c3d))
    network = made.load("cpu")  # type: ignore[attr-defined]
    given = [collect(path, [made]).values["c3d"] for path in (clip, other)]
    together = network(given)
    alone = [network([each])[0] for each in given]
    np.testing.assert_allclose(together, alone, atol=1e-5)  # float32, in batches of another size
    assert np.abs(together[0][0] - together[1][0]).max() > 1e-6

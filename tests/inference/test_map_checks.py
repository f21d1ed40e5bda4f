"""Maps that show the picture whatever was learned fail; others pass and agree with occlusion."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from videomem_hf.inference import Predictor
from videomem_hf.inference.claims import Claims
from videomem_hf.inference.map_checks import cell_means, map_checks, maps_depend_on_weights
from videomem_hf.inference.reference import Reference
from videomem_hf.inference.saliency import maps_pass
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor

SIDE = 48


class Attending(torch.nn.Module):
    """Attends to what its convolution answers to, or, without regard to its weights, to what is bright."""

    config = SimpleNamespace(horizons=("short_term", "long_term"))
    has_attention, weighs_frames, map_info = True, False, None

    def __init__(self, to_brightness: bool = False) -> None:
        super().__init__()
        self.to_brightness = to_brightness
        self.conv = torch.nn.Conv2d(3, 1, 8, stride=8, bias=False)
        self.head = torch.nn.Linear(1, 2)
        with torch.no_grad():
            self.conv.weight[:, 0], self.conv.weight[:, 1:] = 0.02, -0.02  # looks for red
            self.head.weight[:] = torch.tensor([[0.1], [0.05]])

    def in_head(self, name: str) -> bool:
        return name.startswith("head.")

    def forward(self, pixel_values_videos: torch.Tensor, output_attentions: bool = False) -> Any:
        pixels = pixel_values_videos.flatten(0, 1)
        answers = self.conv(pixels)[:, 0]
        shown = torch.nn.functional.avg_pool2d(pixels.mean(dim=1), 8) * 4 if self.to_brightness else answers
        attention = shown.flatten(1).softmax(dim=1).view_as(shown)
        scores = self.head((attention * answers).sum(dim=(1, 2))[:, None]).sigmoid()
        shape = pixel_values_videos.shape[:2]
        return SimpleNamespace(frame_scores=scores.unflatten(0, shape), attentions=attention.unflatten(0, shape))


def frames(count: int) -> list[np.ndarray]:
    """A red square somewhere on noise, one frame each."""
    rng = np.random.default_rng(0)
    images = rng.integers(60, 120, (count, 1, SIDE, SIDE, 3), dtype=np.uint8)
    for image in images[:, 0]:
        row, column = rng.integers(0, SIDE // 8, 2) * 8
        image[row : row + 8, column : column + 8] = (255, 20, 20)
    return list(images)


PROCESSOR = MemorabilityVideoProcessor(
    size={"height": SIDE, "width": SIDE}, do_center_crop=False, do_normalize=False, do_rescale=True
)


def test_maps_of_what_was_learned_pass_and_agree_with_occlusion() -> None:
    odd = np.zeros((1, SIDE, 2 * SIDE, 3), np.uint8)
    found = map_checks(Attending(), PROCESSOR, [odd, *frames(20)])
    assert found["method"] == "attention"
    assert found["frames"] == 16
    assert found["sanity"]["head"] == pytest.approx(1)  # this attention lies before the head
    assert abs(found["sanity"]["all"]) < 0.4
    assert maps_pass(found)
    assert found["agreement"] > 0.2


def test_maps_that_show_the_picture_whatever_was_learned_fail() -> None:
    found = map_checks(Attending(to_brightness=True), PROCESSOR, frames(8))
    assert found["sanity"]["all"] == pytest.approx(1)
    assert not maps_pass(found)


def test_the_model_is_not_changed() -> None:
    model = Attending()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    maps_depend_on_weights(model, torch.rand(3, 3, SIDE, SIDE))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_without_maps_or_clips_there_is_nothing_to_check() -> None:
    assert map_checks(torch.nn.Linear(2, 2), PROCESSOR, frames(1)) == map_checks(Attending(), None, frames(1)) == {}
    assert map_checks(Attending(), PROCESSOR, []) == {}
    assert maps_pass({})


def test_means_of_a_map_over_the_cells_of_a_grid() -> None:
    map_ = np.zeros((6, 6), np.float32)
    map_[1, 4] = 1
    found = cell_means(map_, (0.0, 0.0, 1.0, 1.0))
    assert found.shape == (6, 6)
    assert np.unravel_index(found.argmax(), found.shape) == (1, 4)


@pytest.mark.parametrize(("alike", "offered"), [(0.2, True), (0.9, False)])
def test_maps_that_fail_are_not_offered(alike: float, offered: bool) -> None:
    checks = {"method": "attention", "sanity": {"head": 1.0, "all": alike}, "agreement": 0.1, "frames": 16}
    claims = Claims(Reference("data", maps=checks))
    predictor = Predictor(Attending(), PROCESSOR, "net", "cpu", claims)
    prediction = predictor.predict(np.concatenate(frames(2)), stills=1, maps=True)
    assert (prediction.saliency_method == "attention") is offered
    assert (prediction.saliency is not None) is offered
    said = any("random weights" in note for note in prediction.notes)
    assert said is not offered

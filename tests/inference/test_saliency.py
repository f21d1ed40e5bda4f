"""Maps against their definitions and against symmetries that they must have."""

import numpy as np
import pytest
import torch

from videomem_hf.inference import Saliency
from videomem_hf.inference.saliency import (
    covered_by_cells,
    merge_crops,
    place_on_frame,
    saliency_maps,
    saliency_method,
    scores_and_maps,
)
from videomem_hf.models import MODELS, config_class, model_class
from videomem_hf.models.modeling_memnet import ten_crop

ATTENDING = {"adapted", "amnet", "frame_attention", "spatiotemporal", "vitmem"}
"""Their own attention explains their scores."""


def memnet(crops: int = 10) -> torch.nn.Module:
    torch.manual_seed(0)
    config = config_class("memnet")(
        image_size=96, crop_size=68, crops=crops, conv_channels=(8, 8, 8, 8, 8), hidden_size=16
    )
    model = model_class("memnet")(config).eval().requires_grad_(False)
    torch.nn.init.normal_(model.fc8.weight, std=0.02)
    return model


def test_crops_go_back_to_where_they_were_cut() -> None:
    frame = torch.rand(64, 64, generator=torch.Generator().manual_seed(0))
    size, far, middle = 50, 14, 7
    crops, seen = [], torch.zeros(64, 64)
    for y, x in ((middle, middle), (0, 0), (0, far), (far, 0), (far, far)):
        crops.append(frame[y : y + size, x : x + size])
        seen[y : y + size, x : x + size] += 2
    maps = torch.stack([*crops, *(crop.flip(1) for crop in crops)])[:, None]
    expected = (frame * seen / 10).view(32, 2, 32, 2).mean(dim=(1, 3))
    crops = ten_crop(torch.arange(64 * 64).view(1, 1, 64, 64), size)[:, 0, 0]
    torch.testing.assert_close(merge_crops(maps, crops, (64, 64))[0, 0], expected)


def test_memnets_map_of_a_mirrored_frame_is_the_mirrored_map() -> None:
    model = memnet()
    frame = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    assert saliency_method(model) == "Grad-CAM"
    found, mirrored = saliency_maps(model, torch.cat([frame, frame.flip(-1)]))
    assert found.shape == (32, 32)
    assert found.sum() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(mirrored, found.flip(-1), atol=1e-6, rtol=1e-3)
    assert (found - found.flip(-1)).abs().max() > 1e-4


def test_one_centre_crop_says_nothing_of_the_edges() -> None:
    found = saliency_maps(memnet(crops=1), torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1)))[0]
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert not found[:4].any()  # the crop begins at pixel 14 of 96, row 4.67 of 32
    assert not found[:, -4:].any()


def test_map_of_a_clip_network_is_grad_cam_by_its_definition() -> None:
    torch.manual_seed(0)
    config = config_class("resnet3d")(depth=18, hidden_sizes=(8, 8, 8, 8), segment_length=32)
    model = model_class("resnet3d")(config).eval()
    torch.nn.init.normal_(model.fc.weight)
    segments = torch.rand(2, 32, 3, 64, 64)
    x = model.maxpool(model.bn1(model.conv1(segments.transpose(1, 2))).relu())
    activations = model.layer4(model.layer3(model.layer2(model.layer1(x)))).detach().requires_grad_()
    assert activations.shape[2:] == (2, 2, 2)  # two steps of time
    logits = model.score_features(activations.mean(dim=(2, 3, 4)))[:, 0].logit()
    gradients = torch.autograd.grad(logits.sum(), activations)[0]
    maps = (activations * gradients.mean(dim=(2, 3, 4), keepdim=True)).sum(dim=1).mean(dim=1).detach()
    large = torch.nn.functional.interpolate(maps[:, None], (14, 14), mode="bilinear")[:, 0].relu()
    expected = large / large.sum(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    assert expected.any()
    torch.testing.assert_close(saliency_maps(model.requires_grad_(False), segments), expected, atol=1e-6, rtol=1e-3)


OF_PIXELS = [kind for kind in MODELS if kind != "c3d" and model_class(kind).main_input_name == "pixel_values_videos"]


@pytest.mark.parametrize("kind", OF_PIXELS)
def test_every_model_of_pixels_names_the_layers_that_explain_it(kind: str) -> None:
    """They are told by the model itself, so that a network that came from the Hub with its own code has them too."""
    with torch.device("meta"):
        model = model_class(kind)(config_class(kind)())
    assert saliency_method(model) == ("attention" if kind in ATTENDING else "Grad-CAM")
    assert [model.get_submodule(name) for name in model.attribution_layers] or kind in ATTENDING


def test_any_model_with_attention_can_be_asked_for_grad_cam() -> None:
    torch.manual_seed(0)
    model = model_class("frame_attention")(config_class("frame_attention")()).eval()
    pixels = torch.rand(2, 3, 54, 96)
    attention, grad_cam = saliency_maps(model, pixels), saliency_maps(model, pixels, method="Grad-CAM")
    assert saliency_method(model) == "attention"
    np.testing.assert_allclose(attention.sum(dim=(1, 2)), 1, atol=1e-5)
    assert grad_cam.shape[0] == 2
    assert attention.shape != grad_cam.shape or not torch.allclose(attention, grad_cam)


def test_maps_between_samples_are_interpolated() -> None:
    maps = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    maps /= maps.sum(axis=(1, 2), keepdims=True)
    saliency = Saliency(np.array([0.0, 1.0, 3.0]), maps, (0.0, 0.0, 1.0, 1.0), (-0.1, 0.0, 0.9, 1.2))
    for time_s, expected in (
        (-1.0, maps[0]),
        (0.0, maps[0]),
        (0.25, 0.75 * maps[0] + 0.25 * maps[1]),
        (2.0, (maps[1] + maps[2]) / 2),
        (9.0, maps[2]),
    ):
        placed = place_on_frame(expected, (20, 30), saliency.seen, saliency.covered)
        np.testing.assert_allclose(saliency.at(time_s, (20, 30)), placed, atol=1e-6)


def centre_seen_by(maps: torch.Tensor, cell: tuple[int, int], pixels: torch.Tensor) -> tuple[float, float]:
    """Middle of the pixels that a cell's value depends on: row and column, 0.5 being the middle of the first."""
    gradient = torch.autograd.grad(maps[(0, ..., *cell)].sum(), pixels)[0].abs()
    rows, columns = (gradient.sum(dim=d).nonzero() for d in ([0, 1, 2, 4], [0, 1, 2, 3]))
    return float(rows.min() + rows.max() + 1) / 2, float(columns.min() + columns.max() + 1) / 2


@pytest.mark.parametrize("kind", ["frame_attention", "resnet3d"])
def test_cells_lie_where_the_network_looks(kind: str) -> None:
    torch.manual_seed(0)
    if kind == "frame_attention":
        model = model_class(kind)(config_class(kind)()).eval()
        pixels = torch.rand(1, 1, 3, 108, 189, requires_grad=True)
        maps, cell, tolerance = model.attention_conv(model.trunk(pixels[0])), (5, 13), 0.0
    else:
        model = model_class(kind)(config_class(kind)(depth=18, hidden_sizes=(4, 4, 4, 4))).eval()
        pixels = torch.rand(1, 1, 3, 608, 672, requires_grad=True)
        x = model.maxpool(model.bn1(model.conv1(pixels.transpose(1, 2))).relu())
        maps, cell, tolerance = model.layer4(model.layer3(model.layer2(model.layer1(x)))), (9, 11), 4.0
    height, width = pixels.shape[-2:]
    left, top, right, bottom = covered_by_cells(model, (height, width))
    rows, columns = maps.shape[-2:]
    row, column = centre_seen_by(maps, cell, pixels)
    assert row == pytest.approx((top + (cell[0] + 0.5) * (bottom - top) / rows) * height, abs=tolerance + 1e-3)
    assert column == pytest.approx((left + (cell[1] + 0.5) * (right - left) / columns) * width, abs=tolerance + 1e-3)


def test_maps_are_placed_by_what_their_cells_cover() -> None:
    """A map that covers from a quarter before the frame's left edge to its middle, bicubic, nearest beyond."""
    map_ = np.array([[0.0, 1.0, 0.0]], dtype=np.float32)
    placed = place_on_frame(map_, (8, 120), (0.0, 0.0, 1.0, 1.0), (-0.25, 0.0, 0.5, 1.0))
    assert placed[4].argmax() in (14, 15)  # the middle cell, from 0 to 30, has its middle at 15
    np.testing.assert_allclose(placed[:, 75:], 0, atol=1e-7)
    placed = place_on_frame(map_[:, ::-1] + map_.cumsum(axis=1), (8, 120), (0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 1.0))
    assert np.ptp(placed[:, 70:]) < 1e-7
    assert placed[0, 100] > 0


@pytest.mark.parametrize(
    ("kind", "fields", "side"),
    [("resmem", {"resnet_layers": [1, 1, 1, 1]}, 227), ("squalli", {}, 224), ("resnet3d", {"depth": 18}, 64)],
)
def test_scores_and_grad_cam_of_one_pass_are_those_of_captum(kind: str, fields: dict, side: int) -> None:
    from captum.attr import LayerGradCam

    torch.manual_seed(0)
    model = model_class(kind)(config_class(kind)(**fields)).eval().requires_grad_(False)
    segments = torch.rand(3, getattr(model.config, "segment_length", 1), 3, side, side)
    rows, maps = scores_and_maps(model, segments, "Grad-CAM")

    def logit(pixels: torch.Tensor) -> torch.Tensor:
        return torch.logit(model(pixel_values_videos=pixels).frame_scores[:, 0, 0])

    (name,) = model.attribution_layers
    captum = LayerGradCam(logit, model.get_submodule(name))
    found = captum.attribute(segments.requires_grad_(), attr_dim_summation=True)
    found = found.mean(dim=2) if found.ndim == 5 else found
    size = [max(14, side) for side in found.shape[-2:]]
    expected = torch.nn.functional.interpolate(found, size, mode="bilinear")[:, 0].relu()
    expected = expected / expected.sum(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    assert expected.std() > 0
    torch.testing.assert_close(maps, expected.detach(), atol=1e-5, rtol=1e-3)
    with torch.no_grad():
        torch.testing.assert_close(rows, model(pixel_values_videos=segments).frame_scores[:, 0], atol=1e-6, rtol=0)

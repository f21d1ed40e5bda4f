"""MemNet against its paper's arithmetic, torchvision and NumPy."""

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as tvf

from tests.common import score_frames
from videomem_hf.models.configuration_memnet import MemNetConfig
from videomem_hf.models.modeling_memnet import MemNetModel, random_crop, ten_crop

TINY = {"image_size": 80, "crop_size": 67, "conv_channels": [8, 8, 8, 8, 8], "hidden_size": 12}


def test_parameter_count_is_alexnets_with_one_output() -> None:
    """Caffe's reference network has 60,965,224 parameters, 4,097,000 of them in the last layer of 1,000 classes."""
    with torch.device("meta"):
        model = MemNetModel(MemNetConfig())
    assert sum(p.numel() for p in model.parameters()) == 60_965_224 - 4_097_000 + 4_097
    assert model.fc6.in_features == 256 * 6 * 6


def test_ten_crop_has_torchvisions_crops() -> None:
    images = torch.rand(2, 3, 40, 50)
    ours = ten_crop(images, 32)
    theirs = torch.stack(tvf.ten_crop(images, [32, 32]))
    order = [1, 2, 3, 4, 0, 7, 6, 9, 8, 5]  # the centre last; corners named after mirroring
    assert torch.equal(ours[order], theirs)


def test_local_response_normalisation_is_caffes() -> None:
    """x / (k + alpha / n * sum of squares over n channels around)^beta, the sum cut off at the ends."""
    x = np.random.default_rng(0).normal(0, 30, (1, 7, 2, 2))
    expected = np.empty_like(x)
    for channel in range(7):
        around = x[:, max(channel - 2, 0) : channel + 3]
        expected[:, channel] = x[:, channel] / (1 + 1e-4 / 5 * (around**2).sum(axis=1)) ** 0.75
    norm = MemNetModel(MemNetConfig(**TINY)).norm
    np.testing.assert_allclose(norm(torch.from_numpy(x)), expected, rtol=1e-12)


@pytest.mark.parametrize("crops", [1, 10])
def test_sees_blue_green_red_minus_the_mean_image(crops: int) -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (80, 80, 3), dtype=np.uint8)
    mean = rng.uniform(0, 255, (3, 80, 80)).astype(np.float32)
    model = MemNetModel(MemNetConfig(**TINY, crops=crops)).eval()
    model.mean_image.copy_(torch.from_numpy(mean))
    seen = []
    model.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    score_frames(model, torch.from_numpy(frame).permute(2, 0, 1)[None] / 255)
    centred = frame[..., ::-1].transpose(2, 0, 1).astype(np.float64) - mean
    assert seen[0].shape == (crops, 3, 67, 67)
    np.testing.assert_allclose(seen[0][0], centred[:, 6:73, 6:73], atol=1e-3)
    if crops == 10:
        np.testing.assert_allclose(seen[0][4], centred[:, -67:, -67:], atol=1e-3)
        np.testing.assert_allclose(seen[0][9], centred[:, -67:, -67:][..., ::-1], atol=1e-3)


def test_score_is_the_rescaled_and_clipped_mean_of_ten_outputs() -> None:
    torch.manual_seed(0)
    config = MemNetConfig(**TINY, output_mean=0.7626, output_scale=2.0, output_bias=0.65)
    model = MemNetModel(config).eval()
    model.fc8.weight.data.normal_(0, 0.01)
    pixels = torch.rand(3, 3, 80, 80)
    with torch.no_grad():
        raw = [model.fc8(model._fc7(crop)) for crop in ten_crop(pixels.flip(1) * 255 - model.mean_image, 67)]
        expected = ((torch.stack(raw).mean(0) - 0.7626) * 2 + 0.65).clamp(0, 1)
        np.testing.assert_allclose(score_frames(model, pixels), expected, rtol=1e-4)
    assert 0 < float(expected.min()) < float(expected.max()) < 1


@pytest.mark.parametrize("output", [{}, {"output_mean": 0.7626, "output_scale": 2.0, "output_bias": 0.65}])
def test_an_untrained_model_predicts_about_the_mean(output: dict[str, float]) -> None:
    scores = MemNetModel(MemNetConfig(**TINY, **output)).eval()(pixel_values_videos=torch.rand(2, 2, 3, 80, 80)).scores
    np.testing.assert_allclose(scores.detach(), 0.859, atol=0.1)


def test_training_crops_are_parts_of_the_image_at_random_places() -> None:
    torch.manual_seed(0)
    columns = torch.arange(20.0).expand(64, 1, 20, 20)
    rows = columns.transpose(-1, -2)
    crops = random_crop(torch.cat([rows, columns], dim=1), 12)
    assert crops.shape == (64, 2, 12, 12)
    assert (crops[:, 0].diff(dim=1) == 1).all()
    steps = crops[:, 1].diff(dim=2)
    assert (steps == steps[:, :1, :1]).all()
    assert set(steps.unique().tolist()) == {-1.0, 1.0}
    assert set(crops[:, 0, 0, 0].tolist()) == set(range(9))
    assert set(crops[:, 1].amin(dim=(1, 2)).tolist()) == set(range(9))


def test_refuses_frames_of_another_size() -> None:
    with pytest.raises(ValueError, match="frames of 80 x 80 pixels"):
        score_frames(MemNetModel(MemNetConfig(**TINY)), torch.rand(1, 3, 64, 64))

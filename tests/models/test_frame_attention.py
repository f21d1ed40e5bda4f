"""The frame network with spatial attention: the contract, and its attention against a plain formula."""

from typing import Any

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from torch.nn import functional

from tests.common import BATCH, PredictorContract
from videomem_hf.models.configuration_frame_attention import FrameAttentionConfig
from videomem_hf.models.modeling_frame_attention import FrameAttentionModel


class TestFrameAttention(PredictorContract):
    """The tiny network."""

    model_class = FrameAttentionModel

    def tiny_config(self, **changes: Any) -> FrameAttentionConfig:
        return FrameAttentionConfig(hidden_sizes=[4, 6], feature_size=8, output_stride=4, **changes)

    def varied_model(self) -> FrameAttentionModel:
        model = self.model()
        torch.nn.init.normal_(model.head.weight)
        return model

    def test_equals_the_papers_figure_written_out(self) -> None:
        """Sec. 5.5: map of a parallel convolution, softmax over positions, times the last convolution's map."""
        model = self.model()
        frame = torch.randn(1, 3, 32, 48)

        def mirrored(kernel: torch.Tensor) -> torch.Tensor:
            """Each weight the mean of those at its mirrored places."""
            back = [*range(kernel.shape[-1])][::-1]
            across = [kernel, kernel[..., back]]
            return torch.stack([*across, *(each[..., back, :] for each in across)]).mean(dim=0)

        def block(x: torch.Tensor, conv: torch.nn.Conv2d, stride: int) -> torch.Tensor:
            """Standardised kernel by kernel; the variance of a standard normal input is kept through the ReLU."""
            kernels = []
            for own, gain in zip(conv.weight, conv.gain, strict=True):
                kernel = mirrored(own)
                deviation = (kernel - kernel.mean()).square().sum() / (kernel.numel() - 1)
                kernels.append(gain * (kernel - kernel.mean()) / (deviation * kernel.numel() + 1e-4).sqrt())
            x = functional.conv2d(x, torch.stack(kernels), conv.bias, stride, padding=conv.weight.shape[-1] // 2)
            return x.clamp(min=0) * (2 / (1 - 1 / torch.pi)) ** 0.5

        with torch.no_grad():
            shared = block(block(frame, model.trunk[0].conv, 2), model.trunk[1].conv, 2)
            last = block(shared, model.last_conv.conv, 1)[0]  # (features, 8, 12)
            raw = functional.conv2d(shared, mirrored(model.attention_conv.weight), padding=1)[0, 0].exp()
            attention = raw / raw.sum()
            pooled = torch.stack([(channel * attention).sum() for channel in last])
            offset = model.head.weight @ pooled + model.head.bias
            means, stds = torch.tensor([0.859, 0.778]), torch.tensor([0.082, 0.145])
            expected = 1 / (1 + torch.exp(-(torch.log(means / (1 - means)) + offset * stds / (means * (1 - means)))))
            output = model(frame[:, None], output_attentions=True)
        torch.testing.assert_close(output.attentions[0, 0], attention)
        torch.testing.assert_close(output.scores[0], expected, atol=1e-5, rtol=1e-4)

    def test_kernels_of_half_a_cell_and_more_see_a_mirrored_frame_mirrored(self) -> None:
        """All of them in this network; of a size at which strided layers, too, look at mirrored places."""
        model, frames = self.model(), torch.randn(1, 1, 3, 33, 49)
        with torch.no_grad():
            one, left, down = (
                model(each, output_attentions=True) for each in (frames, frames.flip(-1), frames.flip(-2))
            )
        torch.testing.assert_close(one.scores, left.scores)
        torch.testing.assert_close(one.attentions, left.attentions.flip(-1))
        torch.testing.assert_close(one.attentions, down.attentions.flip(-2))

    def test_smaller_kernels_are_free(self) -> None:
        layers = FrameAttentionModel(FrameAttentionConfig()).trunk  # their kernels reach 2, 2, 4 and 8 of 8 pixels
        assert [layer.conv.symmetric for layer in layers] == [False, False, True, True]

    def test_activations_keep_their_size_through_the_trunk(self) -> None:
        """What the standardised kernels are for: no layer normalises what is in the frame, and none needs to."""
        torch.manual_seed(0)
        model = FrameAttentionModel(FrameAttentionConfig())
        with torch.no_grad():
            shared = model.trunk(torch.randn(4, 3, 54, 96))
        assert 0.5 < shared.std() < 2

    def test_contrast_is_seen(self) -> None:
        """A frame and the same frame with half the contrast differ, which activation normalisation would hide."""
        model, frames = self.model(), self.inputs()["pixel_values_videos"][0]
        with torch.no_grad():
            full, half = (model.embed_frames(each)[0] for each in (frames, frames / 2))
        assert (full - half).norm() > 0.2 * full.norm()

    def test_a_silent_head_predicts_the_training_mean(self) -> None:
        model = self.model(score_means=[0.7, 0.3], score_stds=[0.1, 0.2])
        torch.nn.init.zeros_(model.head.weight)
        scores = model(**self.inputs()).scores
        torch.testing.assert_close(scores, torch.tensor([[0.7, 0.3]] * BATCH))

    def test_the_map_is_output_stride_times_smaller(self) -> None:
        for stride, size in ((2, (16, 24)), (4, (8, 12))):
            model = FrameAttentionModel(FrameAttentionConfig(hidden_sizes=[4, 4], feature_size=4, output_stride=stride))
            maps = model(**self.inputs(), output_attentions=True).attentions
            assert maps.shape[2:] == size

    def test_dropout_is_wired(self) -> None:
        inputs = self.inputs()
        with torch.no_grad():
            plain, dropped = (self.model(dropout=p).train()(**inputs).scores for p in (0.0, 0.9))
        assert (plain - dropped).abs().max() > 0

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"hidden_sizes": []}, "must be 1 or more"),
            ({"hidden_sizes": [4, 0]}, "must be 1 or more"),
            ({"feature_size": 0}, "must be 1 or more"),
            ({"output_stride": 8}, "output_stride must be one of"),
            ({"output_stride": 3}, "output_stride must be one of"),
        ],
    )
    def test_sizes_that_do_not_fit_are_refused(self, wrong: dict[str, Any], message: str) -> None:
        sizes = {"hidden_sizes": [4, 6], "feature_size": 8, "output_stride": 4}
        with pytest.raises(StrictDataclassClassValidationError, match=message):
            FrameAttentionConfig(**(sizes | wrong))

    def test_the_default_is_small(self) -> None:
        parameters = sum(p.numel() for p in FrameAttentionModel(FrameAttentionConfig()).parameters())
        assert parameters < 1_000_000

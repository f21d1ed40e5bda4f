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
        return FrameAttentionConfig(hidden_sizes=[4, 6], feature_size=8, output_stride=4, norm_groups=2, **changes)

    def test_equals_the_papers_figure_written_out(self) -> None:
        """Sec. 5.5: map of a parallel convolution, softmax over positions, times the last convolution's map."""
        model = self.model()
        frame = torch.randn(1, 3, 32, 48)
        with torch.no_grad():
            x = frame
            for block in model.trunk:
                convolution, norm = block[0], block[1]
                x = functional.conv2d(x, convolution.weight, stride=2, padding=convolution.weight.shape[-1] // 2)
                groups = x.reshape(1, 2, -1)
                deviation = groups.var(dim=2, correction=0, keepdim=True).add(1e-5).sqrt()
                x = ((groups - groups.mean(dim=2, keepdim=True)) / deviation).view_as(x)
                x = (x * norm.weight[:, None, None] + norm.bias[:, None, None]).clamp(min=0)
            last = model.last_conv(x)[0]  # (features, 8, 12)
            raw = functional.conv2d(x, model.attention_conv.weight, padding=1)[0, 0].exp()
            attention = raw / raw.sum()
            pooled = torch.stack([(channel * attention).sum() for channel in last])
            expected = pooled @ model.head.weight.T + model.head.bias
            embedded, maps = model.embed_frames(frame, output_attentions=True)
        torch.testing.assert_close(maps[0], attention)
        torch.testing.assert_close(embedded[0], pooled, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(model.head(embedded)[0], expected, atol=1e-5, rtol=1e-5)

    def test_a_silent_head_predicts_the_training_mean(self) -> None:
        model = self.model(score_means=[0.7, 0.3], score_stds=[0.1, 0.2])
        torch.nn.init.zeros_(model.head.weight)
        scores = model(**self.inputs()).scores
        torch.testing.assert_close(scores, torch.tensor([[0.7, 0.3]] * BATCH))

    def test_the_map_is_output_stride_times_smaller(self) -> None:
        for stride, size in ((2, (16, 24)), (4, (8, 12))):
            model = FrameAttentionModel(
                FrameAttentionConfig(hidden_sizes=[4, 4], feature_size=4, norm_groups=2, output_stride=stride)
            )
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
            ({"hidden_sizes": [4, 7]}, "must divide every channel number"),
            ({"feature_size": 7}, "must divide every channel number"),
            ({"hidden_sizes": []}, "must divide every channel number"),
            ({"output_stride": 8}, "output_stride must be one of"),
            ({"output_stride": 3}, "output_stride must be one of"),
        ],
    )
    def test_sizes_that_do_not_fit_are_refused(self, wrong: dict[str, Any], message: str) -> None:
        sizes = {"hidden_sizes": [4, 6], "feature_size": 8, "output_stride": 4, "norm_groups": 2}
        with pytest.raises(StrictDataclassClassValidationError, match=message):
            FrameAttentionConfig(**(sizes | wrong))

    def test_the_default_is_small(self) -> None:
        parameters = sum(p.numel() for p in FrameAttentionModel(FrameAttentionConfig()).parameters())
        assert parameters < 1_000_000

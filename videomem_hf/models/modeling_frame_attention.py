"""A small frame network with the spatial attention of VideoMem (Cohendet et al., ICCV 2019, Sec. 5.5 and Fig. 7).

In parallel with the last convolution a second one gives a single map; its softmax over positions is multiplied into the
map of the last convolution. The paper puts this branch on a ResNet-152; the trunk here is small enough to be trained on
a CPU within minutes.
"""

from itertools import pairwise

import torch
from torch import nn

from .configuration_frame_attention import FrameAttentionConfig
from .modeling_memorability import FrameMemorabilityModel, init_convolution
from .scoring import scores_around_mean


class ConvBlock(nn.Sequential):
    """Convolution, group normalisation, ReLU.

    Group rather than batch normalisation: a frame's score then depends on that frame alone, in training as in use, and
    training gives the same result however a batch is divided among processes.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, groups: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False),
            nn.GroupNorm(groups, out_channels),
            nn.ReLU(inplace=True),
        )


class FrameAttentionModel(FrameMemorabilityModel):
    """Memorability of a clip from its frames, with a map per frame of where it comes from."""

    config_class = FrameAttentionConfig
    config: FrameAttentionConfig
    base_model_prefix = "frame_attention"
    head_modules = ("head",)
    attribution_layers = ("last_conv",)

    def __init__(self, config: FrameAttentionConfig) -> None:
        super().__init__(config)
        sizes, groups = [3, *config.hidden_sizes], config.norm_groups
        halvings = config.output_stride.bit_length() - 1
        self.trunk = nn.Sequential(
            *(
                ConvBlock(n_in, n_out, 5 if depth == 0 else 3, 2 if depth < halvings else 1, groups)
                for depth, (n_in, n_out) in enumerate(pairwise(sizes))
            )
        )
        self.last_conv = ConvBlock(sizes[-1], config.feature_size, 3, 1, groups)
        self.attention_conv = nn.Conv2d(sizes[-1], 1, kernel_size=3, padding=1, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.feature_size, len(config.horizons))
        self.post_init()

    @property
    def has_attention(self) -> bool:
        """Always."""
        return True

    def embed_frames(
        self, pixels: torch.Tensor, output_attentions: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Map frames `(n, 3, height, width)` to features `(n, feature_size)` and maps `(n, height', width')`."""
        shared = self.trunk(pixels)
        features = self.last_conv(shared)  # (n, feature_size, height', width')
        attention = self.attention_conv(shared).float().flatten(1).softmax(dim=1)
        attention = attention.view(-1, *features.shape[-2:])
        return (features * attention[:, None]).sum(dim=(2, 3)), attention if output_attentions else None

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        """Map features `(n, feature_size)` to scores `(n, horizons)` in [0, 1]."""
        offsets = self.head(self.dropout(features))
        return scores_around_mean(offsets, self.config.score_means, self.config.score_stds)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            init_convolution(module)
        elif isinstance(module, nn.Linear):
            # Near 0, so that training starts from the mean of the scores.
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)

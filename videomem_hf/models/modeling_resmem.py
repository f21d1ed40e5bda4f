"""ResMem: image memorability from an AlexNet-like branch joined with the logits of a ResNet-152.

Coen D. Needell and Wilma A. Bainbridge, "Embracing New Techniques in Deep Learning for Estimating Image Memorability",
Computational Brain & Behavior 5, 2022. Applied to video as in VideoMem, Sec. 5.1: one frame per second, the clip's
score is the mean of its frame scores.
"""

import torch
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet
from transformers import PreTrainedModel

from .configuration_resmem import ResMemConfig
from .modeling_outputs import MemorabilityOutput


class ResMemModel(PreTrainedModel):
    """ResMem on the frames of a clip.

    Modules carry the names of the published state dict, so that it loads strictly and unchanged.
    """

    config_class = ResMemConfig
    config: ResMemConfig
    base_model_prefix = "resmem"
    main_input_name = "pixel_values_videos"
    input_modalities = ("video",)
    attribution_layers = ("conv5", "features.layer4")
    """Last convolution of each branch: where gradient-based attribution reads what the score came from."""

    def __init__(self, config: ResMemConfig) -> None:
        super().__init__(config)
        c1, c2, c3, c4, c5 = config.conv_channels
        self.features = ResNet(Bottleneck, list(config.resnet_layers), num_classes=config.resnet_classes)
        self.conv1 = nn.Conv2d(3, c1, kernel_size=11, stride=4)
        self.conv2 = nn.Conv2d(c1, c2, kernel_size=5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(c2, c3, kernel_size=3, padding=1, groups=2)
        self.conv4 = nn.Conv2d(c3, c4, kernel_size=3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(c4, c5, kernel_size=3, padding=1, groups=2)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2)
        self.norm = nn.LocalResponseNorm(5)
        self.dropout = nn.Dropout(config.dropout)
        joined = c5 * _map_side(config.image_size) ** 2 + config.resnet_classes
        sizes = [joined, *config.hidden_sizes, len(config.horizons)]
        # fc6 to fc12, counted on from conv5 as in the published state dict
        self.fc_names = [f"fc{6 + i}" for i in range(len(sizes) - 1)]
        for name, n_in, n_out in zip(self.fc_names, sizes, sizes[1:], strict=False):
            self.add_module(name, nn.Linear(n_in, n_out))
        self.post_init()

    def forward(
        self,
        pixel_values_videos: torch.Tensor,
        labels: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> MemorabilityOutput:
        """Predict the memorability of clips.

        Args:
            pixel_values_videos: `(batch, frames, 3, image_size, image_size)`, RGB in [0, 1], not normalised.
            labels: `(batch, horizons)` in [0, 1]; gives the mean squared error as the loss, NaN entries left out.
            output_attentions: Must be False: ResMem has no attention; see `attribution_layers`.
        """
        if output_attentions:
            raise ValueError("ResMem has no attention maps; use attribution on `attribution_layers` instead")
        batch, frames = pixel_values_videos.shape[:2]
        frame_scores = self.score_frames(pixel_values_videos.flatten(0, 1)).unflatten(0, (batch, frames))
        scores = frame_scores.mean(dim=1)
        loss = None
        if labels is not None:
            known = labels.isfinite()
            loss = nn.functional.mse_loss(scores[known], labels[known].to(scores.dtype))
        return MemorabilityOutput(loss=loss, scores=scores, frame_scores=frame_scores)

    def score_frames(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map frames `(n, 3, height, width)` in [0, 1] to scores `(n, horizons)` in [0, 1]."""
        x = self.norm(self.pool(self.conv1(pixels).relu()))
        x = self.norm(self.pool(self.conv2(x).relu()))
        x = self.conv3(x).relu()
        x = self.conv4(x).relu()
        x = self.pool(self.conv5(x).relu())
        x = torch.cat([x.flatten(1), self.features(pixels)], dim=1)
        *hidden, last = (self.get_submodule(name) for name in self.fc_names)
        for depth, layer in enumerate(hidden):
            x = layer(x).relu()
            x = self.dropout(x) if depth < 2 else x
        return last(x).sigmoid()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _map_side(image_size: int) -> int:
    """Side of the map after conv1 and the three poolings; 6 for 227 pixels."""
    side = (image_size - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    if side < 1:
        raise ValueError(f"image_size is {image_size}; ResMem needs at least 67")
    return side

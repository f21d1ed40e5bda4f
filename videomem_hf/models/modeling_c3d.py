"""C3D: features of 16 consecutive frames, one of the two inputs of VideoMem's perceptrons (Sec. 5.2).

Du Tran, Lubomir Bourdev, Rob Fergus, Lorenzo Torresani and Manohar Paluri, "Learning Spatiotemporal Features with 3D
Convolutional Networks", ICCV 2015. VideoMem's released C3D features are the class probabilities of this network,
fine-tuned on UCF-101, on a clip's first 16 frames; `FeatureMLPModel` predicts memorability from them.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .clip_frames import check_side, only_input, split_segments
from .configuration_c3d import C3DConfig
from .hidden_states import StateRecorder
from .modeling_memorability import Conv3d, init_layer
from .scoring import at_least_float32


@dataclass
class C3DOutput(ModelOutput):
    """Features of each segment of `segment_length` frames.

    Attributes:
        probabilities: `(batch, segments, num_classes)`, non-negative, summing to 1: VideoMem's released feature.
        logits: `(batch, segments, num_classes)`, before the softmax.
        fc6: `(batch, segments, fc_size)`, non-negative: the feature that C3D's paper uses for other tasks.
        fc7: `(batch, segments, fc_size)`, non-negative.
        hidden_states: `(batch, segments, channels, time, height, width)` of each convolution, when
            `output_hidden_states=True`.
    """

    probabilities: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    fc6: torch.Tensor | None = None
    fc7: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None


class C3DModel(PreTrainedModel):
    """The network. Modules carry the names of the public PyTorch port (conv1 to conv5b, fc6 to fc8)."""

    config: C3DConfig
    main_input_name = "pixel_values_videos"
    input_modalities = ("video",)
    _auto_class = "AutoModel"  # as in MemorabilityConfig

    def __init__(self, config: C3DConfig) -> None:
        super().__init__(config)
        c1, c2, c3, c4, c5 = config.hidden_sizes
        names = ("1", "2", "3a", "3b", "4a", "4b", "5a", "5b")
        for name, (n_in, n_out) in zip(names, pairwise([3, c1, c2, c3, c3, c4, c4, c5, c5]), strict=True):
            self.add_module(f"conv{name}", Conv3d(n_in, n_out, kernel_size=3, padding=1))
        self.first_pool = nn.MaxPool3d(kernel_size=(1, 2, 2))
        self.pool = nn.MaxPool3d(kernel_size=2)
        self.last_pool = nn.MaxPool3d(kernel_size=2, padding=(0, 1, 1))
        self.dropout = nn.Dropout(config.dropout)
        positions = config.segment_length // 16 * (config.image_size // 16 // 2 + 1) ** 2
        self.fc6 = nn.Linear(c5 * positions, config.fc_size)
        self.fc7 = nn.Linear(config.fc_size, config.fc_size)
        self.fc8 = nn.Linear(config.fc_size, config.num_classes)
        self.post_init()
        self.state_recorder = StateRecorder()
        self.state_recorder.watch(self.get_submodule(f"conv{name}") for name in names)

    @can_return_tuple
    def forward(self, pixel_values_videos: torch.Tensor, output_hidden_states: bool | None = None) -> C3DOutput:
        """Compute features of frames `(batch, frames, 3, image_size, image_size)`, of a multiple of `segment_length`.

        Args:
            pixel_values_videos: Red, green, blue from 0 to 255 minus their means, as the model's video processor makes
                them.
            output_hidden_states: Whether to return hidden states; None: as the configuration says.
        """
        with_states = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        pixels = only_input(None, pixel_values_videos=pixel_values_videos)
        check_side(pixels, self.config.image_size)
        segments, _ = split_segments(pixels.flip(2), self.config.segment_length, None)  # blue, green, red
        frames = segments.flatten(0, 1).to(self.dtype)
        layers, states = self.state_recorder.record(self._layers, frames, asked=bool(with_states))
        fc6, fc7, logits = (at_least_float32(each) for each in layers)
        shape = segments.shape[:2]
        return C3DOutput(
            probabilities=logits.softmax(dim=1).unflatten(0, shape),
            logits=logits.unflatten(0, shape),
            fc6=fc6.unflatten(0, shape),
            fc7=fc7.unflatten(0, shape),
            hidden_states=states and tuple(each.unflatten(0, shape) for each in states),
        )

    def _layers(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Map `(n, 3, segment_length, height, width)` to fc6, fc7 and logits."""
        x = self.first_pool(self.conv1(x).relu_())
        x = self.pool(self.conv2(x).relu_())
        x = self.pool(self.conv3b(self.conv3a(x).relu_()).relu_())
        x = self.pool(self.conv4b(self.conv4a(x).relu_()).relu_())
        x = self.last_pool(self.conv5b(self.conv5a(x).relu_()).relu_())
        fc6 = self.fc6(x.flatten(1)).relu()
        fc7 = self.fc7(self.dropout(fc6)).relu()
        return fc6, fc7, self.fc8(self.dropout(fc7))

    def _init_weights(self, module: nn.Module) -> None:
        init_layer(module)

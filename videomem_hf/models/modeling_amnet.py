"""AMNet: image memorability from glimpses at a frame, with attention that moves between them.

Jiri Fajtl, Vasileios Argyriou, Dorothy Monekosso and Paolo Remagnino, "AMNet: Memorability Estimation with Attention",
CVPR 2018. Applied to video as in VideoMem, Sec. 5.1: one frame per second, the clip's score is the mean of its frame
scores.
"""

import torch
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

from .clip_frames import check_side
from .configuration_amnet import AMNetConfig
from .modeling_memorability import FeaturesAndMaps, FrameMemorabilityModel, MapInfo
from .scoring import clamp_scores


class ThreeStages(nn.Module):
    """A ResNet up to its third stage."""

    def __init__(self, layers: list[int]) -> None:
        super().__init__()
        self.core_cnn = ResNet(Bottleneck, [*layers, 1])
        self.core_cnn.layer4, self.core_cnn.fc = nn.Identity(), nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        net = self.core_cnn
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        return net.layer3(net.layer2(net.layer1(x)))


class LSTMStep(nn.Module):
    """One step of a one-layer `nn.LSTM`, with its names; unlike it, it can be compiled."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden, size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias_ih_l0 = nn.Parameter(torch.empty(4 * hidden))
        self.bias_hh_l0 = nn.Parameter(torch.empty(4 * hidden))

    def forward(self, x: torch.Tensor, state: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.lstm_cell(x, state, self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)


class AMNetModel(FrameMemorabilityModel):
    """AMNet on the frames of a clip: RGB, normalised with ImageNet's mean and standard deviation.

    Its attention maps are the means over the glimpses. Modules carry the names of the published weights.
    """

    config: AMNetConfig
    head_modules = ("regnet4",)
    backbone_module = "core_cnn"
    attribution_layers = ("core_cnn.core_cnn.layer3",)
    published_training = "photographs (LaMem)"
    hidden_state_modules = ("core_cnn.core_cnn.maxpool", *(f"core_cnn.core_cnn.layer{stage}" for stage in (1, 2, 3)))
    map_info = MapInfo(channels=1024, stride=16)
    has_attention = True

    def __init__(self, config: AMNetConfig) -> None:
        super().__init__(config)
        size, hidden = config.attention_size, config.lstm_size
        self.side = -(-config.image_size // 16)
        self.core_cnn = ThreeStages(list(config.resnet_layers))
        self.inconv = nn.Conv2d(self.map_info.channels, size, kernel_size=1)
        self.bn1 = nn.BatchNorm2d(size)
        self.hs1 = nn.Linear(size, hidden)
        self.hc1 = nn.Linear(size, hidden)
        self.e1 = nn.Linear(size, size, bias=False)
        self.eh1 = nn.Linear(hidden, self.side**2)
        self.eh3 = nn.Linear(size, 1, bias=False)
        self.rnn = LSTMStep(size, hidden)
        self.regnet1 = nn.Linear(hidden, config.regression_size)
        self.regnet4 = nn.Linear(config.regression_size, len(config.horizons))
        self.drop_half, self.drop_most = nn.Dropout(0.5), nn.Dropout(0.8)
        self.post_init()

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> FeaturesAndMaps:
        """Map frames `(n, 3, image_size, image_size)` to the last hidden layer, averaged over the glimpses."""
        check_side(pixels, self.config.image_size)
        positions = (
            self.drop_most(self.bn1(self.inconv(self.core_cnn(pixels))).relu()).flatten(2).transpose(1, 2)
        )  # (n, positions, size)
        average = positions.mean(dim=1)
        hidden, cell = self.hs1(average).tanh(), self.hc1(average).tanh()
        keys = self.drop_half(self.e1(positions).relu())
        state, found, maps = (hidden, cell), [], []
        for _ in range(self.config.lstm_steps):
            match = self.drop_half((keys + self.eh1(hidden)[:, :, None]).relu())
            weights = self.eh3(match).squeeze(2).softmax(dim=1)  # (n, positions)
            glimpse = torch.einsum("np,nps->ns", weights, positions)
            state = self.rnn(glimpse, state)
            hidden = self.drop_half(state[0])
            found.append(self.drop_half(self.regnet1(hidden).relu()))
            maps.append(weights)
        attention = torch.stack(maps).mean(dim=0).unflatten(1, (self.side, self.side)) if output_attentions else None
        # regnet4 is linear: the mean of its outputs over the glimpses is its output for the mean of its inputs
        return torch.stack(found).mean(dim=0), attention

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        return clamp_scores(self.regnet4(features) / self.config.output_scale + self.config.output_mean)

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, LSTMStep):
            for name, parameter in module.named_parameters():
                nn.init.zeros_(parameter) if name.startswith("bias") else nn.init.xavier_uniform_(parameter)

"""VideoMem's best model: a perceptron on an image embedding that was learned together with captions.

The embedding: Martin Engilberge, Louis Chevallier, Patrick Perez and Matthieu Cord, "Finding Beans in Burgers: Deep
Semantic-Visual Embedding with Localization", CVPR 2018. The perceptron and the attention: Romain Cohendet et al.,
"VideoMem", ICCV 2019, Sec. 5.3, Sec. 5.5 and Fig. 7.
"""

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from .configuration_semantic_embedding import SemanticEmbeddingConfig
from .modeling_memorability import FeaturesAndMaps, FrameMemorabilityModel, MapInfo
from .trunks import build_trunk


class SemanticEmbeddingModel(FrameMemorabilityModel):
    """Memorability of a clip's frames from what a caption would say about them: trunk, 1x1 convolution, pooling of the
    largest and smallest activations, projection to an embedding of length 1, perceptron.

    With `config.attention` a convolution parallel to the last one gives a map per frame; its softmax over the
    positions, times their number, is multiplied into the last map. (The paper does not mention a scale. With it,
    attention that is the same everywhere changes nothing, so that training starts from the pretrained embedding.)
    """

    config: SemanticEmbeddingConfig
    head_modules = ("mlp",)
    backbone_module = "trunk"
    minimal_head: ClassVar = {"map_size": 1, "embedding_size": 1, "mlp_size": 1}
    attribution_layers = ("last_conv",)

    def __init__(self, config: SemanticEmbeddingConfig) -> None:
        super().__init__(config)
        self.trunk, channels = build_trunk(config.trunk, config.trunk_kwargs or {})
        self.map_info = MapInfo(channels, stride=32 if "resnet" in config.trunk else None)
        self.has_attention = config.attention
        self.last_conv = nn.Conv2d(channels, config.map_size, kernel_size=1)
        # Without a bias: the softmax does not see one.
        self.attention_conv = nn.Conv2d(channels, 1, kernel_size=1, bias=False) if config.attention else None
        self.dropout = nn.Dropout(config.dropout)
        self.projection = nn.Linear(config.map_size, config.embedding_size)
        hidden = nn.Linear(config.embedding_size, config.mlp_size)
        self.mlp = nn.Sequential(hidden, nn.ReLU(), nn.Linear(config.mlp_size, len(config.horizons)))
        parts = enumerate(self.trunk if isinstance(self.trunk, nn.Sequential) else ())
        # A convolution and its normalisation become one for inference, where nothing looks in between.
        stages = [f"trunk.{n}" for n, each in parts if not isinstance(each, nn.Conv2d | nn.BatchNorm2d)]
        names = stages or ["trunk"]
        self.hidden_state_modules = (*names, "last_conv")
        self.post_init()

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> FeaturesAndMaps:
        """Map frames `(n, 3, height, width)` of any size to embeddings `(n, embedding_size)` of length 1; for a network
        of videos, segments `(n, 3, frames, height, width)`.
        """
        shared = self.trunk(pixels)
        map_, attention = self.last_conv(shared), None
        if self.attention_conv is not None:
            logits = self.attention_conv(shared).squeeze(1)
            attention = logits.float().flatten(1).softmax(dim=1).view_as(logits)
            map_ = map_ * (attention * attention[0].numel()).to(map_.dtype)[:, None]
        pooled = weldon_pool(map_, self.config.pool_size)
        embedding = functional.normalize(self.projection(self.dropout(pooled)), dim=1)
        return embedding, attention if output_attentions else None

    def _init_weights(self, module: nn.Module) -> None:
        if module is self.attention_conv:
            nn.init.zeros_(module.weight)
            return
        super()._init_weights(module)
        if callable(fill := getattr(module, "init_non_persistent_buffers", None)):  # timm's
            fill()
        if isinstance(module, nn.Linear) and module is self.mlp[0]:  # an embedding of length 1 has entries far below 1
            nn.init.normal_(module.weight)


def weldon_pool(maps: torch.Tensor, k: int) -> torch.Tensor:
    """Pool `(n, channels, height, width)` to `(n, channels)`: mean of the k largest plus mean of the k smallest.

    T. Durand, N. Thome and M. Cord, "WELDON", CVPR 2016. Of fewer than k positions all count.
    """
    positions = maps.flatten(2)
    k = min(k, positions.shape[2])
    largest = positions.topk(k, dim=2, sorted=False).values
    smallest = positions.topk(k, dim=2, largest=False, sorted=False).values
    return largest.mean(dim=2) + smallest.mean(dim=2)

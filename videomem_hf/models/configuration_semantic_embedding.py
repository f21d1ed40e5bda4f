"""Configuration of the semantic embedding model."""

from typing import Any

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_least


@strict
class SemanticEmbeddingConfig(MemorabilityConfig):
    """Sizes of `SemanticEmbeddingModel`. The defaults are those of the published embedding.

    Attributes:
        trunk: The network that gives the map: one of torchvision, or of timm with "timm/" before its name.
        trunk_kwargs: What its constructor gets.
        map_size: Channels of the 1x1 convolution on the trunk's map, and of the pooled vector.
        pool_size: Positions of a channel's map that count: so many of the largest, and as many of the smallest.
        embedding_size: Numbers of the embedding; its length is 1.
        dropout: Probability before the projection, in training.
        mlp_size: Hidden units of the perceptron on the embedding (VideoMem says "2-layer MLP" and no more: ours).
        attention: Whether the map is weighed by a second, parallel convolution (VideoMem, Sec. 5.5 and Fig. 7).
    """

    model_type = "semantic_embedding"

    trunk: str = "resnet152"
    trunk_kwargs: dict[str, Any] | None = None
    map_size: int = 2400
    pool_size: int = 15
    embedding_size: int = 2400
    dropout: float = 0.5
    mlp_size: int = 512
    attention: bool = False

    def validate_sizes(self) -> None:
        check_least(self, map_size=1, pool_size=1, embedding_size=1, mlp_size=1)

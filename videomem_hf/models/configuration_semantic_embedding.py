"""Configuration of the semantic embedding model."""

from typing import Any

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_least
from .trunk_configs import resolve_trunk


@strict
class SemanticEmbeddingConfig(MemorabilityConfig):
    """Sizes of `SemanticEmbeddingModel`. The defaults are those of the published embedding.

    Attributes:
        trunk: The network that gives the map: one of torchvision; of timm with "timm/" before its name; or of
            transformers, a model type with "transformers/" before it, a folder, or a Hub id.
        trunk_kwargs: What its constructor gets. Of transformers, fields of its configuration, which are completed here
            so that the saved model is built without a network.
        segment_length: Frames that a network of videos sees together, which is known by the trunk; None for images.
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
    segment_length: int | None = None

    def validate_trunk(self) -> None:
        self.trunk_kwargs, self.segment_length = resolve_trunk(self.trunk, self.trunk_kwargs, self.segment_length)

    def validate_sizes(self) -> None:
        check_least(self, map_size=1, pool_size=1, embedding_size=1, mlp_size=1)

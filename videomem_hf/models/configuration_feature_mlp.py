"""Configuration of the multilayer perceptron on precomputed features."""

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig


@strict
class FeatureMLPConfig(MemorabilityConfig):
    """Columns and sizes of `FeatureMLPModel`. The defaults are the C3D row of Table 1.

    Attributes:
        feature_names: Columns of the data set, in the order in which they are joined.
        feature_sizes: Numbers in each; a column of several frames counts with all its numbers.
        hidden_sizes: Outputs of the hidden layers. Paper, Sec. 5.2: (100,) for C3D, (10, 10) for HMP.
        dropout: Probability in training that a hidden unit is left out; the paper's networks have none.
    """

    model_type = "feature_mlp"

    feature_names: list[str] | tuple[str, ...] = ("c3d",)
    feature_sizes: list[int] | tuple[int, ...] = (101,)
    hidden_sizes: list[int] | tuple[int, ...] = (100,)
    dropout: float = 0.0

    def validate_features(self) -> None:
        if not self.feature_names or len(set(self.feature_names)) < len(self.feature_names):
            raise ValueError(f"feature_names must be one or more different columns, got {list(self.feature_names)}")
        if len(self.feature_sizes) != len(self.feature_names) or min(self.feature_sizes) < 1:
            raise ValueError(f"feature_sizes must be one number above 0 for each of {list(self.feature_names)}")

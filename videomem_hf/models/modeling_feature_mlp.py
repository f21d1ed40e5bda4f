"""A multilayer perceptron on precomputed features: the C3D and HMP rows of VideoMem's Table 1.

Romain Cohendet et al., "VideoMem: Constructing, Analyzing, Predicting Short-term and Long-term Video Memorability",
ICCV 2019, Sec. 5.2: 101 C3D features and one hidden layer of 100, 6,075 HMP features and two hidden layers of 10; tanh,
trained with L-BFGS.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import nn
from transformers.utils.generic import can_return_tuple

from .configuration_feature_mlp import FeatureMLPConfig
from .exporting import ColumnNetwork, ExportPart
from .modeling_memorability import MemorabilityModel, MemorabilityOutput
from .scoring import scores_around_mean


class FeatureMLPModel(MemorabilityModel):
    """Memorability of clips from feature columns, alone or joined.

    Features are standardised with a mean and a standard deviation that are stored with the weights; `standardize_on`
    takes them from the training features.
    """

    config: FeatureMLPConfig
    main_input_name = "features"
    stays_float32 = True
    _keep_in_fp32_modules_strict = ("*",)
    head_modules = ("layers",)
    hidden_state_modules = ("dropout",)  # called once for each hidden layer

    def __init__(self, config: FeatureMLPConfig) -> None:
        super().__init__(config)
        sizes = [sum(config.feature_sizes), *config.hidden_sizes, len(config.horizons)]
        self.register_buffer("feature_mean", torch.zeros(sizes[0]))
        self.register_buffer("feature_std", torch.ones(sizes[0]))
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in pairwise(sizes))
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        features: torch.Tensor | Mapping[str, torch.Tensor],
        labels: torch.Tensor | None = None,
        annotation_counts: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> MemorabilityOutput:
        """Predict the memorability of clips.

        Args:
            features: A tensor `(batch, ...)` for each of `config.feature_names`, of `config.feature_sizes` numbers per
                clip (other names are ignored); or the joined features `(batch, size)`.
            labels, annotation_counts, output_hidden_states: As of `FrameMemorabilityModel.forward`.
            output_attentions: Must not be True.
        """
        self.wants_attentions(output_attentions, from_maps=False)
        with_states = self.wants_hidden_states(output_hidden_states)
        with torch.autocast(self.feature_mean.device.type, enabled=False):  # as `stays_float32` says
            embedded, states = self.state_recorder.record(self.embed, features, asked=with_states)
            offsets = self.layers[-1](embedded)
        scores = scores_around_mean(offsets, self.config.score_means, self.config.score_stds)
        return MemorabilityOutput(
            loss=self.label_loss(scores, labels, annotation_counts),
            scores=scores,
            hidden_states=states,
        )

    def embed(self, features: torch.Tensor | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Map features, as of `forward`, to the units `(batch, size)` that the last layer is given."""
        x = (self.join(features) - self.feature_mean) / self.feature_std
        for layer in self.layers[:-1]:
            x = self.dropout(layer(x).tanh())
        return x

    def export_parts(self, pixels: torch.Tensor | None = None) -> tuple[ExportPart, ...]:
        sizes = dict(zip(self.config.feature_names, self.config.feature_sizes, strict=True))
        return (ColumnNetwork(self, "features", sizes).part,)

    def join(self, features: torch.Tensor | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Put the columns side by side, in the order of the configuration: `(batch, size)` in the model's type."""
        if isinstance(features, torch.Tensor):
            if features.ndim != 2 or features.shape[1] != len(self.feature_mean):
                raise ValueError(f"features must be (batch, {len(self.feature_mean)}), got {tuple(features.shape)}")
            return features.to(self.feature_mean.dtype)
        columns = []
        for name, size in zip(self.config.feature_names, self.config.feature_sizes, strict=True):
            if name not in features:
                raise ValueError(f"this model needs the feature {name!r}, got {sorted(features)}")
            column = features[name].flatten(1)
            if column.shape[1] != size:
                raise ValueError(f"feature {name!r} must have {size} numbers per clip, got {column.shape[1]}")
            columns.append(column.to(self.feature_mean.dtype))
        return torch.cat(columns, dim=1)

    @torch.no_grad()
    def standardize_on(self, features: torch.Tensor | Mapping[str, torch.Tensor]) -> None:
        """Store mean and standard deviation of the training features `(videos, size)`, each number on its own.

        A number that never varies (a motion pattern that never occurs, say) is only centred.
        """
        joined = self.join(features).double()
        std, mean = torch.std_mean(joined, dim=0, correction=0)
        constant = std <= 1e-7 * joined.abs().amax(dim=0)
        self.feature_mean.copy_(mean)
        self.feature_std.copy_(std.masked_fill(constant, 1.0))

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, FeatureMLPModel):
            nn.init.zeros_(module.feature_mean)
            nn.init.ones_(module.feature_std)

"""Memorability from several views of a clip: its title's embedding, features, concept scores.

The kernel head holds kernel ridge models (the means of Gaussian processes) over the training clips' views; the neural
head is an alternative. Views that a clip lacks are left out. A stack combines the short- and long-term outputs of all
models, so that long-term memorability, measured with fewer annotations, borrows from short-term. Scores come with
conformal intervals (Lei et al., "Distribution-Free Predictive Inference for Regression", JASA 2018), scaled by the
binomial noise of the annotations.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from .configuration_multiview import MultiViewConfig
from .modeling_memorability import MemorabilityModel, MemorabilityOutput
from .scoring import clamp_scores

TREND_REACH = 2.0
"""Standard deviations of the scores up to which the trend of the expected error is followed."""
NO_TREND = (0.0, 1.0, 0.0, 0.0)
"""Centre, width, shift and log-spread."""


@dataclass
class MultiViewOutput(MemorabilityOutput):
    """Predicted memorability with prediction intervals.

    Attributes:
        intervals: `(batch, horizons, 2)` in [0, 1], which cover the measured scores of new clips in
            `config.interval_level` of cases.
    """

    intervals: torch.Tensor | None = None


def prepare_view(
    values: torch.Tensor, shift: torch.Tensor, factor: torch.Tensor, root: bool, unit: bool
) -> torch.Tensor:
    """Map the vectors of a view, `(clips, size)`, to the space in which a kernel compares them.

    They become `(values - shift) * factor`, with square roots of the values first if `root` (numbers below 0 count as
    0), and scaled to length 1 at the end if `unit`. `shift` and `factor` are `(size,)`.
    """
    if root:
        positive = values > 0
        values = torch.where(positive, torch.where(positive, values, 1.0).sqrt(), 0.0)
    values = (values - shift) * factor
    return nn.functional.normalize(values, dim=-1, eps=1e-12) if unit else values


def squared_distances(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Squared Euclidean distances, `(rows of first, rows of second)`."""
    squares = first.square().sum(dim=1)[:, None] + second.square().sum(dim=1)[None]
    return torch.addmm(squares, first, second.T, alpha=-2).clamp_min(0)


class MultiViewModel(MemorabilityModel):
    """Memorability of clips from any of their views.

    The kernel head holds the prepared vectors of its anchors, the coefficients of every component (a kernel ridge
    model), and for every pattern of available views the stack weights of the components' outputs.
    """

    config: MultiViewConfig
    main_input_name = "features"
    stays_float32 = True
    _keep_in_fp32_modules_strict = ("*",)
    head_modules = ("networks",)
    # In older models; their intervals for unknown counts are those for typical ones.
    _keys_to_ignore_on_load_missing = ("count_factors", "interval_trends", "typical_lines")
    _keys_to_ignore_on_load_unexpected = ("typical_quantiles",)

    def __init__(self, config: MultiViewConfig) -> None:
        super().__init__(config)
        horizons, outputs = len(config.horizons), config.components * len(config.horizons)
        for view, size in enumerate(config.view_sizes):
            self.register_buffer(f"shift_{view}", torch.zeros(size))
            self.register_buffer(f"factor_{view}", torch.ones(size))
        self.register_buffer("noise_variance", torch.zeros(len(config.patterns), horizons))
        self.register_buffer("interval_quantiles", torch.zeros(len(config.patterns), horizons, 2))
        self.register_buffer("typical_counts", torch.full((horizons,), 30.0))
        self.register_buffer("count_factors", torch.ones(len(config.patterns), horizons))
        self.register_buffer("interval_trends", torch.tensor(NO_TREND).repeat(len(config.patterns), horizons, 1))
        self.register_buffer("typical_lines", torch.full((len(config.patterns), horizons, 2, 2), torch.nan))
        if config.head == "neural":
            self.networks = nn.ModuleList(ViewNetwork(config) for _ in range(config.members))
        else:
            self.register_buffer("gammas", torch.ones(len(config.view_names)))
            self.register_buffer("summand_weights", torch.ones(config.components, len(config.summands)))
            for view, (size, kernel) in enumerate(zip(config.view_sizes, config.view_kernels, strict=True)):
                if kernel == "rbf":
                    self.register_buffer(f"anchors_{view}", torch.zeros(config.anchors, size))
                    self.register_buffer(f"anchored_{view}", torch.ones(config.anchors))
                else:
                    self.register_parameter(f"primal_{view}", nn.Parameter(torch.zeros(size, outputs)))
            self.coefficients = nn.Parameter(torch.zeros(config.anchors, outputs))
            self.stack = nn.Parameter(torch.zeros(len(config.patterns), horizons, outputs))
            self.intercept = nn.Parameter(torch.zeros(len(config.patterns), horizons))
        self.post_init()

    def forward(
        self,
        features: torch.Tensor | None = None,
        views: Mapping[str, torch.Tensor] | None = None,
        labels: torch.Tensor | None = None,
        annotation_counts: torch.Tensor | None = None,
        interval_counts: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> MultiViewOutput:
        """Predict the memorability of clips. Give either views or features.

        Args:
            features: `(batch, sum of config.view_sizes)`: all views side by side; NaN where a clip lacks a view.
            views: A tensor `(batch, size)` for some or all of `config.view_names`; a missing name or a row with NaN is
                a missing view. Other names are ignored.
            labels, annotation_counts: As of `FrameMemorabilityModel.forward`.
            interval_counts: `(batch, horizons)`, annotations behind the scores that the intervals are for; NaN or None
                where unknown, which takes typical ones of the training clips.
            output_attentions: Must be False.
        """
        if output_attentions:
            raise ValueError("views have no positions: there are no attention maps")
        prepared, present = self._prepare_views(features, views)
        pattern = self._patterns(present)
        if self.config.head == "neural":
            offsets = torch.stack([network(prepared, present) for network in self.networks]).mean(dim=0)
        else:
            outputs = self.component_outputs(prepared, present)
            offsets = torch.einsum("bo,bho->bh", outputs, self.stack[pattern]) + self.intercept[pattern]
        mean, std = (offsets.new_tensor(list(v)) for v in (self.config.score_means, self.config.score_stds))
        scores = clamp_scores(mean + std * offsets)
        return MultiViewOutput(
            loss=self.label_loss(scores, labels, annotation_counts),
            scores=scores,
            intervals=self._intervals(scores, pattern, interval_counts),
        )

    def component_outputs(self, prepared: list[torch.Tensor], present: torch.Tensor) -> torch.Tensor:
        """The output of every component for every horizon, `(batch, components * horizons)`.

        Args:
            prepared: For each view `(batch, size)` by `prepare_view`.
            present: `(batch, views)` bool; the kernel of a missing view is 0, which gives the prior mean.
        """
        horizons = len(self.config.horizons)
        kernels: dict[int, torch.Tensor] = {}
        total: torch.Tensor | float = 0.0
        for view, kernel in enumerate(self.config.view_kernels):
            if kernel == "linear":
                total = total + prepared[view] * present[:, view, None] @ getattr(self, f"primal_{view}")
                continue
            distances = squared_distances(prepared[view], getattr(self, f"anchors_{view}"))
            both = present[:, view, None] * getattr(self, f"anchored_{view}")
            kernels[view] = torch.exp(-self.gammas[view] * distances) * both
        for summand, members in enumerate(self.config.summands):
            if not set(members) <= kernels.keys():
                continue  # linear: in `primal`
            product = kernels[members[0]]
            for view in members[1:]:
                product = product * kernels[view]
            total = total + product @ self.coefficients * self.summand_weights[:, summand].repeat_interleave(horizons)
        return total  # type: ignore[return-value]

    def _prepare_views(
        self, features: torch.Tensor | None, views: Mapping[str, torch.Tensor] | None
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Each prepared view `(batch, size)`, 0 where missing; and which are present, `(batch, views)`."""
        columns = self._columns(features, views)
        present = torch.stack([column.isfinite().all(dim=1) for column in columns], dim=1)
        if not present.any(dim=1).all():
            raise ValueError(f"each clip needs one of the views {', '.join(self.config.view_names)}")
        prepared = []
        for view, column in enumerate(columns):
            shift, factor = getattr(self, f"shift_{view}"), getattr(self, f"factor_{view}")
            known = torch.where(present[:, view, None], column, shift)
            root, unit = self.config.view_roots[view], self.config.view_units[view]
            prepared.append(prepare_view(known, shift, factor, root, unit))
        return prepared, present

    def _columns(
        self, features: torch.Tensor | None, views: Mapping[str, torch.Tensor] | None
    ) -> tuple[torch.Tensor, ...]:
        names, sizes = list(self.config.view_names), list(self.config.view_sizes)
        if (features is None) == (views is None):
            raise ValueError("give either views or features")
        dtype, device = self.typical_counts.dtype, self.typical_counts.device
        if features is not None:
            if features.ndim != 2 or features.shape[1] != sum(sizes):
                raise ValueError(f"features must be (batch, {sum(sizes)}), got {tuple(features.shape)}")
            return features.to(dtype).split(sizes, dim=1)
        assert views is not None
        given = {name: views[name].flatten(1) for name in names if name in views}
        if not given:
            raise ValueError(f"needs one of the views {', '.join(names)}, got {sorted(views)}")
        rows = {len(column) for column in given.values()}
        if len(rows) > 1:
            raise ValueError(f"views must be of one number of clips, got {sorted(rows)}")
        clips, columns = rows.pop(), []
        for name, size in zip(names, sizes, strict=True):
            column = given.get(name, torch.full((clips, size), torch.nan, device=device))
            if column.shape[1] != size:
                raise ValueError(f"view {name!r} must have {size} numbers per clip, got {column.shape[1]}")
            columns.append(column.to(dtype))
        return tuple(columns)

    def _patterns(self, present: torch.Tensor) -> torch.Tensor:
        """Index of each clip's pattern of views; of the full pattern where its own is not among them."""
        table = torch.zeros(len(self.config.patterns), present.shape[1], dtype=torch.bool, device=present.device)
        for row, members in enumerate(self.config.patterns):
            table[row, list(members)] = True
        same = (present[:, None] == table).all(dim=2)
        return same.int().argmax(dim=1)

    def _intervals(self, scores: torch.Tensor, pattern: torch.Tensor, counts: torch.Tensor | None) -> torch.Tensor:
        scores = scores.detach()
        if counts is None:
            counts = torch.full_like(scores, torch.nan)
        elif counts.shape != scores.shape:
            raise ValueError(f"interval_counts must be {tuple(scores.shape)}, got {tuple(counts.shape)}")
        is_typical = counts.isnan()
        known = torch.where(is_typical, self.typical_counts, counts.to(scores.dtype))
        sigma = interval_scale(scores, known / self.count_factors[pattern], self.noise_variance[pattern])
        centre, width, shift, log_spread = self.interval_trends[pattern].unbind(dim=-1)
        u = ((scores - centre) / width).clamp(-TREND_REACH, TREND_REACH)[..., None]
        ratios = shift[..., None] * u + self.interval_quantiles[pattern] * (log_spread[..., None] * u).exp()
        start, slope = self.typical_lines[pattern].unbind(dim=-1)
        has_line = is_typical[..., None] & start.isfinite()
        distances = torch.where(has_line, start + slope * u, ratios * sigma[..., None])
        low, high = (scores[..., None] + distances).unbind(dim=-1)
        return torch.stack([low.minimum(scores), high.maximum(scores)], dim=-1).clamp(0, 1)

    def _init_weights(self, module: nn.Module) -> None:
        """Random anchors and weights: what `fit_best` or `from_pretrained` replaces."""
        super()._init_weights(module)
        if isinstance(module, MultiViewModel):
            for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
                if name.startswith(("anchors_", "primal_", "coefficients", "stack")):
                    nn.init.normal_(tensor, std=1.0 if name.startswith("anchors_") else 0.3)
                elif name.startswith(("shift_", "noise_variance", "interval_quantiles", "intercept")):
                    nn.init.zeros_(tensor)
                elif name == "typical_lines":
                    nn.init.constant_(tensor, torch.nan)
                elif name == "interval_trends":
                    tensor.copy_(tensor.new_tensor(NO_TREND).expand_as(tensor))
                elif name == "typical_counts":
                    nn.init.constant_(tensor, 30.0)
                elif name == "gammas":
                    for view, size in enumerate(module.config.view_sizes):
                        tensor[view] = 1.0 / size
                else:
                    nn.init.ones_(tensor)


class ViewNetwork(nn.Module):
    """A layer per view, their hidden units averaged over the present views, and an output per horizon."""

    def __init__(self, config: MultiViewConfig) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(size, config.hidden_size) for size in config.view_sizes)
        self.merged = nn.Linear(config.hidden_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, len(config.horizons))
        self.dropout = nn.Dropout(config.dropout)
        self.view_dropout = config.view_dropout

    def forward(self, prepared: list[torch.Tensor], present: torch.Tensor) -> torch.Tensor:
        """Offsets `(batch, horizons)` in standard deviations of the scores; arguments as of `component_outputs`."""
        if self.training and self.view_dropout > 0 and present.shape[1] > 1:
            kept = present & (torch.rand(present.shape, device=present.device) >= self.view_dropout)
            present = torch.where(kept.any(dim=1, keepdim=True), kept, present)
        hidden = torch.stack([head(x).relu() for head, x in zip(self.heads, prepared, strict=True)], dim=1)
        mask = present[..., None].to(hidden.dtype)
        merged = self.dropout((hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp_min(1))
        return self.output(self.dropout(self.merged(merged).relu()))


def interval_scale(scores: torch.Tensor, counts: torch.Tensor, noise_variance: torch.Tensor) -> torch.Tensor:
    """Expected error of scores measured with `counts` annotations: unexplained plus binomial variance, square-rooted.

    `noise_variance` is that of the true memorability that no view explains.
    """
    inside = scores.clamp(0.02, 0.98)
    return (noise_variance + inside * (1 - inside) / counts).sqrt()

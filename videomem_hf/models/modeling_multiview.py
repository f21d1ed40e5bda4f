"""Memorability from several views of a clip: its title's embedding, features, concept scores.

It holds kernel ridge models, the means of Gaussian processes, one for each set of views that a clip may have. Short-
and long-term scores borrow from each other's outputs. Scores come with conformal intervals (Lei et al.,
"Distribution-Free Predictive Inference for Regression", JASA 2018), scaled by the binomial noise of the annotations,
and with the share of the processes' variance that the training clips remove, which is small for a clip unlike them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers.initialization import copy_
from transformers.utils.generic import can_return_tuple

from .configuration_multiview import MultiViewConfig
from .exporting import ColumnNetwork, ExportPart
from .interval_trends import TREND_REACH
from .modeling_memorability import MemorabilityModel, MemorabilityOutput
from .scoring import clamp_scores

NO_TREND = (0.0, 1.0, 0.0, 0.0)
"""Centre, width, shift and log-spread."""


@dataclass
class MultiViewOutput(MemorabilityOutput):
    """Predicted memorability with prediction intervals.

    Attributes:
        intervals: `(batch, horizons, 2)` in [0, 1], which cover the measured scores of new clips in
            `config.interval_level` of cases.
        explained: `(batch, len(config.explained_patterns))` in [0, 1]: share of the prior variance of the Gaussian
            process of all views, and of those of each view, that the training clips remove; NaN where a clip lacks a
            view of it. None for older models.
    """

    intervals: torch.Tensor | None = None
    explained: torch.Tensor | None = None


def prepare_view(
    values: torch.Tensor, shift: torch.Tensor, factor: torch.Tensor, root: bool, unit: bool, parts: int = 1
) -> torch.Tensor:
    """Map the vectors of a view, `(clips, size)`, to the space in which a kernel compares them.

    They become `(values - shift) * factor`, with square roots of the values first if `root` (numbers below 0 count as
    0), and scaled to length 1 at the end, each of their parts, if `unit`. `shift` and `factor` are `(size,)`.
    """
    if root:
        positive = values > 0
        values = torch.where(positive, torch.where(positive, values, 1.0).sqrt(), 0.0)
    values = (values - shift) * factor
    if not unit:
        return values
    return nn.functional.normalize(values.unflatten(-1, (parts, -1)), dim=-1, eps=1e-12).flatten(-2)


def squared_distances(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Squared Euclidean distances, `(rows of first, rows of second)`; with a batch axis, those of each item."""
    squares = first.square().sum(dim=-1)[..., :, None] + second.square().sum(dim=-1)[..., None, :]
    product = torch.addmm if first.ndim == 2 else torch.baddbmm
    return product(squares, first, second.mT, alpha=-2).clamp_min(0)


class MultiViewModel(MemorabilityModel):
    """Memorability of clips from any of their views.

    It holds the prepared vectors of its anchors, the coefficients of every component (a kernel ridge model), and for
    every pattern of available views the weights of the components' outputs.
    """

    config: MultiViewConfig
    main_input_name = "features"
    hidden_state_modules = ("components",)
    stays_float32 = True
    _keep_in_fp32_modules_strict = ("*",)
    # In older models; their intervals for unknown counts are those for typical ones.
    _keys_to_ignore_on_load_missing = ("count_factors", "interval_trends", "typical_lines", "summand_widths")
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
        self.register_buffer("gammas", torch.ones(sum(config.parts)))
        self.register_buffer("summand_weights", torch.ones(config.components, len(config.summands)))
        self.register_buffer("summand_widths", torch.ones(len(config.summands), len(config.view_names)))
        for view, (size, kernel) in enumerate(zip(config.view_sizes, config.view_kernels, strict=True)):
            if kernel == "rbf":
                self.register_buffer(f"anchors_{view}", torch.zeros(config.anchors, size))
                self.register_buffer(f"anchored_{view}", torch.ones(config.anchors))
            else:
                self.register_parameter(f"primal_{view}", nn.Parameter(torch.zeros(size, outputs)))
        if config.inducing:
            factors = torch.eye(config.inducing).repeat(len(config.explained_patterns), 1, 1)
            self.register_buffer("explained_factors", factors)
        self.components = nn.Identity()  # the place of the components' outputs
        self.coefficients = nn.Parameter(torch.zeros(config.anchors, outputs))
        self.stack = nn.Parameter(torch.zeros(len(config.patterns), horizons, outputs))
        self.intercept = nn.Parameter(torch.zeros(len(config.patterns), horizons))
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        features: torch.Tensor | None = None,
        views: Mapping[str, torch.Tensor] | None = None,
        labels: torch.Tensor | None = None,
        annotation_counts: torch.Tensor | None = None,
        interval_counts: torch.Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> MultiViewOutput:
        """Predict the memorability of clips. Give either views or features.

        Args:
            features: `(batch, sum of config.view_sizes)`: all views side by side; NaN where a clip lacks a view.
            views: A tensor `(batch, size)`, or `(batch, parts, size)`, for some or all of `config.view_names`; a
                missing name or a row with NaN is a missing view. Other names are ignored.
            labels, annotation_counts: As of `FrameMemorabilityModel.forward`.
            interval_counts: `(batch, horizons)`, annotations behind the scores that the intervals are for; NaN or None
                where unknown, which takes typical ones of the training clips.
            output_attentions: Must not be True.
            output_hidden_states: As of `FrameMemorabilityModel.forward`; it is the outputs of the components.
        """
        self.wants_attentions(output_attentions, from_maps=False)
        with_states = self.wants_hidden_states(output_hidden_states)
        with torch.autocast(self.typical_counts.device.type, enabled=False):  # as `stays_float32` says
            output, states = self.state_recorder.record(
                self._predict, features, views, interval_counts, asked=with_states
            )
        loss = self.label_loss(output.scores, labels, annotation_counts)
        return MultiViewOutput(loss=loss, hidden_states=states, **output)

    def _predict(
        self,
        features: torch.Tensor | None,
        views: Mapping[str, torch.Tensor] | None,
        interval_counts: torch.Tensor | None,
    ) -> MultiViewOutput:
        prepared, present = self.prepare_views(features, views)
        pattern = self._patterns(present)
        outputs = self.components(self._component_outputs(prepared, present, pattern))
        offsets = torch.einsum("bo,bho->bh", outputs, self.stack[pattern]) + self.intercept[pattern]
        mean, std = (offsets.new_tensor(list(v)) for v in (self.config.score_means, self.config.score_stds))
        scores = clamp_scores(mean + std * offsets)
        return MultiViewOutput(
            scores=scores,
            intervals=self._intervals(scores, pattern, interval_counts),
            explained=self._explained(prepared, present) if self.config.inducing else None,
        )

    def export_parts(self, pixels: torch.Tensor | None = None) -> tuple[ExportPart, ...]:
        sizes = dict(zip(self.config.view_names, self.config.view_sizes, strict=True))
        return (ColumnNetwork(self, "views", sizes).part,)

    def kernels(
        self,
        prepared: list[torch.Tensor],
        present: torch.Tensor,
        summands: Sequence[int],
        rows: torch.Tensor | None = None,
    ) -> dict[int, torch.Tensor]:
        """The kernels of some summands with the anchors, or with those of the indices `rows`; `(batch, anchors)` each.

        That of one view is the mean over its parts of exp(-width gamma |a - b|^2), that of several the exponential of
        minus the sum over views of width times the mean over parts of gamma |a - b|^2.

        Args:
            prepared: For each view `(batch, size)` by `prepare_view`.
            present: `(batch, views)` bool; the kernel of a missing view is 0, which gives the prior mean.
            summands: Indices of `config.summands`; those of linear views are left out.
            rows: Indices of anchors; None for all.
        """
        chosen = slice(None) if rows is None else rows
        gammas, distances = self.gammas.split(self.config.parts), {}
        for view in {view for summand in summands for view in self.config.summands[summand]}:
            if self.config.view_kernels[view] == "rbf":
                anchors, count = getattr(self, f"anchors_{view}")[chosen], self.config.parts[view]
                pairs = zip(prepared[view].chunk(count, dim=1), anchors.chunk(count, dim=1), gammas[view], strict=True)
                distances[view] = [gamma * squared_distances(new, each) for new, each, gamma in pairs]
        found = {}
        for summand in summands:
            members, widths = self.config.summands[summand], self.summand_widths[summand]
            if set(members) <= distances.keys():
                anchored = torch.stack([getattr(self, f"anchored_{view}")[chosen] for view in members]).prod(dim=0)
                found[summand] = self._kernel(members, widths, distances, present) * anchored
        return found

    def _kernel(
        self,
        members: Sequence[int],
        widths: torch.Tensor,
        distances: Mapping[int, list[torch.Tensor]],
        present: torch.Tensor,
    ) -> torch.Tensor:
        """The kernel of one or several views; see `kernels`, and `missing_distance` of the configuration."""
        known, missing = present[:, list(members)], self.config.missing_distance
        if len(members) == 1:
            each = [torch.exp(-widths[members[0]] * distance) for distance in distances[members[0]]]
            return torch.stack(each).mean(dim=0) * known
        exponent = torch.zeros((), device=present.device)
        for column, view in enumerate(members):
            mean = torch.stack(distances[view]).mean(dim=0)
            exponent = exponent + widths[view] * torch.where(known[:, column, None], mean, missing or 0.0)
        has_some = known.all(dim=1) if missing is None else known.any(dim=1)
        return torch.exp(-exponent) * has_some[:, None]

    def _component_outputs(
        self, prepared: list[torch.Tensor], present: torch.Tensor, pattern: torch.Tensor
    ) -> torch.Tensor:
        """The outputs, `(batch, components * horizons)`, of the components that these patterns use; 0 of others."""
        horizons = len(self.config.horizons)
        compiling = torch.compiler.is_compiling()  # what is computed then must not depend on values
        weights = (self.stack if compiling else self.stack[pattern.unique()]).unflatten(-1, (-1, horizons))
        used = (weights != 0).any(dim=-1).any(dim=1).any(dim=0)  # components
        total = self.coefficients.new_zeros(present.shape[0], self.stack.shape[-1])
        for view, kernel in enumerate(self.config.view_kernels):
            if kernel == "linear":
                total = total + prepared[view] * present[:, view, None] @ getattr(self, f"primal_{view}")
        needed = (self.summand_weights != 0) & used[:, None]
        for summand, each in self.kernels(prepared, present, self._summands(needed)).items():
            shares = (self.summand_weights[:, summand] * used).repeat_interleave(horizons)
            total = total + each @ (self.coefficients * shares)
        return total

    def _summands(self, needed: torch.Tensor) -> list[int]:
        """Indices of the summands that a component needs, of `(components, summands)` bool; compiled all."""
        if torch.compiler.is_compiling():
            return list(range(needed.shape[1]))
        return needed.any(dim=0).nonzero().flatten().tolist()

    def _explained(self, prepared: list[torch.Tensor], present: torch.Tensor) -> torch.Tensor:
        """See `MultiViewOutput`; by the inducing anchors, as if these were all training clips."""
        patterns = self.config.explained_patterns
        summands = self._summands(self.summand_weights[patterns] != 0)
        rows = torch.tensor(self.config.inducing_anchors, device=present.device)
        kernels, columns = self.kernels(prepared, present, summands, rows), []
        for pattern, factor in zip(patterns, self.explained_factors, strict=True):
            kernel = sum(self.summand_weights[pattern, summand] * each for summand, each in kernels.items())
            known = present[:, list(self.config.patterns[pattern])].all(dim=1)
            columns.append(torch.where(known, (kernel @ factor.T).square().sum(dim=1).clamp(0, 1), torch.nan))
        return torch.stack(columns, dim=1).detach()

    def prepare_views(
        self, features: torch.Tensor | None, views: Mapping[str, torch.Tensor] | None
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Each prepared view `(batch, size)`, 0 where missing; and which are present, `(batch, views)`."""
        columns = self._columns(features, views)
        present = torch.stack([column.isfinite().all(dim=1) for column in columns], dim=1)
        if not torch.compiler.is_compiling() and not present.any(dim=1).all():
            raise ValueError(f"each clip needs one of the views {', '.join(self.config.view_names)}")
        prepared = []
        for view, column in enumerate(columns):
            shift, factor = getattr(self, f"shift_{view}"), getattr(self, f"factor_{view}")
            known = torch.where(present[:, view, None], column, shift)
            root, unit = self.config.view_roots[view], self.config.view_units[view]
            prepared.append(prepare_view(known, shift, factor, root, unit, self.config.parts[view]))
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
        clips, columns = next(iter(given.values())).shape[0], []
        if any(column.shape[0] != clips for column in given.values()):
            rows = sorted({len(column) for column in given.values()})
            raise ValueError(f"views must be of one number of clips, got {rows}")
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
                    copy_(tensor, tensor.new_tensor(NO_TREND).expand_as(tensor))
                elif name == "typical_counts":
                    nn.init.constant_(tensor, 30.0)
                elif name == "gammas":
                    config = module.config
                    sizes = [
                        size for size, parts in zip(config.view_sizes, config.parts, strict=True) for _ in range(parts)
                    ]
                    copy_(tensor, 1 / tensor.new_tensor(sizes))
                elif name == "explained_factors":
                    copy_(tensor, torch.eye(tensor.shape[1]).expand_as(tensor))
                else:
                    nn.init.ones_(tensor)


def interval_scale(scores: torch.Tensor, counts: torch.Tensor, noise_variance: torch.Tensor) -> torch.Tensor:
    """Expected error of scores measured with `counts` annotations: unexplained plus binomial variance, square-rooted.

    `noise_variance` is that of the true memorability that no view explains.
    """
    inside = scores.clamp(0.02, 0.98)
    return (noise_variance + inside * (1 - inside) / counts).sqrt()

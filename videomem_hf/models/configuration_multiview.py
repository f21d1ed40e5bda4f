"""Configuration of the multi-view predictor."""

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_least

KERNELS = ("rbf", "linear")
_FORMER_FIELDS = ("head", "hidden_size", "members", "dropout", "view_dropout")


@strict
class MultiViewConfig(MemorabilityConfig):
    """Views, kernels and sizes of `MultiViewModel`.

    Attributes:
        view_names: Names of embeddings or feature columns.
        view_sizes: Numbers in each view.
        view_parts: For each view, into how many vectors of equal size it is divided, each with distances of its own
            (the layers of a sentence encoder); empty for one each.
        view_roots: For each view, whether square roots are taken first (Hellinger's map, for non-negative numbers).
        view_units: For each view, whether its vectors (those of each part) are scaled to length 1.
        view_kernels: For each view, "rbf" or "linear".
        summands: Kernels of the components' weighted sums: each the index of a view, or several whose kernels are
            multiplied.
        anchors: Number of training clips (or landmarks) that the kernels of "rbf" views compare with.
        components: Number of kernel ridge models; each gives an output for every horizon.
        patterns: Sets of views with output weights of their own, the full set first.
        missing_distance: Distance, in units of the median, that a missing view counts with in the product of kernels of
            several views; None: a product with a missing view is 0, as in older models.
        inducing: Number of anchors by which the variance that the training clips remove is computed; 0 in older models.
        interval_level: Share of measured scores that the prediction intervals cover.
        title_encoder: Name or folder of the sentence encoder of the view `title`; empty for none.
        title_layers: Hidden layers of the encoder that the view `title` consists of; empty for its sentence embedding.
        frame_encoder: Encoder of the view of frames, as `videomem extract --features` takes it; empty for none.
    """

    model_type = "multiview"

    view_names: list[str] | tuple[str, ...] = ("title",)
    view_sizes: list[int] | tuple[int, ...] = (384,)
    view_parts: list[int] | tuple[int, ...] = ()
    view_roots: list[bool] | tuple[bool, ...] = (False,)
    view_units: list[bool] | tuple[bool, ...] = (True,)
    view_kernels: list[str] | tuple[str, ...] = ("rbf",)
    summands: list[list[int]] | tuple[tuple[int, ...], ...] = ((0,),)
    anchors: int = 1
    components: int = 1
    patterns: list[list[int]] | tuple[tuple[int, ...], ...] = ((0,),)
    missing_distance: float | None = None
    inducing: int = 0
    interval_level: float = 0.9
    title_encoder: str = ""
    title_layers: list[int] | tuple[int, ...] = ()
    frame_encoder: str = ""

    def __post_init__(self, **kwargs: object) -> None:
        if kwargs.get("head", "kernel") != "kernel":
            raise ValueError("the neural head of an older version cannot be loaded: train again with recipe best")
        super().__post_init__(**{name: value for name, value in kwargs.items() if name not in _FORMER_FIELDS})

    @property
    def parts(self) -> list[int]:
        """Of each view, 1 where `view_parts` is empty."""
        return list(self.view_parts) or [1] * len(self.view_names)

    @property
    def inducing_anchors(self) -> list[int]:
        """Indices of the `inducing` anchors, evenly spread over all."""
        return [self.anchors * number // self.inducing for number in range(self.inducing)]

    @property
    def explained_patterns(self) -> list[int]:
        """Indices of the patterns of which `MultiViewOutput.explained` is: all views, and each alone."""
        return [i for i, pattern in enumerate(self.patterns) if i == 0 or len(pattern) == 1] if self.inducing else []

    def validate_views(self) -> None:
        count = len(self.view_names)
        if not count or len(set(self.view_names)) < count:
            raise ValueError(f"view_names must be one or more different names, got {list(self.view_names)}")
        lists = (self.view_sizes, self.parts, self.view_roots, self.view_units, self.view_kernels)
        if any(len(values) != count for values in lists) or min(self.view_sizes) < 1:
            raise ValueError(
                "view_sizes (above 0), view_parts, view_roots, view_units and view_kernels must have one value for "
                f"each of {list(self.view_names)}"
            )
        if any(parts < 1 or size % parts for size, parts in zip(self.view_sizes, self.parts, strict=True)):
            raise ValueError(f"view_parts must divide view_sizes, {list(self.view_sizes)}, got {self.parts}")
        if set(self.view_kernels) - set(KERNELS):
            raise ValueError(f"view_kernels must be {' or '.join(KERNELS)}, got {list(self.view_kernels)}")
        full = list(range(count))
        if not self.patterns or sorted(self.patterns[0]) != full:
            raise ValueError(f"patterns must start with all views, {full}, got {list(self.patterns)[:1]}")

    def validate_summands(self) -> None:
        """Refuse kernels of missing views, or products with a linear one."""
        known = set(range(len(self.view_names)))
        if not self.summands or any(not members or set(members) - known for members in self.summands):
            raise ValueError(f"summands must be lists of indices of {list(self.view_names)}, got {list(self.summands)}")
        linear = {i for i, kernel in enumerate(self.view_kernels) if kernel == "linear"}
        if any(len(members) > 1 and set(members) & linear for members in self.summands):
            raise ValueError("summands must not multiply the kernel of a linear view")
        check_least(self, anchors=1, components=1, inducing=0)

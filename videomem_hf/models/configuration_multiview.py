"""Configuration of the multi-view predictor."""

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_choice, check_least

HEADS = ("kernel", "neural")
KERNELS = ("rbf", "linear")


@strict
class MultiViewConfig(MemorabilityConfig):
    """Views, kernels and sizes of `MultiViewModel`.

    Attributes:
        head: "kernel" (a stack of kernel ridge models on weighted sums of kernels) or "neural".
        view_names: Names of embeddings or feature columns.
        view_sizes: Numbers in each view.
        view_roots: For each view, whether square roots are taken first (Hellinger's map, for non-negative numbers).
        view_units: For each view, whether its vectors are scaled to length 1.
        view_kernels: For each view, "rbf" or "linear".
        summands: Kernels of the components' weighted sums: each the index of a view, or several whose kernels are
            multiplied.
        anchors: Number of training clips (or landmarks) that the kernels of "rbf" views compare with.
        components: Number of kernel ridge models; each gives an output for every horizon.
        patterns: Sets of views with stack weights of their own, the full set first.
        hidden_size: Of the neural head's layers.
        members: Number of networks of the neural head; their outputs are averaged.
        dropout: Probability in training that a hidden unit of the neural head is left out.
        view_dropout: Probability in training that a view of a clip is hidden from the neural head.
        interval_level: Share of measured scores that the prediction intervals cover.
        title_encoder: Name or folder of the sentence encoder of the view `title`; empty for none.
        frame_encoder: Encoder of the view of frames, as `videomem extract --features` takes it; empty for none.
    """

    model_type = "multiview"

    head: str = "kernel"
    view_names: list[str] | tuple[str, ...] = ("title",)
    view_sizes: list[int] | tuple[int, ...] = (384,)
    view_roots: list[bool] | tuple[bool, ...] = (False,)
    view_units: list[bool] | tuple[bool, ...] = (True,)
    view_kernels: list[str] | tuple[str, ...] = ("rbf",)
    summands: list[list[int]] | tuple[tuple[int, ...], ...] = ((0,),)
    anchors: int = 1
    components: int = 1
    patterns: list[list[int]] | tuple[tuple[int, ...], ...] = ((0,),)
    hidden_size: int = 64
    members: int = 1
    dropout: float = 0.3
    view_dropout: float = 0.2
    interval_level: float = 0.9
    title_encoder: str = ""
    frame_encoder: str = ""

    def validate_views(self) -> None:
        count = len(self.view_names)
        if not count or len(set(self.view_names)) < count:
            raise ValueError(f"view_names must be one or more different names, got {list(self.view_names)}")
        lists = (self.view_sizes, self.view_roots, self.view_units, self.view_kernels)
        if any(len(values) != count for values in lists) or min(self.view_sizes) < 1:
            raise ValueError(
                "view_sizes (above 0), view_roots, view_units and view_kernels must have one value for each of "
                f"{list(self.view_names)}"
            )
        check_choice(self, head=HEADS)
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
        check_least(self, anchors=1, components=1, hidden_size=1, members=1)

"""The predictors that the common checks go over, each with its tiny configuration and input."""

from functools import cached_property
from typing import Any

import pytest
import torch

from tests.common import PredictorContract
from tests.models import test_adapted, test_contract, test_frame_attention, test_multiview, test_spatiotemporal
from videomem_hf.models.configuration_adapted import AdaptedConfig
from videomem_hf.models.configuration_spatiotemporal import SpatioTemporalConfig


class SpatioTemporalOnViTMem(PredictorContract):
    """A backbone that is part of another predictor, and has parameters of its own beside its blocks."""

    model_class = test_spatiotemporal.SpatioTemporalModel
    frame_shape = (4, 32, 32)
    scores_frames = False

    def tiny_config(self, **changes: Any) -> SpatioTemporalConfig:
        return SpatioTemporalConfig.on(test_contract.TestViTMem().tiny_config(), **({"feature_size": 6} | changes))


class AdaptedOnSegments(test_adapted.TestAdapted):
    """A base of segments."""

    frame_shape = test_contract.TestResNet3DShortcutA.frame_shape

    def tiny_config(self, **changes: Any) -> AdaptedConfig:
        sizes = {"clips": test_adapted.CLIPS, "rows": test_adapted.ROWS, "group_sizes": [10]}
        return AdaptedConfig.on(test_contract.TestResNet3DShortcutA().tiny_config(), **(sizes | changes))


class AdaptedOnFeatures(test_adapted.TestAdapted):
    """A base of features, whose hidden units are compared."""

    scores_frames = False
    inputs = test_contract.TestFeatureMLP.inputs  # type: ignore[assignment]

    def tiny_config(self, **changes: Any) -> AdaptedConfig:
        sizes = {"clips": test_adapted.CLIPS, "rows": test_adapted.CLIPS, "group_sizes": [10]}
        return AdaptedConfig.on(test_contract.TestFeatureMLP().tiny_config(), **(sizes | changes))


CASES: tuple[type[PredictorContract], ...] = (
    *test_contract.CASES,
    test_frame_attention.TestFrameAttention,
    test_spatiotemporal.TestSpatioTemporal,
    test_spatiotemporal.TestSpatioTemporalGRU,
    test_spatiotemporal.TestSpatioTemporalMean,
    test_multiview.TestMultiView,
    test_multiview.TestMultiViewOfLayers,
    test_adapted.TestAdapted,
    test_adapted.TestAdaptedSpatioTemporal,
    SpatioTemporalOnViTMem,
    AdaptedOnSegments,
    AdaptedOnFeatures,
)


class Subject:
    """A predictor with its input.

    Attributes:
        contract: What it is made by.
        inputs: For `forward`.
        reads_frames: Whether these are frames.
        labels: `(batch, 2)`.
    """

    def __init__(self, case: type[PredictorContract]) -> None:
        self.contract = case()
        self.inputs, self.labels = self.contract.inputs(), self.contract.labels()
        self.reads_frames = "pixel_values_videos" in self.inputs

    @cached_property
    def model(self) -> Any:
        """A model that no test changes."""
        return self.contract.model().requires_grad_(False)

    @cached_property
    def segment_length(self) -> int:
        return int(getattr(self.model.config, "segment_length", 1))

    def padded(self, padding: float = float("nan")) -> dict[str, torch.Tensor]:
        """The input with one clip of half its length, and padding behind it."""
        if not self.reads_frames:
            return self.inputs
        pixels = self.inputs["pixel_values_videos"].clone()
        kept = max(self.segment_length, pixels.shape[1] // 2)
        mask = torch.ones(pixels.shape[:2], dtype=torch.bool)
        mask[1, kept:], pixels[1, kept:] = False, padding
        return {"pixel_values_videos": pixels, "frame_mask": mask}

    def alone(self, clip: int) -> dict[str, torch.Tensor]:
        """A clip of `padded` by itself, without its padding."""
        one = {name: values[clip : clip + 1] for name, values in self.padded().items()}
        mask = one.pop("frame_mask", None)
        return one if mask is None else {name: values[:, mask[0]] for name, values in one.items()}

    def run(self, model: Any = None, **arguments: Any) -> Any:
        """The output of a model, by default of the common one, for the input."""
        with torch.no_grad():
            return (model or self.model)(**({**self.inputs} | arguments))


def tensors(output: Any) -> dict[str, torch.Tensor]:
    """All tensors of an output by name."""
    found: dict[str, torch.Tensor] = {}
    for name, value in output.items():
        parts = {f"{name}.{place}": each for place, each in enumerate(value)} if isinstance(value, tuple) else None
        found |= {name: value} if parts is None else parts
    assert "scores" in found
    return found


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.__name__.removeprefix("Test"))
def subject(request: pytest.FixtureRequest) -> Subject:
    """One predictor after the other, each built once per file."""
    return Subject(request.param)

"""The contract that every predictor passes.

A predictor's test file makes a subclass whose name starts with `Test`, gives `model_class` and `tiny_config`, overrides
`inputs` if the model takes something else than frames, and adds what is particular to the model.
"""

import ast
import inspect
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from transformers import PreTrainedConfig, PreTrainedModel

from videomem_hf.inference.saliency import saliency_maps

BATCH = 3
FOREIGN_IMPORTS = {"torch", "torchvision", "timm", "transformers", "huggingface_hub", "safetensors", "numpy", "PIL"}


def score_frames(model: PreTrainedModel, pixels: torch.Tensor) -> torch.Tensor:
    """Scores `(n, horizons)` of frames `(n, 3, height, width)`, each a clip."""
    return model(pixel_values_videos=pixels[:, None]).scores


class PredictorContract:
    """Assertions that hold for every memorability predictor.

    Attributes:
        model_class: The predictor.
        frame_shape: `(frames, height, width)` of a tiny clip.
        scores_frames: Whether the model scores frames, so that `frame_scores` and `frame_mask` exist.
        learning_rate: A step that is small for the tiny model.
    """

    model_class: ClassVar[type[PreTrainedModel]]
    frame_shape: ClassVar[tuple[int, int, int]] = (4, 32, 48)
    scores_frames: ClassVar[bool] = True
    learning_rate: ClassVar[float] = 1e-3

    def tiny_config(self, **changes: Any) -> PreTrainedConfig:
        """A configuration whose model runs within milliseconds; `changes` override its fields."""
        raise NotImplementedError

    def inputs(self, batch: int = BATCH) -> dict[str, torch.Tensor]:
        """Input for `forward`, each tensor with the batch as its first axis."""
        frames, height, width = self.frame_shape
        noise = torch.randn(batch, frames, 3, height, width, generator=torch.Generator().manual_seed(1))
        return {"pixel_values_videos": noise}

    def labels(self, batch: int = BATCH) -> torch.Tensor:
        """`(batch, 2)` scores from .4 to 1."""
        return 0.4 + 0.6 * torch.rand(batch, 2, generator=torch.Generator().manual_seed(2))

    def model(self, **changes: Any) -> PreTrainedModel:
        """The tiny model with reproducible weights, in evaluation mode."""
        torch.manual_seed(0)
        return self.model_class(self.tiny_config(**changes)).eval()

    def varied_model(self) -> PreTrainedModel:
        """The tiny model with a head whose scores differ among clips, as after training."""
        return self.model()

    def _attends(self) -> bool:
        return bool(getattr(self.model(), "has_attention", False))

    def test_scores_have_their_shape_and_range(self) -> None:
        with torch.no_grad():
            output = self.model()(**self.inputs())
        assert output.loss is None
        assert output.scores.shape == (BATCH, 2)
        assert output.scores.dtype == torch.float32
        assert output.scores.min() >= 0
        assert output.scores.max() <= 1
        assert output.scores.std() > 0

    def test_extreme_inputs_stay_in_range(self) -> None:
        for factor in (-100.0, 0.0, 100.0):
            with torch.no_grad():
                scores = self.model()(**{name: value * factor for name, value in self.inputs().items()}).scores
            assert scores.min() >= 0
            assert scores.max() <= 1

    @pytest.mark.parametrize("horizon", ["short_term", "long_term"])
    def test_one_horizon(self, horizon: str) -> None:
        model = self.model(horizons=[horizon])
        output = model(**self.inputs(), labels=self.labels()[:, :1])
        assert output.scores.shape == (BATCH, 1)
        assert output.loss.isfinite()
        assert list(model.config.horizons) == [horizon]

    def test_a_batch_equals_single_runs(self) -> None:
        model, inputs = self.model(), self.inputs()
        with torch.no_grad():
            together = model(**inputs).scores
            alone = [model(**{name: value[i : i + 1] for name, value in inputs.items()}).scores for i in range(BATCH)]
        torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)

    def test_saved_then_loaded_is_equal_to_the_bit(self, tmp_path: Path) -> None:
        model = self.model()
        model.save_pretrained(tmp_path)
        assert (tmp_path / "model.safetensors").exists()
        loaded = self.model_class.from_pretrained(tmp_path)
        assert not loaded.training
        with torch.no_grad():
            assert torch.equal(loaded(**self.inputs()).scores, model(**self.inputs()).scores)
        kept = ("name_or_path", "_name_or_path", "transformers_version", "architectures", "dtype")
        before, after = (
            {key: value for key, value in each.config.to_dict().items() if key not in kept} for each in (model, loaded)
        )
        assert before == after

    def test_every_trainable_parameter_gets_a_finite_gradient(self) -> None:
        model = self.model().train()
        model(**self.inputs(), labels=self.labels()).loss.backward()
        trainable = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
        assert trainable
        assert not [name for name, grad in trainable.items() if grad is None or not grad.isfinite().all()]
        assert not [name for name, grad in trainable.items() if grad is not None and not grad.any()]

    def test_the_input_is_unchanged(self) -> None:
        inputs, labels = self.inputs(), self.labels()
        before = {name: value.clone() for name, value in inputs.items()}
        self.model().train()(**inputs, labels=labels).loss.backward()
        assert all(torch.equal(inputs[name], before[name]) for name in inputs)
        assert torch.equal(labels, self.labels())

    def test_two_steps_lower_the_loss(self) -> None:
        model, inputs, labels = self.model(), self.inputs(), self.labels()
        optimizer = torch.optim.AdamW(model.parameters(), lr=self.learning_rate)
        losses = []
        for _ in range(3):
            loss = model(**inputs, labels=labels).loss
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert losses[0] > losses[1] > losses[2]

    def test_a_missing_label_has_no_influence(self) -> None:
        model, labels = self.model(), self.labels()
        labels[0] = float("nan")
        inputs = {name: value.clone().requires_grad_() for name, value in self.inputs().items()}
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        assert loss > 0
        for value in inputs.values():
            assert value.grad is not None
            assert not value.grad[0].any()
            assert value.grad[1].any()
        assert model(**self.inputs(), labels=torch.full((BATCH, 2), float("nan"))).loss == 0

    def test_annotation_counts_weigh_the_labels(self) -> None:
        model, labels = self.model(), self.labels()
        few, many = torch.full((BATCH, 2), 9), torch.full((BATCH, 2), 100)
        losses = [model(**self.inputs(), labels=labels, annotation_counts=counts).loss for counts in (few, many, None)]
        assert losses[0] < losses[1] < losses[2]

    def test_a_clips_score_is_the_mean_of_its_frame_scores(self) -> None:
        if not self.scores_frames:
            pytest.skip("this model scores whole clips")
        with torch.no_grad():
            output = self.model()(**self.inputs())
        assert output.frame_scores.shape == (BATCH, self.frame_shape[0], 2)
        torch.testing.assert_close(output.scores, output.frame_scores.mean(dim=1))

    def test_padding_does_not_count(self) -> None:
        if not self.scores_frames:
            pytest.skip("this model scores whole clips")
        model, inputs = self.model(), self.inputs()
        mask = torch.ones(BATCH, self.frame_shape[0], dtype=torch.bool)
        mask[1, 2:] = False
        with torch.no_grad():
            padded = model(**inputs, frame_mask=mask)
            shorter = model(**{name: value[1:2, :2] for name, value in inputs.items()})
        torch.testing.assert_close(padded.scores[1:2], shorter.scores, atol=1e-5, rtol=0)
        assert not padded.frame_scores[1, 2:].any()

    def test_attention_sums_to_one_or_is_refused(self) -> None:
        model, inputs = self.model(), self.inputs()
        if not self._attends():
            with pytest.raises(ValueError, match="attention"):
                model(**inputs, output_attentions=True)
            return
        with torch.no_grad():
            output = model(**inputs, output_attentions=True)
            assert model(**inputs).attentions is None
        assert output.attentions.shape[:2] == (BATCH, self.frame_shape[0])
        assert output.attentions.ndim == 4
        assert output.attentions.min() >= 0
        torch.testing.assert_close(output.attentions.sum(dim=(2, 3)), torch.ones(BATCH, self.frame_shape[0]))

    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.005), (torch.float16, 0.002)])
    def test_half_precision_changes_scores_little(self, dtype: torch.dtype, tolerance: float, tmp_path: Path) -> None:
        """Cast, loaded in half precision, and saved in it: the scores are those of float32, and float32."""
        model, inputs = self.varied_model(), {name: value.abs() % 1 for name, value in self.inputs().items()}
        with torch.no_grad():
            expected = model(**inputs).scores
        model.save_pretrained(tmp_path / "full")
        loaded = self.model_class.from_pretrained(tmp_path / "full", dtype=dtype)
        half = model.to(dtype)
        half.save_pretrained(tmp_path / "half")
        again = self.model_class.from_pretrained(tmp_path / "half")
        for each in (loaded, half, again):
            assert each.dtype == (torch.float32 if each.stays_float32 else dtype)
            with torch.no_grad():
                scores = each(**inputs).scores
            assert scores.dtype == torch.float32
            torch.testing.assert_close(scores, expected, atol=tolerance, rtol=0)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision_changes_maps_little(self, dtype: torch.dtype) -> None:
        if "pixel_values_videos" not in self.inputs():
            pytest.skip("this model has no maps of frames")
        model = self.varied_model().requires_grad_(False)
        segment = getattr(model.config, "segment_length", None)
        pixels = self.inputs()["pixel_values_videos"].abs()[0] % 1
        pixels = pixels if segment is None else pixels.unflatten(0, (-1, segment))
        full = {method: saliency_maps(model, pixels, method=method) for method in self._methods(model)}
        model.to(dtype)
        assert full
        for method, expected in full.items():
            found = saliency_maps(model, pixels, method=method)
            assert found.dtype == torch.float32
            assert (found - expected).abs().sum(dim=(1, 2)).max() < 0.2  # each sums to 1

    def _methods(self, model: PreTrainedModel) -> list[str]:
        attention = ["attention"] if model.has_attention else []
        return attention + (["Grad-CAM"] if model.attribution_layers else [])

    def test_its_files_can_be_shipped_alone(self) -> None:
        """The Hub carries the files reached by relative import from the model's file, and nothing else of ours."""
        allowed = FOREIGN_IMPORTS | sys.stdlib_module_names
        pending, seen = [Path(inspect.getfile(self.model_class))], set()
        while pending:
            file = pending.pop()
            if file in seen:
                continue
            seen.add(file)
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and node.level:
                    assert node.level == 1, f"{file.name} imports from a parent folder"
                    assert node.module, f"{file.name}: name the sibling module in the import"
                    pending.append(file.with_name(f"{node.module}.py"))
                elif isinstance(node, ast.Import | ast.ImportFrom):
                    modules = [node.module] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
                    assert {str(module).partition(".")[0] for module in modules} <= allowed, f"{file.name}: {modules}"
        assert len(seen) > 1

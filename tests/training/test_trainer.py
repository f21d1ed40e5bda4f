"""`transformers.Trainer` on the predictors: labels, evaluation, bfloat16, checkpoints, and the Hub."""

from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
import torch
from huggingface_hub import CommitInfo, HfApi, RepoUrl
from transformers import AutoModel, EvalPrediction, Trainer, TrainingArguments

from tests.common import PredictorContract
from tests.models.test_contract import TestFeatureMLP as Features
from tests.models.test_contract import TestResNet3DShortcutB as Segments
from tests.models.test_contract import TestViTMem as ViTMem
from tests.models.test_frame_attention import TestFrameAttention as Frames
from videomem_hf.metrics import metric_path

CLIPS = 6


def examples_of(contract: PredictorContract) -> list[dict[str, torch.Tensor]]:
    """Clips with labels, some of them unknown, and with the annotations behind each."""
    inputs, labels = contract.inputs(CLIPS), contract.labels(CLIPS)
    labels[0, 1] = labels[3, 0] = torch.nan
    counts = torch.arange(20, 20 + 2 * CLIPS).view(CLIPS, 2).float()
    columns = inputs | {"labels": labels, "annotation_counts": counts}
    return [{name: values[clip] for name, values in columns.items()} for clip in range(CLIPS)]


def make_arguments(folder: Path, **changes: Any) -> TrainingArguments:
    """Two epochs of three steps on the CPU."""
    values = {
        "per_device_train_batch_size": 2, "per_device_eval_batch_size": 4, "num_train_epochs": 2, "seed": 1,
        "learning_rate": 1e-3, "report_to": [], "use_cpu": True, "disable_tqdm": True, "save_strategy": "no",
    }  # fmt: skip
    return TrainingArguments(folder, **(values | changes))


def compute_metrics(predicted: EvalPrediction) -> dict[str, float]:
    """Spearman's correlation for each horizon, over the clips whose score is known."""
    metric, found = evaluate.load(metric_path()), {}
    columns = zip(("short_term", "long_term"), predicted.predictions.T, predicted.label_ids.T, strict=True)
    for horizon, scores, labels in columns:
        known = ~np.isnan(labels)
        result = metric.compute(predictions=scores[known], references=labels[known], resamples=20)
        found[horizon] = result["spearman"]
    return found


@pytest.mark.parametrize("contract", [Frames(), Segments(), ViTMem(), Features()], ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("bf16", [False, True])
def test_it_trains_and_evaluates(contract: PredictorContract, bf16: bool, tmp_path: Path) -> None:
    model, examples = contract.model(), examples_of(contract)
    batch = {name: torch.stack([each[name] for each in examples]) for name in examples[0]}
    with torch.no_grad():
        before = model(**batch)
    trainer = Trainer(
        model, make_arguments(tmp_path, bf16=bf16), train_dataset=examples, eval_dataset=examples,
        compute_metrics=compute_metrics,
    )  # fmt: skip
    untrained = trainer.evaluate()
    assert untrained["eval_loss"] == pytest.approx(before.loss.item(), rel=0.05 if bf16 else 1e-4)
    scores = trainer.predict(examples)
    assert scores.predictions.shape == (CLIPS, 2)
    np.testing.assert_allclose(scores.predictions, before.scores, atol=0.01 if bf16 else 1e-5)
    np.testing.assert_array_equal(scores.label_ids, batch["labels"])
    assert -1 <= untrained["eval_short_term"] <= 1
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    trainer.train()
    assert trainer.state.global_step == 6
    assert any(not torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_a_resumed_run_has_the_weights_of_one_that_was_not_interrupted(tmp_path: Path) -> None:
    contract = Segments()  # with dropout of none, and statistics of batches
    examples, weights = examples_of(contract), []
    for checkpoint in (None, str(tmp_path / "one/checkpoint-3")):
        arguments = make_arguments(tmp_path / "one", save_strategy="steps", save_steps=3)
        torch.manual_seed(5)
        model = contract.model()
        Trainer(model, arguments, train_dataset=examples).train(resume_from_checkpoint=checkpoint)
        weights.append({name: value.clone() for name, value in model.state_dict().items()})
    whole, resumed = weights
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())
    saved = AutoModel.from_pretrained(tmp_path / "one/checkpoint-6").state_dict()
    assert all(torch.equal(saved[name], value) for name, value in whole.items())


def test_the_best_checkpoint_is_loaded_at_the_end(tmp_path: Path) -> None:
    contract = Frames()
    examples = examples_of(contract)
    arguments = make_arguments(
        tmp_path, eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True,
        metric_for_best_model="loss", learning_rate=0.05, num_train_epochs=3,
    )  # fmt: skip
    trainer = Trainer(contract.model(), arguments, train_dataset=examples, eval_dataset=examples)
    trainer.train()
    losses = [each["eval_loss"] for each in trainer.state.log_history if "eval_loss" in each]
    assert trainer.evaluate()["eval_loss"] == pytest.approx(min(losses), abs=1e-6)


def test_without_labels_it_predicts(tmp_path: Path) -> None:
    contract = Frames()
    examples = [{"pixel_values_videos": each["pixel_values_videos"]} for each in examples_of(contract)]
    found = Trainer(contract.model(), make_arguments(tmp_path)).predict(examples)
    assert found.predictions.shape == (CLIPS, 2)
    assert found.label_ids is None


def test_what_is_pushed_loads_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed: dict[str, bytes] = {}

    def create_repo(self: HfApi, repo_id: str, **_: Any) -> RepoUrl:
        return RepoUrl(f"https://huggingface.co/ann/{repo_id}")

    def upload_folder(self: HfApi, *, folder_path: str, repo_id: str, **_: Any) -> CommitInfo:
        assert repo_id == "ann/frames"
        pushed.update({each.name: each.read_bytes() for each in Path(folder_path).iterdir() if each.is_file()})
        url = "https://huggingface.co/ann/frames/commit/0"
        return CommitInfo(commit_url=url, commit_message="", commit_description="", oid="0")

    monkeypatch.setattr(HfApi, "create_repo", create_repo)
    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    contract = Frames()
    arguments = make_arguments(tmp_path / "frames", push_to_hub=True, hub_model_id="frames")
    trainer = Trainer(contract.model(), arguments, train_dataset=examples_of(contract))
    trainer.train()
    trainer.push_to_hub()
    assert {"config.json", "model.safetensors", "modeling_frame_attention.py", "hidden_states.py"} <= pushed.keys()
    (tmp_path / "again").mkdir()
    for name, content in pushed.items():
        (tmp_path / "again" / name).write_bytes(content)
    again = AutoModel.from_pretrained(tmp_path / "again").state_dict()
    assert all(torch.equal(again[name], value) for name, value in trainer.model.state_dict().items())

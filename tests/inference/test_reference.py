"""What a model's held-out predictions say of a new one, against counts by hand and a known truth."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel

from tests.clips import grey_levels, write_clip
from videomem_hf.analysis.overlay_panel import PanelLayout
from videomem_hf.inference import Prediction, ViewPredictor
from videomem_hf.inference.claims import (
    NOT_LOOKED_UP,
    OF_GENERATED,
    UNMEASURED,
    UNTESTED,
    caveats_of_reference,
    read_claims,
)
from videomem_hf.inference.drawing import score_curve
from videomem_hf.inference.frame_noise import FrameNoise
from videomem_hf.inference.ranking import shared_ranks
from videomem_hf.inference.reference import (
    Reference,
    make_reference,
    read_reference,
    write_reference,
)
from videomem_hf.models import config_class, model_class
from videomem_hf.run_files import write_predictions
from videomem_hf.schema import HORIZONS, InputError

BOTH = HORIZONS


def write_run(folder: Path, split: str, clips: int, generated: bool = False) -> None:
    data = {"name": "release", "generated": {"seed": 0} if generated else None}
    (folder / "results.json").write_text(json.dumps({"split": split, "data": data}))
    lines = ["video_id,short_term,short_term_model,long_term,long_term_model"]
    lines += [f"video{i},0.8,{0.8 - i / 100},{'' if i % 2 else 0.5},0.4" for i in range(clips)]
    (folder / "predictions.csv").write_text("\n".join(lines) + "\n")


def test_a_run_of_before_has_its_reference_in_its_predictions(tmp_path: Path) -> None:
    assert read_reference(tmp_path, BOTH) is None
    write_run(tmp_path, "train", 19)
    of_training = read_reference(tmp_path, BOTH)
    assert of_training is not None
    assert (of_training.clips, of_training.quantiles, of_training.fits) == (0, {}, {})
    write_run(tmp_path, "validation", 19)
    found = read_reference(tmp_path, BOTH)
    assert found is not None
    assert found.among == 'of 19 held-out clips of the data "release"'
    # Predictions are .62, .63, ... .80.
    assert found.percentiles({"short_term": 0.71}) == {"short_term": pytest.approx(50)}
    assert found.percentiles({"short_term": 0.62}) == {"short_term": 0}
    assert found.percentiles({"short_term": 0.81}) == {"short_term": 100}
    intervals = found.intervals({"short_term": 0.7, "long_term": 0.4})
    assert intervals is not None
    # All long-term scores are .1 above their predictions.
    assert intervals["long_term"] == (pytest.approx(0.3, abs=0.01), pytest.approx(0.5, abs=0.01))
    write_run(tmp_path, "validation", 8)
    few = read_reference(tmp_path, BOTH)
    assert few is not None
    assert few.intervals({"short_term": 0.9, "long_term": 0.9}) is None


def test_it_is_saved_without_loss_and_without_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    measured = rng.uniform(0.5, 1, (60, 2))
    predicted = np.column_stack([measured[:, 0], rng.permutation(measured[:, 1])])
    about = Reference("a set of mine", split="validation")
    reference = make_reference(
        about, predicted, measured, np.full((60, 2), 30.0), BOTH, {"short_term": FrameNoise(0.01, 0.5)}
    )
    assert reference.difference_error == {"short_term": pytest.approx(0, abs=0.01), "long_term": math.inf}
    write_reference(tmp_path, reference)
    assert read_reference(tmp_path, BOTH) == reference
    assert len(json.loads((tmp_path / "reference.json").read_text())["quantiles"]["short_term"]) == 101
    (tmp_path / "reference.json").write_text('{"data": "x"}')
    with pytest.raises(InputError, match="is damaged"):
        read_reference(tmp_path, BOTH)
    old = reference.to_dict() | {"kind": "clips", "frame_sd": {"short_term": 0.02}}
    for name in ("frame_noise", "trained_on"):
        del old[name]
    assert Reference.from_dict(old) == replace(reference, frame_noise={"short_term": FrameNoise(0.02)})


def test_counts_of_annotations_are_kept_with_predictions(tmp_path: Path) -> None:
    """Scores of few annotations vary more: with their counts, an interval is calibrated for typical ones."""
    rng = np.random.default_rng(0)
    counts = rng.choice([5, 50], (200, 1)).astype(float)
    measured = rng.binomial(counts.astype(int), 0.8) / counts
    predicted = np.full((200, 1), 0.8)
    (tmp_path / "results.json").write_text('{"split": "validation"}')
    write_predictions(
        tmp_path / "predictions.csv", {"model": predicted}, [f"v{i}" for i in range(200)], measured, BOTH[:1], counts
    )
    reference = read_reference(tmp_path, BOTH[:1])
    assert reference is not None
    fit = reference.fits["short_term"]
    assert fit.typical_count == pytest.approx(1 / np.mean(1 / counts))
    few, many = np.diff(fit.ends([0.8, 0.8], [5, 50]), axis=1)[:, 0]
    assert few > 2 * many


def predictions(scores: list[float], error: float | None) -> list[Prediction]:
    errors = {} if error is None else {"short_term": error}
    reference = Reference("x", difference_error=errors)
    good = [Prediction("c", "m", {"short_term": s}, np.zeros(1), np.array([[s]]), reference=reference) for s in scores]
    return [*good, Prediction.failed("c", "m", ("short_term",), "no video")]


@pytest.mark.parametrize(
    ("error", "ranks"),
    [
        (0.05, [1, 1, 2, 4, None]),
        (None, [1, 2, 3, 4, None]),
        (math.inf, [1, 1, 1, 1, None]),
        (0.38, [1, 1, 1, 2, None]),
    ],
)
def test_clips_that_cannot_be_told_apart_share_a_rank(error: float | None, ranks: list[int | None]) -> None:
    assert shared_ranks(predictions([0.9, 0.87, 0.84, 0.5], error), "short_term") == ranks
    if error == 0.05:
        backwards = predictions([0.5, 0.84, 0.87, 0.9], error)
        assert shared_ranks(backwards, "short_term") == [4, 2, 1, 1, None]


def test_caveats_say_what_a_model_was_trained_on(tmp_path: Path) -> None:
    resmem = model_class("resmem")(
        config_class("resmem")(image_size=99, conv_channels=(8,) * 5, resnet_layers=(1,) * 4, hidden_sizes=(16, 8))
    )
    claims = read_claims("resmem", resmem)
    assert claims.reference is None
    assert "photographs" in claims.caveats[0]
    assert "not on VideoMem's scale" in claims.caveats[0]
    untested = (
        f"{UNTESTED}, as the model comes without predictions of held-out clips; a model that `videomem train` makes, "
        "with 50 clips held out or more, has them."
    )
    assert claims.caveats[1:] == ("It gives no long-term score.", untested, UNMEASURED)
    assert claims.frame_noise == {"short_term": FrameNoise(0.037, 0.67)}
    resmem.config.trained_on_generated = True  # which an ordinary `save_pretrained` keeps
    resmem.save_pretrained(tmp_path / "converted")
    saved = AutoModel.from_pretrained(tmp_path / "converted")
    assert OF_GENERATED in read_claims(str(tmp_path / "converted"), saved).caveats
    resmem.config.trained_on_generated = False
    assert read_claims(str(tmp_path / "converted"), resmem).frame_noise == claims.frame_noise
    write_run(tmp_path, "validation", 19, generated=True)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    trained = read_claims(str(tmp_path), resmem)
    untested = f"{UNTESTED}, as 19 held-out clips are too few and 50 are needed; train on data with more clips."
    assert trained.caveats == (OF_GENERATED, untested, UNMEASURED)
    assert trained.reference is not None
    assert trained.reference.among == "of 19 held-out clips of a generated sample"
    assert len(trained.version) == 8
    assert trained.frame_noise == {}
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    assert read_claims(str(tmp_path), resmem).version != trained.version


def test_a_lost_connection_is_said_with_every_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that the Hub is known not to have is no such loss; both are asked for in the version of the weights."""
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked = []

    def offline(name: str, file: str, revision: str) -> str:
        asked.append((file, revision))
        raise LocalEntryNotFoundError("no connection")

    model = model_class("memnet")(config_class("memnet")())
    model.config._commit_hash = "0123456789abcdef"
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", offline)
    claims = read_claims("someone/model", model)
    assert claims.caveats[-2:] == (f"{UNTESTED}.", NOT_LOOKED_UP)
    assert claims.version == "01234567"
    assert asked == [("reference.json", "0123456789abcdef")]
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: object())
    *others, untested, unmeasured = read_claims("someone/model", model).caveats
    assert (*others, unmeasured) == (*claims.caveats[:-2], UNMEASURED)
    assert "without predictions of held-out clips" in untested


@pytest.mark.parametrize(("trained_on", "said"), [("lamem", True), ("both", False), ("videomem", False)])
def test_a_run_on_photographs_alone_says_so(trained_on: str, said: bool, tmp_path: Path) -> None:
    """With the reference that the run wrote as well."""
    write_run(tmp_path, "validation", 19)
    results = json.loads((tmp_path / "results.json").read_text()) | {"config": {"train_on": trained_on}}
    (tmp_path / "results.json").write_text(json.dumps(results))
    memnet = model_class("memnet")(config_class("memnet")())
    for _ in range(2):
        claims = read_claims(str(tmp_path), memnet)
        assert ("Trained on photographs (LaMem): it ranks" in " ".join(claims.caveats)) == said
        assert claims.reference is not None
        write_reference(tmp_path, claims.reference)


@pytest.mark.parametrize("level", [0.5, 0.8])
def test_a_prediction_carries_the_level_of_its_intervals(level: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = config_class("multiview")(view_names=["title_words"], view_sizes=[64], interval_level=level)
    predictor = ViewPredictor(model_class("multiview")(config), "words", "cpu", title="red-car")
    prediction = predictor.predict(write_clip(tmp_path / "a.webm", grey_levels(24)))
    assert prediction.interval_level == level
    assert prediction.percentiles == {}
    assert prediction.to_dict()["interval_level"] == level
    assert set(prediction.to_dict()["intervals"]) == {"short_term", "long_term"}


def test_where_a_score_stands_is_said_as_exactly_as_the_number_of_clips_allows() -> None:
    def standing(clips: int, percentile: float) -> str:
        return Reference("VideoMem", clips=clips).standing(percentile)

    assert standing(200, 73.6) == "higher than 74% of 200 held-out clips of VideoMem"
    assert standing(200, 0.2) == "higher than under 1% of 200 held-out clips of VideoMem"
    assert standing(12, 50.1) == "higher than 6 of 12 held-out clips of VideoMem"
    shares = [(200, 73.6), (200, 0.2), (50, 99.5), (49, 99.9), (11, 82), (0, 40)]
    found = [Reference("VideoMem", clips=clips).share(percentile) for clips, percentile in shares]
    assert found == ["74%", "under 1%", "over 99%", "49 of 49", "9 of 11", "40%"]


def test_where_there_is_room_for_a_few_words_only() -> None:
    """An overlay video says what its scores do not, above what its colours mean."""
    times, rows = np.arange(4.0), np.full((4, 1), 0.7)
    curves = {
        "": Prediction("c", "m", {"short_term": 0.7}, times, rows),
        "Scores: the model was trained on generated clips; unlike the training clips.": Prediction(
            "c", "m", {"short_term": 0.7}, times, rows, caveats=(OF_GENERATED,), typicality=1.0
        ),
        "Scores: not on VideoMem's scale.": Prediction(
            "c", "m", {"short_term": 0.7}, times, rows,
            caveats=caveats_of_reference(["short_term"], None, "photographs (LaMem)"),
        ),
    }  # fmt: skip
    for remark, prediction in curves.items():
        curve = score_curve(prediction)
        assert curve.remark == remark
        label = "attention of the short-term score"
        wide, beside = PanelLayout.below(640, 360, curve, label), PanelLayout.beside(640, curve, label)
        assert wide.fits
        for layout in (wide, beside):
            assert " ".join(layout.label) == f"{remark} {label}: share of the peak".strip()
            assert layout.chart > 3

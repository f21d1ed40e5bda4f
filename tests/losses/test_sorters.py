"""Sorters: what they promise by construction, on disk, and what the shipped one measures."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from videomem_hf.losses import SpearmanLoss, build_sorter, load_sorter, ranks, shipped_sorters
from videomem_hf.losses.sequences import HELD_OUT_FAMILIES, TRAINING_FAMILIES, training_batch
from videomem_hf.losses.sodeep import windows
from videomem_hf.losses.sorter_files import SHIPPED, save_sorter
from videomem_hf.losses.sorter_networks import ARCHITECTURES, ExactSorter, FixedLengthSorter
from videomem_hf.losses.sorter_training import rank_errors
from videomem_hf.schema import InputError

ONE_LENGTH = [name for name in ARCHITECTURES if name not in {"exact", "comparison"}]
SMALL = {"length": 6, "hidden_size": 4, "layers": 2}


def _values(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_the_large_lstm_has_the_papers_size() -> None:
    sorter = build_sorter("lstm_large")
    assert sum(each.numel() for each in sorter.parameters()) == 18_649_188  # "18.65 million" at length 100


@pytest.mark.parametrize("name", ONE_LENGTH)
def test_sorters_of_one_length_refuse_others(name: str) -> None:
    sorter = build_sorter(name, **SMALL)
    assert sorter(_values(3, 6)).shape == (3, 6)
    for values, mask in ((_values(3, 7), None), (_values(3, 6), torch.ones(3, 6, dtype=torch.bool))):
        with pytest.raises(ValueError, match="sequences of 6 items"):
            sorter(values, mask)


@pytest.mark.parametrize("name", [name for name in ONE_LENGTH if name != "lstm_large"])
def test_the_papers_length_is_the_default(name: str) -> None:
    assert build_sorter(name).length == 100


def test_networks_take_scores_with_the_spread_that_they_are_trained_on() -> None:
    class Probe(FixedLengthSorter):
        def _network(self, values: torch.Tensor) -> torch.Tensor:
            return values

    given = Probe(6)(5 + 3 * _values(4, 6))
    trained_on = TRAINING_FAMILIES["uniform"](100, 100, torch.Generator().manual_seed(0)).std().item()
    torch.testing.assert_close(given.std(dim=1, correction=0), torch.full((4,), trained_on), rtol=0.02, atol=0)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_the_range_of_the_scores_does_not_matter(name: str) -> None:
    torch.manual_seed(0)
    sorter = build_sorter(name, **({} if name in {"exact", "comparison"} else SMALL))
    values = _values(3, 6)
    torch.testing.assert_close(sorter(7 + 0.02 * values), sorter(values), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ONE_LENGTH)
@pytest.mark.parametrize("option", ["length", "hidden_size", "layers"])
def test_options_change_the_network(name: str, option: str) -> None:
    sizes = [sum(p.numel() for p in build_sorter(name, **SMALL | {option: value}).parameters()) for value in (2, 3)]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("sorter", [ExactSorter(), load_sorter("comparison")], ids=["exact", "comparison"])
@settings(max_examples=60)
@given(values=st.lists(st.integers(0, 12), min_size=1, max_size=40))
def test_soft_ranks_keep_order_and_ties(sorter: torch.nn.Module, values: list[int]) -> None:
    soft = sorter(torch.tensor(values, dtype=torch.float64)[None].float())[0].double()
    hard = ranks(torch.tensor(values, dtype=torch.float64))
    assert torch.equal(soft.round(decimals=5).argsort(stable=True), hard.argsort(stable=True))
    assert soft.sum().item() == pytest.approx(hard.sum().item(), abs=1e-4)
    assert ((soft > 0) & (soft <= 1 + 1e-6)).all()
    for value in set(values):
        tied = soft[torch.tensor(values) == value]
        assert (tied.max() - tied.min()).item() < 1e-6


def test_max_sharpness_and_stages_matter() -> None:
    values = _values(4, 50)

    def error(**options: float) -> float:
        sorter = build_sorter("comparison", **options)
        torch.nn.init.constant_(sorter.sharpness_logits, 8.0)  # type: ignore[arg-type]
        return (sorter(values) - ranks(values)).abs().mean().item()

    assert error(max_sharpness=40.0) < error(max_sharpness=10.0)
    assert error(stages=3) < error(stages=1)
    assert (ExactSorter(20.0)(values) - ranks(values)).abs().mean() < (
        ExactSorter()(values) - ranks(values)
    ).abs().mean()


def test_windows_hold_every_labelled_item() -> None:
    predictions = torch.arange(14.0).reshape(2, 7)
    mask = torch.tensor([[True] * 7, [False, True, True, False, False, False, False]])
    cut, targets, kept = windows(predictions, predictions + 100, mask, 3)
    assert cut.shape == (6, 3)
    assert cut[:3].tolist() == [[0, 1, 2], [3, 4, 5], [6, 0, 1]]
    assert cut[3:].flatten().tolist() == [8, 9, 8, 9, 8, 9, 8, 9, 8]
    assert torch.equal(targets, cut + 100)
    assert kept.all()
    assert not windows(predictions, predictions, torch.zeros_like(mask), 3)[2].any()


def test_a_batch_of_the_sorters_length_is_sorted_as_it_is() -> None:
    torch.manual_seed(0)
    sorter = build_sorter("mlp", **SMALL)
    predictions, targets = _values(2, 6), _values(2, 6).flip(0)
    expected = (sorter(predictions) - ranks(targets)).square().mean()
    torch.testing.assert_close(SpearmanLoss(sorter, l1_weight=0)(predictions, targets), expected)


def test_recurrent_sorters_stay_in_training_mode() -> None:
    """In evaluation mode cuDNN's recurrent layers refuse to give gradients."""
    loss = SpearmanLoss(build_sorter("lstm", **SMALL))
    assert loss.eval().sorter.training
    assert not loss.training


def test_a_saved_sorter_comes_back_to_the_bit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    for name in ONE_LENGTH:
        sorter = build_sorter(name, **SMALL)
        save_sorter(sorter, tmp_path / name, name, SMALL, {})
        again = load_sorter(tmp_path / name)
        assert torch.equal(again(_values(2, 6)), sorter(_values(2, 6)))
        assert not any(each.requires_grad for each in again.parameters())


def test_damaged_sorters_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are exact, comparison, comparison_soft, or give a folder"):
        load_sorter(tmp_path)
    save_sorter(build_sorter("mlp", **SMALL), tmp_path, "mlp", SMALL, {})
    config, weights = tmp_path / "config.json", tmp_path / "model.safetensors"

    def write(**content: object) -> None:
        config.write_text(json.dumps(content))

    write(architecture="mlp", options=SMALL | {"hidden_size": 5})
    with pytest.raises(InputError, match=r"does not fit .*config.json"):
        load_sorter(tmp_path)
    write(architecture="tree", options={})
    with pytest.raises(InputError, match="no sorter architecture 'tree'"):
        load_sorter(tmp_path)
    write(architecture="mlp")
    with pytest.raises(InputError, match="architecture and options"):
        load_sorter(tmp_path)
    config.write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        load_sorter(tmp_path)
    write(architecture="mlp", options=SMALL)
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"model.safetensors: cannot be read"):
        load_sorter(tmp_path)
    weights.unlink()
    with pytest.raises(InputError, match=r"model.safetensors: cannot be read"):
        load_sorter(tmp_path)


@pytest.mark.parametrize("name", shipped_sorters())
def test_a_shipped_sorter_is_as_good_as_its_results_say(name: str) -> None:
    folder = SHIPPED / name
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1.5e6
    stated = json.loads((folder / "results.json").read_text())
    measured = rank_errors(load_sorter(name))
    assert measured.keys() == stated["rank_error"].keys()
    for length, errors in measured.items():
        assert errors == pytest.approx(stated["rank_error"][length], rel=0.01, abs=1e-5)


@pytest.mark.parametrize(("name", "share"), [("comparison", 0.5), ("comparison_soft", 0.85)])
@pytest.mark.parametrize("length", [3, 10, 32, 100, 300])
def test_shipped_sorters_beat_the_exact_one_on_families_they_have_not_seen(
    name: str, share: float, length: int
) -> None:
    generator = torch.Generator().manual_seed(7)
    sorter, exact = load_sorter(name), ExactSorter()
    for family in HELD_OUT_FAMILIES.values():
        values = family(30, length, generator)
        errors = [(each(values) - ranks(values)).abs().mean().item() for each in (sorter, exact)]
        assert errors[0] < share * errors[1], (family.__name__, errors)


def test_two_sorters_are_shipped() -> None:
    assert shipped_sorters() == ["comparison", "comparison_soft"]


def test_families_are_what_they_are_called() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = {name: family(400, 50, generator) for name, family in (TRAINING_FAMILIES | HELD_OUT_FAMILIES).items()}
    assert all(values.shape == (400, 50) and values.isfinite().all() for values in drawn.values())
    assert drawn["uniform"].abs().max() <= 1
    assert drawn["uniform"].var().item() == pytest.approx(1 / 3, rel=0.03)
    assert drawn["normal"].var().item() == pytest.approx(1, rel=0.03)
    steps = drawn["ramp"].diff(dim=-1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), atol=1e-5, rtol=0)
    assert 0.3 < (steps[:, 0] > 0).float().mean() < 0.7
    assert drawn["ramp"].abs().max() <= 1
    shuffled = drawn["shuffled_ramp"]
    even = shuffled.sort(dim=-1).values.diff(dim=-1)
    torch.testing.assert_close(even, even[:, :1].expand_as(even), atol=1e-5, rtol=0)
    assert (shuffled.diff(dim=-1).sign().std(dim=-1) > 0).all()
    assert torch.equal(drawn["fixed_ramp"][0], torch.linspace(-1, 1, 50))
    torch.testing.assert_close(drawn["log_normal"].log().mean(), torch.tensor(0.0), atol=0.03, rtol=0)
    assert drawn["heavy_tailed"].abs().max() > 20
    assert (drawn["two_clusters"].abs() - 1).abs().mean() < 0.1
    assert drawn["ten_annotations"].unique().numel() == 11


def test_training_batches_mix_all_families_and_follow_the_seed() -> None:
    batch = training_batch(600, 20, torch.Generator().manual_seed(0))
    assert torch.equal(batch, training_batch(600, 20, torch.Generator().manual_seed(0)))
    assert not torch.equal(batch, training_batch(600, 20, torch.Generator().manual_seed(1)))
    fixed = (batch == torch.linspace(-1, 1, 20)).all(dim=-1).float().mean().item()
    assert fixed == pytest.approx(1 / 6, abs=0.05)
    assert (batch.abs().amax(dim=-1) > 1).float().mean() > 1 / 6  # the normal ones

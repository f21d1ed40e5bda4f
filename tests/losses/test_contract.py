"""What every loss has to keep: shapes, missing labels, short sequences, gradients, half precision, compilation."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from videomem_hf.losses import LOSSES, MemorabilityLoss, SpearmanLoss, build_loss, build_sorter
from videomem_hf.schema import InputError

Function = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Case:
    name: str
    options: dict[str, Any] = field(default_factory=dict)

    def build(self) -> MemorabilityLoss:
        return build_loss(self.name, **self.options)

    def __str__(self) -> str:
        return "-".join([self.name, *(str(value) for value in self.options.values())])


CASES = [
    Case("mse"),
    Case("l1"),
    Case("sodeep", {"sorter": "exact"}),
    Case("sodeep"),
    Case("sodeep", {"sorter": "comparison", "l1_weight": 0.0}),
    Case("soft_rank", {"strength": 0.5}),
    Case("soft_rank", {"strength": 0.05, "l1_weight": 0.2}),
    Case("pairwise"),
    Case("pairwise", {"kind": "margin", "width": 0.3}),
    Case("pairwise", {"difference_power": 1.0}),
    Case("binomial"),
    Case("binomial", {"given": "logits"}),
]


@pytest.fixture(autouse=True)
def _compile_afresh() -> None:
    torch.compiler.reset()


every_loss = pytest.mark.parametrize("case", CASES, ids=str)


def function(loss: MemorabilityLoss) -> Function:
    """The loss of predictions and targets; where it wants counts, every item has nine."""
    if loss.needs_counts:
        return lambda predictions, targets: loss(predictions, targets, counts=torch.full_like(targets, 9.0))
    return loss


def scores(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    predictions = torch.rand(*shape, generator=generator, dtype=dtype) * 0.8 + 0.1
    targets = torch.randint(0, 11, shape, generator=generator).to(dtype) / 10
    return predictions.requires_grad_(), targets


def test_every_loss_of_the_table_is_tried() -> None:
    assert {case.name for case in CASES} == set(LOSSES)


# The exact sorter's scale is a constant in the gradient: its test is in test_values.
@pytest.mark.parametrize("case", [each for each in CASES if each.options.get("sorter") != "exact"], ids=str)
def test_gradients_are_those_of_finite_differences(case: Case) -> None:
    predictions, targets = scores(3, 6, dtype=torch.float64)
    targets[0, 1:3] = torch.nan
    targets[1, 1:] = torch.nan
    loss = function(case.build().double())
    assert torch.autograd.gradcheck(lambda each: loss(each, targets), predictions)


@every_loss
def test_unlabelled_items_change_nothing(case: Case) -> None:
    predictions, targets = scores(2, 8)
    loss = function(case.build())
    keep = torch.tensor([0, 2, 3, 4, 6])
    targets[:, [1, 5, 7]] = torch.nan
    value = loss(predictions, targets)
    torch.testing.assert_close(value, loss(predictions[:, keep], targets[:, keep]))
    (gradient,) = torch.autograd.grad(value, predictions)
    assert (gradient[:, [1, 5, 7]] == 0).all()
    assert gradient.isfinite().all()
    assert (gradient[:, keep] != 0).any()


@every_loss
def test_a_mask_is_as_good_as_nan(case: Case) -> None:
    predictions, targets = scores(2, 8)
    loss = case.build()
    more = {"counts": torch.full_like(targets, 9.0)} if loss.needs_counts else {}
    mask = torch.tensor([True, False, True, True, True, False, True, True]).expand(2, 8)
    expected = loss(predictions, targets.masked_fill(~mask, torch.nan), **more)
    assert torch.equal(loss(predictions, targets, mask, **more), expected)
    assert not torch.equal(loss(predictions, targets, **more), expected)


@every_loss
def test_one_sequence_needs_no_axis_and_the_order_of_items_is_free(case: Case) -> None:
    predictions, targets = scores(1, 12)
    loss = function(case.build())
    value = loss(predictions, targets)
    assert value.shape == ()
    assert torch.equal(loss(predictions[0], targets[0]), value)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(predictions[:, order], targets[:, order]), value)


@every_loss
def test_sequences_are_ranked_apart(case: Case) -> None:
    """Equally many labels and pairs in each row: the loss is then the mean of the rows' losses."""
    predictions, targets = scores(3, 9)
    targets = torch.stack([targets[0], targets[0].flip(0), targets[0].roll(2)])
    loss = function(case.build())
    rows = torch.stack([loss(*row) for row in zip(predictions, targets, strict=True)])
    torch.testing.assert_close(loss(predictions, targets), rows.mean())


@every_loss
@pytest.mark.parametrize("items", [0, 1, 2, 3])
def test_short_sequences_have_a_loss(case: Case, items: int) -> None:
    predictions, targets = scores(items)
    value = function(case.build())(predictions, targets)
    (gradient,) = torch.autograd.grad(value, predictions)
    assert value.isfinite()
    assert gradient.isfinite().all()
    if items == 1 and case.name in {"sodeep", "soft_rank", "pairwise"}:
        absolute = (predictions - targets).abs().mean() * case.build().l1_weight
        torch.testing.assert_close(value, absolute)  # one item has no order


@every_loss
def test_nothing_labelled_is_no_loss(case: Case) -> None:
    predictions, targets = scores(2, 5)
    value = function(case.build())(predictions, torch.full_like(targets, torch.nan))
    (gradient,) = torch.autograd.grad(value, predictions)
    assert value == 0
    assert (gradient == 0).all()


@every_loss
@pytest.mark.parametrize("value", [0.0, 0.86, 1.0])
def test_equal_predictions_have_finite_gradients(case: Case, value: float) -> None:
    _, targets = scores(2, 20)
    predictions = torch.full((2, 20), value, requires_grad=True)
    result = function(case.build())(predictions, targets)
    (gradient,) = torch.autograd.grad(result, predictions)
    assert result.isfinite()
    assert gradient.isfinite().all()


@every_loss
def test_autocast_and_half_precision_change_no_arithmetic(case: Case) -> None:
    predictions, targets = scores(2, 40)
    half = predictions.detach().to(torch.bfloat16).requires_grad_()
    loss = function(case.build())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(half, targets)
    assert value.dtype == torch.float32
    exact = half.detach().float().requires_grad_()
    expected = loss(exact, targets)
    assert torch.equal(value, expected)
    (gradient,), (wanted,) = torch.autograd.grad(value, half), torch.autograd.grad(expected, exact)
    torch.testing.assert_close(gradient, wanted.to(torch.bfloat16))


@every_loss
def test_a_step_against_the_gradient_lowers_it(case: Case) -> None:
    predictions, targets = scores(2, 30)
    loss = function(case.build())
    before = loss(predictions, targets)
    (gradient,) = torch.autograd.grad(before, predictions)
    assert loss(predictions - 1e-4 * gradient / gradient.norm(), targets) < before


@every_loss
def test_it_is_traced_whole(case: Case) -> None:
    predictions, targets = scores(2, 9)
    targets[0, 3] = torch.nan
    loss = function(case.build())
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    value = compiled(predictions, targets)
    torch.testing.assert_close(value, loss(predictions, targets))
    wanted = torch.autograd.grad(loss(predictions, targets), predictions)
    torch.testing.assert_close(torch.autograd.grad(value, predictions), wanted)


@pytest.mark.slow
@every_loss
def test_it_compiles_to_code(case: Case) -> None:
    predictions, targets = scores(2, 9)
    targets[0, 3] = torch.nan
    loss = function(case.build())
    value = torch.compile(loss, fullgraph=True)(predictions, targets)
    torch.testing.assert_close(value, loss(predictions, targets))
    wanted = torch.autograd.grad(loss(predictions, targets), predictions)
    torch.testing.assert_close(torch.autograd.grad(value, predictions), wanted)


@every_loss
def test_inputs_are_left_alone(case: Case) -> None:
    predictions, targets = scores(2, 9)
    targets[0, 3] = torch.nan
    copies = predictions.detach().clone(), targets.clone()
    function(case.build())(predictions, targets).backward()
    assert torch.equal(predictions.detach(), copies[0])
    assert torch.equal(targets.nan_to_num(-1), copies[1].nan_to_num(-1))


@every_loss
def test_it_has_nothing_to_train(case: Case) -> None:
    assert [each for each in case.build().parameters() if each.requires_grad] == []


def test_a_network_under_autocast_sorts_in_single_precision() -> None:
    torch.manual_seed(0)
    loss = SpearmanLoss(build_sorter("mlp", length=6, hidden_size=8, layers=1))
    predictions, targets = scores(2, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(predictions, targets)
    assert torch.equal(loss(predictions, targets), value)


def test_wrong_shapes_are_named() -> None:
    loss = build_loss("mse")
    with pytest.raises(ValueError, match=r"targets must be \(2, 3\)"):
        loss(torch.zeros(2, 3), torch.zeros(3))
    with pytest.raises(ValueError, match="mask must be"):
        loss(torch.zeros(3), torch.zeros(3), torch.ones(2, dtype=torch.bool))
    with pytest.raises(ValueError, match="boolean"):
        loss(torch.zeros(3), torch.zeros(3), torch.ones(3))
    with pytest.raises(ValueError, match="items"):
        loss(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sodep", {}, r"no loss 'sodep' \(did you mean 'sodeep'\?\); there are mse, l1"),
        ("mse", {"margin": 1}, "unknown key 'margin'; allowed are none"),
        ("pairwise", {"widht": 1}, "did you mean 'width'"),
        ("pairwise", {"width": 0}, "width must be a number above 0, got 0"),
        ("pairwise", {"width": "wide"}, "got 'wide'"),
        ("pairwise", {"kind": "hinge"}, "one of logistic, margin"),
        ("pairwise", {"difference_power": -1}, "difference_power"),
        ("soft_rank", {"strength": float("nan")}, "strength"),
        ("soft_rank", {"l1_weight": -0.1}, "l1_weight"),
        ("sodeep", {"l1_weight": True}, "l1_weight"),
        ("sodeep", {"sorter": "lstm_large"}, "no sorter 'lstm_large'; there are exact, comparison, comparison_soft"),
        ("binomial", {"clamp": 0.5}, "clamp"),
        ("binomial", {"given": "odds"}, "scores, logits"),
        ("binomial", {"unknown_count": 0}, "unknown_count"),
    ],
)
def test_a_recipes_mistakes_are_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_loss(name, **options)


@pytest.mark.parametrize("architecture", ["gru", "cnn"])
def test_a_sorter_of_one_length_passes_too(architecture: str) -> None:
    """Not in the table above: its loss depends on the order of the items. It refuses no length."""
    torch.manual_seed(0)
    loss = SpearmanLoss(build_sorter(architecture, length=5, hidden_size=3, layers=1)).double()
    for items in (1, 2, 5, 12):
        predictions, targets = scores(2, items, dtype=torch.float64)
        targets[0, :1] = torch.nan
        assert torch.autograd.gradcheck(lambda each, targets=targets: loss(each, targets), predictions)
        if items == 1:  # one item has no order, whatever an untrained network makes of it
            torch.testing.assert_close(loss(predictions, targets), 0.1 * (predictions - targets)[1].abs().mean())
    assert [each for each in loss.parameters() if each.requires_grad] == []
    # Recurrent layers are no part of a compiled graph: they run between two.
    compiled = torch.compile(loss, fullgraph=architecture != "gru", backend="aot_eager")
    torch.testing.assert_close(compiled(predictions, targets), loss(predictions, targets))

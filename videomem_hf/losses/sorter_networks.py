"""Sorters: networks that map a sequence of scores to its ranks, so that a rank has a gradient.

Martin Engilberge et al., "SoDeep: a Sorting Deep net to learn ranking loss surrogates", CVPR 2019. Ranks are
descending, divided by the number of items. Every sorter standardises its input: the range of the scores does not
matter.

The paper's networks take sequences of one length only; the loss cuts and fills sequences to it.
"""

import math
from itertools import pairwise
from typing import ClassVar, Final

import torch
from torch import nn

from videomem_hf.losses.base import is_number
from videomem_hf.losses.ranking import comparison_ranks, nearly_equal, standardize
from videomem_hf.recipes import require

EXACT_SHARPNESS: Final = 6.8
UNIFORM_SPREAD: Final = 1 / math.sqrt(3.0)
"""Standard deviation of uniform scores on [-1, 1], the range that SoDeep's networks are trained on."""


class Sorter(nn.Module):
    """Soft ranks of sequences.

    Attributes:
        length: The only number of items that the sorter takes; None takes any.
    """

    length: int | None = None

    def forward(self, values: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Rank the items of each sequence.

        Args:
            values: `(sequences, items)` on any scale.
            mask: The same shape, boolean, False for an item to leave out. Only sorters of any length take one.

        Returns:
            `(sequences, items)`, about (0, 1], descending; 0 where `mask` is False.

        Raises:
            ValueError: A length or a mask that this sorter cannot take.
        """
        if self.length is not None and (mask is not None or values.shape[-1] != self.length):
            found = "a mask" if mask is not None else f"{values.shape[-1]}"
            raise ValueError(
                f"this sorter ranks sequences of {self.length} items, got {found}; SpearmanLoss cuts to that"
            )
        return self._ranks(values, torch.ones_like(values, dtype=torch.bool) if mask is None else mask)

    def _ranks(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class ExactSorter(Sorter):
    """SoDeep's sorter without training: sigmoids of pairwise differences, scaled by 6.8 / std, are summed.

    The standard deviation is a constant in the gradient. "Exact" in the limit: neighbours that are closer than about
    std / 6.8 share their ranks in part.
    """

    def __init__(self, sharpness: float = EXACT_SHARPNESS) -> None:
        """Choose the scale, in units of 1 / std; above 0."""
        super().__init__()
        require(is_number(sharpness, above=0), "sharpness", "a number above 0", sharpness)
        self.sharpness = sharpness

    def _ranks(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return comparison_ranks(self.sharpness * standardize(values, mask, detach_scale=True), mask)


class ComparisonSorter(Sorter):
    """Repeated comparison: soft ranks are standardised and compared again, each time with a learned sharpness.

    The first comparison spreads the items by their ranks instead of their values, so that the next one sees gaps of
    about one size, wherever the values crowd. No comparison is sharper than `max_sharpness`.
    Any length and range; equal items have equal ranks, and a higher score never has a worse rank.

    A sequence with a standard deviation below `SPREAD_FLOOR` is ranked as by `ExactSorter`, with that floor as the
    standard deviation. Each further comparison would multiply the gradient by the inverse of a spread that is nearly 0;
    of one, the gradient of a rank is at most 6.8 / 4 / `SPREAD_FLOOR`, about 17,000 divided by the number of items for
    each pair.
    """

    def __init__(self, stages: int = 3, max_sharpness: float = 20.0) -> None:
        """Make an untrained sorter: each comparison starts as sharp as SoDeep's exact one.

        Args:
            stages: Comparisons one after the other, at least 1.
            max_sharpness: Of one comparison, in units of 1 / std; above 6.8.
        """
        super().__init__()
        _require_counts(stages=stages)
        require(is_number(max_sharpness, above=EXACT_SHARPNESS), "max_sharpness", "a number above 6.8", max_sharpness)
        self.max_sharpness = max_sharpness
        start = EXACT_SHARPNESS / max_sharpness
        self.sharpness_logits = nn.Parameter(torch.full((stages,), math.log(start / (1 - start))))

    def _ranks(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores = standardize(values, mask)
        first, *further = self.max_sharpness * self.sharpness_logits.sigmoid()
        ranks = comparison_ranks(first * scores, mask)
        for sharpness in further:
            ranks = comparison_ranks(sharpness * standardize(-ranks, mask), mask)
        return torch.where(nearly_equal(scores, mask), comparison_ranks(EXACT_SHARPNESS * scores, mask), ranks)


class FixedLengthSorter(Sorter):
    """A network that sees the sequence as a vector of `length` numbers, in about [-1, 1]."""

    def __init__(self, length: int, **sizes: int) -> None:
        super().__init__()
        _require_counts(2, length=length)
        _require_counts(**sizes)
        self.length = length

    def _ranks(self, values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self._network(UNIFORM_SPREAD * standardize(values, mask))

    def _network(self, values: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


class RecurrentSorter(FixedLengthSorter):
    """SoDeep's recurrent sorters: the sequence is read both ways, then one convolution mixes all positions.

    The convolution takes positions as channels and spans all hidden features: `length * length * 2 * hidden_size`
    weights, 10 of the 18.65 million of `lstm_large` at length 100.
    """

    cell: ClassVar[type[nn.LSTM] | type[nn.GRU]]

    def __init__(self, length: int = 100, hidden_size: int = 128, layers: int = 2) -> None:
        """Make an untrained sorter of `length` items, with `hidden_size` features each way in each of the `layers`."""
        super().__init__(length, hidden_size=hidden_size, layers=layers)
        self.recurrent = self.cell(1, hidden_size, layers, batch_first=True, bidirectional=True)
        self.mix = nn.Conv1d(length, length, kernel_size=2 * hidden_size)

    def _network(self, values: torch.Tensor) -> torch.Tensor:
        features, _ = self.recurrent(values[..., None])  # (sequences, items, 2 * hidden)
        return self.mix(features)[..., 0]


class LSTMSorter(RecurrentSorter):
    cell = nn.LSTM


class LargeLSTMSorter(LSTMSorter):
    """SoDeep's best sorter: bidirectional LSTM, hidden size 512; 18.65 million parameters at length 100."""

    def __init__(self, length: int = 100, hidden_size: int = 512, layers: int = 2) -> None:
        super().__init__(length, hidden_size, layers)


class GRUSorter(RecurrentSorter):
    cell = nn.GRU


class MLPSorter(FixedLengthSorter):
    """A perceptron from all scores to all ranks."""

    def __init__(self, length: int = 100, hidden_size: int = 512, layers: int = 3) -> None:
        """Make an untrained sorter with `layers` hidden layers of `hidden_size`; the sizes are ours."""
        super().__init__(length, hidden_size=hidden_size, layers=layers)
        sizes = [length, *[hidden_size] * layers]
        hidden = [nn.Sequential(nn.Linear(n, m), nn.ReLU()) for n, m in pairwise(sizes)]
        self.layers = nn.Sequential(*hidden, nn.Linear(hidden_size, length))

    def _network(self, values: torch.Tensor) -> torch.Tensor:
        return self.layers(values)


class CNNSorter(FixedLengthSorter):
    """Convolutions along the sequence, their reach doubling from layer to layer, then one that mixes all positions."""

    def __init__(self, length: int = 100, hidden_size: int = 32, layers: int = 6) -> None:
        """Make an untrained sorter with `layers` convolutions of `hidden_size` channels; the sizes are ours."""
        super().__init__(length, hidden_size=hidden_size, layers=layers)
        convolutions = (
            nn.Sequential(nn.Conv1d(n, m, kernel_size=5, padding=2 * 2**i, dilation=2**i), nn.ReLU())
            for i, (n, m) in enumerate(pairwise([1, *[hidden_size] * layers]))
        )
        self.layers = nn.Sequential(*convolutions)
        self.mix = nn.Conv1d(length, length, kernel_size=hidden_size)

    def _network(self, values: torch.Tensor) -> torch.Tensor:
        return self.mix(self.layers(values[:, None]).transpose(1, 2))[..., 0]


ARCHITECTURES: Final[dict[str, type[Sorter]]] = {
    "exact": ExactSorter,
    "comparison": ComparisonSorter,
    "lstm": LSTMSorter,
    "lstm_large": LargeLSTMSorter,
    "gru": GRUSorter,
    "mlp": MLPSorter,
    "cnn": CNNSorter,
}


def _require_counts(least: int = 1, **counts: object) -> None:
    for name, value in counts.items():
        allowed = f"a whole number of at least {least}"
        require(isinstance(value, int) and is_number(value, least=least), name, allowed, value)

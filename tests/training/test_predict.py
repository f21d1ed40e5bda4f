"""Predictions of all processes come together as exactly the split, in its order."""

import numpy as np
import pytest

from videomem_hf.training.predict import in_order


def test_predictions_return_to_the_order_of_the_split() -> None:
    scored = [(2, [0.2]), (0, [0.0]), (1, [0.1])]
    np.testing.assert_array_equal(in_order(scored, 3), [[0.0], [0.1], [0.2]])


@pytest.mark.parametrize("indices", [[0, 1], [0, 1, 1], [0, 1, 2, 2], [0, 1, 3], []])
def test_what_is_not_exactly_the_split_is_refused(indices: list[int]) -> None:
    with pytest.raises(RuntimeError, match="for 3 clips"):
        in_order([(index, [0.5]) for index in indices], 3)

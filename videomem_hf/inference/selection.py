"""Which frames of a clip are kept to be looked at, while its length is not known yet."""

from typing import Generic, TypeVar

import numpy as np

Item = TypeVar("Item")


class EvenSelection(Generic[Item]):
    """Keeps at most `8 * wanted` items of a stream of unknown length, always evenly spread."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.stride = 1
        self.seen = 0
        self.kept: list[Item] = []

    def offer(self, item: Item) -> None:
        """Take the next item of the stream, or not."""
        if self.wanted and self.seen % self.stride == 0:
            self.kept.append(item)
            if len(self.kept) > 8 * self.wanted:
                self.kept = self.kept[::2]
                self.stride *= 2
        self.seen += 1

    def choose(self) -> list[Item]:
        """Give as many as are wanted, or all there are, from the first to the last."""
        if len(self.kept) <= self.wanted:
            return self.kept
        indices = np.linspace(0, len(self.kept) - 1, self.wanted).round().astype(int)
        return [self.kept[i] for i in indices]

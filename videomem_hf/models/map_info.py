"""Where in a frame the cells of a network's maps lie; without PyTorch, as exported networks have maps too."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MapInfo:
    """The maps in which a network sees frames, as timm's `feature_info` says it of its networks.

    Attributes:
        channels: Of the maps that `frame_backbone` gives.
        stride: Input pixels from one cell to the next, in height and width; None: the cells divide the frame evenly.
        window: Input pixels that the first cell looks at, counted without padding: 1 where every strided layer is
            padded by half its kernel, as in a ResNet; `stride` for patches side by side.
    """

    channels: int
    stride: int | None = None
    window: int = 1

    def cells(self, side: int) -> tuple[float, float]:
        """Where the first cell begins and the last one ends, in pixels of an input side of so many pixels.

        A strided convolution that is padded on all sides looks from pixels 0, s, 2 s, ... on: its first cell is centred
        on the edge of the frame, and the last stops short of the other edge.
        """
        if self.stride is None:
            return 0.0, float(side)
        first = (self.window - self.stride) / 2
        return first, first + self.stride * ((side - self.window) // self.stride + 1)

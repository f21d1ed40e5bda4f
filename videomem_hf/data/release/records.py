"""What is known of one video, whichever data set and form it comes from."""

from dataclasses import dataclass
from typing import Any, Literal

from videomem_hf.schema import HORIZONS, Horizon

Part = Literal["dev", "train", "validation", "test"]
"""Where the data set itself puts a video; `dev` is yet to be divided into train and validation."""


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """What the release says of one video.

    Attributes:
        video_id: Such as `video10`.
        part: `dev`, or the split in which the release itself has it.
        title: Words joined by hyphens; None where the copy has none.
        short_term, long_term: Scores in [0, 1]; None where the copy has none (the test set's were never released).
        short_term_annotations, long_term_annotations: Annotation count of each score.
    """

    video_id: str
    part: Part
    title: str | None = None
    short_term: float | None = None
    long_term: float | None = None
    short_term_annotations: int | None = None
    long_term_annotations: int | None = None

    @property
    def horizons(self) -> tuple[Horizon, ...]:
        """The horizons that it can have scores of."""
        return HORIZONS

    def value(self, column: str) -> Any:
        """Return what it says of a column of the data set."""
        return getattr(self, column)

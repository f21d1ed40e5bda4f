"""What lies between two times of a clip."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """What lies between two times of a clip, in seconds from its first frame."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s

"""Which videos are for training, which for validation and which for testing: a pure function of ids and a seed."""

import hashlib
from collections.abc import Iterable
from typing import Final

from .names import video_number
from .release import VideoRecord

PAPER_TRAIN: Final = 6500
PAPER_DEV: Final = 8000
"""The paper trains on 6,500 of the 8,000 labelled videos and validates on 1,500 (Sec. 5); it does not say which."""


def seeded_order(ids: Iterable[str], seed: int) -> list[str]:
    """Shuffle ids by a hash of seed and id: the same on every machine and version, whatever order they came in."""
    return sorted(ids, key=lambda video_id: hashlib.sha256(f"{seed}:{video_id}".encode()).digest())


def train_size(labelled: int) -> int:
    """Number of training videos among `labelled`, in the paper's proportion."""
    return round(labelled * PAPER_TRAIN / PAPER_DEV)


def split_records(records: Iterable[VideoRecord], *, seed: int = 0) -> dict[str, list[VideoRecord]]:
    """Split a release: its dev set into train and validation in the paper's proportion, its test set as it is.

    Each split is in numeric order of ids; a split without videos is left out.
    """
    by_id = {record.video_id: record for record in records}
    order = seeded_order((video_id for video_id, record in by_id.items() if record.part == "dev"), seed)
    train = train_size(len(order))
    splits = {
        "train": order[:train],
        "validation": order[train:],
        "test": [video_id for video_id, record in by_id.items() if record.part == "test"],
    }
    return {
        name: [by_id[video_id] for video_id in sorted(ids, key=video_number)] for name, ids in splits.items() if ids
    }

"""Former names of configuration fields, which files written before still carry."""

FORMER_NAMES = {"clip_length": "segment_length", "max_clips": "max_segments"}

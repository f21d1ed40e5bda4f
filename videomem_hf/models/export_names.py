"""What an exported model consists of, by name; without PyTorch, as engines read it too."""

from typing import Final

MODEL_PART: Final = "model"
"""The network, which has all outputs."""
CLIP_PART: Final = "clip"
"""What continues from the features of a whole clip, of a model that needs them together."""
PIXELS: Final = "pixel_values_videos"
FEATURES: Final = "features"
SCORES: Final = "scores"
FRAME_SCORES: Final = "frame_scores"
ATTENTIONS: Final = "attentions"
TEMPORAL_WEIGHTS: Final = "temporal_weights"
INTERVALS: Final = "intervals"
OUTPUTS: Final[dict[str, tuple[str | int, ...]]] = {
    SCORES: ("batch", "horizons"),
    FRAME_SCORES: ("batch", "frames", "horizons"),
    ATTENTIONS: ("batch", "frames", "map_height", "map_width"),
    TEMPORAL_WEIGHTS: ("batch", "frames"),
    INTERVALS: ("batch", "horizons", 2),
    "explained": ("batch", "processes"),
    FEATURES: ("batch", "frames", "size"),
}
"""What a part may give, with its axes."""

"""From any source to the frames of a clip at their times, and caches of them."""

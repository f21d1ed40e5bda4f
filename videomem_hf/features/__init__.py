"""Features of a user's own video, computed as the VideoMem release defines them."""

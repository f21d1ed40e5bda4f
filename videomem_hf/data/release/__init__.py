"""Reading a copy of the VideoMem release: inventory, ground truth, titles, splits."""

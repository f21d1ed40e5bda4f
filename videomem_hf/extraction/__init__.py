"""Feature files of many clips: parallel over clips, resumable, written whole or not at all."""

from videomem_hf.extraction.run import Report, extract_clips

__all__ = ["Report", "extract_clips"]

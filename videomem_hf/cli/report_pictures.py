"""Small pictures of clips for a report."""

from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Any, Final

from videomem_hf.video.sources import StillImage, StoredVideo
from videomem_hf.video.video import VideoError, sample_frames

SIDE_PX: Final = 160
SECOND: Final = 1
"""Second that is shown: a clip's first frame is often black."""
FOLDER: Final = "thumbnails"


def write_thumbnails(data: str, options: dict[str, Any] | None, ids: Collection[str], folder: Path) -> dict[str, str]:
    """Write a JPEG of each clip of some ids whose video the data have.

    Returns:
        Id to the picture's path within `folder`; nothing where the data have no videos. A clip that cannot be decoded
        has none.
    """
    from PIL import Image

    from videomem_hf.multiview.views import load_sources

    written = {}
    for video_id, source in zip(*load_sources(data, options), strict=True):
        if video_id not in ids or source is None:
            continue
        given = (
            source.path
            if isinstance(source, StillImage)
            else source.read()
            if isinstance(source, StoredVideo)
            else source
        )
        try:
            image = Image.fromarray(list(islice(sample_frames(given, notes=[]), SECOND + 1))[-1].image)
        except VideoError:
            continue
        image.thumbnail((SIDE_PX, SIDE_PX))
        written[video_id] = f"{FOLDER}/{video_id}.jpg"
        (folder / FOLDER).mkdir(exist_ok=True)
        image.save(folder / written[video_id], quality=85)
    return written

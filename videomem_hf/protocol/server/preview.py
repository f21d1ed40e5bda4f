"""The preview of a design: the game in two minutes, with the role of each showing, which participants never see."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import Connection, select

from videomem_hf.protocol.design import Controls, Practice, Presentation, StudyDesign
from videomem_hf.protocol.server.database import participants, showings
from videomem_hf.protocol.server.settings import StudySettings
from videomem_hf.protocol.server.study import Study, create_study
from videomem_hf.protocol.server.tokens import hash_secret

ROLE_HEADER: Final = "x-preview"
_SECONDS: Final = 110.0
"""Of all showings together; the pages between them take the rest of two minutes."""
_GAP: Final = 0.2
_EXAMPLES: Final = 2
_SIZE: Final = (160, 120)
_FRAMES: Final = 8
_CONSENT: Final = (
    "A preview of the game. The label below each clip says its role and what is right; participants do not see it."
)


def preview_design(design: StudyDesign) -> StudyDesign:
    """The design without practice, and with showings so short that both steps take two minutes.

    Nobody fails, and step 2 opens at once.
    """
    seconds = min(_SECONDS / (design.step1.showings + design.step2.showings), design.presentation.window_s)
    return replace(
        design,
        presentation=Presentation(window_s=(1 - _GAP) * seconds, gap_s=_GAP * seconds, key=design.presentation.key),
        controls=Controls(0.0, 1.0, 1.0, 0.0, step2_recognition_above_false_alarms=False, missing_max=1.0),
        step2=replace(design.step2, delay_min_h=0.0),
        practice=Practice(0, 0),
    )


def preview_study(
    folder: Path, design: StudyDesign, clips: list[Path] | None, progress: Callable[[int], object] | None = None
) -> Study:
    """Make the study of a preview in a new folder; without clips, with numbered ones that are generated.

    `progress` is called with the number of clips made since the last call.
    """
    files, examples = clips, None
    if files is None:
        made = write_numbered_clips(folder.with_name("clips"), design.videos_needed + _EXAMPLES, progress)
        files, examples = made[_EXAMPLES:], made[:_EXAMPLES]
    settings = StudySettings(title="Preview", consent=_CONSENT, pause_max_min=60.0, interruptions_max=1000)
    short = preview_design(design)
    return create_study(folder, files, design=short, settings=settings, examples=examples or [], link=True)[0]


def write_numbered_clips(folder: Path, count: int, progress: Callable[[int], object] | None = None) -> list[Path]:
    """Write small WebM clips: a number on a ground of its own colour, with a bar that moves."""
    import av
    from PIL import Image, ImageDraw, ImageFont

    folder.mkdir(parents=True)
    width, height = _SIZE
    files = []
    for number in range(1, count + 1):
        picture = Image.new("HSV", _SIZE, (number * 97 % 256, 110, 190)).convert("RGB")
        font = ImageFont.load_default(size=56)
        ImageDraw.Draw(picture).text((width / 2, height / 2), str(number), (20, 20, 20), font, anchor="mm")
        path = folder / f"{number:03d}.webm"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libvpx", rate=_FRAMES)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for frame in range(_FRAMES):
                pixels = np.array(picture)
                pixels[-8:, : width * (frame + 1) // _FRAMES] = 255
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))
        files.append(path)
        if progress is not None:
            progress(1)
    return files


def describe_showing(connection: Connection, token: str, step: int, position: int) -> str:
    """The role of a showing and what is right, such as "target, second showing: press"."""
    query = (
        select(showings.c.role, showings.c.repeat)
        .join(participants, participants.c.id == showings.c.participant_id)
        .where(
            participants.c.token_hash == hash_secret(token), showings.c.step == step, showings.c.position == position
        )
    )
    row = connection.execute(query).one()
    if step == 2:
        return "target, seen in step 1: press" if row.repeat else "filler, new: do not press"
    return f"{row.role}, second showing: press" if row.repeat else f"{row.role}, first showing: do not press"

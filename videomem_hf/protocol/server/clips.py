"""The clips of a study: which files browsers can play, and padding that hides which clip is sent."""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from videomem_hf.schema import VIDEO_SUFFIXES, InputError, is_system_file
from videomem_hf.system import quantity

MEDIA_TYPES: Final = {".webm": "video/webm", ".mp4": "video/mp4", ".m4v": "video/mp4"}
_CODECS: Final = {"vp8", "vp9", "av1", "h264"}
_SAME_S: Final = 0.25
"""Difference between clip and window that nobody notices."""
_MARK: Final = b"padding of the study server"


def find_clips(paths: list[Path]) -> list[Path]:
    """The clips in files and folders, in the order given, folders sorted.

    Raises InputError if a path does not exist, a folder holds no video, or two clips have the same name.
    """
    clips: list[Path] = []
    for path in paths:
        if path.is_dir():
            files = (file for file in path.rglob("*") if file.is_file() and not is_system_file(file))
            inside = sorted(file for file in files if file.suffix.lower() in VIDEO_SUFFIXES)
            if not inside:
                raise InputError(f"{path}: no video in this folder.")
            clips += inside
        elif path.is_file():
            clips.append(path)
        else:
            raise InputError(f"{path}: no such file or folder.")
    first: dict[str, Path] = {}
    for clip in clips:
        other = first.setdefault(clip.stem.casefold(), clip)
        if other is not clip:
            raise InputError(f"{other} and {clip}: two clips named {clip.stem}; rename one.")
    return clips


def check_clip(path: Path) -> float:
    """The clip's length in seconds, NaN where its file does not state it.

    Raises InputError for a container or codec that browsers do not play, or a file that holds no video.
    """
    import av

    remedy = f"convert it, for example: ffmpeg -i {path.name} -an -c:v libvpx-vp9 {path.stem}.webm"
    if path.suffix.lower() not in MEDIA_TYPES:
        raise InputError(f"{path}: browsers play {', '.join(MEDIA_TYPES)}; {remedy}")
    try:
        with av.open(str(path)) as container:
            codecs = [stream.codec_context.codec.canonical_name for stream in container.streams.video]
            seconds = container.duration / av.time_base if container.duration else float("nan")
            decodes = bool(codecs) and next(container.decode(video=0), None) is not None
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: not a video ({error}); leave it out or convert it.") from None
    names = [name.removeprefix("lib").removesuffix("-vp9").replace("dav1d", "av1") for name in codecs]
    if not decodes:
        raise InputError(f"{path}: holds no video frame; leave it out.")
    if names[0] not in _CODECS and names[0] != "vpx":
        raise InputError(f"{path}: codec {codecs[0]}; browsers play {', '.join(sorted(_CODECS))}; {remedy}")
    return seconds


def find_copies(clips: Sequence[Path]) -> str | None:
    """What follows where clips have the same content under different names; None where none have."""
    sizes = Counter(clip.stat().st_size for clip in clips)
    same: dict[bytes, list[Path]] = defaultdict(list)
    for clip in clips:
        if sizes[clip.stat().st_size] > 1:
            with clip.open("rb") as file:
                same[hashlib.file_digest(file, "sha256").digest()].append(clip)
    copied = [group for group in same.values() if len(group) > 1]
    if not copied:
        return None
    count = sum(len(group) - 1 for group in copied)
    (first, second, *_), *_ = copied
    return (
        f"{quantity(count, 'clip')} of {len(clips)} {'is a copy' if count == 1 else 'are copies'} of another, such as "
        f"{second.name} of {first.name}: who has seen one recognises the other. Leave copies out."
    )


def compare_lengths(seconds: list[float], window_s: float) -> str | None:
    """What follows for the participants where clips and response window differ in length; None where they do not."""
    known = sorted(length for length in seconds if length == length)  # without NaN
    if not known:
        return None
    span = f"{known[0]:.1f} s" if known[-1] - known[0] < 0.1 else f"{known[0]:.1f} to {known[-1]:.1f} s"
    short = sum(length < window_s - _SAME_S for length in known)
    long = sum(length > window_s + _SAME_S for length in known)
    if not short and not long:
        return None
    text = f"The clips last {span}, the response window {window_s:g} s:"
    if short:
        text += f" the last frame of {quantity(short, 'shorter clip')} stands until the window ends;"
    if long:
        text += f" the end of {quantity(long, 'longer clip')} is cut off;"
    return f"{text} set presentation.window_s in design.yaml before the first participant if that is not wanted."


def pad_clip(content: bytes, suffix: str) -> bytes:
    """Append padding of random length, so that two showings of one clip differ in size.

    Players skip it: a `free` box in MP4 (ISO 14496-12), a Void element in WebM (RFC 8794).
    """
    size = len(_MARK) + random.SystemRandom().randrange(max(4096, len(content) // 16))
    payload = _MARK.ljust(size, b"\0")
    if suffix.lower() == ".webm":
        return content + b"\xec" + (size | 1 << 56).to_bytes(8, "big") + payload
    return content + (size + 8).to_bytes(4, "big") + b"free" + payload

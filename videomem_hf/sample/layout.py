"""The path of each file of the release, and the exact bytes of its text files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from videomem_hf.data.feature_files.folders import KNOWN
from videomem_hf.data.release.ground_truth import COLUMNS
from videomem_hf.sample.annotations import Annotations

FEATURES: Final = tuple(KNOWN)
_FOLDERS: Final[dict[str, str]] = {
    "c3d": "C3D", "hmp": "HMP", "lbp": "LBP", "hog": "HOG", "inceptionv3": "InceptionV3",
    "colorhistogram": "ColorHistogram", "orb": "ORB",
}  # fmt: skip
_AESTHETICS: Final = {
    "dev": "aesthetic_visual_features/aesthetic_feat_dev-set_{}",
    "test": "Aesthetics/aesthetics_{}",
}
_SETS: Final = {"dev": Path("devset/dev-set"), "test": Path("testset/me19me-testset/test-set")}

GROUND_TRUTH: Final = _SETS["dev"] / "ground-truth/ground-truth_dev-set.csv"
CAPTIONS: Final = {
    "dev": _SETS["dev"] / "dev-set_video-captions.txt",
    "test": _SETS["test"] / "test-set_videos-captions.txt",
}
TEST_LIST: Final = Path("testset/test-set_list.txt")


def video_path(part: str, video_id: int) -> Path:
    """A video's path in the release; `part` is "dev" or "test"."""
    return _SETS[part] / f"sources/video{video_id}.webm"


def feature_paths(part: str, feature: str, video_id: int) -> list[Path]:
    """The files of one feature of one video: one, one per frame, or a mean and a median."""
    folder = _SETS[part] / "features"
    if feature == "aesthetics":
        return [folder / _AESTHETICS[part].format(kind) / f"video{video_id}.txt" for kind in ("mean", "median")]
    folder /= _FOLDERS[feature]
    if not KNOWN[feature].frames:
        return [folder / f"video{video_id}.txt"]
    suffix = "p" if feature == "orb" else "txt"
    return [folder / f"video{video_id}-{number}.{suffix}" for number in KNOWN[feature].frames]


def ground_truth(annotations: Mapping[int, Annotations]) -> bytes:
    """The score table: byte-order mark, CRLF, three decimals, names in lexicographic order, no newline at the end."""
    lines = [",".join(COLUMNS["2018"])]
    for video_id in sorted(annotations, key=str):
        row = annotations[video_id]
        lines.append(
            f"video{video_id}.webm,{row.short_term:.3f},{row.short_term_count},{row.long_term:.3f},{row.long_term_count}"
        )
    return "\r\n".join(lines).encode("utf-8-sig")


def captions(titles: Mapping[int, str]) -> bytes:
    """The titles: name, tab, title; CRLF, numbers increasing, no newline at the end."""
    return "\r\n".join(f"video{video_id}.webm\t{titles[video_id]}" for video_id in sorted(titles)).encode("ascii")


def test_list(video_ids: Iterable[int]) -> bytes:
    """The names of the test videos, which end in .txt in the release; CRLF, no newline at the end."""
    return "\r\n".join(f"video{video_id}.txt" for video_id in sorted(video_ids)).encode("ascii")

"""The base of the caches, with entries that are made here."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from videomem_hf.multiview.frame_views import VectorCache
from videomem_hf.schema import InputError
from videomem_hf.video.clip_cache import ClipCache, FailedClipsError
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.map_cache import MapCache
from videomem_hf.video.sources import Source
from videomem_hf.video.video import VideoError


class SizeCache(ClipCache):
    """The number of bytes of each file; empty files are refused."""

    holds = "sizes"

    def __init__(self, folder: Path, unit: str = "bytes") -> None:
        super().__init__(folder, {"unit": unit})
        self.made = 0

    def pieces(self, source: Source) -> Iterator[np.ndarray]:
        """One number."""
        self.made += 1
        size = Path(str(source)).stat().st_size
        if size == 13:
            raise RuntimeError("decoder fault")
        if size == 0:
            raise VideoError(f"{source}: is empty")
        yield np.array([[size]])


def _files(folder: Path, *sizes: int) -> list[Path]:
    paths = [folder / f"{i}.webm" for i in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(bytes(size))
    return paths


def test_a_subclass_only_says_what_its_entries_are(tmp_path: Path) -> None:
    paths = _files(tmp_path, 3, 5, 3)
    cache = SizeCache(tmp_path / "cache")
    cache.fill([*paths, paths[0]], workers=1, progress=False)
    assert [cache.load(path).item() for path in paths] == [3, 5, 3]
    assert cache.made == 2  # the third has the first one's content
    assert cache.entry(paths[0]) == cache.entry(paths[2])
    assert paths[0] in SizeCache(tmp_path / "cache")
    assert paths[0] not in SizeCache(tmp_path / "cache", unit="kilobytes")


def test_all_bad_clips_are_listed_and_the_others_kept(tmp_path: Path) -> None:
    paths = _files(tmp_path, 0, 4, 2)
    (tmp_path / "bad.webm").write_bytes(b"")
    cache = SizeCache(tmp_path / "cache")
    with pytest.raises(InputError) as caught:
        cache.fill([*paths, tmp_path / "bad.webm"], progress=False)
    assert "2 of 4 clips" in str(caught.value)
    assert all(f"{name}.webm: is empty" in str(caught.value) for name in ("0", "bad"))
    assert [path in cache for path in paths] == [False, True, True]
    with pytest.raises(KeyError, match=r"0.webm is not in the cache of sizes"):
        cache.load(paths[0])


def test_every_bad_clip_is_listed_whatever_it_raises(tmp_path: Path) -> None:
    paths = [*_files(tmp_path, *[0] * 12, 13, 7), tmp_path / "gone.webm"]
    cache = SizeCache(tmp_path / "cache")
    with pytest.raises(FailedClipsError, match="14 of 15 clips failed") as caught:
        cache.fill(paths, progress=False)
    lines = str(caught.value).splitlines()[1:]
    expected = [f"{path}: is empty" for path in paths[:12]]
    expected += [
        f"{paths[12]}: RuntimeError: decoder fault",
        f"{paths[14]}: cannot be opened (no such file or directory)",
    ]
    assert [line.strip() for line in lines] == expected
    assert sorted(caught.value.failures.values()) == sorted(expected)
    assert [path in cache for path in paths] == [False] * 13 + [True, False]


def test_the_caches_of_the_package_are_siblings() -> None:
    """None takes another's entries for its own, or its messages: each is called by what it holds."""
    kinds = (FrameCache, MapCache, VectorCache)
    assert {kind.__bases__ for kind in kinds} == {(ClipCache,)}
    assert [kind.holds for kind in kinds] == ["frames", "frame_maps", "vectors"]

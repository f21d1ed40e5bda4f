"""The folder of feature files: ids, what counts as done, whole files, the list that makes it load by itself."""

import os
from pathlib import Path

import pytest

from videomem_hf.extraction import outputs
from videomem_hf.extraction.outputs import Entry, FeatureFolder, write_whole
from videomem_hf.features.catalogue import feature_spec
from videomem_hf.schema import InputError

HMP, LBP = feature_spec("hmp"), feature_spec("lbp")


def clip(folder: Path, name: str, content: str = "x") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(content)
    return path


def test_ids_by_name_and_by_number(tmp_path: Path) -> None:
    clips = [clip(tmp_path, name) for name in ("video12.webm", "holiday.mp4", "7.mp4", "Video3.MP4", "videos.mp4")]
    assigned = FeatureFolder(tmp_path / "out").assign(clips)
    assert {path.name: video_id for video_id, path in assigned.items()} == {
        "video12.webm": "video12", "Video3.MP4": "video3", "holiday.mp4": "video13", "7.mp4": "video14",
        "videos.mp4": "video15",
    }  # fmt: skip


def test_ids_last_from_run_to_run(tmp_path: Path) -> None:
    first, second = clip(tmp_path, "b.mp4"), clip(tmp_path, "c.mp4")
    FeatureFolder(tmp_path / "out").assign([first, second])
    third = clip(tmp_path, "a,\n'ä.mp4")
    assigned = FeatureFolder(tmp_path / "out").assign([third, first, second])
    assert assigned == {"video1": first, "video2": second, "video3": third}
    assert FeatureFolder(tmp_path / "out").assign([third]) == {"video3": third}


def test_numbers_of_files_without_a_table_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "out/LBP").mkdir(parents=True)
    (tmp_path / "out/LBP/video40-0.txt").write_text("released")
    assert list(FeatureFolder(tmp_path / "out").assign([clip(tmp_path, "a.mp4")])) == ["video41"]


def test_two_clips_of_one_id_are_refused(tmp_path: Path) -> None:
    one, two = clip(tmp_path / "a", "video1.mp4"), clip(tmp_path / "b", "video1.webm", "other")
    with pytest.raises(InputError, match="both video1"):
        FeatureFolder(tmp_path / "out").assign([one, two])
    FeatureFolder(tmp_path / "out").assign([one])
    with pytest.raises(InputError, match="video1 stands for"):
        FeatureFolder(tmp_path / "out").assign([two])
    one.rename(tmp_path / "video1.mp4")  # a clip may be moved
    assert FeatureFolder(tmp_path / "out").assign([tmp_path / "video1.mp4"])


def test_done_means_all_files_and_the_same_clip(tmp_path: Path) -> None:
    path = clip(tmp_path, "video1.mp4")
    folder = FeatureFolder(tmp_path / "out")
    folder.assign([path])
    folder.write(LBP, "video1", [b"a", b"b", b"c"])
    assert folder.is_done(LBP, "video1", path)
    assert not folder.is_done(HMP, "video1", path)
    (tmp_path / "out/LBP/video1-56.txt").unlink()
    assert not folder.is_done(LBP, "video1", path)
    folder.write(LBP, "video1", [b"a", b"b", b"c"])
    path.write_text("another clip")
    assert not FeatureFolder(tmp_path / "out").is_done(LBP, "video1", path)
    folder.finish("video1", path)
    assert FeatureFolder(tmp_path / "out").is_done(LBP, "video1", path)


def test_files_appear_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "f/x.txt"
    write_whole(target, b"first")

    def interrupted(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(target, b"second")
    assert target.read_bytes() == b"first"
    assert os.listdir(tmp_path / "f") == ["x.txt"]  # noqa: PTH208


def test_parts_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / "HMP").mkdir()
    for name in (".video1.12-34.partial.txt", ".video1.txt.part"):  # now, and in earlier versions
        (tmp_path / "HMP" / name).write_text("cut off")
    FeatureFolder(tmp_path)
    assert not list((tmp_path / "HMP").iterdir())


def test_list_only_outside_a_release(tmp_path: Path) -> None:
    folder = FeatureFolder(tmp_path / "own")
    folder.write_list()
    assert not (tmp_path / "own" / outputs.VIDEO_LIST).exists()
    for video_id in ("video10", "video9"):
        folder.write(HMP, video_id, [b"1:1.000000\n"])
    folder.write_list()
    assert (tmp_path / "own" / outputs.VIDEO_LIST).read_bytes() == b"video9.txt\r\nvideo10.txt\r\n"
    release = tmp_path / "devset/dev-set"
    (release / "features").mkdir(parents=True)
    (release / "dev-set_video-captions.txt").write_text("video1.webm\ta-dog")
    inside = FeatureFolder(release / "features")
    inside.write(HMP, "video1", [b"1:1.000000\n"])
    inside.write_list()
    assert not (release / "features" / outputs.VIDEO_LIST).exists()


def test_a_table_of_something_else_is_one_sentence(tmp_path: Path) -> None:
    for text in ("a,b\n1,2\n", "video_id,clip,bytes,modified_ns\nvideo1,x,many,1\n", "video_id,clip\nvideo1\n"):
        (tmp_path / outputs.CLIPS_TABLE).write_text(text)
        with pytest.raises(InputError, match="is no table of clips"):
            FeatureFolder(tmp_path)


def test_what_cannot_be_a_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be a folder"):
        FeatureFolder(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "file/x.txt", b"")
    with pytest.raises(InputError, match="cannot be opened"):
        Entry.of(tmp_path / "none.mp4")

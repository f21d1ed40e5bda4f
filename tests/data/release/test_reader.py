"""Finding a release wherever it stands, in either form, and refusing contradictions and links that lead out."""

import warnings
from pathlib import Path

import pytest

from tests.data.release_trees import (
    HEADER,
    captions,
    course_ground_truth,
    mediaeval_ground_truth,
    write,
    write_course,
    write_mediaeval,
)
from videomem_hf.data.release.reader import find_video_files, open_release, read_records
from videomem_hf.data.release.records import VideoRecord
from videomem_hf.schema import InputError

DEV = list(range(1, 31))
TEST = list(range(31, 41))


def records(root: Path, **options: object) -> dict[str, VideoRecord]:
    return {record.video_id: record for record in read_records(open_release(root, **options))}  # type: ignore[arg-type]


def test_both_forms_give_the_same_records(tmp_path: Path) -> None:
    one = records(write_mediaeval(tmp_path / "a", DEV, TEST))
    other = records(write_course(tmp_path / "b", DEV, TEST))
    assert {video_id: record.part for video_id, record in one.items()} == {
        **{f"video{number}": "dev" for number in DEV},
        **{f"video{number}": "test" for number in TEST},
    }
    assert {k: v for k, v in one.items() if v.part == "dev"} == {k: v for k, v in other.items() if v.part == "dev"}
    assert list(one) == [f"video{number}" for number in DEV + TEST]


def test_files_are_found_by_what_they_are(tmp_path: Path) -> None:
    write(tmp_path / "anywhere" / "scores (1).csv", course_ground_truth(DEV))
    write(tmp_path / "else" / "deep" / "titles.txt", captions(DEV))
    write(tmp_path / "else" / "video7.webm", "clip")
    write(tmp_path / "else" / "features.d" / "video7.mp4.txt", "0.5")
    for name in (
        ".DS_Store",
        "._scores.csv",
        "Thumbs.db",
        "notes.txt",
        "ground-truth.csv~",
        "__MACOSX/ground-truth.csv",
    ):
        write(tmp_path / "anywhere" / name, b"\x00\x01rubbish")
    release = open_release(tmp_path)
    assert [path.name for path in release.tables.paths] == ["scores (1).csv", "titles.txt"]
    assert find_video_files(release) == {"video7": tmp_path / "else" / "video7.webm"}
    assert all(record.title for record in read_records(release))


def test_a_ground_truth_among_features_is_found_too(tmp_path: Path) -> None:
    for number in range(1, 200):
        write(tmp_path / "features" / "C3D" / f"video{number}.txt", "0.5")
    write(tmp_path / "features" / "C3D" / "zz.csv", course_ground_truth(DEV))
    assert len(records(tmp_path)) == len(DEV)


def test_feature_folders_are_not_listed_to_find_the_tables(tmp_path: Path) -> None:
    write_mediaeval(tmp_path, DEV, [])
    for number in range(1, 200):
        write(tmp_path / "devset/dev-set/features/Anything" / f"video{number}-0.txt", "0.5")
    (folder,) = (each for each in open_release(tmp_path).inventory.folders if each.path.name == "Anything")
    assert not folder.complete
    assert len(folder.names) < 40
    assert len(folder.listing()) == 199


@pytest.mark.parametrize("name", ["testset", "test-set", "me19me-testset", "x/test_set"])
def test_a_test_set_alone(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    write(root / "test-set_videos-captions.txt", captions(TEST))
    found = records(root)
    assert {record.part for record in found.values()} == {"test"}
    assert len(found) == len(TEST)


def test_identical_copies_are_read_once_and_rows_without_scores_are_test_videos(tmp_path: Path) -> None:
    write(tmp_path / "ground-truth.csv", course_ground_truth(DEV))
    write(tmp_path / "dev-set_ground-truth.csv", mediaeval_ground_truth(DEV))
    write(tmp_path / "captions.txt", captions(DEV))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(records(tmp_path)) == len(DEV)
    data = course_ground_truth(DEV) + b"video90.webm,,,,\n"
    write(tmp_path / "ground-truth.csv", data)
    with pytest.warns(UserWarning, match=r"ground-truth.csv:32: 1 of 31 rows have no score"):
        assert records(tmp_path)["video90"].part == "test"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"b.csv": course_ground_truth(DEV).replace(b",30,", b",31,")},
            r"b.csv:\d+: video\d+ has other values than in .*a.csv:",
        ),
        (
            {"test-set_list.txt": b"video5.txt\nvideo99.txt"},
            r"test-set_list.txt:1: video5 belongs to the test set here",
        ),
        (
            {"c.txt": captions(DEV), "d.txt": captions(DEV).replace(b"scene-e", b"scene-other")},
            r"d.txt:4: another title for",
        ),
        (
            {"b.csv": f"{HEADER}\n{''.join(f'{n},,,,' + chr(10) for n in DEV)}".encode()},
            r"b.csv:2: video1 has other values than in .*a.csv:2",
        ),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    write(tmp_path / "a.csv", course_ground_truth(DEV))
    for name, data in files.items():
        write(tmp_path / name, data)
    with pytest.raises(InputError, match=message):
        records(tmp_path)


def test_odd_lines_are_warned_of_and_a_cut_last_one_is_refused(tmp_path: Path) -> None:
    data = mediaeval_ground_truth(DEV)
    path = write(tmp_path / "a.csv", data.replace(b"video3.webm,0.499,33,0.250,12", b"video3.webm,0.499,33,0.251,13"))
    with pytest.warns(UserWarning, match=r"a.csv:\d+: 1 long-term scores are no proportion"):
        records(tmp_path)
    last = data.rpartition(b",")
    path.write_bytes(last[0] + b"," + last[2][:1])
    with pytest.raises(InputError, match=r"a.csv:31: .* the file is cut off"):
        records(tmp_path)


def test_videos_that_only_have_a_title_are_left_out_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", course_ground_truth(DEV))
    write(tmp_path / "dev-set_video-captions.txt", captions([*DEV, 77, 78]))
    with pytest.warns(UserWarning, match=r"captions.txt:31: 2 videos have a title but no row"):
        assert len(records(tmp_path)) == len(DEV)


def test_titles_lost_to_a_spreadsheet_come_back_from_another_copy(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", course_ground_truth(DEV))
    write(tmp_path / "x-captions.txt", captions(DEV).replace(b"scene-e\r\n", b"#NAME?\r\n"))
    with pytest.warns(UserWarning, match="1 titles were replaced"):
        assert records(tmp_path)["video4"].title is None
    write(tmp_path / "y-captions.txt", captions(DEV))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert records(tmp_path)["video4"].title == "scene-e"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: None, r"does not exist; give the folder of an unpacked copy"),
        (lambda root: write(root, "x"), r"is a file; give the folder of an unpacked copy"),
        (lambda root: root.mkdir(), r"No ground truth of VideoMem 2018 under"),
        (lambda root: write(root / "devset.zip", "x"), r"Unpack .*devset.zip first"),
        (lambda root: write(root / "dev-set_video-captions.txt", captions(DEV)), r"No ground truth of VideoMem 2018"),
    ],
)
def test_where_there_is_no_release(tmp_path: Path, make: object, message: str) -> None:
    root = tmp_path / "here"
    make(root)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        open_release(root)


def test_two_videos_of_one_id_are_refused(tmp_path: Path) -> None:
    write_course(tmp_path, DEV, [])
    write(tmp_path / "a" / "video1.webm", "x")
    write(tmp_path / "b" / "video1.mp4", "x")
    with pytest.raises(InputError, match=r"b/video1.mp4: a second file for video1, beside .*a/video1.webm"):
        find_video_files(open_release(tmp_path))


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_links_that_lead_out_are_refused_unless_allowed(tmp_path: Path, kind: str) -> None:
    write_course(tmp_path / "elsewhere", DEV, TEST)
    inside = tmp_path / "inside"
    inside.mkdir()
    target = "dev-set/dev-set_ground-truth.csv" if kind == "file" else "dev-set"
    (inside / Path(target).name).symlink_to(tmp_path / "elsewhere" / target)
    with pytest.raises(InputError, match=r"is a link that leads out of .*allow_links=True"):
        open_release(inside)
    assert len(records(inside, allow_links=True)) == len(DEV)


def test_links_inside_and_circles_are_followed_once(tmp_path: Path) -> None:
    root = write_course(tmp_path / "release", DEV, [])
    (root / "again").symlink_to(root / "dev-set")
    (root / "dev-set" / "up").symlink_to(root)
    (tmp_path / "link").symlink_to(root)
    assert len(records(tmp_path / "link")) == len(DEV)


def test_the_2022_release_has_its_own_splits_and_never_mixes(tmp_path: Path) -> None:
    header = "video_id,video_url,annotations_short_term,annotations_long_term,scores_normalized_short_term"
    header += ",scores_raw_long_term"
    for name, numbers in {"training_set/train": [1, 2], "dev_set/dev": [3], "test_set/test": [4]}.items():
        lines = [f"{number},u,30,10,0.8,0.7" if name != "test_set/test" else f"{number},u,,,," for number in numbers]
        write(tmp_path / "y2022" / f"{name}_scores.csv", "\n".join([header, *lines, ""]))
        texts = [f"{number},u,a-title-of-{number}" for number in numbers]
        write(
            tmp_path / "y2022" / f"{name}_text_descriptions.csv", "\n".join(["video_id,video_url,description", *texts])
        )
    found = records(tmp_path)
    assert {video_id: record.part for video_id, record in found.items()} == {
        "video1": "train",
        "video2": "train",
        "video3": "validation",
        "video4": "test",
    }
    assert found["video1"].short_term == 0.8
    assert [record.title for record in found.values()] == [f"a-title-of-{number}" for number in (1, 2, 3, 4)]
    write_course(tmp_path / "y2018", DEV, TEST)
    with pytest.raises(InputError, match=r"Two releases .*\(2018\) and .*\(2022\); say which with release="):
        open_release(tmp_path)
    assert [record.title for record in records(tmp_path, name="2022").values()] == [
        f"a-title-of-{number}" for number in (1, 2, 3, 4)
    ]
    assert len(records(tmp_path, name="2018")) == len(DEV + TEST)
    with pytest.raises(InputError, match=r"release is '2019'; it is one of 2018, 2022"):
        open_release(tmp_path, name="2019")


TRECVID_2021 = (
    "video_id,video_url,annotations_short_term,annotations_long_term,scores_raw_short_term,scores_raw_long_term,"
    "scores_normalized_short_term,decay_alpha"
)
EITHER = TRECVID_2021.removesuffix(",decay_alpha")


def test_tables_of_other_sets_are_not_videomems(tmp_path: Path) -> None:
    rows = "\n".join(f"{number},u,30,10,0.9,0.7,0.8,-0.001" for number in (3, 110))
    path = write(tmp_path / "a" / "training_set" / "train_scores.csv", f"{TRECVID_2021}\n{rows}\n")
    with pytest.raises(InputError, match=r'train_scores.csv is a table of TRECVid, .*load_dataset\("trecvid2021"'):
        open_release(tmp_path / "a")
    write(path, "video_id,video_url,part_1_annotations,part_1_scores,part_2_annotations,part_2_scores\n3,u,9,1,9,1\n")
    with pytest.raises(InputError, match=r'table of TRECVid, MediaEval 2020; load it with load_dataset\("trecvid2020"'):
        open_release(tmp_path / "a", name="2022")


def test_a_table_that_can_be_two_sets_is_refused_unless_its_ids_or_the_user_say_which(tmp_path: Path) -> None:
    row = "u,30,10,0.9,0.7,0.8"
    path = write(tmp_path / "train_scores.csv", f"{EITHER}\n3,{row}\n4,{row}\n")
    both = r'TRECVid, MediaEval 2021 or VideoMem, MediaEval 2022; say which with .*"trecvid2021".* release="2022"'
    with pytest.raises(InputError, match=both):
        open_release(tmp_path)
    assert records(tmp_path, name="2022")["video3"].short_term == 0.8
    write(path, f"{EITHER}\n3,{row}\n110,{row}\n")  # VideoMem has no video 110
    with pytest.raises(InputError, match="is a table of TRECVid, MediaEval 2021; load it"):
        open_release(tmp_path, name="2022")


def test_another_table_or_notes_beside_the_ground_truth_are_left_out_with_a_reason(tmp_path: Path) -> None:
    write_mediaeval(tmp_path, DEV, TEST)
    write(tmp_path / "predictions.csv", "video,short-term_memorability,confidence\nvideo1.webm,0.5,1\n")
    write(tmp_path / "ground-truth notes.txt", "We corrected nothing.\n")
    write(tmp_path / "captions readme.txt", "Titles as released, see the paper.\n")
    with pytest.warns(UserWarning, match="is not read") as caught:
        found = records(tmp_path)
    assert len(found) == len(DEV + TEST)
    texts = sorted(str(warning.message) for warning in caught)
    assert [text.removeprefix(str(tmp_path)).partition(" is not read")[0] for text in texts] == [
        "/captions readme.txt",
        "/ground-truth notes.txt",
        "/predictions.csv",
    ]
    assert all("the ground truth is" in text for text in texts[1:])


def test_what_is_missing_is_said_with_the_first_three(tmp_path: Path) -> None:
    lines = course_ground_truth(DEV).decode().splitlines()
    for line, (short, count) in {1: ("", "30"), 4: ("NA", "30"), 6: ("0.5", "")}.items():
        cells = lines[line].split(",")
        lines[line] = ",".join([cells[0], short, count, *cells[3:]])
    write(tmp_path / "gt.csv", "\n".join(lines) + "\n")
    write(tmp_path / "captions.txt", captions(DEV[4:]))
    with pytest.warns(UserWarning, match="have no") as caught:
        found = records(tmp_path)
    assert (found["video1"].short_term, found["video6"].short_term_annotations) == (None, None)
    texts = [str(warning.message).split(": ", 1)[1] for warning in caught]
    assert texts == [
        "2 of 30 videos have no short-term score (video1, video4).",
        "1 of 28 short-term scores have no annotation count (video6).",
        "4 of 30 videos have no title (video1, video2, video3, ...).",
    ]


def test_odd_counts_and_a_column_sorted_on_its_own_are_warned_of(tmp_path: Path) -> None:
    rows = [f"video{n}.webm,{0.5 + n / 100:.2f},{0 if n == 3 else 33},0.5,{2_000_000 if n == 5 else 10}" for n in DEV]
    write(tmp_path / "gt.csv", "\n".join([HEADER, *rows, ""]))
    with pytest.warns(UserWarning, match="gt.csv") as caught:
        records(tmp_path)
    texts = [str(warning.message) for warning in caught]
    assert any("gt.csv:4: 1 short-term scores of 0 annotations (video3)" in text for text in texts)
    assert any("gt.csv:6: 1 long-term scores of over 10,000 annotations (video5)" in text for text in texts)
    assert any("the short-term scores are sorted and so are the videos" in text for text in texts)
    assert not any("long-term scores are sorted" in text for text in texts)


@pytest.mark.parametrize("cut", range(1, 26))
def test_a_last_line_cut_anywhere_is_refused(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "a.csv", mediaeval_ground_truth([*DEV, 99998]))  # the last row is video99998's
    records(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(InputError, match=r"a.csv:32: .*cut off"):
        records(tmp_path)


def test_an_archive_in_place_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"release.zip is an archive; unpack it and give its folder"):
        open_release(write(tmp_path / "release.zip", b"PK"))

"""`load_dataset("memorability")`: columns, scales, media, splits, and what is said of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Video, load_dataset
from PIL import Image

import videomem_hf  # noqa: F401 - registers the data set
from tests.data.release_trees import write
from tests.data.tables.folders import NUMBERS, SCORES, write_media, write_museum
from videomem_hf.data.identify import identify
from videomem_hf.data.scored_clips import load_clips
from videomem_hf.data.tables.columns import find_columns
from videomem_hf.data.tables.formats import read_table
from videomem_hf.data.tables.media import MediaFiles
from videomem_hf.data.tables.opening import open_table
from videomem_hf.data.tables.options import DECISIONS, TableOptions, write_decisions
from videomem_hf.schema import HORIZONS, InputError
from videomem_hf.video.sources import StillImage


def rows_of(root: Path, config: str = "scores", **options: Any) -> dict[str, dict[str, Any]]:
    splits = load_dataset("memorability", config, data_dir=str(root), **options)
    splits = (
        {name: split.cast_column("video", Video(decode=False)) for name, split in splits.items()}
        if config == "videos"
        else splits
    )
    return {row["video_id"]: row | {"split": name} for name, split in splits.items() for row in split}


def test_a_museums_table(tmp_path: Path) -> None:
    rows = rows_of(write_museum(tmp_path / "museum"), "videos")
    assert {name: row["short_term"] for name, row in rows.items()} == {f"clip_{n:02d}": SCORES[n] for n in NUMBERS}
    first = rows["clip_01"]
    assert (first["short_term_annotations"], first["long_term"], first["room"], first["title"]) == (
        13,
        None,
        "B",
        "Szene 1",
    )
    assert Path(first["video"]["path"]) == tmp_path / "museum/clips/room B/Clip_01.MP4"
    assert {row["split"] for row in rows.values()} == {"train", "validation"}


def test_the_same_folder_for_training(tmp_path: Path) -> None:
    root = write_museum(tmp_path / "museum")
    assert identify(root) == ("memorability", {})
    train, validation = (load_clips(str(root), split, HORIZONS) for split in ("train", "validation"))
    assert (len(train), len(validation)) == (20, 4)  # 6,500 to 1,500
    number = int(train.video_ids[0][-2:])
    assert train.labels[0].tolist()[0] == SCORES[number]
    assert str(train.sources[0]).endswith(f"Clip_{number:02d}.MP4")


def table(tmp_path: Path, text: str) -> Path:
    return write(tmp_path / "data" / "scores.csv", text)


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("video,short_term,long_term", {"video": "video", "short_term": "short_term", "long_term": "long_term"}),
        ("File Name,ST,LT", {"video": "File Name", "short_term": "ST", "long_term": "LT"}),
        ("Vidéo,Immediate", {"video": "Vidéo", "short_term": "Immediate"}),
        ("id,video_id,immediate", {"video": "video_id", "short_term": "immediate"}),
        (
            "stimulus,delayed,n_raters",
            {"video": "stimulus", "long_term": "delayed", "long_term_annotations": "n_raters"},
        ),
        (
            "clip,short-term,caption_1,caption_2",
            {"video": "clip", "short_term": "short-term", "captions": ["caption_1", "caption_2"]},
        ),
        (
            "video,short_term (%),partition,group",
            {"video": "video", "short_term": "short_term (%)", "split": "partition", "group": "group"},
        ),
    ],
)
def test_columns_are_found_by_name(tmp_path: Path, header: str, columns: dict[str, Any]) -> None:
    names = header.split(",")
    rows = "".join(",".join(f"{i}{name}" for name in names) + "\n" for i in "ab")
    assert find_columns(read_table(table(tmp_path, f"{header}\n{rows}"))) == (columns, [])


@pytest.mark.parametrize(
    ("header", "given", "message"),
    [
        ("a,short_term", {}, r'no column of videos among a, short_term; say which with columns={"video": "..."}'),
        ("video,a", {}, r'no column of scores among video, a; say which with columns={"short_term": "..."}'),
        (
            "video,st,immediate",
            {},
            r'st, immediate can all be the column of short_term; say which with columns={"short',
        ),
        ("video,mem_score,hit_rate", {}, r"mem_score, hit_rate can all be the score"),
        ("clip,file,st", {}, r"clip, file can all be the column of video"),
        ("video,week", {"weak term": "week"}, r"'weak term' cannot name a horizon; take up to 40 letters"),
        ("video,week", {"short_trem": "week"}, r"'short_trem' is nothing that a column can be; .* mean short_term"),
        ("video,st,x", {"n": "x"}, r"'n' does not say of which score it is the number .* short_term_annotations"),
        ("video,week", {"week_model": "week"}, r"'week_model' cannot name a horizon, as another column"),
        ("video,st", {"short_term": "x"}, r"no column 'x' for short_term; there are video, st"),
        ("video,st", ["x"], r"columns is \['x'\]; it must be a dictionary"),
    ],
)
def test_columns_that_are_not_clear_are_refused(tmp_path: Path, header: str, given: Any, message: str) -> None:
    row = ",".join("x" for _ in header.split(","))
    with pytest.raises(InputError, match=message):
        find_columns(read_table(table(tmp_path, f"{header}\n{row}\n{row}\n")), given)


def test_a_score_without_a_horizon_is_said(tmp_path: Path) -> None:
    path = table(tmp_path, "video,memorability,n\na,0.5,12\nb,0.7,13\n")
    with pytest.warns(UserWarning, match=r"'memorability' does not say after how long; it is taken as short_term"):
        assert rows_of(path.parent)["a"]["short_term"] == 0.5
    rows = rows_of(path.parent, columns={"long_term": "memorability"})
    assert (rows["b"]["long_term"], rows["b"]["long_term_annotations"], rows["b"]["short_term"]) == (0.7, 13, None)


@pytest.mark.parametrize(
    ("cells", "options", "expected"),
    [
        (["0.5", "1"], {}, [0.5, 1]),
        (["0,5", "1"], {}, [0.5, 1]),
        (["50", "87.5"], {"scale": "percent"}, [0.5, 0.875]),
        (["50 %", "87,5%"], {}, [0.5, 0.875]),
        (["0.5", "NA"], {}, [0.5, None]),
    ],
)
def test_scales(tmp_path: Path, cells: list[str], options: dict[str, str], expected: list[float | None]) -> None:
    path = table(tmp_path, "video;st;lt\n" + "".join(f"{n};{cell};{cells[0]}\n" for n, cell in enumerate(cells)))
    found = open_table(path.parent, options) if None not in expected else None
    if found is None:
        with pytest.warns(UserWarning, match=r"1 of 2 scored videos have no short-term score \(1\)"):
            found = open_table(path.parent, options)
    assert [record.short_term for record in found.records] == expected


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "video,st\na,50\nb,87.5\n",
            {},
            r"scores.csv:2: .* scores above 1, up to 87.5; if they are percent say so with scale='pe",
        ),
        (
            "video,st\na,0.5\nb,87.5\n",
            {"scale": "unit"},
            r"scores.csv:3: 87.5 in column st is not a score, a number from 0 to 1",
        ),
        ("video,st\na,50%\nb,0.5\n", {}, r"scores.csv:3: no % in column st, where other rows have one"),
        ("video,st (%)\na,0.5\nb,0.7\n", {}, r"says percent and has no score above 1; say which"),
        ("video,st\na,-0.5\nb,0.7\n", {}, r"scores.csv:2: -0.5 in column st is not a score"),
        ("video,st\na,high\nb,0.7\n", {}, r"scores.csv:2: 'high' in column st is not a number"),
        (
            "video,st\na,150\nb,0.7\n",
            {"scale": "percent"},
            r"scores.csv:2: 150 in column st is not a score, a number from 0 to 100",
        ),
        ("video,st\na,0.5\na,0.7\n", {}, r"'a' is in two rows"),
        ("video,st\na,0.5\n,0.7\n", {}, r"scores.csv:3: no name of a video"),
        ("video,st,n\na,0.5,x\n", {}, r"scores.csv:2: 'x' in column n is not a number of annotations"),
        ("video;st;n\na;0,5;1.000\n", {}, r"scores.csv:2: '1.000' in column n is not a number of annotations"),
        ("a.mp4,0.5\nb.mp4,0.7\n", {}, r"scores.csv:1: the first line names no columns; write their names above"),
        ("video,st\na,0.5\n", {"scale": "ten"}, r"scale is 'ten'; it is one of unit, percent"),
        ("video,st\na,0.5\n", {"table": "other.csv"}, r"other.csv: no such file"),
        ("video,st\na,0.5\n", {"table": 3}, r"'table' needs a text or null; got 3"),
    ],
)
def test_values_that_are_not_clear_are_refused(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        open_table(table(tmp_path, text).parent, options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/Clip_1.mp4", "a/clip_1.MP4"),
        ("clip_1", "a/clip_1.MP4"),
        ("CLIP_1.webm", "a/clip_1.MP4"),
        ("b\\clip_2", "b/clip_2.webm"),
        ("7", "00007.mp4"),
        ("video7", "00007.mp4"),
        ("00007.mp4", "00007.mp4"),
        ("photo.v2", "c/photo.v2.JPG"),
        ("still", "c/still.mp4"),
        ("gone", None),
    ],
)
def test_names_mean_files(tmp_path: Path, name: str, expected: str | None) -> None:
    write_media(
        tmp_path,
        ["a/clip_1.MP4", "b/clip_2.webm", "00007.mp4", "c/photo.v2.JPG", "c/still.mp4", "c/still.png", "x.txt"],
    )
    found = MediaFiles(tmp_path).find(name)
    assert found == (None if expected is None else tmp_path / expected)


def test_a_name_of_two_files_is_refused(tmp_path: Path) -> None:
    write_media(tmp_path, ["a/clip.mp4", "b/clip.mp4"])
    files = MediaFiles(tmp_path)
    assert files.find("b/clip") == tmp_path / "b/clip.mp4"
    with pytest.raises(InputError, match=r"'clip' can be .*a/clip.mp4 or .*b/clip.mp4"):
        files.find("clip")


def test_images(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        Image.new("L", (4, 3)).save(tmp_path / "photos" / f"{name}.jpg")
    write(tmp_path / "scores.tsv", "image\tst\nA\t0.5\nb.jpg\t0.25\nc\t0.75\n")
    with pytest.warns(UserWarning, match=r"1 of 3 files for the column 'video' are not in this copy \(first: c\)"):
        splits = load_dataset("memorability", "videos", data_dir=str(tmp_path), videos="photos")
    rows = {row["video_id"]: row for split in splits.values() for row in split}
    assert (rows["A"]["image"].mode, rows["c"]["image"]) == ("RGB", None)
    write_decisions(tmp_path, TableOptions(table="scores.tsv", videos="photos"))
    with pytest.warns(UserWarning, match="1 of 3 files|have no video"):
        clips = [load_clips(str(tmp_path), split, ("short_term",)) for split in splits if split != "test"]
    assert {type(source) for each in clips for source in each.sources} == {StillImage}


def test_splits_captions_and_groups_of_the_table(tmp_path: Path) -> None:
    objects = [
        {"clip": f"c{n}", "st": 0.5, "set": ["Train", "dev", "TEST", "fold 4"][n % 4], "captions": [f"one {n}", "two"]}
        for n in range(8)
    ]
    write(tmp_path / "scores.jsonl", "\n".join(map(json.dumps, objects)))
    rows = rows_of(tmp_path)
    assert [rows[f"c{n}"]["split"] for n in range(4)] == ["train", "validation", "test", "fold_4"]
    assert (rows["c3"]["captions"], rows["c3"]["title"]) == (["one 3", "two"], "one 3")
    grouped = "".join(f"c{n},0.5,g{n % 5}\n" for n in range(40))
    write(tmp_path / "scores.jsonl", "").unlink()
    write(tmp_path / "grouped.csv", f"clip,st,group\n{grouped}")
    for seed in (0, 1):
        splits = load_dataset("memorability", data_dir=str(tmp_path), seed=seed)
        groups = [{int(name[1:]) % 5 for name in split["video_id"]} for split in splits.values()]
        assert len(groups) == 2
        assert not groups[0] & groups[1]


def test_split_files_with_ones_own_names(tmp_path: Path) -> None:
    write(tmp_path / "scores.csv", "clip,st\nMy clip.mp4,0.5\nother,0.25\n")
    files = {
        "train": str(write(tmp_path / "lists/a.txt", "other")),
        "held": str(write(tmp_path / "lists/b.txt", "My clip.mp4")),
    }
    assert {name: row["split"] for name, row in rows_of(tmp_path, split_files=files).items()} == {
        "My clip": "held",
        "other": "train",
    }


def test_decisions_stay_in_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write(root / "tables/a.csv", "file,mem\na,50\nb,60\n")
    write(root / "b.csv", "video,st\nx,0.5\n")
    write_decisions(root, TableOptions(table="tables/a.csv", columns={"long_term": "mem"}, scale="percent"))
    assert {name: row["long_term"] for name, row in rows_of(root).items()} == {"a": 0.5, "b": 0.6}
    assert rows_of(root, table="b.csv", columns={"short_term": "st"}, scale="unit")["x"]["short_term"] == 0.5
    assert identify(root) == ("memorability", {})
    write(root / DECISIONS, "tabel: a.csv\n")
    with pytest.raises(InputError, match=r"memorability.yaml: unknown key 'tabel' \(did you mean 'table'\?\)"):
        open_table(root)


def test_which_table_is_refused_where_it_is_not_clear(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "video,st\nx,0.5\n")
    write(tmp_path / "b.csv", "video,st\nx,0.7\n")
    write(tmp_path / "notes.csv", "what,when\nx,1\n")
    with pytest.raises(
        InputError, match=r"a.csv and b.csv in .* can both be the table of scores; say which with table='a.csv'"
    ):
        open_table(tmp_path)
    assert open_table(tmp_path, {"table": "b.csv"}).records[0].short_term == 0.7
    (tmp_path / "a.csv").unlink()
    (tmp_path / "b.csv").unlink()
    with pytest.raises(InputError, match="no column of videos among what, when"):
        open_table(tmp_path)


def test_a_folder_that_is_no_data_says_what_it_lacks(tmp_path: Path) -> None:
    write(tmp_path / "README.txt", "notes")
    with pytest.raises(InputError, match=r"No ground truth of VideoMem"):
        identify(tmp_path)
    write(tmp_path / "notes.csv", "what,when\nx,1\n")
    with pytest.raises(InputError, match=r"notes.csv: no column of videos among what, when; say which"):
        identify(tmp_path)


def test_extra_columns_keep_their_values_and_names(tmp_path: Path) -> None:
    text = "clip,st,week,code,title_of_film,long\na,0.5,0.25,007,Alien,0.1\nb,0.6,,008,,0.2\n"
    write(tmp_path / "scores.csv", text)
    rows = rows_of(tmp_path)
    assert rows["a"] == rows["a"] | {"week": 0.25, "code": "007", "title_of_film": "Alien", "long_term": 0.1}
    assert (rows["b"]["week"], rows["b"]["title_of_film"]) == (None, None)


def test_odd_counts_and_sorted_scores_are_warned_of(tmp_path: Path) -> None:
    rows = "".join(f"c{n},{0.3 + n / 100:.2f},{0 if n == 4 else 20}\n" for n in range(30))
    write(tmp_path / "scores.csv", f"clip,st,n\n{rows}")
    with pytest.warns(UserWarning, match="scores.csv") as caught:
        open_table(tmp_path)
    texts = [str(warning.message).partition("scores.csv: ")[2] for warning in caught]
    assert "1 short-term scores of 0 annotations (c4); may be damaged." in texts
    assert any(text.startswith("the short-term scores are sorted and so are the videos") for text in texts)


def test_rows_without_a_file_are_left_out_where_asked(tmp_path: Path) -> None:
    root = write_museum(tmp_path / "museum")
    (root / "clips/room B/Clip_01.MP4").unlink()
    with pytest.warns(UserWarning, match="1 of 24 files|rows of the split"):
        rows = rows_of(root, "videos", drop_missing=True)
    assert len(rows) == len(NUMBERS) - 1


def test_any_damage_gives_right_values_or_one_sentence(tmp_path: Path) -> None:
    """Cut, insert, repeat and exchange bytes of a table whose last column is the score: none changes a score unsaid."""
    text = "clip,n,st\n" + "\n".join(f"clip_{n:02d},{12 + n},{SCORES[n]:.2f}" for n in NUMBERS)
    whole = {f"clip_{n:02d}": SCORES[n] for n in NUMBERS}
    path = write(tmp_path / "scores.csv", text)
    data, outcomes = path.read_bytes(), {"right": 0, "refused": 0}
    damaged = [data[:-cut] for cut in range(1, 60)]
    damaged += [
        data[:place] + extra + data[place:]
        for place in range(0, len(data), 17)
        for extra in (b"\0", b'"', b"\xff", b",")
    ]
    damaged += [
        data.replace(b"\n", b"\n\n"),
        b"\xef\xbb\xbf" + data,
        data.replace(b",", b";"),
        data + data,
        data[::-1],
        b"",
        b"x" * 99,
    ]
    for bytes_ in damaged:
        path.write_bytes(bytes_)
        found = read_or_sentence(tmp_path)
        if isinstance(found, dict):
            assert {name: found[name] for name in found if name in whole}.items() <= whole.items(), bytes_[-30:]
        else:
            assert str(tmp_path) in found
            assert "\n" not in found
        outcomes["right" if isinstance(found, dict) else "refused"] += 1
    assert outcomes["right"] > 5
    assert outcomes["refused"] > 100


def read_or_sentence(folder: Path) -> dict[str, float | None] | str:
    try:
        return {record.video_id: record.short_term for record in open_table(folder).records}
    except InputError as error:
        return str(error)


def test_videomems_columns_with_ones_own_clips_are_ones_own_table(tmp_path: Path) -> None:
    header = "video,short-term_memorability,nb_short-term_annotations,long-term_memorability,nb_long-term_annotations"
    write(tmp_path / "ground-truth.csv", f"{header}\nmy clip.mp4,0.9,33,0.8,10\nother.mp4,0.7,30,0.6,10\n")
    assert identify(tmp_path) == ("memorability", {})
    row = rows_of(tmp_path)["my clip"]
    assert [row[name] for name in ("short_term", "long_term", "short_term_annotations")] == [0.9, 0.8, 33]
    with pytest.raises(InputError, match=r"'my clip.mp4' is not a video's name .*load_dataset\(\"memorability\""):
        load_dataset("videomem", data_dir=str(tmp_path))

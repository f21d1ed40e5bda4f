"""`videomem describe --check` finds every damaged file, and `--fix` writes tables that read as undamaged ones do."""

import re
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from tests.clips import grey_levels, write_clip
from tests.data.feature_trees import write_features
from tests.data.release_trees import captions, course_ground_truth, mediaeval_ground_truth, write, write_mediaeval
from tests.data.tables.folders import write_museum
from videomem_hf.cli.data import describe
from videomem_hf.data.check import FileToCheck, Holding, check_files, list_contents
from videomem_hf.data.release.reader import open_release, read_records
from videomem_hf.data.repair import repair_tables
from videomem_hf.schema import InputError

DEV = list(range(1, 31))
TEST = [31, 32]

app = typer.Typer()
app.command()(describe)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    root = write_mediaeval(tmp_path / "release", DEV, TEST, videos=False)
    write_features(root / "devset/dev-set/features", DEV[:4])
    (root / "devset/dev-set/sources").mkdir()
    write_clip(root / "devset/dev-set/sources/video1.webm", grey_levels(3))
    return root


def test_every_damaged_file_is_found(release: Path) -> None:
    features = release / "devset/dev-set/features"
    write(features / "C3D/video2.txt", "0.5 0.5")
    write(features / "ORB/video3-56.p", b"cos\nsystem\n.")
    write(features / "LBP/video1-0.txt", "")
    write(release / "devset/dev-set/sources/video2.webm", "no video")
    contents = list_contents(release)
    assert len(contents.files) == 4 * (2 + 5 * 3 + 2) + 2
    problems = check_files(contents.files, processes=1, progress=False)
    assert [(Path(problem.path).name, problem.kind) for problem in problems] == [
        ("video2.txt", "c3d"),
        ("video1-0.txt", "lbp"),
        ("video3-56.p", "orb"),
        ("video2.webm", "video"),
    ]
    assert problems[0].message.startswith("2 values where this feature has 101")
    assert Holding("c3d", 32, 30, 4) in contents.holdings
    assert Holding("videos", 32, 30, 2) in contents.holdings


def test_several_processes_find_the_same(release: Path) -> None:
    write(release / "devset/dev-set/features/C3D/video2.txt", "0.5 0.5")
    files = list_contents(release).files
    assert check_files(files, processes=2, progress=False) == check_files(files, processes=1, progress=False)


def test_a_folder_with_a_table(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "a.png")
    write(tmp_path / "b.png", "no image")
    write(tmp_path / "scores.csv", "image,st\na,0.5\nb,0.25\nc,0.75\n")
    contents = list_contents(tmp_path)
    assert contents.holdings == [Holding("scores", 3, 3, 3), Holding("videos", 3, 3, 2)]
    (problem,) = check_files(contents.files, processes=1, progress=False)
    assert (Path(problem.path).name, problem.kind) == ("b.png", "image")


def move_index(source: Path, target: Path) -> None:
    """Copy an MP4 file with its index before the frames."""
    with av.open(str(source)) as read, av.open(str(target), "w", options={"movflags": "faststart"}) as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(read.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)


def test_a_few_long_frames_and_animations_are_whole(tmp_path: Path) -> None:
    """A decoder with frames out of order holds all packets of so short a clip before it gives the first frame."""
    clip = write_clip(tmp_path / "slow.mp4", list(grey_levels(3)), fps=1, codec="libx264")
    pictures = [Image.new("RGB", (32, 32), (level, 0, 0)) for level in (0, 120, 240)]
    pictures[0].save(tmp_path / "moving.gif", save_all=True, append_images=pictures[1:], duration=1000)
    files = [FileToCheck(str(path), "video") for path in (clip, tmp_path / "moving.gif")]
    assert check_files(files, processes=1, progress=False) == []


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
def test_a_video_that_ends_before_its_header_says(tmp_path: Path, ending: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 48, 64, 3), np.uint8)
    codec = {".mp4": "mpeg4", ".webm": "libvpx"}[ending]
    whole = write_clip(tmp_path / f"whole{ending}", list(noise), fps=5, codec=codec)  # 10 s
    cut = tmp_path / f"cut{ending}"
    content = whole.read_bytes()
    if ending == ".mp4":  # the index at the front, as from a web server
        move_index(whole, tmp_path / "front.mp4")
        content = (tmp_path / "front.mp4").read_bytes()
    cut.write_bytes(content[: len(content) * 6 // 10])
    problems = check_files([FileToCheck(str(path), "video") for path in (whole, cut)], processes=1, progress=False)
    assert [Path(problem.path).name for problem in problems] == [cut.name]
    assert re.fullmatch(r"cut off: its frames end at [1-8]\.\d s, and its header says 10\.0 s", problems[0].message)


def test_the_command_lists_what_is_wrong_and_fails(release: Path) -> None:
    result = CliRunner().invoke(app, [str(release), "--check"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "77 files opened, 0 of them damaged." in result.output
    write(release / "devset/dev-set/features/C3D/video2.txt", "0.5 0.5")
    result = CliRunner().invoke(app, [str(release), "--check"], catch_exceptions=False)
    assert result.exit_code == 1
    assert "video2.txt\tc3d\t2 values where this feature has 101" in result.output


GOOD = mediaeval_ground_truth(DEV)
LINES = course_ground_truth(DEV).decode().splitlines()


@pytest.mark.parametrize(
    ("data", "changes", "lost"),
    [
        (GOOD, {"byte-order mark removed"}, 0),
        (GOOD[3:].decode().encode("utf-16"), {"UTF-16 made UTF-8"}, 0),
        (GOOD[3:].replace(b",", b";"), {"separators made commas"}, 0),
        (
            GOOD[3:].replace(b",", b";").replace(b".", b",").replace(b",webm", b".webm"),
            {"separators made commas", "60 decimal commas made points"},
            0,
        ),
        ("\n".join([*LINES[:3], LINES[2], *LINES[3:], ""]).encode(), {"line 4 left out: it repeats line 3"}, 0),
        (
            "\n".join([*LINES[:3], "<<<<<<< HEAD", *LINES[3:], ""]).encode(),
            {"line 4 left out: 1 cells where the header has 5"},
            0,
        ),
        (
            "\n".join([*LINES[:2], LINES[2].replace("0.", "7.", 1), *LINES[3:], ""]).encode(),
            {
                "line 3 left out: '7.462' in column short-term_memorability is not a score, a number from 0 to 1 with "
                "a decimal point"
            },
            1,
        ),
        ("\n".join(LINES).encode()[:-12], {"line 31 left out: 2 cells where the header has 5"}, 1),
    ],
)
def test_repaired_tables_read_as_the_undamaged(tmp_path: Path, data: bytes, changes: set[str], lost: int) -> None:
    write(tmp_path / "good/gt.csv", course_ground_truth(DEV))
    path = write(tmp_path / "data/ground-truth.csv", data)
    (repair,) = repair_tables(tmp_path / "data", tmp_path / "fixed")
    assert set(repair.changes) == changes
    assert path.read_bytes() == data
    found, good = (
        {record.video_id: record for record in read_records(open_release(tmp_path / name))}
        for name in ("fixed", "good")
    )
    assert len(found) == len(DEV) - lost
    assert all(found[video_id] == good[video_id] for video_id in found)


def test_repaired_captions_and_ones_own_table(tmp_path: Path) -> None:
    write(tmp_path / "a/gt.csv", course_ground_truth(DEV))
    text = captions(DEV).replace(b"scene-e\r\n", b"#NAME?\r\n") + b"\r\nrubbish"
    write(tmp_path / "a/captions.txt", text)
    repairs = {repair.path.name: repair for repair in repair_tables(tmp_path / "a", tmp_path / "out")}
    assert repairs["captions.txt"].changes == [
        "line 4 left out: a spreadsheet's error in place of the title",
        "line 31 left out: 'rubbish' is no video's name and title",
    ]
    assert repairs["gt.csv"].changes == []
    root = write_museum(tmp_path / "museum")
    (repair,) = repair_tables(root, tmp_path / "museums copy")
    assert repair.written.read_text().startswith(
        "Clip,Short-term memorability,n,room,Titel\nclip_01,0.47,13,B,Szene 1\n"
    )
    with pytest.raises(InputError, match=r"is inside .*; write the copy to a folder beside it"):
        repair_tables(root, root / "fixed")


def test_the_command_says_every_change(tmp_path: Path) -> None:
    write(tmp_path / "data/ground-truth.csv", GOOD[3:].decode().encode("utf-16"))
    out = tmp_path / "fixed"
    result = CliRunner().invoke(app, [str(tmp_path / "data"), "--fix", str(out)], catch_exceptions=False)
    assert f"{out / 'ground-truth.csv'}" in result.output
    assert "  UTF-16 made UTF-8" in result.output
    assert [path.name for path in out.iterdir()] == ["ground-truth.csv"]
    shutil.rmtree(out)


def test_a_damaged_table_of_ones_own_is_repaired(tmp_path: Path) -> None:
    root = write_museum(tmp_path / "museum")
    path = root / "scores.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], "clip_99;0,5", "NA;0,5;nan;x;y", *lines[5:]]) + "\n")
    with pytest.raises(InputError, match=r"scores.csv:6: 2 cells where the header has 5"):
        list_contents(root)
    (repair,) = repair_tables(root, tmp_path / "fixed")
    assert repair.changes == [
        "separators made commas",
        "line 6 left out: 2 cells where the header has 5",
        "25 decimal commas made points",
        "2 words for an unknown value left empty",
    ]
    good = (tmp_path / "fixed/scores.csv").read_text().splitlines()
    assert len(good) == len(lines) + 1
    assert good[1] == "clip_01,0.47,13,B,Szene 1"


def test_the_images_of_lamem(tmp_path: Path) -> None:
    write(tmp_path / "splits/train_1.txt", "00000001.jpg 0.5\n00000002.jpg 0.7\n00000003.jpg 0.9\n")
    (tmp_path / "images").mkdir()
    Image.new("L", (4, 3)).save(tmp_path / "images/00000001.jpg")
    write(tmp_path / "images/00000002.jpg", "no image")
    contents = list_contents(tmp_path)
    assert contents.holdings == [Holding("split_1", 3, 3, 2)]
    assert [Path(problem.path).name for problem in check_files(contents.files, progress=False)] == ["00000002.jpg"]

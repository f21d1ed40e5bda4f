"""Writes small trees in the layouts of the release, for tests: the MediaEval form and the course form."""

from dataclasses import dataclass
from pathlib import Path

HEADER = "video,short-term_memorability,nb_short-term_annotations,long-term_memorability,nb_long-term_annotations"


@dataclass(frozen=True)
class Truth:
    """What a tree says of a labelled video; `title` as in the captions file."""

    short_term: float
    long_term: float
    short_term_annotations: int
    long_term_annotations: int
    title: str


def make_title(number: int) -> str:
    """Make up a title with a word of its own, which numbers are not."""
    return f"scene-{''.join(chr(ord('a') + int(digit)) for digit in str(number))}"


def make_truth(number: int) -> Truth:
    """Make up a labelled video: long-term is k/n, every seventh shares its title with the one before."""
    n = 9 + number % 5
    return Truth(
        short_term=(388 + number * 37 % 602) / 1000,
        long_term=float(f"{number % (n + 1) / n:.3f}"),
        short_term_annotations=30 + number % 11,
        long_term_annotations=n,
        title=make_title(number - (number % 7 == 0)),
    )


def mediaeval_ground_truth(numbers: list[int]) -> bytes:
    """The 8,000-row original's form: byte-order mark, CRLF, lexicographic order, three decimals, no last newline."""
    rows = [HEADER]
    for number in sorted(numbers, key=str):
        truth = make_truth(number)
        rows.append(
            f"video{number}.webm,{truth.short_term:.3f},{truth.short_term_annotations},"
            f"{truth.long_term:.3f},{truth.long_term_annotations}"
        )
    return b"\xef\xbb\xbf" + "\r\n".join(rows).encode()


def course_ground_truth(numbers: list[int]) -> bytes:
    """The 6,000-row copies' form: no mark, LF, numeric order, shortest numbers."""
    rows = [HEADER]
    for number in sorted(numbers):
        truth = make_truth(number)
        rows.append(
            f"video{number}.webm,{truth.short_term:g},{truth.short_term_annotations},"
            f"{truth.long_term:g},{truth.long_term_annotations}"
        )
    return ("\n".join(rows) + "\n").encode()


def captions(numbers: list[int]) -> bytes:
    """A captions file: name, tab, title; CRLF, no last newline."""
    return "\r\n".join(f"video{number}.webm\t{make_truth(number).title}" for number in numbers).encode()


def write(path: Path, data: bytes | str) -> Path:
    """Write a file, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def write_mediaeval(root: Path, dev: list[int], test: list[int], videos: bool = True) -> Path:
    """Write the MediaEval form under `root`: `devset/dev-set` and `testset/me19me-testset/test-set`; gives `root`."""
    dev_set, test_set = root / "devset" / "dev-set", root / "testset" / "me19me-testset" / "test-set"
    write(dev_set / "ground-truth" / "ground-truth_dev-set.csv", mediaeval_ground_truth(dev))
    write(dev_set / "dev-set_video-captions.txt", captions(dev))
    if test:
        write(root / "testset" / "test-set_list.txt", "\r\n".join(f"video{number}.txt" for number in test))
        write(test_set / "test-set_videos-captions.txt", captions(test))
    for folder, numbers in ((dev_set, dev), (test_set, test)) if videos else ():
        for number in numbers:
            write(folder / "sources" / f"video{number}.webm", f"clip {number}")
    return root


def write_course(root: Path, dev: list[int], test: list[int]) -> Path:
    """Write the course form under `root`: `dev-set`, and a template of bare numbers and empty cells; gives `root`."""
    write(root / "dev-set" / "dev-set_ground-truth.csv", course_ground_truth(dev))
    write(root / "dev-set" / "dev-set_video-captions.txt", captions(dev))
    if test:
        write(root / "ground-truth-template.csv", "\n".join([HEADER, *(f"{number},,,," for number in test)]) + "\n")
    return root

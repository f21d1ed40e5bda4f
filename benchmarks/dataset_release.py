"""Write a release of VideoMem's full size, with made-up content, to measure the dataset layer on.

    python benchmarks/dataset_release.py DIR

10,000 videos in the MediaEval form: ground truth, captions, a test list, and 130,000 feature files (C3D, HMP, LBP,
InceptionV3, ColorHistogram, Aesthetics) of the released formats, about 1.4 GB. Each feature cycles through a hundred
different contents. No videos.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

MISSING = {110, 2821, 3613, 4710, 5650, 5975, 6175, 8524, 10009}
FRAMES = (0, 56, 112)
CONTENTS = 100
SYLLABLES = [f"{consonant}{vowel}" for consonant in "bcdfghjklmnprstv" for vowel in "aeiou"]
HEADER = "video,short-term_memorability,nb_short-term_annotations,long-term_memorability,nb_long-term_annotations"


def simplex(rng: np.random.Generator, size: int, decimals: int) -> list[str]:
    """Numbers of fixed decimals that sum to 1."""
    units = rng.multinomial(10**decimals, rng.dirichlet(np.full(size, 0.5)))
    return [f"{unit // 10**decimals}.{unit % 10**decimals:0{decimals}d}" for unit in units]


def c3d(rng: np.random.Generator) -> str:
    return "".join(f"{number} " for number in simplex(rng, 101, 8))


def hmp(rng: np.random.Generator) -> str:
    bins = np.sort(rng.choice(6075, int(rng.integers(3000, 4000)), replace=False)) + 1
    return " ".join(f"{index}:{number}" for index, number in zip(bins, simplex(rng, len(bins), 6), strict=True)) + "\n"


def lbp(rng: np.random.Generator) -> str:
    return " ".join(simplex(rng, 122, 8)) + "\n"


def inceptionv3(rng: np.random.Generator) -> str:
    activations = np.exp(rng.normal(0, 2.5, 1000))
    activations /= activations.sum()
    return " ".join(f"{index}:{value:e}" for index, value in enumerate(activations))


def colorhistogram(rng: np.random.Generator) -> str:
    lines = []
    for _ in range(3):
        low, high = int(rng.integers(0, 20)), int(rng.integers(230, 256))
        counts = rng.multinomial(1920 * 1080, rng.dirichlet(np.ones(high + 1 - low)))
        lines.append("".join(f"{low + offset}:{count} " for offset, count in enumerate(counts)))
    return "\n".join(lines)


def aesthetics(rng: np.random.Generator) -> str:
    return ",".join(f"{value:.6f}" for value in rng.normal(size=109))


FEATURES: dict[str, tuple[tuple[int | None, ...], Callable[[np.random.Generator], str]]] = {
    "C3D": ((None,), c3d),
    "HMP": ((None,), hmp),
    "LBP": (FRAMES, lbp),
    "InceptionV3": (FRAMES, inceptionv3),
    "ColorHistogram": (FRAMES, colorhistogram),
    "aesthetic_visual_features/aesthetic_feat_dev-set_mean": ((None,), aesthetics),
    "aesthetic_visual_features/aesthetic_feat_dev-set_median": ((None,), aesthetics),
}


def write_release(root: Path, seed: int = 0) -> None:
    """Write the whole release under `root`."""
    rng = np.random.default_rng(seed)
    numbers = rng.permutation([number for number in range(1, 10010) if number not in MISSING]).tolist()
    dev, test = numbers[:8000], numbers[8000:]
    dev_set, test_set = root / "devset" / "dev-set", root / "testset" / "me19me-testset" / "test-set"
    rows = [HEADER]
    for number in sorted(dev, key=str):
        n = int(rng.integers(9, 41))
        score = rng.binomial(n, 0.78) / n
        rows.append(f"video{number}.webm,{rng.uniform(0.388, 0.989):.3f},{int(rng.integers(30, 101))},{score:.3f},{n}")
    write(dev_set / "ground-truth" / "ground-truth_dev-set.csv", "\ufeff" + "\r\n".join(rows))
    write(dev_set / "dev-set_video-captions.txt", captions(rng, dev))
    write(test_set / "test-set_videos-captions.txt", captions(rng, test))
    write(root / "testset" / "test-set_list.txt", "\r\n".join(f"video{number}.txt" for number in test))
    for folder, (frames, make) in tqdm(FEATURES.items(), desc="Features"):
        contents = [make(rng).encode() for _ in range(CONTENTS)]
        for features, part in ((dev_set / "features", dev), (test_set / "features", test)):
            write_files(features / folder, part, frames, contents)


def captions(rng: np.random.Generator, numbers: list[int]) -> str:
    words = np.array([f"{first}{second}" for first in SYLLABLES for second in SYLLABLES])
    commonness = 1 / np.arange(1, len(words) + 1)
    commonness /= commonness.sum()
    lines = ("-".join(rng.choice(words, int(rng.integers(3, 15)), p=commonness)) for _ in numbers)
    return "\r\n".join(f"video{number}.webm\t{line}" for number, line in zip(numbers, lines, strict=True))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def write_files(folder: Path, numbers: list[int], frames: tuple[int | None, ...], contents: list[bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        for index, frame in enumerate(frames):
            name = f"video{number}.txt" if frame is None else f"video{number}-{frame}.txt"
            (folder / name).write_bytes(contents[(number + index) % len(contents)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=Path)
    write_release(parser.parse_args().dir)


if __name__ == "__main__":
    main()

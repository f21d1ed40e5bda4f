"""Speed and memory of the dataset layer on a release of full size (see dataset_release.py).

    python benchmarks/dataset_speed.py RELEASE [--out RESULTS.json]

Measures, each in a fresh process and with the files already in the system's cache:

- `scores`: `load_dataset` the first time and from its cache, without the time of importing `datasets`;
- each feature: reading the bytes alone, a plain `float()` loop, and our reader, over the same files in one run; and
  both again without the reading, which for many small files is most of the work (`parsing_times_faster`);
- `cached`: rows a second when a loaded configuration is iterated in batches of 1,000, as numpy, as Arrow, and as arrays
  through `feature_matrix`; beside it how many a copy of as many bytes within memory would give.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

CONFIGS = ("c3d", "hmp", "lbp", "inceptionv3", "colorhistogram", "aesthetics")
ROUNDS = 2
SHARE = 3000
"""Files, at most, whose parsing is measured without their reading."""
MACHINE = "2-core x86-64 virtual machine, 24 GB, shared with other work"


def timed(function: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def cpu_timed(function: Callable[[], Any]) -> tuple[float, float]:
    """Seconds that a call takes, and seconds that all cores together work on it."""
    start, cpu_start = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start, time.process_time() - cpu_start


def measure_scores(release: str, cache: str) -> dict[str, float]:
    from datasets import disable_progress_bars, load_dataset

    import videomem_hf  # noqa: F401 - registers the dataset

    disable_progress_bars()

    def load() -> None:
        load_dataset("videomem", "scores", data_dir=release, cache_dir=cache)

    return {"first_s": timed(load), "cached_s": timed(load)}


def plain_dense(text: str) -> list[float]:
    return [float(number) for number in text.replace(",", " ").split()]


def plain_pairs(text: str, size: int, base: int) -> list[float]:
    vector = [0.0] * size
    for pair in text.split():
        index, value = pair.split(":")
        vector[int(index) - base] = float(value)
    return vector


def plain_histogram(text: str) -> list[list[int]]:
    return [[int(value) for value in plain_pairs(line, 256, 0)] for line in text.split("\n")]


PLAIN: dict[str, Callable[[str], Any]] = {
    "c3d": plain_dense,
    "hmp": lambda text: plain_pairs(text, 6075, 1),
    "lbp": plain_dense,
    "inceptionv3": lambda text: plain_pairs(text, 1000, 0),
    "colorhistogram": plain_histogram,
    "aesthetics": plain_dense,
}


def measure_feature(release: str, config: str) -> dict[str, float]:
    from videomem_hf.data.feature_files.columns import read_columns
    from videomem_hf.data.feature_files.folders import feature_folders, find_feature_files
    from videomem_hf.data.feature_files.text import TextFiles
    from videomem_hf.data.release.inventory import scan

    columns = find_feature_files(config, feature_folders(scan(release))[config])
    paths = [path for files in columns for path in files.paths.values()]

    def read_bytes() -> None:
        for path in paths:
            with open(path, "rb") as file:  # noqa: PTH123 - as in a plain loop
                file.read()

    def plain() -> None:
        for path in paths:
            with open(path) as file:  # noqa: PTH123
                PLAIN[config](file.read())

    def ours() -> None:
        ids = list(dict.fromkeys(video_id for video_id, _ in columns[0].paths))
        for _ in read_columns(columns, (ids[start : start + 512] for start in range(0, len(ids), 512))):
            pass

    contents = [Path(path).read_text() for path in paths[:SHARE]]
    raw = TextFiles(paths[:SHARE], [text.encode() for text in contents])
    parse_ours = partial(parse_texts, columns[0].feature.form, columns[0].feature.separator, raw)

    def parse_plain() -> None:
        for text in contents:
            PLAIN[config](text)

    ours()  # so that all find the files in the system's cache, and libraries loaded
    functions = (read_bytes, ours, plain, parse_ours, parse_plain)
    rounds = [[cpu_timed(function) for function in functions] for _ in range(ROUNDS)]
    (limit_s, limit_cpu_s), (ours_s, ours_cpu_s), (plain_s, plain_cpu_s), (parse_s, _), (parse_plain_s, _) = (
        min(times) for times in zip(*rounds, strict=True)
    )
    size = sum(Path(path).stat().st_size for path in paths)
    return {
        "files": len(paths),
        "megabytes": round(size / 1e6, 1),
        "bytes_only_s": limit_s,
        "plain_loop_s": plain_s,
        "ours_s": ours_s,
        "times_faster": plain_s / ours_s,
        "times_the_limit": ours_s / limit_s,
        "bytes_only_cpu_s": limit_cpu_s,
        "plain_loop_cpu_s": plain_cpu_s,
        "ours_cpu_s": ours_cpu_s,
        "times_less_cpu": plain_cpu_s / ours_cpu_s,
        "parsing_times_faster": parse_plain_s / parse_s,
    }


def parse_texts(form: str, separator: Any, files: Any) -> None:
    """Parse files that are in memory already, in the batches of the builder."""
    from videomem_hf.data.feature_files.text import TextFiles, parse_dense, parse_histograms, parse_pairs

    for start in range(0, len(files.data), 512):
        batch = TextFiles(files.paths[start : start + 512], files.data[start : start + 512])
        if form == "histogram":
            parse_histograms(batch)
        elif form == "pairs":
            parse_pairs(batch)
        else:
            parse_dense(batch, separator)


def measure_cached(release: str, cache: str, config: str) -> dict[str, float]:
    from datasets import disable_progress_bars, load_dataset

    import videomem_hf  # noqa: F401 - registers the dataset
    from videomem_hf.data.feature_files.matrices import feature_matrix

    disable_progress_bars()
    start = time.perf_counter()
    train = load_dataset("videomem", config, data_dir=release, cache_dir=cache, split="train")
    prepare_s = time.perf_counter() - start
    load_s = timed(lambda: load_dataset("videomem", config, data_dir=release, cache_dir=cache))
    rates = {}
    for kind in ("arrow", "numpy"):
        data = train.with_format(kind)
        first, seconds = (timed(lambda data=data: [None for _ in data.iter(1000)]) for _ in range(2))
        rates[f"{kind}_rows_per_s"] = len(train) / min(first, seconds)
    column = next(name for name in train.column_names if name.startswith(config))
    arrow = train.with_format("arrow")
    matrices = [feature_matrix(batch[column]) for batch in arrow.iter(1000)]
    matrix_s = min(timed(lambda: [feature_matrix(batch[column]) for batch in arrow.iter(1000)]) for _ in range(ROUNDS))
    copy_s = min(timed(lambda: [matrix.copy() for matrix in matrices]) for _ in range(ROUNDS))
    rates |= {"matrix_rows_per_s": len(train) / matrix_s, "memory_copy_rows_per_s": len(train) / copy_s}
    return {"prepare_s": prepare_s, "cached_load_s": load_s, **rates}


def peak_mb() -> float:
    """Peak resident memory of this process and its ended children, in MB."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def measure_prepare(release: str, out: str) -> dict[str, float]:
    from videomem_hf.data.prepare import prepare

    seconds = timed(lambda: prepare(release, out))
    size = sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file())
    return {"first_s": seconds, "again_s": timed(lambda: prepare(release, out)), "megabytes": size / 1e6}


def parts(release: str) -> Iterator[tuple[str, list[str]]]:
    yield "scores", ["measure_scores", release]
    for config in CONFIGS:
        yield config, ["measure_feature", release, config]
    for config in CONFIGS:
        yield f"cached {config}", ["measure_cached", release, config]
    yield "prepare", ["measure_prepare", release]


def run(function: str, release: str, *arguments: str) -> dict[str, float]:
    """Measure one part in this process."""
    with tempfile.TemporaryDirectory() as scratch:
        if function == "measure_scores":
            result = measure_scores(release, scratch)
        elif function == "measure_feature":
            result = measure_feature(release, *arguments)
        elif function == "measure_cached":
            result = measure_cached(release, scratch, *arguments)
        else:
            result = measure_prepare(release, f"{scratch}/prepared")
    return {**result, "peak_mb": peak_mb()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", help="measure the parts whose name contains this")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        sys.stdout.write(json.dumps(run(*arguments.part)) + "\n")
        return
    results: dict[str, Any] = {"command": "python benchmarks/dataset_speed.py RELEASE", "machine": MACHINE}
    for name, part in parts(arguments.release):
        if arguments.only and arguments.only not in name:
            continue
        command = [sys.executable, __file__, arguments.release, "--part", *part]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        results[name] = {key: round(value, 3) for key, value in json.loads(output.splitlines()[-1]).items()}
        sys.stdout.write(f"{name}: {results[name]}\n")
        sys.stdout.flush()
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

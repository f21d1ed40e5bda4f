"""Writes a whole sample: a release in the original layout, and the truth beside it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from videomem_hf.data.provenance import PLAN_FILE, RELEASE_FOLDER
from videomem_hf.data.release.inventory import is_ignored
from videomem_hf.features.catalogue import feature_specs
from videomem_hf.local_jobs import Died, run_jobs
from videomem_hf.sample import layout
from videomem_hf.sample.annotations import annotate
from videomem_hf.sample.draws import Draws
from videomem_hf.sample.features import EXTRACTED, drawn_files, extracted_files
from videomem_hf.sample.scene import Scene, draw_scene, video_ids
from videomem_hf.sample.truth import TRUTH_FILE, truth_lines, truth_of
from videomem_hf.sample.video import write_video
from videomem_hf.schema import InputError
from videomem_hf.system import atomic_write, available_cpus

Part = Literal["dev", "test"]

FORMAT: Final = 3
"""Increased whenever the same arguments would give another sample."""
SAME_ROWS: Final = (2, FORMAT)
"""Formats that give the same scores, titles and videos, and differ in feature files alone."""
README_FILE: Final = "README.md"


@dataclass(frozen=True)
class SamplePaths:
    """The paths of a generated sample: its folder, and in it the release (a `data_dir`), the truth and the README."""

    out: Path
    release: Path
    truth: Path
    readme: Path


@dataclass(frozen=True)
class Plan:
    """Everything that determines a sample."""

    format: int
    seed: int
    videos: int
    test_videos: int
    width: int
    height: int
    features: tuple[str, ...]
    write_videos: bool

    def parts(self) -> dict[int, Part]:
        """The part of each video number: dev and test are mixed, as in the release.

        A video's scene depends only on its number and the seed; its part also depends on the numbers of videos.
        """
        numbers = video_ids(self.videos + self.test_videos)
        lots = sorted(numbers, key=lambda number: (Draws(self.seed, number, "part").unit(), number))
        tests = set(lots[: self.test_videos])
        return {number: "test" if number in tests else "dev" for number in numbers}


def generate_sample(
    out: Path | str,
    *,
    videos: int = 200,
    test_videos: int | None = None,
    seed: int = 0,
    size: tuple[int, int] = (320, 180),
    features: Sequence[str] = ("c3d", "hmp"),
    write_videos: bool = True,
    workers: int | None = None,
    progress: bool = True,
) -> SamplePaths:
    """Generate a sample in the layout of the VideoMem release, a pure function of the arguments.

    An interrupted run is completed by running it again; a complete sample is left as it is. Files appear whole or not
    at all. With more than one worker, a script that calls this needs the usual `if __name__ == "__main__":` guard.

    Args:
        out: Folder to write: new, empty, or holding a sample of the same arguments.
        videos: Number of scored (dev) videos, at least 1.
        test_videos: Number of videos without scores; a fourth of `videos` by default.
        seed: A whole number from 0.
        size: Width and height of the videos in pixels, even, from 64 to 3840. The release's are 1920x1080.
        features: Names of the feature files to write, from `layout.FEATURES`. Those that need no weights are extracted
            from the generated videos, the others are simulated; see `features.EXTRACTED`.
        write_videos: Whether to write the videos. It does not affect the features: where some are extracted, the videos
            are made in memory.
        workers: Number of processes; by default one per available CPU. It does not affect the result.
        progress: Show a progress bar.

    Raises:
        InputError: An argument is out of its range, the folder holds something else, or a library that a feature needs
            is missing.
    """
    plan = _make_plan(videos, test_videos, seed, size, features, write_videos)
    if workers is not None and workers < 1:
        raise InputError(f"{workers} workers; at least 1 is needed.")
    paths = SamplePaths(Path(out), Path(out) / RELEASE_FOLDER, Path(out) / TRUTH_FILE, Path(out) / README_FILE)
    _claim(paths.out, plan)
    _write_tables(paths, plan)
    _write_media(paths, plan, workers or available_cpus(), progress)
    return paths


def readme(plan: Plan) -> str:
    extracted = ", ".join(name for name in plan.features if name in EXTRACTED) or "none"
    drawn = ", ".join(name for name in plan.features if name not in EXTRACTED) or "none"
    videos = f"VP8 in WebM, 7 s, {plan.width}x{plan.height}, 24 frames a second" if plan.write_videos else "none"
    return f"""# A generated sample

This folder is generated. It contains no video, title, score or feature of the VideoMem release, and nothing that was
measured on people.

- `release/`: {plan.videos} scored (dev) and {plan.test_videos} unscored (test) videos in the release's layout.
  Videos: {videos}.
- Feature files extracted from the videos: {extracted}. `videomem extract` gives the same numbers for these videos.
- Simulated feature files: {drawn}. Their numbers are random projections of what the scenes show, plus noise. No network
  computed them, so a model of them is of no use on features that a network extracts from the videos.
- `truth.jsonl`: one line per video: true short- and long-term memorability, the kind of scene, the salient thing, its
  box at each second (left, top, right, bottom as fractions of the frame), whether it stands out, the measured causes.
- `sample.json`: the arguments. The same arguments give the same sample (seed {plan.seed}).

Each scene is drawn at random. Its true memorability is a fixed function of what it shows, with invented weights. The
scores in the ground truth come from 30 to 100 (short-term) and 9 to 40 (long-term) simulated annotations.
"""


def _make_plan(
    videos: int, test_videos: int | None, seed: int, size: tuple[int, int], features: Sequence[str], write_videos: bool
) -> Plan:
    tests = videos // 4 if test_videos is None else test_videos
    if videos < 1 or tests < 0:
        raise InputError(f"{videos} videos and {tests} test videos; at least 1 and 0 are needed.")
    if seed < 0:
        raise InputError(f"Seed {seed}; a seed is a whole number from 0.")
    if any(side % 2 or not 64 <= side <= 3840 for side in size):
        raise InputError(f"Size {size[0]}x{size[1]}; width and height must be even numbers from 64 to 3840.")
    unknown = [name for name in features if name not in layout.FEATURES]
    if unknown:
        raise InputError(f"Unknown feature {unknown[0]!r}; choose from {', '.join(layout.FEATURES)}.")
    chosen = tuple(name for name in layout.FEATURES if name in features)
    if extracted := [name for name in chosen if name in EXTRACTED]:
        feature_specs(extracted)  # refuses one whose library is missing
    return Plan(FORMAT, seed, videos, tests, size[0], size[1], chosen, write_videos)


def _claim(out: Path, plan: Plan) -> None:
    """Claim the folder for this plan, or check that it holds this plan's sample; other folders stay untouched."""
    path = out / PLAN_FILE
    text = json.dumps(asdict(plan), indent=2) + "\n"
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a folder for the sample.")
    if path.is_file():
        found = path.read_text(encoding="utf-8")
        if found != text:
            found = _differences(found, plan)
            raise InputError(f"{out} holds another sample ({found}); give another folder or delete it.")
        return
    if out.is_dir() and any(not is_ignored(entry.name) for entry in out.iterdir()):
        raise InputError(f"{out} is not empty and holds no sample; give a new folder.")
    _write(path, text.encode("utf-8"))


def _differences(found: str, plan: Plan) -> str:
    try:
        old = dict(json.loads(found))
    except (ValueError, TypeError):
        return f"its {PLAN_FILE} cannot be read"
    new = json.loads(json.dumps(asdict(plan)))
    return ", ".join(f"{name} {old.get(name)!r}, not {new[name]!r}" for name in new if old.get(name) != new[name])


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        partial.write_bytes(content)


def _write_tables(paths: SamplePaths, plan: Plan) -> None:
    """Write the missing tables: truth, scores, captions, list, README."""
    tables = [layout.GROUND_TRUTH, layout.CAPTIONS["dev"]]
    if plan.test_videos:
        tables += [layout.CAPTIONS["test"], layout.TEST_LIST]
    if all(path.is_file() for path in (paths.truth, paths.readme, *(paths.release / name for name in tables))):
        return
    aspect = plan.width / plan.height
    truths = [truth_of(draw_scene(plan.seed, number), part, aspect) for number, part in plan.parts().items()]
    dev = [truth for truth in truths if truth.part == "dev"]
    test = [truth for truth in truths if truth.part == "test"]
    scores = {t.video_id: annotate(plan.seed, t.video_id, t.short_term, t.long_term) for t in dev}
    contents = [layout.ground_truth(scores), layout.captions({truth.video_id: truth.title for truth in dev})]
    if test:
        titles = layout.captions({truth.video_id: truth.title for truth in test})
        contents += [titles, layout.test_list(truth.video_id for truth in test)]
    files = {paths.release / name: content for name, content in zip(tables, contents, strict=True)}
    files |= {paths.truth: truth_lines(truths), paths.readme: readme(plan).encode("utf-8")}
    for path, content in files.items():
        if not path.is_file():
            _write(path, content)


def _write_media(paths: SamplePaths, plan: Plan, workers: int, progress: bool) -> None:
    from tqdm import tqdm

    here = {path.relative_to(paths.release).as_posix() for path in paths.release.rglob("*") if path.is_file()}
    jobs = [
        (paths.out, plan, number, part)
        for number, part in plan.parts().items()
        if any(path.as_posix() not in here for path in _media(plan, number, part))
    ]
    done = plan.videos + plan.test_videos - len(jobs)
    with tqdm(total=done + len(jobs), initial=done, desc="sample", unit="video", disable=not progress) as bar:
        for _ in _run(jobs, workers):
            bar.update()
    for partial in paths.release.rglob(".*.partial*"):  # left by a process that was killed
        partial.unlink()


def _media(plan: Plan, number: int, part: Part) -> list[Path]:
    """A video's files within the release."""
    videos = [layout.video_path(part, number)] if plan.write_videos else []
    return [*videos, *(path for feature in plan.features for path in layout.feature_paths(part, feature, number))]


Job = tuple[Path, Plan, int, Part]


def _run(jobs: list[Job], workers: int) -> Iterator[None]:
    """Run the jobs in this process or in several, yielding as each ends."""
    for (_, _, number, _), result in run_jobs(_write_one, jobs, max(1, min(workers, len(jobs)))):
        if isinstance(result, Died):
            raise InputError(
                f"the process that made video {number} ended, perhaps for lack of memory; the same command goes on"
            )
        yield


def _write_one(job: Job) -> None:
    out, plan, number, part = job
    scene, size = draw_scene(plan.seed, number), (plan.width, plan.height)
    files = {
        feature: [out / RELEASE_FOLDER / path for path in layout.feature_paths(part, feature, number)]
        for feature in plan.features
    }
    missing = [feature for feature, paths in files.items() if not all(path.is_file() for path in paths)]
    extracted = [feature for feature in missing if feature in EXTRACTED]
    video = out / RELEASE_FOLDER / layout.video_path(part, number)
    contents = {feature: drawn_files(feature, scene) for feature in missing if feature not in EXTRACTED}
    if plan.write_videos and not video.is_file():
        video.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(video) as partial:
            write_video(scene, partial, size)
    if extracted:
        contents |= extracted_files(extracted, video if plan.write_videos else _video_in_memory(scene, size))
    for feature, made in contents.items():
        for path, content in zip(files[feature], made, strict=True):
            _write(path, content)


def _video_in_memory(scene: Scene, size: tuple[int, int]) -> bytes:
    buffer = BytesIO()
    write_video(scene, buffer, size)
    return buffer.getvalue()

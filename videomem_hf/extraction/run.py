"""Extracting features of many clips into a folder."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from videomem_hf.extraction.outputs import Entry, FeatureFolder
from videomem_hf.features.clip_titles import ClipTitles
from videomem_hf.features.clips import Threads
from videomem_hf.features.collecting import collect
from videomem_hf.features.extract import load_networks
from videomem_hf.features.spec import FeatureSpec, Network, NetworkSpec
from videomem_hf.local_jobs import Died, run_jobs
from videomem_hf.schema import InputError, cause_of
from videomem_hf.system import available_cpus

CLIPS_AT_ONCE = 8
"""Clips whose frames a network is given together."""


@dataclass(frozen=True)
class Job:
    """A clip with the features that it does not have yet."""

    video_id: str
    clip: Path
    title: str | None
    specs: tuple[FeatureSpec, ...]


@dataclass
class Result:
    """What a process returns for a clip, by feature: files' contents, networks' inputs, errors as in `Outcome`."""

    contents: dict[str, list[bytes]] = field(default_factory=dict)
    inputs: dict[str, list[Any]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


Results = Iterator[tuple[Job, Result]]


@dataclass
class Outcome:
    """The result of one clip: `errors` by feature, or under "" if it could not be read at all; notes on its file."""

    clip: Path
    video_id: str
    errors: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Report:
    """The result of a run: the clips `done` in it, the number `kept` because they had all features, and the `total`."""

    done: list[Outcome] = field(default_factory=list)
    kept: int = 0
    total: int = 0

    @property
    def failed(self) -> list[Outcome]:
        """Clips with a missing feature."""
        return [outcome for outcome in self.done if outcome.errors]


def extract_clips(
    clips: Sequence[Path],
    specs: Sequence[FeatureSpec],
    out: Path,
    *,
    titles: Mapping[str, str] | None = None,
    processes: int | None = None,
    device: str | None = None,
    overwrite: bool = False,
    fail_fast: bool = False,
    on_clip: Callable[[Outcome], None] = lambda outcome: None,
    report: Report | None = None,
    elsewhere: Callable[[Sequence[Job]], Results] | None = None,
) -> Report:
    """Extract features of clips, each given once, into a folder `out` in the release's formats.

    Existing files are kept if the clip has not changed. A clip that fails is reported, and the others are extracted.

    Args:
        specs: The features, see `videomem_hf.features.catalogue.feature_specs`.
        titles: Titles by file name or id, for `title:` features.
        processes: Number of clips decoded at the same time; by default one per core.
        device: For networks; None takes a GPU if there is one.
        overwrite, fail_fast: Whether to extract existing features again, and to stop after the first clip that fails.
        on_clip: Called with each clip that is finished.
        report: Filled during the run, for a caller that may interrupt it.
        elsewhere: Runs the jobs and their networks instead of this machine (`processes`, `device`); see `RayEngine`.

    Raises InputError for a folder or file that cannot be written, a network that cannot be loaded, and equal ids.
    """
    report, folder = report or Report(), FeatureFolder(out)
    absent = {clip: Outcome(clip, "", {"": cause}) for clip in clips if (cause := _absence(clip))}
    assigned = folder.assign([clip for clip in clips if clip not in absent])
    named = ClipTitles(titles or {})
    jobs = [
        Job(video_id, clip, named.of(str(clip)) or named.of(video_id), missing)
        for video_id, clip in assigned.items()
        if (missing := tuple(spec for spec in specs if overwrite or not folder.is_done(spec, video_id, clip)))
    ]
    report.total, report.kept = len(assigned) + len(absent), len(assigned) - len(jobs)
    networks = load_networks(specs, device) if jobs and elsewhere is None else {}
    results = elsewhere(jobs) if elsewhere else _run_here(jobs, min(processes or available_cpus(), max(1, len(jobs))))
    try:
        for outcome in chain(absent.values(), _write_results(results, folder, networks)):
            report.done.append(outcome)
            on_clip(outcome)
            if outcome.errors and fail_fast:
                break
    finally:
        folder.write_list()
    return report


def _absence(clip: Path) -> str:
    """Why a file cannot be opened; empty if it can."""
    try:
        Entry.of(clip)
    except InputError as error:
        return cause_of(error, clip)
    return ""


def _run_here(jobs: Sequence[Job], processes: int) -> Results:
    """Do the jobs in processes of this machine, except what networks compute."""
    for job, result in run_jobs(partial(work_on, threads="NONE" if processes > 1 else "AUTO"), jobs, processes):
        if isinstance(result, Died):
            cause = f"the process that decoded it ended (exit code {result.exit_code}), perhaps for lack of memory"
            yield job, Result(errors={"": cause})
        else:
            yield job, result


def _write_results(results: Results, folder: FeatureFolder, networks: Mapping[str, Network]) -> Iterator[Outcome]:
    """Write results, and then what networks compute from them, several clips at a time."""
    pending: list[tuple[Job, Result]] = []
    for job, result in results:
        _write(folder, job, result)
        pending.append((job, result))
        if len(pending) == CLIPS_AT_ONCE or not networks:
            yield from _finish(pending, folder, networks)
            pending = []
    yield from _finish(pending, folder, networks)


def _finish(
    pending: Sequence[tuple[Job, Result]], folder: FeatureFolder, networks: Mapping[str, Network]
) -> Iterator[Outcome]:
    apply_networks(pending, networks)
    for job, result in pending:
        _write(folder, job, result)
        if "" not in result.errors and job.clip.exists():
            folder.finish(job.video_id, job.clip)
        yield Outcome(job.clip, job.video_id, result.errors, result.notes)


def _write(folder: FeatureFolder, job: Job, result: Result) -> None:
    """Write the files of a clip whose contents are known, and free their memory."""
    for spec in job.specs:
        if spec.name in result.contents:
            folder.write(spec, job.video_id, result.contents.pop(spec.name))


def apply_networks(pending: Sequence[tuple[Job, Result]], networks: Mapping[str, Network]) -> None:
    """Turn the networks' inputs of some clips into contents of files, all clips at once."""
    for name, network in networks.items():
        given = [(job, result) for job, result in pending if name in result.inputs]
        inputs = [result.inputs.pop(name) for _, result in given]
        for (job, result), values in zip(given, _run_network(network, inputs), strict=True):
            spec = next(each for each in job.specs if each.name == name)
            if isinstance(values, Exception):
                result.errors[name] = cause_of(values)
            else:
                result.contents[name] = [spec.encode(value) for value in values]


def _run_network(network: Network, inputs: list[list[Any]]) -> Sequence[list[Any] | Exception]:
    """Run a network on some clips; if that fails, on each alone, since one clip may be the cause."""
    try:
        return network(inputs) if inputs else []
    except Exception as error:
        return [error] if len(inputs) == 1 else [_run_network(network, [each])[0] for each in inputs]


def work_on(job: Job, threads: Threads) -> Result:
    """Decode one clip, and compute its features that need no network."""
    result = Result()
    try:
        collected = collect(job.clip, job.specs, job.title, threads)
    except Exception as error:
        result.errors[""] = cause_of(error, job.clip)
        return result
    result.errors |= collected.errors
    result.notes = [note.removeprefix(f"{job.clip}: ") for note in collected.notes]
    for spec in job.specs:
        if spec.name not in collected.values:
            continue
        if isinstance(spec, NetworkSpec):
            result.inputs[spec.name] = collected.values[spec.name]
            continue
        try:
            result.contents[spec.name] = [spec.encode(value) for value in collected.values[spec.name]]
        except Exception as error:
            result.errors[spec.name] = cause_of(error)
    return result

"""Jobs on clips spread over the machines of a Ray cluster: whatever process dies, every job has one result."""

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from videomem_hf.schema import InputError
from videomem_hf.system import os_cause, printable

Job = TypeVar("Job")
Result = TypeVar("Result")

CONNECT_S: Final = 10
MOST_LOST: Final = 10
"""Batches that are lost in a row before no more are started: the fault is in the work, and shows in the first job."""


@dataclass(frozen=True)
class Lost:
    """In place of a result: the process that worked on the job ended without one, alone with it as well."""

    cause: str


@dataclass(frozen=True)
class Work(Generic[Job, Result]):
    """What the processes of the cluster run.

    Attributes:
        make: Called once in each process; returns a function from a batch of jobs to their results. Picklable.
        at_once: Jobs in a batch, which is lost as a whole if its process dies.
        workers: Processes; None takes one per GPU of the cluster if `gpu` and there are any, else one per core. More
            processes than GPUs share them.
        gpu: Whether the jobs can use a GPU.
    """

    make: Callable[[], Callable[[list[Job]], list[Result]]]
    at_once: int = 8
    workers: int | None = None
    gpu: bool = False


def run_ray_jobs(work: Work[Job, Result], jobs: Sequence[Job]) -> Iterator[tuple[Job, Result | Lost]]:
    """Run all jobs. Results come when they are ready, in any order, and only some batches are in memory at a time.

    The jobs of a batch whose process dies (a crash, or killed for its memory) are repeated at the end, each in its own
    process. A job that alone kills its process is given up. Finished jobs are never repeated.

    Args:
        work: What to run. The package must be installed on all machines, and files must have the same paths on all.
        jobs: Picklable and small: names, not contents.

    Yields:
        Each job with its result.

    Raises:
        InputError: Ray is not installed, or no cluster responds at RAY_ADDRESS.
    """
    if not jobs:
        return
    with _cluster() as ray:
        left = set(range(len(jobs)))
        for index, result in run_batches(ray, work, jobs):
            left.discard(index)
            yield jobs[index], result
        for index, result_or_lost in _run_alone(ray, work, [(index, jobs[index]) for index in sorted(left)]):
            yield jobs[index], result_or_lost


class BatchWorker:
    """One process's part: an actor of Ray."""

    def __init__(self, make: Callable[[], Callable[[list[Any]], list[Any]]]) -> None:
        self.do = make()

    def run(self, jobs: list[Any]) -> list[Any]:
        """Turn a batch of jobs into their results."""
        return self.do(jobs)


def run_batches(ray: Any, work: Work[Any, Any], jobs: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Yield what gets done in batches; a batch whose process ends, or raises, is missing."""
    starts = iter(range(0, len(jobs), work.at_once))
    workers, share = _plan_processes(ray, work)
    start_worker = partial(ray.remote(num_cpus=1, num_gpus=share)(BatchWorker).remote, work.make)
    running: dict[Any, tuple[Any, int]] = {}
    lost_in_a_row = 0

    def submit(worker: Any, start: int) -> None:
        running[worker.run.remote(list(jobs[start : start + work.at_once]))] = worker, start

    for start in islice(starts, workers):
        submit(start_worker(), start)
    while running:
        (done,), _ = ray.wait(list(running), num_returns=1)
        worker, start = running.pop(done)
        try:
            results = ray.get(done)
        except ray.exceptions.RayError:
            lost_in_a_row += 1
            worker = None
        else:
            lost_in_a_row = 0
            yield from enumerate(results, start)
        if lost_in_a_row < MOST_LOST and (following := next(starts, None)) is not None:
            submit(worker or start_worker(), following)


def _run_alone(ray: Any, work: Work[Any, Any], left: list[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """Do each job in a process of its own, which may end without harm to others."""
    run = ray.remote(num_cpus=1, num_gpus=_plan_processes(ray, work)[1], max_retries=0, max_calls=1)(_run_one)
    for (index, _), result in zip(left, [run.remote(work.make, job) for _, job in left], strict=True):
        try:
            yield index, ray.get(result)
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError):
            yield index, Lost("the process that worked on it ended; its memory may not have sufficed")


def _run_one(make: Callable[[], Callable[[list[Any]], list[Any]]], job: Any) -> Any:
    return make()([job])[0]


def _plan_processes(ray: Any, work: Work[Any, Any]) -> tuple[int, float]:
    """Give the number of processes, and the share of a GPU that each gets."""
    there = ray.cluster_resources()
    gpus = there.get("GPU", 0) if work.gpu else 0
    workers = work.workers or max(1, int(gpus or there.get("CPU", 1)))
    return workers, min(1.0, gpus / workers)


@contextmanager
def _cluster() -> Iterator[Any]:
    """Connect to the cluster that RAY_ADDRESS names or that runs on this machine, or start one here for the time."""
    if find_spec("ray") is None:
        raise InputError("--engine ray needs Ray: pip install 'videomem_hf[ray]', on all machines of the cluster")
    _check_address(os.environ.get("RAY_ADDRESS", ""))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")  # a process per core that nothing here would use
    quiet = "RAY_BACKEND_LOG_LEVEL" not in os.environ
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray

    ours = not ray.is_initialized()
    if ours:
        with _silence_stderr() if quiet else nullcontext(), _printable_arguments():
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


@contextmanager
def _printable_arguments() -> Iterator[None]:
    """Let Ray, which sends the command line as UTF-8, find it so."""
    given = sys.argv
    sys.argv = [printable(argument) for argument in given]
    try:
        yield
    finally:
        sys.argv = given


def _check_address(address: str) -> None:
    """Refuse at once an address where no cluster responds; Ray tries for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or "/" in host:  # none, "auto", "local" or a Ray Client's
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except OSError as error:
        raise InputError(
            f"RAY_ADDRESS={address}: no cluster responds there ({os_cause(error)}); start the "
            "cluster with `ray start --head`, or unset RAY_ADDRESS to work on this machine"
        ) from None


@contextmanager
def _silence_stderr() -> Iterator[None]:
    """Keep Ray's native code from announcing on standard error that its log level is set."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)

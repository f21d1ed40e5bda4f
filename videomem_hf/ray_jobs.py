"""Jobs on clips spread over the machines of a Ray cluster: whatever process dies, every job has one result."""

import logging
import os
import pickle
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, Generic, TypeVar

from videomem_hf.schema import InputError
from videomem_hf.system import os_cause

Job = TypeVar("Job")
Result = TypeVar("Result")

CONNECT_S: Final = 10
RETRIES: Final = 2
"""How often a batch is tried again when the process that works on it ends; then each of its jobs is tried alone."""


@dataclass(frozen=True)
class Lost:
    """In place of a result: the process that worked on the job ended without one, alone with it as well."""

    cause: str


@dataclass(frozen=True)
class Work(Generic[Job, Result]):
    """What the processes of the cluster run.

    Attributes:
        make: Called once in each process; returns a function from a batch of jobs to their results. Picklable.
        at_once: Jobs in a batch. If the process dies, the batch is lost and repeated.
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

    A batch whose process dies (a crash, or killed for its memory) is repeated in another process, and then job by job.
    A job that alone kills its process is given up. Finished jobs are never repeated.

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
        for index, result in _run_batches(ray, work, jobs):
            left.discard(index)
            yield jobs[index], result
        for index, result_or_lost in _run_alone(ray, work, [(index, jobs[index]) for index in sorted(left)]):
            yield jobs[index], result_or_lost


class BatchWorker:
    """One process's part, as Ray Data calls it."""

    def __init__(self, make: Callable[[], Callable[[list[Any]], list[Any]]]) -> None:
        self.do = make()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Turn pickled jobs into pickled results; indices tell which is which."""
        results = self.do([pickle.loads(job) for job in batch["job"]])
        return {"index": batch["index"], "result": [pickle.dumps(result) for result in results]}


def _run_batches(ray: Any, work: Work[Any, Any], jobs: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Yield what Ray Data gets done; batches that it gives up are missing."""
    from ray.data import ActorPoolStrategy, from_items

    batches = -(-len(jobs) // work.at_once)
    workers, share = _plan_processes(ray, work)
    rows = [{"index": index, "job": pickle.dumps(job)} for index, job in enumerate(jobs)]
    done = from_items(rows, override_num_blocks=batches).map_batches(
        BatchWorker,
        fn_constructor_args=(work.make,),
        batch_size=None,  # a block, which is a batch
        compute=ActorPoolStrategy(size=min(workers, batches), max_tasks_in_flight_per_actor=2),
        num_cpus=1,
        num_gpus=share or None,
        ray_remote_args_fn=lambda: {"max_restarts": -1, "max_task_retries": RETRIES},
    )
    blocks: Iterable[Any] = done.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    for block in blocks:
        for index, result in zip(block["index"].to_pylist(), block["result"].to_pylist(), strict=True):
            yield index, pickle.loads(result)


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
    quiet = "RAY_BACKEND_LOG_LEVEL" not in os.environ
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray
    from ray.data import DataContext

    ours = not ray.is_initialized()
    if ours:
        with _silence_stderr() if quiet else nullcontext():
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = -1  # what is missing at the end is tried alone, where an error shows itself
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


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

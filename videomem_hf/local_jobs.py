"""Processes that each work on one clip at a time: one that dies takes no other clip with it."""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.pool import ExceptionWithTraceback  # type: ignore[attr-defined]
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from videomem_hf.system import handle_signal

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Died:
    """In place of a result: the process that worked on it ended without one (a crash, or killed for its memory)."""

    exit_code: int | None


@dataclass
class _Worker(Generic[Job]):
    process: BaseProcess
    pipe: Connection
    job: Job | None = None


def run_jobs(
    function: Callable[[Job], Result], jobs: Iterable[Job], processes: int, *, isolated: bool = False
) -> Iterator[tuple[Job, Result | Died]]:
    """Run a function on jobs in several processes, one job each at a time; yields each job with its result when ready.

    The function, jobs and results are picklable; with one process the function runs in this one unless it is to be
    `isolated`. A job is taken from `jobs` when a process is free for it; one that died is replaced. What the function
    raises ends the run and is raised here.
    """
    if processes == 1 and not isolated:
        for job in jobs:
            yield job, function(job)
        return
    context = multiprocessing.get_context("spawn")
    waiting = iter(jobs)
    workers: list[_Worker[Job]] = []
    try:
        for job in waiting:
            workers.append(_start(context, function, job))
            if len(workers) == processes:
                break
        while workers:
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                done, result = worker.job, _receive(worker)
                next_job = next(waiting, None)
                if next_job is None:
                    workers.remove(worker)
                    _stop(worker)
                elif isinstance(result, Died):
                    workers[workers.index(worker)] = _start(context, function, next_job)
                else:
                    _send(worker, next_job)
                assert done is not None
                yield done, result
    finally:
        for worker in workers:
            worker.process.terminate()
            _stop(worker)


def _start(context: Any, function: Callable[[Job], Result], job: Job) -> _Worker[Job]:
    pipe, other_end = context.Pipe()
    process = context.Process(target=_work, args=(function, other_end), daemon=True)
    with handle_signal(signal.SIGINT, signal.SIG_IGN):  # the new process inherits it: Ctrl-C is for this one alone
        process.start()
    other_end.close()  # so that the pipe ends with the process
    _send(worker := _Worker[Job](process, pipe), job)
    return worker


def _send(worker: _Worker[Job], job: Job) -> None:
    worker.job = job
    with suppress(OSError):  # the process has died, as `_receive` will find
        worker.pipe.send(job)


def _receive(worker: _Worker[Any]) -> Any:
    try:
        result, error = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        return Died(worker.process.exitcode)
    if error is not None:
        raise error
    return result


def _stop(worker: _Worker[Any]) -> None:
    worker.pipe.close()
    worker.process.join()


def _work(function: Callable[[Any], Any], pipe: Connection) -> None:
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            outcome = function(job), None
        except Exception as error:
            outcome = None, ExceptionWithTraceback(error, error.__traceback__)
        pipe.send(outcome)

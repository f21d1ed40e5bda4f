"""Processes: all jobs come back, several at a time, and a process that dies takes no other job with it."""

import os
import threading
from collections.abc import Iterator

import pytest

from videomem_hf.local_jobs import Died, run_jobs
from videomem_hf.schema import InputError


def square(job: int) -> tuple[int, int]:
    """Runs in a process; 13 ends it as a crash would, 14 as the system does when memory runs out."""
    if job == 13:
        os._exit(3)
    if job == 14:
        os.kill(os.getpid(), 9)
    return job * job, os.getpid()


def never_end(job: int) -> int:
    """Runs in a process."""
    threading.Event().wait()
    return job


def refuse(job: int) -> int:
    """Runs in a process."""
    raise InputError(f"job {job} has no model")


class EndsItsProcess:
    """Ends the process that unpickles it, before that can take a job or call this."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (5,)

    def __call__(self, job: object) -> object:
        return job


def test_one_process_is_this_one() -> None:
    assert list(run_jobs(square, [2, 3], 1)) == [(2, (4, os.getpid())), (3, (9, os.getpid()))]


def test_one_isolated_process_goes_on_until_it_dies() -> None:
    results = dict(run_jobs(square, [2, 3, 13, 4], 1, isolated=True))
    assert results[13] == Died(3)
    first, second, after = (results[job][1] for job in (2, 3, 4))  # type: ignore[index]
    assert first == second != after
    assert os.getpid() not in (first, after)


def test_all_jobs_come_back_from_two_processes() -> None:
    results = dict(run_jobs(square, range(8), 2))
    assert {job: result[0] for job, result in results.items()} == {job: job * job for job in range(8)}  # type: ignore[index]
    processes = {result[1] for result in results.values()}  # type: ignore[index]
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_jobs_are_taken_when_a_process_is_free() -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for job in range(6):
            taken.append(job)
            yield job

    for done, _ in enumerate(run_jobs(square, jobs(), 2), start=1):
        assert len(taken) <= done + 2
    assert taken == list(range(6))


def test_a_process_that_dies_loses_its_job_alone() -> None:
    results = dict(run_jobs(square, [13, 1, 2, 14, 3, 13], 2))
    assert results.pop(13) == Died(3)
    assert results.pop(14) == Died(-9)
    assert sorted(results) == [1, 2, 3]
    assert all(result[0] == job * job for job, result in results.items())  # type: ignore[index]


def test_a_process_that_dies_before_it_takes_its_job_loses_that_alone() -> None:
    jobs: list[object] = [1, b"2" * 10_000_000, 3]
    assert dict(run_jobs(EndsItsProcess(), jobs, 2)) == dict.fromkeys(jobs, Died(5))
    results = dict(run_jobs(square, [EndsItsProcess(), 1, 2], 2))  # type: ignore[list-item]
    assert sorted(str(result if isinstance(result, Died) else result[0]) for result in results.values()) == [
        "1",
        "4",
        "Died(exit_code=5)",
    ]


@pytest.mark.parametrize("processes", [1, 2])
def test_what_the_function_raises_is_raised_here(processes: int) -> None:
    with pytest.raises(InputError, match=r"^job 3 has no model$"):
        list(run_jobs(refuse, [3, 3], processes))


def test_stopping_ends_the_processes() -> None:
    import multiprocessing

    results = run_jobs(never_end, [1, 2, 3], 2)

    def interrupt(pipes: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("videomem_hf.local_jobs.wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            next(results)
    assert not multiprocessing.active_children()

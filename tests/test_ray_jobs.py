"""Jobs on Ray: all come back, processes that die take nothing with them, what is wrong shows itself."""

import os
import pickle
import socket
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.clips import grey_levels, write_clip
from tests.features.media import moving_frames
from tests.inference.test_predictor import tiny  # noqa: F401 - a fixture
from tests.ray_work import KILLED_ONCE, KILLER, breaker, squarer
from videomem_hf import ray_jobs
from videomem_hf.cli import app
from videomem_hf.ray_jobs import Lost, Work, run_ray_jobs
from videomem_hf.schema import InputError


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One small cluster for all tests here: starting it takes longer than they do."""
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    yield ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 2**20)
    ray.shutdown()


@pytest.mark.slow
def test_killed_processes_lose_nothing(cluster: Any, tmp_path: Path) -> None:
    work = Work(partial(squarer, tmp_path), at_once=2, workers=2)
    results = list(run_ray_jobs(work, range(12)))
    assert sorted(job for job, _ in results) == list(range(12))
    found = dict(results)
    assert isinstance(found.pop(KILLER), Lost)
    assert found == {job: job * job for job in range(11)}
    begun = {job: (tmp_path / str(job)).read_text().count("begun") for job in range(12)}
    finished = set(range(10)) - {4, 5}
    assert {job: begun[job] for job in finished} == dict.fromkeys(finished, 1)  # a finished batch is never done again
    assert begun[KILLED_ONCE] == 2


def test_no_process_is_started_for_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three batches for one process the first and the last are lost: only the first is followed by others."""
    started: list[Any] = []

    class EndedError(Exception):
        pass

    def run_remote(jobs: list[int]) -> tuple[int, ...]:
        return tuple(jobs)

    def get(jobs: tuple[int, ...]) -> tuple[int, ...]:
        if jobs[0] in (0, 4):
            raise EndedError
        return jobs

    def start(make: Any) -> Any:
        started.append(make)
        return SimpleNamespace(run=SimpleNamespace(remote=run_remote))

    ray = SimpleNamespace(
        remote=lambda **_: lambda _: SimpleNamespace(remote=start),
        wait=lambda running, num_returns: (running[:1], running[1:]),
        get=get,
        exceptions=SimpleNamespace(RayError=EndedError),
        cluster_resources=lambda: {"CPU": 1},
    )
    work = Work(lambda: lambda jobs: jobs, at_once=2, workers=1)
    assert list(ray_jobs.run_batches(ray, work, range(6))) == [(2, 2), (3, 3)]
    assert len(started) == 2


@pytest.mark.slow
def test_a_fault_of_the_program_is_raised_not_lost(cluster: Any) -> None:
    with pytest.raises(Exception, match="a fault of the program"):
        list(run_ray_jobs(Work(breaker, at_once=2, workers=1), range(2)))


def done_here(work: Work[Any, Any], jobs: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """In place of Ray: the same contract, in this process; everything is pickled, and results come in another order."""
    do = pickle.loads(pickle.dumps(work.make))()
    for job in reversed(pickle.loads(pickle.dumps(jobs))):
        yield job, do([job])[0]


@pytest.fixture(params=["stand-in", pytest.param("ray", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Ray itself, or a stand-in that shows in a second whether what is done with it is right."""
    if request.param == "ray":
        request.getfixturevalue("cluster")
    else:
        monkeypatch.setattr("videomem_hf.extraction.ray_engine.run_ray_jobs", done_here)
        monkeypatch.setattr("videomem_hf.inference.ray_engine.run_ray_jobs", done_here)
    return str(request.param)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_extraction_equals_that_of_the_local_engine(engine: str, tmp_path: Path) -> None:
    from tests.features.test_encoders import save_vit

    clips = tmp_path / "clips"
    clips.mkdir()
    for seed, name in enumerate(("video3.webm", "holiday.webm", "a.webm")):
        write_clip(clips / name, moving_frames(12, seed=seed))
    (clips / "bad.mp4").write_text("no video")
    features = f"hmp,colorhistogram,hf:{save_vit(tmp_path / 'vit', pooler=True)}"
    for name in ("local", "ray"):
        command = ["extract", str(clips), "--features", features, "--out", str(tmp_path / name), "--device", "cpu"]
        result = CliRunner().invoke(app, [*command, "--engine", name, "--jobs", "1" if name == "local" else "2"])
        assert result.exit_code == 1, result.output
        assert "3 of 4 clips extracted, 1 with errors" in result.output
    expected = files(tmp_path / "local")
    assert len([name for name in expected if "/" in name]) == 3 * (1 + 3 + 1)
    found = files(tmp_path / "ray")
    assert found.keys() == expected.keys()
    for name, content in expected.items():
        if name.startswith("hf-"):  # a network's rounding depends on how many clips it is given at once
            np.testing.assert_allclose(
                np.array(found[name].split(), float), np.array(content.split(), float), atol=1e-6
            )
        else:
            assert found[name] == content


def test_prediction_equals_that_of_the_local_engine_and_goes_on(
    engine: str,
    tmp_path: Path,
    tiny: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny.model.save_pretrained("model")
    tiny.processor.save_pretrained("model")
    names = ["a.webm", "b.webm", "gone.webm", "c.webm"]
    for length, name in zip((72, 24, 0, 48), names, strict=True):
        if length:
            write_clip(tmp_path / name, grey_levels(length))
    (tmp_path / "two.txt").write_text("a.webm\nb.webm\n")
    (tmp_path / "all.txt").write_text("\n".join(names) + "\n")
    command = ["predict", "--model", "model", "--device", "cpu"]
    on_ray = [*command, "--csv", "ray.csv", "--engine", "ray", "--jobs", "2"]
    assert CliRunner().invoke(app, [*on_ray, "--list", "two.txt"]).exit_code == 0
    before = Path("ray.csv.journal").read_bytes()
    result = CliRunner().invoke(app, [*on_ray, "--list", "all.txt"])
    assert result.exit_code == 1, result.output
    assert "3 of 4 clips scored, 2 were done before, 1 without a score" in result.output
    after = Path("ray.csv.journal").read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == before.count(b"\n") + 1
    assert CliRunner().invoke(app, [*command, "--csv", "local.csv", "--list", "all.txt"]).exit_code == 1
    assert Path("ray.csv").read_text() == Path("local.csv").read_text()


def test_other_outputs_and_nothing_named_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "a.webm", grey_levels(24))
    (tmp_path / "empty.txt").write_text("\n")
    for arguments, message in {
        ("predict", str(clip), "--engine", "ray"): "give --csv FILE",
        ("predict", str(clip), "--engine", "ray", "--csv", "s.csv", "--plots", str(tmp_path / "p")): "no other output",
        ("predict",): "no clip is named",
        ("predict", "--list", str(tmp_path / "empty.txt")): "names no clip",
        ("extract", "--out", str(tmp_path / "o"), "--list", str(tmp_path / "none.txt")): "cannot be read",
    }.items():
        result = CliRunner().invoke(app, arguments)
        assert isinstance(result.exception, InputError), arguments
        assert message in str(result.exception)


def test_an_address_without_a_cluster_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_jobs, "find_spec", lambda name: True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(InputError, match="no cluster responds there"):
            list(run_ray_jobs(Work(breaker), [1]))


def test_nothing_to_do_needs_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_jobs, "find_spec", lambda name: None)
    assert list(run_ray_jobs(Work(breaker), [])) == []
    with pytest.raises(InputError, match=r"videomem_hf\[ray\]"):
        list(run_ray_jobs(Work(breaker), [1]))

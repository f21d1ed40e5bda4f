"""Extraction on a Ray cluster: decoding and networks run there, files are written here."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from videomem_hf.extraction.run import CLIPS_AT_ONCE, Job, Result, apply_networks, work_on
from videomem_hf.features.extract import load_networks
from videomem_hf.features.spec import FeatureSpec, NetworkSpec
from videomem_hf.ray_jobs import Lost, Work, run_ray_jobs


@dataclass(frozen=True)
class RayEngine:
    """Runs extraction on Ray; pass it to `extract_clips` as `elsewhere`.

    `device` None takes a GPU if the cluster has one; `workers` is the number of processes over all machines.
    """

    specs: tuple[FeatureSpec, ...]
    device: str | None = None
    workers: int | None = None

    def __call__(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Result]]:
        """Yield each job with its result, as they are ready; raises an InputError if Ray is not installed."""
        gpu = self.device != "cpu" and any(isinstance(spec, NetworkSpec) for spec in self.specs)
        work = Work(self._extractor, CLIPS_AT_ONCE, self.workers, gpu)
        given = {job.video_id: job for job in jobs}
        for job, result in run_ray_jobs(work, [replace(job, clip=job.clip.absolute()) for job in jobs]):
            yield given[job.video_id], Result(errors={"": result.cause}) if isinstance(result, Lost) else result

    def _extractor(self) -> Callable[[list[Job]], list[Result]]:
        """Load the networks once in a process of the cluster."""
        networks = load_networks(self.specs, self.device)

        def extract(jobs: list[Job]) -> list[Result]:
            results = [work_on(job, threads="NONE") for job in jobs]
            apply_networks(list(zip(jobs, results, strict=True)), networks)
            return results

        return extract

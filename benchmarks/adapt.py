"""How much of the gap to a predictor trained on a new domain `videomem adapt` closes with a hundred clips of it.

    python benchmarks/adapt.py --work adapt-work --out benchmarks/results/adapt.json

A frame network is trained on generated clips on land. It is then adapted to two other data sets: clips in the air, on
and under water, whose places and things it has never seen; and clips on land of a world in which other things are
memorable. Each is measured on held-out clips of the data set, beside the network as it was and one that was trained on
many clips of the data set, from the weights of the first. What the noise of the annotations leaves to be gained is
measured as well: by the same process with hyper-parameters that are known, as they are fitted to true scores. All data
are generated: the figures say nothing about real clips.
"""

import argparse
import csv
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adapt_domains import Domain, write_domain
from results_file import machine, write_results
from scipy.stats import spearmanr

from videomem_hf import adapt
from videomem_hf.inference.loading import load_network
from videomem_hf.models.modeling_adapted import AdaptedModel
from videomem_hf.multiview.adapt import Adaptation, unfitted_model
from videomem_hf.multiview.adapt_clips import Measured, inverse_counts
from videomem_hf.multiview.adapt_data import DomainReader
from videomem_hf.multiview.adapt_process import Kernel, correction_state, fit_hyper_parameters, fit_process
from videomem_hf.run_files import is_run_folder
from videomem_hf.training import TrainingConfig, train
from videomem_hf.video.collate import ClipCollator
from videomem_hf.video.frame_cache import FrameCache

HORIZONS = ("short_term", "long_term")
BASE = Domain("land", 11)
NEW = {
    "a domain left out": Domain("water", 12, in_air_or_water=True),
    "other causes": Domain("other", 13, other_causes=True),
}
SPLITS = {"land": {"train": 600, "validation": 60}, "water": {"train": 500, "validation": 250}}
SPLITS["other"] = SPLITS["water"]


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for clips and networks; kept for the next run")
    parser.add_argument("--clips", type=int, nargs="+", default=[100], help="clips to adapt with")
    parser.add_argument("--annotations", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5, help="draws of the clips and of their annotations")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)  # so small a network is not faster on more
    truths = {domain.name: _prepare(domain, given.work, given.epochs) for domain in (BASE, *NEW.values())}
    found = {}
    for title, domain in NEW.items():
        held_out = HeldOutClips(domain, given.work, np.array(truths[domain.name]))
        found[title] = [
            held_out.measure(clips, given.annotations, range(given.seeds), given.work) for clips in given.clips
        ]
    results = {
        "command": f"python benchmarks/adapt.py --work adapt-work --clips {' '.join(map(str, given.clips))} "
        f"--annotations {given.annotations} --seeds {given.seeds}",
        "machine": machine(),
        "data": "generated clips and annotations; nothing of VideoMem's",
        "results": found,
    }
    write_results(results, given.out)


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%X')} {text}\n")


def _prepare(domain: Domain, work: Path, epochs: int) -> list[tuple[float, float]]:
    """Write a domain and train a network on it, that of a new domain from the weights of the first."""
    truths = write_domain(domain, work / domain.name, SPLITS[domain.name], _say)
    output = work / f"model_{domain.name}"
    if not is_run_folder(output):
        init = [] if domain is BASE else [f"init={work / 'model_land'}"]
        overrides = [f"stages.*.epochs={epochs}", "evaluation.every=0", f"frame_cache={work / 'frames'}", *init]
        train(
            TrainingConfig.from_recipe(
                "frame_attention", data=str(work / domain.name), output=str(output), overrides=overrides
            )
        )
    return truths


class HeldOutClips:
    """The held-out clips of a new domain: features by the first network, scores by it and by that of the domain."""

    def __init__(self, domain: Domain, work: Path, truth: np.ndarray) -> None:
        self.domain, self.truth = domain, truth
        with (work / domain.name / "scores.csv").open(encoding="utf-8") as file:
            self.rows = list(csv.DictReader(file))
        self.test = np.array([index for index, row in enumerate(self.rows) if row["split"] != "train"])
        self.train = np.array([index for index, row in enumerate(self.rows) if row["split"] == "train"])
        base, processor = load_network(str(work / "model_land"))
        self._fit_to_truth(base, processor, work)
        full, _ = load_network(str(work / f"model_{domain.name}"))
        cache, collate = FrameCache(work / "frames", processor), ClipCollator(processor)
        sources = [str(work / domain.name / "clips" / self.rows[index]["video"]) for index in self.test]
        cache.fill(sources, progress=False)
        frames, before, scores = [], [], []
        with torch.inference_mode():
            for source in sources:
                pixels = collate([{"frames": cache.load(source)}])["pixel_values_videos"]
                frames.append(pixels[0])
                before.append(base.eval()(pixel_values_videos=pixels).scores[0])
                scores.append(full.eval()(pixel_values_videos=pixels).scores[0])
        self.pixels = torch.nn.utils.rnn.pad_sequence(frames, batch_first=True)
        lengths = torch.tensor([len(each) for each in frames])
        self.mask = torch.arange(self.pixels.shape[1]) < lengths[:, None]
        self.before = torch.stack(before).double().numpy()
        self.full = torch.stack(scores).double().numpy()

    def _fit_to_truth(self, base: Any, processor: Any, work: Path) -> None:
        """Fit hyper-parameters to the true scores of the clips that draws are from; at most 300 of them count."""
        data = str(work / self.domain.name)
        reader = DomainReader(unfitted_model(base, HORIZONS).eval(), processor, data, None, str(work / "frames"), False)
        clips = reader.read(["train"])
        of_clip = {row["video"].rsplit(".", 1)[0]: truth for row, truth in zip(self.rows, self.truth, strict=True)}
        truth = np.array([of_clip[name] for name in clips.video_ids])
        data_of_all = Measured(clips.prior, truth, np.zeros(truth.shape))
        self.factor = clips.factor
        self.hyper = fit_hyper_parameters(Kernel(clips.rows), data_of_all, np.arange(len(clips)))

    def _with_known_hyper_parameters(self, adaptation: Adaptation) -> AdaptedModel:
        """The adapted model with the hyper-parameters of the true scores in place of those of its own clips."""
        clips, model = adaptation.clips, adaptation.model
        rescaled = np.divide(self.factor, clips.factor, out=np.zeros_like(self.factor), where=clips.factor > 0)
        rows = clips.rows.scaled(rescaled)
        data = Measured(clips.prior, clips.scores, inverse_counts(clips.counts))
        state = correction_state(rows, self.factor, fit_process(Kernel(rows), data, self.hyper), data)
        model.correction.load_state_dict(state | {"quantiles": model.correction.quantiles})
        return model

    def measure(self, clips: int, annotations: int, seeds: range, work: Path) -> dict[str, Any]:
        """Adapt with draws of clips and annotations; means over the draws."""
        draws = [self._draw(clips, annotations, seed, work) for seed in seeds]
        rows = {horizon: [each[horizon] for each in draws] for horizon in HORIZONS}
        found: dict[str, Any] = {"clips": clips, "annotations": annotations, "draws": len(draws)}
        for horizon, each in rows.items():
            found[horizon] = {name: round(float(np.mean([row[name] for row in each])), 4) for name in each[0]}
            for measure, of in product(("spearman", "rmse"), ("adapted", "known")):
                before, now, full = (found[horizon][f"{measure}_{name}"] for name in ("before", of, "full"))
                name = f"{measure}_gap_closed" + ("_if_known" if of == "known" else "")
                found[horizon][name] = round((now - before) / (full - before), 3)
        found["seconds"] = round(float(np.max([each["seconds"] for each in draws])), 1)
        _say(f"{self.domain.name}: {found}")
        return found

    def _draw(self, clips: int, annotations: int, seed: int, work: Path) -> dict[str, Any]:
        generator = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "few"
            self._write(data, generator.permutation(self.train)[:clips], annotations, generator, work)
            started = time.monotonic()
            # The clips are decoded each time, as a user's would be.
            adaptation = adapt(str(work / "model_land"), data, Path(folder) / "out", frame_cache=folder, progress=False)
            seconds = time.monotonic() - started
        with torch.inference_mode():
            counts = torch.full((len(self.test), len(HORIZONS)), float(annotations))
            given = {"pixel_values_videos": self.pixels, "frame_mask": self.mask, "interval_counts": counts}
            output = adaptation.model(**given)
            known = self._with_known_hyper_parameters(adaptation)(**given).scores.double().numpy()
        measured = generator.binomial(annotations, self.truth[self.test]) / annotations
        adapted = output.scores.double().numpy()
        predictors = {"before": self.before, "adapted": adapted, "known": known, "full": self.full}
        row: dict[str, Any] = {"seconds": seconds}
        for column, horizon in enumerate(HORIZONS):
            each = dict(self._figures({n: p[:, column] for n, p in predictors.items()}, self.truth[self.test, column]))
            low, high = output.intervals[:, column].double().numpy().T
            inside = (low <= measured[:, column]) & (measured[:, column] <= high)
            each |= {"coverage": inside.mean(), "width": (high - low).mean()}
            result = adaptation.horizons[horizon]
            each |= {"supported": result.supported, "worse": result.verdict == "worse", "ranks": result.ranks_clips}
            each |= {"spearman_left_out": result.spearman}
            row[horizon] = each
        return row

    def _write(
        self, data: Path, chosen: np.ndarray, annotations: int, generator: np.random.Generator, work: Path
    ) -> None:
        """Write a folder with some clips and scores of them, from annotations that are drawn."""
        (data / "clips").mkdir(parents=True)
        with (data / "scores.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("video", *(f"{horizon}{each}" for horizon in HORIZONS for each in ("", "_annotations"))))
            for index in chosen:
                name = self.rows[index]["video"]
                shutil.copy(work / self.domain.name / "clips" / name, data / "clips" / name)
                hits = generator.binomial(annotations, self.truth[index]) / annotations
                writer.writerow((name, *(cell for score in hits for cell in (score, annotations))))

    def _figures(self, predictions: dict[str, np.ndarray], truth: np.ndarray) -> Iterator[tuple[str, float]]:
        """Correlation with, and distance from, the true memorability, which the generator knows."""
        for name, predicted in predictions.items():
            yield f"spearman_{name}", float(spearmanr(predicted, truth)[0])
            yield f"rmse_{name}", float(np.sqrt(np.mean((predicted - truth) ** 2)))


if __name__ == "__main__":
    main()

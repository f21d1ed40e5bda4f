"""The multi-view predictor on made-up data of VideoMem's size, beside scikit-learn's kernel ridge and SVR.

    python benchmarks/best_predictor.py --out benchmarks/results/best_predictor.json

The data are a stand-in (`stand_in.py`): the figures show speed, coverage and the gain of each part there, not how well
VideoMem's scores are predicted. Needs the extras `titles` and `test`.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVR
from stand_in import FOREIGN_TITLES, StandIn, make_features, make_stand_in

from videomem_hf.features import title_store
from videomem_hf.features.title_views import embed_titles, plain_title, title_views
from videomem_hf.inference.prediction import ATYPICAL_PERCENT
from videomem_hf.inference.typicality import Typicality, with_distances, with_summaries
from videomem_hf.multiview import BestFit, fit_best
from videomem_hf.multiview.predict import model_outputs
from videomem_hf.statistics import noise_ceiling

MACHINE = "2-core x86-64 virtual machine, 24 GB, shared with other work"


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8000)
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--features", action="store_true", help="add nine made-up features of the release's sizes")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    encoding = []
    with tempfile.TemporaryDirectory() as folder:
        title_store.TITLE_CACHE = Path(folder) / "stand_in"
        data = make_stand_in(lambda titles: embed_titles([plain_title(t) for t in titles]), arguments.clips)
        title_store.TITLE_CACHE = Path(folder) / "views"
        for _ in range(2):  # the second finds the vectors of the first
            started = time.monotonic(), time.process_time()
            views = title_views(data.titles) | {"concepts": data.concepts}
            encoding.append(_elapsed(started))
        embedding = title_views(data.titles, layers=())["title"]
    if arguments.features:
        views |= make_features(data)
    splits = [_measure_split(data, views, embedding, seed) for seed in range(arguments.splits)]
    content = {
        "command": f"python benchmarks/best_predictor.py --clips {arguments.clips} --splits {arguments.splits}"
        + " --features" * arguments.features,
        "machine": MACHINE,
        "data": "made-up titles, concept scores and annotations; nothing of VideoMem's",
        "threads": torch.get_num_threads(),
        "ceilings": [round(noise_ceiling(data.scores[:, h], data.counts[:, h]), 4) for h in (0, 1)],
        "encoding_titles": encoding[0],
        "titles_encoded_before": encoding[1],
        "splits": splits,
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "cores": os.cpu_count(),
    }
    arguments.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _elapsed(started: tuple[float, float]) -> dict[str, float]:
    wall, cpu = time.monotonic() - started[0], time.process_time() - started[1]
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2)}


def _measure_split(data: StandIn, views: dict[str, np.ndarray], embedding: np.ndarray, seed: int) -> dict[str, Any]:
    """One random split in the paper's proportion; `embedding` is that of the titles in one vector."""
    order = np.random.default_rng(1000 + seed).permutation(len(data.titles))
    cut = round(len(order) * 6500 / 8000)
    train, test = np.sort(order[:cut]), np.sort(order[cut:])
    started = time.monotonic(), time.process_time()
    fit = fit_best(views, data.scores, data.counts, train=train, seed=seed)
    fitting = _elapsed(started)
    found: dict[str, Any] = {"seed": seed, "train": len(train), "test": len(test), "fit": fitting}
    found["multiview"] = _of_patterns(fit, data, views, test)
    found["held_out"], found["choices"] = np.round(fit.correlations, 4).tolist(), asdict(fit.choices)
    found["typicality"] = _typicality(fit, views, train, test)
    if "c3d" in views:
        return found
    plain = fit_best(views | {"title": embedding}, data.scores, data.counts, train=train, seed=seed)
    found["with_the_sentence_embedding"] = _of_patterns(plain, data, views | {"title": embedding}, test)
    found["scikit_learn"] = _scikit_learn(data, views | {"title": embedding}, train, test)
    return found


def _of_patterns(fit: BestFit, data: StandIn, views: dict[str, np.ndarray], test: np.ndarray) -> dict[str, Any]:
    """Correlations with the scores of the test clips, and coverage with their counts and without."""
    names, found = list(fit.model.config.view_names), {}
    for pattern in sorted(fit.model.config.patterns, key=len):
        if 1 < len(pattern) < len(names) and len(names) > 3:
            continue
        used = {names[view]: views[names[view]][test] for view in pattern}
        scores, known = fit.predict(used, data.counts[test])
        row = _spearman(scores, data, test)
        for name, ends in {"coverage": known, "coverage_unknown_counts": fit.predict(used)[1]}.items():
            inside = (ends[..., 0] <= data.scores[test]) & (data.scores[test] <= ends[..., 1])
            row[name] = inside.mean(axis=0).round(4).tolist()
        found[" + ".join(used)] = row
    return found


def _typicality(fit: BestFit, views: dict[str, np.ndarray], train: np.ndarray, test: np.ndarray) -> dict[str, float]:
    """Share of clips that are flagged as unlike the training clips: half of the test clips are the reference."""

    def describe(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        flat = {name: x.reshape(len(x), -1) for name, x in rows.items()}
        return with_distances(with_summaries(flat), model_outputs(fit.model, rows)["explained"], fit.model.config)

    def share(typicality: Typicality | None, described: dict[str, np.ndarray], rows: range) -> float:
        assert typicality is not None
        percents = [typicality.percent({name: x[[row]] for name, x in described.items()}) for row in rows]
        return float(np.mean([percent is not None and percent <= ATYPICAL_PERCENT for percent in percents]))

    rng, half = np.random.default_rng(0), len(test) // 2
    typical, tested = ({name: x[rows] for name, x in views.items()} for rows in (train[:1000], test))
    typical, tested = describe(typical), describe(tested)
    halves = [{name: x[part] for name, x in tested.items()} for part in (slice(half), slice(half, None))]
    # Each half once as the reference of the other, so that all test clips are new once.
    fits = [Typicality.fit(typical, each) for each in halves]
    new = [share(fits[i], halves[1 - i], range(len(test) - half if i == 0 else half)) for i in (0, 1)]
    flagged = {"new clips of the same world": float(np.mean(new))}
    count = min(200, len(test) - half)
    clips = {name: x[test[half : half + count]] for name, x in views.items()}
    foreign = title_views([FOREIGN_TITLES[row % len(FOREIGN_TITLES)] for row in range(count)])["title"]
    kinds = {"titles of another world": clips | {"title": foreign}}
    for name in [name for name in views if name != "title"]:
        x = clips[name]
        kinds[f"{name}: uniform noise"] = clips | {name: rng.uniform(0, views[name].max(), x.shape)}
        kinds[f"{name}: shuffled among clips and numbers"] = clips | {name: rng.permutation(x.ravel()).reshape(x.shape)}
        kinds[f"{name}: one constant"] = clips | {name: np.full(x.shape, x.mean())}
    for kind, rows in kinds.items():
        odd = describe({name: np.asarray(x, np.float32) for name, x in rows.items()})
        flagged[kind] = share(fits[0], odd, range(count))
    return {kind: round(each, 4) for kind, each in flagged.items()}


def _spearman(scores: np.ndarray, data: StandIn, rows: np.ndarray) -> dict[str, Any]:
    return {"spearman": [round(float(spearmanr(scores[:, h], data.scores[rows, h])[0]), 4) for h in (0, 1)]}


def _scikit_learn(data: StandIn, views: dict[str, np.ndarray], train: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    """Kernel ridge and support vector regression on title and concepts side by side, scaled to equal variance."""
    parts = [views["title"], np.sqrt(views["concepts"])]
    x = np.concatenate([part / np.sqrt(part.var(axis=0).sum()) for part in parts], axis=1)
    squares = ((x[train][:1000, None] - x[train][None, :1000]) ** 2).sum(axis=2)
    gamma = 3 / np.median(squares[np.triu_indices(len(squares), 1)])
    means, stds = data.scores[train].mean(axis=0), data.scores[train].std(axis=0)
    y = (data.scores[train] - means) / stds
    found = {}
    for name, regressor in {
        "KernelRidge": lambda: KernelRidge(kernel="rbf", gamma=gamma, alpha=3.2),
        "SVR": lambda: SVR(gamma=gamma, C=0.3),
    }.items():
        started = time.monotonic(), time.process_time()
        columns = [regressor().fit(x[train], y[:, h]).predict(x[test]) for h in (0, 1)]
        found[name] = _spearman(np.stack(columns, axis=1), data, test) | _elapsed(started)
    return found


if __name__ == "__main__":
    main()

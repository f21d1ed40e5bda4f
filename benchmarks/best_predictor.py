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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVR
from stand_in import StandIn, make_stand_in

from videomem_hf.features import title_store
from videomem_hf.features.title_views import embed_titles, plain_title, title_views
from videomem_hf.multiview import FitOptions, fit_best
from videomem_hf.statistics import noise_ceiling

MACHINE = "2-core x86-64 virtual machine, 24 GB, shared with other work"


def main() -> None:
    """Measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8000)
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--head", default="kernel")
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
    splits = [_measure_split(data, views, seed, arguments.head) for seed in range(arguments.splits)]
    content = {
        "command": f"python benchmarks/best_predictor.py --clips {arguments.clips} --splits {arguments.splits} "
        f"--head {arguments.head}",
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


def _measure_split(data: StandIn, views: dict[str, np.ndarray], seed: int, head: str) -> dict[str, Any]:
    """One random split in the paper's proportion."""
    order = np.random.default_rng(1000 + seed).permutation(len(data.titles))
    cut = round(len(order) * 6500 / 8000)
    train, test = np.sort(order[:cut]), np.sort(order[cut:])
    started = time.monotonic(), time.process_time()
    fit = fit_best(views, data.scores, data.counts, train=train, options=FitOptions(head=head), seed=seed)
    fitting = _elapsed(started)
    names = list(fit.model.config.view_names)
    found: dict[str, Any] = {"seed": seed, "train": len(train), "test": len(test), "fit": fitting, "multiview": {}}
    for pattern in sorted(fit.model.config.patterns, key=len):
        used = {names[view]: views[names[view]][test] for view in pattern}
        scores, ends = fit.predict(used, data.counts[test])
        inside = (ends[..., 0] <= data.scores[test]) & (data.scores[test] <= ends[..., 1])
        found["multiview"][" + ".join(used)] = _spearman(scores, data, test) | {
            "coverage": inside.mean(axis=0).round(4).tolist(),
        }
    found["held_out"] = {name: np.round(values, 4).tolist() for name, values in fit.correlations.items()}
    found["stacked"] = bool(np.count_nonzero(fit.model.stack[0].detach()) > 3) if head == "kernel" else None
    found["scikit_learn"] = _scikit_learn(data, views, train, test)
    return found


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

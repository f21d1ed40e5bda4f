"""The environment of a run: versions, machine and date, recorded beside its results."""

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from videomem_hf import __version__
from videomem_hf.data.provenance import generated_plan, own_table
from videomem_hf.evaluation.training_clips import run_fingerprint
from videomem_hf.system import available_cpus


def environment(config: Mapping[str, Any], libraries: Sequence[str], resumed: bool = False) -> dict[str, Any]:
    """Describe a run's configuration, its data, the machine, versions and the date, for its `results.json`.

    Of the data it has the last part of the name, under `generated` the arguments of a generated sample, or None, and
    under `table` what is known of a table of one's own, or None;
    `finished` is the day in UTC. Of a run that had been interrupted (`resumed`) the seconds are those of its last part.
    """
    data = str(config["data"])
    return {
        "recipe": config["recipe"],
        "config": config,
        "versions": {name: version(name) for name in libraries},
        "package": __version__,
        "data": {
            "name": Path(data).name,
            "fingerprint": run_fingerprint(config),
            "generated": generated_plan(data),
            "table": own_table(data),
        },
        "machine": {
            "processor": platform.machine(),
            "cores": available_cpus(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "python": platform.python_version(),
        },
        "resumed": resumed,
        "finished": datetime.now(UTC).date().isoformat(),
    }

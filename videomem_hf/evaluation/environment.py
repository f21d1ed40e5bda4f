"""The environment of a run: versions, machine and date, recorded beside its results."""

import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from videomem_hf import __version__
from videomem_hf.data.provenance import generated_plan
from videomem_hf.system import available_cpus


def environment(data: str, fingerprint: str, resumed: bool = False) -> dict[str, Any]:
    """Describe the data, the machine and the date of a run, for its `results.json`.

    `resumed`: whether the run had been interrupted; its seconds are then those of its last part.

    Of the data it has the last part of the name, and under `generated` the arguments of a generated sample, or None;
    `finished` is the day in UTC.
    """
    return {
        "package": __version__,
        "data": {"name": Path(data).name, "fingerprint": fingerprint, "generated": generated_plan(data)},
        "machine": {
            "processor": platform.machine(),
            "cores": available_cpus(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "python": platform.python_version(),
        },
        "resumed": resumed,
        "finished": datetime.now(UTC).date().isoformat(),
    }

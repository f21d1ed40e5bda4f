import os
from pathlib import Path

import pytest

from tests.training.conftest import frames, release

__all__ = ["frames", "release"]
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what `datasets` caches out of the user's folder, and out of the other tests'."""
    import datasets

    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    for name in ("VIDEOMEM_DATA_DIR", "LAMEM_DATA_DIR", "MEMENTO10K_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return cache

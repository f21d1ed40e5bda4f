"""The tiny releases of the training tests."""

from tests.training.conftest import features, frames, lamem, make_config, release

__all__ = ["features", "frames", "lamem", "make_config", "release"]

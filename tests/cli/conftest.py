"""The tiny releases of the training tests."""

from tests.training.conftest import frames, lamem, make_config, release

__all__ = ["frames", "lamem", "make_config", "release"]

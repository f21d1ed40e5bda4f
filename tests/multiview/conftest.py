"""The generated releases of the training tests: `release` has videos, `features` has feature files."""

from tests.training.conftest import features, release

__all__ = ["features", "release"]

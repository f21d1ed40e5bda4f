"""A served study for the tests of the server."""

import pytest

from tests.protocol.served import make_study, served, write_clips
from videomem_hf.protocol.server.settings import StudySettings

FAST = StudySettings(joins_per_minute=10_000, requests_per_second=10_000)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """14 clips: 12 of the game, 2 examples."""
    return write_clips(tmp_path_factory.mktemp("study") / "clips", 14)


@pytest.fixture
def game(clips, tmp_path):
    """A study that is served, with limits that no test meets by chance."""
    study, secret = make_study(tmp_path / "study", clips, settings=FAST)
    with served(study, secret) as running:
        yield running

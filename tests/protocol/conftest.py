"""A served study for the tests of the server."""

import os
import secrets

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.protocol.served import make_study, served, write_clips
from videomem_hf.protocol.server.settings import StudySettings

FAST = StudySettings(joins_per_minute=10_000, requests_per_second=10_000)
POSTGRES = os.environ.get("VIDEOMEM_TEST_POSTGRES")
"""A PostgreSQL database whose user may create schemas, such as postgresql+psycopg://postgres@127.0.0.1:5433/postgres."""


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """14 clips: 12 of the game, 2 examples."""
    return write_clips(tmp_path_factory.mktemp("study") / "clips", 14)


@pytest.fixture
def game(clips, tmp_path):
    """A study that is served, with rate limits that no test reaches by chance."""
    study, secret = make_study(tmp_path / "study", clips, settings=FAST)
    with served(study, secret) as running:
        yield running


@pytest.fixture
def postgres_url():
    """A new schema of its own in the PostgreSQL database."""
    if POSTGRES is None:
        pytest.skip("VIDEOMEM_TEST_POSTGRES names no PostgreSQL database")
    engine, schema = create_engine(POSTGRES), f"test_{secrets.token_hex(6)}"
    with engine.begin() as connection:
        connection.execute(text(f"create schema {schema}"))
    yield (
        make_url(POSTGRES)
        .update_query_dict({"options": f"-csearch_path={schema}"})
        .render_as_string(hide_password=False)
    )
    with engine.begin() as connection:
        connection.execute(text(f"drop schema {schema} cascade"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_game(request, clips, tmp_path):
    """The same as `game`, on each kind of database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    study, secret = make_study(tmp_path / "study", clips, settings=FAST)
    with served(study, secret, url=url) as running:
        yield running

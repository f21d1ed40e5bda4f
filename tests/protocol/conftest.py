"""A served study for the tests of the server."""

import os
import secrets
import shutil

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.protocol.served import make_study, served, write_clips
from videomem_hf.protocol.server.settings import StudySettings

FAST = StudySettings(joins_per_minute=10_000, requests_per_second=10_000)
POSTGRES = os.environ.get("VIDEOMEM_TEST_POSTGRES")
"""A PostgreSQL database whose user may create schemas, such as postgresql+psycopg://postgres@127.0.0.1:5433/postgres."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


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


@pytest.fixture(scope="module")
def browser():
    """Chromium, without a window."""
    sync_api = pytest.importorskip("playwright.sync_api")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, server):
    """A page of its own; the test fails if a script of it fails or breaks the content security policy."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(120_000)  # a machine may be busy
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda said: page.problems.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    assert page.problems == []
    context.close()

"""A database that is older than this OpenSMM: only ``migrate``, ``serve`` and ``demo`` change its tables."""

import psycopg
import pytest
from tests.store.test_upgrades import migrate_to
from typer.testing import CliRunner

from opensmm.cli import app
from opensmm.runtime.crashes import UNAVAILABLE
from opensmm.store import schema
from opensmm.store.embedded import EmbeddedPostgres

OLDER = "0009_price_lists"
SMALL = {"shared_buffers": "16MB", "max_wal_size": "256MB", "fsync": "off"}
APPLIED = "select count(*) from django_migrations where app = 'store'"
REFUSED = "opensmm: this database is older than this OpenSMM: stop the panel and run `opensmm migrate`\n"


@pytest.fixture
def panel(tmp_path):
    """The embedded PostgreSQL of a data folder, running as it does under an older panel."""
    embedded = EmbeddedPostgres(tmp_path / "data", SMALL)
    urls = embedded.start()
    yield embedded, urls
    embedded.stop()


def run(panel, *words):
    embedded, _ = panel
    return CliRunner().invoke(app, [*words, "--data", str(embedded.data)])


def applied(panel):
    _, urls = panel
    with psycopg.connect(urls.owner) as conn:
        return conn.execute(APPLIED).fetchall()


@pytest.mark.parametrize(
    "words", [["health"], ["customer", "list"], ["customer", "add", "--name", "Ann"], ["verify"]], ids=" ".join
)
def test_a_verb_refuses_an_older_database_and_leaves_it_as_it_is(panel, words):
    _, urls = panel
    schema.migrate(urls.owner)
    migrate_to(urls.owner, OLDER)
    before = applied(panel)
    result = run(panel, *words)
    assert (UNAVAILABLE, REFUSED, before) == (result.exit_code, result.stderr, applied(panel))


def test_migrate_brings_it_up_to_date(panel):
    _, urls = panel
    schema.migrate(urls.owner)
    migrate_to(urls.owner, OLDER)
    assert 0 == run(panel, "migrate").exit_code
    assert (0, "nothing to do: the tables are up to date\n") == (
        (result := run(panel, "migrate")).exit_code,
        result.stdout,
    )
    assert 0 == run(panel, "customer", "add", "--name", "Ann").exit_code


def test_a_new_panel_gets_its_tables_from_the_first_verb_that_writes(panel):
    result = run(panel, "customer", "add", "--name", "Ann")
    assert 0 == result.exit_code, result.output
    assert [(0,)] < applied(panel)


def test_while_tables_are_brought_up_to_date_a_verb_says_so(panel):
    _, urls = panel
    schema.migrate(urls.owner)
    migrate_to(urls.owner, OLDER)
    with psycopg.connect(urls.owner, autocommit=True) as migrating:
        migrating.execute("select pg_advisory_lock(%s)", (schema.LOCK,))
        result = run(panel, "customer", "list")
    assert UNAVAILABLE == result.exit_code
    assert "opensmm: the database's tables are being migrated: try again in a moment\n" == result.stderr

"""The panel's currency is set once, before any money has moved, and by the database's owner."""

import psycopg
import pytest

from opensmm.cli.context import FAILED, MISUSED
from opensmm.runtime.crashes import UNAVAILABLE

CUSTOMER = """
insert into customer (id, name, balance, suspended, price_list_id, created)
select 1, 'Ann', 0, false, min(id), now() from price_list
"""
PAID = "insert into transfer (debit, credit, amount, kind, customer_id, created) values (-3, 1, 5, 'topup', 1, now())"


@pytest.fixture
def owner(database, monkeypatch):
    """A connection of the database's owner, whom the verbs know too."""
    monkeypatch.setenv("DATABASE_ADMIN_URL", database.owner_url)
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        yield conn


def read_panel(conn):
    return conn.execute("select currency, catalogue_version from panel").fetchone()


def test_a_new_panel_takes_the_currency_that_its_operator_wants(run_json, owner):
    currency, version = read_panel(owner)
    assert ("USD", (0, {"currency": "USD"})) == (currency, run_json("currency"))
    assert (0, {"currency": "EUR"}) == run_json("currency", "eur")
    assert (("EUR", version + 1), (0, {"currency": "EUR"})) == (read_panel(owner), run_json("currency"))
    assert [("panel.currency", "panel", {"changes": {"currency": ["USD", "EUR"]}})] == owner.execute(
        "select action, subject, detail from audit"
    ).fetchall()


def test_the_same_currency_again_changes_nothing(run_json, owner):
    before = read_panel(owner)
    assert (0, {"currency": "USD"}) == run_json("currency", "USD")
    assert (before, []) == (read_panel(owner), owner.execute("select from audit").fetchall())


@pytest.mark.parametrize("code", ["EURO", "E1R", "€€€", "aß", ""])
def test_what_is_no_currency_is_refused(refusal, owner, code):
    before = read_panel(owner)
    assert (MISUSED, "opensmm: A currency code must have three letters.") == refusal("currency", code)
    assert before == read_panel(owner)


def test_once_money_has_moved_the_currency_is_fixed(refusal, run_json, owner):
    owner.execute(CUSTOMER)
    owner.execute(PAID)
    before = read_panel(owner)
    assert (FAILED, "opensmm: The currency stays USD, because money has already moved in it.") == refusal(
        "currency", "EUR"
    )
    assert (0, {"currency": "USD"}) == run_json("currency", "USD")
    assert before == read_panel(owner)


def test_without_the_owner_it_is_not_set(refusal):
    code, words = refusal("currency", "EUR")
    assert (UNAVAILABLE, True) == (code, "DATABASE_ADMIN_URL" in words)

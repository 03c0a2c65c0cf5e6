"""Texts from outside in tables for people: what looks like markup in them is shown as it is."""

import pytest
from tests.cli.test_providers import LINE, add, rows, run_json, upstream
from typer.testing import CliRunner

from opensmm.cli import app

__all__ = ["rows", "run_json"]  # fixtures

NAME = "Likes [/refill] [max 10k]"


@pytest.fixture
def named(run_json, rows):
    """Everything that is named from outside bears such a name."""
    with upstream({"services": [{**LINE, "name": NAME, "category": NAME}]}) as (url, _):
        add(run_json, NAME, url)
        run_json("import-services", NAME, "--write")
        rows("insert into customer (name, created) values ('Likes [/refill] [max 10k]', now()) returning 1")
        rows("insert into api_key (customer_id, created, hash, hint) values (1, now(), 'x', 'abcd') returning 1")
        rows("update route set quarantined = now() returning 1")
        rows("update service set on_sale = true, delivery_method = 'staff_work', cost = 9 returning 1")
        rows("insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, created) "
             "values (7, 1, 1, 'x', 100, 0.9, false, 9000, now()) returning 1")  # fmt: skip
        rows("insert into delivery (order_id, run, service_id, quantity, state, attempt) "
             "values (7, 1, 1, 100, 'held', 1) returning 1")  # fmt: skip
        rows("insert into attempt (order_id, run, number, provider_id, fence, outcome, provider_service, answer) "
             "values (7, 1, 1, 1, 1, 'declined', '7', 'Likes [/refill] [max 10k]') returning 1")  # fmt: skip
        yield


VERBS = (
    "service list",
    "service quarantine list",
    "service below-cost list",
    "provider list",
    "provider services 1",
    "route list 1",
    "customer list",
    "key list",
    "orders list --held",
)


@pytest.mark.parametrize("verb", VERBS)
def test_a_name_is_shown_as_it_is(named, tmp_path, verb):
    result = CliRunner().invoke(app, [*verb.split(), "--data", str(tmp_path)])
    assert result.exit_code == 0, result.exception
    assert set(NAME.split()) <= set(result.output.split()), "a narrow table breaks lines at blanks"

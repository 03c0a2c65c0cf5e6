"""The API as it is watched: its own health, and requests that can be found in the log by their names."""

from typing import Any

import pytest
import structlog
from tests.faults import proxy
from tests.panel import DEFAULT, LINK, PEPPER, Api, open_api, until

from opensmm.actions.api_facade import ApiOperations
from opensmm.api.endpoint import HEALTHY_WITHIN_S, IDLE_AFTER_S, Endpoint
from opensmm.api.http import request_id
from opensmm.runtime.application import Application
from opensmm.web.reference_pages import ReferencePages

WELL = (200, {"status": "ok"})
UNWELL = (503, {"status": "the database does not answer"})
PLAIN = "shop-7_2026.a:b"


@pytest.fixture
def logged():
    with structlog.testing.capture_logs() as lines:
        yield lines


async def health(api):
    answer = await api.call("/healthz", method="GET")
    return (answer.status, answer.said)


async def test_a_process_whose_database_answers_is_well_and_tells_nobody_more(api):
    assert WELL == await health(api)
    answer = await api.call("/healthz")
    assert ("application/json", "no-store") == (answer.headers["content-type"], answer.headers["cache-control"])


async def test_a_process_is_unwell_from_when_its_database_fell_silent_until_it_is_back(stocked, database):
    async with proxy.before(database.app_url) as (between, url), open_api(url) as api:
        assert WELL == await health(api)
        at = [0.0]
        endpoint: Any = api.application
        endpoint._monotonic = lambda: at[0]

        async def looked():
            return endpoint._checked_at == at[0]

        await until(looked)
        await between.down()
        at[0] = HEALTHY_WITHIN_S
        assert WELL == await health(api)
        at[0] += 0.1
        assert UNWELL == await health(api)
        await between.up()
        await until(looked)
        assert WELL == await health(api)


async def test_a_process_that_nobody_asks_looks_seldom_until_a_key_is_looked_up(api, ann, monkeypatch):
    endpoint: Any = api.application
    at, looks = [endpoint._monotonic()], []
    endpoint._monotonic = endpoint._authenticator._monotonic = lambda: at[0]
    look = api.panel.refresh_catalogue

    async def count_look():
        looks.append(at[0])
        await look()

    async def rests():
        return bool(endpoint._authenticator._look_up_began._waiters)

    async def looks_often():
        return len(looks) > before + 1

    before = 0
    monkeypatch.setattr(api.panel, "refresh_catalogue", count_look)
    monkeypatch.setattr("opensmm.api.endpoint.IDLE_CHECK_INTERVAL_S", 3600.0)
    await until(looks_often)
    at[0] += IDLE_AFTER_S + 1
    await until(rests)
    before = len(looks)
    await api.ask("v2", ann.key, "balance")
    await until(looks_often)


async def test_a_process_that_starts_without_a_database_is_unwell(logged):
    endpoint = Endpoint(ApiOperations("postgresql://nobody@127.0.0.1:9/none"), PEPPER)
    await endpoint.start()
    try:
        assert UNWELL == await health(Api(endpoint))
    finally:
        await endpoint.stop()


async def test_the_look_of_a_load_balancer_opens_no_connection(api, stocked, database):
    query = "select count(*) from pg_stat_activity where application_name like 'opensmm api%'"
    before = await (await stocked.execute(query)).fetchone()
    for _ in range(50):
        assert WELL == await health(api)
    assert before == await (await stocked.execute(query)).fetchone()


async def test_health_is_the_apis_where_pages_are_served_too(api):
    assert WELL == await health(Api(Application(api.application, ReferencePages())))


async def test_a_requests_own_name_comes_back_and_no_other_answer_has_one(api, ann):
    fields = {"key": ann.key, "action": "balance"}
    named = await api.form("v2", fields, headers={"X-Request-ID": PLAIN})
    assert PLAIN == named.headers["x-request-id"]
    plain = await api.form("v2", fields)
    assert "x-request-id" not in plain.headers
    assert plain.body == named.body
    services = await api.form("v1", {"key": ann.key, "action": "services"}, headers={"X-Request-ID": "a"})
    assert "a" == services.headers["x-request-id"]
    assert "x-request-id" not in (await api.form("v1", {"key": ann.key, "action": "services"})).headers


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 65, b"a\r\nb", b"\xff", b'"}'])
def test_a_name_that_is_not_short_and_plain_is_replaced_by_the_same_one_each_time(given):
    name = request_id({b"x-request-id": given})
    assert name == request_id({b"x-request-id": given})
    assert (16, True) == (len(name), set(name) <= set("0123456789abcdef"))


def test_a_request_without_a_name_gets_one_of_its_own():
    assert request_id({}) != request_id({})


async def test_the_line_of_a_fault_names_the_request(api, ann, logged):
    async def fail(*_):
        raise RuntimeError("planted")

    api.panel.balance = fail
    answer = await api.form("v2", {"key": ann.key, "action": "balance"}, headers={"X-Request-ID": PLAIN})
    assert (503, PLAIN) == (answer.status, answer.headers["x-request-id"])
    (line,) = [line for line in logged if line["event"] == "a request failed"]
    assert (PLAIN, "error") == (line["request"], line["log_level"])


async def test_a_placed_order_is_told_with_its_request_when_the_log_tells_everything(api, ann, logged):
    fields = {"key": ann.key, "action": "add", "service": DEFAULT, "link": LINK, "quantity": 100}
    answer = await api.form("v2", fields, headers={"X-Request-ID": PLAIN})
    expected = {"request": PLAIN, "order": answer.said["order"], "customer": ann.id}
    assert [expected | {"event": "placed", "log_level": "debug"}] == [
        line for line in logged if line["event"] == "placed"
    ]


async def test_a_try_has_one_name_in_our_log_and_at_the_provider(api, ann, lied_to, logged):
    worker, fake = lied_to
    fake.answers["add"] = (500, "broken")
    order = await api.add(ann.key)
    await worker.send()
    assert [f"{order}-1-1"] == fake.named
    (line,) = [line for line in logged if line["event"] == "unsure whether the provider took it"]
    assert (order, 1, 1, 1) == tuple(line[name] for name in ("order", "run", "attempt", "provider"))

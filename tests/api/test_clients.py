"""Known clients are answered as they need it; the switches of a key win, and nobody else notices."""

import asyncio
import gzip
import json
from urllib.parse import urlencode

import pytest
from msgspec import structs
from tests.panel import DEFAULT, DRIP, LINK, acting, at_last, balance, broken, buyer, fetch, now, until
from tests.raw_http import serving
from tests.subscribing import FIELDS, UNIT, children, look, post

from opensmm.actions import customers
from opensmm.actions.batcher import TRAFFIC
from opensmm.actions.customers import NewKey
from opensmm.actions.services import save_services
from opensmm.domain.client_programs import acts_as_panel, reads_title_case
from opensmm.store import orders
from opensmm.store.api_keys import KeySettings
from opensmm.wire.v2 import V2

SMART, WHOLE, CURL = "SmartPanel API Sync", "Mozilla/5.0 (SmartPanel API Sync)", "curl/8.5"
PAGE = ["order", "status", "charge", "start_count", "remains"]
SUBSCRIPTION, DRIP_FEED = ["status", "expiry", "posts", "orders"], ["status", "runs", "orders"]
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def port(api):
    async with serving(api.application) as port:
        yield port


async def http(port, agent, path, fields, *, method="POST", also=""):
    """(status, headers, body) of one request, as that program sends it: a form, over HTTP."""
    body = urlencode(fields)
    target, sent = (f"{path}?{body}", "") if method == "GET" else (path, body)
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nUser-Agent: {agent}\r\nAccept: */*\r\n{also}"
    content_head = f"Content-Type: {FORM}\r\nContent-Length: {len(sent)}\r\n" if method == "POST" else ""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{head}{content_head}\r\n{sent}".encode())
    first, *lines = (await at_last(reader.readuntil(b"\r\n\r\n"))).decode().strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    content = await at_last(reader.readexactly(int(headers["content-length"])))
    writer.close()
    return int(first.split()[1]), headers, content


async def ask(port, agent, key, action, path="/api/v1", **fields):
    code, _, answer = await http(port, agent, path, {"key": key, "action": action, **fields})
    assert 200 == code
    return json.loads(answer)


async def drip_feed(port, agent, key):
    wanted = {"service": DRIP, "link": LINK, "quantity": 10, "runs": 3, "interval": 5}
    return (await ask(port, agent, key, "add", **wanted))["order"]


@pytest.mark.parametrize(
    ("user_agent", "switch", "is_one"),
    [
        (SMART, None, True),
        (WHOLE, None, True),
        (SMART, False, False),
        (CURL, None, False),
        (CURL, True, True),
        ("SmartPanel API Sync/2", None, False),
        ("smartpanel api sync", None, False),
        (" SmartPanel API Sync", None, False),
        ("Mozilla/4.0 (compatible; MSIE 5.01; Windows NT 5.0)", None, False),
        (None, None, False),
    ],
)
def test_a_client_is_known_by_its_exact_words_and_a_switch_wins(user_agent, switch, is_one):
    agent = None if user_agent is None else user_agent.encode()
    assert (is_one, is_one) == (reads_title_case(agent, switch), acts_as_panel(agent, switch))


async def test_an_order_of_a_client_that_reads_title_case_alone_moves_over_v1(api, stocked, port):
    async def word(agent, key, order):
        return (await ask(port, agent, key, "status", order=order))["status"]

    who = await buyer(stocked)
    order = await api.add(who.key)
    assert ["Pending", "Pending", "pending"] == [await word(agent, who.key, order) for agent in (SMART, WHOLE, CURL)]
    strict = await buyer(stocked, key=NewKey("s" * 40, settings=KeySettings(title_case=False)))
    order = await api.add(strict.key)
    assert "pending" == await word(SMART, strict.key, order)


async def test_a_panel_of_the_family_follows_a_drip_feed_by_its_runs(stocked, worker, ann, port):
    order = await drip_feed(port, SMART, ann.key)
    assert {"status": "Pending", "runs": "0", "orders": []} == await ask(port, SMART, ann.key, "status", order=order)
    statuses = []
    for _ in range(6):
        await worker.round(301)
        statuses.append(await ask(port, SMART, ann.key, "status", order=order))
    assert DRIP_FEED == list(statuses[0])
    assert {"status": "In progress", "runs": "1", "orders": []} == statuses[0]
    assert {"status": "Completed", "runs": "3", "orders": []} == statuses[-1]
    assert sorted(one["runs"] for one in statuses) == [one["runs"] for one in statuses]
    assert PAGE == list(await ask(port, CURL, ann.key, "status", order=order))


async def test_runs_that_were_never_sent_on_are_not_told(api, stocked, worker, ann, port):
    order = await drip_feed(port, SMART, ann.key)
    await worker.round()
    await api.ask("v2", ann.key, "cancel", orders=order)
    for _ in range(6):
        await worker.round(301)
    answer = await ask(port, SMART, ann.key, "status", order=order)
    assert ("1", []) == (answer["runs"], answer["orders"])
    assert "In progress" != answer["status"]


async def test_a_panel_of_the_family_follows_a_subscription_by_its_posts(api, stocked, lied_to, ann, port):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 500}
    order = (await ask(port, SMART, ann.key, "add", **FIELDS, posts=9, expiry="31/12/2099"))["order"]
    fields = {"status": "In progress", "expiry": "31/12/2099", "posts": "0", "orders": []}
    assert fields == await ask(port, SMART, ann.key, "status", order=order)
    await worker.send()
    await look(worker, fake, {"501": post(10), "502": post(20)})
    made = [child for _, child, *_ in await children(stocked)]
    answer = await ask(port, SMART, ann.key, "status", order=order)
    assert SUBSCRIPTION == list(answer)
    assert fields | {"posts": "2", "orders": made} == answer
    assert PAGE == list(await ask(port, SMART, ann.key, "status", order=made[0]))
    assert 10_000_000 - 30 * UNIT == await balance(stocked, ann.id)
    assert PAGE == list(await ask(port, CURL, ann.key, "status", order=order))
    assert [] == await broken(stocked)


async def test_the_plural_tells_parents_by_their_shapes_and_all_others_by_the_pages(api, stocked, ann, port):
    drip = await drip_feed(port, CURL, ann.key)
    subscription = (await ask(port, CURL, ann.key, "add", **FIELDS))["order"]
    plain = await api.add(ann.key)
    other = await drip_feed(port, CURL, (await buyer(stocked)).key)
    listed = f"{drip},{subscription},{plain},{other},x"
    answer = await ask(port, SMART, ann.key, "status", orders=listed)
    assert {"status": "Pending", "runs": "0", "orders": []} == answer[str(drip)]
    assert {"status": "In progress", "expiry": "", "posts": "0", "orders": []} == answer[str(subscription)]
    assert PAGE == list(answer[str(plain)])
    assert ["Incorrect order ID"] * 2 == [answer[str(other)], answer["x"]]
    as_the_page = await ask(port, CURL, ann.key, "status", orders=listed)
    assert [PAGE] * 3 == [list(as_the_page[str(one)]) for one in (drip, subscription, plain)]
    extended = await ask(port, SMART, ann.key, "status", order=subscription, extended=1)
    assert [*PAGE, "quantity", "link", "orders"] == list(extended)
    over_v2 = await ask(port, SMART, ann.key, "status", path="/api/v2", order=drip)
    assert ["charge", "start_count", "status", "remains", "currency"] == list(over_v2)


@pytest.mark.parametrize(("agent", "as_panel", "keys"), [(SMART, False, PAGE), (CURL, True, DRIP_FEED)])
async def test_the_switch_of_a_key_wins_over_its_client(stocked, port, agent, as_panel, keys):
    who = await buyer(stocked, key=NewKey("s" * 40, settings=KeySettings(as_panel=as_panel)))
    order = await drip_feed(port, agent, who.key)
    answer = await ask(port, agent, who.key, "status", order=order)
    assert (keys, "Pending" if agent == SMART else "pending") == (list(answer), answer["status"])


async def test_only_parents_of_such_a_client_cost_a_look_more(api, stocked, ann, port, monkeypatch):
    looked, read = [], orders.read_parts

    async def counted(connection, wanted):
        looked.append(list(wanted))
        return await read(connection, wanted)

    monkeypatch.setattr(orders, "read_parts", counted)
    plain, drip = await api.add(ann.key), await drip_feed(port, SMART, ann.key)
    for agent, ids in ((SMART, str(plain)), (CURL, f"{plain},{drip}")):
        await ask(port, agent, ann.key, "status", orders=ids)
    assert [] == looked
    await ask(port, SMART, ann.key, "status", orders=f"{plain},{drip}")
    assert [[drip]] == looked


async def test_many_runs_are_read_in_parts_of_a_bounded_size(stocked, port):
    who = await buyer(stocked, "10000.00")
    wanted = {"service": DRIP, "link": LINK, "quantity": 10, "interval": 1}
    many = (400, 2, orders.MANY_RUNS + 1, 400)
    drips = [(await ask(port, SMART, who.key, "add", **wanted, runs=runs))["order"] for runs in many]
    before = TRAFFIC["parts"].batches.total
    answer = await ask(port, SMART, who.key, "status", orders=",".join(map(str, drips)))
    assert 2 == TRAFFIC["parts"].batches.total - before
    assert [{"status": "Pending", "runs": "0", "orders": []}] * 4 == list(answer.values())


SERVICE = ["service", "name", "type", "category", "rate", "min", "max", "refill", "cancel"]


async def price_list(port, agent, key, path="/api/v2", *, method="POST", also="", **fields):
    return await http(port, agent, path, {"key": key, "action": "services", **fields}, method=method, also=also)


async def test_v2s_list_tells_a_panel_of_the_family_which_services_may_drip(ann, port):
    _, _, before = await price_list(port, CURL, ann.key)
    for agent in (SMART, WHOLE):
        answer = json.loads((await price_list(port, agent, ann.key))[2])
        assert [*SERVICE, "dripfeed"] == list(answer[0])
        assert {DEFAULT: False, DRIP: True}.items() <= {one["service"]: one["dripfeed"] for one in answer}.items()
        assert json.loads(before) == [{name: one[name] for name in SERVICE} for one in answer]
    assert before == (await price_list(port, CURL, ann.key))[2]
    assert [SERVICE] == [list(one) for one in json.loads(before)][:1]


async def test_the_list_of_such_a_panel_has_a_tag_and_a_vary_of_its_own(ann, port):
    """Nobody else's list has another byte for it, in its body or its head: no cache may keep either of them."""
    lists: dict[tuple[str, str], tuple[int, dict[str, str], bytes]] = {}
    for agent in (CURL, SMART, CURL):
        for coding in ("", "Accept-Encoding: gzip\r\n"):
            code, headers, body = await price_list(port, agent, ann.key, method="GET", also=coding)
            assert lists.setdefault((agent, coding), (code, headers, body)) == (code, headers, body)
    assert 4 == len({headers["etag"] for _, headers, _ in lists.values()})
    for (agent, coding), (_, headers, body) in lists.items():
        assert "no-store" == headers["cache-control"]
        vary = "accept-encoding, user-agent" if agent == SMART else "accept-encoding"
        usual = ["content-type", "cache-control", "content-length", *(["content-encoding"] if coding else []), "vary"]
        assert (vary, [*usual, "etag"]) == (headers["vary"], list(headers))
        if coding:
            assert lists[agent, ""][2] == gzip.decompress(body)


async def test_each_lists_tag_is_no_others(ann, port):
    tags = {agent: (await price_list(port, agent, ann.key, method="GET"))[1]["etag"] for agent in (SMART, CURL)}
    for agent in (SMART, CURL):
        for whose, tag in tags.items():
            condition = f"If-None-Match: {tag}\r\n"
            code, headers, _ = await price_list(port, agent, ann.key, method="GET", also=condition)
            assert (304 if whose == agent else 200, tags[agent]) == (code, headers["etag"])
            if code == 304:
                assert ("accept-encoding, user-agent" if agent == SMART else None) == headers.get("vary")


async def test_both_lists_are_written_once_and_anew_when_the_price_list_moves(api, stocked, ann, port, monkeypatch):
    written, write = [], V2.write_service

    def counted(service, *rest, **form):
        written.append(service.id)
        return write(service, *rest, **form)

    monkeypatch.setattr(V2, "write_service", counted)
    for agent in (SMART, CURL, SMART, CURL):
        await price_list(port, agent, ann.key)
    assert 2 * len(set(written)) == len(written)
    written.clear()
    changed = structs.replace(api.panel.catalogue_cache.catalogue.services[DRIP], dripfeed=False)
    await save_services(stocked, [changed], by=acting(now()))

    async def moved():
        answer = json.loads((await price_list(port, SMART, ann.key))[2])
        return [False] == [one["dripfeed"] for one in answer if one["service"] == DRIP]

    await until(moved)
    assert [DRIP] == written


@pytest.mark.parametrize(("agent", "as_panel", "keys"), [(SMART, False, SERVICE), (CURL, True, [*SERVICE, "dripfeed"])])
async def test_the_switch_of_a_key_wins_for_the_list_too(stocked, port, agent, as_panel, keys):
    who = await buyer(stocked, key=NewKey("s" * 40, settings=KeySettings(as_panel=as_panel)))
    assert keys == list(json.loads((await price_list(port, agent, who.key))[2])[0])
    ((key,),) = await fetch(stocked, "select id from api_key where customer_id = %s", who.id)
    await customers.edit_key(stocked, key, by_client=True, by=acting(now()))

    async def by_client():
        return list(json.loads((await price_list(port, agent, who.key))[2])[0]) != keys

    await until(by_client)


async def test_v1s_list_and_an_extended_one_are_everybodys(ann, port):
    for path, more in (("/api/v1", {}), ("/api/v1", {"extended": 1}), ("/api/v2", {"extended": 1})):
        answers = [await price_list(port, agent, ann.key, path, **more) for agent in (SMART, CURL)]
        assert answers[0] == answers[1]


async def subscribed(port, agent, key, path="/api/v1", **more):
    return await ask(port, agent, key, "add", path, **FIELDS, **more)


async def bounds(conn, order):
    """How many new and old posts an order is kept for."""
    query = "select (details -> 'posts')::int, (details -> 'old_posts')::int from order_detail where order_id = %s"
    return (await fetch(conn, query, order))[0]


@pytest.mark.parametrize(
    ("agent", "path", "fields", "stored"),
    [
        (SMART, "/api/v1", {"posts": 0}, (None, None)),
        (WHOLE, "/api/v1", {"posts": "0"}, (None, None)),
        (SMART, "/api/v1", {"posts": 0, "old_posts": 5}, (0, 5)),
        (SMART, "/api/v1", {"posts": 0, "old_posts": 0}, (0, 0)),
        (SMART, "/api/v1", {"posts": 3}, (3, None)),
        (SMART, "/api/v2", {"posts": 0}, (0, None)),
        (CURL, "/api/v1", {"posts": 0}, (0, None)),
        (CURL, "/api/v1", {}, (None, None)),
    ],
)
async def test_no_posts_set_no_bound_for_a_panel_of_the_family(stocked, ann, port, agent, path, fields, stored):
    order = (await subscribed(port, agent, ann.key, path, **fields))["order"]
    assert stored == await bounds(stocked, order)


async def test_the_switch_of_a_key_wins_for_the_bound_too(stocked, port):
    for agent, as_panel, stored in ((SMART, False, (0, None)), (CURL, True, (None, None))):
        settings = KeySettings(as_panel=as_panel)
        who = await buyer(stocked, key=NewKey(f"{as_panel:s>40}", settings=settings))
        order = (await subscribed(port, agent, who.key, posts=0))["order"]
        assert stored == await bounds(stocked, order)


async def test_posts_without_bound_are_taken_in(stocked, lied_to, ann, port):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 500}
    await subscribed(port, SMART, ann.key, posts=0)
    await worker.send()
    assert "posts" not in fake.requests[0]
    await look(worker, fake, {"501": post(10), "502": post(20)})
    assert 2 == len(await children(stocked))
    assert [] == await broken(stocked)


async def test_a_repeat_that_means_something_else_by_the_same_words_is_refused(stocked, ann, port):
    mismatch = {"error": "Idempotency key was used with other parameters"}
    once = {"posts": 0, "idempotency_key": "a"}
    first = await subscribed(port, SMART, ann.key, **once)
    assert [first, first, mismatch] == [await subscribed(port, one, ann.key, **once) for one in (SMART, WHOLE, CURL)]
    assert first == await subscribed(port, CURL, ann.key, idempotency_key="a"), "what is meant is the same"
    other = await subscribed(port, CURL, ann.key, posts=0, idempotency_key="b")
    assert other["order"] > first["order"]
    assert mismatch == await subscribed(port, SMART, ann.key, posts=0, idempotency_key="b")
    assert [(2,)] == await fetch(stocked, "select count(*) from orders")


async def test_everybody_elses_fingerprint_is_what_it_was(stocked, ann, port):
    """Of orders that were placed by releases before this one, too: their keys are repeated after an update."""
    await subscribed(port, CURL, ann.key, posts=0, idempotency_key="a")
    assert [("290f3e1f4003d95d9d06ec7ee8f63ef7",)] == await fetch(
        stocked, "select encode(fingerprint, 'hex') from idempotency"
    )

"""The hot statements use their indexes on large tables: none of them reads orders, deliveries or transfers from end
to end."""

import itertools
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from tests.panel import stock

from opensmm.store import (
    api_keys,
    cancels,
    customer_lists,
    customers,
    dispatch,
    evidence,
    ledger,
    manual,
    monitoring,
    order_lists,
    orders,
    placing,
    polling,
    price_sync,
    refill_tasks,
    refills,
    settlement,
    subscriptions,
)
from opensmm.store.prepared import PreparedStatement

LARGE = 200_000
NOW = datetime(2026, 3, 1, tzinfo=UTC)
BIG_TABLES = (
    "orders",
    "delivery",
    "transfer",
    "customer",
    "api_key",
    "attempt",
    "idempotency",
    "refill",
    "refill_task",
    "batch",
    "post",
    "deposit",
    "transfer_reference",
)

FILL = f"""
insert into customer (name, balance, created)
  select 'c' || n, 1000000, now() from generate_series(1, 5000) n;
insert into api_key (customer_id, hash, hint, created)
  select n, decode(md5(n::text), 'hex'), 'hint', now() from generate_series(1, 5000) n;
insert into orders (customer_id, service_id, link, quantity, rate, packaged, charge, state, earned, remains, created,
                    ended)
  select 1 + n %% 5000, 1, 'https://example.com/' || n, 100, 0.9, false, 9000, 'completed', 9000, 0, now(), now()
  from generate_series(1, {LARGE}) n;
update orders set state = 'open', earned = 0, remains = null, ended = null where id > {LARGE} - 500;
insert into delivery (order_id, run, service_id, quantity, state, remains, attempt, sent)
  select id, 1, 1, 100, 'completed', 0, 1, now() from orders;
update delivery set state = 'queued', due = now(), remains = null, attempt = 0 where order_id > {LARGE} - 250;
update delivery set state = 'pending', due = now(), remains = 50
  where order_id between {LARGE} - 499 and {LARGE} - 250;
insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence, provider_order, sent)
  select id, 1, 1, 1, '1', 'accepted', 1, id::text, now() from orders where id <= {LARGE} - 250;
insert into transfer (debit, credit, amount, kind, customer_id, order_id, created)
  select customer_id, -1, 9000, 'charge', customer_id, id, now() from orders;
insert into idempotency (customer_id, key, fingerprint, order_id, created)
  select customer_id, 'key ' || id, 'x', id, now() from orders where id <= 50000;
insert into refill (order_id, customer_id, state, created)
  select id, customer_id, 'completed', now() from orders where id <= 20000;
insert into refill_task (refill_id, run, order_id, provider_id, provider_order, state)
  select id, 1, order_id, 1, order_id::text, 'completed' from refill;
insert into post (order_id, provider_id, provider_order, child_id, seen, state)
  select 1 + id %% 500, 1, id::text, id, now(), 'made' from orders where id <= 20000;
insert into batch (id, created) select gen_random_uuid(), now() from generate_series(1, 20000);
insert into deposit (gateway, external_id, transfer_id) select 'bank', n::text, n from generate_series(1, 20000) n;
insert into transfer_reference (kind, reference, transfer_id)
  select 'bonus', n::text, n from generate_series(1, 20000) n;
""".replace("%%", "%")

SOME = [1, 7, 99, 1234, 4999]
RECENT = [LARGE - 1, LARGE - 300, 17, 5]
TIMES = (NOW + timedelta(days=3650), NOW + timedelta(days=3651))


def keep_parameters(count):
    arrays = [
        SOME[:count], [1] * count, [1] * count, ["https://example.com"] * count, [100] * count, [1] * count,
        [0] * count, ["0.9"] * count, [False] * count, [9000] * count, ["open"] * count, [""] * count, [],
    ]  # fmt: skip
    guards = [as_array(SOME[:count]), 2, as_array(SOME[:count])]
    return [NOW, *map(as_array, arrays), *guards, UUID(int=1)]


def as_array(values):
    return "{" + ",".join(f'"{value}"' if isinstance(value, str) else str(value).lower() for value in values) + "}"


def sent_parameters(now):
    """What tries came to, of orders that are being sent."""
    results = [RECENT, [1] * 4, [1] * 4, [1] * 4, ["pending"] * 4, [0] * 4]
    answers = [["accepted"] * 4, ["7", "8", "9", "10"], ["{}"] * 4, [""] * 4]
    return [*map(as_array, results), as_array([str(now)] * 4), *map(as_array, answers), now, now]


def told_parameters(now):
    """Answers to polls."""
    reports = [RECENT, [1] * 4, [1] * 4, ["in_progress"] * 4, [7] * 4, [50] * 4]
    paid = [["0.45"] * 4, ["USD"] * 4]
    times = as_array([str(now)] * 4)
    return [*map(as_array, reports), times, *map(as_array, paid), times, as_array([""] * 4), now, now, now]


HOT = {
    "placing: lock": (placing, "_LOCK", [SOME, SOME]),
    "placing: lock for users": (placing, "_LOCK_FOR_USERS", [SOME, SOME, SOME, SOME]),
    "placing: remembered": (placing, "_REMEMBERED", [SOME, ["key 1"] * len(SOME)]),
    "status of many": (orders, "_VIEWS", [RECENT]),
    "status of many with many runs": (orders, "_SUMMED", [RECENT]),
    "runs of many": (orders, "_RUNS", [RECENT]),
    "is anything due": (dispatch, "_IS_DUE", [NOW]),
    "newest orders": (orders, "_NEWEST", [77, 2**63 - 1, 100]),
    "balances": (customers, "_BALANCES", [SOME]),
    "customers: lock": (customers, "_LOCK", [SOME]),
    "keys: find": (api_keys, "_FIND", [[bytes(16)] * 3]),
    "dispatch: claim": (
        dispatch,
        "_CLAIM",
        {"now": TIMES[0], "at": None, "lease": timedelta(seconds=30), "limit": 200, "providers": [1], "mark": None},
    ),
    "dispatch: claim at each": (
        dispatch,
        "_CLAIM_AT_EACH",
        {
            "now": TIMES[0],
            "at": None,
            "lease": timedelta(seconds=30),
            "limit": 200,
            "among": 1000,
            "providers": [1, 2],
            "rooms": [7, 1],
            "tried": [False, True],
            "mark": None,
        },
    ),
    "dispatch: record": (dispatch, "_RECORD", sent_parameters(TIMES[0])),
    "dispatch: hold": (dispatch, "_HOLD", {"now": TIMES[0], "limit": 1000, "code": "waited_too_long", "most": 200}),
    "health: answers": (monitoring, "_NOT_UNDERSTOOD", {"most": 1000}),
    "dispatch: recover": (dispatch, "_RECOVER", [TIMES[0], RECENT, [1] * 4, [1] * 4, "gone"]),
    "evidence: claim": (
        evidence,
        "_CLAIM",
        {"now": TIMES[0], "closed_by": TIMES[0], "again": TIMES[1], "limit": 200, "assumed": timedelta(minutes=10)},
    ),
    "evidence: doubted": (
        evidence,
        "_OPEN",
        {"orders": RECENT, "since": NOW, "closed_by": TIMES[0], "assumed": timedelta(minutes=10)},
    ),
    "evidence: neighbours": (
        evidence,
        "_NEIGHBOURS",
        {"provider": 1, "befores": [TIMES[0]] * 3, "afters": [NOW] * 3, "count": 8},
    ),
    "evidence: bills": (
        evidence,
        "_CHARGES",
        {"provider": 1, "services": ["1"] * 3, "befores": [TIMES[0]] * 3, "afters": [NOW] * 3, "within": 40},
    ),
    "evidence: known": (
        evidence,
        "_KNOWN",
        {"provider": 1, "numbers": [str(number) for number in range(2000)]},
    ),
    "progress: claim watched": (polling, "_CLAIM_WATCHED", [TIMES[0], 200, TIMES[1]]),
    "posts: known": (subscriptions, "_KNOWN", [RECENT]),
    "posts: taken": (subscriptions, "_TAKEN", {"provider": 1, "keys": ["1", "2"], "order": 7}),
    "posts: subscription": (subscriptions, "_SUBSCRIPTION", [TIMES[0], 1, 7]),
    "posts: untold": (subscriptions, "_UNTOLD", {"provider": 1, "until": TIMES[0], "since": NOW}),
    "orders: extended": (orders, "_EXTENDED", [1000, RECENT]),
    "orders: parts": (orders, "_PARTS", [1000, RECENT]),
    "health: posts": (monitoring, "_POSTS", {"most": 1000}),
    "health: refused posts": (monitoring, "_REFUSED_POSTS", {"most": 1000, "since": NOW}),
    "progress: claim": (polling, "_CLAIM", [TIMES[0], 200, TIMES[1]]),
    "progress: record": (polling, "_RECORD", told_parameters(TIMES[0])),
    "dispatch: release": (dispatch, "_RELEASE", [RECENT, [2] * len(RECENT), [TIMES[0]] * len(RECENT)]),
    "progress: cancels": (
        polling,
        "_CANCELS",
        {"providers": [1, 2], "ended_since": TIMES[0], "limit": 200, "most": 11, "now": NOW},
    ),
    "cancels: deliveries": (cancels, "_LOCK_DELIVERIES", [RECENT]),
    "cancels: orders": (cancels, "_CANCELABLE", [RECENT]),
    "endings: owners": (settlement, "_OWNERS", [RECENT]),
    "endings: lock": (settlement, "_LOCK", [RECENT]),
    "endings: sold": (settlement, "_SOLD", [RECENT]),
    "refills: refillable": (refills, "_REFILLABLE", [RECENT]),
    "refills: views": (refills, "_VIEWS", [SOME]),
    "refills: newest": (refills, "_NEWEST", [SOME]),
    "sync: go on": (price_sync, "_GO_ON", {"services": [1, 2], "now": TIMES[0]}),
    "sync: approve": (price_sync, "_APPROVE", [RECENT[1], 1]),
    "health: due": (monitoring, "_DUE", {"now": TIMES[0], "most": 1000}),
    "health: sending": (monitoring, "_SENDING", {"most": 1000}),
    "health: moving": (monitoring, "_MOVING", {"most": 1000} | monitoring.make_poll_parameters(TIMES[0])),
    "health: unpolled": (monitoring, "_UNPOLLED", {"most": 1000} | monitoring.make_poll_parameters(TIMES[0])),
    "health: providers": (monitoring, "_PROVIDERS", []),
    "health: for operator": (monitoring, "_FOR_OPERATOR", {"most": 1000}),
    "health: refills": (monitoring, "_REFILLS", {"most": 1000}),
    "health: cancels": (monitoring, "_CANCELS", {"most": 1000, "ended_since": TIMES[0]}),
    "refill_tasks: claim": (refill_tasks, "_CLAIM", {"now": TIMES[0], "lease": timedelta(minutes=3), "limit": 200}),
    "staff: waiting": (manual, "_WAITING", [100]),
    "staff: with staff": (manual, "_WITH_STAFF", [RECENT]),
    "staff: left behind": (manual, "_LEFT_BEHIND", [TIMES[0]]),
    "staff: refills": (manual, "_REFILLS", [100]),
}


SPAN = {"above": 7, "below": 2**63 - 1, "looked_at": 10_000, "most": 51}
OF_CUSTOMER = {"customer": 77, "kinds": ["charge"], "since": TIMES[0], "until": TIMES[1]}
OF_ORDERS = {
    "customer": 77,
    "service": 1,
    "provider": 1,
    "since": TIMES[0],
    "until": TIMES[1],
    "link": "some",
    "states": ["completed"],
    "singles": ["pending"],
    "drips": ["pending"],
    "among": RECENT,
}
PAGES: dict[str, tuple[Sequence[str], dict[str, object]]] = {
    "customers": (
        customer_lists.LIST.statements,
        SPAN | {"name": "ann", "suspended": False, "price_list": 1, "owing": True},
    ),
    "orders of a customer": (order_lists.OWN_LISTS[order_lists.OF_CUSTOMER].statements, SPAN | OF_ORDERS),
    "orders of a customer found": (order_lists.OWN_LISTS[order_lists.AMONG].statements, SPAN | OF_ORDERS),
    "orders": (order_lists.PANEL_LISTS[order_lists.EVERY].statements, SPAN | OF_ORDERS),
    "orders by customer": (order_lists.PANEL_LISTS[order_lists.OF_CUSTOMER].statements, SPAN | OF_ORDERS),
    "orders found": (order_lists.PANEL_LISTS[order_lists.AMONG].statements, SPAN | OF_ORDERS),
    "orders: times": ([finder.statement for finder in order_lists.TIMES.values()], OF_ORDERS),
    "orders: live": ([order_lists._LIVE], {"most": 1000}),
    "orders: counts": (
        [order_lists.OWN_COUNTS, order_lists.PANEL_COUNTS],
        {"customer": 77, "looked_at": 1000, "most": 1000, "live": ["active", "open", "paused"]},
    ),
    "orders: search": ([order_lists._SEARCH], {"number": 7, "key": "7"}),
    "statement": (ledger.STATEMENT.statements, SPAN | OF_CUSTOMER),
    "statement: times": ([ledger.TIMES.statement], OF_CUSTOMER),
    "statement: balances": ([ledger._BALANCES], {"customer": 77, "rows": [9, 8], "oldest": 8, "most": 1000}),
    "statement: totals": ([ledger._TOTALS], SPAN | OF_CUSTOMER),
}
"""Statements of pages, with what is told them."""


@pytest.fixture
async def large(database, conn):
    """A panel with 200,000 orders, of which 500 are open."""
    await stock(conn)
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
        for statement in filter(str.strip, FILL.split(";")):
            await owner.execute(statement)
        await owner.execute("analyze")
    return conn


async def plan(conn, statement, parameters, mode):
    """How a prepared statement is carried out, planned for these very parameters or for any."""
    names = list(parameters) if isinstance(parameters, dict) else []
    numbers = itertools.count(1)
    numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", statement)
    numbered = re.sub("%s", lambda _: f"${next(numbers)}", numbered)
    values = list(parameters.values()) if names else parameters
    marks = f"({', '.join(['%s'] * len(values))})" if values else ""
    async with conn.transaction(force_rollback=True):
        await conn.execute(f"set local plan_cache_mode = force_{mode}_plan")
        await conn.execute(f"prepare hot as {numbered}")
        cursor = await psycopg.AsyncClientCursor(conn).execute(f"explain execute hot {marks}", values)
        lines = [line for (line,) in await cursor.fetchall()]
        await conn.execute("deallocate hot")
    return lines


def text_of(statement):
    return statement.sql if isinstance(statement, PreparedStatement) else statement


def read_whole(lines):
    """The big tables that a plan reads from end to end."""
    tables = re.findall(r"Seq Scan on (\w+)", "\n".join(lines))
    return sorted(set(tables) & set(BIG_TABLES))


async def test_the_hot_statements_find_their_rows_by_index(large):
    hot = HOT | {"placing: keep": (placing, "_KEEP", keep_parameters(len(SOME)))}
    result = {
        (name, mode): await plan(large, text_of(getattr(module, which)), told, mode)
        for name, (module, which, told) in hot.items()
        for mode in ("custom", "generic")
    }
    assert {} == {name: whole for name, lines in result.items() if (whole := read_whole(lines))}
    for name in ("dispatch: claim", "progress: claim"):
        text = "\n".join(result[name, "custom"])
        assert re.search(r"Index Scan using delivery_to_(send|poll)", text), text
    for mode in ("custom", "generic"):
        text = "\n".join(result["dispatch: claim at each", mode])
        assert 1 == text.count("delivery_to_send"), "what is due is gone through once, however much it is: " + text
    page = "\n".join(result["newest orders", "custom"])
    assert ("orders_by_customer" in page, "Sort" in page) == (True, False), page


def sorted_before_limit(lines):
    """True where rows are put in order before a limit cuts them off; those of a page may be."""
    limit = next(at for at, line in enumerate(lines) if "Limit" in line)
    depth = lines[limit].index("Limit")
    below = itertools.takewhile(lambda line: len(line) - len(line.lstrip()) > depth - 4, lines[limit + 1 :])
    return any("Sort" in line for line in below)


async def test_pages_find_their_rows_by_index_and_in_order(large):
    for name, (statements, values) in PAGES.items():
        for statement, mode in itertools.product(statements, ("custom", "generic")):
            used = {key: value for key, value in values.items() if f"%({key})s" in statement}
            lines = await plan(large, statement, used, mode)
            assert [] == read_whole(lines), f"{name}, {mode}:\n" + "\n".join(lines)
            if name in ("customers", "statement", "orders", "orders by customer", "orders of a customer"):
                assert not sorted_before_limit(lines), f"{name}, {mode}:\n" + "\n".join(lines)


LONG = """
update delivery set state = 'queued', due = now(), remains = null, attempt = 0, ceiling = 1 where order_id <= 20000;
delete from attempt where order_id <= 20000
"""


async def test_a_claim_drags_no_backlog_along_where_a_provider_has_room(large, database):
    """All of it is of one kind, and goes through sorts and a table of its own."""
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
        for statement in LONG.split(";"):
            await owner.execute(statement)
        values = HOT["dispatch: claim at each"][2] | {"among": None, "providers": [1, 2], "rooms": [200, 150]}
        cursor = await owner.execute(f"explain (analyze, buffers) {dispatch._CLAIM_AT_EACH}", values)
        lines = [line for (line,) in await cursor.fetchall()]
    assert [] == [line for line in lines if "Disk" in line or re.search(r"temp (read|written)", line)], lines

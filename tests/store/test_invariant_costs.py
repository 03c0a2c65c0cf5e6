"""Looking at the whole books costs as much as there are rows, also where the planner knows nothing of the tables."""

import pytest
from tests.panel import DEFAULT

from opensmm.store import invariants
from opensmm.store.invariants import ALL, INVARIANTS

ORDERS = 2_000
FILL = f"""
alter table orders set (autovacuum_enabled = off);
alter table delivery set (autovacuum_enabled = off);
alter table transfer set (autovacuum_enabled = off);
insert into customer (name, balance, created) values ('many', {ORDERS}, now());
insert into orders (customer_id, service_id, link, quantity, rate, packaged, charge, state, earned, refunded, remains,
                    created, ended)
  select c.id, {DEFAULT}, 'https://example.com/' || n, 100, 0.9, false, 9000, 'completed', 9000, 0, 0, now(), now()
  from customer c, generate_series(1, {ORDERS}) n where c.name = 'many';
insert into delivery (order_id, run, service_id, quantity, state, remains, attempt)
  select id, 1, service_id, 100, 'completed', 0, 1 from orders;
insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence, provider_order, sent)
  select id, 1, 1, 1, '1', 'accepted', 1, id::text, now() from orders;
insert into transfer (debit, credit, amount, kind, customer_id, order_id, created)
  select customer_id, -1, 9000, 'charge', customer_id, id, now() from orders;
insert into transfer (debit, credit, amount, kind, customer_id, order_id, sequence, created)
  select -1, -2, 9000, 'earn', customer_id, id, 1, now() from orders;
"""
ROWS_OF_ALL_TABLES = 6 * ORDERS
"""Of the orders, deliveries and attempts, and of twice as many transfers; some more for what is small."""


@pytest.fixture
async def unknown(stocked, owner):
    """Many orders, and no statistics of any table."""
    for statement in FILL.split(";\n"):
        await owner.execute(statement)
    return stocked


def looked_at(plan):
    """The most rows that one step of a plan took up, over all its turns."""
    loops = plan.get("Actual Loops", 0)
    rows = plan.get("Actual Rows", 0) + sum(value for name, value in plan.items() if name.startswith("Rows Removed"))
    return max([rows * loops, *map(looked_at, plan.get("Plans", ()))])


async def test_a_check_of_the_whole_books_takes_each_row_up_a_few_times(unknown):
    most = {}
    async with invariants.snapshot(unknown):
        for check in INVARIANTS:
            fields = {"first": ALL.first, "last": ALL.last}
            ((plan,),) = await (
                await unknown.execute(f"explain (analyze, timing off, format json) {check.broken}", fields)
            ).fetchall()
            most[check.name] = looked_at(plan[0]["Plan"])
    assert {} == {name: rows for name, rows in most.items() if rows > ROWS_OF_ALL_TABLES}

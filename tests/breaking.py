"""Breaking books on purpose: what a check must find, each statement taken back afterwards."""

from tests.panel import fetch

from opensmm.store.invariants import ALL, OrderRange

CONSTRAINTS = """
select format('alter table %I drop constraint %I', conrelid::regclass, conname)
from pg_constraint c join pg_class t on t.oid = c.conrelid
where t.relnamespace = 'public'::regnamespace and contype in ('c', 'u', 'f') and c.connamespace = t.relnamespace
order by contype <> 'f'
"""
UNIQUE_INDEXES = """
select format('drop index %I', i.indexrelid::regclass::text) from pg_index i join pg_class t on t.oid = i.indrelid
where t.relnamespace = 'public'::regnamespace and i.indisunique and not i.indisprimary
"""


async def without_constraints(owner):
    for query in (CONSTRAINTS, UNIQUE_INDEXES):
        for (statement,) in await fetch(owner, query):
            await owner.execute(statement)


async def find_broken(owner, check, orders=ALL):
    """What a check finds in a range of orders."""
    cursor = await owner.execute(check.broken, {"first": orders.first, "last": orders.last})
    return [what for (what,) in await cursor.fetchall()]


async def unseen(owner, statement, check):
    """Whether a check overlooks what a statement does; the statement is taken back."""
    async with owner.transaction(force_rollback=True):
        cursor = await owner.execute(statement)
        assert cursor.rowcount > 0, statement
        return not await find_broken(owner, check)


__all__ = ["ALL", "OrderRange", "find_broken", "unseen", "without_constraints"]

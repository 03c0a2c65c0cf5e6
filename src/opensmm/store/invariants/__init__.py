"""The invariants of the books. Each is a statement that selects what breaks it; all run in one snapshot."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct

from opensmm.store.connection import Connection
from opensmm.store.invariants.attempts import ATTEMPTS
from opensmm.store.invariants.by_hand import BY_HAND
from opensmm.store.invariants.invariant import Invariant, InvariantScope
from opensmm.store.invariants.money import MONEY
from opensmm.store.invariants.orders import ORDERS

INVARIANTS: Final = (*MONEY, *BY_HAND, *ORDERS, *ATTEMPTS)
EXAMPLES: Final = 5


class OrderRange(Struct, frozen=True):
    """Orders by their ids, both ends included."""

    first: int = -(2**63)
    last: int = 2**63 - 1


ALL: Final = OrderRange()
_WHOLE: Final = "set local enable_nestloop = off"
"""For the whole books: with joins by hash or in order, the cost of a check is linear in the number of rows.

Without statistics, as after a restore, the planner takes tables for small, and would use nested loops over all rows.
"""


class InvariantResult(Struct, frozen=True):
    """The number of violations of one invariant, with some of them as examples."""

    check: Invariant
    count: int
    examples: tuple[str, ...]


def select_checks(orders: OrderRange) -> tuple[Invariant, ...]:
    """Returns the checks that can be restricted to a range of orders; for the whole books all checks."""
    return INVARIANTS if orders == ALL else tuple(check for check in INVARIANTS if check.scope is InvariantScope.ORDERS)


@asynccontextmanager
async def snapshot(connection: Connection, orders: OrderRange = ALL) -> AsyncIterator[None]:
    """Opens a transaction in which every check sees the same books, with plans that fit the range."""
    await connection.execute("begin isolation level repeatable read read only")
    try:
        await connection.execute("set local statement_timeout = 0")
        if orders == ALL:
            await connection.execute(_WHOLE)
        yield
    finally:
        await connection.execute("rollback")


async def run(connection: Connection, orders: OrderRange = ALL) -> AsyncIterator[InvariantResult]:
    """Runs the checks of a range of orders in one snapshot and yields their results, in the order of ``INVARIANTS``."""
    async with snapshot(connection, orders):
        for check in select_checks(orders):
            query = f"with broken (what) as ({check.broken}) select count(*), (array_agg(what))[1:%(most)s] from broken"
            values = {"first": orders.first, "last": orders.last, "most": EXAMPLES}
            row = await (await connection.execute(query, values)).fetchone()
            assert row is not None
            count, examples = row
            yield InvariantResult(check, count, tuple(examples or ()))

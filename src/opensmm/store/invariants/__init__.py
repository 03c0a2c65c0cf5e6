"""The invariants of the books, each as a statement that finds what breaks it. All are read in one snapshot."""

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
"""For the whole books: rows are joined by hash or in order, so that a check costs as much as there are rows. Without
statistics, as after a restore, a planner that takes tables for small looks each row up among all the others."""


class InvariantResult(Struct, frozen=True):
    """The number of things that break one invariant, with some of them as examples."""

    check: Invariant
    count: int
    examples: tuple[str, ...]


def those_of(orders: OrderRange) -> tuple[Invariant, ...]:
    """The checks that tell of a range of orders; all of them of the whole books."""
    return INVARIANTS if orders == ALL else tuple(check for check in INVARIANTS if check.scope is InvariantScope.ORDERS)


@asynccontextmanager
async def snapshot(connection: Connection, orders: OrderRange = ALL) -> AsyncIterator[None]:
    """Opens a transaction in which every check sees the same books, planned for the range that is looked at."""
    await connection.execute("begin isolation level repeatable read read only")
    try:
        await connection.execute("set local statement_timeout = 0")
        if orders == ALL:
            await connection.execute(_WHOLE)
        yield
    finally:
        await connection.execute("rollback")


async def run(connection: Connection, orders: OrderRange = ALL) -> AsyncIterator[InvariantResult]:
    """Runs the checks of a range of orders in one snapshot and yields what each found, in the order above."""
    async with snapshot(connection, orders):
        for check in those_of(orders):
            found = f"with broken (what) as ({check.broken}) select count(*), (array_agg(what))[1:%(most)s] from broken"
            told = {"first": orders.first, "last": orders.last, "most": EXAMPLES}
            cursor = await connection.execute(found, told)
            row = await cursor.fetchone()
            assert row is not None
            yield InvariantResult(check, row[0], tuple(row[1] or ()))

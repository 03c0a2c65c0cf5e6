"""The sandbox's own book. Only the sandbox reads and writes it; to the panel it is another panel's database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from opensmm.domain.requests import TypeDetails
from opensmm.store.connection import Connection


class BookOrder(Struct, frozen=True):
    """``subscription`` is what one asks for; None of an ordinary order."""

    id: int
    link: str
    quantity: int
    placed: datetime
    start_count: int
    canceled: datetime | None
    service: str = ""
    subscription: TypeDetails | None = None


_ADD: Final = """
insert into sandbox_order (account, service, link, quantity, placed, start_count, subscription)
values (%s, %s, %s, %s, %s, %s, %s) returning id
"""


async def add(
    connection: Connection,
    account: int,
    service: str,
    link: str,
    quantity: int,
    start_count: int,
    now: datetime,
    subscription: TypeDetails | None = None,
) -> int:
    """Writes an order down; ids grow over all accounts, as they do at a panel."""
    asked = None if subscription is None else msgspec.json.encode(subscription).decode()
    cursor = await connection.execute(_ADD, [account, service, link, quantity, now, start_count, asked])
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


_FIND: Final = """
select id, link, quantity, placed, start_count, canceled, service, subscription
from sandbox_order where id = any(%s) and account = %s
"""


async def find(connection: Connection, account: int, orders: Sequence[int]) -> dict[int, BookOrder]:
    """The account's own among orders: to it, the others do not exist."""
    cursor = await connection.execute(_FIND, [orders, account])
    return {
        row[0]: BookOrder(*(*row[:-1], None if row[-1] is None else msgspec.convert(row[-1], TypeDetails)))
        for row in await cursor.fetchall()
    }


class BookPost(Struct, frozen=True):
    """An order to be made for a post of a subscription, by the post's number from 1."""

    post: int
    link: str
    quantity: int
    start_count: int
    placed: datetime


_POSTS: Final = "select id from sandbox_order where parent_id = %s order by post"
_ADD_POSTS: Final = """
insert into sandbox_order (account, service, parent_id, post, link, quantity, start_count, placed)
select %s, %s, %s, a.* from unnest(%s::int[], %s::text[], %s::bigint[], %s::bigint[], %s::timestamptz[]) as a
on conflict do nothing
"""


async def posts(connection: Connection, subscription: int) -> list[int]:
    """The orders made for posts, oldest first."""
    cursor = await connection.execute(_POSTS, [subscription])
    return [row[0] for row in await cursor.fetchall()]


async def add_posts(connection: Connection, account: int, parent: BookOrder, made: Sequence[BookPost]) -> None:
    arrays = (
        [post.post for post in made],
        [post.link for post in made],
        [post.quantity for post in made],
        [post.start_count for post in made],
        [post.placed for post in made],
    )
    await connection.execute(_ADD_POSTS, [account, parent.service, parent.id, *arrays])


_CANCEL: Final = "update sandbox_order set canceled = coalesce(canceled, %s) where id = any(%s)"


async def cancel(connection: Connection, orders: Sequence[int], now: datetime) -> None:
    await connection.execute(_CANCEL, [now, orders])


class BookRefill(Struct, frozen=True):
    id: int
    order: int
    asked: datetime


_ADD_REFILL: Final = """
insert into sandbox_refill (order_id, asked) select order_id, %s from unnest(%s::bigint[]) as order_id
returning order_id, id
"""


async def add_refills(connection: Connection, orders: Sequence[int], now: datetime) -> dict[int, int]:
    cursor = await connection.execute(_ADD_REFILL, [now, orders])
    return {row[0]: row[1] for row in await cursor.fetchall()}


_REFILLS: Final = "select id, order_id, asked from sandbox_refill where id = any(%s)"


async def refills(connection: Connection, ids: Sequence[int]) -> dict[int, BookRefill]:
    cursor = await connection.execute(_REFILLS, [ids])
    return {row[0]: BookRefill(*row) for row in await cursor.fetchall()}

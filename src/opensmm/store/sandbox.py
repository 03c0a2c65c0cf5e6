"""The sandbox's own orders. Only the sandbox reads and writes them; to the panel it is another panel's database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from opensmm.domain.requests import TypeDetails
from opensmm.store.connection import Connection
from opensmm.store.rows import rows


class BookOrder(Struct, frozen=True):
    """An order at the sandbox. ``subscription`` has the details of a subscription, None for any other order."""

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
    """Writes an order and returns its id. Ids grow across all accounts, as they do at a panel."""
    details = None if subscription is None else msgspec.json.encode(subscription).decode()
    cursor = await connection.execute(_ADD, [account, service, link, quantity, now, start_count, details])
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


_FIND: Final = """
select id, link, quantity, placed, start_count, canceled, service, subscription
from sandbox_order where id = any(%s) and account = %s
"""


async def find(connection: Connection, account: int, orders: Sequence[int]) -> dict[int, BookOrder]:
    """Returns those of ``orders`` that the account owns. For an account, the orders of others do not exist."""
    return {order.id: order for order in await rows(connection, BookOrder, _FIND, [orders, account])}


class BookPost(Struct, frozen=True):
    """An order to make for a post of a subscription. ``post`` is the post's number, from 1."""

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
    """Returns the orders made for the posts of a subscription, oldest first."""
    cursor = await connection.execute(_POSTS, [subscription])
    return [row[0] for row in await cursor.fetchall()]


async def add_posts(connection: Connection, account: int, parent: BookOrder, posts: Sequence[BookPost]) -> None:
    """Writes orders for posts of a subscription; those that exist stay as they are."""
    arrays = (
        [post.post for post in posts],
        [post.link for post in posts],
        [post.quantity for post in posts],
        [post.start_count for post in posts],
        [post.placed for post in posts],
    )
    await connection.execute(_ADD_POSTS, [account, parent.service, parent.id, *arrays])


_CANCEL: Final = "update sandbox_order set canceled = coalesce(canceled, %s) where id = any(%s)"


async def cancel(connection: Connection, orders: Sequence[int], now: datetime) -> None:
    """Cancels orders; those that are cancelled already keep their time."""
    await connection.execute(_CANCEL, [now, orders])


class BookRefill(Struct, frozen=True):
    """A refill at the sandbox. ``requested`` is a time."""

    id: int
    order: int
    requested: datetime


_ADD_REFILL: Final = """
insert into sandbox_refill (order_id, asked) select order_id, %s from unnest(%s::bigint[]) as order_id
returning order_id, id
"""


async def add_refills(connection: Connection, orders: Sequence[int], now: datetime) -> dict[int, int]:
    """Writes a refill for each order; returns their ids by order."""
    cursor = await connection.execute(_ADD_REFILL, [now, orders])
    return {row[0]: row[1] for row in await cursor.fetchall()}


_REFILLS: Final = "select id, order_id as order, asked as requested from sandbox_refill where id = any(%s)"


async def refills(connection: Connection, ids: Sequence[int]) -> dict[int, BookRefill]:
    """Returns those of the refills that exist, by id."""
    return {refill.id: refill for refill in await rows(connection, BookRefill, _REFILLS, [ids])}

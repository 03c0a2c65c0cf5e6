"""The customer list of the pages. A filter or a search reads a bounded number of rows."""

from datetime import datetime
from typing import Final

from msgspec import Struct, convert
from psycopg.rows import TupleRow

from opensmm.base.ids import CustomerId, OrderId, PriceListId
from opensmm.base.money import Money
from opensmm.base.pages import Keyset, Page
from opensmm.store.connection import Connection
from opensmm.store.customers import OVERDRAWN
from opensmm.store.pages import PageQuery


class CustomerFilter(Struct, frozen=True):
    """A filter of the customer list. An empty field lets every customer pass.

    ``name``: a part of the name, in any case. ``owing``: only customers whose balance is below 0.
    """

    name: str = ""
    suspended: bool | None = None
    price_list: PriceListId | None = None
    owing: bool = False


EVERY_CUSTOMER: Final = CustomerFilter()


class CustomerRow(Struct, frozen=True):
    """A customer in the list. ``overdrawn``: the amount by which its balance lies below the credit limit.

    ``keys``: the number of live ones. ``ordered``: the time of its newest order.
    """

    id: CustomerId
    name: str
    created: datetime
    balance: Money
    credit_limit: Money
    overdrawn: Money
    suspended: bool
    price_list: PriceListId
    price_list_name: str
    keys: int
    newest_order: OrderId | None
    ordered: datetime | None


_COLUMNS: Final = {
    "id": "c.id",
    "name": "c.name",
    "created": "c.created",
    "balance": "c.balance",
    "credit_limit": "c.credit_limit",
    "overdrawn": OVERDRAWN,
    "suspended": "c.suspended",
    "price_list": "c.price_list_id",
    "price_list_name": "coalesce((select name from price_list where id = c.price_list_id), '')",
    "keys": "(select count(*) from api_key where customer_id = c.id and revoked is null)",
    "newest_order": "o.id",
    "ordered": "o.created",
}
"""The SQL of each field of a row."""
LIST: Final = PageQuery(
    "customer",
    ", ".join(_COLUMNS.values()),
    row="c",
    filters="""(%(name)s::text is null or strpos(lower(name), %(name)s) > 0)
  and (%(suspended)s::bool is null or suspended = %(suspended)s)
  and (%(price_list)s::bigint is null or price_list_id = %(price_list)s)
  and (not %(owing)s::bool or balance < 0)""",
    joins="""
left join lateral (select id, created from orders where customer_id = c.id order by id desc limit 1) o on true""",
)


async def list_customers(
    connection: Connection, place: Keyset, filters: CustomerFilter = EVERY_CUSTOMER
) -> Page[CustomerRow]:
    """Returns a page of the customers that pass the filter, newest first."""
    values = {
        "name": filters.name.lower() or None,
        "suspended": filters.suspended,
        "price_list": filters.price_list,
        "owing": filters.owing,
    }
    return await LIST.read(connection, place, values, _read_row, filtered=filters != EVERY_CUSTOMER)


def _read_row(row: TupleRow) -> CustomerRow:
    return convert(dict(zip(_COLUMNS, row, strict=True)), CustomerRow)

"""The list of customers as pages show it, filtered and searched through a bounded number of rows."""

from datetime import datetime
from typing import Final

from msgspec import Struct
from psycopg.rows import TupleRow

from opensmm.base.ids import CustomerId, OrderId, PriceListId
from opensmm.base.money import Money
from opensmm.base.pages import Keyset, Page
from opensmm.store.connection import Connection
from opensmm.store.customers import OVERDRAWN
from opensmm.store.pages import PageQuery


class CustomerFilter(Struct, frozen=True):
    """Which customers a page shows; a field that is empty lets all pass. ``name``: a part of it, in any case.
    ``owing``: those whose balance is below 0."""

    name: str = ""
    suspended: bool | None = None
    price_list: PriceListId | None = None
    owing: bool = False


EVERY_CUSTOMER: Final = CustomerFilter()


class CustomerRow(Struct, frozen=True):
    """A customer in the panel's list. ``overdrawn`` is how far its balance lies below the credit limit; ``keys``: how
    many are live."""

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


LIST: Final = PageQuery(
    "customer",
    f"""c.id, c.name, c.created, c.balance, c.credit_limit, {OVERDRAWN}, c.suspended, c.price_list_id,
  coalesce((select name from price_list where id = c.price_list_id), ''),
  (select count(*) from api_key where customer_id = c.id and revoked is null), o.id, o.created""",
    row="c",
    filters="""(%(name)s::text is null or strpos(lower(name), %(name)s) > 0)
  and (%(suspended)s::bool is null or suspended = %(suspended)s)
  and (%(price_list)s::bigint is null or price_list_id = %(price_list)s)
  and (not %(owing)s::bool or balance < 0)""",
    joins="""
left join lateral (select id, created from orders where customer_id = c.id order by id desc limit 1) o on true""",
)


async def customer_list(
    connection: Connection, place: Keyset, wanted: CustomerFilter = EVERY_CUSTOMER
) -> Page[CustomerRow]:
    """A page of the panel's customers, newest first."""
    told = {"name": wanted.name.lower() or None, "suspended": wanted.suspended, "price_list": wanted.price_list}
    told["owing"] = wanted.owing
    return await LIST.read(connection, place, told, _row, filtered=wanted != EVERY_CUSTOMER)


def _row(row: TupleRow) -> CustomerRow:
    return CustomerRow(*row)

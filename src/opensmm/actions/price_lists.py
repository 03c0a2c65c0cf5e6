"""The operator's price lists. Each action is one transaction with its audit rows."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from opensmm.actions.references import suggest
from opensmm.base.ids import CustomerId, PriceListId, ServiceId
from opensmm.domain.audit import AuditAction, AuditEntry, By, created
from opensmm.domain.names import check_name
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.service_rules import MAX_PRICE_LIST_NAME, check_price
from opensmm.store import audit, catalogue
from opensmm.store import price_lists as rows
from opensmm.store.connection import Connection


async def add(connection: Connection, name: str, *, by: By) -> PriceListId:
    """Adds an empty price list. Raises OperatorRefusal if another one has the name."""
    check_name(name, MAX_PRICE_LIST_NAME)
    async with connection.transaction():
        added = await rows.add(connection, name)
        if added is None:
            raise OperatorRefusal(RefusalCode.PRICE_LIST_EXISTS, name=name)
        await audit.note(connection, by, AuditAction.PRICE_LIST_ADD, [AuditEntry(name, created(name=name))])
    return added


async def set_rates(
    connection: Connection,
    price_list: str,
    rates: Mapping[ServiceId, Decimal | None],
    *,
    by: By,
) -> None:
    """Sets a price list's rates for services; None: their own rates again.

    Raises OperatorRefusal, with nothing written, for a service that does not exist.
    """
    for rate in rates.values():
        if rate is not None:
            check_price(rate)
    async with connection.transaction():
        await catalogue.lock(connection)
        list_id = await find_price_list(connection, price_list)
        present = {one.id for one in await catalogue.services(connection, list(rates))}
        if missing := sorted(set(rates) - present):
            raise OperatorRefusal(RefusalCode.NO_SUCH_SERVICE, services=missing)
        before = await rows.rates(connection, list_id)
        await rows.keep(connection, list_id, rates)
        entries = [
            AuditEntry(price_list, {"rate": (before.get(service), rate)}, {"service": service})
            for service, rate in rates.items()
        ]
        await audit.note(connection, by, AuditAction.PRICE_LIST_RATE, entries)


async def assign(connection: Connection, price_list: str, customers: Sequence[CustomerId], *, by: By) -> None:
    """Assigns customers to a price list, from their next order on.

    Raises OperatorRefusal, with nothing written, for a customer who does not exist.
    """
    async with connection.transaction():
        list_id = await find_price_list(connection, price_list)
        before = await rows.lock_assigned(connection, customers)
        assigned = await rows.assign(connection, list_id, customers)
        if missing := sorted(set(customers) - set(assigned)):
            raise OperatorRefusal(RefusalCode.NO_CUSTOMER, customer=missing[0])
        entries = [
            AuditEntry(str(customer), {"price_list": (before[customer], price_list)}) for customer in sorted(assigned)
        ]
        await audit.note(connection, by, AuditAction.CUSTOMER_PRICE_LIST, entries)


async def find_price_list(connection: Connection, name: str) -> PriceListId:
    """Returns the id of the price list of this name. Raises OperatorRefusal if there is none."""
    ids = {one.name: one.id for one in await rows.price_lists(connection)}
    if name not in ids:
        raise OperatorRefusal(RefusalCode.UNKNOWN_PRICE_LIST, name=name, there_are=suggest(name, ids))
    return ids[name]

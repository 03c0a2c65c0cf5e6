"""store.placing, catalogue and commit_recovery, on the model's rows."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from tests.simulation.model.connection import Connection, Line
from tests.simulation.model.customers import book, hold
from tests.simulation.model.tables import DeliveryRow, OrderRow, Store

from opensmm.base.ids import CustomerId, KeyId, OrderId, PriceListId
from opensmm.domain.catalogue import Catalogue
from opensmm.domain.link_identity import identity
from opensmm.domain.orders import PricedOrder
from opensmm.domain.placing import Buyer, CustomerFunds, IdempotencyRecord
from opensmm.store.placing import LockedCustomers


async def lock(connection: Connection, buyers: Iterable[Buyer]) -> LockedCustomers:
    """The simulation's customers order by key alone."""
    store, buyers = connection.store, set(buyers)
    store.begin()
    rows = [store.customers[customer] for customer in sorted({buyer.customer for buyer in buyers})]
    funds = {
        CustomerId(row.id): CustomerFunds(row.balance + row.credit_limit, row.suspended, PriceListId(row.price_list))
        for row in rows
    }
    barred = frozenset(buyer for buyer in buyers if store.revoked.get(KeyId(buyer.number), False))
    return LockedCustomers(funds, barred, store.catalogue.version)


async def find_records(
    connection: Connection, pairs: Sequence[tuple[CustomerId, str]]
) -> dict[tuple[CustomerId, str], IdempotencyRecord]:
    records = connection.store.idempotency
    return {pair: IdempotencyRecord(records[pair][0], OrderId(records[pair][1])) for pair in pairs if pair in records}


async def find_active_links(
    connection: Connection, pairs: Sequence[tuple[CustomerId, str]]
) -> frozenset[tuple[CustomerId, str]]:
    pages = [(customer, identity(link)) for customer, link in pairs]
    return frozenset(page for page in pages if page in connection.store.active_links)


async def keep(
    connection: Connection,
    mark: UUID,
    drafts: Sequence[tuple[CustomerId, PricedOrder]],
    at: datetime | None,
    *,
    catalogue_version: int | None = None,
    keys: Iterable[KeyId] = (),
    buyers: Sequence[Buyer] = (),
) -> Sequence[OrderId | None]:
    """One statement: alone it is its own transaction, within one it waits for that one's COMMIT."""
    assert at is not None, "the simulation's clock tells the time of the database"
    store = connection.store
    alone = not store.open
    if alone:
        store.begin()
    good = _good(store, drafts, catalogue_version, list(keys))
    ids = [_keep(store, customer, draft, at) if customer in good else None for customer, draft in drafts]
    store.insert(store.batches, mark, ids)
    if alone:
        await connection.commit()
    return ids


def _good(
    store: Store, drafts: Sequence[tuple[CustomerId, PricedOrder]], version: int | None, keys: Sequence[KeyId]
) -> frozenset[CustomerId]:
    """Those of whom everything is kept. One caller's key is the customer's number in the simulation."""
    totals: dict[CustomerId, int] = {}
    lists: dict[CustomerId, set[int]] = {}
    for customer, draft in drafts:
        totals[customer] = totals.get(customer, 0) + draft.charge
        lists.setdefault(customer, set()).add(draft.price_list)
    if version is not None and version != store.catalogue.version:
        return frozenset()
    revoked = {key for key in keys if store.revoked.get(key, False)}
    return frozenset(customer for customer in totals if _may(store, customer, totals, lists, revoked))


def _may(
    store: Store,
    customer: CustomerId,
    totals: Mapping[CustomerId, int],
    lists: Mapping[CustomerId, set[int]],
    revoked: Collection[KeyId],
) -> bool:
    row = store.customers[customer]
    enough = totals[customer] <= row.balance + row.credit_limit
    return enough and not row.suspended and lists[customer] == {row.price_list} and KeyId(customer) not in revoked


def _keep(store: Store, customer: CustomerId, draft: PricedOrder, now: datetime) -> OrderId:
    order = OrderId(next(store.order_ids))
    row = OrderRow(
        id=order,
        customer=customer,
        service=draft.service.id,
        quantity=draft.quantity,
        charge=draft.charge,
        created=now,
        runs=draft.runs,
        interval_min=draft.interval_min,
        packaged=draft.packaged,
        state=draft.state.value,
        rate=draft.rate,
        link=draft.link,
    )
    store.insert(store.orders, order, row)
    for run in range(1, draft.runs + 1):
        delivery = DeliveryRow(order, run, row.service, row.quantity, due=now if run == 1 else None)
        store.insert(store.deliveries, (order, run), delivery)
    if draft.charge > 0:
        book(store, [hold(customer, order, draft.charge)])
    return order


async def remember(
    connection: Connection, records: Mapping[tuple[CustomerId, str], IdempotencyRecord], at: datetime | None
) -> None:
    for pair, record in records.items():
        connection.store.insert(connection.store.idempotency, pair, (record.fingerprint, record.order))


async def hold_links(connection: Connection, orders: Sequence[tuple[CustomerId, OrderId, PricedOrder]]) -> None:
    store = connection.store
    for customer, order, draft in orders:
        if draft.service.one_active_per_link:
            store.insert(store.active_links, (customer, identity(draft.link)), order)
            store.insert(store.links_of, order, (customer, identity(draft.link)))


class commit_recovery:  # noqa: N801 - stands for the module of that name
    """actions.commit_recovery: the batch's mark is looked for, or its place taken, on a connection of one's own."""

    @staticmethod
    async def recover(connection: Line, mark: UUID, at: datetime | None) -> Sequence[OrderId | None] | None:
        connection.store.unheard.clear()
        opened = await connection.get()
        orders = opened.store.batches.setdefault(mark, None)
        if orders is not None:
            await opened.wait_for_standby()
        return None if orders is None else [None if order is None else OrderId(order) for order in orders]


async def refresh(connection: Connection, known: Catalogue | None) -> Catalogue:
    return connection.store.catalogue

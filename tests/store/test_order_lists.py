"""Lists of orders: what each filter lets pass, and that no order is left out or told to a stranger."""

from datetime import timedelta

import pytest
from tests.panel import DEFAULT, DRIP, buyer, fetch, walk

from opensmm.base.ids import CustomerId, OrderId, ProviderId, ServiceId
from opensmm.base.pages import Keyset
from opensmm.domain.order_views import status_word
from opensmm.domain.orders import OrderState, OrderStatus
from opensmm.store import order_lists, pages
from opensmm.store.order_lists import OrderFilter
from opensmm.store.orders import views

USD = "USD"
MANY = """
insert into orders (customer_id, service_id, link, quantity, rate, packaged, charge, state, earned, remains, created,
                    ended)
  select %s, 1, 'https://example.com/' || n, 100, 0.9, false, 9000, 'completed', 9000, 0,
    timestamptz '2035-01-01 00:00Z' + n * interval '1 minute', now()
  from generate_series(1, 2000) n
"""


async def own(conn, customer, wanted=order_lists.EVERY_ORDER, size=3):
    pages = await walk(lambda place: order_lists.own_list(conn, customer, place, USD, wanted), Keyset(size=size))
    return [row for page in pages for row in page.rows]


async def panel(conn, wanted=order_lists.EVERY_ORDER, size=3):
    pages = await walk(lambda place: order_lists.panel_list(conn, place, USD, wanted), Keyset(size=size))
    return [row for page in pages for row in page.rows]


def numbers(rows):
    return [row.view.order for row in rows]


async def test_a_customers_list_has_all_of_its_orders_as_status_tells_them(honest, ann):
    rows = await own(honest, ann.id)
    ids = [number for (number,) in await fetch(honest, "select id from orders where customer_id = %s", ann.id)]
    assert sorted(ids, reverse=True) == numbers(rows)
    expected = await views(honest, ids, USD)
    assert [expected[row.view.order][1] for row in rows] == [row.view for row in rows]
    assert all(row.view.charge == row.charged - row.refunded for row in rows)


async def test_the_panels_list_tells_customers_providers_and_costs(honest, ann):
    ((booked,),) = await fetch(honest, "select amount from transfer where order_id = 1 and kind = 'cost'")
    await honest.execute(
        """insert into transfer (debit, credit, amount, kind, customer_id, order_id, sequence, created)
           values (-6, -7, 500, 'cost', 1, 1, 2, now())"""
    )
    rows = await panel(honest)
    every = [number for (number,) in await fetch(honest, "select id from orders order by id desc")]
    assert every == numbers(row.order for row in rows)
    first, unsent = rows[-1], rows[-3]
    (sent,) = await fetch(honest, "select provider_id, provider_order from attempt where order_id = 1")
    assert (*sent, booked + 500) == (first.provider, first.provider_order, first.cost)
    assert (OrderState.CANCELED, None, 0) == (unsent.order.state, unsent.provider_order, unsent.cost)
    assert ann.id == first.customer
    assert first.customer_name
    assert first.provider_name


@pytest.mark.parametrize("status", OrderStatus)
async def test_a_filter_by_status_agrees_with_what_is_shown(honest, ann, status):
    every = await own(honest, ann.id)
    wanted = [row for row in every if row.view.status is status]
    assert wanted == await own(honest, ann.id, OrderFilter(statuses=(status,)))
    whole = [row for row in await panel(honest) if row.order.view.status is status]
    assert whole == await panel(honest, OrderFilter(statuses=(status,)))


async def test_what_is_under_way_is_found_however_old_it_is(honest, ann, monkeypatch):
    """The first page has it, with more orders in between than are looked through."""
    live = OrderFilter(statuses=tuple(order_lists.LIVE_STATUSES))
    before = await panel(honest, live, size=50)
    await honest.execute(MANY, [ann.id])
    monkeypatch.setattr(pages, "LOOKED_AT", 100)
    page = await order_lists.panel_list(honest, Keyset(), USD, live)
    assert (before, None) == (list(page.rows), page.older)
    monkeypatch.setattr(order_lists, "MAX_LIVE", 2)
    assert before == await panel(honest, live), "too many to be taken together: gone through by their ids"


async def test_filters_narrow_and_go_together(honest, ann, monkeypatch):
    monkeypatch.setattr(pages, "LOOKED_AT", 3)
    every = await panel(honest)
    provider = every[-1].provider
    for wanted, passes in (
        (OrderFilter(service=ServiceId(DRIP)), lambda row: row.order.service == DRIP),
        (OrderFilter(link="PARTIAL-4"), lambda row: "partial-4" in row.order.link),
        (OrderFilter(customer=ann.id), lambda row: row.customer == ann.id),
        (OrderFilter(customer=CustomerId(99)), lambda row: False),
        (OrderFilter(provider=provider), lambda row: row.provider == provider),
        (OrderFilter(provider=ProviderId(99)), lambda row: False),
        (
            OrderFilter(service=ServiceId(DEFAULT), statuses=(OrderStatus.COMPLETED,), link="complete"),
            lambda row: row.order.service == DEFAULT and row.order.state == "completed",
        ),
    ):
        assert [row for row in every if passes(row)] == await panel(honest, wanted), wanted


async def test_a_span_of_time_has_its_orders(stocked, ann):
    await stocked.execute(MANY, [ann.id])
    ((begin,),) = await fetch(stocked, "select min(created) from orders")
    span = OrderFilter(since=begin + timedelta(minutes=100), until=begin + timedelta(minutes=160))
    assert 60 == len(await own(stocked, ann.id, span, size=50))
    assert 60 == len(await panel(stocked, span, size=50))
    ids = await order_lists._find_ids(stocked, span)
    assert ids.below - ids.above < 60 + 2 * 62


async def test_no_search_tells_a_customer_of_anothers_order(honest, ann):
    other = await buyer(honest)
    assert [] == await own(honest, other.id, OrderFilter(among=(OrderId(1), OrderId(2))))
    assert [] == await own(honest, other.id, OrderFilter(customer=ann.id))
    assert [2, 1] == numbers(await own(honest, ann.id, OrderFilter(among=(OrderId(1), OrderId(2)))))


async def test_an_order_is_found_by_its_number_and_by_its_providers(honest):
    ((theirs, post),) = await fetch(
        honest,
        "select (select provider_order from attempt where order_id = 2), (select provider_order from post limit 1)",
    )
    assert {2} <= set(await order_lists.search(honest, theirs))
    assert {2} <= set(await order_lists.search(honest, f"000{theirs}"))
    assert {7} <= set(await order_lists.search(honest, "7"))
    assert {8} <= set(await order_lists.search(honest, post))
    for stranger in ("", "999999", "9" * 40, "nothing", "x' or true"):
        assert () == await order_lists.search(honest, stranger), stranger


async def test_counts_are_by_the_word_shown_and_stop(honest, ann, monkeypatch):
    for customer, rows in ((ann.id, await own(honest, ann.id)), (None, [row.order for row in await panel(honest)])):
        shown = [row.view.status for row in rows]
        assert {status: shown.count(status) for status in OrderStatus} == await order_lists.counts(honest, customer)
    await honest.execute(MANY, [ann.id])
    assert 100 == (await order_lists.counts(honest))[OrderStatus.COMPLETED]
    monkeypatch.setattr(pages, "LOOKED_AT", 10)
    newest = await order_lists.counts(honest, ann.id)
    assert {OrderStatus.COMPLETED: 10} == {status: count for status, count in newest.items() if count}
    under_way = await order_lists.counts(honest)
    assert all(under_way[status] for status in order_lists.LIVE_STATUSES), "what is under way is counted however old"


def test_what_is_live_has_a_word_of_its_own():
    ended = {status_word(state, None, 1) for state in set(OrderState) - order_lists.LIVE_STATES}
    assert set(OrderStatus) == ended | order_lists.LIVE_STATUSES
    assert not ended & order_lists.LIVE_STATUSES

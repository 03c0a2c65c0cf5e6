"""An order's events: all of them as a rule, the newest of each sort of one that left very many."""

from tests.panel import fetch

from opensmm.base.ids import OrderId
from opensmm.domain.codes import EventCode
from opensmm.store import order_events

DRIP_FEED = 4


async def history(conn, order):
    found = await order_events.read_history(conn, OrderId(order))
    assert found is not None
    return found


async def kinds(conn, order):
    found = await history(conn, order)
    return [event.kind for event in found.events], found.whole


async def test_every_order_has_its_events_in_the_order_of_their_times(honest):
    for (order,) in await fetch(honest, "select id from orders"):
        found = await history(honest, order)
        assert found.whole
        assert [event.at for event in found.events] == sorted(event.at for event in found.events)
        assert {EventCode.PLACED, EventCode.PLACED_IN_RUNS, EventCode.SUBSCRIBED} & {e.kind for e in found.events}
    assert await order_events.read_history(honest, OrderId(99)) is None


async def test_of_very_many_the_newest_are_told(honest, monkeypatch):
    before, whole = await kinds(honest, DRIP_FEED)
    sent = [kind for kind in before if kind is EventCode.SENT]
    assert (True, True) == (whole, len(sent) > 1)
    monkeypatch.setattr(order_events, "MAX_EVENTS", 1)
    after, whole = await kinds(honest, DRIP_FEED)
    assert (False, 1) == (whole, after.count(EventCode.SENT))
    last = [event for event in (await history(honest, DRIP_FEED)).events if event.kind is EventCode.SENT]
    assert [len(sent)] == [event.fields["run"] for event in last], "the newest run"

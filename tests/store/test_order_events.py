"""An order's events: all of them as a rule, the newest of each sort of one that left very many."""

from tests.panel import fetch

from opensmm.base.ids import OrderId
from opensmm.domain.codes import EventCode
from opensmm.store import order_events

DRIP_FEED = 4


async def history(conn, order):
    events = await order_events.read_history(conn, OrderId(order))
    assert events is not None
    return events


async def kinds(conn, order):
    story = await history(conn, order)
    return [event.kind for event in story.events], story.whole


async def test_every_order_has_its_events_in_the_order_of_their_times(honest):
    for (order,) in await fetch(honest, "select id from orders"):
        story = await history(honest, order)
        assert story.whole
        assert [event.at for event in story.events] == sorted(event.at for event in story.events)
        assert {EventCode.PLACED, EventCode.PLACED_IN_RUNS, EventCode.SUBSCRIBED} & {e.kind for e in story.events}
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

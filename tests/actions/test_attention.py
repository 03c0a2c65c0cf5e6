"""The operator's list: which lines stand on it, what the panel notes of them, and how long it may get."""

from opensmm.actions.attention import list_waiting
from opensmm.base.ids import OrderId
from opensmm.domain.codes import EventCode
from opensmm.store import notices
from opensmm.store.notices import LateAcceptance


async def test_an_order_that_no_provider_may_be_asked_for_is_noted_so(api, worker, stocked, ann):
    await stocked.execute("update route set service_id = -service_id")
    orders = [await api.add(ann.key), await api.add(ann.key)]
    await worker.send()
    lines = await list_waiting(stocked, (), 10, worker.clock())
    assert [(order, "held", None, EventCode.NO_PROVIDER_AT_PRICE) for order in orders] == [
        (line.order, line.why, line.answer, line.note and line.note.code) for line in lines
    ]
    assert orders[:1] == [line.order for line in await list_waiting(stocked, ("held",), 1, worker.clock())]
    assert [] == await list_waiting(stocked, ("unsure", "late"), 10, worker.clock())


async def test_a_notice_is_a_code_with_its_fields(api, worker, stocked, ann):
    order = await api.add(ann.key, link="https://example.com/refuse")
    await worker.send()
    await notices.keep_late(stocked, [LateAcceptance((OrderId(order), 1, 1), "7001", "")], worker.clock())
    (line,) = await list_waiting(stocked, (), 10, worker.clock())
    assert (order, "late", "late_acceptance", None) == (line.order, line.why, line.concluded, line.answer)
    assert line.note is not None
    assert EventCode.LATE_ACCEPTANCE is line.note.code
    wanted = {"run": 1, "attempt": 1, "provider_name": "Sandbox", "provider_order": "7001"}
    assert wanted == {name: line.note.fields[name] for name in wanted}

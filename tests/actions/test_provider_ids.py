"""Ids of orders at providers are the provider's text: kept as written, and compared without leading zeros."""

from typing import Any

import pytest
from tests.panel import broken, fetch

from opensmm.actions import unsure
from opensmm.base.ids import ProviderId
from opensmm.domain.evidence import Conclusion, Judgement, UnsureCase
from opensmm.store import evidence as rows


def status_of(*orders):
    """A provider that knows these ids, in this spelling alone."""

    def say(form):
        named = form.get("orders", form.get("order", "")).split(",")
        return {
            order: {"status": "Completed", "remains": "0", "charge": "0.05"}
            if order in orders
            else {"error": "Incorrect order ID"}
            for order in named
        }

    return say


@pytest.mark.parametrize("theirs", ["XKQPLMZR", "0007001"])
async def test_an_id_is_kept_and_asked_for_as_it_was_written(api, upstream, stocked, ann, theirs):
    worker, fake, _ = upstream
    fake.answers |= {"add": {"status": "success", "order": theirs}, "status": status_of(theirs)}
    order = await api.add(ann.key)
    await worker.send()
    worker.clock.forward(5)
    await worker.follow()
    assert [(theirs, "accepted")] == await fetch(stocked, "select provider_order, outcome from attempt")
    assert "Completed" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    assert [] == await broken(stocked)


async def test_an_id_that_differs_in_zeros_alone_is_another_orders(api, upstream, stocked, ann):
    worker, fake, _ = upstream
    ids = iter(["7001", "0007001"])
    fake.answers["add"] = lambda form: {"order": next(ids)}
    for _ in range(2):
        await api.add(ann.key)
        await worker.send()
    attempts = await fetch(stocked, "select outcome, provider_order from attempt order by order_id")
    assert [("accepted", "7001"), ("unsure", None)] == attempts
    assert [] == await broken(stocked)


async def test_evidence_knows_an_order_by_any_spelling_of_its_id(api, upstream, stocked, ann):
    worker, fake, provider = upstream
    fake.answers["add"] = {"order": "0007001"}
    await api.add(ann.key)
    await worker.send()
    assert {7001} == await rows.find_known(stocked, provider, [7000, 7001, 7002])


async def test_evidence_asks_in_the_spelling_of_the_neighbours():
    requests = []

    class Provider:
        async def look_ups(self, orders):
            requests.extend(orders)
            return [None] * len(orders)

    provider: Any = Provider()
    await unsure._look_up(provider, unsure.IdQuestion(ProviderId(1), 7000, (7001, 7002), width=7))
    assert ["0007000", "0007001", "0007002"] == requests
    inquiry = unsure.ProviderInquiry(ProviderId(1), {}, UnsureCase((), {}, {}), {}, (), False, width=7)
    assert "0007001" == unsure._format_provider_id(inquiry, Judgement(Conclusion.BOUGHT, 7001))

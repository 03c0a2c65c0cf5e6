"""Following a real provider's price list: what goes off sale, what waits for approval, and that nothing is sent below
cost unseen, whatever moves between the order and the sending."""

import asyncio
import contextlib
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from tests.panel import DEFAULT, FREE, LINK, PEPPER, PLAIN, acting, actor, broken, buyer, fetch, now
from tests.panels import add_panel, route
from tests.stepped_worker import SteppedWorker, state
from tests.upstream import KEY, again, line

from opensmm.actions import monitoring, order_actions, price_sync, providers
from opensmm.actions.routes import set_routes_in_transaction
from opensmm.base.ids import OrderId, ServiceId
from opensmm.domain.audit import By
from opensmm.domain.catalogue import BelowCost, Halt
from opensmm.domain.codes import LineCode, LineFault
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.price_sync import DoubtCode, ListDoubt
from opensmm.domain.provider_settings import FollowingSettings, ProviderSettings
from opensmm.domain.routes import RouteTo
from opensmm.store import catalogue as prices
from opensmm.store import price_lists
from opensmm.store import price_sync as synced
from opensmm.store.connection import connect
from opensmm.texts.speech import ENGLISH

OTHER_KEY = "a-key-of-the-other-upstream"
UNKNOWN = {"error": "Incorrect service ID"}


async def stands(conn, number=DEFAULT):
    (service,) = await prices.services(conn, [ServiceId(number)])
    return service.cost, service.halted


async def listed(api, ann):
    return {int(one["service"]) for one in await api.ask("v2", ann.key, "services")}


async def fresh(api):
    await api.panel.refresh_catalogue()


async def test_a_sync_reads_the_list_when_its_turn_has_come_and_not_before(stocked, upstream):
    worker, fake, provider = upstream
    assert (1, 0) == (await worker.price_sync.step(), await worker.price_sync.step())
    worker.clock.forward(29 * 60)
    assert 0 == await worker.price_sync.step()
    worker.clock.forward(60)
    assert 1 == await worker.price_sync.step()
    assert 2 == sum(one["action"] == "services" for one in fake.requests)
    assert (Decimal("0.60"), None) == await stands(stocked)
    rows = await fetch(stocked, "select cost, agreed, off from route where provider_id = %s", provider)
    assert [(Decimal("0.60"), Decimal("0.60"), None)] * 2 == rows
    assert worker.clock() == (await synced.read_terms(stocked, provider)).synced


async def test_providers_take_turns_and_two_workers_read_no_list_twice(stocked, upstream, database, clock):
    worker, fake, _ = upstream
    await add_panel(stocked, OTHER_KEY, name="Other", url=str(worker.registry.connection_to(2).row.url))
    other = SteppedWorker(database.app_url, "", clock)
    await worker.housekeeper.step()
    await other.housekeeper.step()
    assert [1, 1] == list(await asyncio.gather(worker.price_sync.step(), other.price_sync.step()))
    assert {KEY, OTHER_KEY} == {one["key"] for one in fake.requests}
    assert 0 == await worker.price_sync.step()
    await other.close()


async def test_a_provider_that_is_not_to_be_followed_is_not_read(stocked, upstream):
    worker, fake, provider = upstream
    await stocked.execute("update provider set sync_every_min = 0 where id = %s", [provider])
    assert (0, []) == (await worker.price_sync.step(), fake.requests)


async def test_what_waited_for_a_disabled_provider_goes_out_at_no_cost_of_weeks_ago(stocked, upstream, api, ann):
    worker, fake, provider = upstream
    await again(upstream, line(), line(8))
    order = await api.add(ann.key)
    await stocked.execute("update provider set enabled = false where id = %s", [provider])
    assert 1 == await again(upstream, line(rate="0.91"), line(8))
    await stocked.execute("update provider set enabled = true where id = %s", [provider])
    await worker.housekeeper.step()
    await worker.send()
    assert ("held", 0) == (await state(stocked, order), sum(one["action"] == "add" for one in fake.requests))


async def test_range_and_flags_follow_and_the_price_stays_the_operators(stocked, upstream, api, ann):
    assert 1 == await again(upstream, line(min=50, max=500, refill=False), line(8))
    (service,) = await prices.services(stocked, [ServiceId(DEFAULT)])
    assert (50, 500, False, True, Decimal("0.90")) == (
        service.min,
        service.max,
        service.refill,
        service.cancel,
        service.rate,
    )
    await fresh(api)
    assert "50" == next(
        service["min"] for service in await api.ask("v2", ann.key, "services") if int(service["service"]) == DEFAULT
    )
    query = "select actor_kind, subject, detail from audit where action = 'service.sync'"
    changes = {"min": [10, 50], "max": [10_000, 500], "refill": [True, False]}
    kind, subject, detail = (await fetch(stocked, query))[0]
    assert ("worker", str(DEFAULT), upstream[2]) == (kind, subject, detail["provider"])
    assert changes == {name: detail["changes"][name] for name in changes}


async def test_what_is_gone_goes_off_sale_at_once_and_returns_when_it_is_listed_as_before(stocked, upstream, api, ann):
    await again(upstream, line(), line(8))
    assert 1 == await again(upstream, line(8))
    await fresh(api)
    assert DEFAULT not in await listed(api, ann)
    assert {"error": "Incorrect service ID"} == await api.ask(
        "v2", ann.key, "add", service=DEFAULT, link=LINK, quantity=100
    )
    await again(upstream, line(), line(8))
    await fresh(api)
    assert DEFAULT in await listed(api, ann)


async def test_an_order_for_what_went_is_held_and_goes_out_when_it_is_back(stocked, upstream, api, ann):
    worker, fake, _ = upstream
    await again(upstream, line(), line(8))
    order = await api.add(ann.key)
    await again(upstream, line(8))
    await worker.send()
    assert ("held", 0) == (await state(stocked, order), sum(one["action"] == "add" for one in fake.requests))
    await again(upstream, line(), line(8))
    assert "queued" == await state(stocked, order)
    await worker.send()
    assert "pending" == await state(stocked, order)
    assert [] == await broken(stocked)


async def test_a_route_that_went_is_left_out_while_another_serves(stocked, upstream, api, ann):
    worker, fake, provider = upstream
    await route(stocked, DEFAULT, (provider, 7), (provider, 9))
    await again(upstream, line(), line(8), line(9, rate="0.70"))
    await again(upstream, line(8), line(9, rate="0.70"))
    assert (Decimal("0.70"), None) == await stands(stocked)
    await fresh(api)
    order = await api.add(ann.key)
    await worker.send()
    assert ("pending", "9") == (await state(stocked, order), fake.requests[-1]["service"])


async def test_another_type_is_never_sold_in_the_wrong_shape(stocked, upstream, api, ann):
    worker, fake, _ = upstream
    await again(upstream, line(), line(8))
    order = await api.add(ann.key)
    await again(upstream, line(type="Package", min=1, max=1), line(8))
    assert Halt.TYPE is (await stands(stocked))[1]
    await worker.send()
    assert ("held", 0) == (await state(stocked, order), sum(one["action"] == "add" for one in fake.requests))


async def test_a_list_that_arrives_after_a_newer_one_was_taken_over_changes_nothing(stocked, upstream, database):
    worker, fake, provider = upstream
    await again(upstream, line(), line(8))

    def overtaken(form):
        with psycopg.connect(database.app_url, autocommit=True) as other:
            newer = worker.clock() + timedelta(seconds=1)
            other.execute("update provider set synced = %s where id = %s", [newer, provider])
        return [line(rate="9"), line(8)]

    fake.answers["services"] = overtaken
    worker.clock.forward(31 * 60)
    await worker.price_sync.step()
    assert (Decimal("0.60"), None) == await stands(stocked)


async def test_what_is_gone_is_told_by_the_list_and_by_no_clock(stocked, upstream):
    worker, fake, provider = upstream
    client, at = worker.registry.connection_to(provider).provider, worker.clock()
    fast = at + timedelta(hours=1)
    await price_sync.take_over(
        stocked, provider, (await client.services()).services, asked_at=at, by=acting(fast, "fast")
    )
    fake.answers["services"] = [line(8)]
    shorter, early = (await client.services()).services, at - timedelta(seconds=1)
    with pytest.raises(OperatorRefusal) as refused:
        await price_sync.take_over(stocked, provider, shorter, asked_at=early, by=acting(fast, "late"))
    assert RefusalCode.PRICE_LIST_OVERTAKEN is refused.value.code
    assert (Decimal("0.60"), None) == await stands(stocked)
    await price_sync.take_over(stocked, provider, shorter, asked_at=at, by=acting(at, "slow"))
    assert Halt.GONE is (await stands(stocked))[1]


async def test_two_edits_of_how_a_provider_is_followed_undo_nothing_of_each_other(stocked, upstream, database):
    _, _, provider = upstream

    async def edit(**changes):
        async with await connect(database.app_url) as conn:
            await price_sync.set_following(
                conn, provider, FollowingSettings(**changes), confirmed=True, by=acting(now())
            )

    await asyncio.gather(edit(price_share=7), edit(margin=Decimal(9)), edit(decimals=2), edit(sync_every_min=60))
    terms = await synced.read_terms(stocked, provider)
    assert (60, 7, Decimal(9), 2) == (terms.sync_every_min, terms.price_share, terms.margin, terms.decimals)


BAD_LISTS = {
    "empty": [],
    "tiny": [line(99)],
    "garbled": [line(type="???"), line(8, type="???")],
    "no rates": [line(rate="x"), line(8, rate=None)],
}


@pytest.mark.parametrize("arguments", BAD_LISTS.values(), ids=BAD_LISTS)
async def test_a_list_that_would_empty_the_shop_is_not_believed_until_it_is_confirmed(stocked, upstream, arguments):
    worker, _, provider = upstream
    await again(upstream, line(), line(8))
    before = await fetch(stocked, "select * from offer union all select * from offer order by 1, 2")
    assert 0 == await again(upstream, *arguments)
    assert (Decimal("0.60"), None) == await stands(stocked)
    assert before == await fetch(stocked, "select * from offer union all select * from offer order by 1, 2")
    assert isinstance((await synced.read_terms(stocked, provider)).sync_fault, ListDoubt)
    offered = (await worker.registry.connection_to(provider).provider.services()).services
    with pytest.raises(OperatorRefusal) as refused:
        await price_sync.take_over(stocked, provider, offered, asked_at=worker.clock(), by=acting(worker.clock()))
    assert RefusalCode.PRICE_LIST_DOUBTED is refused.value.code
    assert refused.value.fields["why"].code in (DoubtCode.EMPTY, DoubtCode.LACKS_SERVICES)
    arguments = {"asked_at": worker.clock(), "by": acting(worker.clock())}
    await price_sync.take_over(stocked, provider, offered, confirmed=True, **arguments)
    assert None is not (await stands(stocked))[1]
    assert "" == (await synced.read_terms(stocked, provider)).sync_fault


@pytest.mark.parametrize("body", [b"<html>down</html>", (502, b""), {"error": "Invalid API key"}])
async def test_a_provider_that_does_not_answer_changes_nothing_and_is_told_of(stocked, upstream, body):
    worker, fake, provider = upstream
    await again(upstream, line(), line(8))
    fake.answers["services"] = body
    worker.clock.forward(31 * 60)
    assert 0 == await worker.price_sync.step()
    assert (Decimal("0.60"), None) == await stands(stocked)
    assert ListDoubt(DoubtCode.UNANSWERED) == (await synced.read_terms(stocked, provider)).sync_fault


async def test_a_move_too_far_is_a_quarantine_until_somebody_approves(stocked, upstream, api, ann):
    worker, _, _ = upstream
    await again(upstream, line(), line(8))
    early = await api.add(ann.key)
    await again(upstream, line(rate="0.80"), line(8))
    await fresh(api)
    assert (Halt.QUARANTINE, False) == ((await stands(stocked))[1], DEFAULT in await listed(api, ann))
    assert UNKNOWN == await api.ask("v2", ann.key, "add", service=DEFAULT, link=LINK, quantity=100)
    await worker.send()
    assert "pending" == await state(stocked, early)  # accepted orders go on, while they cost no more than their price
    assert [ServiceId(DEFAULT)] == [one.service.id for one in await synced.list_quarantined(stocked)]
    with pytest.raises(OperatorRefusal) as refused:
        await price_sync.approve(stocked, [ServiceId(DEFAULT), ServiceId(PLAIN)], by=acting(now(), "boss"))
    assert (RefusalCode.NOT_IN_QUARANTINE, (PLAIN,)) == (refused.value.code, refused.value.fields["services"])
    await price_sync.approve(stocked, [ServiceId(DEFAULT)], by=acting(now(), "boss"))
    await fresh(api)
    assert DEFAULT in await listed(api, ann)
    query = "select actor, subject, detail from audit where action = 'service.approve'"
    ((actor, subject, detail),) = await fetch(stocked, query)
    assert ("boss", str(DEFAULT), ["quarantine", None]) == (actor, subject, detail["changes"]["halted"])
    assert ["0.60", "0.80"] == detail["changes"]["routes.2:7.agreed"]
    assert [] == await synced.list_quarantined(stocked)


async def test_prices_follow_where_terms_are_kept(stocked, upstream):
    _, _, provider = upstream
    await again(upstream, line(), line(8))
    wanted = FollowingSettings(price_share=10, margin=Decimal(50), added=Decimal("0.01"), decimals=3)
    await price_sync.set_following(stocked, provider, wanted, confirmed=True, by=acting(now(), "boss"))
    assert [Decimal("0.910")] == [service.rate for service in await prices.services(stocked, [ServiceId(DEFAULT)])]
    await again(upstream, line(rate="0.65"), line(8, rate="0.70"))
    service, other = await prices.services(stocked, [ServiceId(DEFAULT), ServiceId(PLAIN)])
    assert (Decimal("0.985"), None) == (service.rate, service.halted)
    assert (Decimal("0.910"), Halt.QUARANTINE) == (other.rate, other.halted)
    assert [("boss",)] == await fetch(stocked, "select actor from audit where action = 'provider.follow'")


async def test_an_exchange_rate_that_is_edited_moves_costs_at_once(stocked, upstream):
    _, _, provider = upstream
    await again(upstream, line(), line(8))
    dearer = ProviderSettings(exchange_rate=Decimal(2))
    await providers.edit_provider(stocked, provider, dearer, "", PEPPER, private=True, by=acting(now()))
    assert (Decimal("1.20"), Halt.QUARANTINE) == await stands(stocked)


async def test_edits_and_lists_at_the_same_moment_wait_for_each_other(stocked, upstream, database):
    worker, _, provider = upstream
    offered = (await worker.registry.connection_to(provider).provider.services()).services

    async def edit(number):
        async with await connect(database.app_url) as conn:
            rate = ProviderSettings(exchange_rate=Decimal(number))
            await providers.edit_provider(conn, provider, rate, "", PEPPER, private=True, by=acting(now()))

    async def take():
        async with await connect(database.app_url) as conn:
            at = now()
            with contextlib.suppress(OperatorRefusal):
                await price_sync.take_over(conn, provider, offered, asked_at=at, by=acting(at))

    async def follow(share):
        async with await connect(database.app_url) as conn:
            await price_sync.set_following(conn, provider, FollowingSettings(price_share=share), by=acting(now()))

    await asyncio.gather(*(one for at in range(1, 6) for one in (edit(at), take(), follow(at))))
    ((rate,),) = await fetch(stocked, "select exchange_rate from provider where id = %s", provider)
    assert Decimal("0.60") * rate == (await stands(stocked))[0]


async def test_what_costs_more_than_the_customer_pays_is_neither_listed_nor_sold(stocked, upstream, api, ann):
    await again(upstream, line(), line(8))
    ben = await buyer(stocked)
    (cheap,) = (await fetch(stocked, "insert into price_list (name) values ('cheap') returning id"))[0]
    await stocked.execute("update customer set price_list_id = %s where id = %s", [cheap, ben.id])
    await price_lists.keep(stocked, cheap, {ServiceId(DEFAULT): Decimal("0.59999")})
    await fresh(api)
    assert (True, False) == (DEFAULT in await listed(api, ann), DEFAULT in await listed(api, ben))
    assert UNKNOWN == await api.ask("v2", ben.key, "add", service=DEFAULT, link=LINK, quantity=100)
    assert [(10_000_000,)] == await fetch(stocked, "select balance from customer where id = %s", ben.id)
    (losing,) = await synced.below_cost(stocked, 10)
    assert (DEFAULT, "cheap", Decimal("0.60")) == (losing.service, losing.price_list, losing.cost)
    await api.add(ann.key)
    await price_lists.keep(stocked, cheap, {ServiceId(DEFAULT): Decimal("0.60")})
    await fresh(api)
    await api.add(ben.key)
    assert [] == await synced.below_cost(stocked, 10)


async def test_orders_below_cost_are_taken_and_held_where_the_operator_says_so(stocked, upstream, api, ann):
    worker, fake, _ = upstream
    await price_sync.set_below_cost(stocked, BelowCost.HOLD, by=acting(now(), "boss"))
    await again(upstream, line(rate="0.95"), line(8))
    await fresh(api)
    first, second = await api.add(ann.key), await api.add(ann.key, link=f"{LINK}/2")
    await worker.send()
    assert ["held", "held"] == [await state(stocked, order) for order in (first, second)]
    assert (9_000, 0) == (
        (await fetch(stocked, "select charge from orders where id = %s", first))[0][0],
        sum(one["action"] == "add" for one in fake.requests),
    )
    by = By(actor("boss"), "to keep my word", worker.clock())
    assert await order_actions.resend(stocked, OrderId(first), None, "", by)
    await worker.send()
    assert "held" == await state(stocked, first)  # sending it again approves of nothing
    assert await order_actions.resend(stocked, OrderId(first), None, "", by, below_cost=True)
    await worker.send()
    assert ["pending", "held"] == [await state(stocked, order) for order in (first, second)]
    assert [] == await broken(stocked)
    await again(upstream, line(rate="0.90"), line(8))
    await worker.send()
    assert "pending" == await state(stocked, second)
    assert [] == await broken(stocked)


async def test_an_approval_holds_for_the_cost_of_its_moment_and_no_more(stocked, upstream, api, ann):
    worker, _, _ = upstream
    await price_sync.set_below_cost(stocked, BelowCost.HOLD, by=acting(now(), "boss"))
    await again(upstream, line(rate="0.95"), line(8))
    await fresh(api)
    order = await api.add(ann.key)
    await worker.send()
    await order_actions.resend(
        stocked, OrderId(order), None, "", By(actor("boss"), "x", worker.clock()), below_cost=True
    )
    await again(upstream, line(rate="1.00"), line(8))
    await worker.send()
    assert "held" == await state(stocked, order)


async def test_a_cost_that_rises_between_the_order_and_its_sending_holds_it(stocked, upstream, api, ann):
    worker, fake, _ = upstream
    await again(upstream, line(), line(8))
    order = await api.add(ann.key)
    await again(upstream, line(rate="0.91"), line(8))
    await worker.send()
    assert ("held", 0) == (await state(stocked, order), sum(one["action"] == "add" for one in fake.requests))
    await again(upstream, line(rate="0.90"), line(8))
    await worker.send()
    assert "pending" == await state(stocked, order)
    assert [(Decimal("0.90"),)] == await fetch(stocked, "select quoted from attempt")
    assert [] == await broken(stocked)


async def test_a_dear_route_is_passed_over_and_a_refusal_does_not_lead_to_it(stocked, upstream, api, ann):
    worker, fake, provider = upstream
    await route(stocked, DEFAULT, (provider, 9), (provider, 7), (provider, 10))
    await again(upstream, line(), line(8), line(9, rate="5"), line(10, rate="6"))
    await fresh(api)
    order = await api.add(ann.key)
    fake.answers["add"] = {"error": "Bad link"}
    await worker.send()
    sent = [one["service"] for one in fake.requests if one["action"] == "add"]
    assert (["7"], "canceled") == (sent, await state(stocked, order))
    assert [] == await broken(stocked)


async def test_placing_and_a_list_at_the_same_moment_sell_nothing_below_cost(stocked, upstream, api, ann, database):
    worker, fake, _ = upstream
    await again(upstream, line(), line(8))
    fake.answers["services"] = [line(rate="0.91"), line(8)]
    worker.clock.forward(31 * 60)
    placed = [api.ask("v2", ann.key, "add", service=DEFAULT, link=f"{LINK}/{at}", quantity=100) for at in range(50)]
    sending = [worker.send(5) for _ in range(5)]
    await asyncio.gather(*placed, worker.price_sync.step(), *sending)
    while await worker.send():
        pass
    await fresh(api)
    assert UNKNOWN == await api.ask("v2", ann.key, "add", service=DEFAULT, link=LINK, quantity=100)
    assert [] == await fetch(stocked, "select * from attempt where quoted > 0.90")
    assert {"pending", "held"} >= {one for (one,) in await fetch(stocked, "select state from delivery")}
    assert [] == await broken(stocked)


async def test_what_is_free_is_sold_whatever_it_costs(stocked, upstream, api, ann):
    worker, _, provider = upstream
    await route(stocked, FREE, (provider, 9))
    await again(upstream, line(), line(8), line(9))
    await fresh(api)
    order = await api.add(ann.key, FREE)
    await worker.send()
    assert "pending" == await state(stocked, order)


async def test_routes_that_are_edited_keep_how_they_stand_and_are_judged_at_once(stocked, upstream):
    _, _, provider = upstream
    await again(upstream, line(), line(8), line(9, rate="0.50"))
    await again(upstream, line(rate="0.90"), line(8), line(9, rate="0.50"))
    assert Halt.QUARANTINE is (await stands(stocked))[1]
    seven, nine = RouteTo(provider, "7"), RouteTo(provider, "9")
    async with stocked.transaction():
        both = [seven, nine]
        await set_routes_in_transaction(stocked, ServiceId(DEFAULT), both, by_cost=False, by=acting(now()))
    assert (Decimal("0.50"), None) == await stands(stocked)
    rows = await fetch(stocked, "select off from route where service_id = %s order by position", DEFAULT)
    assert [("moved",), (None,)] == rows


async def test_a_line_that_cannot_be_read_is_the_reason_and_not_that_it_is_gone(api, stocked, upstream, ann):
    worker, _, _ = upstream
    await worker.price_sync.step()
    assert 1 == await again(upstream, line(rate="on request"), line(8))
    assert (None, Halt.GONE) == await stands(stocked)
    (row,) = await fetch(stocked, "select unread::jsonb from route where unread is not null")
    assert ({"code": "no_rate", "rate": "on request"},) == row
    _, findings = await monitoring.inspect_panel(stocked, PEPPER, worker.clock(), private=True)
    (finding,) = [one for one in findings if one.name == "unread"]
    why = LineFault(LineCode.NO_RATE, {"rate": "on request"})
    assert ({"service": DEFAULT, "why": why},) == finding.fields["named"]
    assert f"{DEFAULT}: it has no readable rate: “on request”" in ENGLISH.health_finding(finding)[0]
    # What was kept in words before there were codes is told as not understood.
    await stocked.execute("update route set unread = 'has no rate' where unread is not null")
    _, findings = await monitoring.inspect_panel(stocked, PEPPER, worker.clock(), private=True)
    (finding,) = [one for one in findings if one.name == "unread"]
    assert ({"service": DEFAULT, "why": LineFault(LineCode.UNREAD)},) == finding.fields["named"]
    assert 1 == await again(upstream, line(rate="0,65"), line(8))
    assert (Decimal("0.65"), None) == await stands(stocked)
    assert [] == await fetch(stocked, "select from route where unread is not null")


async def test_a_number_that_becomes_another_service_waits_for_approval(stocked, upstream):
    worker, _, _ = upstream
    await worker.price_sync.step()
    await again(upstream, line(name="\N{FIRE} Likes [R30] 10K/day"), line(8))
    assert (Decimal("0.60"), None) == await stands(stocked)
    await again(upstream, line(name="YouTube Views"), line(8))
    assert (Decimal("0.60"), Halt.QUARANTINE) == await stands(stocked)
    (waiting,) = await synced.list_quarantined(stocked)
    assert waiting.routes[0].line is not None
    assert ("Likes", "YouTube Views") == (waiting.routes[0].standing.name, waiting.routes[0].line.name)
    await price_sync.approve(stocked, [ServiceId(DEFAULT)], by=acting(worker.clock()))
    assert (Decimal("0.60"), None) == await stands(stocked)
    await again(upstream, line(name="YouTube Views HQ"), line(8))
    assert (Decimal("0.60"), None) == await stands(stocked)


async def test_a_cost_that_is_back_where_it_was_agreed_to_leaves_quarantine_by_itself(stocked, upstream):
    worker, _, _ = upstream
    await worker.price_sync.step()
    await again(upstream, line(rate="6.00"), line(8))
    assert (Decimal("6.00"), Halt.QUARANTINE) == await stands(stocked)
    await again(upstream, line(rate="0.61"), line(8))
    assert (Decimal("0.61"), None) == await stands(stocked)

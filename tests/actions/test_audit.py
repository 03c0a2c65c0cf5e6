"""Every action leaves each field before and after, and no secret; the price history is read from the rows."""

from decimal import Decimal

import pytest
from tests.panel import DEFAULT, DRIP, FREE, HIDDEN, LINK, PEPPER, PLAIN, PRICE_LIST, acting, fetch, now, pay
from tests.panels import add_panel
from tests.stepped_worker import FakeProvider, served

from opensmm.actions import (
    customers,
    manual,
    money,
    notices,
    order_actions,
    peppers,
    policy,
    price_lists,
    price_sync,
    provider_check,
    providers,
    purchases,
)
from opensmm.actions.customers import make_key
from opensmm.actions.money import Adjustment
from opensmm.actions.provider_check import CallSettings
from opensmm.actions.routes import set_routes_in_transaction
from opensmm.actions.selection import Selection
from opensmm.actions.services import edit_selected, edit_service
from opensmm.base.ids import OrderId, RefillId, ServiceId
from opensmm.base.money import Money
from opensmm.domain.audit import AuditAction
from opensmm.domain.catalogue import BelowCost, DeliveryMethod, RefillMode
from opensmm.domain.manual import ManualReport, ManualStep
from opensmm.domain.payments import Payment
from opensmm.domain.policy import RuleKind
from opensmm.domain.provider_services import ProviderService
from opensmm.domain.provider_settings import FollowingSettings, ProviderSettings
from opensmm.domain.refills import RefillStatus
from opensmm.domain.routes import RouteTo
from opensmm.store import audit
from opensmm.store import catalogue as prices
from opensmm.store.policy import NewRule

UPSTREAM_KEY = "a-key-that-the-upstream-panel-gave-us"


def services(*numbers):
    return [ServiceId(number) for number in numbers]


def offered(rate, number="7"):
    line = PRICE_LIST[0]
    return ProviderService(
        number, line.name, line.category, line.type, Decimal(rate), line.min, line.max, True, True, False
    )


async def asked_providers(conn):
    """A provider whose balance is read, and whose answers are found to have another form."""
    fake = FakeProvider()
    fake.answers = {"balance": {"balance": "1", "currency": "USD"}, "services": []}
    calls = CallSettings(PEPPER, 5, private=True)
    async with served(fake) as address:
        provider = await add_panel(conn, UPSTREAM_KEY, name="Asked", url=address)
        await conn.execute(
            """insert into attempt (order_id, run, number, provider_id, provider_service, outcome, provider_order,
                 fence, sent, answered) values (0, 1, 1, %s, '7', 'accepted', '33', 1, now(), now())""",
            [provider],
        )
        fake.answers["status"] = lambda form: {"status": "Pending"} if "order" in form else {"error": "no lists"}
        await provider_check.read_balance(conn, "Asked", calls, by=acting(now()))
        await provider_check.check_provider(conn, "Asked", calls, anywhere=False, by=acting(now()))


async def customers_and_keys(conn):
    first, second = make_key("first"), make_key("second")
    customer = await customers.add_customer(conn, "Eve", Money(500), first, PEPPER, by=acting(now()))
    key = await customers.add_key(conn, customer, second, PEPPER, by=acting(now()))
    await customers.edit_key(conn, key, title_case=True, addresses=["192.0.2.1"], by=acting(now()))
    await customers.revoke_keys(conn, [key], by=acting(now()))
    for suspended in (True, False):
        await customers.set_suspended(conn, customer, suspended, by=acting(now()))
    paid = await pay(conn, customer, 7, "A1")
    by = acting(now(), reason="because")
    await money.bonus(conn, customer, Money(3), "b", by)
    await money.pay_out(conn, customer, Money(2), "p", by)
    await money.adjust(conn, Adjustment(paid.transfer, customer, Money(1), takes=True), "a", by)
    await money.charge_back(conn, Payment("bank", "A1"), Money(5), "c", by)
    await money.set_credit_limit(conn, customer, Money(500), "l", by)
    await price_lists.add(conn, "Friends", by=acting(now()))
    await price_lists.set_rates(conn, "Friends", {ServiceId(DEFAULT): Decimal("0.50")}, by=acting(now()))
    await price_lists.assign(conn, "Friends", [customer], by=acting(now()))
    return first.text, second.text


async def edit_all(conn, service, action, **fields):
    selection = Selection((str(service),))
    await edit_selected(conn, selection, fields, write=True, by=acting(now()), action=action)


async def prices_and_rules(conn):
    await edit_all(conn, PLAIN, AuditAction.SERVICE_DELIVER, delivery_method=DeliveryMethod.PAID_ADS)
    await edit_all(conn, PLAIN, AuditAction.SERVICE_REFILL, refill_days=30)
    await edit_service(conn, ServiceId(HIDDEN), {"name": "Odd Likes", "on_sale": True}, by=acting(now()))
    wanted = NewRule(RuleKind.PROHIBIT, "odd likes", "why")
    added = await policy.add_rule(conn, wanted, take_off_sale=True, by=acting(now()))
    await policy.remove_rules(conn, [added.rule.id], by=acting(now(), reason="again"))
    await price_sync.set_below_cost(conn, BelowCost.HOLD, by=acting(now()))
    await providers.set_refused_wait(conn, 5, by=acting(now()))
    await peppers.renew_pepper(conn, PEPPER, acting(now(), reason="why"))


async def an_upstream(conn):
    """A provider whose price list moves: by itself, by other terms, and until somebody approves."""
    provider = await add_panel(conn, UPSTREAM_KEY)
    other = await add_panel(conn, UPSTREAM_KEY, name="Another")
    async with conn.transaction():
        changed = ProviderSettings(concurrency=3)
        await providers.edit_provider(conn, provider, changed, UPSTREAM_KEY, PEPPER, private=True, by=acting(now()))
        routes = [RouteTo(provider, "7"), RouteTo(other, "7")]
        await set_routes_in_transaction(conn, ServiceId(DEFAULT), routes, by_cost=True, by=acting(now()))
    for of, rate in ((provider, "0.60"), (other, "0.50")):
        await price_sync.take_over(conn, of, [offered(rate)], asked_at=now(), by=acting(now()))
    async with conn.transaction():
        await set_routes_in_transaction(conn, ServiceId(DEFAULT), routes[:1], by_cost=False, by=acting(now()))
    await price_sync.take_over(conn, provider, [offered("0.80")], asked_at=now(), by=acting(now()))
    await price_sync.approve(conn, services(DEFAULT), margin=Decimal(60), by=acting(now()))
    await price_sync.set_following(
        conn, provider, FollowingSettings(margin=Decimal(100)), confirmed=True, by=acting(now())
    )


async def orders_by_hand(conn, api, worker, who):
    async def place(behaviour, service=PLAIN):
        order = await api.add(who.key, service, link=f"{LINK}/{behaviour}")
        await worker.send()
        await worker.follow()
        return OrderId(order)

    by = acting(worker.clock(), reason="because")
    orders = [await place(behaviour) for behaviour in ("stuck", "stuck/2", "stuck/3", "lost", "garbage")]
    assert await order_actions.cancel(conn, orders[0], by) is True
    assert await order_actions.end_partial(conn, orders[1], None, 40, by) is True
    assert await order_actions.complete(conn, orders[2], by) is True
    assert await order_actions.refund(conn, orders[2], Money(5), 1, by) is True
    assert await order_actions.settle(conn, orders[3], None, "33", by) is True
    assert await order_actions.resend(conn, orders[4], None, "my risk", by) is True
    await conn.execute(
        """insert into evidence (order_id, run, number, kind, conclusion, detail, at)
           values (%s, 1, 1, 'answer', 'late_acceptance', '{"provider_order": "7"}', now())""",
        [orders[0]],
    )
    assert await notices.deal_with(conn, orders[0], by)


async def the_staff(conn, api, worker, who):
    await manual.assign(conn, services(DRIP), by=acting(now()))
    orders = [await api.add(who.key, DRIP, link=f"{LINK}/s{number}", quantity=100) for number in range(3)]
    await worker.round()
    first, second, third = map(OrderId, orders)
    for report in (
        ManualReport(first, ManualStep.START),
        ManualReport(first, ManualStep.PROGRESS, remains=40),
        ManualReport(first, ManualStep.DONE),
        ManualReport(second, ManualStep.PARTIAL, remains=10),
        ManualReport(third, ManualStep.CANCEL, reason="gone"),
    ):
        worker.clock.forward(60)
        await manual.report(conn, [report], by=acting(worker.clock()))
    (drip,) = await prices.services(conn, services(DRIP))
    return orders[0], drip


async def refills(conn, api, worker, who, order, drip):
    answers = RefillStatus.COMPLETED, RefillStatus.REJECTED
    for mode, answer in ((RefillMode.MANUAL, answers[0]), (RefillMode.MANUAL, answers[1]), (RefillMode.OTHER, None)):
        (drip,) = await prices.services(conn, [drip.id])
        if drip.refill_mode is not mode:
            await edit_all(conn, drip.id, AuditAction.SERVICE_REFILL, refill_mode=mode)
        await api.panel.refresh_catalogue()
        worker.clock.forward(3600)
        refill = RefillId(int((await api.ask("v2", who.key, "refill", order=order))["refill"]))
        if answer is None:
            assert isinstance(await purchases.buy(conn, refill, 10, by=acting(worker.clock())), int)
        else:
            assert [answer] == await manual.answer_refills(conn, [refill], answer, by=acting(worker.clock()))


async def test_every_action_tells_what_it_changed_and_no_secret(stocked, api, worker, ann):
    keys = await customers_and_keys(stocked)
    await orders_by_hand(stocked, api, worker, ann)
    order, drip = await the_staff(stocked, api, worker, ann)
    await refills(stocked, api, worker, ann, order, drip)
    await prices_and_rules(stocked)
    await an_upstream(stocked)
    await asked_providers(stocked)
    page = await audit.read_page(stocked, subject=None, action=None, before=None, limit=10_000)
    elsewhere = {AuditAction.PANEL_CURRENCY}  # the owner sets it, before any money has moved
    assert set(AuditAction) - elsewhere == {row.action for row in page}
    for row in page:
        assert {2} == {len(pair) for pair in row.detail["changes"].values()}, row
        assert "command line" == row.actor_kind
    rows = str(await fetch(stocked, "select a::text from audit a"))
    secrets = (*keys, ann.key, UPSTREAM_KEY, PEPPER.decode())
    sealed = [
        bytes(key).hex() for (key,) in await fetch(stocked, "select sealed_key from provider where kind = 'panel'")
    ]
    hashes = [bytes(key).hex() for (key,) in await fetch(stocked, "select hash from api_key")]
    assert [] == [secret for secret in (*secrets, *sealed, *hashes) if secret in rows]


async def rates_told(conn, service):
    rows = await fetch(
        conn,
        """select detail -> 'changes' -> 'rate' from audit
           where subject = %s and action like 'service.%%' and detail -> 'changes' ? 'rate' order by id""",
        str(service),
    )
    return [tuple(pair) for (pair,) in rows]


async def test_the_history_of_a_price_is_read_from_its_rows(stocked):
    for rate in ("1.10", "1.20"):
        await edit_service(stocked, ServiceId(DEFAULT), {"rate": Decimal(rate)}, by=acting(now()))
    await an_upstream(stocked)
    (service,) = await prices.services(stocked, services(DEFAULT))
    rates = await rates_told(stocked, DEFAULT)
    assert [(None, "0.90"), ("0.90", "1.10"), ("1.10", "1.20"), ("1.20", "1.2800"), ("1.2800", "1.6000")] == rates
    assert str(service.rate) == rates[-1][1]


async def test_an_edit_that_changes_nothing_has_no_changes_to_tell(stocked):
    await edit_service(stocked, ServiceId(FREE), {"min": 10}, by=acting(now()))
    assert [{"changes": {}}] == [
        row[0] for row in await fetch(stocked, "select detail from audit order by id desc limit 1")
    ]


@pytest.mark.parametrize(("action", "count"), [("service.save", 1), ("service", 1), ("serv", 0), ("order", 0)])
async def test_the_trail_is_read_by_subject_and_action(stocked, action, count):
    page = await audit.read_page(stocked, subject=str(DEFAULT), action=action, before=None, limit=9)
    assert count == len(page)
    newest = await audit.read_page(stocked, subject=None, action=None, before=None, limit=1)
    assert [] == await audit.read_page(stocked, subject=None, action=None, before=1, limit=9)
    assert newest[0].id > 1

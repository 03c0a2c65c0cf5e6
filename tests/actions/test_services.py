"""Edits of services as a page and a verb make them: planned, looked at, written."""

import asyncio
from decimal import Decimal

import pytest
from msgspec import structs
from tests.panel import DEFAULT, HIDDEN, PLAIN, acting, fetch, now, service

from opensmm.actions.selection import Selection
from opensmm.actions.services import add_service, apply_edits, edit_selected, edit_service, fill_sandbox, plan_edits
from opensmm.base.ids import ServiceId
from opensmm.domain.audit import AuditAction
from opensmm.domain.catalogue import DeliveryMethod, RefillMode
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.store import catalogue, policy, routes
from opensmm.store.connection import connect

BOTH = Selection((str(DEFAULT), str(PLAIN)))


async def stands(conn):
    return (await catalogue.refresh(conn, None)).services


async def everything(conn):
    return [await fetch(conn, f"select * from {name} order by 1, 2") for name in ("service", "route", "audit", "panel")]


async def plan(conn, **fields):
    return await plan_edits(conn, BOTH, fields, by=acting(now()))


@pytest.fixture
def counted(monkeypatch):
    """How often the panel's row is locked, and the policy compiled."""
    counts = {"locks": 0, "compiled": 0}

    def count(module, name, key):
        real = getattr(module, name)

        def counting(*arguments):
            counts[key] += 1
            return real(*arguments)

        monkeypatch.setattr(module, name, counting)

    count(catalogue, "bump", "locks")
    count(catalogue, "lock", "locks")
    count(policy, "compile_policy", "compiled")
    return counts


@pytest.mark.parametrize(
    ("fields", "compiled"),
    [
        ({"min": 2, "refill_days": 3}, 0),
        ({"cancel": True}, 0),
        ({"name": "Other"}, 1),
        ({"delivery_method": DeliveryMethod.PAID_ADS}, 1),
        ({"name": "Other", "on_sale": False}, 0),
    ],
)
async def test_an_edit_locks_the_panel_once_and_compiles_the_policy_only_where_it_may_refuse(
    stocked, counted, fields, compiled
):
    done = await edit_service(stocked, ServiceId(DEFAULT), fields, by=acting(now()))
    assert {"locks": 1, "compiled": compiled} == counted
    assert structs.replace(done.before, **fields) == done.after == (await stands(stocked))[ServiceId(DEFAULT)]


async def test_a_plan_writes_nothing_and_is_written_as_it_was_shown(stocked):
    before, standing = await everything(stocked), await stands(stocked)
    planned = await plan(stocked, min=2, max=50, rate=Decimal("1.5"))
    assert before == await everything(stocked)
    assert [DEFAULT, PLAIN] == [one.before.id for one in planned.changes]
    assert [(DEFAULT, standing[ServiceId(DEFAULT)].rate, Decimal("1.5"))] == [
        (one.service, one.before, one.after) for one in planned.prices if one.service == DEFAULT
    ]
    assert [DEFAULT, PLAIN] == await apply_edits(stocked, planned, by=acting(now()))
    after = await stands(stocked)
    assert [one.after for one in planned.changes] == [after[ServiceId(DEFAULT)], after[ServiceId(PLAIN)]]
    newest = await fetch(stocked, "select action, subject from audit order by id desc limit 2")
    assert {("service.save", str(DEFAULT)), ("service.save", str(PLAIN))} == set(newest)
    assert () == (await plan(stocked, min=2, max=50, rate=Decimal("1.5"))).changes
    assert [] == await apply_edits(stocked, await plan(stocked, min=2), by=acting(now()))


async def test_all_services_are_never_meant_by_mistake(stocked):
    with pytest.raises(OperatorRefusal) as refused:
        await plan_edits(stocked, Selection(), {"min": 2}, by=acting(now()))
    assert RefusalCode.NOTHING_SELECTED is refused.value.code


async def test_a_plan_that_another_edit_has_overtaken_is_refused_whole(stocked):
    planned = await plan(stocked, min=2)
    await edit_service(stocked, ServiceId(PLAIN), {"min": 3}, by=acting(now()))
    before = await everything(stocked)
    with pytest.raises(OperatorRefusal) as refused:
        await apply_edits(stocked, planned, by=acting(now()))
    assert (RefusalCode.STALE_PLAN, [PLAIN]) == (refused.value.code, refused.value.fields["services"])
    assert before == await everything(stocked)


async def test_a_plan_leaves_other_edits_made_meanwhile_alone(stocked):
    planned = await plan(stocked, min=2)
    await edit_service(stocked, ServiceId(PLAIN), {"name": "Mine"}, by=acting(now()))
    await apply_edits(stocked, planned, by=acting(now()))
    written = (await stands(stocked))[ServiceId(PLAIN)]
    assert ("Mine", 2) == (written.name, written.min)


async def test_what_may_not_be_sold_is_left_out_of_a_plan(stocked):
    await edit_service(stocked, ServiceId(HIDDEN), {"name": "Shop reviews", "on_sale": False}, by=acting(now()))
    selection = Selection((str(HIDDEN), str(DEFAULT)))
    planned = await edit_selected(stocked, selection, {"on_sale": True, "min": 2}, write=True, by=acting(now()))
    assert [(HIDDEN, RefusalCode.SERVICE_PROHIBITED)] == [(one.service.id, one.why.code) for one in planned.refused]
    assert [DEFAULT] == [one.before.id for one in planned.changes]
    assert not (await stands(stocked))[ServiceId(HIDDEN)].on_sale


async def test_refills_by_the_staff_bring_the_staff_along(stocked):
    await edit_selected(
        stocked, BOTH, {"refill_mode": RefillMode.MANUAL}, write=True, by=acting(now()),
        action=AuditAction.SERVICE_REFILL,
    )  # fmt: skip
    assert [("manual",)] == await fetch(stocked, "select kind from provider where name = 'Staff'")


@pytest.mark.parametrize(
    ("wanted", "provider", "code"),
    [
        (service(0, max=-1), None, RefusalCode.FIELD_OUT_OF_RANGE),
        (service(0, name=""), None, RefusalCode.FIELD_BLANK),
        (service(0, name="Shop reviews"), None, RefusalCode.SERVICE_PROHIBITED),
        (service(0, delivery_method=DeliveryMethod.UNDISCLOSED), None, RefusalCode.SERVICE_UNDISCLOSED),
        (service(DEFAULT), None, RefusalCode.SERVICE_EXISTS),
        (service(0), "Nobody", RefusalCode.UNKNOWN_PROVIDER),
    ],
)
async def test_a_service_that_is_refused_leaves_nothing(stocked, wanted, provider, code):
    before = await everything(stocked)
    with pytest.raises(OperatorRefusal) as refused:
        await add_service(stocked, wanted, provider, None, by=acting(now()))
    assert code is refused.value.code
    assert before == await everything(stocked)


async def test_a_sandbox_is_filled_in_one_go(conn):
    await fill_sandbox(conn, [service(1), service(2)], "Play", "USD", by=acting(now()))
    assert [(1, "Play", "1"), (2, "Play", "2")] == await fetch(
        conn,
        "select service_id, p.name, provider_service from route r join provider p on p.id = provider_id order by 1",
    )
    assert {1, 2} == set(await routes.find(conn, [ServiceId(1), ServiceId(2)]))


async def test_two_adders_get_numbers_of_their_own(stocked, database):
    async with await connect(database.app_url) as other:
        both = await asyncio.gather(
            *(
                add_service(conn, service(0, name=name), None, None, by=acting(now()))
                for conn, name in ((stocked, "A"), (other, "B"))
            )
        )
    assert 2 == len({one.service for one in both})

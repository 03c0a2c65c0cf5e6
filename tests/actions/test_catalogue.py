"""Edits of the price list at the same moment: none is lost, whoever begins first."""

import asyncio
from decimal import Decimal

import pytest
from msgspec import structs
from tests.panel import DEFAULT, acting, fetch, now, service, until

from opensmm.actions import service_import, services
from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.catalogue import Service, ServiceType
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.pricing import PriceTerms
from opensmm.domain.provider_services import ProviderService
from opensmm.domain.routes import RouteTo
from opensmm.domain.service_import import ImportTerms
from opensmm.store import catalogue as rows
from opensmm.store import routes
from opensmm.store.connection import connect

WAITING = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
NEW = 99


async def edit(connection, **changes):
    await services.edit_service(connection, ServiceId(DEFAULT), changes, by=acting(now()))


async def add(connection, wanted):
    return (await services.add_service(connection, wanted, None, None, by=acting(now()))).service


async def stands(connection) -> Service:
    (service,) = await rows.services(connection, [ServiceId(DEFAULT)])
    return service


@pytest.fixture
async def other(database):
    """One more who edits, over a connection of their own."""
    async with await connect(database.app_url) as connection:
        yield connection


async def begun(connection, task):
    """Until what the task does waits for the transaction of the connection, or is done without waiting for it."""

    async def waits() -> bool:
        return task.done() or bool(await fetch(connection, WAITING))

    await until(waits)
    return task


async def test_an_edit_that_begins_before_another_is_kept_loses_nothing_of_it(stocked, other):
    before = await stands(stocked)
    async with stocked.transaction():
        await edit(stocked, rate=Decimal("1.50"))
        second = await begun(stocked, asyncio.create_task(edit(other, name="Mine")))
    await second
    assert structs.replace(before, rate=Decimal("1.50"), name="Mine") == await stands(stocked)


async def test_an_edit_during_an_import_is_kept_beside_what_the_list_told(stocked, other):
    provider = ProviderId(await rows.save_provider(stocked, "Up", "panel", "https://panel.example", "USD"))
    await routes.set_routes(stocked, {ServiceId(DEFAULT): [RouteTo(provider, "7")]})
    before, offer = (
        await stands(stocked),
        ProviderService("7", "Theirs", "A", ServiceType.DEFAULT, Decimal("0.5"), 20, 30),
    )
    async with stocked.transaction():
        terms = ImportTerms(PriceTerms(Decimal(1)))
        plan = await service_import.plan_import(stocked, provider, [offer], terms, lambda _: True)
        second = await begun(stocked, asyncio.create_task(edit(other, free=True, one_active_per_link=True)))
        await service_import.write_import(
            stocked, provider, plan, reprice=False, by=acting(now()), wrote=lambda count, total: None
        )
    await second
    assert structs.replace(before, min=20, max=30, free=True, one_active_per_link=True) == await stands(stocked)


async def test_of_two_who_add_a_service_under_one_number_the_second_is_refused(stocked, other):
    async with stocked.transaction():
        assert NEW == await add(stocked, service(NEW, name="First"))
        second = await begun(stocked, asyncio.create_task(add(other, service(NEW, name="Second"))))
    with pytest.raises(OperatorRefusal) as refused:
        await second
    assert (RefusalCode.SERVICE_EXISTS, {"service": NEW}) == (refused.value.code, refused.value.fields)
    assert [("First",)] == await fetch(stocked, "select name from service where id = %s", NEW)


@pytest.mark.parametrize(
    ("which", "changes", "why"),
    [
        (NEW, {"name": "Mine"}, RefusalCode.NO_SUCH_SERVICE),
        (DEFAULT, {"min": 10_001}, RefusalCode.RANGE_REVERSED),
        (DEFAULT, {"max": 10**12 + 1}, RefusalCode.FIELD_OUT_OF_RANGE),
        (DEFAULT, {"rate": Decimal(0)}, RefusalCode.RATE_OF_ZERO),
        (DEFAULT, {"rate": Decimal(10**9)}, RefusalCode.BAD_RATE),
        (DEFAULT, {"name": " "}, RefusalCode.FIELD_BLANK),
        (DEFAULT, {"name": "x" * 301}, RefusalCode.FIELD_TOO_LONG),
        (DEFAULT, {"category": "a\u202eb"}, RefusalCode.FIELD_UNFIT),
        (DEFAULT, {"description": "a\x00b"}, RefusalCode.FIELD_UNFIT),
        (DEFAULT, {"name": "Shop reviews"}, RefusalCode.SERVICE_PROHIBITED),
    ],
)
async def test_an_edit_that_makes_no_sense_changes_nothing(stocked, which, changes, why):
    before = await rows.refresh(stocked, None), await fetch(stocked, "select count(*) from audit")
    with pytest.raises(OperatorRefusal) as refused:
        await services.edit_service(stocked, ServiceId(which), changes, by=acting(now()))
    assert why is refused.value.code
    assert before == (await rows.refresh(stocked, None), await fetch(stocked, "select count(*) from audit"))

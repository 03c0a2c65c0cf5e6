"""What a page does with a provider: one action each, with the audit row of whoever did it."""

from decimal import Decimal

import pytest
from psycopg.pq import TransactionStatus
from tests.panel import DEFAULT, PEPPER, acting, fetch, now
from tests.panels import route
from tests.stepped_worker import FakeProvider, served

from opensmm.actions import price_sync, provider_check, provider_views, providers
from opensmm.actions.provider_check import CallSettings
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.codes import WarningCode
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.price_sync import DoubtCode, ListDoubt
from opensmm.domain.provider_settings import ProviderSettings
from opensmm.store import price_sync as synced
from opensmm.store import providers as rows

KEY, OTHER_KEY = "the-first-key-of-theirs", "the-second-key-of-theirs"
CALLS = CallSettings(PEPPER, 5, private=True)
LINE = {"service": 7, "name": "Likes", "type": "Default", "category": "A", "rate": "0.60", "min": 10, "max": 10_000}


@pytest.fixture
async def far(stocked):
    """A panel over HTTP, by its name ``Far``, with its liar."""
    fake = FakeProvider()
    fake.answers = {"balance": {"balance": "12.50", "currency": "USD"}, "services": [LINE]}
    async with served(fake) as address:
        wanted = ProviderSettings(name="Far", url=address, currency="usd")
        row = await providers.add_provider(stocked, wanted, KEY, PEPPER, private=True, by=acting(now(), "ann"))
        yield row, fake


async def audited(conn, provider):
    query = """select actor, action, detail -> 'changes' from audit
               where subject = %s and starts_with(action, 'provider.') order by id"""
    return await fetch(conn, query, str(provider))


async def test_a_provider_is_added_with_what_it_begins_with_and_edited_field_by_field(stocked, far):
    row, _ = far
    (stored,) = [one for one in await rows.providers(stocked) if one.id == row.id]
    assert row == stored
    assert ("v2", "USD", Decimal(1), 16, 0, None, True) == (
        row.dialect, row.currency, row.exchange_rate, row.concurrency, row.calls_per_second, row.adds_at_a_time,
        row.enabled,
    )  # fmt: skip
    wanted = ProviderSettings(name="Farther", concurrency=3, enabled=False)
    edit = await providers.edit_provider(stocked, row.id, wanted, OTHER_KEY, PEPPER, private=True, by=acting(now()))
    assert row == edit.before
    assert ("Farther", 3, False) == (edit.after.name, edit.after.concurrency, edit.after.enabled)
    added, edited = await audited(stocked, row.id)
    assert ("ann", "provider.add", [None, "Far"]) == (*added[:2], added[2]["name"])
    fields = {"name": ["Far", "Farther"], "concurrency": [16, 3], "enabled": [True, False], "key": ["(withheld)"] * 2}
    assert ("provider.edit", fields) == edited[1:]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (ProviderSettings(name=" "), RefusalCode.FIELD_BLANK),
        (ProviderSettings(name="x" * 101), RefusalCode.FIELD_TOO_LONG),
        (ProviderSettings(name="a\u202eb"), RefusalCode.FIELD_UNFIT),
        (ProviderSettings(url="ftp://panel.example"), RefusalCode.BAD_ADDRESS),
        (ProviderSettings(dialect="v3"), RefusalCode.BAD_DIALECT),
        (ProviderSettings(currency="euro"), RefusalCode.BAD_CURRENCY),
        (ProviderSettings(exchange_rate=Decimal(0)), RefusalCode.BAD_EXCHANGE_RATE),
        (ProviderSettings(exchange_rate=Decimal(10**9)), RefusalCode.BAD_EXCHANGE_RATE),
        (ProviderSettings(concurrency=0), RefusalCode.FIELD_OUT_OF_RANGE),
        (ProviderSettings(calls_per_second=-1), RefusalCode.FIELD_OUT_OF_RANGE),
        (ProviderSettings(adds_at_a_time=1001), RefusalCode.FIELD_OUT_OF_RANGE),
        (ProviderSettings(user_agent="a\nb"), RefusalCode.BAD_USER_AGENT),
        (ProviderSettings(name="Sandbox"), RefusalCode.PROVIDER_NAME_TAKEN),
    ],
)
async def test_a_setting_that_will_not_do_is_refused_and_nothing_changes(stocked, far, wanted, code):
    row, _ = far
    before = await fetch(stocked, "select provider::text from provider order by id")
    names = {name for (name,) in await fetch(stocked, "select name from provider")}
    if wanted.name == "Sandbox":
        wanted = ProviderSettings(name=min(names - {"Far"}))
    with pytest.raises(OperatorRefusal) as refused:
        await providers.edit_provider(stocked, row.id, wanted, "", PEPPER, private=True, by=acting(now()))
    assert code is refused.value.code
    assert before == await fetch(stocked, "select provider::text from provider order by id")
    assert 1 == len(await audited(stocked, row.id))


@pytest.mark.parametrize("key", ["short", "x" * 501, "a key with blanks", "clé-de-leur-panneau"])
async def test_a_key_that_is_none_is_refused(stocked, far, key):
    row, _ = far
    with pytest.raises(OperatorRefusal) as refused:
        await providers.edit_provider(stocked, row.id, ProviderSettings(), key, PEPPER, private=True, by=acting(now()))
    assert RefusalCode.BAD_PROVIDER_KEY is refused.value.code


async def test_a_balance_is_read_stored_and_audited(stocked, far):
    row, fake = far
    await provider_check.read_balance(stocked, "Far", CALLS, by=acting(now()))
    fake.answers["balance"] = {"balance": "9.75", "currency": "USD"}
    by = acting(now(), "ann")
    read = await provider_check.read_balance(stocked, str(row.id), CALLS, by=by)
    assert (Decimal("9.75"), by.now, "USD") == (read.reading.balance, read.reading.at, read.currency)
    view = await provider_views.show_provider(stocked, "Far", now())
    assert read.reading == view.reading
    assert ("ann", "provider.balance", {"balance": ["12.50", "9.75"]}) == (await audited(stocked, row.id))[-1]


async def test_a_provider_that_does_not_answer_is_a_refusal_with_the_reason(stocked, far):
    row, fake = far
    fake.answers["balance"] = (502, b"down")
    with pytest.raises(OperatorRefusal) as refused:
        await provider_check.read_balance(stocked, "Far", CALLS, by=acting(now()))
    why = CallFault(CallCode.HTTP_STATUS, {"status": 502, "words": "down"})
    fields = {"provider": row.id, "provider_name": "Far", "why": why}
    assert (RefusalCode.PROVIDER_UNANSWERED, fields) == (refused.value.code, refused.value.fields)
    (tried,) = await provider_check.check_provider(stocked, "Far", CALLS, anywhere=False, by=acting(now()))
    assert why == tried.fault
    assert 1 == len(await audited(stocked, row.id))


async def test_a_check_stores_the_forms_that_are_answered_and_audits_what_changed(stocked, far):
    row, fake = far
    await stocked.execute(
        """insert into attempt (order_id, run, number, provider_id, provider_service, outcome, provider_order, fence,
             sent, answered) values (1, 1, 1, %s, '7', 'accepted', '33', 1, now(), now())""",
        [row.id],
    )
    fake.answers["status"] = lambda form: {"status": "Pending"} if "order" in form else {"error": "no lists"}
    for _ in range(2):
        (tried,) = await provider_check.check_provider(stocked, "Far", CALLS, anywhere=False, by=acting(now(), "ann"))
    assert (None, "12.50", 1) == (tried.fault, tried.balance, tried.services)
    assert [("ann", "provider.check", {"forms": [{}, {"status": "one_by_one"}]})] == (await audited(stocked, row.id))[
        1:
    ]


async def test_a_price_list_is_read_and_followed_or_doubted_with_the_reason_stored(stocked, far):
    row, fake = far
    await route(stocked, DEFAULT, (row.id, 7))
    read = await price_sync.sync_provider(stocked, "Far", CALLS, by=acting(now()))
    assert (None, ["7"]) == (read.refused, [one.service for one in read.price_list.services])
    fake.answers["services"] = []
    read = await price_sync.sync_provider(stocked, "Far", CALLS, by=acting(now()))
    assert read.refused is not None
    assert RefusalCode.PRICE_LIST_DOUBTED is read.refused.code
    assert WarningCode.LIST_DOUBTED is read.odd[-1].code
    assert ListDoubt(DoubtCode.EMPTY) == (await synced.read_terms(stocked, row.id)).sync_fault
    read = await price_sync.sync_provider(stocked, "Far", CALLS, confirmed=True, by=acting(now()))
    assert read.refused is None
    assert "" == (await synced.read_terms(stocked, row.id)).sync_fault


@pytest.mark.parametrize(
    "ask",
    [
        lambda conn: provider_check.read_balance(conn, "Far", CALLS, by=acting(now())),
        lambda conn: provider_check.check_provider(conn, "Far", CALLS, anywhere=True, by=acting(now())),
        lambda conn: price_sync.sync_provider(conn, "Far", CALLS, by=acting(now())),
    ],
    ids=["balance", "check", "sync"],
)
async def test_no_transaction_is_open_while_the_provider_is_asked(stocked, far, ask):
    row, fake = far
    await route(stocked, DEFAULT, (row.id, 7))
    seen = []

    def answering(answer):
        def note_status(form):
            seen.append(stocked.pgconn.transaction_status)
            return answer

        return note_status

    fake.answers = {action: answering(answer) for action, answer in fake.answers.items()}
    await ask(stocked)
    assert {TransactionStatus.IDLE} == set(seen)

"""Keys and signed-in users who buy for one customer, at once and over two processes, on real PostgreSQL."""

import asyncio

import pytest
from tests.panel import DEFAULT, FREE, LINK, ONE_PER_LINK, balance, books, broken, buyer, fetch, open_api

from opensmm.base.ids import CustomerId, PriceListId
from opensmm.domain.orders import DialectRules
from opensmm.domain.placing import FORM_TOKENS, Buyer, BuyerKind
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import AddOrder
from opensmm.wire.form import has_control_characters

DIALECT_RULES = DialectRules(own_before_link=False, link_alone_is_media=False)
CHARGE = 9_000
LIST = PriceListId(1)


async def user(conn, customer):
    """A signed-in user of a customer's."""
    cursor = await conn.execute(
        """insert into users (username, password, first_name, last_name, email, is_superuser, is_staff, is_active,
                              date_joined)
           values (gen_random_uuid()::text, '', '', '', '', false, false, true, now()) returning id"""
    )
    ((number,),) = await cursor.fetchall()
    await conn.execute("insert into membership (user_id, customer_id) values (%s, %s)", [number, customer])
    return Buyer(BuyerKind.USER, number, customer, LIST)


async def key(conn, customer):
    """A key of a customer's."""
    ((number,),) = await fetch(conn, "select id from api_key where customer_id = %s", customer)
    return Buyer(BuyerKind.API_KEY, number, customer, LIST)


def add(token="", service=DEFAULT, link=LINK):
    return AddOrder(service, link, 100, idempotency_key=token)


@pytest.fixture
async def two(database, stocked):
    """Two processes."""
    async with open_api(database.app_url) as api, open_api(database.app_url) as other:
        yield api.panel, other.panel


async def test_an_order_tells_which_user_placed_it_and_one_of_a_key_tells_none(two, stocked, ann):
    person = await user(stocked, ann.id)
    first = await two[0].place_by(person, add("t1"), DIALECT_RULES)
    second = await two[0].place_by(await key(stocked, ann.id), add("t1"), DIALECT_RULES)
    third = await two[0].place_by(await key(stocked, ann.id), add(), DIALECT_RULES)
    assert [(first, person.number), (second, None), (third, None)] == await fetch(
        stocked, "select id, user_id from orders order by id"
    )
    assert [] == await broken(stocked)


async def test_two_users_and_a_key_of_one_customer_never_spend_its_money_twice(two, stocked):
    poor = await buyer(stocked, "0.90")
    people = [await user(stocked, poor.id), await user(stocked, poor.id), await key(stocked, poor.id)]
    answers = await asyncio.gather(
        *(
            panel.place_by(person, add(f"{number}" if person.user else ""), DIALECT_RULES)
            for number in range(8)
            for person in people
            for panel in (two[number % 2],)
        )
    )
    placed = [one for one in answers if not isinstance(one, Refused)]
    assert 10 == len(placed) == len(set(placed))
    assert {Refusal.FUNDS} == {one.why for one in answers if isinstance(one, Refused)}
    assert (0, 10) == (await balance(stocked, poor.id), len(await fetch(stocked, "select from orders")))
    assert [] == await broken(stocked)


async def test_two_buyers_never_hold_one_link_at_once(two, stocked, ann):
    people = [await user(stocked, ann.id), await user(stocked, ann.id), await key(stocked, ann.id)]
    answers = await asyncio.gather(
        *(
            two[number % 2].place_by(person, add(f"{number} {person.number}", ONE_PER_LINK), DIALECT_RULES)
            for number in range(6)
            for person in people
        )
    )
    refused = [one.why for one in answers if isinstance(one, Refused)]
    assert [Refusal.ACTIVE_LINK] * 17 == refused
    assert 1 == len(await fetch(stocked, "select from active_link"))
    assert [] == await broken(stocked)


async def test_a_form_sent_again_and_again_is_one_order_and_a_keys_mark_is_another(two, stocked, ann):
    person, program = await user(stocked, ann.id), await key(stocked, ann.id)
    answers = await asyncio.gather(
        *(two[number % 2].place_by(who, add("same"), DIALECT_RULES) for number in range(8) for who in (person, program))
    )
    assert 1 == len(set(answers[0::2]))
    assert 1 == len(set(answers[1::2]))
    assert 2 == len(set(answers))
    mismatch = await two[0].place_by(person, add("same", FREE), DIALECT_RULES)
    assert Refused(Refusal.IDEMPOTENCY_MISMATCH) == mismatch
    assert 10_000_000 - 2 * CHARGE == await balance(stocked, ann.id)
    assert [(f"{FORM_TOKENS}{person.number}:same",), ("same",)] == await fetch(
        stocked, 'select key from idempotency order by key collate "C"'
    )
    assert [] == await broken(stocked)


@pytest.mark.parametrize(
    "shut_out",
    [
        "update users set is_active = false where id = %s",
        "update membership set customer_id = (select id from customer where name = 'Other') where user_id = %s",
    ],
)
async def test_a_user_who_may_not_order_any_more_is_refused_under_the_lock(two, stocked, ann, shut_out):
    await stocked.execute("insert into customer (name, created) values ('Other', now())")
    person, colleague = await user(stocked, ann.id), await user(stocked, ann.id)
    await stocked.execute(shut_out, [person.number])
    before = await books(stocked)
    assert Refused(Refusal.UNKNOWN_KEY) == await two[0].place_by(person, add("t"), DIALECT_RULES)
    assert before == await books(stocked)
    together = await asyncio.gather(
        *(two[0].place_by(who, add(f"t {who.number}"), DIALECT_RULES) for who in (person, colleague))
    )
    assert [True, False] == [isinstance(one, Refused) for one in together]


async def test_a_user_orders_for_no_other_customer(two, stocked, ann):
    person, other = await user(stocked, ann.id), await buyer(stocked)
    stranger = Buyer(BuyerKind.USER, person.number, CustomerId(other.id), LIST)
    before = await books(stocked)
    assert Refused(Refusal.UNKNOWN_KEY) == await two[0].place_by(stranger, add("t"), DIALECT_RULES)
    assert before == await books(stocked)


async def test_a_users_order_without_its_forms_token_is_a_fault_of_ours(two, stocked, ann):
    with pytest.raises(ValueError, match="token"):
        await two[0].place_by(await user(stocked, ann.id), add(), DIALECT_RULES)


async def test_no_client_can_send_what_forms_bear(api, stocked, ann):
    assert has_control_characters(FORM_TOKENS)
    before = await books(stocked)
    answer = await api.ask(
        "v2", ann.key, "add", service=DEFAULT, link=LINK, quantity=100, idempotency_key=f"{FORM_TOKENS}x"
    )
    assert ["error"] == list(answer)
    assert before == await books(stocked)

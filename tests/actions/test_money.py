"""Money that the operator moves: once under one reference, whatever is told at once, and never more than there is."""

import asyncio
from random import Random

import psycopg
import pytest
from tests.panel import DEFAULT, LINK, acting, balance, books, broken, buyer, fetch, let_owe, now, pay

from opensmm.actions import money, order_actions
from opensmm.actions.money import Adjustment
from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import Money
from opensmm.base.pages import Keyset
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.payments import LEGACY, Payment, read_any_payment, read_payment, read_reference
from opensmm.store import customers
from opensmm.store.connection import connect
from opensmm.store.customer_lists import list_customers

BY = acting(now(), reason="because")


async def refused(conn, code, work):
    """What an action refused, having changed nothing."""
    before = await books(conn), await fetch(conn, "select * from audit")
    with pytest.raises(OperatorRefusal) as refusal:
        await work
    assert code is refusal.value.code
    assert before == (await books(conn), await fetch(conn, "select * from audit"))
    return refusal.value.fields


async def owed(conn, who):
    return (await fetch(conn, "select balance, overdrawn, credit_limit from customer where id = %s", who.id))[0]


def take(transfer, who, amount, **other):
    return Adjustment(transfer, who.id, Money(amount), takes=True, **other)


async def test_a_payment_told_twice_is_booked_once(conn):
    who = await buyer(conn, "0")
    booked = [
        await pay(conn, who.id, 500, "p-1"),
        await pay(conn, who.id, 500, "p-1"),
        await pay(conn, who.id, 500, "p-2"),
        await pay(conn, who.id, 500, "p-1", "other"),
    ]
    assert [True, False, True, True] == [one.fresh for one in booked]
    assert booked[0].transfer == booked[1].transfer
    assert 1_500 == await balance(conn, who.id)
    assert [] == await broken(conn)


@pytest.mark.parametrize(
    ("gateway", "number"), [("Bank", "A1"), ("bank", "A1 "), (" BANK ", "\tA1"), ("bank", "A1"), ("bank\u00a0", "A1")]
)
async def test_one_payment_is_booked_once_however_it_is_spelt(conn, gateway, number):
    who = await buyer(conn, "0")
    assert (await pay(conn, who.id, 500, "A1")).fresh
    assert not (await pay(conn, who.id, 500, number, gateway)).fresh
    assert 500 == await balance(conn, who.id)


async def test_an_accent_may_be_composed_or_not(conn):
    who = await buyer(conn, "0")
    assert (await pay(conn, who.id, 500, "re\u0301f")).fresh
    assert not (await pay(conn, who.id, 500, "r\u00e9f")).fresh


async def test_a_payment_that_differs_in_case_alone_is_asked_about(conn):
    who = await buyer(conn, "0")
    first = await pay(conn, who.id, 500, "A1")
    refusal = await refused(conn, RefusalCode.PAYMENT_TWIN, pay(conn, who.id, 500, "a1"))
    assert {"gateway": "bank", "external_id": "A1", "transfer": first.transfer} == refusal
    different = Payment("bank", "a1")
    assert (await money.top_up(conn, who.id, Money(500), different, BY, different=True)).fresh
    assert not (await pay(conn, who.id, 500, "a1")).fresh
    assert 1_000 == await balance(conn, who.id)


async def test_payments_from_before_are_known_by_any_spelling(conn, database):
    who = await buyer(conn, "0")
    paid = await pay(conn, who.id, 500, "A1")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("update deposit set gateway = 'Bank', external_id = ' A1', folded = null")
    assert paid.transfer == (await pay(conn, who.id, 500, "A1")).transfer
    await refused(conn, RefusalCode.PAYMENT_TWIN, pay(conn, who.id, 500, "a1"))


async def test_the_same_payment_with_another_amount_or_customer_is_refused(conn):
    who, other = await buyer(conn, "0"), await buyer(conn, "0")
    await pay(conn, who.id, 500, "A1")
    await refused(conn, RefusalCode.PAYMENT_MISMATCH, pay(conn, who.id, 501, "A1"))
    await refused(conn, RefusalCode.PAYMENT_MISMATCH, pay(conn, other.id, 500, "A1"))
    await refused(conn, RefusalCode.NO_CUSTOMER, pay(conn, CustomerId(99), 500, "A2"))


@pytest.mark.parametrize(
    ("gateway", "number", "code"),
    [
        ("", "1", RefusalCode.BAD_GATEWAY), ("x" * 65, "1", RefusalCode.BAD_GATEWAY),
        ("Legacy", "1", RefusalCode.BAD_GATEWAY), ("opening", "1", RefusalCode.BAD_GATEWAY),
        ("a\x00b", "1", RefusalCode.BAD_GATEWAY),
        ("bank", " ", RefusalCode.BAD_REFERENCE), ("bank", "x" * 256, RefusalCode.BAD_REFERENCE),
        ("bank", "a\nb", RefusalCode.BAD_REFERENCE),
    ],
)  # fmt: skip
def test_what_is_no_payment_is_refused(gateway, number, code):
    with pytest.raises(OperatorRefusal) as refusal:
        read_payment(gateway, number)
    assert code is refusal.value.code


async def test_a_mistyped_top_up_is_corrected_once_and_never_by_more_than_it_was(conn):
    who = await buyer(conn, "0")
    paid = await pay(conn, who.id, 2_500, "A1")
    first = await money.adjust(conn, take(paid.transfer, who, 2_000), "fix", BY)
    again = await money.adjust(conn, take(paid.transfer, who, 2_000), "fix", BY)
    assert (True, False, first.transfer) == (first.fresh, again.fresh, again.transfer)
    assert [(who.id, -5, 2_000, "adjustment", paid.transfer, "because")] == await fetch(
        conn, "select debit, credit, amount, kind, corrects, note from transfer where id = %s", first.transfer
    )
    await refused(conn, RefusalCode.CORRECTS_TOO_MUCH, money.adjust(conn, take(paid.transfer, who, 501), "more", BY))
    await refused(conn, RefusalCode.REFERENCE_MISMATCH, money.adjust(conn, take(paid.transfer, who, 1), "fix", BY))
    given = Adjustment(paid.transfer, who.id, Money(9_000), takes=False)
    assert (await money.adjust(conn, given, "it was ten times that", BY)).fresh
    assert 9_500 == await balance(conn, who.id)
    assert [] == await broken(conn)


async def test_a_reference_that_differs_in_case_alone_moves_the_like_no_second_time(conn):
    who, other = [await buyer(conn, "0") for _ in range(2)]
    paid = await pay(conn, who.id, 9_000, "A1")
    given = await money.bonus(conn, who.id, Money(100), "Gift", BY)
    sent = await money.pay_out(conn, who.id, Money(100), "P1", BY)
    taken = await money.adjust(conn, take(paid.transfer, who, 100), "Fix", BY)
    for transfer, deed in (
        (given.transfer, money.bonus(conn, who.id, Money(100), "gift", BY)),
        (sent.transfer, money.pay_out(conn, who.id, Money(900), "p1", BY)),
        (taken.transfer, money.adjust(conn, take(paid.transfer, who, 100), "fix", BY)),
    ):
        refusal = await refused(conn, RefusalCode.REFERENCE_TWIN, deed)
        assert transfer == refusal["transfer"]
    assert (await money.bonus(conn, other.id, Money(100), "gift", BY)).fresh
    assert not (await money.pay_out(conn, who.id, Money(100), "P1", BY)).fresh
    assert [] == await broken(conn)


async def test_payments_that_differ_in_case_alone_are_charged_back_each_by_itself(conn):
    who = await buyer(conn, "0")
    for number in ("A1", "a1"):
        payment = read_payment("bank", number)
        assert (await money.top_up(conn, who.id, Money(100), payment, BY, different=True)).fresh
        assert (await money.charge_back(conn, payment, None, f"bank/{number}", BY)).fresh
    assert 0 == await balance(conn, who.id)
    assert [] == await broken(conn)


async def test_a_misdirected_top_up_goes_to_whom_it_was_for(conn):
    who, other, third = [await buyer(conn, "0") for _ in range(3)]
    paid = await pay(conn, who.id, 2_500, "A1")
    assert (await money.adjust(conn, take(paid.transfer, who, 2_500, to=other.id), "swap", BY)).fresh
    assert not (await money.adjust(conn, take(paid.transfer, who, 2_500, to=other.id), "swap", BY)).fresh
    await refused(
        conn,
        RefusalCode.REFERENCE_MISMATCH,
        money.adjust(conn, take(paid.transfer, who, 2_500, to=third.id), "swap", BY),
    )
    assert (0, 2_500) == (await balance(conn, who.id), await balance(conn, other.id))
    query = "select subject, detail -> 'changes' from audit where action = 'customer.adjust' order by id"
    assert [
        (str(who.id), {"balance": [2_500, 0]}),
        (str(other.id), {"balance": [0, 2_500]}),
    ] == await fetch(conn, query)
    assert [] == await broken(conn)


async def test_only_a_customers_own_money_can_be_corrected_and_taken(api, ann, stocked, worker):
    other = await buyer(stocked, "0")
    order = await api.add(ann.key)
    ((charge,),) = await fetch(stocked, "select id from transfer where order_id = %s", order)
    ((paid,),) = await fetch(stocked, "select transfer_id from deposit where external_id = %s", str(ann.id))
    for corrected, customer, code in (
        (99_999, ann, RefusalCode.NO_TRANSFER),
        (paid, other, RefusalCode.NO_TRANSFER),
        (charge, ann, RefusalCode.TRANSFER_OF_ORDER),
    ):
        await refused(stocked, code, money.adjust(stocked, take(corrected, customer, 1), "x", BY))
    whole = take(paid, ann, 10_000_000)
    refusal = await refused(stocked, RefusalCode.NOT_THAT_MUCH, money.adjust(stocked, whole, "x", BY))
    assert {"customer": ann.id, "left": "99.91"} == refusal
    await refused(stocked, RefusalCode.NOT_THAT_MUCH, money.pay_out(stocked, ann.id, Money(9_991_001), "x", BY))


async def test_a_payout_takes_what_is_there_and_no_credit(conn):
    who = await buyer(conn, "0")
    await pay(conn, who.id, 500, "A1")
    await let_owe(conn, who.id, 1_000)
    await refused(conn, RefusalCode.NOT_THAT_MUCH, money.pay_out(conn, who.id, Money(501), "x", BY))
    assert (await money.pay_out(conn, who.id, Money(500), "x", BY)).fresh
    assert [(who.id, -3, 500)] == await fetch(conn, "select debit, credit, amount from transfer where kind = 'payout'")
    assert (await money.bonus(conn, who.id, Money(7), "x", BY)).fresh
    assert 7 == await balance(conn, who.id)
    assert [] == await broken(conn)


async def test_a_chargeback_of_what_was_spent_overdraws_and_top_ups_make_up_for_it(api, stocked, worker):
    who = await buyer(stocked, "0")
    await pay(stocked, who.id, 10_000, "A1")
    await api.add(who.key)
    first = await money.charge_back(stocked, Payment("bank", "A1"), None, "cb", BY)
    assert not (await money.charge_back(stocked, Payment("bank", "A1"), None, "cb", BY)).fresh
    assert (-9_000, 9_000, 0) == await owed(stocked, who)
    request = {"service": DEFAULT, "link": LINK, "quantity": 100}
    assert {"error": "Not enough funds on balance"} == await api.ask("v2", who.key, "add", **request)
    assert "-0.09" == (await api.ask("v2", who.key, "balance"))["balance"]
    await refused(
        stocked, RefusalCode.CORRECTS_TOO_MUCH, money.charge_back(stocked, Payment("bank", "A1"), Money(1), "cb2", BY)
    )
    await pay(stocked, who.id, 4_000, "A2")
    assert (-5_000, 5_000, 0) == await owed(stocked, who)
    await pay(stocked, who.id, 14_000, "A3")
    assert (9_000, 0, 0) == await owed(stocked, who)
    assert {"order": 2} == await api.ask("v2", who.key, "add", **request)
    query = "select detail from audit where action = 'customer.chargeback'"
    ((detail,),) = await fetch(stocked, query)
    assert {"balance": [1_000, -9_000], "overdrawn": [0, 9_000]} == detail["changes"]
    assert (10_000, first.transfer) == (detail["amount"], detail["transfer"])
    assert [] == await broken(stocked)


async def test_what_comes_back_for_an_order_makes_up_for_a_chargeback_and_another_chargeback_does_not(api, stocked):
    who = await buyer(stocked, "0")
    await pay(stocked, who.id, 10_000, "A1")
    order = await api.add(who.key)
    await money.charge_back(stocked, Payment("bank", "A1"), Money(9_000), "first", BY)
    assert [(-8_000, 8_000)] == [(one.balance, one.overdrawn) for one in await customers.list_details(stocked, who.id)]
    await order_actions.end_partial(stocked, OrderId(order), None, 50, BY)
    assert [(-3_500, 3_500)] == [(one.balance, one.overdrawn) for one in await customers.list_details(stocked, who.id)]
    page = await list_customers(stocked, Keyset())
    assert [(-3_500, 3_500)] == [(row.balance, row.overdrawn) for row in page.rows if row.id == who.id]
    await money.charge_back(stocked, Payment("bank", "A1"), Money(1_000), "second", BY)
    assert (-4_500, 4_500, 0) == await owed(stocked, who)
    assert [] == await broken(stocked)


async def test_a_payment_is_charged_back_in_parts_up_to_what_it_was(conn):
    who = await buyer(conn, "0.00500")
    opening = read_any_payment("opening", str(who.id))
    assert (await money.charge_back(conn, opening, Money(300), "one", BY)).fresh
    await refused(conn, RefusalCode.CORRECTS_TOO_MUCH, money.charge_back(conn, opening, Money(201), "two", BY))
    assert (await money.charge_back(conn, opening, Money(200), "two", BY)).fresh
    await refused(conn, RefusalCode.NO_PAYMENT, money.charge_back(conn, Payment(LEGACY, "7"), None, "three", BY))
    assert (0, 0, 0) == await owed(conn, who)


async def test_a_credit_limit_covers_what_is_owed_and_is_set_once(api, stocked):
    who = await buyer(stocked, "0")
    await let_owe(stocked, who.id, 10_000)
    assert not await money.set_credit_limit(stocked, who.id, Money(10_000), f"test {who.id} 10000", BY)
    await refused(
        stocked,
        RefusalCode.LIMIT_MISMATCH,
        money.set_credit_limit(stocked, who.id, Money(1), f"test {who.id} 10000", BY),
    )
    await api.add(who.key)
    fields = await refused(
        stocked, RefusalCode.OWES_MORE, money.set_credit_limit(stocked, who.id, Money(8_999), "less", BY)
    )
    assert {"customer": who.id, "owed": "0.09"} == fields
    assert await money.set_credit_limit(stocked, who.id, Money(9_000), "less", BY)
    query = "select detail from audit where action = 'customer.credit_limit' order by id"
    assert [[0, 10_000], [10_000, 9_000]] == [
        detail["changes"]["credit_limit"] for (detail,) in await fetch(stocked, query)
    ]
    assert [] == await broken(stocked)


async def test_the_apps_role_sets_no_credit_limit_without_a_row_that_tells_of_it(conn):
    who, other = await buyer(conn, "0"), await buyer(conn, "0")
    await let_owe(conn, other.id, 500)
    ((row,),) = await fetch(conn, "select id from credit_change")
    for statement in (
        "update customer set credit_limit = 500",
        f"update customer set credit_limit = 500, credit_change_id = {row} where id = {who.id}",
        f"update customer set credit_limit = 501 where id = {other.id}",
        f"update customer set credit_change_id = null where id = {other.id}",
    ):
        with pytest.raises(psycopg.errors.IntegrityError):
            await conn.execute(statement)
    for statement in (
        "update panel set currency = 'EUR'",
        "update customer set id = 9",
        "update customer set created = now()",
        "update credit_change set amount = 1",
        "delete from credit_change",
        "delete from transfer_reference",
        "update transfer_reference set reference = 'x'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute(statement)


@pytest.mark.parametrize("spelt", [("A1",) * 8, ("A1", "a1") * 4], ids=["one id", "two cases"])
async def test_of_many_who_tell_a_payment_at_once_one_books_it(database, conn, spelt):
    buyers = [await buyer(conn, "0") for _ in range(2)]
    lines = [await connect(database.app_url) for _ in spelt]
    booked = await asyncio.gather(
        *(
            pay(line, buyers[at // 2 % 2].id, 500, number)
            for at, (line, number) in enumerate(zip(lines, spelt, strict=True))
        ),
        return_exceptions=True,
    )
    assert 1 == sum(getattr(one, "fresh", False) for one in booked)
    assert {OperatorRefusal} >= {type(one) for one in booked if isinstance(one, BaseException)}
    assert 500 == sum([await balance(conn, one.id) for one in buyers])
    for line in lines:
        await line.close()


class Scene:
    """A few customers whose money many hands move at once, each by its own dice."""

    def __init__(self, api, url, buyers, seed):
        self.api, self.url, self.buyers, self.dice = api, url, buyers, Random(seed)
        self.refusals = set()

    async def act(self, conn, hand, at):
        dice, who = self.dice, self.dice.choice(self.buyers)
        amount, name = Money(dice.randrange(1, 9_000)), f"{hand}-{at}"
        paid = await fetch(
            conn,
            """select d.gateway, d.external_id, d.transfer_id, t.customer_id from deposit d
               join transfer t on t.id = d.transfer_id order by random() limit 1""",
        )
        gateway, number, transfer, whose = paid[0]
        corrected = Adjustment(transfer, CustomerId(whose), amount, dice.random() < 0.6, None)
        ended = await fetch(conn, "select id from orders where state = 'completed' order by random() limit 1")
        match dice.randrange(7):
            case 0:
                await pay(conn, who.id, amount, name)
            case 1:
                await money.charge_back(conn, Payment(gateway, number), amount, name, BY)
            case 2:
                await money.adjust(conn, corrected, name, BY)
            case 3:
                await self.api.ask("v2", who.key, "add", service=DEFAULT, link=f"{LINK}/{name}", quantity=100)
            case 4:
                await money.pay_out(conn, who.id, amount, name, BY)
            case 5:
                await money.set_credit_limit(conn, who.id, amount, name, BY)
            case 6 if ended:
                await order_actions.refund(conn, OrderId(ended[0][0]), amount, at + 1, BY)

    async def hand(self, hand, turns):
        conn = await connect(self.url)
        for at in range(turns):
            try:
                await self.act(conn, hand, at)
            except OperatorRefusal as refusal:
                self.refusals.add(refusal.code)
        await conn.close()


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_many_hands_do_at_once_the_books_stay_right(api, stocked, database, worker, seed):
    buyers = [await buyer(stocked, "0.30000") for _ in range(3)]
    for _ in range(3):
        await api.add(buyers[0].key)
    await worker.round()
    await worker.round(9)
    scene = Scene(api, database.app_url, buyers, seed)
    for _ in range(3):
        await asyncio.gather(*(scene.hand(f"{seed} {hand} {_}", 12) for hand in range(5)))
        assert [] == await broken(stocked)
        query = "select count(*) from customer where balance < -credit_limit - overdrawn"
        assert [(0,)] == await fetch(stocked, query)
    assert scene.refusals, "some of it was too much"
    assert [(0,)] == await fetch(
        stocked,
        "select sum(case when credit > 0 then amount else 0 end) - sum(case when debit > 0 then amount else 0 "
        "end) - (select sum(balance) from customer) from transfer",
    )


class Dying:
    """A connection whose statements end at the n-th: the process was killed there."""

    def __init__(self, conn, left):
        self._conn, self._left = conn, left

    async def execute(self, *values, **more):
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        return await self._conn.execute(*values, **more)

    def __getattr__(self, name):
        return getattr(self._conn, name)


def deeds(who, other, transfer):
    return {
        "top-up": lambda conn: money.top_up(conn, who.id, Money(500), Payment("bank", "A2"), BY),
        "bonus": lambda conn: money.bonus(conn, who.id, Money(5), "x", BY),
        "payout": lambda conn: money.pay_out(conn, who.id, Money(5), "x", BY),
        "chargeback": lambda conn: money.charge_back(conn, Payment("bank", "A1"), Money(400), "x", BY),
        "adjustment": lambda conn: money.adjust(conn, take(transfer, who, 400, to=other.id), "x", BY),
        "credit limit": lambda conn: money.set_credit_limit(conn, who.id, Money(7), "x", BY),
    }


@pytest.mark.parametrize("deed", ["top-up", "bonus", "payout", "chargeback", "adjustment", "credit limit"])
async def test_whoever_dies_between_two_lines_has_moved_nothing_and_may_tell_it_again(conn, deed):
    who, other = await buyer(conn, "0"), await buyer(conn, "0")
    paid = await pay(conn, who.id, 500, "A1")
    act = deeds(who, other, paid.transfer)[deed]

    async def snapshot():
        rest = "select id, credit_limit, overdrawn from customer order by id", "select count(*) from audit"
        return await books(conn), [await fetch(conn, query) for query in rest]

    before = await snapshot()
    for statements in range(40):
        try:
            await act(Dying(conn, statements))
        except KeyboardInterrupt:
            assert before == await snapshot(), statements
        else:
            break
    assert statements > 4
    after = await snapshot()
    assert after != before
    await act(conn)
    assert after == await snapshot()
    assert [] == await broken(conn)


def test_references_are_trimmed_and_composed():
    assert "r\u00e9f 1" == read_reference("  re\u0301f 1 ")

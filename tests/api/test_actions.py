"""All actions in both dialects, for one and for many, as wire.md has them."""

import asyncio
from decimal import Decimal

import pytest
from tests.panel import (
    DEFAULT,
    DRIP,
    FREE,
    LINK,
    OF_TYPE,
    PACKAGE,
    PEPPER,
    SHAPES,
    Buyer,
    acting,
    balance,
    books,
    broken,
    buyer,
    fetch,
    let_owe,
    now,
    open_api,
    pay,
    service,
    stock,
)
from tests.stepped_worker import BEYOND_THE_END_S

from opensmm.actions import customers
from opensmm.actions.customers import NewKey, make_key
from opensmm.base.ids import PriceListId, ServiceId
from opensmm.domain.catalogue import ServiceType
from opensmm.store import price_lists
from opensmm.store.api_keys import KeySettings

T = ServiceType
FUNDS, CHARGE = 10_000_000, 9_000
BILLED = {
    **dict.fromkeys(ServiceType, (100, 9_000)),
    T.PACKAGE: (1, 90_000),
    T.CUSTOM_COMMENTS: (3, 270),
    T.CUSTOM_COMMENTS_PACKAGE: (1, 90_000),
    T.MENTIONS_CUSTOM_LIST: (3, 270),
    T.COMMENT_REPLIES: (3, 270),
    T.SUBSCRIPTIONS: (0, 0),
}


@pytest.mark.parametrize("kind", ServiceType)
async def test_every_type_is_placed_charged_and_shown(api, ann, stocked, kind):
    quantity, charge = BILLED[kind]
    fields = {"service": OF_TYPE[kind], **SHAPES[kind]}
    assert {"status": "success", "order": 1} == await api.ask("v1", ann.key, "add", **fields)
    assert {"order": 2} == await api.ask("v2", ann.key, "add", **fields)
    assert FUNDS - 2 * charge == await balance(stocked, ann.id)
    word = "In progress" if kind is T.SUBSCRIPTIONS else "Pending"
    expected = {
        "charge": f"{charge / 100_000:.5f}",
        "start_count": "0",
        "status": word,
        "remains": str(quantity),
        "currency": "USD",
    }
    answer = await api.form("v2", {"key": ann.key, "action": "status", "order": 2})
    assert (expected, list(expected)) == (answer.said, list(answer.said))
    first = await api.ask("v1", ann.key, "status", order=1)
    assert ["order", "status", "charge", "start_count", "remains"] == list(first)
    assert ("1", word.lower().replace(" ", ""), "0") == (first["order"], first["status"], first["remains"])
    deliveries = await fetch(stocked, "select order_id, run, quantity from delivery order by 1")
    assert [(1, 1, quantity), (2, 1, quantity)] == deliveries
    assert [] == await broken(stocked)


async def test_on_the_v1_page_media_likers_may_name_the_link_alone(api, ann, stocked):
    fields = {"service": OF_TYPE[T.MENTIONS_MEDIA_LIKERS], "link": LINK}
    assert {"status": "success", "order": 1} == await api.ask("v1", ann.key, "add", **fields)
    assert [(2, LINK, {"media": LINK})] == await fetch(
        stocked, "select quantity, link, details from orders join order_detail on order_id = id"
    )
    assert {"error": "Incorrect media"} == await api.ask("v2", ann.key, "add", **fields)


@pytest.mark.parametrize("dialect", ["v1", "v2"])
async def test_parameters_that_say_nothing_are_absent_and_those_of_other_types_ignored(api, ann, dialect):
    noise = {"runs": "undefined", "interval": "null", "comments": "", "usernames": "a", "expiry": "x", "delay": "-1"}
    answer = await api.ask(dialect, ann.key, "add", service=DEFAULT, link=LINK, quantity=" 100 ", **noise)
    assert 1 == answer["order"]


async def test_a_customer_pays_the_rate_of_its_own_price_list(api, ann, stocked):
    await stocked.execute("insert into price_list (name) values ('cheap')")
    await price_lists.keep(stocked, PriceListId(2), {ServiceId(DEFAULT): Decimal("0.10")})
    bob = await buyer(stocked)
    await stocked.execute("update customer set price_list_id = 2 where id = %s", [bob.id])
    assert {"order": 1} == await api.ask("v2", bob.key, "add", service=DEFAULT, link=LINK, quantity=100)
    assert {"order": 2} == await api.ask("v2", ann.key, "add", service=DEFAULT, link=LINK, quantity=100)
    assert (FUNDS - 1_000, FUNDS - CHARGE) == (await balance(stocked, bob.id), await balance(stocked, ann.id))
    rates = [(await api.ask("v2", who.key, "services"))[0]["rate"] for who in (bob, ann)]
    assert ["0.10", "0.90"] == rates


async def test_what_is_free_is_placed_without_money(api, stocked):
    who = await buyer(stocked, "0")
    assert {"order": 1} == await api.ask("v2", who.key, "add", service=FREE, link=LINK, quantity=100)
    assert [] == await fetch(stocked, "select from transfer")
    assert [] == await broken(stocked)


async def test_a_credit_limit_lets_the_balance_go_below_nothing(api, stocked):
    who = await buyer(stocked, "0.05")
    await let_owe(stocked, who.id, 5000)
    assert {"order": 1} == await api.ask("v2", who.key, "add", service=DEFAULT, link=LINK, quantity=100)
    assert {"balance": "-0.04", "currency": "USD"} == await api.ask("v2", who.key, "balance")
    answer = await api.ask("v2", who.key, "add", service=DEFAULT, link=LINK, quantity=100)
    assert {"error": "Not enough funds on balance"} == answer
    assert [] == await broken(stocked)


@pytest.mark.parametrize("how", ["parameter", "header"])
@pytest.mark.parametrize("dialect", ["v1", "v2"])
async def test_the_same_idempotency_key_places_and_charges_once(api, ann, stocked, how, dialect):
    second = make_key("second")
    await customers.add_key(stocked, ann.id, second, PEPPER, by=acting(now()))
    name = "order / \N{SNOWMAN} 1" if how == "parameter" else "order-1"
    header = {"Idempotency-Key": name} if how == "header" else {}
    fields = {"action": "add", "service": DEFAULT, "link": LINK, "quantity": 100}
    fields |= {"idempotency_key": name} if how == "parameter" else {}
    answers = [
        await api.form(dialect, fields | {"key": key}, headers=header) for key in (ann.key, second.text, ann.key)
    ]
    other = await api.form(dialect, fields | {"key": ann.key, "quantity": 101}, headers=header)
    assert [1, 1, 1] == [answer.said["order"] for answer in answers]
    assert {"error": "Idempotency key was used with other parameters"} == other.said
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    bob = await buyer(stocked)
    assert 2 == (await api.form(dialect, fields | {"key": bob.key}, headers=header)).said["order"]
    assert [] == await broken(stocked)


async def test_an_idempotency_key_is_the_same_in_the_header_as_in_a_parameter(api, ann, stocked):
    name = "é \N{SNOWMAN} 1"
    fields = {"key": ann.key, "action": "add", "service": DEFAULT, "link": LINK, "quantity": 100}
    sent = name.encode().decode("latin-1")
    for parameters, headers in (({"idempotency_key": f" {name}\n"}, {}), ({}, {"Idempotency-Key": f"\t{sent} "})):
        assert {"order": 1} == (await api.form("v2", fields | parameters, headers=headers)).said
    assert FUNDS - CHARGE == await balance(stocked, ann.id)


@pytest.mark.parametrize("header", ["\xe9", "a\xc2\x85b", "a\x1bb", "a\x7f", "\xed\xa0\x80"])
async def test_a_header_that_is_no_utf_8_or_holds_a_control_character_is_no_idempotency_key(api, ann, header):
    fields = {"key": ann.key, "service": DEFAULT, "link": LINK, "quantity": 100}
    added = await api.form("v2", {"action": "add", **fields}, headers={"Idempotency-Key": header})
    assert {"error": "Incorrect idempotency_key"} == added.said
    looked = await api.form("v2", {"action": "balance", **fields}, headers={"Idempotency-Key": header})
    assert "100.00" == looked.said["balance"]


@pytest.mark.parametrize("dialect", ["v1", "v2"])
async def test_an_idempotency_key_that_comes_as_a_list_places_nothing(api, ann, stocked, dialect):
    before = await books(stocked)
    fields = {"key": ann.key, "action": "add", "service": DEFAULT, "link": LINK, "quantity": 100}
    answers = [(await api.form(dialect, fields | {"idempotency_key[]": "k"})).said for _ in range(2)]
    assert [{"error": "Incorrect request"}] * 2 == answers or [{"error": "This action is Invalid"}] * 2 == answers
    assert before == await books(stocked)


async def test_one_idempotency_key_many_times_at_once_is_one_order(api, ann, stocked):
    fields = {"service": DEFAULT, "link": LINK, "quantity": 100}
    answers = await asyncio.gather(
        *(api.ask("v2", ann.key, "add", **fields, idempotency_key=f"key {at % 3}") for at in range(60))
    )
    assert 3 == len({one["order"] for one in answers}) == len(await fetch(stocked, "select from orders"))
    assert FUNDS - 3 * CHARGE == await balance(stocked, ann.id)


async def test_a_repeat_may_differ_in_what_the_services_type_does_not_use(api, ann, stocked):
    fields = {"service": DEFAULT, "link": LINK, "quantity": 100, "idempotency_key": "k"}
    for more in ({}, {"comments": "x", "device": 3}, {"runs": 0, "interval": 0}, {"answer_number": "none"}):
        assert {"order": 1} == await api.ask("v2", ann.key, "add", **fields | more)
    refused = {"error": "Idempotency key was used with other parameters"}
    assert refused == await api.ask("v2", ann.key, "add", **fields | {"runs": 2, "interval": 1})
    package = {"service": PACKAGE, "link": LINK, "idempotency_key": "p"}
    for quantity in (1, 99, ""):
        assert {"order": 2} == await api.ask("v2", ann.key, "add", **package, quantity=quantity)


async def test_a_refusal_is_not_remembered_under_its_idempotency_key(api, stocked):
    who = await buyer(stocked, "0.01")
    fields = {"service": DEFAULT, "link": LINK, "quantity": 100, "idempotency_key": "k"}
    assert {"error": "Not enough funds on balance"} == await api.ask("v2", who.key, "add", **fields)
    await pay(stocked, who.id, FUNDS, "1")
    assert {"order": 1} == await api.ask("v2", who.key, "add", **fields)


async def test_an_idempotency_key_answers_after_the_service_was_taken_off_sale(api, ann, stocked):
    fields = {"service": 100, "link": LINK, "quantity": 100, "idempotency_key": "k"}
    await stock(stocked, [service(100)])
    assert {"order": 1} == await api.ask("v2", ann.key, "add", **fields)
    await stock(stocked, [service(100, on_sale=False)])
    assert {"order": 1} == await api.ask("v2", ann.key, "add", **fields)
    assert {"error": "Incorrect service ID"} == await api.ask("v2", ann.key, "add", **fields | {"idempotency_key": "l"})


async def test_an_edit_of_the_price_list_counts_for_the_very_next_order(api, ann, stocked):
    fields = {"service": DEFAULT, "link": LINK, "quantity": 100}
    assert {"order": 1} == await api.ask("v2", ann.key, "add", **fields)
    await stock(stocked, [service(DEFAULT, rate="9", max=150)])
    assert {"order": 2} == await api.ask("v2", ann.key, "add", **fields)
    answer = await api.ask("v2", ann.key, "add", **fields | {"quantity": 151})
    assert {"error": "Quantity more than maximum 150"} == answer
    await stock(stocked, [service(DEFAULT, on_sale=False)])
    assert {"error": "Incorrect service ID"} == await api.ask("v2", ann.key, "add", **fields)
    await stock(stocked, [service(DEFAULT, rate="0.9")])
    assert {"order": 3} == await api.ask("v2", ann.key, "add", **fields)
    assert [(1, 9_000), (2, 90_000), (3, 9_000)] == await fetch(stocked, "select id, charge from orders order by id")
    assert [] == await broken(stocked)


async def test_orders_of_one_second_are_told_apart_and_never_shared(api, stocked):
    people = [await buyer(stocked) for _ in range(5)]
    requests = [(who, at) for at in range(20) for who in people]
    answers = await asyncio.gather(*(api.add(who.key, link=f"{LINK}/{who.id}/{at}") for who, at in requests))
    placed = dict(zip(answers, requests, strict=True))
    rows = await fetch(stocked, "select id, customer_id, link from orders order by id")
    assert [(order, who.id, f"{LINK}/{who.id}/{at}") for order, (who, at) in sorted(placed.items())] == rows
    assert [] == await broken(stocked)


async def several(api, ann):
    return [await api.add(ann.key) for _ in range(3)]


async def test_statuses_come_in_the_order_asked_under_the_ids_as_they_were_written(api, ann):
    await several(api, ann)
    answer = await api.form("v2", {"key": ann.key, "action": "status", "orders": " 3,1 ,, 02,x,3,99,"})
    assert ["3", "1", "02", "x", "99"] == list(answer.said)
    assert {"error": "Incorrect order ID"} == answer.said["x"] == answer.said["99"]
    v1 = await api.ask("v1", ann.key, "status", orders="[3, 1, 77]")
    assert (["3", "1", "77"], "Incorrect order ID") == (list(v1), v1["77"])
    assert {"order", "status", "charge", "start_count", "remains"} == set(v1["3"])


async def test_a_list_of_nothing_but_bad_ids_is_still_an_object(api, ann):
    bad = {"error": "Incorrect order ID"}
    assert {"x": bad, "7": bad} == await api.ask("v2", ann.key, "status", orders="x,7")
    assert {"x": bad["error"], "7": bad["error"]} == await api.ask("v1", ann.key, "status", orders="x,7")


async def test_a_list_wins_over_a_single_id_and_one_in_a_list_is_still_a_list(api, ann):
    await several(api, ann)
    assert ["2"] == list(await api.ask("v2", ann.key, "status", order=1, orders="2"))
    assert ["2"] == list(await api.ask("v2", ann.key, "orders", orders="2"))


async def test_a_hundred_ids_are_answered_and_one_more_is_refused_whole(api, ann):
    await several(api, ann)
    hundred = ",".join(map(str, range(1, 101)))
    for action in ("status", "cancel", "refill"):
        assert 100 == len(await api.ask("v2", ann.key, action, orders=hundred))
        assert {"error": "Maximum 100 IDs"} == await api.ask("v2", ann.key, action, orders=f"{hundred},101")
        assert 100 == len(await api.ask("v2", ann.key, action, orders=f"{hundred},1,2,3"))


async def test_cancel_is_always_an_array_and_says_one_again_while_it_is_open(api, ann, worker, stocked):
    sent = await api.add(ann.key, link=f"{LINK}/stuck")
    await worker.round()
    queued = await api.add(ann.key)
    for dialect in ("v1", "v2"):
        assert [{"order": sent, "cancel": 1}] == await api.ask(dialect, ann.key, "cancel", order=sent)
    answer = await api.ask("v2", ann.key, "cancel", orders=f"{sent},{queued},x,{queued}")
    assert [(sent, 1), (queued, 1), ("x", {"error": "Incorrect order ID"})] == [tuple(one.values()) for one in answer]
    assert "Canceled" == (await api.ask("v2", ann.key, "status", order=queued))["status"]
    assert "Pending" == (await api.ask("v2", ann.key, "status", order=sent))["status"]
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_a_subscription_is_cancelled_at_once(api, ann, stocked):
    fields = {"service": OF_TYPE[T.SUBSCRIPTIONS], **SHAPES[T.SUBSCRIPTIONS]}
    order = (await api.ask("v2", ann.key, "add", **fields))["order"]
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=order)
    assert "Canceled" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    refused = [{"order": order, "cancel": {"error": "Order cannot be canceled"}}]
    assert refused == await api.ask("v2", ann.key, "cancel", orders=order)
    assert [] == await broken(stocked)


@pytest.mark.parametrize("dialect", ["v2", "v1"])
async def test_an_extended_status_tells_quantity_and_link_behind_the_documented_keys(api, ann, stocked, dialect):
    plain = await api.add(ann.key)
    subscription = (await api.ask("v2", ann.key, "add", service=OF_TYPE[T.SUBSCRIPTIONS], **SHAPES[T.SUBSCRIPTIONS]))[
        "order"
    ]
    for number, more in (
        (plain, {"quantity": "100", "link": "https://example.com/me"}),
        (subscription, {"quantity": "0", "link": "them", "orders": []}),
    ):
        documented = await api.ask(dialect, ann.key, "status", order=number)
        extended = await api.ask(dialect, ann.key, "status", order=number, extended=1)
        assert [*documented.items(), *more.items()] == list(extended.items())
    many = await api.ask(dialect, ann.key, "status", orders=f"{plain},99", extended=1)
    assert ["1", "99"] == list(many)
    assert "100" == many["1"]["quantity"]


async def test_an_order_cancelled_twice_at_once_gives_its_money_back_once(api, ann, stocked):
    order = await api.add(ann.key)
    await asyncio.gather(*(api.ask("v2", ann.key, "cancel", orders=order) for _ in range(10)))
    assert FUNDS == await balance(stocked, ann.id)
    assert 1 == len(await fetch(stocked, "select from transfer where kind = 'refund'"))
    assert [] == await broken(stocked)


async def refillable(api, worker, who: Buyer, count):
    orders = [await api.add(who.key, link=f"{LINK}/drop") for _ in range(count)]
    await worker.round()
    await worker.round(BEYOND_THE_END_S)
    return orders


async def test_refills_of_one_and_of_many_answer_in_their_own_shapes(api, ann, worker, stocked):
    first, second, third = await refillable(api, worker, ann, 3)
    assert {"refill": "1"} == await api.ask("v2", ann.key, "refill", order=first)
    many = await api.form("v2", {"key": ann.key, "action": "refill", "orders": f"{third},{second},x,{third}"})
    assert [
        {"order": third, "refill": 2},
        {"order": second, "refill": 3},
        {"order": "x", "refill": {"error": "Incorrect order ID"}},
    ] == many.said
    assert {"status": "Pending"} == await api.ask("v2", ann.key, "refill_status", refill=1)
    answer = await api.ask("v2", ann.key, "refill_status", refills="3,99,1,x")
    missing = {"error": "Refill not found"}
    expected = [(3, "Pending"), (99, missing), (1, "Pending"), ("x", missing)]
    assert [{"refill": refill, "status": status} for refill, status in expected] == answer
    for fields in ({"refill": 1}, {"refills": "1"}):
        assert "Pending" in str(await api.ask("v2", ann.key, "", **fields))
    assert {"status": "Pending"} == await api.ask("v2", ann.key, "refill_status", order=first)
    assert [] == await broken(stocked)


async def test_a_refill_asked_for_many_times_at_once_is_one(api, ann, worker, stocked):
    (order,) = await refillable(api, worker, ann, 1)
    answers = await asyncio.gather(*(api.ask("v2", ann.key, "refill", order=order) for _ in range(10)))
    assert 1 == sum(one == {"refill": "1"} for one in answers)
    assert 1 == len(await fetch(stocked, "select from refill"))


async def test_an_order_may_be_refilled_again_once_the_refill_has_ended(api, ann, worker):
    (order,) = await refillable(api, worker, ann, 1)
    for refill in ("1", "2"):
        assert {"refill": refill} == await api.ask("v2", ann.key, "refill", order=order)
        for _ in range(3):
            await worker.round(BEYOND_THE_END_S)
        assert {"status": "Completed"} == await api.ask("v2", ann.key, "refill_status", order=order)


async def test_the_orders_listing_pages_through_ones_own_newest_first(api, ann, stocked):
    bob = await buyer(stocked)
    for at in range(5):
        await api.add(ann.key, link=f"{LINK}/{at}")
        await api.add(bob.key)
    pages = [await api.ask("v2", ann.key, "orders", limit=2)]
    while len(pages[-1]) == 2:
        pages.append(await api.ask("v2", ann.key, "orders", limit=2, before=pages[-1][-1]["order"]))
    assert [[9, 7], [5, 3], [1]] == [[line["order"] for line in page] for page in pages]
    line = pages[0][0]
    expected = {
        "order": 9, "service": DEFAULT, "link": f"{LINK}/4", "quantity": "100", "charge": "0.09000", "start_count": "0",
        "status": "Pending", "remains": "100", "currency": "USD", "created": line["created"],
    }  # fmt: skip
    assert (expected, list(expected)) == (line, list(line))
    v1 = (await api.ask("v1", ann.key, "orders"))[0]
    assert ("pending", "0.0900", "0", list(expected)) == (v1["status"], v1["charge"], v1["remains"], list(v1))


async def test_the_listing_counts_all_runs_of_a_drip_feed(api, ann):
    await api.add(ann.key, DRIP, runs=3, interval=10)
    line = (await api.ask("v2", ann.key, "orders"))[0]
    assert ("300", "300", "0.27000") == (line["quantity"], line["remains"], line["charge"])


async def test_a_key_may_read_title_case_statuses_in_v1(api, stocked):
    who = await buyer(stocked, key=NewKey("t" * 40, settings=KeySettings(title_case=True)))
    order = await api.add(who.key)
    assert "Pending" == (await api.ask("v1", who.key, "status", order=order))["status"]
    assert "Pending" == (await api.ask("v1", who.key, "status", orders=order))[str(order)]["status"]
    assert "Pending" == (await api.ask("v1", who.key, "orders"))[0]["status"]


async def test_services_tell_more_only_where_more_is_asked_for(api, ann):
    plain = (await api.ask("v2", ann.key, "services"))[0]
    more = (await api.ask("v2", ann.key, "services", extended=1))[0]
    assert ["dripfeed", "desc", "average_time", "delivery_method"] == [name for name in more if name not in plain]
    assert plain == {name: more[name] for name in plain}
    assert plain == (await api.ask("v2", ann.key, "services", extended=0))[0]


async def test_an_empty_price_list_says_so(conn, database):
    who = await buyer(conn)
    async with open_api(database.app_url) as api:
        assert [] == await api.ask("v2", who.key, "services")
        assert {"status": "success", "data": "Empty Data"} == await api.ask("v1", who.key, "services")


async def test_reads_change_nothing(api, ann, stocked):
    await several(api, ann)
    before = await books(stocked)
    for dialect in ("v1", "v2"):
        for action in ("services", "status", "orders", "balance", "refill_status"):
            await api.ask(dialect, ann.key, action, order=1)
            await api.ask(dialect, ann.key, action, orders="1,2,x", refills="1,x")
    assert before == await books(stocked)


async def test_a_read_after_a_write_sees_it(api, ann):
    for at in range(1, 30):
        order = await api.add(ann.key)
        answers, listed, left = await asyncio.gather(
            api.ask("v2", ann.key, "status", order=order),
            api.ask("v2", ann.key, "orders", limit=1),
            api.ask("v2", ann.key, "balance"),
        )
        assert ("Pending", order, f"{100 - at * 0.09:.2f}") == (answers["status"], listed[0]["order"], left["balance"])

"""Every refusal in the words of both pages, and nothing moved by any of them."""

from datetime import timedelta

import pytest
from tests.panel import (
    DEAR,
    DEFAULT,
    DRIP,
    HIDDEN,
    LINK,
    OF_TYPE,
    ONE_PER_LINK,
    PLAIN,
    SHAPES,
    Buyer,
    books,
    broken,
    buyer,
    service,
    stock,
)

from opensmm.domain.catalogue import ServiceType

T = ServiceType
GOOD = {"service": DEFAULT, "link": LINK, "quantity": 100}
NO_FUNDS = "Not enough funds on balance"


def own(kind, name, text=None):
    """A good ask of a type with one of its own parameters left out, or replaced."""
    fields = {"service": OF_TYPE[kind], **SHAPES[kind]}
    return {key: value for key, value in (fields | {name: text or ""}).items() if value != ""}


# What is asked, beside key and action; v2's words; v1's words.
ADDS = [
    ({}, "Incorrect service ID", "There are missing required parameters. Please check your API Manual"),
    (
        GOOD | {"service": ""},
        "Incorrect service ID",
        "There are missing required parameters. Please check your API Manual",
    ),
    (
        GOOD | {"service": "null"},
        "Incorrect service ID",
        "There are missing required parameters. Please check your API Manual",
    ),
    *(
        (GOOD | {"service": number}, "Incorrect service ID", "Service ID does not exists")
        for number in ("999", "0", "-1", "x", "1.0", "1_0", "٣", "１", "1e3", "9" * 19, HIDDEN)
    ),
    *((GOOD | {"link": link}, "Bad link", "Bad Link") for link in ("", "undefined", "javascript:x", "a b", "x" * 2049)),
    *(
        (GOOD | {"quantity": quantity}, "Incorrect quantity", "Quantity is required")
        for quantity in ("", "x", "-5", "1.5", "1e3", "1_000", "٣٠٠", "１００", "NaN", "0x64", "+100", "9" * 19)
    ),
    (
        GOOD | {"quantity": 9},
        "Quantity less than minimal 10",
        "Quantity must to be greater than or equal to minimum amount 10",
    ),
    (
        GOOD | {"quantity": 0},
        "Quantity less than minimal 10",
        "Quantity must to be greater than or equal to minimum amount 10",
    ),
    (
        GOOD | {"quantity": 10_001},
        "Quantity more than maximum 10000",
        "Quantity must to be less than or equal to maximum amount 10000",
    ),
    (
        GOOD | {"service": DRIP, "quantity": 10_001, "runs": 2, "interval": 5},
        "Quantity more than maximum 10000",
        "Quantity must to be less than or equal to maximum amount 10000",
    ),
    (
        GOOD | {"runs": 2, "interval": 5},
        "Drip-feed is disabled for this service",
        "This services does not support Dripfeed feature!",
    ),
    *(
        (GOOD | {"service": DRIP, "runs": runs, "interval": 5}, "Incorrect runs", "Runs is required")
        for runs in ("", "0", "x", "-2", "1001")
    ),
    *(
        (GOOD | {"service": DRIP, "runs": 2, "interval": interval}, "Incorrect interval", "Interval time is required")
        for interval in ("", "0", "x", "-2", "43201")
    ),
    (GOOD | {"service": DEAR, "quantity": 101}, NO_FUNDS, NO_FUNDS),
    *(
        (own(kind, name, text), f"Incorrect {name}", f"{name.capitalize()} field is required")
        for kind, name, text in [
            (T.SEO, "keywords", None),
            (T.CUSTOM_COMMENTS, "comments", None),
            (T.CUSTOM_COMMENTS, "comments", "\n \r\n"),
            (T.CUSTOM_COMMENTS_PACKAGE, "comments", None),
            (T.MENTIONS, "usernames", None),
            (T.MENTIONS, "usernames", ", ,"),
            (T.MENTIONS_WITH_HASHTAGS, "usernames", None),
            (T.MENTIONS_WITH_HASHTAGS, "hashtags", None),
            (T.MENTIONS_CUSTOM_LIST, "usernames", None),
            (T.MENTIONS_HASHTAG, "hashtag", None),
            (T.MENTIONS_USER_FOLLOWERS, "username", None),
            (T.MENTIONS_MEDIA_LIKERS, "media", None),
            (T.COMMENT_LIKES, "username", None),
            (T.COMMENT_REPLIES, "username", None),
            (T.COMMENT_REPLIES, "comments", None),
            (T.POLL, "answer_number", None),
            (T.POLL, "answer_number", "x"),
            (T.INVITES_FROM_GROUPS, "groups", None),
            (T.SUBSCRIPTIONS, "username", None),
            (T.SUBSCRIPTIONS, "min", None),
            (T.SUBSCRIPTIONS, "max", None),
            (T.SUBSCRIPTIONS, "max", "9"),
            (T.SUBSCRIPTIONS, "posts", "x"),
            (T.SUBSCRIPTIONS, "old_posts", "x"),
            (T.SUBSCRIPTIONS, "delay", "7"),
            (T.SUBSCRIPTIONS, "expiry", "31/02/2999"),
            (T.SUBSCRIPTIONS, "expiry", "2999-01-01"),
            (T.SUBSCRIPTIONS, "expiry", "01/01/2020"),
            (T.WEB_TRAFFIC, "country", None),
            (T.WEB_TRAFFIC, "device", "6"),
            (T.WEB_TRAFFIC, "type_of_traffic", "4"),
            (T.WEB_TRAFFIC, "google_keyword", None),
            (T.WEB_TRAFFIC, "referring_url", None),
        ]
        if (kind, name) != (T.WEB_TRAFFIC, "referring_url")
    ),
    (own(T.WEB_TRAFFIC, "type_of_traffic", "2"), "Incorrect referring_url", "Referring_url field is required"),
    (
        own(T.SUBSCRIPTIONS, "min", "1"),
        "Quantity less than minimal 2",
        "Quantity must to be greater than or equal to minimum amount 2",
    ),
    (
        own(T.SUBSCRIPTIONS, "max", "1001"),
        "Quantity more than maximum 1000",
        "Quantity must to be less than or equal to maximum amount 1000",
    ),
    ({"service": OF_TYPE[T.MENTIONS_MEDIA_LIKERS], "quantity": 100, "link": "two words"}, "Bad link", "Bad Link"),
    (GOOD | {"idempotency_key": "k" * 256}, "Incorrect idempotency_key", "Idempotency_key field is required"),
]


async def test_every_refusal_of_an_add_has_its_words_and_moves_nothing(api, ann, stocked):
    before = await books(stocked)
    for fields, v2, v1 in ADDS:
        assert {"error": v2} == await api.ask("v2", ann.key, "add", **fields), fields
        if v2 == "Incorrect media":
            fields = fields | {"media": "two words"}  # on the v1 page the link is the media where there is none
        assert {"error": v1} == await api.ask("v1", ann.key, "add", **fields), fields
    assert before == await books(stocked)


@pytest.mark.parametrize(
    ("action", "fields", "v2", "v1"),
    [
        ("", {}, "Incorrect request", "This action is Invalid"),
        ("nonsense", {}, "Incorrect request", "This action is Invalid"),
        ("", {"order": 1}, "Incorrect request", "This action is Invalid"),
        ("", {"orders": "1,2"}, "Incorrect request", "This action is Invalid"),
        ("", {"refill": 1}, "Refill not found", "Refill not found"),
        *(
            (action, {}, "Incorrect order ID", "Order ID is required parameter. Please check your API Manual")
            for action in ("status", "refill", "cancel")
        ),
        *(
            (
                action,
                {"orders": " , ,"},
                "Incorrect order ID",
                "Order ID is required parameter. Please check your API Manual",
            )
            for action in ("status", "refill", "cancel")
        ),
        *(
            (action, {"order": order}, "Incorrect order ID", "Incorrect order ID")
            for action in ("status", "refill")
            for order in ("99", "x", "0", "-1", "1.0", "٣", "9" * 19)
        ),
        *(
            (action, {"orders": ",".join(map(str, range(101)))}, "Maximum 100 IDs", "Maximum 100 IDs")
            for action in ("status", "refill", "cancel", "orders")
        ),
        ("refill_status", {"refills": ",".join(map(str, range(101)))}, "Maximum 100 IDs", "Maximum 100 IDs"),
        ("refill_status", {}, "Refill not found", "Refill not found"),
        ("refill_status", {"refill": "x"}, "Refill not found", "Refill not found"),
        ("refill_status", {"order": "99"}, "Refill not found", "Refill not found"),
        ("orders", {"limit": 0}, "Incorrect limit", "Limit field is required"),
        ("orders", {"limit": 101}, "Incorrect limit", "Limit field is required"),
        ("orders", {"limit": "x"}, "Incorrect limit", "Limit field is required"),
        ("orders", {"before": "x"}, "Incorrect before", "Before field is required"),
    ],
)
async def test_every_other_refusal_has_its_words(api, ann, stocked, action, fields, v2, v1):
    before = await books(stocked)
    assert {"error": v2} == await api.ask("v2", ann.key, action, **fields)
    assert {"error": v1} == await api.ask("v1", ann.key, action, **fields)
    assert before == await books(stocked)


async def test_money_is_spent_to_the_last_unit_and_not_beyond(api, stocked):
    who = await buyer(stocked, "0.09")
    assert {"order": 1} == await api.ask("v2", who.key, "add", **GOOD)
    before = await books(stocked)
    for dialect in ("v1", "v2"):
        assert {"error": NO_FUNDS} == await api.ask(dialect, who.key, "add", **GOOD | {"quantity": 10})
    assert before == await books(stocked)
    assert "0.00" == (await api.ask("v2", who.key, "balance"))["balance"]


async def test_a_link_with_an_active_order_is_refused_until_it_has_ended(api, ann, stocked):
    words = {"error": "You have active order with this link. Please wait until order being completed."}
    fields = GOOD | {"service": ONE_PER_LINK}
    assert {"order": 1} == await api.ask("v2", ann.key, "add", **fields)
    before = await books(stocked)
    for dialect in ("v1", "v2"):
        assert words == await api.ask(dialect, ann.key, "add", **fields)
    assert before == await books(stocked)
    await api.ask("v2", ann.key, "cancel", order=1)
    assert {"order": 2} == await api.ask("v2", ann.key, "add", **fields)
    assert [] == await broken(stocked)


async def test_a_suspended_customer_may_read_and_not_add(api, ann, stocked):
    order = await api.add(ann.key)
    await stocked.execute("update customer set suspended = true where id = %s", [ann.id])
    before = await books(stocked)
    for dialect in ("v1", "v2"):
        assert {"error": "Your account has been suspended."} == await api.ask(dialect, ann.key, "add", **GOOD)
        assert "99.91" == (await api.ask(dialect, ann.key, "balance"))["balance"]
        assert "pending" == (await api.ask(dialect, ann.key, "status", order=order))["status"].lower()
    assert before == await books(stocked)


async def test_another_customers_order_answers_byte_for_byte_like_a_missing_one(api, ann, worker, stocked):
    bob = await buyer(stocked)
    order = await api.add(ann.key)
    await worker.round()
    await worker.round(9)
    await api.ask("v2", ann.key, "refill", order=order)
    before = await books(stocked)
    for dialect in ("v1", "v2"):
        for action, name in (
            ("status", "order"), ("status", "orders"), ("refill", "order"), ("refill", "orders"), ("cancel", "order"),
            ("cancel", "orders"), ("refill_status", "refill"), ("refill_status", "refills"), ("refill_status", "order"),
        ):  # fmt: skip
            answers = [
                (await api.form(dialect, {"key": bob.key, "action": action, name: number})).body.replace(
                    str(number).encode(), b"N"
                )
                for number in (order, 987)
            ]
            assert answers[0] == answers[1], (dialect, action, name)
        assert [] == await api.ask(dialect, bob.key, "orders")
    assert before == await books(stocked)


async def completed(api, worker, who: Buyer, number):
    order = await api.add(who.key, number)
    await worker.round()
    await worker.round(9)
    return order


async def test_refills_are_refused_in_words(api, ann, worker, clock, stocked):
    waiting = service(100, refill=True, refill_wait_h=24)
    await stock(stocked, [waiting])
    never, opened = await completed(api, worker, ann, PLAIN), await api.add(ann.key, DEFAULT)
    early = await completed(api, worker, ann, 100)
    fit = await completed(api, worker, ann, DEFAULT)
    unended = await api.add(ann.key, DEFAULT)
    assert {"refill": "1"} == await api.ask("v2", ann.key, "refill", order=fit)
    before = await books(stocked)
    words = {
        never: "Refill is disabled for this service",
        unended: "The order is not completed",
        early: "The order was completed or refill was requested less than 24 hours ago",
        fit: "The refill task is not completed for this order",
    }
    for dialect in ("v1", "v2"):
        for order, text in words.items():
            assert {"error": text} == await api.ask(dialect, ann.key, "refill", order=order)
        answer = await api.ask(dialect, ann.key, "refill", orders=",".join(map(str, words)))
        assert [{"order": order, "refill": {"error": text}} for order, text in words.items()] == answer
    assert before == await books(stocked)
    clock.forward(timedelta(hours=24).total_seconds())
    assert {"refill": "2"} == await api.ask("v2", ann.key, "refill", order=early)
    assert opened < early


async def test_cancels_are_refused_in_words(api, ann, worker, stocked):
    ended, never = await completed(api, worker, ann, DEFAULT), await api.add(ann.key, PLAIN)
    before = await books(stocked)
    refused = {"error": "Order cannot be canceled"}
    for dialect in ("v1", "v2"):
        answer = await api.ask(dialect, ann.key, "cancel", orders=f"{ended},{never},x,99")
        expected = [(ended, refused), (never, refused)]
        expected += [(order, {"error": "Incorrect order ID"}) for order in ("x", 99)]
        assert [{"order": order, "cancel": text} for order, text in expected] == answer
    assert before == await books(stocked)

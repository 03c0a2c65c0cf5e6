"""Asks on the wire, in both dialects."""

from datetime import date
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import (
    ACTIONS,
    MALFORMED,
    MAX_IDS,
    AddOrder,
    CancelOrders,
    GetBalance,
    GetRefillStatus,
    GetStatus,
    ListOrders,
    ListServices,
    Request,
    RequestedIds,
    RequestRefills,
    TypeDetails,
    many_ids,
    one_id,
)
from opensmm.wire.dialect import Dialect
from opensmm.wire.form import Fields, read_form, write_form
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

FORM = b"application/x-www-form-urlencoded"
both = pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])


def read_add(**fields: str) -> AddOrder:
    request = V2.read_request({"action": "add", **fields})
    assert isinstance(request, AddOrder)
    return request


def read_orders(fields: Fields, dialect: Dialect = V2) -> RequestedIds | Refused:
    request = dialect.read_request({"action": "status", **fields})
    if isinstance(request, Refused):
        return request
    assert isinstance(request, GetStatus)
    return request.orders


@both
def test_every_action_is_known(dialect: Dialect) -> None:
    for action in ACTIONS:
        assert Refused(Refusal.UNKNOWN_ACTION) != dialect.read_request({"action": action})
    assert len(ACTIONS) == len(get_args(Request))


@both
def test_an_action_may_be_in_any_letter_case(dialect: Dialect) -> None:
    assert GetBalance() == dialect.read_request({"action": " BaLance\r\n"})


@both
@pytest.mark.parametrize(
    "fields", [{}, {"action": ""}, {"action": "buy"}, {"order": "1"}, {"orders": "1"}, {"orders": ("1",)}]
)
def test_other_actions_and_none_are_refused(dialect: Dialect, fields: Fields) -> None:
    assert Refused(Refusal.UNKNOWN_ACTION) == dialect.read_request(fields)


@both
def test_a_bare_refill_is_a_refill_status(dialect: Dialect) -> None:
    assert GetRefillStatus(one_id(7)) == dialect.read_request({"refill": "7"})
    assert GetRefillStatus(many_ids((7, 8))) == dialect.read_request(
        {"refills": "7,8", "refill": "9", "action": "null"}
    )
    assert GetRefillStatus(many_ids((7,))) == dialect.read_request({"refills": ("7",)})


def test_an_order_is_read() -> None:
    assert AddOrder(1, "https://a.example/b", 100, 2, 30) == read_add(
        service=" 1 ", link=" https://a.example/b\n", quantity="\t100", runs="02", interval="30", key="k"
    )


@pytest.mark.parametrize("word", ["", " ", "undefined", "null", " null "])
def test_empty_words_are_absent(word: str) -> None:
    names = ("service", "link", "quantity", "runs", "interval", "idempotency_key", *TypeDetails.__struct_fields__)
    assert AddOrder(None) == read_add(**dict.fromkeys(names, word))


@pytest.mark.parametrize("text", ["1_000", "٣", "\uff11", "1e3", "1.0", "-1", "+1", "NaN", "0x1", "1 0", "²", "1" * 19])
def test_other_numbers_than_ascii_digits_are_malformed(text: str) -> None:
    assert MALFORMED == read_add(quantity=text).quantity
    assert MALFORMED == read_add(delay=text).details.delay


def test_eighteen_digits_are_a_number() -> None:
    assert 10**18 - 1 == read_add(quantity="9" * 18).quantity


def test_comments_split_at_line_ends_only() -> None:
    assert ("one, two", " three", "NULL", "a\rb") == read_add(
        comments="one, two\r\n three\n\n \t\r\nNULL\na\rb\r\n"
    ).details.comments


def test_names_split_at_line_ends_and_commas() -> None:
    details = read_add(usernames="a, b\r\nc,,\n", hashtags="#x,#y", groups="g,h\ni", keywords="k l\nm").details
    assert ("a", "b", "c") == details.usernames
    assert ("#x", "#y") == details.hashtags
    assert ("g,h", "i") == details.groups
    assert ("k l", "m") == details.keywords


def test_a_list_may_come_as_an_array() -> None:
    request = V2.read_request({"action": "add", "comments": ("a, b", "", "c\r\nd"), "usernames": ("a, b", "c")})
    assert AddOrder(None, details=TypeDetails(comments=("a, b", "c", "d"), usernames=("a", "b", "c"))) == request


@pytest.mark.parametrize(
    ("text", "expiry"),
    [
        ("31/12/2030", date(2030, 12, 31)),
        ("1/2/2030", date(2030, 2, 1)),
        ("31/02/2030", date.min),
        ("2030-12-31", date.min),
        ("12/31/2030", date.min),
        ("1/1/0000", date.min),
        ("1/1/30", date.min),
        ("soon", date.min),
        ("", None),
    ],
)
def test_an_expiry_is_day_month_year(text: str, expiry: date | None) -> None:
    assert expiry == read_add(expiry=text, username="u").details.expiry


def test_an_idempotency_key_has_at_most_255_characters() -> None:
    assert "é" * 255 == read_add(idempotency_key="é" * 255).idempotency_key
    assert Refused(Refusal.PARAMETER, "idempotency_key") == V2.read_request(
        {"action": "add", "idempotency_key": "k" * 256}
    )


def test_an_idempotency_key_is_the_same_whatever_blanks_are_around_it() -> None:
    assert "a b" == read_add(idempotency_key=" a b\t").idempotency_key
    assert "k" * 255 == read_add(idempotency_key=" " + "k" * 255 + "\n").idempotency_key


@pytest.mark.parametrize("unfit", ["\x00", "\x1b", "\x7f", "\x85", "\udcff"])
def test_an_idempotency_key_holds_no_control_character(unfit: str) -> None:
    refused = Refused(Refusal.PARAMETER, "idempotency_key")
    assert refused == V2.read_request({"action": "add", "idempotency_key": f"a{unfit}b"})


@both
def test_one_order_is_asked_after_by_its_id(dialect: Dialect) -> None:
    assert one_id(5) == read_orders({"order": " 5 "}, dialect)
    assert RequestedIds(("007",), (7,)) == read_orders({"order": "007"}, dialect)


@both
def test_many_ids_are_trimmed_and_answered_once(dialect: Dialect) -> None:
    assert RequestedIds(("3", "x", "07", "1"), (3, MALFORMED, 7, 1), many=True) == read_orders(
        {"orders": " 3,, x,07 ,1,3,7,x, ,", "order": "9"}, dialect
    )
    assert RequestedIds(("2", "a,b"), (2, MALFORMED), many=True) == read_orders(
        {"orders": (" 2", "", "a,b", "2")}, dialect
    )


@both
def test_more_than_a_hundred_ids_are_refused_whole(dialect: Dialect) -> None:
    most = [str(number) for number in range(MAX_IDS)]
    assert many_ids(tuple(range(MAX_IDS))) == read_orders({"orders": ",".join([*most, "0", ""])}, dialect)
    for too_many in (",".join([*most, "100"]), (*most, "x")):
        assert Refused(Refusal.TOO_MANY_IDS) == read_orders({"orders": too_many}, dialect)


@both
@pytest.mark.parametrize("action", ["status", "refill", "cancel"])
@pytest.mark.parametrize("fields", [{}, {"order": " "}, {"orders": ","}, {"orders": ()}, {"orders": "null"}])
def test_an_ask_without_an_order_is_refused(dialect: Dialect, action: str, fields: Fields) -> None:
    assert Refused(Refusal.ORDER_MISSING) == dialect.read_request({"action": action, **fields})


@both
@pytest.mark.parametrize("fields", [{}, {"refill": ""}, {"refills": ", ,"}, {"orders": "1"}])
def test_an_ask_without_a_refill_is_refused(dialect: Dialect, fields: Fields) -> None:
    assert Refused(Refusal.REFILL_UNKNOWN) == dialect.read_request({"action": "refill_status", **fields})


@both
def test_a_single_order_is_enough(dialect: Dialect) -> None:
    assert GetRefillStatus(order=one_id(5)) == dialect.read_request({"action": "refill_status", "order": "5"})
    assert GetRefillStatus(one_id(6)) == dialect.read_request({"action": "refill_status", "order": "5", "refill": "6"})
    assert CancelOrders(one_id(5)) == dialect.read_request({"action": "cancel", "order": "5"})


@pytest.mark.parametrize("text", ["[1, 2]", ' ["1","2"]', '["1", 2, 1]'])
def test_v1_reads_the_text_of_an_array(text: str) -> None:
    assert many_ids((1, 2)) == read_orders({"orders": text}, V1)


@pytest.mark.parametrize("text", ["[1", "[1.5]", "[[1]]", "[{}]", "[" * 100_000, '["\\ud800"]', '["\ud800"]'])
def test_v1_takes_a_broken_array_for_bad_ids(text: str) -> None:
    ids = read_orders({"orders": text}, V1)
    assert isinstance(ids, RequestedIds)
    assert {MALFORMED} == set(ids.numbers)


def test_the_listing_of_orders_is_bounded() -> None:
    assert ListOrders() == V2.read_request({"action": "orders"})
    assert ListOrders(20, 500) == V2.read_request({"action": "orders", "limit": "20", "before": "500"})
    assert GetStatus(many_ids((1,))) == V2.read_request({"action": "orders", "orders": "1"})
    for limit in ("0", "101", "x"):
        assert Refused(Refusal.PARAMETER, "limit") == V2.read_request({"action": "orders", "limit": limit})
    assert Refused(Refusal.PARAMETER, "before") == V2.read_request({"action": "orders", "before": "x"})


def test_a_list_of_services_may_be_extended() -> None:
    assert ListServices() == V2.read_request({"action": "services", "extended": "0"})
    assert ListServices(extended=True) == V2.read_request({"action": "services", "extended": "1"})


characters = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=",")
texts = st.text(characters, max_size=20).map(str.strip).filter(lambda text: text not in ("null", "undefined"))
lists = st.lists(texts.filter(bool), max_size=4).map(tuple)
numbers = st.none() | st.integers(0, 10**18 - 1)
details = st.builds(
    TypeDetails,
    **dict.fromkeys(("comments", "usernames", "hashtags", "keywords", "groups"), lists),
    **dict.fromkeys(("hashtag", "username", "media", "country", "google_keyword", "referring_url"), texts),
    **dict.fromkeys(
        ("answer_number", "min", "max", "posts", "old_posts", "delay", "device", "type_of_traffic"), numbers
    ),
    expiry=st.none() | st.dates(),
)
adds = st.builds(
    AddOrder,
    service=numbers,
    link=texts,
    quantity=numbers,
    runs=numbers,
    interval_min=numbers,
    details=details,
    idempotency_key=texts,
)
singles = st.builds(one_id, st.integers(0, 10**18 - 1)) | st.just(RequestedIds(("a-7f",), (MALFORMED,)))
lists_of_ids = st.lists(st.integers(0, 10**18 - 1), min_size=1, max_size=MAX_IDS, unique=True).map(tuple)
ids = singles | st.builds(many_ids, lists_of_ids)
asks = st.one_of(
    adds,
    st.builds(ListServices, st.booleans()),
    st.builds(GetStatus, ids, st.booleans()),
    st.builds(ListOrders, st.integers(1, MAX_IDS), numbers),
    st.builds(RequestRefills, ids),
    st.builds(GetRefillStatus, ids),
    st.builds(GetRefillStatus, order=singles),
    st.builds(CancelOrders, ids),
    st.just(GetBalance()),
)


@both
@given(asks)
def test_an_ask_written_is_read_again(dialect: Dialect, request: Request) -> None:
    written = dialect.write_request("secret", request)
    assert request == dialect.read_request(dict(written))
    fields = read_form(FORM, b"", write_form(written))
    assert fields is not None
    assert "secret" == fields["key"]
    assert request == dialect.read_request(fields)


parameter_names = st.sampled_from(
    ["action", "order", "orders", "refill", "refills", "limit", *TypeDetails.__struct_fields__]
)
parameter_values = st.text() | st.sampled_from(["[", "[1]", "-1", "٣"]) | st.lists(st.text()).map(tuple)


@both
@given(st.sampled_from(ACTIONS), st.dictionaries(parameter_names, parameter_values))
def test_whatever_is_asked_is_read_or_refused(dialect: Dialect, action: str, fields: Fields) -> None:
    request = dialect.read_request({"action": action, **fields})
    assert isinstance(request, (Refused, *get_args(Request)))


@both
def test_a_comma_in_order_makes_a_status_of_many_and_orders_still_wins(dialect):
    assert GetStatus(RequestedIds(("7", "8"), (7, 8), many=True)) == dialect.read_request(
        {"action": "status", "order": "7, 8"}
    )
    assert GetStatus(RequestedIds(("9",), (9,), many=True)) == dialect.read_request(
        {"action": "status", "order": "7,8", "orders": "9"}
    )
    assert not dialect.read_request({"action": "status", "order": "7"}).orders.many


@both
@pytest.mark.parametrize(("name", "many"), [("order", False), ("orders", True)])
def test_refill_1_beside_an_order_asks_for_a_refill_where_no_action_is_named(dialect, name, many):
    assert RequestRefills(RequestedIds(("7",), (7,), many=many)) == dialect.read_request({"refill": "1", name: "7"})
    assert GetRefillStatus(RequestedIds(("57",), (57,))) == dialect.read_request({"refill": "57"})
    assert GetRefillStatus(RequestedIds(("1",), (1,))) == dialect.read_request({"refill": "1"})

"""The transport rules of both dialects, one by one, on the real endpoint."""

import asyncio
import gzip
import json
from collections import Counter
from typing import Any
from urllib.parse import quote

import pytest
from tests.panel import (
    DEFAULT,
    LINK,
    OF_TYPE,
    PEPPER,
    PRICE_LIST,
    Api,
    acting,
    books,
    buyer,
    fetch,
    now,
    service,
    until,
)

from opensmm.actions import customers
from opensmm.actions.api_facade import ApiOperations
from opensmm.actions.customers import NewKey, make_key
from opensmm.actions.services import save_services
from opensmm.api.authentication import LOOK_UPS_AT_ONCE
from opensmm.api.endpoint import Endpoint
from opensmm.api.http import MAX_BODY, MAX_DISCARDED
from opensmm.domain.catalogue import ServiceType
from opensmm.store.api_keys import KeySettings
from opensmm.wire import json_form, requests

FORM = "application/x-www-form-urlencoded"
BALANCE = {"balance": "100.00", "currency": "USD"}
MALFORMED = (200, {"error": "Incorrect request"})
NO_KEY = {
    "v2": {"error": "Invalid API key"},
    "v1": {"error": "API is Disable for this user or User Not Found! Contact the Support"},
}


def multipart(fields, boundary="xYx"):
    parts = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields)
    return f"{parts}--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@pytest.mark.parametrize("path", ["/api/v2", "/api/v2/"])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_each_dialect_answers_at_its_path_with_and_without_a_slash(api, ann, path, method):
    answer = await api.call(path, query=f"key={ann.key}&action=balance", method=method)
    assert (200, BALANCE) == (answer.status, answer.said)
    v1 = await api.call(path.replace("2", "1"), query=f"key={ann.key}&action=balance", method=method)
    assert (200, {"status": "success", **BALANCE}) == (v1.status, v1.said)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "get"])
@pytest.mark.parametrize("path", ["/api/v2", "/api/v1/"])
async def test_a_method_that_is_neither_get_nor_post_is_refused_and_buys_nothing(api, ann, stocked, path, method):
    before = await books(stocked)
    order = f"key={ann.key}&action=add&service=1&quantity=100&link={LINK}"
    for sent in ({"query": order}, {"body": order.encode()}):
        answer = await api.call(path, **sent, method=method)
        assert MALFORMED == (answer.status, answer.said)
    assert before == await books(stocked)


@pytest.mark.parametrize("path", ["/api/v3", "/api", "/api/v2/x", "/API/V2", "/api//v2"])
async def test_any_other_path_is_not_found(api, path):
    answer = await api.call(path)
    assert (404, {"error": "Not found"}) == (answer.status, answer.said)


async def test_a_body_may_be_a_form_multipart_json_or_have_no_type(api, ann):
    fields = {"key": ann.key, "action": "balance"}
    form = f"key={ann.key}&action=balance".encode()
    encoded = json.dumps(fields).encode()
    body, kind = multipart(fields.items())
    for content, content_type in [
        (form, FORM),
        (form, f"{FORM}; charset=UTF-8"),
        (form, FORM.upper()),
        (form, None),
        (form, "text/plain"),
        (encoded, "application/json"),
        (encoded, "application/json; charset=utf-8"),
        (encoded, None),
        (b"  " + encoded, "text/plain"),
        (body, kind),
    ]:
        answer = await api.call(body=content, content_type=content_type)
        assert (200, BALANCE) == (answer.status, answer.said), content_type


async def test_parameters_may_come_in_the_query_of_a_get_or_a_post_and_the_body_wins(api, ann):
    query = f"key={ann.key}&action=services"
    assert BALANCE == (await api.call(query=f"key={ann.key}&action=balance", method="GET")).said
    assert BALANCE == (await api.call(query=query, body=b"action=balance")).said
    assert NO_KEY["v2"] == (await api.call(query=query, body=b"key=wrong")).said


@pytest.mark.parametrize("bearer", ["Bearer {}", "bearer {}", "BEARER  {} "])
async def test_a_bearer_token_stands_in_for_a_missing_key(api, ann, bearer):
    answer = await api.call(body=b"action=balance", headers={"Authorization": bearer.format(ann.key)})
    assert BALANCE == answer.said
    other = await api.call(body=b"action=balance&key=wrong", headers={"Authorization": bearer.format(ann.key)})
    assert NO_KEY["v2"] == other.said


@pytest.mark.parametrize("nothing", ["", " ", "null", "undefined"])
async def test_a_header_stands_in_for_a_parameter_that_says_nothing(api, ann, nothing):
    bearer = {"Authorization": f"Bearer {ann.key}"}
    assert BALANCE == (await api.call(body=f"action=balance&key={nothing}".encode(), headers=bearer)).said
    order = f"key={ann.key}&action=add&service=1&quantity=100&link={LINK}&idempotency_key={nothing}".encode()
    for _ in range(2):
        assert {"order": 1} == (await api.call(body=order, headers={"Idempotency-Key": "once"})).said


@pytest.mark.parametrize("word", ["balance", "BALANCE", "Balance", " balance "])
async def test_an_action_may_be_in_any_letter_case(api, ann, word):
    assert BALANCE == await api.ask("v2", ann.key, word)


async def test_json_values_may_be_numbers_and_lists_arrays(api, ann):
    placed = {"key": ann.key, "action": "add", "service": DEFAULT, "link": LINK, "quantity": 100}
    assert {"order": 1} == (await api.call(body=json.dumps(placed).encode(), content_type="application/json")).said
    for body, kind in [
        (json.dumps({"key": ann.key, "action": "status", "orders": [1, "2"]}).encode(), "application/json"),
        (f"key={ann.key}&action=status&orders[]=1&orders[]=2".encode(), FORM),
        (f"key={ann.key}&action=status&orders%5B%5D=1&orders%5B1%5D=2".encode(), FORM),
        (f"key={ann.key}&action=status&orders=1%2C2".encode(), FORM),
        multipart([("key", ann.key), ("action", "status"), ("orders[]", "1"), ("orders[]", "2")]),
    ]:
        assert ["1", "2"] == list((await api.call(body=body, content_type=kind)).said), body


BAD_FORMS = [
    b"action=balance&action=balance",
    b"action=balance&x=1&x=2",
    b"action=balance&x=%",
    b"action=balance&x=%zz",
    b"action=balance&x=%ff",
    b"action=balance&x=\xff",
    b"action=balance&x=%00",
    b"action=balance&x=%1b",
    b"action=balance&x=%C2%85",
    b"action=balance&x=%ED%A0%80",
    b"&".join(b"x%d=1" % at for at in range(1001)),
]
BAD_JSON = [
    b"[]",
    b"null",
    b'"balance"',
    b"{",
    b'{"action": true}',
    b'{"action": 1.5}',
    b'{"action": {}}',
    b'{"action": ["balance"]}',
    b'{"action": NaN}',
    b'{"action": Infinity}',
    b'{"action": "balance", "action": "balance"}',
    b'{"action": "balance", "x": "\\u0000"}',
    b'{"action": "balance", "x": "\\ud800"}',
    b'{"action": "balance", "orders": [[1]]}',
    b'{"action": "balance"} x',
    b'{"x":' * 2000,
    b"\xff",
]


@pytest.mark.parametrize("dialect", ["v1", "v2"])
async def test_what_is_malformed_gets_one_clean_refusal(api, ann, dialect):
    upload = (
        b'--x\r\nContent-Disposition: form-data; name="action"; filename="a.txt"\r\n\r\nbalance\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
    )
    bad = [(body, FORM) for body in BAD_FORMS] + [(body, "application/json") for body in BAD_JSON]
    cut = (b"--x\r\nContent-Dispo", "multipart/form-data; boundary=x")
    for body, kind in [*bad, upload, cut, (b"x", "multipart/form-data")]:
        answer = await api.call(f"/api/{dialect}", body, content_type=kind, query=f"key={ann.key}")
        assert MALFORMED == (answer.status, answer.said), body[:40]


async def test_blanks_of_lists_and_marks_of_right_to_left_text_are_kept(api, ann, stocked):
    comments = "\u200fمرحبا\u200f\r\n\tzero\u200bwidth\n👍🏽 \u202eevil\u202c"
    order = await api.ask(
        "v2", ann.key, "add", service=OF_TYPE[ServiceType.CUSTOM_COMMENTS], link=LINK, comments=comments
    )
    assert {"order": 1} == order
    ((row,),) = await fetch(stocked, "select details -> 'comments' from order_detail")
    assert ["\u200fمرحبا\u200f", "\tzero\u200bwidth", "👍🏽 \u202eevil\u202c"] == row


async def test_every_answer_is_json_that_nobody_stores(api, ann):
    for answer in (
        await api.form("v2", {"key": ann.key, "action": "balance"}),
        await api.form("v1", {"key": ann.key, "action": "services"}),
        await api.form("v2", {"key": "wrong"}),
        await api.call("/nothing"),
        await api.call(body=b"x" * (MAX_BODY + 1)),
    ):
        headers = {name: answer.headers[name] for name in ("content-type", "cache-control", "content-length")}
        assert ["application/json", "no-store", str(len(answer.body))] == list(headers.values())


async def test_a_body_over_the_limit_is_refused_in_words(api, ann):
    fit = f"key={ann.key}&action=balance&x=".encode()
    assert BALANCE == (await api.call(body=fit + b"x" * (MAX_BODY - len(fit)))).said
    for pieces in (
        [b"x" * (MAX_BODY + 1)],
        [b"x" * MAX_BODY, b"x"],
        [b"x" * (1 << 20)] * (MAX_DISCARDED // (1 << 20) + 9),
    ):
        answer = await api.call(pieces=pieces)
        assert (413, {"error": "Request too large"}) == (answer.status, answer.said)


async def test_a_body_may_come_in_pieces(api, ann):
    body = f"key={ann.key}&action=balance".encode()
    assert BALANCE == (await api.call(pieces=[body[at : at + 3] for at in range(0, len(body), 3)])).said


async def test_a_client_that_leaves_mid_body_gets_no_answer_and_does_nothing(api, ann, stocked):
    before = await books(stocked)
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    messages = [
        {
            "type": "http.request",
            "body": f"key={ann.key}&action=add&service=1&link=x&quantity=100".encode(),
            "more_body": True,
        },
        {"type": "http.disconnect"},
    ]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": "/api/v2",
        "query_string": b"",
        "headers": [],
        "client": None,
    }
    await api.application(scope, receive, send)
    assert ([], before) == (sent, await books(stocked))


async def test_the_key_is_never_echoed(api, ann, caplog, capsys):
    strange = "ThisIsMyStrangeKey0123456789"
    for dialect in ("v1", "v2"):
        for action in ("balance", "nonsense", "add", "status", "refill", "cancel", strange):
            for key in (ann.key, strange):
                answer = await api.form(dialect, {"key": key, "action": action, "order": key, "service": key})
                heads = " ".join(answer.headers.values())
                if action in ("balance", "nonsense", "add", strange):
                    assert key.encode() not in answer.body
                assert key not in heads
    printed = capsys.readouterr()
    assert ann.key not in printed.out + printed.err + caplog.text


@pytest.mark.parametrize("dialect", ["v1", "v2"])
async def test_wrong_keys_are_limited_per_address_and_right_ones_from_elsewhere_are_not(api, ann, dialect):
    for at in range(20):
        assert NO_KEY[dialect] == await api.ask(dialect, f"wrong {at}", "balance")
    answer = await api.form(dialect, {"key": "wrong again", "action": "balance"})
    assert (429, {"error": "Too many requests"}) == (answer.status, answer.said)
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    api.address = "192.0.2.2"
    assert "100.00" == (await api.ask(dialect, ann.key, "balance"))["balance"]


async def test_many_guesses_at_once_are_no_more_than_one_after_the_other(api, stocked, ann):
    people = [await buyer(stocked, f"{at}.00") for at in range(1, 31)]
    welcome = await asyncio.gather(*(api.ask("v2", who.key, "balance") for who in people))
    assert [f"{at}.00" for at in range(1, 31)] == [said["balance"] for said in welcome], "right keys only wait"
    guesses = [api.form("v2", {"key": f"wrong {at}", "action": "balance"}) for at in range(300)]
    answers = Counter(answer.status for answer in await asyncio.gather(*guesses))
    assert 20 <= answers[200] < 20 + LOOK_UPS_AT_ONCE
    assert 300 == answers[200] + answers[429]


async def test_a_key_that_is_known_goes_on_working_beside_a_guesser(api, ann):
    assert BALANCE == await api.ask("v2", ann.key, "balance")
    for at in range(25):
        await api.form("v2", {"key": f"wrong {at}", "action": "balance"})
    assert BALANCE == await api.ask("v2", ann.key, "balance")


@pytest.mark.parametrize("key", ["", "x", "x" * 129, "x" * 100_000, "ключ", "' or 1=1 --"])
async def test_a_key_that_is_none_is_refused(api, key):
    for dialect in ("v1", "v2"):
        assert NO_KEY[dialect] == await api.ask(dialect, key, "balance")


async def test_a_key_bound_to_addresses_is_refused_elsewhere(api, stocked):
    who = await buyer(stocked, key=NewKey("k" * 40, settings=KeySettings(addresses=("192.0.2.7", "2001:db8::1"))))
    assert {"error": "IP not allowed"} == await api.ask("v2", who.key, "balance")
    api.address = "2001:db8::1"
    assert BALANCE == await api.ask("v2", who.key, "balance")


async def test_a_revoked_key_places_nothing_from_the_moment_it_is_revoked_and_reads_nothing_a_second_later(
    api, stocked, ann
):
    key = make_key("second")
    number = await customers.add_key(stocked, ann.id, key, PEPPER, by=acting(now()))
    assert {"order": 1} == await api.ask("v2", key.text, "add", service=DEFAULT, link=LINK, quantity=100)
    await customers.revoke_keys(stocked, [number], by=acting(now()))
    before = await books(stocked)
    assert NO_KEY["v2"] == await api.ask("v2", key.text, "add", service=DEFAULT, link=LINK, quantity=100)
    assert before == await books(stocked)

    async def gone():
        return NO_KEY["v2"] == await api.ask("v2", key.text, "balance")

    await until(gone)
    assert "99.91" == (await api.ask("v2", ann.key, "balance"))["balance"]


async def test_the_price_list_may_be_kept_by_its_tag(api, ann):
    query = f"key={ann.key}&action=services"
    first = await api.call(query=query, method="GET")
    tag = first.headers["etag"]
    again = await api.call(query=query, method="GET", headers={"If-None-Match": tag})
    assert (304, b"", tag) == (again.status, again.body, again.headers["etag"])
    other = await api.call(query=query, method="GET", headers={"If-None-Match": '"other"'})
    assert (200, first.body) == (other.status, other.body)
    posted = await api.form("v2", {"key": ann.key, "action": "services"})
    assert (first.body, False) == (posted.body, "etag" in posted.headers)


async def test_the_price_list_comes_compressed_to_whoever_can_read_it(api, ann):
    fields = {"key": ann.key, "action": "services"}
    plain = await api.form("v2", fields)
    packed = await api.form("v2", fields, headers={"Accept-Encoding": "br, gzip"})
    assert ("gzip", plain.body) == (packed.headers["content-encoding"], gzip.decompress(packed.body))
    assert "content-encoding" not in plain.headers
    assert {"accept-encoding"} == {plain.headers["vary"], packed.headers["vary"]}
    for refused in ("gzip;q=0", "br, gzip; q=0.0, deflate", "x-gzip-not", "identity"):
        assert plain.body == (await api.form("v2", fields, headers={"Accept-Encoding": refused})).body
    weighed = await api.form("v2", fields, headers={"Accept-Encoding": "deflate, GZIP;q=0.5"})
    assert packed.body == weighed.body


async def test_each_coding_of_the_price_list_has_a_tag_of_its_own(api, ann):
    query = f"key={ann.key}&action=services"
    plain = await api.call(query=query, method="GET")
    packed = await api.call(query=query, method="GET", headers={"Accept-Encoding": "gzip"})
    assert plain.headers["etag"] != packed.headers["etag"]
    tag = {"If-None-Match": packed.headers["etag"]}
    assert 304 == (await api.call(query=query, method="GET", headers=tag | {"Accept-Encoding": "gzip"})).status
    assert 200 == (await api.call(query=query, method="GET", headers=tag)).status


async def test_an_edit_of_the_price_list_is_shown_within_a_second(api, ann, stocked):
    before = await api.ask("v2", ann.key, "services")
    assert "0.90" == before[0]["rate"]
    edited = service(DEFAULT, rate="1.234", refill=True, cancel=True, name="Renamed")
    await save_services(stocked, [edited], by=acting(now()))

    async def shown():
        return (await api.ask("v2", ann.key, "services"))[0]["rate"] == "1.234"

    await until(shown)
    after = await api.ask("v2", ann.key, "services")
    assert ("Renamed", before[1:]) == (after[0]["name"], after[1:])


async def test_many_requests_at_once_are_each_answered_as_their_own(api, stocked):
    people = [await buyer(stocked, f"{at}.00") for at in range(1, 21)]
    requests = [who for _ in range(20) for who in people]
    answers = await asyncio.gather(*(api.ask("v2", who.key, "balance") for who in requests))
    assert [f"{at}.00" for _ in range(20) for at in range(1, 21)] == [one["balance"] for one in answers]


async def test_every_service_on_sale_is_listed_and_no_other(api, ann):
    listed = [line["service"] for line in await api.ask("v2", ann.key, "services")]
    assert [one.id for one in PRICE_LIST if one.on_sale] == listed


async def test_a_link_arrives_as_it_was_sent(api, ann, stocked):
    link = "https://example.com/a%20b?x=1&y=é#z+1"
    body = f"key={ann.key}&action=add&service=1&quantity=100&link={quote(link, safe='')}".encode()
    assert {"order": 1} == (await api.call(body=body)).said
    assert [(link,)] == await fetch(stocked, "select link from orders")


async def test_an_operator_may_bound_the_requests_of_a_key(api, ann, stocked, database):
    bounded = Endpoint(ApiOperations(database.app_url), PEPPER, requests_per_second=5)
    await bounded.start()
    try:
        few = Api(bounded)
        answers = [await few.form("v2", {"key": ann.key, "action": "balance"}) for _ in range(8)]
        assert [200] * 5 + [429] * 3 == [answer.status for answer in answers]
        assert ({"error": "Too many requests"}, "1") == (answers[-1].said, answers[-1].headers["retry-after"])
        bob = await buyer(stocked)
        assert 200 == (await few.form("v2", {"key": bob.key, "action": "balance"})).status
    finally:
        await bounded.stop()
    assert [200] * 300 == [(await api.form("v2", {"key": ann.key, "action": "balance"})).status for _ in range(300)]


async def test_wrong_keys_of_one_ipv6_network_count_together(api, ann):
    for at in range(20):
        api.address = f"2001:db8:1:1::{at:x}"
        assert NO_KEY["v2"] == await api.ask("v2", f"wrong {at}", "balance")
    api.address = "2001:db8:1:1:ffff::1"
    assert 429 == (await api.form("v2", {"key": "wrong again", "action": "balance"})).status
    api.address = "2001:db8:1:2::1"
    assert "100.00" == (await api.ask("v2", ann.key, "balance"))["balance"]


LONG_LISTS = {
    "json": (b'{"action":"status","orders":[%b],"key":"%b"}', "application/json"),
    "form": (b"action=status&orders=%b&key=%b", FORM),
    "json's comments": (b'{"action":"add","service":1,"comments":[%b],"key":"%b"}', "application/json"),
}


@pytest.mark.parametrize("name", LONG_LISTS)
async def test_a_key_is_judged_before_a_long_list_is_read(api, ann, name, monkeypatch):
    form, kind = LONG_LISTS[name]
    read: list[int] = []
    for reader in (json_form.RawJsonList, requests):
        original = getattr(reader, "items", None) or requests.read_request

        def counted(*args, original=original, **named):
            read.append(1)
            return original(*args, **named)

        monkeypatch.setattr(reader, "items" if reader is json_form.RawJsonList else "read_request", counted)
    body = form % (b"1," * 400_000 + b"1", b"wrong")
    assert NO_KEY["v2"] == (await api.call(body=body, content_type=kind)).said
    assert [] == read
    await api.call(body=form % (b"1," * 400_000 + b"1", ann.key.encode()), content_type=kind)
    assert [] != read


@pytest.mark.parametrize("dialect", ["v1", "v2"])
async def test_a_list_is_read_to_its_hundred_and_first_id_and_no_further(api, ann, dialect):
    order = await api.add(ann.key)
    for many, expected in ((["1"] * 300_000, None), ([str(at) for at in range(100_000)], "Maximum 100 IDs")):
        for body, kind in (
            (f'{{"action":"status","orders":[{",".join(many)}],"key":"{ann.key}"}}', "application/json"),
            (f"action=status&orders={','.join(many)}&key={ann.key}", FORM),
            (f"action=status&orders=[{','.join(many)}]&key={ann.key}", FORM),
        ):
            if dialect == "v2" and "orders=[" in body:
                continue
            answer = (await api.call(f"/api/{dialect}", body.encode(), content_type=kind)).said
            assert ({"error": expected} if expected else {str(order)}) == (answer if expected else set(answer))


async def test_more_lines_than_anybody_sends_are_refused_as_a_bad_parameter(api, ann, stocked):
    before = await books(stocked)
    form = f"key={ann.key}&action=add&service={OF_TYPE[ServiceType.CUSTOM_COMMENTS]}&link={LINK}&comments="
    for lines, expected in ((100_000, "Quantity more than maximum 1000"), (100_001, "Incorrect comments")):
        assert {"error": expected} == (await api.call(body=form.encode() + b"a\n" * lines)).said
    assert before == await books(stocked)

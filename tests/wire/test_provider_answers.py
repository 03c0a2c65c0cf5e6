"""Answers of providers: read leniently, believed narrowly."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmm.base.ids import OrderId, RefillId
from opensmm.base.money import Money, money
from opensmm.domain.dispatch import Accepted, Declined, Unsure
from opensmm.domain.ledger import BalanceView
from opensmm.domain.order_views import OrderView
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport, UnreadAnswer
from opensmm.domain.refills import Refill, RefillStatus
from opensmm.domain.request_refusals import UNKNOWN_ORDER, Refusal, Refused
from opensmm.domain.requests import MALFORMED, RequestedIds, many_ids, one_id
from opensmm.wire import provider_answers
from opensmm.wire.dialect import Dialect
from opensmm.wire.lenient import MAX_EVIDENCE, MAX_STARTS, excerpt
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

both = pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
NOTICE = b"\xef\xbb\xbf<br />\n<b>Notice</b>: Undefined index: a[0] {b} in /x.php on line <b>3</b><br />\n"


def order_of(body: bytes) -> str | None:
    outcome = provider_answers.read_order(body)
    return outcome.provider_order if isinstance(outcome, Accepted) else None


def report(body: bytes) -> StatusReport | None:
    return reports(one_id(7), body)[0]


def reports(ids: RequestedIds, body: bytes) -> list[StatusReport | None]:
    """What is understood; what is not has its words shown, see ``tests/corpus``."""
    return [one if isinstance(one, StatusReport) else None for one in provider_answers.read_statuses(ids, body)]


def refills(ids: RequestedIds, body: bytes) -> list[str | Declined | None]:
    """The same of asks for refills."""
    return [None if isinstance(one, UnreadAnswer) else one for one in provider_answers.read_refills(ids, body)]


def refill_statuses(ids: RequestedIds, body: bytes) -> list[RefillStatus | None]:
    """The same of refills."""
    return [None if isinstance(one, UnreadAnswer) else one for one in provider_answers.read_refill_statuses(ids, body)]


@pytest.mark.parametrize(
    ("body", "order"),
    [
        (b'{"order": 23501}', "23501"),
        (b'{"order": "23501"}', "23501"),
        (b'{"order": 23501.0}', "23501"),
        (b'{"order": " 007 "}', "007"),
        (b'{"order": "0007001"}', "0007001"),
        (b'{"status":"success","order":"XKQPLMZR"}', "XKQPLMZR"),
        (b'{"order": "a1-b_2"}', "a1-b_2"),
        (b'{"status": "success", "order": 32}', "32"),
        (b'{"order": 5, "error": null}', "5"),
        (b'{"order": 5, "error": "", "errors": []}', "5"),
        (b'{"order": 5, "order": 5, "charge": NaN}', "5"),
        (b'\xef\xbb\xbf\r\n {"order": 5}\r\n', "5"),
        (NOTICE + b'{"order": 5}', "5"),
        (b"<html><body>hello</body></html>" + b'{"order": 5}', "5"),
    ],
)
def test_an_order_id_is_an_acceptance(body: bytes, order: str) -> None:
    assert order == order_of(body)


NO_ERROR = ["0", '"0"', "0.0", '" 0 "', "-0", "null", "false", '""', '" "', "[]", "{}", '[""]']
AN_ERROR = ["1", "true", "-1", '"no"', "[0]", '{"code": 0}', '"00x"', '["", "x"]']
NAMES = ["error", "errors"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("nothing", NO_ERROR)
def test_an_error_of_nothing_is_none(name: str, nothing: str) -> None:
    body = f'"{name}": {nothing}'
    assert order_of(f'{{"order": 123, {body}}}'.encode()) == "123"
    assert StatusReport(OrderStatus.COMPLETED) == report(f'{{"status": "Completed", {body}}}'.encode())
    assert StatusReport(OrderStatus.COMPLETED) == report(f'{{"7": {{"status": "Completed", {body}}}}}'.encode())
    assert ["5"] == provider_answers.read_refills(one_id(7), f'{{"refill": 5, {body}}}'.encode())
    assert [RefillStatus.COMPLETED] == provider_answers.read_refill_statuses(
        one_id(7), f'{{"status": "Completed", {body}}}'.encode()
    )
    assert [True] == provider_answers.read_cancels(one_id(7), f'[{{"order": 7, "cancel": 1, {body}}}]'.encode())
    assert BalanceView(money("1"), "USD") == provider_answers.read_balance(
        f'{{"balance": 1, "currency": "USD", {body}}}'.encode()
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("nothing", NO_ERROR)
@pytest.mark.parametrize("order", ["0", "null", "false", '""', "true"])
def test_an_error_of_nothing_without_an_order_is_no_acceptance(name: str, nothing: str, order: str) -> None:
    for body in (f'{{"order": {order}, "{name}": {nothing}}}', f'{{"{name}": {nothing}}}'):
        assert Unsure(body) == provider_answers.read_order(body.encode())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("error", AN_ERROR)
def test_an_error_of_something_is_neither_an_acceptance_nor_news(name: str, error: str) -> None:
    body = f'{{"order": 123, "{name}": {error}}}'
    assert Unsure(body) == provider_answers.read_order(body.encode())
    assert report(f'{{"status": "Completed", "{name}": {error}}}'.encode()) is None


@pytest.mark.parametrize("nothing", NO_ERROR)
def test_words_are_looked_for_under_the_other_name_where_one_says_nothing(nothing: str) -> None:
    assert Declined("Bad link") == provider_answers.read_order(
        f'{{"error": {nothing}, "errors": ["Bad link"]}}'.encode()
    )
    both = f'{{"order": 123, "error": {nothing}, "errors": ["Bad link"]}}'
    assert Unsure(both) == provider_answers.read_order(both.encode())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": "Not enough of it in stock"}', "Not enough of it in stock"),
        (b'{"errors": ["Bad link", "x"]}', "Bad link; x"),
        (b'{"errors": {"link": ["The link is required."]}}', "The link is required."),
        (b'{"status": "fail", "error": {"message": "Invalid link"}}', "Invalid link"),
        (b'{"order": 0, "error": "Incorrect service ID"}', "Incorrect service ID"),
        (NOTICE + b'{"error": "Bad link"}', "Bad link"),
        (b'{"error": "Bad link \\u0000\\ud800"}', "Bad link \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_words_that_mean_a_refusal_are_one(body: bytes, words: str) -> None:
    assert Declined(words) == provider_answers.read_order(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b'"5"',
        b"[5]",
        b'[{"order": 5}]',
        b"{}",
        b'{"order": null}',
        b'{"order": true}',
        b'{"order": 0}',
        b'{"order": "000"}',
        b'{"order": -5}',
        b'{"order": 1.5}',
        b'{"order": ""}',
        b'{"order": "null"}',
        b'{"order": "5 or 6"}',
        b'{"order": [5]}',
        b'{"order": {"id": 5}}',
        b'{"order": NaN}',
        b'{"order": 5, "order": 6}',
        b'{"order": "' + b"1" * 65 + b'"}',
        b'{"order": 5, "error": "Not enough funds"}',
        b'{"order": {"id": 5}, "error": "Not enough funds"}',
        b'{"order": 5, "status": "fail"}',
        b'{"error": "Something went wrong"}',
        b'{"error": true}',
        b'{"error": "Bad link", "error": "x"}',
        b'{"order": 5',
        b'{"data": {"error": "Bad link"}',
        b'[{"error": "Bad link"}',
        b'Warning: {"data":   {"error": "Bad link"}',
        b'{"error": "Bad link"}</html>',
        b"<html>502 Bad Gateway, invalid</html>",
        b"Not enough funds",
        b'{"order": 5}{"order": 6}',
        b'{"a":' * 11 + b"{}" + b"}" * 11,
        b"[" * 300_000,
        b'{"a":' * 300_000,
        b"x{" * 300_000,
        b'{"order": ' + b"9" * 300_000 + b"}",
        b"\x00\xff\xfe",
    ],
)
def test_anything_else_after_an_add_is_unsure(body: bytes) -> None:
    outcome = provider_answers.read_order(body)
    assert isinstance(outcome, Unsure)
    assert isinstance(outcome.answer, str)
    assert len(outcome.answer) <= MAX_EVIDENCE


def test_evidence_is_fit_to_be_stored() -> None:
    evidence = excerpt(b"\x00<b>\xff\xed\xa0\x80\xd8\xaa\n" + b"x" * 10_000)
    assert evidence.startswith("\N{REPLACEMENT CHARACTER}<b>\N{REPLACEMENT CHARACTER}")
    assert MAX_EVIDENCE == len(evidence)
    assert evidence == evidence.encode().decode()


def test_notices_are_looked_behind_so_many_times() -> None:
    assert order_of(b"a[ " * (MAX_STARTS - 1) + b'. {"order": 5}') == "5"
    assert order_of(b"a[ " * MAX_STARTS + b'. {"order": 5}') is None


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Pending", OrderStatus.PENDING),
        ("PROCESSING", OrderStatus.PROCESSING),
        ("In progress", OrderStatus.IN_PROGRESS),
        ("In_progress", OrderStatus.IN_PROGRESS),
        ("in-progress", OrderStatus.IN_PROGRESS),
        ("inprogress", OrderStatus.IN_PROGRESS),
        (" Completed ", OrderStatus.COMPLETED),
        ("partial", OrderStatus.PARTIAL),
        ("Canceled", OrderStatus.CANCELED),
        ("Cancelled", OrderStatus.CANCELED),
    ],
)
def test_status_words_come_in_several_spellings(word: str, status: OrderStatus) -> None:
    assert StatusReport(status) == report(json.dumps({"status": word}).encode())


@pytest.mark.parametrize("word", ["", "success", "5", "Complete d?", None, True, 1, 1.5, ["Completed"], "x" * 1000])
def test_an_unknown_word_is_no_news(word: object) -> None:
    assert report(json.dumps({"status": word, "remains": 5}).encode()) is None


@pytest.mark.parametrize(
    ("reported", "count"),
    [
        ("157", 157),
        ('"157"', 157),
        ('" 157 "', 157),
        ('"1,234"', 1234),
        ('"1,234,567.00"', 1234567),
        ("157.0", 157),
        ('"-3"', -3),
        ("0", 0),
        ("null", None),
        ('""', None),
        ("true", None),
        ("1.5", None),
        ('"1,23"', None),
        ('"n/a"', None),
        ('"٣"', None),
        ("NaN", None),
        ("Infinity", None),
        ("1e999999999", None),
        ("9" * 5000, None),
        ("{}", None),
        ("[1]", None),
    ],
)
def test_counts_come_as_numbers_and_as_texts(reported: str, count: int | None) -> None:
    read = report(f'{{"status": "Partial", "start_count": {reported}, "remains": {reported}}}'.encode())
    assert read is not None
    assert (OrderStatus.PARTIAL, count, count) == (read.status, read.start_count, read.remains)


@pytest.mark.parametrize(
    ("reported", "charge"),
    [
        ('"0.27819"', Decimal("0.27819")),
        ("0.27819", Decimal("0.27819")),
        ('"1,234.56"', Decimal("1234.56")),
        ("1.0e-5", Decimal("0.000010")),
        ("3", Decimal(3)),
        ("null", None),
        ('""', None),
        ('"$1"', Decimal(1)),
        ("NaN", None),
        ("-Infinity", None),
        ('"sNaN"', None),
        ("1e99", None),
        ("1e999999999", None),
        ("9" * 5000, None),
    ],
)
def test_charges_are_exact(reported: str, charge: Decimal | None) -> None:
    read = report(f'{{"status": "pending", "charge": {reported}, "currency": "usd"}}'.encode())
    assert read is not None
    assert (charge, "USD") == (read.charge, read.currency)


PENDING = StatusReport(OrderStatus.PENDING)
DONE = StatusReport(OrderStatus.COMPLETED)


@pytest.mark.parametrize(
    "body",
    [
        b'{"7": {"status": "Pending"}, "8": {"status": "Completed"}}',
        b'{"8": {"status": "Completed"}, "07": {"status": "Pending"}, "10": {"status": "Partial"}}',
        b'[{"order": 7, "status": "Pending"}, {"order": "8", "status": "Completed"}]',
        b'[{"id": 8, "status": "Completed"}, 5, null, [], {"id": 7, "status": "Pending"}]',
        b'{"data": {"7": {"status": "Pending"}, "8": {"status": "Completed"}}}',
        b'{"status": "success", "orders": [{"order": 7, "status": "Pending"}, {"order": 8, "status": "Completed"}]}',
        b'{"result": {"data": [{"order": 8, "status": "Completed"}, {"order": 7, "status": "Pending"}]}}',
        NOTICE + b'{"7": {"status": "Pending"}, "8": {"status": "Completed"}}',
    ],
)
def test_lists_come_in_several_shapes(body: bytes) -> None:
    assert [PENDING, DONE] == reports(many_ids((7, 8)), body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "Invalid API key"}',
        b'{"7": {"error": "Incorrect order ID"}, "8": "Incorrect order ID"}',
        b'{"7": {"status": "Pending", "error": "Try later"}, "8": null}',
        b'{"9": {"status": "Completed"}}',
        b'[{"status": "Completed"}, {"status": "Completed"}]',
        b'[{"order": 7, "status": "Pending"}, {"order": 7, "status": "Completed"}]',
        b'{"7": {"status": "Pending"}, "07": {"status": "Completed"}}',
        b'{"7": {"status": "Pending"}, "7": {"status": "Completed"}}',
        b'{"7": {"status": "Pending", "status": "Completed"}}',
        b'{"status": "Completed"}',
        b'{"data": {"data": {"data": {"data": {"7": {"status": "Pending"}}}}}}',
        b"[]",
        b"<html>",
    ],
)
def test_what_is_not_said_of_an_order_is_no_news(body: bytes) -> None:
    assert [None, None] == reports(many_ids((7, 8)), body)


def test_an_answer_about_another_order_is_ignored() -> None:
    assert PENDING == report(b'{"order": "7", "status": "pending"}')
    assert report(b'{"order": "8", "status": "pending"}') is None
    assert report(b'{"8": {"status": "pending"}}') is None


def test_one_order_may_be_told_as_of_many() -> None:
    assert PENDING == report(b'{"7": {"status": "pending"}}')
    assert PENDING == report(b'[{"order": 7, "status": "pending"}]')
    assert PENDING == report(b'{"status": "success", "data": {"status": "pending"}}')
    assert [PENDING] == reports(many_ids((7,)), b'{"status": "pending"}')


def test_an_id_may_be_a_text() -> None:
    ids = RequestedIds(("a-1", "b-2"), (MALFORMED, MALFORMED), many=True)
    assert [PENDING, None] == reports(ids, b'{"a-1": {"status": "pending"}}')


@pytest.mark.parametrize(
    ("body", "balance"),
    [
        (b'{"balance": "100.84292", "currency": "USD"}', BalanceView(money("100.84292"), "USD")),
        (b'{"status": "success", "balance": 0.0300, "currency": "eur"}', BalanceView(money("0.03"), "EUR")),
        (b'{"data": {"balance": "1,234.567891"}}', BalanceView(money("1234.56789"), "")),
        (b'{"balance": "-0.000001", "currency": 5}', BalanceView(money("-0.00001"), "")),
        (b'{"balance": null}', None),
        (b'{"data": {"data": {"data": {"balance": 1}}}}', None),
        (b'{"error": "Invalid API key"}', None),
        (b"[]", None),
        (b"", None),
    ],
)
def test_a_balance_is_rounded_down(body: bytes, balance: BalanceView | None) -> None:
    assert balance == provider_answers.read_balance(body)


numbers = st.integers(0, 10**15)
ids = st.lists(st.integers(1, 10**17), min_size=1, max_size=20, unique=True).map(lambda some: many_ids(tuple(some)))
asked = ids | st.integers(1, 10**17).map(one_id)


@both
@given(asked, st.data())
def test_statuses_written_read_and_written_are_the_same(
    dialect: Dialect, ids: RequestedIds, data: st.DataObject
) -> None:
    def draw_view(number: int) -> OrderView | Refused:
        start, charge, remains = data.draw(numbers), Money(data.draw(numbers)), data.draw(numbers)
        seen = OrderView(OrderId(number), data.draw(st.sampled_from(OrderStatus)), charge, start, remains, "USD")
        outcomes: list[OrderView | Refused] = [seen, seen, UNKNOWN_ORDER]
        return data.draw(st.sampled_from(outcomes))

    def again(number: int, news: StatusReport | None) -> OrderView | Refused:
        if news is None or news.status is None or news.charge is None:
            return UNKNOWN_ORDER
        assert news.start_count is not None
        assert news.remains is not None
        charge = money(str(news.charge))
        return OrderView(OrderId(number), news.status, charge, news.start_count, news.remains, news.currency)

    written = dialect.write_statuses(ids, [draw_view(number) for number in ids.numbers])
    news = reports(ids, written)
    assert written == dialect.write_statuses(ids, list(map(again, ids.numbers, news)))


@both
@given(asked, st.data())
def test_refills_written_read_and_written_are_the_same(
    dialect: Dialect, ids: RequestedIds, data: st.DataObject
) -> None:
    outcome = st.just(UNKNOWN_ORDER) | st.integers(1, 10**17).map(RefillId)
    written = dialect.write_refills(ids, [data.draw(outcome) for _ in ids.numbers])
    read = provider_answers.read_refills(ids, written)
    assert written == dialect.write_refills(
        ids, [RefillId(int(one)) if isinstance(one, str) else UNKNOWN_ORDER for one in read]
    )


@both
@given(asked, st.data())
def test_refill_statuses_written_read_and_written_are_the_same(
    dialect: Dialect, ids: RequestedIds, data: st.DataObject
) -> None:
    missing = Refused(Refusal.REFILL_UNKNOWN)
    drawn = [data.draw(st.none() | st.sampled_from(RefillStatus)) for _ in ids.numbers]

    def outcomes(reported: list[RefillStatus | None]) -> list[Refill | Refused]:
        return [Refill(RefillId(n), s) if s else missing for n, s in zip(ids.numbers, reported, strict=True)]

    written = dialect.write_refill_statuses(ids, outcomes(drawn))
    assert drawn == refill_statuses(ids, written)
    assert written == dialect.write_refill_statuses(ids, outcomes(refill_statuses(ids, written)))


@both
@given(asked, st.data())
def test_cancels_written_read_and_written_are_the_same(
    dialect: Dialect, ids: RequestedIds, data: st.DataObject
) -> None:
    drawn = [data.draw(st.sampled_from([None, Refused(Refusal.NOT_CANCELABLE)])) for _ in ids.numbers]
    written = dialect.write_cancels(ids, drawn)
    read = provider_answers.read_cancels(ids, written)
    assert drawn == [None if one is True else Refused(Refusal.NOT_CANCELABLE) for one in read]


@both
@given(st.integers(-(10**15), 10**15))
def test_a_balance_written_is_read_again(dialect: Dialect, amount: int) -> None:
    view = BalanceView(Money(amount), "USD")
    assert view == provider_answers.read_balance(dialect.write_balance(view))


@both
@given(st.integers(1, 10**17))
def test_an_order_id_written_is_read_again(dialect: Dialect, number: int) -> None:
    written = dialect.write_order(OrderId(number))
    assert Accepted(str(number), written.decode()) == provider_answers.read_order(written)


words = st.sampled_from(
    [
        "order",
        "id",
        "status",
        "7",
        "07",
        "refill",
        "cancel",
        "error",
        "errors",
        "data",
        "orders",
        "balance",
        "Completed",
    ]
)
leaves = words | st.text() | st.none() | st.booleans() | st.integers() | st.floats() | st.integers(10**400, 10**401)
trees = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(words | st.text(), inner), max_leaves=30)
cut = st.tuples(trees.map(json.dumps).map(str.encode), st.integers(0, 400)).map(lambda pair: pair[0][: pair[1]])
hostile = st.binary() | cut | trees.map(json.dumps).map(str.encode) | cut.map(lambda body: NOTICE + body)


@given(asked | st.just(one_id(7)) | st.just(many_ids((7, 8))), hostile)
def test_whatever_a_provider_answers_is_read_or_not_understood(ids: RequestedIds, body: bytes) -> None:
    outcome = provider_answers.read_order(body)
    if isinstance(outcome, Accepted):
        assert 1 <= len(outcome.provider_order) <= 64
    for read in (
        provider_answers.read_statuses,
        provider_answers.read_refills,
        provider_answers.read_refill_statuses,
        provider_answers.read_cancels,
    ):
        assert len(ids.texts) == len(read(ids, body))
    provider_answers.read_balance(body)


@pytest.mark.parametrize("depth", [9, 12, 400, 490, 940, 985, 2000])
def test_depth_is_bounded_wherever_it_ends(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    body = b'{"7": ' + nested + b', "07": ' + nested + b', "error": ' + nested + b"}"
    assert reports(one_id(7), body) == [None]
    assert isinstance(provider_answers.read_order(body), Unsure)

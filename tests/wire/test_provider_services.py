"""Price lists of providers: read leniently, line by line; what is not understood is named and left out."""

import json
from decimal import Decimal

import pytest

from opensmm.base.ids import ServiceId
from opensmm.domain.catalogue import Service, ServiceType
from opensmm.domain.codes import LineCode, LineFault, ListWarning, WarningCode
from opensmm.domain.provider_services import MAX_LISTED_SERVICES, ProviderService, UnreadLine
from opensmm.wire import provider_services
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

LINE = {
    "service": 7, "name": "Likes", "type": "Default", "category": "First", "rate": "0.90", "min": "10", "max": "10000",
    "refill": True, "cancel": False,
}  # fmt: skip
LIKES = ProviderService(
    "7", "Likes", "First", ServiceType.DEFAULT, Decimal("0.90"), 10, 10_000, refill=True, cancel=False
)


def read(answer):
    return provider_services.read_services(answer if isinstance(answer, bytes) else json.dumps(answer).encode())


@pytest.mark.parametrize(
    "answer",
    [
        [LINE],
        {"data": [LINE]},
        {"status": "success", "services": [LINE]},
        {"7": {name: value for name, value in LINE.items() if name != "service"}},
        [{**LINE, "service": "7", "rate": 0.90, "min": 10, "max": "10,000", "refill": "1", "cancel": "0"}],
        [{**LINE, "service": "7.0", "rate": "0.90", "min": "10.0", "type": "default", "refill": 1, "cancel": 0}],
        b"\xef\xbb\xbf<br>Notice: x in /a.php on line 1\n" + json.dumps([LINE]).encode(),
    ],
)
def test_a_line_comes_in_many_forms(answer):
    (offer,) = read(answer).services
    assert LIKES == offer if isinstance(answer, bytes) else Decimal("0.9") == offer.rate
    assert (LIKES.service, LIKES.type, 10, 10_000, True, False) == (
        offer.service, offer.type, offer.min, offer.max, offer.refill, offer.cancel,
    )  # fmt: skip


@pytest.mark.parametrize("answer", [[], {"data": []}, {"status": "success", "data": "Empty Data"}])
def test_an_empty_list_is_a_list(answer):
    assert () == read(answer).services


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"null", b"{}", b'{"error": "Invalid API key"}', b'"x"', b'[{"service": 1', b"[" * 300_000],
)
def test_what_is_no_list_is_none(answer):
    assert read(answer) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rate": "NaN"}, LineFault(LineCode.NO_RATE, {"rate": "NaN"})),
        ({"rate": None}, LineFault(LineCode.NO_RATE, {"rate": None})),
        ({"rate": []}, LineFault(LineCode.NO_RATE, {"rate": None})),
        ({"rate": "-1"}, LineFault(LineCode.NO_RATE, {"rate": "-1"})),
        ({"rate": "1e99"}, LineFault(LineCode.NO_RATE, {"rate": "1e99"})),
        ({"min": "x"}, LineFault(LineCode.NO_RANGE, {"min": "x", "max": "10000"})),
        ({"min": 20_000}, LineFault(LineCode.NO_RANGE, {"min": "20000", "max": "10000"})),
        ({"max": "9" * 18}, LineFault(LineCode.NO_RANGE, {"min": "10", "max": "9" * 18})),
        ({"service": 0}, LineFault(LineCode.NO_ID)),
        ({"service": None}, LineFault(LineCode.NO_ID)),
    ],
)
def test_a_line_that_cannot_be_understood_is_named_and_hurts_no_other(change, why):
    listed = read([{**LINE, **change}, {**LINE, "service": 8}])
    assert ["8"] == [offer.service for offer in listed.services]
    code = WarningCode.LINE_WITHOUT_ID if why.code is LineCode.NO_ID else WarningCode.LINE_LEFT_OUT
    number = "" if why.code is LineCode.NO_ID else "7"
    assert (
        ListWarning(code, {"provider_service": number, "provider_service_name": "Likes", "why": why}),
    ) == listed.odd
    assert (UnreadLine(number, "Likes", why),) == listed.unread


def test_a_service_that_stands_there_twice_is_taken_once():
    listed = read([LINE, {**LINE, "rate": "9"}, 5, "x"])
    assert ((LIKES,), 3) == (listed.services, len(listed.odd))


def test_a_package_needs_no_range_and_an_unknown_type_is_kept_as_unknown():
    listed = read([{**LINE, "type": "Package", "min": None, "max": ""}, {**LINE, "service": 8, "type": "Odd"}])
    assert [(1, 1, ServiceType.PACKAGE), (10, 10_000, None)] == [(o.min, o.max, o.type) for o in listed.services]
    assert (ListWarning(WarningCode.TYPE_UNKNOWN, {"provider_service": "8"}),) == listed.odd


NO_TYPES = [{}, {"type": None}, {"type": ""}, {"type": " "}]


@pytest.mark.parametrize("change", [*NO_TYPES, {"type": []}, {"type": {"name": "Package"}}, {"type": True}])
def test_a_line_without_a_type_among_others_that_have_one_is_of_an_unknown_type(change):
    bare = {name: value for name, value in LINE.items() if name != "type"}
    listed = read([{**LINE, "service": 8}, {**bare, **change}])
    assert [ServiceType.DEFAULT, None] == [offer.type for offer in listed.services]
    assert (ListWarning(WarningCode.TYPE_UNKNOWN, {"provider_service": "7"}),) == listed.odd


@pytest.mark.parametrize("change", NO_TYPES)
def test_a_list_that_tells_no_type_at_all_is_taken_for_default_and_said_to_be(change):
    bare = {name: value for name, value in LINE.items() if name != "type"}
    listed = read([{**bare, **change}, {**bare, "service": 8}])
    assert [ServiceType.DEFAULT] * 2 == [offer.type for offer in listed.services]
    assert (ListWarning(WarningCode.NO_TYPES, {"type": "Default"}),) == listed.odd


@pytest.mark.parametrize(
    ("listed", "flag"),
    [
        (False, False),
        ("no", False),
        (0, False),
        ("Off", False),
        ("Yes", True),
        ("available", None),
        ([], None),
        (2, None),
    ],
)
def test_a_flag_is_off_only_where_the_list_says_so(listed, flag):
    assert [flag] == [offer.refill for offer in read([{**LINE, "refill": listed}]).services]


def test_texts_are_cut_and_cleaned():
    listed = read([{**LINE, "name": "a\x00b" + "x" * 1000, "desc": "d" * 10_000}])
    assert 300 == len(listed.services[0].name)
    assert "\x00" not in listed.services[0].name
    assert 4000 == len(listed.services[0].description)


def test_a_name_turns_no_writing_direction_and_stands_on_one_line():
    (offer,) = read([{**LINE, "name": "\u202eLikes\n\u2066HQ", "category": "\u202e", "desc": "a\nb\u202e"}]).services
    assert ("Likes HQ", "Other", "a\nb") == (offer.name, offer.category, offer.description)


def test_a_list_of_too_many_lines_is_not_read():
    assert read(b"[" + b",".join([b"{}"] * (MAX_LISTED_SERVICES + 1)) + b"]") is None


@pytest.mark.parametrize("dialect", [V1, V2])
def test_our_own_list_is_read_as_it_was_written(dialect):
    sold = [
        Service(ServiceId(at), f"Service {at}", kind, "First", Decimal("0.90"), 10, 1000, dripfeed=True)
        for at, kind in enumerate(ServiceType, 1)
    ]
    body = dialect.write_services(dialect.write_service(one, one.rate, extended=True) for one in sold)
    listed = provider_services.read_services(body)
    assert listed is not None
    assert (dialect.name, ()) == (listed.dialect, listed.odd)
    assert [(str(one.id), one.name, one.type, one.rate, one.min, one.max, one.dripfeed) for one in sold] == [
        (o.service, o.name, o.type, o.rate, o.min, o.max, o.dripfeed) for o in listed.services
    ]


def test_a_rate_with_a_decimal_comma_is_read_as_one():
    listed = read([LINE | {"rate": "0,900"}, LINE | {"service": 8, "rate": "0,65"}])
    assert [Decimal("0.900"), Decimal("0.65")] == [offer.rate for offer in listed.services]


def test_a_comma_that_may_stand_for_either_is_doubtful_beside_decimal_commas():
    listed = read([LINE | {"rate": "0,90"}, LINE | {"service": 8, "name": "Views", "rate": "1,234"}])
    assert ["7"] == [offer.service for offer in listed.services]
    (unread,) = listed.unread
    assert ("8", "Views") == (unread.service, unread.name)
    assert LineFault(LineCode.RATE_UNCLEAR, {"rate": "1,234"}) == unread.why
    assert Decimal(1234) == read([LINE | {"rate": "1,234"}]).services[0].rate


def test_every_line_that_was_not_understood_is_named():
    lines = [LINE | {"service": number, "rate": "free"} for number in range(1, 201)]
    listed = read([*lines, "x", {"name": "none"}])
    assert 202 == len(listed.unread)
    assert [LineFault(LineCode.NO_RATE, {"rate": "free"})] * 200 == [one.why for one in listed.unread if one.service]
    assert [LineCode.NO_OBJECT, LineCode.NO_ID] == [one.why.code for one in listed.unread if not one.service]
    assert ListWarning(WarningCode.MORE_LINES, {"count": 152}) == listed.odd[-1]


def test_names_are_read_as_a_person_sees_them():
    listed = read(
        [
            LINE
            | {
                "name": "Likes &amp; Views &#8211; <b>HQ</b>",
                "category": "Instagram&nbsp;&amp;amp; TikTok",
                "desc": "<p>Fast &lt;3 days</p><ul><li>no drop</li></ul>x < 3 > y",
            }
        ]
    )
    (offer,) = listed.services
    assert ("Likes & Views – HQ", "Instagram & TikTok") == (offer.name, offer.category)
    assert "Fast <3 days\nno drop\nx < 3 > y" == offer.description


@pytest.mark.parametrize("name", ["Likes <3 | 5 > 4", "A < B", "📸 Likes", "R&D"])
def test_a_name_that_only_looks_like_markup_stays(name):
    assert name == read([LINE | {"name": name}]).services[0].name


def test_a_range_that_ends_at_0_can_never_be_ordered():
    listed = read([LINE | {"min": 0, "max": 0}, LINE | {"service": 8, "min": 0}])
    assert ["8"] == [offer.service for offer in listed.services]
    assert LineFault(LineCode.NEVER_ORDERED) == listed.unread[0].why

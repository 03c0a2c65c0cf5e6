"""Requests as they arrive."""

import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmm.domain.requests import TypeDetails
from opensmm.wire import requests
from opensmm.wire.form import LISTS, MAX_FIELDS, SCALARS, Fields, read_form, write_form

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"
MULTIPART = b"multipart/form-data; boundary=frontier"


def form(body: bytes, query: bytes = b"") -> Fields | None:
    return read_form(FORM, query, body)


def as_json(body: bytes) -> Fields | None:
    return read_form(JSON, b"", body)


def part(name: str, value: bytes, more: str = "") -> bytes:
    return f'--frontier\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


def multipart(*parts: bytes) -> Fields | None:
    return read_form(MULTIPART, b"", b"".join(parts) + b"--frontier--\r\n")


def test_a_form_is_read() -> None:
    assert {"action": "add", "link": "https://a.example/b?c=d&e", "comments": "one two\r\nتم"} == form(
        b"action=add&link=https%3A%2F%2Fa.example%2Fb%3fc%3Dd%26e&comments=one+two%0D%0A%D8%AA%D9%85"
    )


def test_raw_utf_8_and_backslashes_are_kept() -> None:
    assert {"a": "تم \\x41", "b": "\\A\\"} == form("a=تم \\x41&b=\\%41%5C".encode())


def test_the_body_wins_over_the_query() -> None:
    assert {"key": "k", "action": "add", "orders": ("3",)} == form(
        b"action=add&orders[]=3", b"key=k&action=balance&orders=1,2"
    )


def test_a_query_stands_alone() -> None:
    assert {"key": "k", "action": "balance"} == read_form(b"", b"key=k&action=balance", b"")


@pytest.mark.parametrize(
    "body", [b"orders[]=1&orders[]=2", b"orders%5B%5D=1&orders%5B%5D=2", b"orders[0]=1&orders[1]=2"]
)
def test_lists_of_ids_come_in_the_manner_of_php(body: bytes) -> None:
    assert {"orders": ("1", "2")} == form(body)


def test_lists_of_texts_come_so_too() -> None:
    assert {"comments": ("a", "b")} == form(b"comments[]=a&comments[]=b")
    assert {"comments": ("a", "7")} == as_json(b'{"comments": ["a", null, 7]}')
    assert {"comments": ("a", "b")} == multipart(part("comments[]", b"a"), part("comments[]", b"b"))


def test_brackets_behind_what_is_no_parameter_are_ignored() -> None:
    assert {"action": "add"} == form(b"action=add&x[y]=1&[]=2&keyed[]=3")
    assert {"action": "add", "x[]": "1"} == as_json(b'{"action": "add", "x[]": "1"}')


@pytest.mark.parametrize("name", sorted(SCALARS))
@pytest.mark.parametrize("brackets", ["[]", "[0]", "[a]", "[", "[0][1]"])
def test_a_scalar_that_comes_as_a_list_is_refused(name: str, brackets: str) -> None:
    text = f"{name}{brackets}"
    assert None is form(f"{text}=x".encode())
    assert None is form(urlencode({text: "x"}).encode())
    assert None is read_form(b"", f"{text}=x".encode(), b"")
    assert None is multipart(part(text, b"x"))
    assert None is as_json(json.dumps({text: "x"}).encode())


@pytest.mark.parametrize("name", ["orders[a]", "orders[0][1]", "orders[", "comments[x]", "usernames[1]x"])
def test_a_list_whose_brackets_make_none_is_refused(name: str) -> None:
    assert None is form(f"{name}=1".encode())
    assert None is as_json(json.dumps({name: "1"}).encode())


def test_every_parameter_that_is_read_is_a_scalar_or_a_list() -> None:
    source = Path(requests.__file__).read_text()
    read = set(re.findall(r'\(fields, "(\w+)"', source)) | set(TypeDetails.__struct_fields__)
    assert set() == read - SCALARS - LISTS
    assert set() == SCALARS & LISTS


@pytest.mark.parametrize(
    "body",
    [
        b"quantity=1&quantity=2",
        b"orders=1&orders=2",
        b"orders=1&orders[]=2",
        b"orders[]=1&orders=2",
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"a=%u0041",
        b"a=%FF",
        b"a=\xff",
        b"a=%ED%A0%80",
        b"a=%00",
        b"a=\x00",
        b"a=%1B",
        b"a=%C2%85",
        b"a=\xc2\x9f",
        b"%00=1",
        b"&".join(b"a%d=1" % at for at in range(MAX_FIELDS + 1)),
    ],
)
def test_a_malformed_form_is_refused(body: bytes) -> None:
    assert form(body) is None
    assert read_form(b"", body, b"") is None


def test_tabs_and_line_ends_zero_width_and_bidi_characters_are_kept() -> None:
    text = "\t\r\n\u200b\u200d\u202e\u2066\ufeff\u00a0"
    assert {"comments": text} == form(write_form({"comments": text}))
    assert {"comments": text} == as_json(json.dumps({"comments": text}).encode())
    assert {"comments": text} == multipart(part("comments", text.encode()))


def test_a_json_object_is_read() -> None:
    assert {"action": "add", "service": "1", "link": "\U0001f600", "runs": "", "orders": ("1", "2", "x")} == as_json(
        b'{"action": "add", "service": 1, "link": "\\ud83d\\ude00", "runs": null, "orders": [1, "2", null, "x"]}'
    )


def test_a_null_in_the_body_wins_over_the_query() -> None:
    fields = read_form(JSON, b"action=add&runs=5&orders=1", b'{"runs": null, "orders": null}')
    assert {"action": "add", "runs": "", "orders": ""} == fields


def test_an_empty_json_body_leaves_the_query() -> None:
    assert {"action": "balance"} == read_form(JSON, b"action=balance", b"")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing",
        b"[]",
        b"1",
        b"{",
        b"{}{}",
        b'{"a": true}',
        b'{"a": false}',
        b'{"a": 1.0}',
        b'{"a": 1e5}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": {}}',
        b'{"a": [1]}',
        b'{"order": [1]}',
        b'{"orders": [[1]]}',
        b'{"orders": [true]}',
        b'{"orders": [1.5]}',
        b'{"orders": [{}]}',
        b'{"comments": [true]}',
        b'{"a": 1, "a": 1}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\udc00\\ud800"}',
        b'{"\\ud800": "a"}',
        b'{"a": "\\u0000"}',
        b'{"a": "\\u009f"}',
        b'{"a": "\x01"}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b"[" * 200_000,
        b'{"a":' * 200_000,
    ],
)
def test_malformed_json_is_refused(body: bytes) -> None:
    assert (as_json(body) is None) == bool(body)


def test_a_json_object_of_too_many_fields_is_refused() -> None:
    most = {f"a{at}": 1 for at in range(MAX_FIELDS)}
    assert as_json(json.dumps(most).encode()) is not None
    assert as_json(json.dumps(most | {"b": 1}).encode()) is None


@pytest.mark.parametrize("kind", [b"", b"text/plain", b"application/octet-stream; a=b"])
def test_without_a_known_type_a_brace_means_json(kind: bytes) -> None:
    assert {"a": "1"} == read_form(kind, b"", b' \r\n{"a": 1}')
    assert {"a": "1"} == read_form(kind, b"", b"a=1")


@pytest.mark.parametrize("kind", [b"application/json; charset=utf-8", b"Application/JSON", b"application/problem+json"])
def test_json_goes_by_several_names(kind: bytes) -> None:
    assert {"a": "1"} == read_form(kind, b"", b'{"a": 1}')


def test_a_form_may_name_its_charset() -> None:
    assert {"{": "1"} == read_form(b"Application/X-WWW-Form-Urlencoded; charset=UTF-8", b"", b"{=1")


def test_multipart_is_read() -> None:
    assert {"action": "add", "orders": ("1", "2"), "link": "تم"} == multipart(
        part("action", b"add"), part("orders[]", b"1"), part("orders[]", b"2"), part("link", "تم".encode())
    )


@pytest.mark.parametrize(
    "parts",
    [
        [part("a", b"1"), part("a", b"2")],
        [part("a", b"1", '; filename="f.txt"')],
        [part("a", b"1", "; filename*=UTF-8''f.txt")],
        [part("a", b"\xff")],
        [part("a", b"\x00")],
        [part("a\x01", b"1")],
        [part(f"a{at}", b"1") for at in range(MAX_FIELDS + 1)],
        [b"--frontier\r\nContent-Disposition: attachment\r\n\r\n1\r\n"],
    ],
)
def test_malformed_multipart_is_refused(parts: list[bytes]) -> None:
    assert multipart(*parts) is None


@pytest.mark.parametrize(
    "kind", [b"multipart/form-data", b"multipart/form-data; boundary=", b"multipart/form-data; boundary=x"]
)
def test_multipart_without_its_boundary_is_refused(kind: bytes) -> None:
    assert read_form(kind, b"", part("a", b"1") + b"--frontier--\r\n") is None


def test_cut_off_multipart_is_refused() -> None:
    assert read_form(MULTIPART, b"", part("a", b"1")) is None


names = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="["), min_size=1)
values = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\t\r\n"))


@given(st.dictionaries(names, values))
def test_what_is_written_is_read(fields: dict[str, str]) -> None:
    assert fields == form(write_form(fields))
    assert fields == as_json(json.dumps(fields).encode())
    assert fields == as_json(json.dumps(fields, ensure_ascii=False).encode())


pieces = st.sampled_from(
    [
        *(b"--frontier", b"\r\n", b"--", b"Content-Disposition: form-data; name=", b'"a"', b"; filename="),
        *(b"Content-Type: text/plain; charset=utf-7", b"Content-Length: 9", b"[", b"]", b"{", b"}", b'"', b":", b","),
        *(b"1", b"1e9", b"NaN", b"orders", b"[]", b"=", b"&", b"%", b"%E0", b"+", b"\\u", b"\\ud800"),
        *(b"\x00", b"\xff", b"\xef\xbb\xbf", b" "),
    ]
)
kinds = st.sampled_from([FORM, JSON, MULTIPART, b"multipart/form-data; boundary=\xff", b"", b"\xff;;", b"text/plain"])
hostile = st.binary() | st.lists(pieces | st.binary(max_size=3), max_size=40).map(b"".join)


@given(st.binary() | kinds, hostile, hostile)
def test_whatever_arrives_is_read_or_refused(kind: bytes, query: bytes, body: bytes) -> None:
    fields = read_form(kind, query, body)
    assert fields is None or all(isinstance(name, str) for name in fields)

"""JSON bodies are read in one pass, as a decoder that builds everything would read them."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opensmm.wire import json_form
from opensmm.wire.form import LISTS, MAX_FIELDS, Fields, has_control_characters, items_of, read_form
from opensmm.wire.json_form import RawJsonList


def fit(text: object) -> str:
    if not isinstance(text, str) or has_control_characters(text):
        raise ValueError
    return text


def refuse(number: str) -> None:
    raise ValueError(number)


def members(pairs: list[tuple[str, object]]) -> Fields:
    if len(pairs) > MAX_FIELDS or len(dict(pairs)) < len(pairs):
        raise ValueError
    fields: Fields = {}
    for name, value in pairs:
        fit(name)
        if "[" in name and name.partition("[")[0] in NAMES_WITHOUT_BRACKETS:
            raise ValueError
        if isinstance(value, list) and name in LISTS:
            fields[name] = tuple(fit(item) for item in value if item is not None)
        else:
            fields[name] = "" if value is None else fit(value)
    return fields


DECODER = json.JSONDecoder(object_pairs_hook=members, parse_int=str, parse_float=refuse, parse_constant=refuse)


def decoded(body: bytes) -> Fields | None:
    """What a decoder makes of it that builds the whole value."""
    try:
        fields = DECODER.decode(body.decode())
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def read(body: bytes) -> Fields | None:
    fields = read_form(b"application/json", b"", body)
    if fields is None:
        return None
    return {name: items_of(value) if isinstance(value, RawJsonList) else value for name, value in fields.items()}


NAMES_WITHOUT_BRACKETS = {"key", "action", "order", "orders", "comments", "link"}
NAMES = st.sampled_from(["key", "action", "orders", "comments", "link", "", "é", "a\u0085", "\ud800"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6),
    st.text(alphabet='\\u"/bdDfF08c9eE7\x7f\x85\t\r\n\x00😀\ud83d\ude00', max_size=6),
)  # fmt: skip
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=5), st.lists(st.lists(SCALARS, max_size=2), max_size=2))


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """An object with blanks here and there, one member perhaps twice, a few letters perhaps changed or lost."""
    pairs = draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))
    blank = draw(st.sampled_from(["", " ", "\n\t", "\x0b"]))
    ascii_only = draw(st.booleans())
    parts = [json.dumps(n, ensure_ascii=ascii_only) + blank + ":" + json.dumps(v, ensure_ascii=ascii_only, indent=draw(
        st.sampled_from([None, 1]))) for n, v in pairs]  # fmt: skip
    text = "{" + blank + ("," + blank).join(parts) + "}" + blank
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text) - 1))
        text = (
            text[:at]
            + draw(st.sampled_from(['"', "\\", "[", "]", "{", "}", ",", ":", "0", "-", "e", "."]))
            + text[at + draw(st.integers(0, 1)) :]
        )
    return text.encode("utf-8", "surrogatepass")


@settings(max_examples=1500)
@given(bodies(), st.sampled_from([0, 2048]))
@example(b'{"comments[": null}', 0)
@example(b'{"order[s": null}', 0)
@example(b'{"orders":["\\ud83d\\ude00","\\u0041",""]}', 0)
@example(b'{"orders":["\\ud83d"]}', 0)
@example(b'{"orders":["\\ude00\\ud83d"]}', 0)
@example(b'{"orders":["\\ud83d\\u0041"]}', 0)
@example(b'{"orders":["\\u0009\\u000a\\u000d\\u00a0"]}', 0)
@example(b'{"orders":["\\\\u0000"]}', 0)
@example(b'{"orders":["\\u007F"]}', 0)
@example(b'{"orders":["\\u008f"]}', 0)
@example(b'{"orders":["\\b"]}', 0)
@example(b'{"orders":[1,]}', 0)
@example(b'{"orders":[01]}', 0)
@example(b'{"orders":[-0,-7]}', 0)
@example(b'{"orders":[1e5]}', 0)
@example(b'{"a":1,}', 0)
@example(b"\xef\xbb\xbf{}", 0)
def test_a_body_is_read_as_by_a_decoder_that_builds_all(body: bytes, short: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_form, "SHORT_LIST", short)
        assert decoded(body) == read(body)


@pytest.mark.parametrize(
    "body", [b'{"a":"' + b"b" * 10_000 + b'"}', b'{"orders":[' + b",".join([b"1"] * 9_000) + b"]}"]
)
def test_long_values_too(body: bytes) -> None:
    assert decoded(body) == read(body)
    assert decoded(body[:-1]) is read(body[:-1]) is None


def test_a_long_list_is_not_built_before_it_is_needed() -> None:
    fields = read_form(b"application/json", b"", b'{"orders":[' + b"null," * 9_000 + b'null],"key":"k"}')
    assert fields is not None
    assert isinstance(fields["orders"], RawJsonList)
    assert not fields["orders"]
    assert "k" == fields["key"]

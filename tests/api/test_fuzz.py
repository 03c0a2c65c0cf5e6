"""Whatever is sent: never a 5xx, always JSON, and a refusal has exactly one key."""

import asyncio
import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.panel import DEFAULT, LINK, OF_TYPE, SHAPES, broken, buyer, fetch, open_api, stock

ACTIONS = ("services", "add", "status", "orders", "refill", "refill_status", "cancel", "balance", "", "nonsense")
NAMES = (
    "action", "service", "link", "quantity", "runs", "interval", "comments", "usernames", "username", "hashtags",
    "hashtag", "media", "answer_number", "groups", "keywords", "min", "max", "posts", "old_posts", "delay", "expiry",
    "country", "device", "type_of_traffic", "google_keyword", "referring_url", "order", "orders", "refill", "refills",
    "limit", "before", "extended", "idempotency_key", "orders[]", "comments[0]", "x", "",
)  # fmt: skip
ODD_NUMBERS = (
    "0", "1", "100", "-1", "1.5", "1e9", "NaN", "Infinity", "1_000", "٣", "１", "9" * 18, "9" * 19, "0x1", " 7 ", "007",
    "1,2,x,", "[1,2]", '["1"]', "[[1]]", "[1", "undefined", "null", "true", "31/02/2026", "01/01/2999", "00/00/0000",
)  # fmt: skip
ODD_TEXTS = (
    LINK, "@name", "javascript:x", "a b", "a\r\nb\n\n,c", "\u202eevil", "\u200b", "👍🏽", "' or 1=1 --", "<b>", "%",
    "%00", "\x00", "\x1b[0m", "\x7f", "\x85", "\ufeff", "x" * 3000, "\\", '"', "{}",
    "\ud7ff", "متابعين",
)  # fmt: skip
VALUES = st.one_of(st.sampled_from(ODD_NUMBERS), st.sampled_from(ODD_TEXTS), st.text(max_size=30))
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
CONTENT_TYPES = st.sampled_from(
    [
        "application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", "text/plain", "",
        "/",
        "application/json; charset=utf-16", "multipart/form-data", 'multipart/form-data; boundary="', "image/png",
    ]
)  # fmt: skip


def form(fields):
    return "&".join(f"{quote(name, safe='[]')}={quote(value, safe='')}" for name, value in fields).encode()


def mangled(body, cuts):
    for at, byte in cuts:
        at %= len(body) + 1
        body = body[:at] + bytes([byte]) + body[at + 1 :]
    return body


CUTS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=3)


@pytest.fixture
def sending(server, database):
    """Sends one request to a panel that lives as long as the test, outside of any running loop."""
    with asyncio.Runner() as runner:
        opened = open_api(database.app_url)

        async def begin():
            import psycopg

            conn = await psycopg.AsyncConnection.connect(database.app_url, autocommit=True)
            await stock(conn)
            return conn, await buyer(conn, "100000.00"), await opened.__aenter__()

        conn, who, api = runner.run(begin())

        def send(path="/api/v2", body=b"", query="", content_type="", headers=None):
            answer = runner.run(api.call(path, body, query=query, content_type=content_type, headers=headers))
            check(answer)
            return answer

        yield send, who, api, lambda work: runner.run(work(conn))

        async def end():
            assert [] == await broken(conn)
            await conn.close()
            await opened.__aexit__(None, None, None)

        runner.run(end())


def check(answer):
    assert answer.status in (200, 404, 413, 429), (answer.status, answer.body)
    decoded = json.loads(answer.body.decode())
    assert "application/json" == answer.headers["content-type"]
    if isinstance(decoded, dict) and "error" in decoded:
        assert [str] == [type(text) for text in decoded.values()], decoded
    if answer.status != 200:
        assert ["error"] == list(decoded)


FUZZ = settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
DIALECTS = st.sampled_from(["/api/v1", "/api/v2"])


def test_any_form_gets_a_clean_answer(sending):
    send, who, *_ = sending

    @FUZZ
    @given(DIALECTS, st.sampled_from(ACTIONS), FIELDS, CUTS)
    def run(path, action, fields, cuts):
        body = form([("key", who.key), ("action", action), *fields])
        send(path, body, content_type="application/x-www-form-urlencoded")
        send(path, mangled(body, cuts), content_type="application/x-www-form-urlencoded")

    run()


def test_any_add_gets_a_clean_answer(sending):
    send, who, *_ = sending
    kinds = st.sampled_from([(OF_TYPE[kind], shape) for kind, shape in SHAPES.items()])

    @FUZZ
    @given(DIALECTS, kinds, FIELDS, st.booleans())
    def run(path, kind, fields, as_json):
        number, shape = kind
        parameters = {"key": who.key, "action": "add", "service": str(number)} | dict(shape) | dict(fields)
        if as_json:
            send(path, json.dumps(parameters).encode(), content_type="application/json")
        else:
            send(path, form(parameters.items()), content_type="application/x-www-form-urlencoded")

    run()


def test_any_json_gets_a_clean_answer(sending):
    send, who, *_ = sending

    @FUZZ
    @given(DIALECTS, st.dictionaries(st.sampled_from(NAMES), JSONS, max_size=5), st.sampled_from(ACTIONS), CUTS)
    def run(path, fields, action, cuts):
        body = json.dumps({"key": who.key, "action": action} | fields).encode()
        send(path, body, content_type="application/json")
        send(path, mangled(body, cuts), content_type="application/json")

    run()


def test_any_bytes_get_a_clean_answer(sending):
    send, who, *_ = sending

    @FUZZ
    @given(DIALECTS, st.binary(max_size=200), CONTENT_TYPES, st.text(st.characters(max_codepoint=255), max_size=30))
    def run(path, body, content_type, query):
        send(path, body, query=query, content_type=content_type, headers={"Authorization": f"Bearer {who.key}"})

    run()


def test_any_multipart_body_gets_a_clean_answer(sending):
    send, who, *_ = sending

    @FUZZ
    @given(DIALECTS, st.sampled_from(ACTIONS), FIELDS, CUTS)
    def run(path, action, fields, cuts):
        parts = b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
            % (name.encode(), value.encode("utf-8", "surrogatepass"))
            for name, value in [("key", who.key), ("action", action), *fields]
        )
        body = parts + b"--x--\r\n"
        send(path, mangled(body, cuts), content_type="multipart/form-data; boundary=x")

    run()


def test_any_idempotency_header_gets_a_clean_answer(sending):
    send, who, *_, look = sending
    visible = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=300)

    @FUZZ
    @given(visible)
    def run(name):
        body = form(
            [("key", who.key), ("action", "add"), ("service", str(DEFAULT)), ("link", LINK), ("quantity", "10")]
        )
        kind = "application/x-www-form-urlencoded"
        answers = [send(body=body, content_type=kind, headers={"Idempotency-Key": name}) for _ in range(2)]
        if name.strip() not in ("", "undefined", "null"):
            assert answers[0].body == answers[1].body

    run()
    assert look(lambda conn: fetch(conn, "select count(*) > 0 from orders")) == [(True,)]

"""The API's pages: what they say, whose address they show, and what they let a browser do."""

import gzip
import json
import re
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from opensmm.domain.catalogue import TYPE_PARAMETERS, ServiceType
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import ACTIONS
from opensmm.providers.sandbox.behaviour import Behaviour
from opensmm.web.reference import Reference, build_reference
from opensmm.web.reference_pages import MAX_CACHED_PAGES, ReferencePages
from opensmm.wire.dialect import Dialect
from opensmm.wire.messages import LOWER_CASE_STATUS, TITLE_CASE_STATUS, V1_TYPE
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

BOTH = pytest.mark.parametrize("path", ["/", "/v1"])
DIALECTS = pytest.mark.parametrize(("path", "dialect"), [("/", V2), ("/v1", V1)], ids=["v2", "v1"])
ROOT = Path(__file__).parents[2]
EXAMPLES = [program.read_text().strip("\n") for program in sorted(ROOT.glob("docs/examples/order.*"))]


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


async def nothing() -> Any:
    raise AssertionError("a page has no business with a body")


async def get(pages: ReferencePages, path: str, method: str = "GET", scheme: str = "http", **headers: str) -> Got:
    headers = {"host": "panel.example", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    path, _, query = path.partition("?")
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "scheme": scheme}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await pages({**scope, "headers": raw, "server": ("10.0.0.7", 8765)}, nothing, send)
    decoded = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Got(sent[0]["status"], decoded, sent[1]["body"])


def plain(page: str) -> str:
    """What a reader sees, near enough."""
    return unescape(re.sub(r"<[^>]+>", "", page))


async def test_the_page_of_v2_is_english_and_that_of_v1_arabic_and_right_to_left() -> None:
    english, arabic = await get(ReferencePages(), "/"), await get(ReferencePages(), "/v1")
    assert (english.status, arabic.status) == (200, 200)
    assert '<html lang="en" dir="ltr">' in english.text
    assert '<html lang="ar" dir="rtl">' in arabic.text
    assert "http://panel.example/api/v2" in english.text
    assert "http://panel.example/api/v1" in arabic.text
    assert "http://panel.example/api/v2" not in arabic.text


async def test_each_page_links_to_the_other() -> None:
    assert 'href="/v1" hreflang="ar"' in (await get(ReferencePages(), "/")).text
    assert 'href="/" hreflang="en"' in (await get(ReferencePages(), "/v1")).text


@BOTH
async def test_a_page_has_every_action(path: str) -> None:
    page = (await get(ReferencePages(), path)).text
    shown = set(re.findall(r'<code dir="ltr">action</code></th><td><code dir="ltr">(\w+)</code>', page))
    assert shown == set(ACTIONS)


@DIALECTS
async def test_a_page_has_every_service_type_with_each_of_its_parameters(path: str, dialect: Dialect) -> None:
    page = (await get(ReferencePages(), path)).text
    shapes = re.findall(r"<details.*?</details>", page, re.DOTALL)
    assert len(shapes) == len(ServiceType)
    for kind, shape in zip(ServiceType, shapes, strict=True):
        name = V1_TYPE[kind] if dialect is V1 else kind.value
        assert f'<code dir="ltr">{name}</code>' in shape
        rows = re.findall(r'<th scope="row"><code dir="ltr">(\w+)</code>', shape)
        assert set(TYPE_PARAMETERS[kind].own_parameters) <= set(rows)
        assert ("runs" in rows) == TYPE_PARAMETERS[kind].may_drip


def names(shown: Reference, kind: str) -> list[tuple[str, bool]]:
    shape = next(shape for shape in shown.type_forms if shape.type == kind)
    return [(one.name, one.optional) for one in shape.parameters]


def test_parameters_are_marked_as_the_published_pages_mark_them() -> None:
    v1, v2 = build_reference("v1", "ar"), build_reference("v2", "en")
    expected = [("link", False), ("quantity", False), ("runs", True), ("interval", True)]
    assert expected == names(v2, "Default") == names(v1, "default")
    assert [("link", False), ("comments", False)] == names(v2, "Custom Comments Package")
    assert [("link", False), ("quantity", False), ("media", False)] == names(v2, "Mentions Media Likers")
    assert [("link", False), ("quantity", True), ("media", True)] == names(v1, "mentions_media_likers")
    required = [name for name, optional in names(v1, "subscriptions") if not optional]
    assert ["username", "min", "max", "delay"] == required


@pytest.mark.parametrize("dialect", ["v1", "v2"])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_page_of_either_dialect_is_there_in_each_language_with_the_dialect_s_words(
    dialect: str, language: str
) -> None:
    shown = build_reference(dialect, language)
    completed = "Completed" if dialect == "v2" else "completed"
    assert f"`{completed}`" in shown.texts.links[""]
    assert not re.search(r"\{(pending|processing|completed|partial|canceled)\}", str(shown))


@DIALECTS
async def test_a_page_has_every_refusal_in_its_own_words(path: str, dialect: Dialect) -> None:
    page = plain((await get(ReferencePages(), path)).text)
    details: dict[Refusal, int | str] = {
        Refusal.QUANTITY_TOO_LOW: 50,
        Refusal.QUANTITY_TOO_HIGH: 10000,
        Refusal.PARAMETER: "comments",
    }
    for why in Refusal:
        assert dialect.refusal_text(Refused(why, details.get(why, ""))) in page


@pytest.mark.parametrize(("path", "words"), [("/", TITLE_CASE_STATUS), ("/v1", LOWER_CASE_STATUS)])
async def test_a_page_has_every_status(path: str, words: dict[Any, str]) -> None:
    page = (await get(ReferencePages(), path)).text
    assert all(f'<th scope="row"><code dir="ltr">{word}</code>' in page for word in words.values())


@pytest.mark.parametrize(
    ("path", "sample"),
    [
        pytest.param(path, sample.read_text().strip("\n"), id=f"{dialect}-{sample.stem}")
        for path, dialect in (("/", "v2"), ("/v1", "v1"))
        for sample in sorted((ROOT / "tests" / "wire" / "samples" / dialect).glob("*.json"))
    ],
)
async def test_a_page_has_the_published_sample_word_for_word(path: str, sample: str) -> None:
    assert sample in plain((await get(ReferencePages(), path)).text)


@BOTH
async def test_every_sample_on_a_page_is_json(path: str) -> None:
    page = (await get(ReferencePages(), path)).text
    figures = re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    samples = [plain(code) for code in figures if plain(code).startswith(("{", "["))]
    assert len(samples) >= 13
    assert all(json.loads(sample) for sample in samples)


@BOTH
async def test_a_page_has_every_sandbox_link(path: str) -> None:
    page = plain((await get(ReferencePages(), path)).text)
    for behaviour in set(Behaviour) - {Behaviour.COMPLETE, Behaviour.PARTIAL}:
        assert f"https://example.com/{behaviour.value}" in page
    assert "https://example.com/partial-40" in page


@BOTH
async def test_a_page_has_working_examples_with_its_own_address(path: str) -> None:
    page = (await get(ReferencePages(), path, scheme="https")).text
    own = "https://panel.example/api/v1" if path == "/v1" else "https://panel.example/api/v2"
    for program in EXAMPLES:
        assert program.replace("http://127.0.0.1:8765/api/v2", own) in plain(page)
    assert "127.0.0.1" not in page
    assert ".invalid" not in page


@BOTH
async def test_a_page_has_no_inline_style_or_script_and_its_policy_allows_none(path: str) -> None:
    got = await get(ReferencePages(), path)
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", got.text)
    assert got.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    assert got.headers["x-content-type-options"] == "nosniff"


@BOTH
async def test_code_runs_left_to_right_wherever_it_stands(path: str) -> None:
    page = (await get(ReferencePages(), path)).text
    assert not re.search(r"<pre(?![^>]*dir=\"ltr\")", page)
    rest = re.sub(r'(<span class="chips" dir="ltr">.*|<pre[^>]*dir="ltr"[^>]*><code>)', "", page)
    assert not re.search(r"<code(?! dir=\"ltr\")", rest)


@BOTH
async def test_every_link_within_a_page_leads_somewhere(path: str) -> None:
    page = (await get(ReferencePages(), path)).text
    places = re.findall(r'\bid="([^"]+)"', page)
    assert len(places) == len(set(places))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(places)


HOSTILE = [
    '"><script>alert(1)</script>',
    "panel.example/evil",
    "panel.example:80:80",
    "user@panel.example",
    "panel example",
    "panel.example\r\nx: y",
    "$(reboot)",
    "`id`",
    "-panel.example",
    "",
    "é.example",
    "a" * 300,
]


@pytest.mark.parametrize("host", HOSTILE)
async def test_a_hostile_host_is_refused_and_never_shown(host: str) -> None:
    got = await get(ReferencePages(), "/", host=host)
    assert got.status == 400
    assert len(got.body) < 300
    assert not host or host.encode("latin-1") not in got.body


@pytest.mark.parametrize(
    ("host", "shown"),
    [("Panel.Example", "panel.example"), ("127.0.0.1:8765", "127.0.0.1:8765"), ("[::1]:80", "[::1]:80")],
)
async def test_a_page_shows_the_address_it_was_asked_at(host: str, shown: str) -> None:
    got = await get(ReferencePages(), "/", scheme="https", host=host)
    assert f'<code dir="ltr">https://{shown}/api/v2</code>' in got.text


async def test_without_a_host_header_the_listening_address_is_shown() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "server": ("::1", 8765), "scheme": "http"}
    await ReferencePages()(scope, nothing, send)
    assert b"http://[::1]:8765/api/v2" in sent[1]["body"]


@pytest.mark.parametrize("path", ["/", "/v1", "/nothing", "/static/opensmm.css"])
async def test_head_answers_the_headers_of_get_without_a_body(path: str) -> None:
    pages = ReferencePages()
    full, bare = await get(pages, path), await get(pages, path, method="HEAD")
    assert (full.status, full.headers, b"") == (bare.status, bare.headers, bare.body)
    assert int(full.headers["content-length"]) == len(full.body)


@pytest.mark.parametrize("path", ["/nothing", "/v2", "/static/", "/static/../pages.py", "/healthz", "/v1//"])
async def test_everything_else_is_a_small_page_not_found(path: str) -> None:
    got = await get(ReferencePages(), path)
    assert got.status == 404
    assert got.headers["content-type"] == "text/html; charset=utf-8"
    assert len(got.body) < 1500


async def test_other_methods_are_not_allowed() -> None:
    got = await get(ReferencePages(), "/", method="POST")
    assert (got.status, got.headers["allow"]) == (405, "GET, HEAD")


async def test_a_page_that_has_not_changed_is_not_sent_again() -> None:
    pages = ReferencePages()
    etag = (await get(pages, "/")).headers["etag"]
    again = await get(pages, "/", if_none_match=etag)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert (await get(pages, "/v1", if_none_match=etag)).status == 200


async def test_a_page_is_sent_packed_to_whoever_takes_it() -> None:
    pages = ReferencePages()
    packed, full = await get(pages, "/", accept_encoding="br, gzip"), await get(pages, "/")
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == full.body
    assert packed.headers["vary"] == full.headers["vary"] == "accept-encoding"


@BOTH
async def test_the_stylesheet_is_found_and_may_be_kept_for_ever(path: str) -> None:
    pages = ReferencePages()
    link = re.findall(r'<link rel="stylesheet" href="([^"]+)">', (await get(pages, path)).text)[0]
    style = await get(pages, link)
    assert (style.status, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in style.headers["cache-control"]
    assert "immutable" not in (await get(pages, "/static/opensmm.css?v=other")).headers["cache-control"]


async def test_the_stylesheet_serves_both_directions() -> None:
    style = (await get(ReferencePages(), "/static/opensmm.css")).text
    assert not re.search(r"(margin|padding|border)-(left|right)|[^-](left|right):|float:", style)
    assert "prefers-color-scheme: dark" in style


async def test_no_more_pages_are_kept_than_the_bound() -> None:
    pages = ReferencePages()
    for number in range(MAX_CACHED_PAGES + 5):
        await get(pages, "/", host=f"panel{number}.example")
    assert len(pages._cache) == MAX_CACHED_PAGES

"""The content of the API's pages: actions, service types, statuses and refusals, as the API's own code has them."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from opensmm.base.ids import OrderId, ServiceId
from opensmm.base.money import money
from opensmm.domain.catalogue import TYPE_PARAMETERS, DeliveryMethod, QuantitySource, Service, ServiceType
from opensmm.domain.order_views import ListedOrder, OrderView
from opensmm.domain.orders import OrderStatus
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.texts.english_reference import REFERENCE
from opensmm.texts.reference import CallText, Texts, translate_texts
from opensmm.texts.speech import Speech, in_language
from opensmm.wire.dialect import Dialect
from opensmm.wire.messages import LOWER_CASE_STATUS, REFILL_STATUS, TITLE_CASE_STATUS, V1_TYPE
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

FOLDER: Final = Path(__file__).parent
BASE_URL: Final = "http://127.0.0.1:8765"
"""The panel's URL in the example programs. A page shows its own panel's instead."""

EXAMPLES: Final = (("curl", "curl"), ("php", "PHP"), ("python", "Python"), ("node", "Node"))
PUBLISHED_DELAYS_MIN: Final = (0, 5, 10, 15, 30, 60, 90)
END_STATUSES: Final = frozenset((OrderStatus.COMPLETED, OrderStatus.PARTIAL, OrderStatus.CANCELED))

_CALLS: Final = (
    ("services", "services", ("extended?",)),
    ("add", "add", ()),
    ("status", "status", ("order",)),
    ("statuses", "status", ("orders",)),
    ("refill", "refill", ("order",)),
    ("refills", "refill", ("orders",)),
    ("refill_status", "refill_status", ("refill",)),
    ("refill_statuses", "refill_status", ("refills",)),
    ("cancel", "cancel", ("orders",)),
    ("balance", "balance", ()),
    ("orders", "orders", ("limit?", "before?")),
)
"""The calls of the page: name, action, and parameters of the action. A question mark means optional."""

_STATUS: Final = re.compile(r"\{(pending|processing|completed|partial|canceled)\}")
_OPTIONAL: Final = frozenset(("posts", "old_posts", "expiry", "google_keyword", "referring_url"))
_DETAIL: Final = {
    Refusal.QUANTITY_TOO_LOW: "50",
    Refusal.QUANTITY_TOO_HIGH: "10000",
    Refusal.PARAMETER: "comments",
}


class Parameter(Struct, frozen=True):
    name: str
    meaning: str
    value: str = ""
    optional: bool = False


class Call(Struct, frozen=True):
    """A call of the API. ``id`` is its anchor in the page, ``sample`` a documented response, word for word."""

    id: str
    text: CallText
    notes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    sample: str


class AddForm(Struct, frozen=True):
    """The parameters of ``add`` for one service type. ``type`` is spelt as in the dialect's price list."""

    type: str
    name: str
    parameters: tuple[Parameter, ...]
    billed: str
    note: str


class Row(Struct, frozen=True):
    """A word or text of the protocol, and what it means. ``final``: a status that no other follows."""

    word: str
    meanings: tuple[str, ...]
    final: bool = False


class Example(Struct, frozen=True):
    id: str
    name: str
    program: str


class Reference(Struct, frozen=True):
    """The content of one page."""

    dialect: str
    speech: Speech
    texts: Texts
    section_notes: dict[str, tuple[str, ...]]
    calls: dict[str, Call]
    type_forms: tuple[AddForm, ...]
    statuses: tuple[Row, ...]
    refill_statuses: tuple[Row, ...]
    errors: tuple[Row, ...]
    faults: tuple[Row, ...]
    links: tuple[Row, ...]
    examples: tuple[Example, ...]


def build_reference(dialect: str, language: str) -> Reference:
    """Builds the page of ``v1`` or ``v2`` in a language that has a catalogue."""
    writer = V1 if dialect == "v1" else V2
    words = LOWER_CASE_STATUS if dialect == "v1" else TITLE_CASE_STATUS
    speech = in_language(language)
    texts = _translate(speech, {status.value: word for status, word in words.items()})
    return Reference(
        dialect=dialect,
        speech=speech,
        texts=texts,
        section_notes={
            name: _choose_notes(getattr(texts.sections, name), writer) for name in texts.sections.__struct_fields__
        },
        calls={name: _build_call(name, action, own, writer, texts) for name, action, own in _CALLS},
        type_forms=tuple(_build_add_form(kind, dialect, texts) for kind in ServiceType),
        statuses=tuple(Row(words[status], (text,), status in END_STATUSES) for status, text in texts.statuses.items()),
        refill_statuses=tuple(Row(REFILL_STATUS[status], (text,)) for status, text in texts.refill_statuses.items()),
        errors=tuple(_group_errors(writer, texts)),
        faults=tuple(Row(str(code), (text,)) for code, text in texts.faults.items()),
        links=tuple(Row(word, (text,)) for word, text in texts.links.items()),
        examples=tuple(_read_example(id, name, dialect) for id, name in EXAMPLES),
    )


def _translate(speech: Speech, words: Mapping[str, str]) -> Texts:
    """Returns the texts in a language, with the dialect's words for the statuses in them."""

    def translate(context: str, english: str) -> str:
        return _STATUS.sub(lambda match: words[match[1]], speech.text(context, english))

    return translate_texts(REFERENCE, translate)


def _build_parameter(name: str, texts: Texts, *, kind: ServiceType | None = None, optional: bool = False) -> Parameter:
    own = f"{V1_TYPE[kind]}.{name}" if kind else name
    meaning = texts.parameters.get(own) or texts.parameters[name]
    delays = ", ".join(map(str, PUBLISHED_DELAYS_MIN))
    return Parameter(name, meaning.replace("{delays}", f"`{delays}`"), optional=optional)


def _build_call(name: str, action: str, own: Iterable[str], dialect: Dialect, texts: Texts) -> Call:
    fixed = (_build_parameter("key", texts), Parameter("action", texts.parameters["action"], value=action))
    if action == "add":  # The other parameters depend on the service type, see ``_build_add_form``.
        own = ("service", "idempotency_key?")
    others = (_build_parameter(each.rstrip("?"), texts, optional=each.endswith("?")) for each in own)
    text = texts.calls[name]
    return Call(
        name.replace("_", "-"), text, _choose_notes(text, dialect), (*fixed, *others), _read_sample(name, dialect)
    )


def _choose_notes(text: CallText, dialect: Dialect) -> tuple[str, ...]:
    """Returns the notes for a dialect's page."""
    return (*text.notes, *(text.v1 if dialect is V1 else text.v2))


def _build_add_form(kind: ServiceType, dialect: str, texts: Texts) -> AddForm:
    form = TYPE_PARAMETERS[kind]
    only_link = form.link_is_enough and dialect == "v1"
    names = [] if form.quantity_from is QuantitySource.POSTS else ["link"]
    if form.quantity_from is QuantitySource.QUANTITY:
        names.append("quantity")
    required = {"link"} if only_link else {*names, *form.own_parameters} - _OPTIONAL
    names += [*form.own_parameters, *(("runs", "interval") if form.may_drip else ())]
    billed = (
        texts.billed_packaged if form.packaged else texts.drips if form.may_drip else texts.billed[form.quantity_from]
    )
    return AddForm(
        type=V1_TYPE[kind] if dialect == "v1" else kind.value,
        name=texts.types[kind],
        parameters=tuple(_build_parameter(name, texts, kind=kind, optional=name not in required) for name in names),
        billed=billed,
        note=texts.link_is_enough if only_link else "",
    )


def _group_errors(dialect: Dialect, texts: Texts) -> Iterable[Row]:
    """Returns a row for each text of a refusal. Refusals with the same text in the dialect share a row."""
    rows: dict[str, list[str]] = {}
    for why, meaning in texts.refusals.items():
        rows.setdefault(dialect.refusal_text(Refused(why, _DETAIL.get(why, ""))), []).append(meaning)
    return (Row(text, tuple(meanings)) for text, meanings in rows.items())


def _read_sample(name: str, dialect: Dialect) -> str:
    """Returns the documented response. Calls that v1 does not document have v2's."""
    if name == "orders":
        return _indent(dialect.write_order_list([_LISTED]))
    own, other = (FOLDER / "samples" / version / f"{name}.json" for version in (dialect.name, V2.name))
    return (own if own.exists() else other).read_text(encoding="utf-8").strip("\n")


_LISTED: Final = ListedOrder(
    OrderView(OrderId(23501), OrderStatus.IN_PROGRESS, money("0.90000"), 3572, 157, "USD"),
    service=1,
    link="https://example.com/my-post",
    quantity=1000,
    created=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
)


def render_extended_sample(dialect: str) -> str:
    """Returns the first service of the v2 page with the fields of ``extended=1``."""
    service = Service(
        ServiceId(1), "Followers", ServiceType.DEFAULT, "First Category", Decimal("0.90"), 50, 10000,
        refill=True, cancel=True, dripfeed=True, description="Starts within an hour", average_time_min=95,
        delivery_method=DeliveryMethod.CREATOR_PLACEMENT,
    )  # fmt: skip
    writer = V1 if dialect == "v1" else V2
    return _indent(writer.write_services([writer.write_service(service, service.rate, True)]))


def _indent(answer: bytes) -> str:
    return msgspec.json.format(answer, indent=4).decode()


def _read_example(id: str, name: str, dialect: str) -> Example:
    program = (FOLDER / "examples" / f"{id}.txt").read_text(encoding="utf-8").strip("\n")
    return Example(id, name, program.replace(f"{BASE_URL}/api/v2", f"{BASE_URL}/api/{dialect}"))

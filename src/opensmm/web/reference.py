"""What the API page shows, taken from the code that answers: actions, service types, words, refusals and samples."""

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
from opensmm.domain.catalogue import TYPE_FORMS, DeliveryMethod, QuantitySource, Service, ServiceType
from opensmm.domain.order_views import ListedOrder, OrderView
from opensmm.domain.orders import OrderStatus
from opensmm.domain.refusals import Refusal, Refused
from opensmm.texts.english_reference import REFERENCE
from opensmm.texts.reference import CallText, Texts, translated
from opensmm.texts.speech import Speech, in_language
from opensmm.wire.dialect import Dialect
from opensmm.wire.messages import LOWER_CASE_STATUS, REFILL_STATUS, TITLE_CASE_STATUS, V1_TYPE
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

FOLDER: Final = Path(__file__).parent
BASE_URL: Final = "http://127.0.0.1:8765"
"""The panel's address as the example programs write it; a page puts its own panel's in place of it."""

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
"""Each call of the page: its name, its action and the action's parameters; a question mark says optional."""

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
    """One call: ``id`` is its place in the page, ``sample`` a published answer, word for word."""

    id: str
    text: CallText
    notes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    sample: str


class AddShape(Struct, frozen=True):
    """What ``add`` takes for one service type. ``type`` is spelt as the dialect's price list spells it."""

    type: str
    name: str
    parameters: tuple[Parameter, ...]
    billed: str
    note: str


class Row(Struct, frozen=True):
    """A word or text of the wire and what it means; ``final``: no other follows."""

    word: str
    meanings: tuple[str, ...]
    final: bool = False


class Example(Struct, frozen=True):
    id: str
    name: str
    program: str


class Reference(Struct, frozen=True):
    """Everything one page shows."""

    dialect: str
    speech: Speech
    texts: Texts
    section_notes: dict[str, tuple[str, ...]]
    calls: dict[str, Call]
    shapes: tuple[AddShape, ...]
    statuses: tuple[Row, ...]
    refill_statuses: tuple[Row, ...]
    errors: tuple[Row, ...]
    faults: tuple[Row, ...]
    links: tuple[Row, ...]
    examples: tuple[Example, ...]


def reference(dialect: str, language: str) -> Reference:
    """The page of ``v1`` or ``v2`` in a language that has a catalogue."""
    speaks = V1 if dialect == "v1" else V2
    words = LOWER_CASE_STATUS if dialect == "v1" else TITLE_CASE_STATUS
    speech = in_language(language)
    texts = _worded(speech, {status.value: word for status, word in words.items()})
    return Reference(
        dialect=dialect,
        speech=speech,
        texts=texts,
        section_notes={
            name: _notes(getattr(texts.sections, name), speaks) for name in texts.sections.__struct_fields__
        },
        calls={name: _call(name, action, given, speaks, texts) for name, action, given in _CALLS},
        shapes=tuple(_shape(kind, dialect, texts) for kind in ServiceType),
        statuses=tuple(Row(words[one], (said,), one in END_STATUSES) for one, said in texts.statuses.items()),
        refill_statuses=tuple(Row(REFILL_STATUS[one], (said,)) for one, said in texts.refill_statuses.items()),
        errors=tuple(_errors(speaks, texts)),
        faults=tuple(Row(str(code), (said,)) for code, said in texts.faults.items()),
        links=tuple(Row(word, (said,)) for word, said in texts.links.items()),
        examples=tuple(_example(id, name, dialect) for id, name in EXAMPLES),
    )


def _worded(speech: Speech, words: Mapping[str, str]) -> Texts:
    """The texts in a language, with the dialect's words for the statuses that they name."""

    def say(context: str, english: str) -> str:
        return _STATUS.sub(lambda found: words[found[1]], speech.text(context, english))

    return translated(REFERENCE, say)


def _parameter(name: str, texts: Texts, *, kind: ServiceType | None = None, optional: bool = False) -> Parameter:
    own = f"{V1_TYPE[kind]}.{name}" if kind else name
    meaning = texts.parameters.get(own) or texts.parameters[name]
    delays = ", ".join(map(str, PUBLISHED_DELAYS_MIN))
    return Parameter(name, meaning.replace("{delays}", f"`{delays}`"), optional=optional)


def _call(name: str, action: str, given: Iterable[str], dialect: Dialect, texts: Texts) -> Call:
    fixed = (_parameter("key", texts), Parameter("action", texts.parameters["action"], value=action))
    if action == "add":
        given = ("service", "idempotency_key?")
    own = (_parameter(one.rstrip("?"), texts, optional=one.endswith("?")) for one in given)
    text = texts.calls[name]
    return Call(name.replace("_", "-"), text, _notes(text, dialect), (*fixed, *own), _sample(name, dialect))


def _notes(text: CallText, dialect: Dialect) -> tuple[str, ...]:
    """The notes of a dialect's page."""
    return (*text.notes, *(text.v1 if dialect is V1 else text.v2))


def _shape(kind: ServiceType, dialect: str, texts: Texts) -> AddShape:
    shape = TYPE_FORMS[kind]
    lone = shape.link_is_enough and dialect == "v1"
    names = [] if shape.counts is QuantitySource.POSTS else ["link"]
    if shape.counts is QuantitySource.QUANTITY:
        names.append("quantity")
    required = {"link"} if lone else {*names, *shape.own} - _OPTIONAL
    names += [*shape.own, *(("runs", "interval") if shape.may_drip else ())]
    billed = texts.billed_packaged if shape.packaged else texts.drips if shape.may_drip else texts.billed[shape.counts]
    return AddShape(
        type=V1_TYPE[kind] if dialect == "v1" else kind.value,
        name=texts.types[kind],
        parameters=tuple(_parameter(one, texts, kind=kind, optional=one not in required) for one in names),
        billed=billed,
        note=texts.link_alone if lone else "",
    )


def _errors(dialect: Dialect, texts: Texts) -> Iterable[Row]:
    """Refusals that a dialect words alike share a row."""
    rows: dict[str, list[str]] = {}
    for why, meaning in texts.refusals.items():
        rows.setdefault(dialect.refusal_text(Refused(why, _DETAIL.get(why, ""))), []).append(meaning)
    return (Row(text, tuple(meanings)) for text, meanings in rows.items())


def _sample(name: str, dialect: Dialect) -> str:
    """The published answer; what v1's page does not show is answered as v2's page shows."""
    if name == "orders":
        return _pretty(dialect.write_order_list([_LISTED]))
    own, other = (FOLDER / "samples" / version / f"{name}.json" for version in (dialect.name, V2.name))
    return (own if own.exists() else other).read_text(encoding="utf-8").strip("\n")


_LISTED: Final = ListedOrder(
    OrderView(OrderId(23501), OrderStatus.IN_PROGRESS, money("0.90000"), 3572, 157, "USD"),
    service=1,
    link="https://example.com/my-post",
    quantity=1000,
    created=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
)


def extended_sample(dialect: str) -> str:
    """The first service of the v2 page as ``extended=1`` shows it."""
    service = Service(
        ServiceId(1), "Followers", ServiceType.DEFAULT, "First Category", Decimal("0.90"), 50, 10000,
        refill=True, cancel=True, dripfeed=True, description="Starts within an hour", average_time_min=95,
        delivery_method=DeliveryMethod.CREATOR_PLACEMENT,
    )  # fmt: skip
    speaks = V1 if dialect == "v1" else V2
    return _pretty(speaks.write_services([speaks.write_service(service, service.rate, True)]))


def _pretty(answer: bytes) -> str:
    return msgspec.json.format(answer, indent=4).decode()


def _example(id: str, name: str, dialect: str) -> Example:
    program = (FOLDER / "examples" / f"{id}.txt").read_text(encoding="utf-8").strip("\n")
    return Example(id, name, program.replace(f"{BASE_URL}/api/v2", f"{BASE_URL}/api/{dialect}"))

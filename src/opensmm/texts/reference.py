"""The texts of the API's pages. Text between backticks is code, set apart and left to right."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from msgspec import Struct

from opensmm.domain.catalogue import QuantitySource, ServiceType
from opensmm.domain.orders import OrderStatus
from opensmm.domain.refills import RefillStatus
from opensmm.domain.refusals import Refusal

Say = Callable[[str, str], str]
"""Turns a text into another language, given its context."""
_Key = TypeVar("_Key")


class CallText(Struct, frozen=True):
    """One call of the API: its heading, what it does, and what else is to be known of it.

    ``v1`` and ``v2`` are notes that hold for that dialect alone; they follow the others.
    """

    title: str
    lead: str
    notes: tuple[str, ...] = ()
    v1: tuple[str, ...] = ()
    v2: tuple[str, ...] = ()


class Labels(Struct, frozen=True, kw_only=True):
    """The short words of headings, tables and links."""

    title: str
    description: str
    skip: str
    contents: str
    method: str
    url: str
    format: str
    key: str
    key_hint: str
    parameter: str
    meaning: str
    optional: str
    sample: str
    answer: str
    request: str
    billed: str
    status: str
    refill_status: str
    final: str
    text: str
    when: str
    code: str
    link: str
    outcome: str
    not_found: str
    not_found_lead: str
    back: str


class Sections(Struct, frozen=True, kw_only=True):
    """The sections that are no calls."""

    requests: CallText
    types: CallText
    statuses: CallText
    refill_statuses: CallText
    errors: CallText
    faults: CallText
    idempotency: CallText
    sandbox: CallText
    examples: CallText


class Texts(Struct, frozen=True, kw_only=True):
    """Everything the pages say in one language.

    ``parameters`` is looked up by ``type.name`` first, then by name; the type is spelt as in v1. ``links`` are the
    sandbox's path segments; an empty one stands for any other. ``{completed}`` and its like stand for the words of the
    page's dialect.
    """

    labels: Labels
    sections: Sections
    calls: Mapping[str, CallText]
    parameters: Mapping[str, str]
    types: Mapping[ServiceType, str]
    billed: Mapping[QuantitySource, str]
    billed_packaged: str
    drips: str
    link_alone: str
    statuses: Mapping[OrderStatus, str]
    refill_statuses: Mapping[RefillStatus, str]
    refusals: Mapping[Refusal, str]
    faults: Mapping[int, str]
    links: Mapping[str, str]


def translated(texts: Texts, say: Say) -> Texts:
    """The texts in another language; ``say`` is given each in its context, ``reference.<part>.<name>``."""

    def table(part: str, english: Mapping[_Key, str]) -> dict[_Key, str]:
        return {key: say(f"reference.{part}.{str(key) or 'other'}", text) for key, text in english.items()}

    def call(part: str, english: CallText) -> CallText:
        context = f"reference.{part}"
        notes = (
            tuple(say(f"{context}.note", note) for note in some) for some in (english.notes, english.v1, english.v2)
        )
        return CallText(say(f"{context}.title", english.title), say(f"{context}.lead", english.lead), *notes)

    labels = {name: getattr(texts.labels, name) for name in Labels.__struct_fields__}
    sections = {name: getattr(texts.sections, name) for name in Sections.__struct_fields__}
    return Texts(
        labels=Labels(**table("label", labels)),
        sections=Sections(**{name: call(f"section.{name}", section) for name, section in sections.items()}),
        calls={name: call(f"call.{name}", english) for name, english in texts.calls.items()},
        parameters=table("parameter", texts.parameters),
        types=table("type", texts.types),
        billed=table("billed", texts.billed),
        billed_packaged=say("reference.billed_packaged", texts.billed_packaged),
        drips=say("reference.drips", texts.drips),
        link_alone=say("reference.link_alone", texts.link_alone),
        statuses=table("status", texts.statuses),
        refill_statuses=table("refill_status", texts.refill_statuses),
        refusals=table("refusal", texts.refusals),
        faults=table("fault", texts.faults),
        links=table("link", texts.links),
    )

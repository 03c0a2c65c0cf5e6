"""The structure of the texts on the API's pages. Text between backticks is code, which runs left to right."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from msgspec import Struct

from opensmm.domain.catalogue import QuantitySource, ServiceType
from opensmm.domain.orders import OrderStatus
from opensmm.domain.refills import RefillStatus
from opensmm.domain.request_refusals import Refusal

Translate = Callable[[str, str], str]
"""A function that translates a text, given its context and the text."""
_Key = TypeVar("_Key")


class CallText(Struct, frozen=True):
    """The texts of one call of the API: heading, description and notes. ``v1`` and ``v2`` are notes for one dialect."""

    title: str
    lead: str
    notes: tuple[str, ...] = ()
    v1: tuple[str, ...] = ()
    v2: tuple[str, ...] = ()


class Labels(Struct, frozen=True, kw_only=True):
    """The labels of headings, tables and links."""

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
    """The sections besides the calls."""

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
    """All texts of the pages in one language.

    Keys of ``parameters`` are ``type.name``, with the type as in v1, or a name alone. Keys of ``links`` are the
    sandbox's path segments; the empty key is for any other. ``{completed}`` and similar placeholders stand for the
    statuses of the page's dialect.
    """

    labels: Labels
    sections: Sections
    calls: Mapping[str, CallText]
    parameters: Mapping[str, str]
    types: Mapping[ServiceType, str]
    billed: Mapping[QuantitySource, str]
    billed_packaged: str
    drips: str
    link_is_enough: str
    statuses: Mapping[OrderStatus, str]
    refill_statuses: Mapping[RefillStatus, str]
    refusals: Mapping[Refusal, str]
    faults: Mapping[int, str]
    links: Mapping[str, str]


def translate_texts(texts: Texts, translate: Translate) -> Texts:
    """Returns the texts in another language. The context of each is ``reference.<part>.<name>``."""

    def table(part: str, english: Mapping[_Key, str]) -> dict[_Key, str]:
        return {key: translate(f"reference.{part}.{str(key) or 'other'}", text) for key, text in english.items()}

    def call(part: str, english: CallText) -> CallText:
        context = f"reference.{part}"
        groups = (
            tuple(translate(f"{context}.note", note) for note in notes)
            for notes in (english.notes, english.v1, english.v2)
        )
        return CallText(
            translate(f"{context}.title", english.title), translate(f"{context}.lead", english.lead), *groups
        )

    labels = {name: getattr(texts.labels, name) for name in Labels.__struct_fields__}
    sections = {name: getattr(texts.sections, name) for name in Sections.__struct_fields__}
    return Texts(
        labels=Labels(**table("label", labels)),
        sections=Sections(**{name: call(f"section.{name}", section) for name, section in sections.items()}),
        calls={name: call(f"call.{name}", english) for name, english in texts.calls.items()},
        parameters=table("parameter", texts.parameters),
        types=table("type", texts.types),
        billed=table("billed", texts.billed),
        billed_packaged=translate("reference.billed_packaged", texts.billed_packaged),
        drips=translate("reference.drips", texts.drips),
        link_is_enough=translate("reference.link_alone", texts.link_is_enough),
        statuses=table("status", texts.statuses),
        refill_statuses=table("refill_status", texts.refill_statuses),
        refusals=table("refusal", texts.refusals),
        faults=table("fault", texts.faults),
        links=table("link", texts.links),
    )

"""What the API page says, language by language. Text between backticks is code, set apart and left to right."""

from collections.abc import Mapping

from msgspec import Struct

from opensmm.domain.catalogue import Counts, ServiceType
from opensmm.domain.orders import OrderStatus
from opensmm.domain.refills import RefillStatus
from opensmm.domain.refusals import Refusal


class CallText(Struct, frozen=True):
    """One call of the API: its heading, what it does, and what else is to be known of it."""

    title: str
    lead: str
    notes: tuple[str, ...] = ()


class Labels(Struct, frozen=True, kw_only=True):
    """The short words of headings, tables and links."""

    title: str
    description: str
    other_page: str
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
    """Everything a page says in one language.

    ``parameters`` is looked up by ``type.name`` first, then by name; the type is spelt as in v1. ``links`` are the
    sandbox's path segments; an empty one stands for any other.
    """

    language: str
    direction: str
    labels: Labels
    sections: Sections
    calls: Mapping[str, CallText]
    parameters: Mapping[str, str]
    types: Mapping[ServiceType, str]
    billed: Mapping[Counts, str]
    billed_packaged: str
    drips: str
    link_alone: str
    statuses: Mapping[OrderStatus, str]
    refill_statuses: Mapping[RefillStatus, str]
    refusals: Mapping[Refusal, str]
    faults: Mapping[int, str]
    links: Mapping[str, str]

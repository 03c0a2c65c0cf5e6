"""Fields of a thing and what became of them, as a person reads them."""

from collections.abc import Mapping
from typing import Final

from opensmm.base.money import Money, short
from opensmm.domain.catalogue import DeliveryMethod, Halt, RefillMode, Service
from opensmm.domain.codes import ChangeCode
from opensmm.domain.providers import PANEL, SANDBOX, STAFF, Form
from opensmm.domain.sync import ListChange
from opensmm.texts import words
from opensmm.texts.english import CHANGES
from opensmm.texts.words import shown

_MONEY: Final = frozenset(("amount", "balance", "credit_limit", "earned", "overdrawn"))
_LABELS: Final[Mapping[str, str]] = {
    "dripfeed": "drip-feed",
    "url": "address",
    "refill wait h": "refill wait (hours)",
    "refill days": "refill within (days)",
    "sync every min": "price list read every (minutes)",
    "synced": "price list taken over",
    "sync fault": "why the newest was not",
    "price share": "a cost may move by (per cent)",
    "margin": "margin (per cent)",
    "forms": "asked after ids",
    "user agent": "called as",
    "hours left": "balance lasts (hours)",
    "average time min": "average time (minutes)",
    "refill mode": "refilled by",
    "hold when refused": "held where every provider refuses",
    "free": "sold whatever it costs",
    "one active per link": "one active order per link",
    "position": "place on the price list",
    "concurrency": "calls at once",
    "adds at a time": "adds at once",
    "failures": "failures in a row",
    "resting until": "sent nothing until",
    "fault": "why it failed last",
    "not called": "why it is not called",
    "balance at": "balance read",
    "added": "added per 1000",
    "decimals": "prices rounded up to (decimals)",
    "routes": "providers (each with its service)",
    "by cost": "cheapest first",
    "refunded": "paid back",
}
HALTS: Final[Mapping[Halt, str]] = {
    Halt.GONE: "no provider lists it any more",
    Halt.TYPE: "its provider lists it as another type",
    Halt.QUARANTINE: "what it costs, or what is sold, changed too far: see `opensmm service quarantine list`",
}
_EMPTY: Final[Mapping[str, str]] = {
    **dict.fromkeys(("cost", "balance", "balance_at", "hours_left", "average_time_min"), "unknown"),
    "refill_days": "for ever",
    "margin": "none: prices stay yours",
    "user_agent": "OpenSMM and its version",
    "adds_at_a_time": "as many as calls",
}
"""What it means that a field has no value, where that is not "none"."""
_FORMS: Final[Mapping[Form, str]] = {
    Form.ONE_BY_ONE: "one by one",
    Form.LIST_OF_ONE: "in a list, though it be of one",
}
METHODS: Final[Mapping[str, str]] = {
    DeliveryMethod.PAID_ADS: "paid ads",
    DeliveryMethod.CREATOR_PLACEMENT: "creator placement",
    DeliveryMethod.STAFF_WORK: "staff work",
    DeliveryMethod.CONSENTED_USERS: "consented users",
    DeliveryMethod.SOFTWARE_SERVICE: "software service",
    DeliveryMethod.UNDISCLOSED: "undisclosed",
}
REFILL_MODES: Final[Mapping[str, str]] = {
    RefillMode.PROVIDER: "the provider that delivered it",
    RefillMode.OTHER: "another provider, which you pay",
    RefillMode.MANUAL: "your staff",
}
KINDS: Final[Mapping[str, str]] = {PANEL: "panel", SANDBOX: "built-in sandbox", STAFF: "your staff"}
_WORDS: Final = {"delivery_method": METHODS, "refill_mode": REFILL_MODES, "kind": KINDS}
_PERMITS: Final[Mapping[str, str]] = {"refill": "refill", "cancel": "cancel", "dripfeed": "drip-feed"}


def change(name: str, before: object, after: object) -> str:
    """A field before and after; of one that was empty, what it is."""
    if before is None:
        return f"{label(name)}: {value_of(name, after)}"
    return f"{label(name)}: {value_of(name, before)} → {value_of(name, after)}"


def moved(told: ListChange) -> str:
    """What a price list changed of a service."""
    if told.code is ChangeCode.FIELD_MOVED:
        return change(told.fields["field"], told.fields["before"], told.fields["after"])
    return words.filled(CHANGES[told.code], told.fields)


def label(name: str) -> str:
    plain = name.replace("runs.", "run ").replace("routes.", "route ").replace(".", " ").replace("_", " ")
    return _LABELS.get(plain, plain)


def value_of(name: str, value: object) -> str:
    match value:
        case None:
            return _EMPTY.get(name, "none")
        case bool():
            return "yes" if value else "no"
        case int() if name in _MONEY:
            return short(Money(value))
        case Mapping():
            return _forms(value)
        case [] | "":
            return _EMPTY.get(name, "none")
        case 0 if name == "calls_per_second":
            return "no limit"
        case 0 if name == "adds_at_a_time":
            return _EMPTY[name]
        case str() if name in _WORDS:
            return _WORDS[name].get(value, value)
    return shown(value)


def _forms(told: Mapping[str, str]) -> str:
    each = (f"{action} {_FORMS[Form(form)]}" for action, form in told.items())
    return ", ".join(each) or "one id in the singular, several in a list"


def lines(told: Mapping[str, object]) -> str:
    """A line for each field."""
    return "\n".join(f"{label(name)}: {value_of(name, value)}" for name, value in told.items())


def sale(service: Service) -> str:
    """Whether a service is sold, and why not."""
    if not service.on_sale:
        return "off sale"
    return "on sale" if service.halted is None else f"not sold: {HALTS[service.halted]}"


def permits(service: Service) -> str:
    """What customers may ask of its orders."""
    return ", ".join(words for field, words in _PERMITS.items() if getattr(service, field))

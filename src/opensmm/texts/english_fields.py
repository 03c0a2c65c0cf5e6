"""The English texts of fields and of their values."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.catalogue import DeliveryMethod, Halt, RefillMode
from opensmm.domain.providers import MANUAL, PANEL, SANDBOX, IdForm
from opensmm.texts.template import Words


def _as_named(*names: str) -> Mapping[str, str]:
    return {name: name.replace("_", " ") for name in names}


LANGUAGE: Final[Mapping[str, str]] = {"name": "English", "direction": "ltr"}
"""A language's own name, and its writing direction (``ltr`` or ``rtl``)."""
LABELS: Final[Mapping[str, str]] = {
    **_as_named("id", "name", "type", "category", "rate", "min", "max", "refill", "cancel", "description", "cost"),
    **_as_named("on_sale", "halted", "sale", "kind", "dialect", "balance", "currency", "enabled", "calls_per_second"),
    **_as_named("exchange_rate", "has_key", "key", "delivery_method", "pepper", "value"),
    **_as_named("reason", "rule", "amount", "gateway", "external_id", "transfer", "reference", "corrects", "from"),
    **_as_named("credit_limit", "overdrawn", "earned", "suspended", "customer", "hint", "label"),
    **_as_named("refunded", "revoked", "price_list", "order", "purchase", "quantity", "status", "provider"),
    **_as_named("provider_orders", "service", "state", "remains", "start_count", "number", "note", "services"),
    "below_cost": "orders below cost",
    "refused_wait_h": "wait if refused (hours)",
    "title_case": "status words in title case",
    "as_panel": "treated as a panel",
    "addresses": "allowed addresses",
    "dripfeed": "drip-feed",
    "url": "address",
    "refill_wait_h": "refill wait (hours)",
    "refill_days": "refill within (days)",
    "sync_every_min": "price list read every (minutes)",
    "synced": "price list applied",
    "sync_fault": "why the newest was not applied",
    "price_share": "allowed change of a cost (per cent)",
    "margin": "margin (per cent)",
    "forms": "ids in calls",
    "user_agent": "User-Agent",
    "hours_left": "balance lasts (hours)",
    "average_time_min": "average time (minutes)",
    "refill_mode": "refilled by",
    "hold_when_refused": "held if every provider refuses",
    "free": "may be sold below cost",
    "one_active_per_link": "one active order per link",
    "position": "position in the price list",
    "concurrency": "calls at once",
    "adds_at_a_time": "adds at once",
    "failures": "failures in a row",
    "resting_until": "paused until",
    "fault": "last failure",
    "not_called": "why it is not called",
    "balance_at": "balance read at",
    "added": "added per 1000",
    "decimals": "prices rounded up to (decimals)",
    "routes": "providers (each with its service)",
    "by_cost": "cheapest first",
}
"""The label of each field. A field that is not listed has its name as the label."""
PARTS: Final[Mapping[str, str]] = {
    "runs": "run",
    "routes": "route",
    "tries": "attempt",
    "off": "set aside",
    "agreed": "agreed cost",
    **_as_named("state", "remains", "ceiling", "provider_order", "notice", "start_count", "quantity"),
    **_as_named("cost", "name", "agreed_name", "min", "max", "status"),
}
"""The parts of a nested field's name, such as ``runs.2.state``."""
HALTS: Final[Mapping[Halt, str]] = {
    Halt.GONE: "no provider lists it any more",
    Halt.TYPE: "its provider lists it as another type",
    Halt.QUARANTINE: "its cost or product changed too far: see `opensmm service quarantine list`",
}
EMPTY: Final[Mapping[str, str]] = {
    **dict.fromkeys(("cost", "balance", "balance_at", "hours_left", "average_time_min"), "unknown"),
    "refill_days": "no limit",
    "margin": "none: you set the prices",
    "user_agent": "OpenSMM and its version",
    "adds_at_a_time": "as many as calls",
    "calls_per_second": "no limit",
}
"""The meaning of a missing value, for fields where it is not "none"."""
FORMS: Final[Mapping[IdForm, str]] = {
    IdForm.ONE_BY_ONE: "one by one",
    IdForm.LIST_OF_ONE: "always in a list",
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
KINDS: Final[Mapping[str, str]] = {PANEL: "panel", SANDBOX: "built-in sandbox", MANUAL: "your staff"}
VALUES: Final = {"delivery_method": METHODS, "refill_mode": REFILL_MODES, "kind": KINDS}
"""The texts of values, for fields with a closed set of them."""
PERMITS: Final[Mapping[str, str]] = {"refill": "refill", "cancel": "cancel", "dripfeed": "drip-feed"}
"""Requests that customers may make for an order, by the field of its service."""
SPANS: Final[Mapping[str, Words]] = {
    "days": Words("{count} days", singular="{count} day"),
    "hours": Words("{count} hours", singular="{count} hour"),
    "minutes": Words("{count} minutes", singular="{count} minute"),
    "seconds": Words("{count} seconds", singular="{count} second"),
}
"""Durations, in one unit."""
FRAMES: Final[Mapping[str, str]] = {
    "and_more": "{listed} and {more} more",
    "at_least": "at least {number}",
    "by_kind": "{name} ({kind})",
    "change": "{label}: {before} → {after}",
    "exit_code": "exit code {exit_code}",
    "field": "{label}: {value}",
    "forms_usual": "a single id by itself, several in a list",
    "form": "{action} {form}",
    "list": "{listed}, {last}",
    "no": "no",
    "none": "none",
    "not_sold": "not sold: {why}",
    "obstacle": "{place}: {words}",
    "obstacle_of_program": "{place}: {program}: {words}",
    "of_provider": "{number} ({provider_name}: {provider_order})",
    "off_sale": "off sale",
    "on_sale": "on sale",
    "located": "{place}: {event}",
    "price_moved": "{service} {service_name} ({before} → {after})",
    "run": "run {run}",
    "service": "{service} “{service_name}”",
    "status": "{provider_order} {status}",
    "try": "attempt {attempt}",
    "unknown": "unknown",
    "unknown_action": "{action} {subject}",
    "why": "{service}: {why}",
    "within": "{place} {part}",
    "yes": "yes",
}
"""Frames that join parts, and the texts of values that every field may have."""

"""Providers: allowed addresses, how long a balance lasts, and the forms of their requests."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from itertools import pairwise
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from opensmm.domain.codes import FindingCode, ShutCode

PANEL: Final = "panel"
"""Kind of provider that has a key, and is paid in advance."""
MANUAL: Final = "manual"
"""Kind that is not called."""
SANDBOX: Final = "sandbox"
"""Kind that is built in."""

MAX_URL: Final = 500
MAX_NAME: Final = 100
MAX_USER_AGENT: Final = 200
USER_AGENT: Final = re.compile(rf"[ -~]{{0,{MAX_USER_AGENT}}}")
"""Allowed header values: visible ASCII and blanks, so that a value cannot end its line."""
KEY_CHARS: Final = (8, 500)
"""Characters of a provider's key: a shorter one could not be redacted from stored answers."""
MAX_CONCURRENCY: Final = 1000
MAX_CALLS_PER_SECOND: Final = 10_000
MAX_SYNC_EVERY_MIN: Final = 7 * 24 * 60
MAX_PRICE_SHARE: Final = 10_000
"""Per cent; a cost that doubles has moved by 100."""


class IdForm(StrEnum):
    """Forms of id parameters that differ from the published pages: never a list, or always a list."""

    ONE_BY_ONE = "one_by_one"
    LIST_OF_ONE = "list_of_one"


Forms = Mapping[str, IdForm]
"""Forms by action. An action without one has ids as the pages show: one id in the singular, several in a list."""
AS_DOCUMENTED: Final[Forms] = MappingProxyType({})
"""No exceptions: every action as the published pages show."""

_LABEL: Final = "[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\.?", re.I)
_NUMERIC: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)\.?", re.I)


def url_fault(url: str, *, private: bool) -> ShutCode | None:
    """Returns why a provider's address is not allowed; None if it is.

    ``private``: plain HTTP and private addresses are allowed.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return ShutCode.ADDRESS_MALFORMED
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        return ShutCode.ADDRESS_CHARACTERS
    if parts.scheme not in ("https", "http"):
        return ShutCode.ADDRESS_SCHEME
    if parts.scheme == "http" and not private:
        return ShutCode.ADDRESS_WITHOUT_TLS
    if parts.username is not None or parts.password is not None or parts.fragment:
        return ShutCode.ADDRESS_WITH_USER
    if any(name.lower() == "key" for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        return ShutCode.ADDRESS_WITH_KEY
    return _find_host_fault(host, private=private)


def _find_host_fault(host: str, *, private: bool) -> ShutCode | None:
    try:
        address = ip_address(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        # Resolvers take "127.1" and "0x7f000001" for addresses, though Python does not.
        return None if _HOST.fullmatch(host) and not _NUMERIC.fullmatch(last) else ShutCode.ADDRESS_HOST
    return None if private or is_public(address) else ShutCode.ADDRESS_PRIVATE


_EMBEDDING: Final = IPv6Network("64:ff9b::/96")
_LOCAL: Final = (IPv6Network("fec0::/10"), IPv6Network("64:ff9b:1::/48"))
"""Site-local networks, and local-use NAT64, which may lead anywhere in it: Python calls them global."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """True for an address of the public internet; an IPv6 address that embeds an IPv4 address is as public as that."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return is_public(inner)
        if address in _EMBEDDING:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if any(address in network for network in _LOCAL):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def default_adds_at_a_time(dialect: str) -> int | None:
    """Returns how many concurrent ``add`` calls a new provider gets; None for as many as calls.

    Panels of the v1 family read their balance and then write it: of two concurrent orders, both placed, one gets no
    answer.
    """
    return 1 if dialect == "v1" else None


def judge_adds(dialect: str, adds_at_a_time: int | None, concurrency: int) -> tuple[FindingCode, int]:
    """Returns the finding on a provider's concurrent adds, and their number."""
    if adds_at_a_time:
        return FindingCode.ADDS_FEW_AT_A_TIME, adds_at_a_time
    is_set = adds_at_a_time is not None or dialect != "v1"
    return FindingCode.ADDS_AS_MANY_AS_CALLS if is_set else FindingCode.ADDS_NOT_DECIDED, concurrency


def origin(url: str) -> str:
    """Returns scheme, host and port, to which a stored key is bound."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


class BalanceReading(Struct, frozen=True):
    """A provider's balance at a time, in its own currency."""

    at: datetime
    balance: Decimal


BALANCE_EVERY: Final = timedelta(minutes=5)
READINGS_SPAN: Final = timedelta(hours=24)
"""Time before the newest reading over which the pace of spending is measured."""
SHORTEST_SPAN: Final = timedelta(minutes=30)
"""A shorter span says nothing of the hours to come."""


def hours_left(readings: Sequence[BalanceReading], now: datetime) -> Decimal | None:
    """Returns how many hours the newest balance lasts at the pace of the readings, oldest first; None if unknown.

    Spending is the sum of the falls: a rise is a top-up. It is assumed to have continued since the newest reading.
    """
    if len(readings) < 2:
        return None
    first, last = readings[0], readings[-1]
    falls = (max(before.balance - after.balance, Decimal(0)) for before, after in pairwise(readings))
    spent = sum(falls, Decimal(0))
    span_s = int((last.at - first.at).total_seconds())
    if span_s < SHORTEST_SPAN.total_seconds() or not spent:
        return None
    lasts_s = last.balance * span_s / spent - max(0, int((now - last.at).total_seconds()))
    return (max(lasts_s, Decimal(0)) / 3600).quantize(Decimal("0.1"))

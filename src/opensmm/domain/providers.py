"""Providers: where one may be, what its balance will last for, and when it is left alone."""

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
"""The kind of provider that has a key, and is paid in advance."""
MANUAL: Final = "manual"
"""The kind that is not called."""
SANDBOX: Final = "sandbox"
"""The kind that is built in."""

MAX_URL: Final = 500
MAX_NAME: Final = 100
MAX_USER_AGENT: Final = 200
USER_AGENT: Final = re.compile(rf"[ -~]{{0,{MAX_USER_AGENT}}}")
"""What may stand in the header: visible ASCII and blanks, so that it ends no line."""
KEY_CHARS: Final = (8, 500)
"""Keys of providers: a shorter one cannot be kept out of what is stored of answers."""
MAX_CONCURRENCY: Final = 1000
MAX_CALLS_PER_SECOND: Final = 10_000
MAX_SYNC_EVERY_MIN: Final = 7 * 24 * 60
MAX_PRICE_SHARE: Final = 10_000
"""Per cent; a cost that doubles has moved by 100."""


class IdForm(StrEnum):
    """Another form than the pages', in which a provider is asked after ids: never in a list, or always in one."""

    ONE_BY_ONE = "one_by_one"
    LIST_OF_ONE = "list_of_one"


Forms = Mapping[str, IdForm]
"""Forms by action. One that is not named is asked as the pages show: one id in the singular, several in a list."""
AS_DOCUMENTED: Final[Forms] = MappingProxyType({})

_LABEL: Final = "[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\.?", re.I)
_NUMERIC: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)\.?", re.I)


def url_fault(url: str, *, private: bool) -> ShutCode | None:
    """Finds why a provider's address will not do. ``private``: plain HTTP may be spoken, and to private addresses."""
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
    return _host_fault(host, private=private)


def _host_fault(host: str, *, private: bool) -> ShutCode | None:
    try:
        address = ip_address(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        # "127.1" and "0x7f000001" are addresses to a resolver, though not to us.
        return None if _HOST.fullmatch(host) and not _NUMERIC.fullmatch(last) else ShutCode.ADDRESS_HOST
    return None if private or is_public(address) else ShutCode.ADDRESS_PRIVATE


_EMBEDDING: Final = IPv6Network("64:ff9b::/96")
_LOCAL: Final = (IPv6Network("fec0::/10"), IPv6Network("64:ff9b:1::/48"))
"""Site-local, and NAT64 of a network's own, which may lead anywhere in it: Python takes them for global."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """True of addresses of the public internet; of an IPv6 address that embeds an IPv4 one, what that one is."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None:
            return is_public(inner)
        if address in _EMBEDDING:
            return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
        if any(address in network for network in _LOCAL):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def adds_to_begin_with(dialect: str) -> int | None:
    """How many ``add`` calls at a time a new provider is set to take; None leaves it at as many as calls.

    Panels of the v1 family read their balance and then write it: the second of two gets no answer for an order that
    stands.
    """
    return 1 if dialect == "v1" else None


def adds_of(dialect: str, adds_at_a_time: int | None, concurrency: int) -> tuple[FindingCode, int]:
    """What is to be told of the adds of a provider that is set so, and how many go at a time."""
    if adds_at_a_time:
        return FindingCode.ADDS_FEW_AT_A_TIME, adds_at_a_time
    decided = adds_at_a_time is not None or dialect != "v1"
    return FindingCode.ADDS_AS_MANY_AS_CALLS if decided else FindingCode.ADDS_NOT_DECIDED, concurrency


def origin(url: str) -> str:
    """Scheme, host and port: what a kept key is bound to."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


class BalanceReading(Struct, frozen=True):
    """A provider's balance at a time, in its own currency."""

    at: datetime
    balance: Decimal


BALANCE_EVERY: Final = timedelta(minutes=5)
READINGS_SPAN: Final = timedelta(hours=24)
"""How far back from the newest reading spending is looked at."""
SHORTEST_SPAN: Final = timedelta(minutes=30)
"""Less than this says nothing of the hours to come."""


def hours_left(readings: Sequence[BalanceReading], now: datetime) -> Decimal | None:
    """How long the newest balance will last from now on at the pace of the readings, oldest first; None where that is
    unknown.

    What was spent is the sum of the falls: a rise is a top-up. It went on since the newest was read.
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

"""Rate limits: counts by name within a span of time.

The limits are set elsewhere: requests of a key by ``config.py:Config`` (``requests_per_second``), wrong keys of an
address by ``api/authentication.py:FAILURES_A_MINUTE``.
"""

from collections.abc import Callable, Hashable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from math import ceil
from typing import Final

MAX_NAMES: Final = 50_000
"""Names that are counted one by one at a time. Further names share the counts of their groups."""
REST: Final = "the rest"
_IPV6_NETWORK: Final = 64
"""Bits of an IPv6 address that name a customer's network. A host can choose the other bits freely."""
_GROUP_BITS: Final = {4: 16, 6: 32}


class RateExceeded(Exception):
    """The rate limit is exceeded. ``retry_after_s`` is the number of seconds to wait."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class RateLimit:
    """Allows ``most`` counts of one name in a span of ``span_s`` seconds, which begins with the first of them.

    Memory is bounded without forgetting any name early. Once MAX_NAMES are counted, a new name shares the count of its
    ``group``. Once as many groups are counted, it shares that of all the rest.
    """

    def __init__(self, most: int, span_s: float, group: Callable[[Hashable], Hashable] | None = None) -> None:
        self._most = most
        self._span_s = span_s
        self._group = group
        self._counts: dict[Hashable, tuple[float, int]] = {}
        self._groups: dict[Hashable, tuple[float, int]] = {}

    def check(self, name: Hashable, now: float) -> None:
        """Raises RateExceeded if the name has used up its counts. Counts nothing."""
        table, counted = self._find_counter(name, now)
        since, count = table.get(counted, (now, 0))
        if count >= self._most and now - since < self._span_s:
            raise RateExceeded(max(1, ceil(self._span_s - (now - since))))

    def count(self, name: Hashable, now: float) -> None:
        table, counted = self._find_counter(name, now)
        since, count = table.get(counted, (now, 0))
        if now - since >= self._span_s:
            table.pop(counted)  # A table is in the order of the spans' beginnings: a new span goes to its end.
            since, count = now, 0
        table[counted] = (since, count + 1)

    def _find_counter(self, name: Hashable, now: float) -> tuple[dict[Hashable, tuple[float, int]], Hashable]:
        """Returns the table that counts the name, and the key under which it is counted there."""
        if self._has_room(self._counts, name, now):
            return self._counts, name
        group = REST if self._group is None else self._group(name)
        return self._groups, group if self._has_room(self._groups, group, now) else REST

    def _has_room(self, table: dict[Hashable, tuple[float, int]], name: Hashable, now: float) -> bool:
        if name in table or len(table) < MAX_NAMES:
            return True
        while table:
            oldest, (since, _) = next(iter(table.items()))
            if now - since < self._span_s:
                break
            del table[oldest]
        return len(table) < MAX_NAMES


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """Returns the name under which an address is counted: itself, or the /64 network of an IPv6 address."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _IPV6_NETWORK), strict=False))
    return address if parsed is None else str(parsed)


def address_group(name: Hashable) -> Hashable:
    """Returns the wider network of a name that ``network`` returned: a /16 of IPv4, a /32 of IPv6."""
    parsed = _parse(str(name).partition("/")[0])
    return REST if parsed is None else str(ip_network((parsed, _GROUP_BITS[parsed.version]), strict=False))


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    """Parses an address; None if the text is none. An IPv4 address written as IPv6 becomes IPv4."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return parsed.ipv4_mapped or parsed if isinstance(parsed, IPv6Address) else parsed

"""Counting what somebody does within a span of time."""

from collections.abc import Callable, Hashable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from math import ceil
from typing import Final

MAX_NAMES: Final = 50_000
"""Names counted one by one at a time; more share the counts of their groups."""
REST: Final = "the rest"
_IPV6_NETWORK: Final = 64
"""Bits of an IPv6 address that name a customer's network; one host chooses the others as it likes."""
_GROUP_BITS: Final = {4: 16, 6: 32}


class RateExceeded(Exception):
    """Too much within the span; ``retry_after_s`` says when to go on."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class RateLimit:
    """At most ``most`` counts of one name in a span of ``span_s``, which begins with the first of them.

    Memory is bounded, and nobody is forgotten early for it: where MAX_NAMES are counted, a newcomer shares the count
    of its ``group``, and where as many groups are counted, that of all the rest.
    """

    def __init__(self, most: int, span_s: float, group: Callable[[Hashable], Hashable] | None = None) -> None:
        self._most = most
        self._span_s = span_s
        self._group = group
        self._counts: dict[Hashable, tuple[float, int]] = {}
        self._groups: dict[Hashable, tuple[float, int]] = {}

    def check(self, name: Hashable, now: float) -> None:
        """Raises RateExceeded where the name has used its counts up; counts nothing."""
        table, counted = self._place(name, now)
        since, count = table.get(counted, (now, 0))
        if count >= self._most and now - since < self._span_s:
            raise RateExceeded(max(1, ceil(self._span_s - (now - since))))

    def count(self, name: Hashable, now: float) -> None:
        table, counted = self._place(name, now)
        since, count = table.get(counted, (now, 0))
        if now - since >= self._span_s:
            table.pop(counted)  # A new span stands behind all that began before it.
            since, count = now, 0
        table[counted] = (since, count + 1)

    def _place(self, name: Hashable, now: float) -> tuple[dict[Hashable, tuple[float, int]], Hashable]:
        """The table that counts the name, and what it is counted as there."""
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
    """The name that an address is counted under: itself, or the /64 of an IPv6 address."""
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _IPV6_NETWORK), strict=False))
    return address if found is None else str(found)


def address_group(name: Hashable) -> Hashable:
    """The wider network of a name that ``network`` gave: a /16 of IPv4, a /32 of IPv6."""
    found = _parsed(str(name).partition("/")[0])
    return REST if found is None else str(ip_network((found, _GROUP_BITS[found.version]), strict=False))


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """The address; None for what is none. IPv4 written as IPv6 is IPv4."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found

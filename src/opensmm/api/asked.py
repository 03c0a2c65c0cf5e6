"""A request as HTTP brought it, whole. The endpoint answers it whichever way it came."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from msgspec import Struct

from opensmm.api.replies import Header, Reply


class Asked(Struct, frozen=True):
    """``headers`` have lower-case names, each once; ``client`` is the address it came from, empty where unknown."""

    method: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    client: str


Answer = Callable[[Asked], Awaitable[Reply]]


def joined(headers: Sequence[Header]) -> dict[bytes, bytes]:
    """Headers by name; what came more than once is one value, as HTTP reads it: with commas between."""
    found = dict(headers)
    if len(found) == len(headers):
        return found
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {name: b", ".join(several) for name, several in values.items()}

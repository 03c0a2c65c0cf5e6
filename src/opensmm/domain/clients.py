"""Known programs that call the API, by the exact words of their User-Agent, and what each of them needs."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Client(Struct, frozen=True):
    """``title_case``: over v1 it reads v2's status words alone, and moves no order by those of the page."""

    title_case: bool = False


UNKNOWN: Final = Client()
CLIENTS: Final[Mapping[bytes, Client]] = {b"SmartPanel API Sync": Client(title_case=True)}


def reads_title_case(user_agent: bytes | None, switch: bool | None) -> bool:
    """Whether v1 answers in title case. The switch of the key wins; None: by the client."""
    if switch is not None:
        return switch
    return user_agent is not None and CLIENTS.get(user_agent, UNKNOWN).title_case

"""Known programs that call the API, by the exact words of their User-Agent, and what each of them needs."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Client(Struct, frozen=True):
    """``title_case``: over v1 it reads v2's status words alone, and moves no order by those of the page.

    ``as_panel``: it is a panel of the v1 family. It follows subscriptions and drip-feeds by shapes of their own, and
    sells drip-feeds only where the price list tells which services take them. Its posts=0 sets no bound.
    """

    title_case: bool = False
    as_panel: bool = False


UNKNOWN: Final = Client()
_FAMILY: Final = Client(title_case=True, as_panel=True)
CLIENTS: Final[Mapping[bytes, Client]] = {
    b"SmartPanel API Sync": _FAMILY,
    b"Mozilla/5.0 (SmartPanel API Sync)": _FAMILY,
}


def reads_title_case(user_agent: bytes | None, switch: bool | None) -> bool:
    """Whether v1 answers in title case. The switch of the key wins; None: by the client."""
    if switch is not None:
        return switch
    return user_agent is not None and CLIENTS.get(user_agent, UNKNOWN).title_case


def acts_as_panel(user_agent: bytes | None, switch: bool | None) -> bool:
    """Whether a caller is served as a panel of the v1 family. The switch of the key wins; None: by the client."""
    if switch is not None:
        return switch
    return user_agent is not None and CLIENTS.get(user_agent, UNKNOWN).as_panel

"""Known programs that call the API, by the exact words of their User-Agent, and what each of them needs."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class ClientProgram(Struct, frozen=True):
    """``title_case``: over v1 it reads v2's status words alone, and moves no order by those of the page.

    ``as_panel``: it is a panel of the v1 family. It follows subscriptions and drip-feeds by shapes of their own, and
    sells drip-feeds only where the price list tells which services take them. Its posts=0 sets no bound.
    """

    title_case: bool = False
    as_panel: bool = False


UNKNOWN: Final = ClientProgram()
_FAMILY: Final = ClientProgram(title_case=True, as_panel=True)
PROGRAMS: Final[Mapping[bytes, ClientProgram]] = {
    b"SmartPanel API Sync": _FAMILY,
    b"Mozilla/5.0 (SmartPanel API Sync)": _FAMILY,
}


def reads_title_case(user_agent: bytes | None, switch: bool | None) -> bool:
    """Whether v1 answers in title case. The switch of the key wins; None: by the client."""
    return _program(user_agent).title_case if switch is None else switch


def acts_as_panel(user_agent: bytes | None, switch: bool | None) -> bool:
    """Whether a caller is served as a panel of the v1 family. The switch of the key wins; None: by the client."""
    return _program(user_agent).as_panel if switch is None else switch


def _program(user_agent: bytes | None) -> ClientProgram:
    return UNKNOWN if user_agent is None else PROGRAMS.get(user_agent, UNKNOWN)

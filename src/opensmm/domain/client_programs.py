"""Known programs that call the API, by their exact User-Agent, and the answers that each of them needs."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class ClientProgram(Struct, frozen=True):
    """The needs of a program.

    ``title_case``: over v1 it understands only v2's status words, not those of v1's documentation.
    ``as_panel``: it is a panel of the v1 family. It needs its own forms of subscriptions and drip-feeds, sells
    drip-feeds only if the price list names the services that have them, and means no limit by posts=0.
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
    """Returns True if v1 answers in title case: by the key's switch, or if that is None, by the client."""
    return _program(user_agent).title_case if switch is None else switch


def acts_as_panel(user_agent: bytes | None, switch: bool | None) -> bool:
    """Returns True if a client is a panel of the v1 family: by the key's switch, or if that is None, by itself."""
    return _program(user_agent).as_panel if switch is None else switch


def _program(user_agent: bytes | None) -> ClientProgram:
    return UNKNOWN if user_agent is None else PROGRAMS.get(user_agent, UNKNOWN)

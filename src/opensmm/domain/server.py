"""What the panel needs of its PostgreSQL, and of what stands between them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from opensmm.domain.codes import Fields, FindingCode
from opensmm.domain.findings import Finding, Level

LEAST_VERSION: Final = 16
LIMITS_MS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "lock_timeout": 4_000,
        "statement_timeout": 15_000,
        # A machine that stalls for tens of seconds must not lose its own transactions. Whoever meets the locks of one
        # that stands still is answered long before; one whose client's host is gone ends by TCP's keepalives.
        "idle_in_transaction_session_timeout": 60_000,
    }
)
"""How long a session waits for a lock, for a statement, and for the next statement of a transaction."""
WAITED_FOR: Final = frozenset(("on", "remote_apply"))
"""Values of ``synchronous_commit`` with which what was answered is kept."""


class DatabaseServer(Struct, frozen=True):
    """The server as one of the panel's sessions sees it; a limit of 0 is none."""

    version: int = LEAST_VERSION
    synchronous_commit: str = "on"
    limits_ms: Mapping[str, int] = LIMITS_MS


def faults(server: DatabaseServer) -> list[tuple[FindingCode, Fields]]:
    """What the panel cannot work with, each with the fields of its words."""
    found: list[tuple[FindingCode, Fields]] = []
    if server.version < LEAST_VERSION:
        found.append((FindingCode.SERVER_TOO_OLD, {"version": server.version, "least": LEAST_VERSION}))
    if server.synchronous_commit not in WAITED_FOR:
        found.append((FindingCode.COMMITS_NOT_WAITED_FOR, {"value": server.synchronous_commit}))
    missing = [name for name in LIMITS_MS if not server.limits_ms.get(name)]
    if missing:
        fields: dict[str, Any] = {"names": missing}
        found.append((FindingCode.SESSION_LIMITS_MISSING, fields))
    return found


def server_findings(server: DatabaseServer) -> list[Finding]:
    """What is to be told of the server; one finding where all is as needed."""
    found = [Finding("server", Level.ACT, code=code, fields=fields) for code, fields in faults(server)]
    needed = Finding("server", Level.OK, code=FindingCode.SERVER_AS_NEEDED, fields={"version": server.version})
    return found or [needed]

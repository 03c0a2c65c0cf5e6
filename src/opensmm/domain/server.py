"""Requirements for PostgreSQL, and for a pooler in front of it."""

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
        # A machine that stalls for tens of seconds must not lose its own transactions. Sessions that wait for its locks
        # give up long before; if a client's host is gone, TCP keepalives end its transaction.
        "idle_in_transaction_session_timeout": 60_000,
    }
)
"""Limits of a session's waits: for a lock, for a statement to finish, and for the next statement of a transaction."""
DURABLE_COMMITS: Final = frozenset(("on", "remote_apply"))
"""Values of ``synchronous_commit`` with which no answered commit is lost."""


class DatabaseServer(Struct, frozen=True):
    """The server as a session of the panel sees it; a limit of 0 is none."""

    version: int = LEAST_VERSION
    synchronous_commit: str = "on"
    limits_ms: Mapping[str, int] = LIMITS_MS


def find_faults(server: DatabaseServer) -> list[tuple[FindingCode, Fields]]:
    """Lists the settings that the panel cannot work with, each as a code with its fields."""
    codes: list[tuple[FindingCode, Fields]] = []
    if server.version < LEAST_VERSION:
        codes.append((FindingCode.SERVER_TOO_OLD, {"version": server.version, "least": LEAST_VERSION}))
    if server.synchronous_commit not in DURABLE_COMMITS:
        codes.append((FindingCode.COMMITS_NOT_WAITED_FOR, {"value": server.synchronous_commit}))
    missing = [name for name in LIMITS_MS if not server.limits_ms.get(name)]
    if missing:
        fields: dict[str, Any] = {"names": missing}
        codes.append((FindingCode.SESSION_LIMITS_MISSING, fields))
    return codes


def server_findings(server: DatabaseServer) -> list[Finding]:
    """Returns the findings on the server; a single one if all is as needed."""
    findings = [Finding("server", Level.CRITICAL, code=code, fields=fields) for code, fields in find_faults(server)]
    needed = Finding("server", Level.OK, code=FindingCode.SERVER_AS_NEEDED, fields={"version": server.version})
    return findings or [needed]

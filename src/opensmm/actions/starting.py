"""Checks before a process of the panel begins to work."""

import asyncio
from collections.abc import Callable
from typing import Final

from opensmm.base.errors import Unavailable
from opensmm.domain.codes import FindingCode
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.server import find_faults
from opensmm.store import schema, server
from opensmm.store.connection import Connection, UncanceledConnection, connect
from opensmm.store.postgres_words import HOPELESS, REFUSED_OPTIONS

TRY_EVERY_S: Final = 1.0
_REFUSALS: Final = {
    FindingCode.SERVER_TOO_OLD: RefusalCode.SERVER_TOO_OLD,
    FindingCode.COMMITS_NOT_WAITED_FOR: RefusalCode.COMMITS_NOT_WAITED_FOR,
    FindingCode.SESSION_LIMITS_MISSING: RefusalCode.SESSION_LIMITS_MISSING,
}


async def wait_for_primary(url: str, tell: Callable[[Unavailable], None], stopped: Callable[[], bool]) -> None:
    """Returns once a server that takes writes answers: see ``first_connection``."""
    (await first_connection(url, tell, stopped)).abandon()


async def first_connection(
    url: str, tell: Callable[[Unavailable], None], stopped: Callable[[], bool]
) -> UncanceledConnection:
    """Returns a connection once a server that takes writes answers. Calls ``tell`` with each new reason for waiting.

    Raises Unavailable if waiting cannot help, or ``stopped`` returns True, and OperatorRefusal if a pooler refuses the
    connection's options.
    """
    last_reason = ""
    while True:
        try:
            return await connect(url, application="opensmm start")
        except Unavailable as error:
            if REFUSED_OPTIONS in str(error):
                raise OperatorRefusal(RefusalCode.POOLER_REFUSES_OPTIONS) from error
            if stopped() or any(words in str(error) for words in HOPELESS):
                raise
            if str(error) != last_reason:
                last_reason = str(error)
                tell(error)
            await asyncio.sleep(TRY_EVERY_S)


async def check(url: str) -> None:
    """Raises Misconfigured or OperatorRefusal if the panel cannot work with this database as it is set up."""
    connection = await connect(url, application="opensmm start")
    try:
        await check_settings(connection)
    finally:
        await connection.close()
    if not await server.keeps_prepared_statements(url):
        raise OperatorRefusal(RefusalCode.PREPARED_STATEMENTS_MIXED)


async def check_settings(connection: Connection) -> None:
    """Raises Misconfigured or OperatorRefusal for the role, the tables or the server's settings of this connection."""
    await schema.check_app_role(connection)
    server_faults = find_faults(await server.read_server(connection))
    if server_faults:
        code, fields = server_faults[0]
        raise OperatorRefusal(_REFUSALS[code], **fields)

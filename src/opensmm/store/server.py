"""The server as the panel's sessions see it, through whatever stands before it."""

import asyncio
from typing import Final

import psycopg

from opensmm.domain.server import LIMITS_MS, DatabaseServer
from opensmm.store import connection as db
from opensmm.store.connection import Connection, connect

PROBED_WITHIN_S: Final = 5.0
_SETTINGS: Final = "select name, setting from pg_settings where name = any(%s)"
_VERSION: Final = 10_000
"""What one major version adds to ``server_version_num``."""


async def seen(connection: Connection) -> DatabaseServer:
    """The server's version, and the settings that are really in force."""
    names = ["server_version_num", "synchronous_commit", *LIMITS_MS]
    rows = await (await connection.execute(_SETTINGS, [names])).fetchall()
    settings = {str(name): str(setting) for name, setting in rows}
    limits = {name: int(settings[name]) for name in LIMITS_MS}
    return DatabaseServer(int(settings["server_version_num"]) // _VERSION, settings["synchronous_commit"], limits)


async def keeps_prepared_statements(url: str) -> bool:
    """True where each connection finds the statements that it has prepared, and no other's.

    A pooler that hands server connections on between transactions, and does not know prepared statements, gives one
    client's to another. Two connections prepare a statement each, under the same name as the driver has it. Then the
    second holds the server connection that was used last, and the first one runs its own.
    """
    first, second = [await connect(url, application="opensmm start") for _ in range(2)]
    try:
        async with asyncio.timeout(PROBED_WITHIN_S):
            return await _keep_apart(first, second)
    except TimeoutError:  # a pool of one server connection: the names did not collide on it
        return True
    except psycopg.Error as error:
        if db.lost(error):
            raise
        return False
    finally:
        for connection in (first, second):
            connection.abandon()


async def _keep_apart(first: Connection, second: Connection) -> bool:
    for connection, told in ((first, "first"), (second, "second")):
        if await _prepared(connection, told) != told:
            return False
    await second.execute("begin")
    await _prepared(second, "second")
    return await _prepared(first, "first") == "first"


async def _prepared(connection: Connection, told: str) -> object:
    query = f"select %s::text as {told}"
    row = await (await connection.execute(query, [told], prepare=True)).fetchone()
    return None if row is None else row[0]

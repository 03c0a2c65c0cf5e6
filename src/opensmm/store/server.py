"""The server as the panel's sessions see it, through a pooler if there is one."""

import asyncio
from typing import Final

import psycopg

from opensmm.domain.server import LIMITS_MS, DatabaseServer
from opensmm.store import connection as db
from opensmm.store.connection import Connection, connect

PROBED_WITHIN_S: Final = 5.0
_SETTINGS: Final = "select name, setting from pg_settings where name = any(%s)"
_VERSION: Final = 10_000
"""The difference of ``server_version_num`` between two major versions."""


async def read_server(connection: Connection) -> DatabaseServer:
    """Returns the server's version, and the settings that are in force in this session."""
    names = ["server_version_num", "synchronous_commit", *LIMITS_MS]
    rows = await (await connection.execute(_SETTINGS, [names])).fetchall()
    settings = {str(name): str(setting) for name, setting in rows}
    limits = {name: int(settings[name]) for name in LIMITS_MS}
    return DatabaseServer(int(settings["server_version_num"]) // _VERSION, settings["synchronous_commit"], limits)


async def keeps_prepared_statements(url: str) -> bool:
    """Returns True if each connection finds the statements that it has prepared, and no other connection's.

    A pooler may hand server connections on between transactions. If it does not support prepared statements, one
    client gets another's. The probe: two connections prepare a statement each, which the driver gives the same name.
    Then the second keeps the server connection that was used last in a transaction, and the first runs its statement.
    """
    first, second = [await connect(url, application="opensmm start") for _ in range(2)]
    try:
        async with asyncio.timeout(PROBED_WITHIN_S):
            return await _keep_apart(first, second)
    except TimeoutError:  # a pool of one server connection: the names did not collide on it
        return True
    except psycopg.Error as error:
        if db.is_connection_error(error):
            raise
        return False
    finally:
        for connection in (first, second):
            connection.abandon()


async def _keep_apart(first: Connection, second: Connection) -> bool:
    for connection, name in ((first, "first"), (second, "second")):
        if await _run_prepared(connection, name) != name:
            return False
    await second.execute("begin")
    await _run_prepared(second, "second")
    return await _run_prepared(first, "first") == "first"


async def _run_prepared(connection: Connection, name: str) -> object:
    query = f"select %s::text as {name}"
    row = await (await connection.execute(query, [name], prepare=True)).fetchone()
    return None if row is None else row[0]

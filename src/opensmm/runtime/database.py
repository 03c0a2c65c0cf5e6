"""Preparation of the database when the panel starts: migrations, checks of its settings, the pepper."""

import asyncio
import sys
from collections.abc import Callable

from opensmm.actions import starting
from opensmm.base.errors import Unavailable
from opensmm.config import Config
from opensmm.domain.codes import Report, no_report
from opensmm.store import schema
from opensmm.store.connection import Connection, connect
from opensmm.store.embedded import DatabaseUrls


def bring_up_to_date(urls: DatabaseUrls, report: Report = no_report) -> list[str]:
    """Applies missing migrations if the owner's role is known. Returns the names of those applied."""
    return schema.migrate(urls.owner, schema.app_role(urls.app), report) if urls.owner else []


async def find_pepper(connection: Connection, config: Config, make: Callable[[], bytes] | None = None) -> bytes:
    """Returns the pepper that the database's keys were hashed with; ``make`` makes one for a new panel.

    Raises OperatorRefusal if the configured pepper is another one.
    """
    from opensmm.actions.peppers import choose_pepper

    pepper = None if config.readable_pepper() is None else config.pepper()
    return await choose_pepper(connection, pepper, make or config.pepper)


def wait_for_primary(url: str, stopped: Callable[[], bool]) -> None:
    """Waits until the database accepts writes, or ``stopped`` returns True."""
    asyncio.run(starting.wait_for_primary(url, _report_waiting, stopped))


def check(url: str, config: Config, stopped: Callable[[], bool] = lambda: False) -> None:
    """Waits for a database that accepts writes, as after a failover or a boot, and checks that the panel can use it.

    Raises Misconfigured, Unavailable or OperatorRefusal if it cannot. The app's role is checked too: the panel does not
    start with one that may change the books.
    """
    asyncio.run(_check(url, config, stopped))


async def _check(url: str, config: Config, stopped: Callable[[], bool]) -> None:
    connection = await starting.first_connection(url, _report_waiting, stopped)
    try:
        if config.database_url:
            # A pooler may have a single connection for us, which the probes of ``check`` need.
            connection.abandon()
            await starting.check(url)
            connection = await connect(url, application="opensmm start")
        else:
            # No pooler can stand in front of the embedded server, so one connection is enough.
            await starting.check_settings(connection)
        await find_pepper(connection, config, config.shared_pepper)
    finally:
        await connection.close()


def _report_waiting(why: Unavailable) -> None:
    """Reports on standard error why a start waits. Loads the texts only now, since most starts never need them."""
    from opensmm.texts.speech import ENGLISH

    sys.stderr.write(f"opensmm: waiting for the database: {ENGLISH.fault(why)}\n")

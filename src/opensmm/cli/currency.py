"""``currency``: what the panel's money is in."""

import asyncio
from typing import Annotated

import psycopg
import typer

from opensmm.actions.currency import set_currency
from opensmm.base.errors import Misconfigured, Unavailable
from opensmm.cli.context import (
    Data,
    Json,
    answer,
    by,
    configured,
    database,
    give_up,
    refuse,
    standing,
    with_database,
)
from opensmm.config import Config
from opensmm.domain.codes import OperatorRefusal
from opensmm.runtime.database import bring_up_to_date
from opensmm.store import catalogue
from opensmm.store.connection import connect


def currency(
    code: Annotated[str | None, typer.Argument(metavar="CODE", help="Three letters, such as EUR.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show the panel's currency, or set it before any money has moved. Rates and exchange rates keep their digits."""
    if code is None:
        known = with_database(standing(data), catalogue.currency)
        answer({"currency": known}, known, json=json)
        return
    try:
        known = _set(configured(data), code)
    except OperatorRefusal as refused:
        refuse(refused)
    except (Misconfigured, Unavailable, psycopg.OperationalError) as error:
        give_up(error)
    answer({"currency": known}, f"the panel's currency is {known}", json=json)


def _set(config: Config, code: str) -> str:
    """Sets it as the database's owner; a panel that is new gets its tables first."""

    async def work(url: str) -> str:
        connection = await connect(url, application="opensmm command line")
        try:
            return await set_currency(connection, code, by=by())
        finally:
            await connection.close()

    with database(config) as urls:
        owner = urls.must_own()
        bring_up_to_date(urls)
        return asyncio.run(work(owner))

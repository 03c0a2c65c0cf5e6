"""``currency``: the currency of the panel's money."""

import asyncio
from typing import Annotated

import typer

from opensmm.actions.currency import set_currency
from opensmm.cli.context import (
    Data,
    Json,
    answer,
    by,
    open_database,
    read_config,
    read_existing_config,
    report_faults,
    with_database,
)
from opensmm.config import Config
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
        present = with_database(read_existing_config(data), catalogue.currency)
        answer({"currency": present}, present, json=json)
        return
    with report_faults():
        new = _set(read_config(data), code)
    answer({"currency": new}, f"the panel's currency is {new}", json=json)


def _set(config: Config, code: str) -> str:
    """Sets the currency as the database's owner, and returns it. A new panel gets its tables first."""

    async def work(url: str) -> str:
        connection = await connect(url, application="opensmm command line")
        try:
            return await set_currency(connection, code, by=by())
        finally:
            await connection.close()

    with open_database(config) as urls:
        owner = urls.must_own()
        bring_up_to_date(urls)
        return asyncio.run(work(owner))

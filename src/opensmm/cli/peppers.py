"""``new-pepper``: another pepper, on purpose."""

from typing import Annotated

import typer

from opensmm.actions import peppers
from opensmm.cli.context import Data, Json, answer, by, standing, with_database
from opensmm.store.connection import Connection


def new_pepper(
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the audit trail.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Work with another pepper from now on, where the one before is lost: no key that was made with it opens anything
    any more. It is the one that is set, or in the data folder; where there is none, one is made."""
    config = standing(data)

    async def work(connection: Connection) -> None:
        await peppers.renew_pepper(connection, config.pepper(), by(reason))

    with_database(config, work)
    said = "the pepper is taken from now on: customers need new keys, and providers' keys have to be set again"
    answer({"renewed": True}, said, json=json)

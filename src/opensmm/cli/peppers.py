"""``new-pepper``: replaces the pepper on purpose."""

from typing import Annotated

import typer

from opensmm.actions import peppers
from opensmm.cli.context import Data, Json, answer, by, read_existing_config, with_database
from opensmm.store.connection import Connection


def new_pepper(
    reason: Annotated[str, typer.Option("--reason", help="Why; stored in the audit trail.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Use another pepper from now on, because the old one is lost. No key that was made with the old one works then.
    The new pepper is the one in OPENSMM_PEPPER or in the data folder; if there is none, one is made."""
    config = read_existing_config(data)

    async def work(connection: Connection) -> None:
        await peppers.renew_pepper(connection, config.pepper(), by(reason))

    with_database(config, work)
    text = "the new pepper is in use: customers need new keys, and providers' keys must be set again"
    answer({"renewed": True}, text, json=json)

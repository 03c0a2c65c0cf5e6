"""``service deliver``: stating how services are delivered, many at a time."""

from typing import Annotated

import typer
from rich.table import Table

from opensmm.actions import catalogue
from opensmm.actions.selection import select
from opensmm.cli.choosing import NameLike, OfCategory, OfProvider, References, Write, selected, show_plan
from opensmm.cli.frame import FAILED, Data, Json, answer, by, out, standing, with_database
from opensmm.domain.catalogue import DeliveryMethod, Service
from opensmm.domain.sale import NotForSale
from opensmm.store import catalogue as rows
from opensmm.store.connection import Connection
from opensmm.texts.fields import METHODS


def deliver(
    method: Annotated[DeliveryMethod, typer.Option("--method", help="How they are delivered.")],
    service: References = None,
    provider: OfProvider = "",
    category: OfCategory = "",
    name_like: NameLike = "",
    on_sale: Annotated[bool, typer.Option("--on-sale", help="Put those that are off sale on sale too.")] = False,
    write: Write = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """State how services are delivered. Shows what would change; `--write` does it. What may not be sold is left out
    and named."""
    selection = selected(service, provider, category, name_like)

    async def work(connection: Connection) -> tuple[list[Service], list[NotForSale]]:
        async with connection.transaction():
            await rows.hold(connection)
            fitting = await select(connection, selection)
            meant = [one for one in fitting if one.delivery_method is not method or (on_sale and not one.on_sale)]
            refused = await catalogue.state_delivery(
                connection, meant, method, put_on_sale=on_sale, by=by(), write=write
            )
            left_out = {one.service.id for one in refused}
            return [one for one in meant if one.id not in left_out], refused

    meant, refused = with_database(standing(data), work)
    _tell(meant, refused, method, on_sale=on_sale, written=write, json=json)
    if refused and not meant:
        raise typer.Exit(FAILED)


def _tell(
    meant: list[Service], refused: list[NotForSale], method: DeliveryMethod, *, on_sale: bool, written: bool, json: bool
) -> None:
    if json:
        left_out = [{"id": one.service.id, "name": one.service.name, "why": str(one)} for one in refused]
        changes = [
            {"id": one.id, "name": one.name, "from": one.delivery_method, "on_sale": one.on_sale or on_sale}
            for one in meant
        ]
        said = {"method": method, "written": written and bool(meant), "services": changes, "left_out": left_out}
        answer(said, "", json=True)
        return
    sale = {False: "goes on sale" if on_sale else "", True: ""}
    lines = [(str(one.id), one.name, METHODS[one.delivery_method], METHODS[method], sale[one.on_sale]) for one in meant]
    table = Table("id", "name", "delivered by", "from now on", "", box=None, pad_edge=False)
    show_plan(table, lines, written=written)
    for one in refused:
        out.print(f"left out: {one}", markup=False)

"""Demo data: a price list that the sandbox fulfils, and customers with money and a key."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from opensmm.actions.customers import NewKey, add_customer
from opensmm.actions.services import fill_sandbox
from opensmm.base.money import Money
from opensmm.domain.audit import By
from opensmm.domain.catalogue import Service
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.store import catalogue as rows
from opensmm.store.connection import Connection

KEY_LABEL: Final = "demo"
SANDBOX_NAME: Final = "Sandbox"
CURRENCY: Final = "USD"
_THERE_ALREADY: Final = (RefusalCode.CUSTOMER_EXISTS, RefusalCode.KEY_EXISTS)


class DemoCustomer(Struct, frozen=True):
    """A customer to add: ``funds`` is the first top-up, ``key`` the text of its API key."""

    name: str
    funds: Money
    key: str


async def fill(
    connection: Connection, services: Sequence[Service], people: Sequence[DemoCustomer], pepper: bytes, *, by: By
) -> None:
    """Gives a panel without services a price list, and adds those ``people`` who are not there yet.

    The price list is one transaction, and each customer another. Raises OperatorRefusal.
    """
    if await rows.version(connection) == 1:
        await fill_sandbox(connection, services, SANDBOX_NAME, CURRENCY, by=by)
    for person in people:
        try:
            await add_customer(connection, person.name, person.funds, NewKey(person.key, KEY_LABEL), pepper, by=by)
        except OperatorRefusal as refused:
            if refused.code not in _THERE_ALREADY:
                raise

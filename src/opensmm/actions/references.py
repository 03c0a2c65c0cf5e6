"""Finding the customers, services and providers that an operator names, by id or by name."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from opensmm.base.ids import CustomerId, ServiceId
from opensmm.domain.catalogue import Service
from opensmm.domain.codes import OperatorRefusal, RefusalCode
from opensmm.store import catalogue, customers, providers
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow

MAX_SUGGESTIONS: Final = 10


async def find_customers(connection: Connection, references: Sequence[str]) -> list[CustomerId]:
    """The customers of these names or, where nobody is called so, of these ids. Refuses one that is not there."""
    ids = dict(await customers.names(connection))
    return [_match_customer(ids, reference) for reference in references]


async def find_customer(connection: Connection, reference: str) -> CustomerId:
    return (await find_customers(connection, [reference]))[0]


def _match_customer(ids: Mapping[str, CustomerId], reference: str) -> CustomerId:
    if (by_name := ids.get(reference)) is not None:
        return by_name
    number = _number(reference)
    if number is not None and number in ids.values():
        return CustomerId(number)
    raise OperatorRefusal(RefusalCode.UNKNOWN_CUSTOMER, name=reference, there_are=suggest(reference, ids))


async def find_provider(connection: Connection, reference: str) -> ProviderRow:
    """The provider of this name or, where none is called so, of this id. Refuses one that is not there.

    A name in another case is taken where only one provider bears it.
    """
    if (row := await providers.named(connection, reference)) is not None:
        return row
    rows = await providers.providers(connection)
    alike = [one for one in rows if one.name.casefold() == reference.casefold()]
    if len(alike) == 1:
        return alike[0]
    there_are = suggest(reference, [one.name for one in rows])
    raise OperatorRefusal(RefusalCode.UNKNOWN_PROVIDER, name=reference, there_are=there_are)


async def find_services(connection: Connection, references: Sequence[str]) -> list[ServiceId]:
    """The services of these ids or, where a reference is no number, names. Refuses what fits none, or several."""
    listed = (await catalogue.refresh(connection, None)).services
    return [match_service(listed.values(), reference) for reference in references]


async def find_service(connection: Connection, reference: str) -> ServiceId:
    return (await find_services(connection, [reference]))[0]


def match_service(services: Iterable[Service], reference: str) -> ServiceId:
    """The id of the service that is meant. Names need not be told apart by case."""
    listed = list(services)
    if (number := _number(reference)) is not None:
        matches = [one.id for one in listed if one.id == number]
    else:
        matches = [one.id for one in listed if one.name.casefold() == reference.casefold()]
    if len(matches) > 1:
        raise OperatorRefusal(RefusalCode.AMBIGUOUS_SERVICE, name=reference, ids=matches[:MAX_SUGGESTIONS])
    if not matches:
        names = [one.name for one in listed]
        raise OperatorRefusal(RefusalCode.UNKNOWN_SERVICE, name=reference, there_are=suggest(reference, names))
    return matches[0]


def suggest(reference: str, names: Iterable[str]) -> list[str]:
    """The names that are most like a mistyped one, best first; the first of all where none is alike."""
    by_folded = {name.casefold(): name for name in names}
    wanted = reference.casefold()
    alike = [name for name in by_folded if wanted in name]
    alike += get_close_matches(wanted, by_folded, MAX_SUGGESTIONS)
    return [by_folded[name] for name in dict.fromkeys(alike or by_folded)][:MAX_SUGGESTIONS]


def _number(reference: str) -> int | None:
    plain = reference.isascii() and reference.isdigit() and len(reference) < 19
    return int(reference) if plain else None

"""Customers, services and providers that the operator refers to by id or by name."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from opensmm.base.ids import CustomerId, ServiceId
from opensmm.domain.catalogue import Service
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.store import catalogue, customers, providers
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow

MAX_SUGGESTIONS: Final = 10


async def find_customers(connection: Connection, references: Sequence[str]) -> list[CustomerId]:
    """Finds the customers of these names or, if none has the name, of these ids. Refuses one that does not exist."""
    ids = dict(await customers.names(connection))
    return [_match_customer(ids, reference) for reference in references]


async def find_customer(connection: Connection, reference: str) -> CustomerId:
    return (await find_customers(connection, [reference]))[0]


def _match_customer(ids: Mapping[str, CustomerId], reference: str) -> CustomerId:
    if (by_name := ids.get(reference)) is not None:
        return by_name
    number = _parse_number(reference)
    if number is not None and number in ids.values():
        return CustomerId(number)
    raise OperatorRefusal(RefusalCode.UNKNOWN_CUSTOMER, name=reference, there_are=suggest(reference, ids))


async def find_provider(connection: Connection, reference: str) -> ProviderRow:
    """Finds the provider of this name or, if none has the name, of this id. Refuses one that does not exist.

    A name in another case is accepted if it fits only one provider.
    """
    if (row := await providers.find_by_name(connection, reference)) is not None:
        return row
    rows = await providers.providers(connection)
    alike = [one for one in rows if one.name.casefold() == reference.casefold()]
    if len(alike) == 1:
        return alike[0]
    there_are = suggest(reference, [one.name for one in rows])
    raise OperatorRefusal(RefusalCode.UNKNOWN_PROVIDER, name=reference, there_are=there_are)


async def find_services(connection: Connection, references: Sequence[str]) -> list[ServiceId]:
    """Finds the services of these ids or, for references that are no numbers, of these names.

    Refuses a reference that fits no service, or several.
    """
    listed = (await catalogue.refresh(connection, None)).services
    return [match_service(listed.values(), reference) for reference in references]


async def find_service(connection: Connection, reference: str) -> ServiceId:
    return (await find_services(connection, [reference]))[0]


def match_service(services: Iterable[Service], reference: str) -> ServiceId:
    """Returns the id of the service that a reference means. Names are compared without case."""
    listed = list(services)
    if (number := _parse_number(reference)) is not None:
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
    """Returns the names most similar to a mistyped one, best first; if none is similar, the first of all names."""
    by_folded = {name.casefold(): name for name in names}
    folded = reference.casefold()
    alike = [name for name in by_folded if folded in name]
    alike += get_close_matches(folded, by_folded, MAX_SUGGESTIONS)
    return [by_folded[name] for name in dict.fromkeys(alike or by_folded)][:MAX_SUGGESTIONS]


def _parse_number(reference: str) -> int | None:
    plain = reference.isascii() and reference.isdigit() and len(reference) < 19
    return int(reference) if plain else None

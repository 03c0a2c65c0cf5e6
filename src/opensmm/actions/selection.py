"""Selections of many services by ids, names, provider, category or a part of the name."""

from collections.abc import Iterable

from msgspec import Struct

from opensmm.actions.references import find_provider, match_service, suggest
from opensmm.base.ids import ServiceId
from opensmm.domain.catalogue import Service
from opensmm.domain.codes import FieldCode
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.store import catalogue, routes
from opensmm.store.connection import Connection


class Selection(Struct, frozen=True):
    """A selection of the services that fit all marks that are set. ``references`` are ids or names."""

    references: tuple[str, ...] = ()
    provider: str = ""
    category: str = ""
    name_part: str = ""

    @property
    def empty(self) -> bool:
        return not (self.references or self.provider or self.category or self.name_part)


async def select(connection: Connection, selection: Selection) -> list[Service]:
    """Returns the selected services, sorted by id. Refuses a mark that no service fits, and marks that none fits
    together.

    It also refuses an empty selection, so that a mistake never changes all services.
    """
    if selection.empty:
        raise OperatorRefusal(RefusalCode.NOTHING_SELECTED)
    services = (await catalogue.refresh(connection, None)).services.values()
    fitting = {one.id: one for one in services}
    if selection.references:
        ids = {match_service(services, reference) for reference in selection.references}
        fitting = {number: one for number, one in fitting.items() if number in ids}
    if selection.provider:
        provider = await find_provider(connection, selection.provider)
        if not (routed := await routes.list_served(connection, provider.id)):
            raise OperatorRefusal(RefusalCode.FULFILS_NOTHING, provider=provider.name)
        fitting = _narrow(fitting, {one for one in fitting if one in routed}, FieldCode.PROVIDER, provider.name)
    if selection.category:
        fitting = _narrow(
            fitting, _find_in_category(services, selection.category), FieldCode.CATEGORY, selection.category
        )
    if selection.name_part:
        part = selection.name_part.casefold()
        fitting = _narrow(
            fitting, {one.id for one in services if part in one.name.casefold()}, FieldCode.NAME, selection.name_part
        )
    return [fitting[number] for number in sorted(fitting)]


def _find_in_category(services: Iterable[Service], category: str) -> set[ServiceId]:
    ids = {one.id for one in services if one.category.casefold() == category.casefold()}
    if not ids:
        there_are = suggest(category, [one.category for one in services])
        raise OperatorRefusal(RefusalCode.UNKNOWN_CATEGORY, name=category, there_are=there_are)
    return ids


def _narrow(
    fitting: dict[ServiceId, Service], ids: set[ServiceId], field: FieldCode, value: str
) -> dict[ServiceId, Service]:
    remaining = {number: one for number, one in fitting.items() if number in ids}
    if not remaining:
        raise OperatorRefusal(RefusalCode.NO_SERVICE_FITS, field=field, value=value)
    return remaining

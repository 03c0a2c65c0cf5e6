"""Imports of a provider's price list: a plan of services that would be new, change, move in price or be gone.

A plan writes nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from opensmm.base.ids import ServiceId
from opensmm.domain.catalogue import TYPE_PARAMETERS, Service
from opensmm.domain.codes import FieldCode, LineCode, LineFault
from opensmm.domain.names import check_name, check_range
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.pricing import MAX_DECIMALS, RATE_BELOW, PriceTerms, resale_rate
from opensmm.domain.provider_services import ProviderService, UnreadLine
from opensmm.domain.service_rules import MAX_CATEGORY_NAME

MAX_ADDED: Final = 100_000
"""Largest margin in per cent, and largest added amount."""


class ImportTerms(Struct, frozen=True):
    """Prices and categories of imported services.

    ``categories`` renames the provider's categories; ``into`` puts all services into one category.
    """

    price: PriceTerms
    categories: Mapping[str, str] = {}
    into: str = ""


def check_terms(terms: ImportTerms) -> None:
    """Raises OperatorRefusal for terms that give no price, or for a category's name that is not allowed."""
    for number, field in ((terms.price.percent, FieldCode.MARGIN), (terms.price.fixed, FieldCode.ADDED)):
        if not 0 <= number <= MAX_ADDED:
            raise OperatorRefusal(RefusalCode.FIELD_OUT_OF_RANGE, field=field, least=0, most=MAX_ADDED)
    check_range(terms.price.decimals, 0, MAX_DECIMALS, FieldCode.DECIMALS)
    for name in (*terms.categories.values(), *filter(None, (terms.into,))):
        check_name(name, MAX_CATEGORY_NAME, FieldCode.CATEGORY)


class ImportChoice(Struct, frozen=True):
    """Lines of a price list to import: of some categories, and with a text in their name or category. Empty: all."""

    categories: tuple[str, ...] = ()
    search: str = ""

    def takes(self, line: ProviderService) -> bool:
        return (not self.categories or line.category in self.categories) and has_text(line, self.search)


def has_text(line: ProviderService, text: str) -> bool:
    """True if the name or the category of a line has the text, in any case."""
    return text.lower() in line.name.lower() or text.lower() in line.category.lower()


class ImportedLine(Struct, frozen=True):
    """A line of the provider's list, and the service made of it."""

    line: ProviderService
    service: Service


class ImportChange(Struct, frozen=True):
    """A service before and after an import; ``moved``: its price is not the one by the terms.

    ``by_hand``: that price is the operator's own, and was set by no list or import.
    """

    before: Service
    after: Service
    moved: bool
    by_hand: bool = False


class ImportPlan(Struct, frozen=True):
    """Plan of an import. ``same`` counts services that stay as they are."""

    new: tuple[ImportedLine, ...]
    changed: tuple[ImportChange, ...]
    gone: tuple[Service, ...]
    same: int
    left_out: tuple[UnreadLine, ...]

    def to_write(self, *, reprice: bool) -> list[Service]:
        """Returns the changed services to write; without ``reprice`` their prices stay.

        Services that are gone are halted by the sync, which is part of the import.
        """
        pairs = [(change.before, change.after) for change in self.changed]
        if not reprice:
            pairs = [(before, structs.replace(after, rate=before.rate)) for before, after in pairs]
        return [after for before, after in pairs if after != before]


def plan(
    lines: Iterable[ProviderService],
    routed: Mapping[str, Sequence[Service]],
    only_here: Iterable[ServiceId],
    terms: ImportTerms,
    all_theirs: Iterable[str],
    unread: Iterable[UnreadLine] = (),
    by_list: Collection[ServiceId] = (),
) -> ImportPlan:
    """Plans an import of ``lines``, which may be a part of the list.

    ``routed``: our services by their number at the provider; ``only_here``: those that no other provider fulfils.
    ``all_theirs``: every number on the list; services without one are gone. ``unread`` lines are left out. ``by_list``:
    services whose price was last set by a list, not by hand.
    """
    new: list[ImportedLine] = []
    changed: list[ImportChange] = []
    left_out = list(unread)
    same = 0
    for line in lines:
        made = _make_service(line, terms)
        if isinstance(made, LineFault):
            left_out.append(UnreadLine(line.service, line.name, made))
        elif line.service not in routed:
            new.append(ImportedLine(line, made))
        else:
            # A rate is per 1000, or for one of a package: the rate of another type gives no price for ours.
            alike = [service for service in routed[line.service] if service.type is made.type]
            if len(alike) < len(routed[line.service]):
                left_out.append(UnreadLine(line.service, line.name, LineFault(LineCode.OTHER_TYPE)))
            changes = [change for service in alike if (change := _find_change(service, made, line, by_list))]
            changed += changes
            same += len(alike) - len(changes)
    listed, without_others = set(all_theirs), set(only_here)
    unlisted = [service for theirs, services in routed.items() if theirs not in listed for service in services]
    gone = [service for service in unlisted if service.id in without_others]
    return ImportPlan(tuple(new), tuple(changed), tuple(gone), same, tuple(left_out))


def _make_service(line: ProviderService, terms: ImportTerms) -> Service | LineFault:
    if line.type is None:
        return LineFault(LineCode.TYPE_UNKNOWN)
    rate = resale_rate(line.rate, terms.price)
    if not 0 < rate < RATE_BELOW:
        return LineFault(LineCode.NO_PRICE)
    return Service(
        id=ServiceId(0),
        name=line.name,
        type=line.type,
        category=terms.into or terms.categories.get(line.category, line.category),
        rate=rate,
        min=line.min,
        max=line.max,
        refill=bool(line.refill),
        cancel=bool(line.cancel),
        dripfeed=bool(line.dripfeed) and TYPE_PARAMETERS[line.type].may_drip,
        description=line.description,
        on_sale=False,
    )


def _find_change(
    service: Service, made: Service, line: ProviderService, by_list: Collection[ServiceId]
) -> ImportChange | None:
    after = structs.replace(with_listed_fields(service, line), rate=made.rate)
    moved = after.rate != service.rate
    return None if after == service else ImportChange(service, after, moved, moved and service.id not in by_list)


def with_listed_fields(service: Service, line: ProviderService) -> Service:
    """Returns the service with the provider's range, and with the flags that its list states.

    Name, category and all else stay the operator's.
    """
    drips = None if line.dripfeed is None else line.dripfeed and TYPE_PARAMETERS[service.type].may_drip
    listed = {"refill": line.refill, "cancel": line.cancel, "dripfeed": drips}
    flags = {name: flag for name, flag in listed.items() if flag is not None}
    return structs.replace(service, min=line.min, max=line.max, **flags)

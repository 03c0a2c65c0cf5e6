"""Importing a provider's price list: a plan of what would be new, change, move in price or be gone.

Nothing is written by it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from opensmm.base.ids import ServiceId
from opensmm.domain.catalogue import TYPE_FORMS, Service
from opensmm.domain.codes import FieldCode, LineCode, LineFault, OperatorRefusal, RefusalCode
from opensmm.domain.names import check_name, check_range
from opensmm.domain.pricing import MAX_DECIMALS, RATE_BELOW, PriceTerms, resale_rate
from opensmm.domain.provider_services import ProviderService, UnreadLine
from opensmm.domain.service_rules import MAX_CATEGORY_NAME

MAX_ADDED: Final = 100_000
"""Of a margin in per cent, and of the amount that is added."""


class ImportTerms(Struct, frozen=True):
    """The prices and categories of imported services.

    ``categories`` gives the provider's categories other names; ``into`` puts all services into one category.
    """

    price: PriceTerms
    categories: Mapping[str, str] = {}
    into: str = ""


def check_terms(terms: ImportTerms) -> None:
    """Raises OperatorRefusal for terms that no price can be made by, or that name a category as none may be called."""
    for number, field in ((terms.price.percent, FieldCode.MARGIN), (terms.price.fixed, FieldCode.ADDED)):
        if not 0 <= number <= MAX_ADDED:
            raise OperatorRefusal(RefusalCode.FIELD_OUT_OF_RANGE, field=field, least=0, most=MAX_ADDED)
    check_range(terms.price.decimals, 0, MAX_DECIMALS, FieldCode.DECIMALS)
    for name in (*terms.categories.values(), *filter(None, (terms.into,))):
        check_name(name, MAX_CATEGORY_NAME, FieldCode.CATEGORY)


class ImportChoice(Struct, frozen=True):
    """The lines of a price list that are meant: those of some categories, and those that have a text in their name or
    category. Empty: all."""

    categories: tuple[str, ...] = ()
    search: str = ""

    def takes(self, offer: ProviderService) -> bool:
        return (not self.categories or offer.category in self.categories) and has_text(offer, self.search)


def has_text(offer: ProviderService, text: str) -> bool:
    """True where a text stands in the name or the category of a line, in whatever case."""
    return text.lower() in offer.name.lower() or text.lower() in offer.category.lower()


class ImportedLine(Struct, frozen=True):
    """A line of theirs and what it becomes here."""

    offer: ProviderService
    service: Service


class ImportChange(Struct, frozen=True):
    """A service of ours as it stands and as it would be; ``moved`` where its price is not what the terms make of it.

    ``by_hand``: that price is the operator's own, which no list and no import has set.
    """

    before: Service
    after: Service
    moved: bool
    by_hand: bool = False


class ImportPlan(Struct, frozen=True):
    new: tuple[ImportedLine, ...]
    changed: tuple[ImportChange, ...]
    gone: tuple[Service, ...]
    same: int
    left_out: tuple[UnreadLine, ...]

    def to_write(self, *, reprice: bool) -> list[Service]:
        """The services that stand here already, as they are to be kept; prices stay where they are not to move.

        What is gone is halted by following the list, which is part of taking it over.
        """
        kept = [one.after if reprice else structs.replace(one.after, rate=one.before.rate) for one in self.changed]
        known = {one.before.id: one.before for one in self.changed}
        return [one for one in kept if one != known[one.id]]


def plan(
    offers: Iterable[ProviderService],
    routed: Mapping[str, Sequence[Service]],
    only_here: Iterable[ServiceId],
    terms: ImportTerms,
    all_theirs: Iterable[str],
    unread: Iterable[UnreadLine] = (),
    by_list: Collection[ServiceId] = (),
) -> ImportPlan:
    """``routed``: our services by their number at the provider; ``only_here``: those that nobody else fulfils.

    ``offers`` may be a choice of the list; what is gone is told by ``all_theirs``, every number on it. ``unread`` lines
    are left out. ``by_list``: services whose price was set by a list last, not by hand.
    """
    new: list[ImportedLine] = []
    changed: list[ImportChange] = []
    left_out = list(unread)
    same = 0
    for offer in offers:
        made = _service(offer, terms)
        if isinstance(made, LineFault):
            left_out.append(UnreadLine(offer.service, offer.name, made))
        elif offer.service not in routed:
            new.append(ImportedLine(offer, made))
        else:
            # A rate is per 1000, or for one of a package: that of another type is no price of ours.
            alike = [known for known in routed[offer.service] if known.type is made.type]
            if len(alike) < len(routed[offer.service]):
                left_out.append(UnreadLine(offer.service, offer.name, LineFault(LineCode.OTHER_TYPE)))
            changes = [change for known in alike if (change := _change(known, made, offer, by_list))]
            changed += changes
            same += len(alike) - len(changes)
    listed, alone = set(all_theirs), set(only_here)
    gone = [one for theirs, known in routed.items() if theirs not in listed for one in known if one.id in alone]
    return ImportPlan(tuple(new), tuple(changed), tuple(gone), same, tuple(left_out))


def _service(offer: ProviderService, terms: ImportTerms) -> Service | LineFault:
    if offer.type is None:
        return LineFault(LineCode.TYPE_UNKNOWN)
    rate = resale_rate(offer.rate, terms.price)
    if not 0 < rate < RATE_BELOW:
        return LineFault(LineCode.NO_PRICE)
    return Service(
        id=ServiceId(0),
        name=offer.name,
        type=offer.type,
        category=terms.into or terms.categories.get(offer.category, offer.category),
        rate=rate,
        min=offer.min,
        max=offer.max,
        refill=bool(offer.refill),
        cancel=bool(offer.cancel),
        dripfeed=bool(offer.dripfeed) and TYPE_FORMS[offer.type].may_drip,
        description=offer.description,
        on_sale=False,
    )


def _change(
    known: Service, made: Service, offer: ProviderService, by_list: Collection[ServiceId]
) -> ImportChange | None:
    after = structs.replace(followed(known, offer), rate=made.rate)
    moved = after.rate != known.rate
    return None if after == known else ImportChange(known, after, moved, moved and known.id not in by_list)


def followed(known: Service, offer: ProviderService) -> Service:
    """Ranges, and the flags that the list tells, follow the provider; name, category and all else stay the
    operator's."""
    drips = None if offer.dripfeed is None else offer.dripfeed and TYPE_FORMS[known.type].may_drip
    told = {"refill": offer.refill, "cancel": offer.cancel, "dripfeed": drips}
    flags = {name: flag for name, flag in told.items() if flag is not None}
    return structs.replace(known, min=offer.min, max=offer.max, **flags)

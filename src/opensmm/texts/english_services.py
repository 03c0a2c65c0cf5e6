"""The English texts of refusals about services, routes, price lists and the policy."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.codes import RefusalCode
from opensmm.texts.template import Words

SERVICE_REFUSALS: Final[Mapping[RefusalCode, Words]] = {
    RefusalCode.UNKNOWN_SERVICE: Words("There is no service {name}. There are: {there_are}."),
    RefusalCode.UNKNOWN_CATEGORY: Words("No service stands in the category {name}. There are: {there_are}."),
    RefusalCode.UNKNOWN_PRICE_LIST: Words("There is no price list {name}. There are: {there_are}."),
    RefusalCode.AMBIGUOUS_SERVICE: Words("Several services are called {name}. Name one by its id: {ids}."),
    RefusalCode.NO_SERVICE_FITS: Words("Of the services that are meant none fits the {kind} {value}."),
    RefusalCode.NOTHING_SELECTED: Words("Say which services: ids or names, --provider, --category or --name-like."),
    RefusalCode.NO_SUCH_SERVICE: Words("There is no service {services}."),
    RefusalCode.SERVICE_EXISTS: Words("There is a service {service} already."),
    RefusalCode.SERVICE_UNDISCLOSED: Words(
        "The service “{service_name}” does not say how it is delivered.",
        more=(("service", " Its number is {service}."),),
    ),
    RefusalCode.SERVICE_PROHIBITED: Words(
        "The service “{service_name}” is prohibited by rule {rule}, “{phrase}”.",
        more=(("reason", " Reason: {reason}."), ("service", " Its number is {service}.")),
    ),
    RefusalCode.NOT_FOR_SALE: Words(
        "{count} services may not be sold, and nothing was written. {refused}", more=(("more", " And {more} more."),)
    ),
    RefusalCode.NOT_A_RATE: Words("“{text}” is not a rate."),
    RefusalCode.BAD_RATE: Words(
        "A rate is above 0 and below {below}. Only a service that is marked free may have a rate of 0."
    ),
    RefusalCode.RATE_OF_ZERO: Words("A rate of 0 is for a service that is marked free."),
    RefusalCode.RANGE_REVERSED: Words("The largest quantity, {max}, is below the smallest, {min}."),
    RefusalCode.STALE_PLAN: Words(
        "Somebody has edited these services since the plan was made: {services}. Nothing was written: make the plan "
        "again."
    ),
    RefusalCode.FULFILS_NOTHING: Words(
        "{provider} fulfils no service yet: `opensmm import-services` takes services over from a price list, and "
        "`opensmm route add` has a provider fulfil one."
    ),
    RefusalCode.NO_OFFER_FITS: Words("The provider lists nothing in {name}. It lists: {there_are}."),
    RefusalCode.ROUTE_EXISTS: Words("{provider} fulfils this service with its {service} already."),
    RefusalCode.NO_ROUTE: Words("{provider} does not fulfil the service {service}."),
    RefusalCode.BAD_ROUTES: Words("A service has at most {most} routes, each of them once."),
    RefusalCode.BAD_PROVIDER_SERVICE: Words(
        "A provider's own id of a service has 1 to {most} visible ASCII characters."
    ),
    RefusalCode.ROUTE_NEEDS_NUMBER: Words(
        "{provider} has numbers of its own: say which of its services fulfils it (--their-service)."
    ),
    RefusalCode.ROUTE_NEEDS_PROVIDER: Words("Say with --provider whose service that is."),
    RefusalCode.PRICE_LIST_EXISTS: Words("There is a price list {name} already."),
    RefusalCode.BAD_RULE: Words("“{value}” is nothing that `{kind}` can be told."),
    RefusalCode.RULE_EXISTS: Words("`{kind} {value}` holds already."),
    RefusalCode.TOO_MANY_RULES: Words("There are {most} rules already."),
    RefusalCode.NO_RULE: Words("No rule {rules} holds."),
    RefusalCode.STILL_SOLD: Words(
        "{count} services on sale meet it: {services}. Nothing was written; --take-off-sale takes them off sale.",
        singular="A service on sale meets it: {services}. Nothing was written; --take-off-sale takes it off sale.",
    ),
}

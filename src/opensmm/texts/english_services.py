"""The English texts of refusals about services, routes, price lists and the policy."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.operator_refusals import RefusalCode
from opensmm.texts.template import Words

SERVICE_REFUSALS: Final[Mapping[RefusalCode, Words]] = {
    RefusalCode.UNKNOWN_SERVICE: Words("There is no service {name}. There are: {there_are}."),
    RefusalCode.UNKNOWN_CATEGORY: Words("There is no category {name}. There are: {there_are}."),
    RefusalCode.UNKNOWN_PRICE_LIST: Words("There is no price list {name}. There are: {there_are}."),
    RefusalCode.AMBIGUOUS_SERVICE: Words("Several services are called {name}. Choose one by its id: {ids}."),
    RefusalCode.NO_SERVICE_FITS: Words("None of the selected services matches the {field} {value}."),
    RefusalCode.NOTHING_SELECTED: Words("Say which services: ids or names, --provider, --category or --name-like."),
    RefusalCode.NO_SUCH_SERVICE: Words("There is no service {services}."),
    RefusalCode.SERVICE_EXISTS: Words("Service {service} already exists."),
    RefusalCode.SERVICE_UNDISCLOSED: Words(
        "The service “{service_name}” does not state how it is delivered.", more=(("service", " Its id is {service}."),)
    ),
    RefusalCode.SERVICE_PROHIBITED: Words(
        "The service “{service_name}” is prohibited by rule {rule}, “{phrase}”.",
        more=(("reason", " Reason: {reason}."), ("service", " Its id is {service}.")),
    ),
    RefusalCode.NOT_FOR_SALE: Words(
        "{count} services may not be sold. Nothing was written. {refused}", more=(("more", " And {more} more."),)
    ),
    RefusalCode.NOT_A_RATE: Words("“{text}” is not a rate."),
    RefusalCode.BAD_RATE: Words(
        "A rate must be above 0 and below {below}. Only a service that is marked as free may have a rate of 0."
    ),
    RefusalCode.RATE_OF_ZERO: Words("Only a service that is marked as free may have a rate of 0."),
    RefusalCode.RANGE_REVERSED: Words("The largest quantity, {max}, is below the smallest, {min}."),
    RefusalCode.STALE_PLAN: Words(
        "These services were edited after the plan was made: {services}. Nothing was written; make the plan again."
    ),
    RefusalCode.FULFILS_NOTHING: Words(
        "{provider} fulfils no services yet. `opensmm import-services` imports services from its price list; `opensmm "
        "route add` adds it to a service."
    ),
    RefusalCode.NO_OFFER_FITS: Words(
        "Nothing on the provider's price list matches {name}. Its categories are: {there_are}."
    ),
    RefusalCode.ROUTE_EXISTS: Words("{provider} already fulfils this service with its service {service}."),
    RefusalCode.NO_ROUTE: Words("{provider} does not fulfil service {service}."),
    RefusalCode.BAD_ROUTES: Words("A service can have at most {most} routes, and each only once."),
    RefusalCode.BAD_PROVIDER_SERVICE: Words("A provider's service id must have 1 to {most} visible ASCII characters."),
    RefusalCode.ROUTE_NEEDS_NUMBER: Words(
        "{provider} has its own service ids. Name the one for this service with --their-service."
    ),
    RefusalCode.ROUTE_NEEDS_PROVIDER: Words("Name the provider of that service id with --provider."),
    RefusalCode.PRICE_LIST_EXISTS: Words("A price list called {name} already exists."),
    RefusalCode.BAD_RULE: Words("“{value}” is not a valid value for `{kind}`."),
    RefusalCode.RULE_EXISTS: Words("The rule `{kind} {value}` already exists."),
    RefusalCode.TOO_MANY_RULES: Words("There are already {most} rules, the most that are allowed."),
    RefusalCode.NO_RULE: Words("There is no rule {rules}."),
    RefusalCode.STILL_SOLD: Words(
        "{count} services on sale match this rule: {services}. Nothing was written; --take-off-sale takes them off "
        "sale.",
        singular="A service on sale matches this rule: {services}. Nothing was written; --take-off-sale takes it off "
        "sale.",
    ),
}

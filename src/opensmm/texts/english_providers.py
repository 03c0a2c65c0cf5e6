"""The English texts of failed calls to providers, doubtful price lists, and refusals about them."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.call_faults import CallCode
from opensmm.domain.codes import RefusalCode
from opensmm.domain.price_sync import DoubtCode
from opensmm.texts.template import Words

CALLS: Final[Mapping[CallCode, Words]] = {
    CallCode.NO_CLIENT: Words("no client for this provider"),
    CallCode.NO_TURN: Words("its turn did not come in time"),
    CallCode.SUBSCRIPTION_TO_STAFF: Words("the staff's list watches for no posts: a subscription goes to a panel"),
    CallCode.WORKER_GONE: Words("the worker went away while it was sending"),
    CallCode.WORKER_GONE_BEFORE: Words("the worker went away before it was handed over"),
    CallCode.PUT_OFF: Words("put off: {words}"),
    CallCode.NO_CONNECTION_IN_TIME: Words("no connection within {within_s} s"),
    CallCode.NO_ANSWER_IN_TIME: Words("no answer within {within_s} s"),
    CallCode.CLOSED: Words("it closed the connection without an answer"),
    CallCode.CERTIFICATE_NOT_TRUSTED: Words("its certificate at {at} is not trusted: {words}"),
    CallCode.NO_TLS: Words("no TLS is spoken at {at}: {words}"),
    CallCode.NAME_WITHOUT_ADDRESS: Words("the name {host} leads to no address"),
    CallCode.ADDRESS_NOT_PUBLIC: Words(
        "{host} is not at an address of the public internet, and only OPENSMM_PRIVATE_PROVIDERS=1 allows it"
    ),
    CallCode.NOBODY_LISTENS: Words("nobody answers at {at}"),
    CallCode.NO_WAY: Words("no way leads to {at}"),
    CallCode.NO_CONNECTION: Words("no connection to {at}: {words}"),
    CallCode.FAILED: Words("{type}: {words}"),
    CallCode.HTTP_STATUS: Words("HTTP {status}: {words}"),
    CallCode.TOO_MANY_BYTES: Words("HTTP {status}, more than {most} bytes: {words}"),
    CallCode.TOO_MANY_VALUES: Words("HTTP {status}, more than {most} values: {words}"),
    CallCode.TOO_MANY_RECEIVED: Words("its answer has more than {most} bytes"),
    CallCode.TOO_MANY_INTERIM: Words("it sent more than {most} interim answers"),
    CallCode.NO_BALANCE: Words("this is no balance: {words}"),
    CallCode.NO_PRICE_LIST: Words("this is no price list: {words}"),
    CallCode.REFUSED: Words("{words}"),
}
"""Parts of sentences: reasons why a call failed."""
DOUBTS: Final[Mapping[DoubtCode, Words]] = {
    DoubtCode.EMPTY: Words("its price list is empty"),
    DoubtCode.LACKS_SERVICES: Words(
        "its price list lacks {lost} of the {fulfilled} services that it fulfils",
        more=(("example", "; the lines of {unread} cannot be read, such as that of {example}"),),
    ),
    DoubtCode.UNANSWERED: Words("it did not answer, or not with a price list; the worker's log says which"),
    DoubtCode.NOT_STORED: Words("it could not be kept: {error}"),
}
"""Parts of sentences: reasons why a price list was not taken over."""
PROVIDER_REFUSALS: Final[Mapping[RefusalCode, Words]] = {
    RefusalCode.NO_PROVIDER: Words("There is no provider {provider}."),
    RefusalCode.PROVIDER_NAME_TAKEN: Words("There is a provider called {name} already."),
    RefusalCode.BAD_DIALECT: Words("A dialect is v2 or v1."),
    RefusalCode.BAD_CURRENCY: Words("A currency is three letters."),
    RefusalCode.BAD_EXCHANGE_RATE: Words("An exchange rate is above 0 and below {below}."),
    RefusalCode.BAD_PROVIDER_KEY: Words("A key has {least} to {most} visible ASCII characters."),
    RefusalCode.MARGIN_OR_OWN_PRICES: Words("Prices follow with a margin, or stay yours: not both."),
    RefusalCode.RATE_OR_MARGIN: Words("A rate is for one service, and stands instead of a margin."),
    RefusalCode.PROVIDER_UNANSWERED: Words("{provider_name}: {why}."),
    RefusalCode.PRICE_LIST_OVERTAKEN: Words(
        "Another price list of this provider, asked for later than this one, was taken over meanwhile: nothing of this "
        "one was taken over."
    ),
    RefusalCode.PRICE_LIST_DOUBTED: Words(
        "{provider_name}: {why}: nothing was taken over; --confirm takes it over as it is."
    ),
    RefusalCode.NOT_IN_QUARANTINE: Words("Not in quarantine: {services}."),
    RefusalCode.COST_UNKNOWN: Words("The cost of service {service} is not known: name a rate."),
}
"""Refusals about providers and their price lists."""

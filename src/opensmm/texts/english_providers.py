"""The English texts of failed calls to providers, doubtful price lists, and refusals about them."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.call_faults import CallCode
from opensmm.domain.operator_refusals import RefusalCode
from opensmm.domain.price_sync import DoubtCode
from opensmm.texts.template import Words

CALLS: Final[Mapping[CallCode, Words]] = {
    CallCode.NO_CLIENT: Words("this worker cannot call the provider"),
    CallCode.NO_TURN: Words("timed out while waiting for a free call"),
    CallCode.SUBSCRIPTION_TO_STAFF: Words(
        "your staff cannot fulfil subscriptions; only a panel watches an account for posts"
    ),
    CallCode.WORKER_GONE: Words("the worker stopped while it was sending"),
    CallCode.WORKER_GONE_BEFORE: Words("the worker stopped before the order reached your staff"),
    CallCode.PUT_OFF: Words("it asked to retry later: {words}"),
    CallCode.NO_CONNECTION_IN_TIME: Words("no connection within {within_s} s"),
    CallCode.NO_ANSWER_IN_TIME: Words("no answer within {within_s} s"),
    CallCode.CLOSED: Words("it closed the connection without an answer"),
    CallCode.CERTIFICATE_NOT_TRUSTED: Words("its certificate at {at} is not trusted: {words}"),
    CallCode.NO_TLS: Words("the TLS handshake with {at} failed: {words}"),
    CallCode.NAME_WITHOUT_ADDRESS: Words("the host name {host} cannot be resolved"),
    CallCode.ADDRESS_NOT_PUBLIC: Words(
        "{host} is not on the public internet, which is allowed only with OPENSMM_PRIVATE_PROVIDERS=1"
    ),
    CallCode.NOBODY_LISTENS: Words("{at} refused the connection"),
    CallCode.NO_WAY: Words("there is no network route to {at}"),
    CallCode.NO_CONNECTION: Words("no connection to {at}: {words}"),
    CallCode.FAILED: Words("{type}: {words}"),
    CallCode.HTTP_STATUS: Words("HTTP {status}: {words}"),
    CallCode.TOO_MANY_BYTES: Words("HTTP {status}, more than {most} bytes: {words}"),
    CallCode.TOO_MANY_VALUES: Words("HTTP {status}, more than {most} values: {words}"),
    CallCode.TOO_MANY_RECEIVED: Words("its answer has more than {most} bytes"),
    CallCode.TOO_MANY_INTERIM: Words("it sent more than {most} interim (1xx) responses"),
    CallCode.NO_BALANCE: Words("the answer is not a balance: {words}"),
    CallCode.NO_PRICE_LIST: Words("the answer is not a price list: {words}"),
    CallCode.REFUSED: Words("{words}"),
}
"""Parts of sentences: reasons why a call failed."""
DOUBTS: Final[Mapping[DoubtCode, Words]] = {
    DoubtCode.EMPTY: Words("its price list is empty"),
    DoubtCode.LACKS_SERVICES: Words(
        "its price list lacks {lost} of the {fulfilled} services that it fulfils",
        more=(("example", "; the lines of {unread} of these cannot be read, such as that of service {example}"),),
    ),
    DoubtCode.UNANSWERED: Words("it did not answer with a price list; see the worker's log"),
    DoubtCode.NOT_STORED: Words("it could not be stored: {error}"),
}
"""Parts of sentences: reasons why a price list was not applied."""
PROVIDER_REFUSALS: Final[Mapping[RefusalCode, Words]] = {
    RefusalCode.NO_PROVIDER: Words("There is no provider {provider}."),
    RefusalCode.PROVIDER_NAME_TAKEN: Words("A provider called {name} already exists."),
    RefusalCode.BAD_DIALECT: Words("The dialect must be v2 or v1."),
    RefusalCode.BAD_CURRENCY: Words("A currency code must have three letters."),
    RefusalCode.BAD_EXCHANGE_RATE: Words("An exchange rate must be above 0 and below {below}."),
    RefusalCode.BAD_PROVIDER_KEY: Words("A provider's key must have {least} to {most} visible ASCII characters."),
    RefusalCode.MARGIN_OR_OWN_PRICES: Words("A margin cannot be combined with keeping your own prices."),
    RefusalCode.RATE_OR_MARGIN: Words("A rate can be set for only one service, and not together with a margin."),
    RefusalCode.PROVIDER_UNANSWERED: Words("{provider_name}: {why}."),
    RefusalCode.PRICE_LIST_OVERTAKEN: Words(
        "A newer price list of this provider was applied in the meantime. Nothing of this one was applied."
    ),
    RefusalCode.PRICE_LIST_DOUBTED: Words(
        "{provider_name}: {why}. Nothing was applied; --confirm applies the list as it is."
    ),
    RefusalCode.NOT_IN_QUARANTINE: Words("These services are not in quarantine: {services}."),
    RefusalCode.COST_UNKNOWN: Words("The cost of service {service} is unknown. Set a rate instead of a margin."),
}
"""Refusals about providers and their price lists."""

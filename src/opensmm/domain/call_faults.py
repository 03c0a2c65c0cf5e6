"""Why a call to a provider came to nothing: a code and its fields. ``texts`` has the words."""

from enum import StrEnum
from typing import Final

from msgspec import Struct, structs


class CallCode(StrEnum):
    """Why a call came to nothing. Where another panel said something, its words are the field ``words``."""

    NO_CLIENT = "no_client"
    NO_TURN = "no_turn"
    SUBSCRIPTION_TO_STAFF = "subscription_to_staff"
    WORKER_GONE = "worker_gone"
    WORKER_GONE_BEFORE = "worker_gone_before"
    PUT_OFF = "put_off"

    NO_CONNECTION_IN_TIME = "no_connection_in_time"
    NO_ANSWER_IN_TIME = "no_answer_in_time"
    CLOSED = "closed"
    CERTIFICATE_NOT_TRUSTED = "certificate_not_trusted"
    NO_TLS = "no_tls"
    NAME_WITHOUT_ADDRESS = "name_without_address"
    ADDRESS_NOT_PUBLIC = "address_not_public"
    NOBODY_LISTENS = "nobody_listens"
    NO_WAY = "no_way"
    NO_CONNECTION = "no_connection"
    FAILED = "failed"

    HTTP_STATUS = "http_status"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_VALUES = "too_many_values"
    TOO_MANY_RECEIVED = "too_many_received"
    TOO_MANY_INTERIM = "too_many_interim"
    NO_BALANCE = "no_balance"
    NO_PRICE_LIST = "no_price_list"
    REFUSED = "refused"


NEVER_SENT: Final = frozenset(
    (
        CallCode.NO_CLIENT,
        CallCode.NO_TURN,
        CallCode.WORKER_GONE_BEFORE,
        CallCode.NO_CONNECTION_IN_TIME,
        CallCode.CERTIFICATE_NOT_TRUSTED,
        CallCode.NO_TLS,
        CallCode.NAME_WITHOUT_ADDRESS,
        CallCode.ADDRESS_NOT_PUBLIC,
        CallCode.NOBODY_LISTENS,
        CallCode.NO_WAY,
        CallCode.NO_CONNECTION,
    )
)
"""Codes of calls of which no byte left."""


class CallFault(Struct, frozen=True):
    """The code of why a call came to nothing, and its fields, which stay the same when they are stored and read."""

    code: CallCode
    fields: dict[str, str | int] = {}

    def __str__(self) -> str:
        """The fault for a log."""
        return " ".join([self.code.value, *(f"{name}={value}" for name, value in self.fields.items())])

    @property
    def words(self) -> str:
        """The other panel's words; empty where it said none."""
        return str(self.fields.get("words", ""))


CallAnswer = str | CallFault
"""What came back of a call: another panel's words as they are, or a fault."""


def words_of(answer: CallAnswer) -> str:
    """Returns the other panel's words of an answer."""
    return answer if isinstance(answer, str) else answer.words


def shortened(answer: CallAnswer, most: int) -> CallAnswer:
    """Returns an answer of which no text has more than ``most`` characters."""
    if isinstance(answer, str):
        return answer[:most]
    cut = {name: value[:most] if isinstance(value, str) else value for name, value in answer.fields.items()}
    return structs.replace(answer, fields=cut)

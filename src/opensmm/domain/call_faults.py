"""Faults of calls to providers: a code and its fields. ``texts`` has the words."""

from enum import StrEnum
from typing import Final

from msgspec import Struct, structs


class CallCode(StrEnum):
    """Reasons why a call failed. The field ``words`` has the other panel's words, if it sent any."""

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
"""Codes of calls of which no byte was sent."""


class CallFault(Struct, frozen=True):
    """The reason why a call failed, with its fields, which survive being stored and read unchanged."""

    code: CallCode
    fields: dict[str, str | int] = {}

    def __str__(self) -> str:
        """Returns the fault as one line of a log."""
        return " ".join([self.code.value, *(f"{name}={value}" for name, value in self.fields.items())])

    @property
    def words(self) -> str:
        """The other panel's words; empty if it sent none."""
        return str(self.fields.get("words", ""))


CallAnswer = str | CallFault
"""The outcome of a call: another panel's answer as it came, or a fault."""


def words_of(answer: CallAnswer) -> str:
    """Returns the other panel's words in an outcome."""
    return answer if isinstance(answer, str) else answer.words


def shortened(answer: CallAnswer, most: int) -> CallAnswer:
    """Returns an outcome whose texts are cut to ``most`` characters."""
    if isinstance(answer, str):
        return answer[:most]
    fields = {name: value[:most] if isinstance(value, str) else value for name, value in answer.fields.items()}
    return structs.replace(answer, fields=fields)

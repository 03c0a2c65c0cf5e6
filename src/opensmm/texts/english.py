"""The words of every code, in English: whole sentences with named placeholders."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from opensmm.domain.codes import EventCode, FindingCode, RefusalCode


class Words(Struct, frozen=True):
    """``one`` replaces ``says`` where the field ``count`` is 1. ``do`` tells the operator what to do, if anything."""

    says: str
    one: str = ""
    do: str = ""


FINDINGS: Final[Mapping[FindingCode, Words]] = {
    FindingCode.LATE_ACCEPTANCES: Words(
        says="{count} orders were bought after they had been settled otherwise, the oldest for {age}: {named}",
        one="1 order was bought after it had been settled otherwise, for {age}: {named}",
        do="cancel each at its provider; `opensmm orders list --late` lists them; then `orders dealt-with ORDER`",
    ),
    FindingCode.ODD_ENDS: Words(
        says="{count} orders ended here in another way than at their provider, the oldest for {age}: {named}",
        one="1 order ended here in another way than at its provider, for {age}: {named}",
        do="`opensmm orders list --odd` lists what was said of each; then `orders dealt-with ORDER`",
    ),
    FindingCode.ORDER_IDS_DO_NOT_GROW: Words(
        "Its order ids do not grow (the newest is {newest}): evidence cannot settle orders whose answer is lost.",
        do="Settle its unsure orders yourself: `opensmm orders list --unsure`.",
    ),
}
REFUSALS: Final[Mapping[RefusalCode, Words]] = {
    RefusalCode.NO_NOTICE: Words("Order {order} has no notice that could be dealt with."),
}
EVENTS: Final[Mapping[EventCode, Words]] = {
    EventCode.LATE_ACCEPTANCE: Words(
        "late acceptance: run {run}, try {attempt}: {provider} took it as their order {provider_order} after it had "
        "been settled otherwise"
    ),
    EventCode.COMPLETED_WITH_REMAINS: Words(
        "contradiction: run {run}: {provider} says that it is completed and that {remains} of {quantity} remain; it is "
        "earned in full"
    ),
    EventCode.CANCEL_REFUSED: Words(
        "cancel refused: run {run}: it is paid back here, and goes on at {provider} as their order {provider_order}: "
        "{answer}"
    ),
    EventCode.POST_BEYOND: Words(
        "post refused: their order {provider_order}, one more than the subscription is for; it is not charged"
    ),
    EventCode.POST_EXPIRED: Words(
        "post refused: their order {provider_order}, made after the subscription had expired; it is not charged"
    ),
    EventCode.DEALT_WITH: Words("dealt with: what {provider} said of run {run}, try {attempt}"),
}

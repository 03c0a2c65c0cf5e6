"""The English texts of refusals about single orders and the staff's work."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.operator_refusals import RefusalCode
from opensmm.texts.template import Words

ORDER_REFUSALS: Final[Mapping[RefusalCode, Words]] = {
    RefusalCode.NO_ORDER: Words("order {order}: there is no such order"),
    RefusalCode.NO_RUN: Words("order {order}: it has no run {run}"),
    RefusalCode.WHICH_RUN: Words("order {order}: it has several runs; name one with --run"),
    RefusalCode.SUBSCRIPTION_NOT_COMPLETED: Words(
        "order {order}: a subscription cannot be completed; complete the orders of its posts instead"
    ),
    RefusalCode.ORDER_ENDED: Words(
        "order {order}: it has ended and its money is settled; `opensmm orders refund` refunds more of it"
    ),
    RefusalCode.ORDER_NOT_ENDED: Words(
        "order {order}: it has not ended; end it with `opensmm orders cancel` or `opensmm orders partial`"
    ),
    RefusalCode.BEING_SENT: Words("order {order}: it is being sent right now; try again in a minute"),
    RefusalCode.ORDER_UNSURE: Words(
        "order {order}: it is unknown if its provider accepted it; resolve that first with `opensmm orders settle`"
    ),
    RefusalCode.ORDER_NOT_UNSURE: Words("order {order}: it is not unsure, so there is nothing to resolve"),
    RefusalCode.NOT_PROVED: Words(
        "order {order}: its provider may have accepted it; resolve it with `opensmm orders settle`, or accept the risk "
        "of buying it twice with --accept-risk"
    ),
    RefusalCode.ALREADY_BOUGHT: Words("order {order}: its provider accepted it; sending it again would buy it twice"),
    RefusalCode.PROVIDER_ORDER_TAKEN: Words(
        "order {order}: that order of the provider already belongs to another delivery"
    ),
    RefusalCode.NOTHING_LEFT: Words(
        "order {order}: its provider reports that nothing remains; complete it, or end it as partial"
    ),
    RefusalCode.PACKAGE_IN_PARTS: Words(
        "order {order}: a package is delivered in full or not at all; complete or cancel it"
    ),
    RefusalCode.IMPOSSIBLE_REMAINS: Words(
        "order {order}: {remains} of {quantity} cannot remain; of a partial delivery more than 0 and less than "
        "{quantity} remain, of one in progress 0 to {quantity}"
    ),
    RefusalCode.BAD_PROVIDER_ORDER: Words("{provider_order} cannot be a provider's order id"),
    RefusalCode.MORE_THAN_EARNED: Words("order {order}: the amount is more than the order has earned"),
    RefusalCode.OTHER_REFUND_AMOUNT: Words(
        "order {order}: the refund with this number was booked with another amount; give a new refund another --number"
    ),
    RefusalCode.NOT_WITH_STAFF: Words(
        "order {order}: it is not with your staff; it does not exist, was not handed to them yet, or has ended"
    ),
    RefusalCode.IMPOSSIBLE_START_COUNT: Words("order {order}: a start count must be a whole number from 0 to {most}"),
    RefusalCode.REFILL_NOT_FOR_SALE: Words("refill {refill}: it is not waiting to be bought at another provider"),
    RefusalCode.NO_OTHER_PROVIDER: Words(
        "refill {refill}: no other provider fulfils its service; add one with `opensmm route add`, or end the refill "
        "with `opensmm staff refilled` or `opensmm staff reject`"
    ),
    RefusalCode.MORE_THAN_ORDERED: Words(
        "refill {refill}: at most what was ordered can be bought, and a package only in full"
    ),
    RefusalCode.REFILL_NOT_WITH_STAFF: Words(
        "refill {refill}: it is not with your staff; `opensmm staff refills` lists those that are"
    ),
}
"""Refusals about orders. Each begins with the number of the order or refill, which stays as it is."""

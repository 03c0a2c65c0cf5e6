"""The English texts of refusals about single orders and the staff's work."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.codes import RefusalCode
from opensmm.texts.template import Words

ORDER_REFUSALS: Final[Mapping[RefusalCode, Words]] = {
    RefusalCode.NO_ORDER: Words("order {order}: there is no such order"),
    RefusalCode.NO_RUN: Words("order {order}: it has no run {run}"),
    RefusalCode.WHICH_RUN: Words("order {order}: it has several runs: name one with --run"),
    RefusalCode.SUBSCRIPTION_NOT_COMPLETED: Words(
        "order {order}: it is a subscription: the orders of its posts can be completed, and not itself"
    ),
    RefusalCode.ORDER_ENDED: Words(
        "order {order}: it has ended, and its money is settled: `opensmm orders refund` gives more of it back"
    ),
    RefusalCode.ORDER_NOT_ENDED: Words(
        "order {order}: it has not ended: `opensmm orders cancel` or `opensmm orders partial` ends it"
    ),
    RefusalCode.BEING_SENT: Words("order {order}: it is being sent at this moment: try again in a minute"),
    RefusalCode.ORDER_UNSURE: Words(
        "order {order}: it is unsure whether its provider took it: `opensmm orders settle` says so first"
    ),
    RefusalCode.ORDER_NOT_UNSURE: Words(
        "order {order}: it is not unsure whether its provider took it: there is nothing to settle"
    ),
    RefusalCode.NOT_PROVED: Words(
        "order {order}: it is not proved that nothing was bought: settle it, or accept the risk with --accept-risk"
    ),
    RefusalCode.ALREADY_BOUGHT: Words("order {order}: its provider took it: to send it again would be to buy it twice"),
    RefusalCode.PROVIDER_ORDER_TAKEN: Words("order {order}: that provider's order is another delivery's already"),
    RefusalCode.NOTHING_LEFT: Words(
        "order {order}: its provider says that nothing of it is left: complete it, or end it as partial"
    ),
    RefusalCode.PACKAGE_IN_PARTS: Words(
        "order {order}: a package is delivered whole or not at all: complete or cancel it"
    ),
    RefusalCode.IMPOSSIBLE_REMAINS: Words(
        "order {order}: {remains} of {quantity} cannot remain: of a partial delivery some and not all, of one that "
        "goes on none to all"
    ),
    RefusalCode.BAD_PROVIDER_ORDER: Words("{provider_order} cannot be a provider's order id"),
    RefusalCode.MORE_THAN_EARNED: Words("order {order}: that is more than it has earned"),
    RefusalCode.OTHER_REFUND_AMOUNT: Words(
        "order {order}: the refund of that number was booked with another amount: give the next one another --number"
    ),
    RefusalCode.NOT_WITH_STAFF: Words(
        "order {order}: it is not with your staff: there is no such order, it was not handed to them yet, or it has "
        "ended"
    ),
    RefusalCode.IMPOSSIBLE_START_COUNT: Words("order {order}: a start count is a whole number from 0 to {most}"),
    RefusalCode.REFILL_NOT_FOR_SALE: Words(
        "refill {refill}: it is no refill that waits to be bought at another provider"
    ),
    RefusalCode.NO_OTHER_PROVIDER: Words(
        "refill {refill}: no other provider fulfils its service: `opensmm route add` says who does; or end it with "
        "`opensmm staff refilled` or `opensmm staff reject`"
    ),
    RefusalCode.MORE_THAN_ORDERED: Words("refill {refill}: that is more than was ordered, or a part of a package"),
    RefusalCode.REFILL_NOT_WITH_STAFF: Words(
        "refill {refill}: your staff is not asked for it; `opensmm staff refills` lists those that it is asked for"
    ),
}
"""Refusals about orders. Each begins with the number of the order or refill, which stays as it is."""

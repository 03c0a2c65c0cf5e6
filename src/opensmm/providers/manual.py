"""The operator's own staff as a provider: deliveries are handed to a list, and the staff tells how they fare."""

from opensmm.domain.dispatch import Accepted, Declined, SendOutcome
from opensmm.domain.evidence import Said
from opensmm.domain.polling import StatusReport, UnreadAnswer
from opensmm.domain.refills import RefillStatus
from opensmm.domain.requests import AddOrder
from opensmm.domain.subscriptions import SubscriptionReport


class ManualProvider:
    """Takes everything and is asked nothing: news of its deliveries comes from the staff's own commands.

    A delivery is known here by the ask's idempotency key, which is the panel's own name of it.
    """

    async def add(self, request: AddOrder) -> SendOutcome:
        return Accepted(request.idempotency_key)

    async def statuses(self, orders: list[str]) -> list[StatusReport | UnreadAnswer]:
        return [UnreadAnswer("")] * len(orders)

    async def look_ups(self, orders: list[str]) -> list[Said]:
        return [None] * len(orders)

    async def watch(self, orders: list[str]) -> list[SubscriptionReport | UnreadAnswer]:
        return [UnreadAnswer("")] * len(orders)

    async def refills(self, orders: list[str]) -> list[str | Declined | UnreadAnswer]:
        return list(orders)

    async def refill_statuses(self, refills: list[str]) -> list[RefillStatus | UnreadAnswer]:
        """On the list until the staff says otherwise."""
        return [RefillStatus.PENDING] * len(refills)

    async def cancels(self, orders: list[str]) -> list[bool | Declined]:
        """The wish is on the list, where the staff sees it."""
        return [True] * len(orders)

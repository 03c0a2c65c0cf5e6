"""The manual provider: deliveries go to a list, and the operator's staff reports their progress."""

from opensmm.domain.dispatch import Accepted, Declined, SendOutcome
from opensmm.domain.evidence import IdAnswer
from opensmm.domain.polling import StatusReport, UnreadAnswer
from opensmm.domain.refills import RefillStatus
from opensmm.domain.requests import AddOrder
from opensmm.domain.subscriptions import SubscriptionReport


class ManualProvider:
    """Accepts every delivery, and has no reports: those come from the staff's own commands.

    The id of a delivery is the request's idempotency key, which the panel itself has made.
    """

    async def add(self, request: AddOrder) -> SendOutcome:
        return Accepted(request.idempotency_key)

    async def statuses(self, orders: list[str]) -> list[StatusReport | UnreadAnswer]:
        return [UnreadAnswer("")] * len(orders)

    async def look_ups(self, orders: list[str]) -> list[IdAnswer]:
        return [None] * len(orders)

    async def watch(self, orders: list[str]) -> list[SubscriptionReport | UnreadAnswer]:
        return [UnreadAnswer("")] * len(orders)

    async def refills(self, orders: list[str]) -> list[str | Declined | UnreadAnswer]:
        return list(orders)

    async def refill_statuses(self, refills: list[str]) -> list[RefillStatus | UnreadAnswer]:
        """Reports refills as pending, until the staff reports otherwise."""
        return [RefillStatus.PENDING] * len(refills)

    async def cancels(self, orders: list[str]) -> list[bool | Declined]:
        """Accepts cancels: the staff sees them on the list."""
        return [True] * len(orders)

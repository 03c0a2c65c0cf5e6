"""What a service may be like, and what may be put on sale: a service that says how it is delivered, and that the policy
does not prohibit."""

from collections.abc import Iterable

from msgspec import Struct

from opensmm.domain.catalogue import Service
from opensmm.domain.policy import Policy, Rule


class NotForSale(Struct, frozen=True):
    """``rule`` is the one that prohibits the service; None: it does not say how it is delivered."""

    service: Service
    rule: Rule | None = None

    def __str__(self) -> str:
        number = f" {self.service.id}" if self.service.id else ""
        named = f"service{number} {self.service.name!r}"
        if self.rule is None:
            return f"{named} does not say how it is delivered (undisclosed)"
        reason = f" ({self.rule.reason})" if self.rule.reason else ""
        return f"{named} is prohibited by rule {self.rule.id}, {self.rule.value!r}{reason}"


def fault(service: Service) -> str:
    """Why no service may be like this, on sale or not; empty where it may."""
    if service.max < service.min:
        return "the largest quantity is below the smallest"
    if not service.rate and not service.free:
        return "a rate of 0 is for a service that is marked free"
    return ""


def check(services: Iterable[Service], policy: Policy) -> list[NotForSale]:
    """Those of the services on sale that may not be."""
    found: list[NotForSale] = []
    for service in services:
        if not service.on_sale:
            continue
        if not service.disclosed:
            found.append(NotForSale(service))
        elif (rule := policy.prohibits(service.name, service.category, service.description)) is not None:
            found.append(NotForSale(service, rule))
    return found

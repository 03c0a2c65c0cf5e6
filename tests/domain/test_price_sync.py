"""Following a price list: how routes and services stand by it, and which lists are not believed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.panel import service

from opensmm.base.ids import PriceListId, ProviderId, ServiceId
from opensmm.domain.catalogue import BelowCost, Catalogue, Halt, ServiceType
from opensmm.domain.codes import ChangeCode, LineCode, LineFault
from opensmm.domain.price_sync import (
    DoubtCode,
    ListChange,
    ListDoubt,
    ListedRoute,
    RouteStanding,
    ServiceLine,
    SyncRules,
    changes_of,
    find_doubt,
    judge_service,
)
from opensmm.domain.pricing import PriceTerms
from opensmm.domain.provider_services import ProviderService
from opensmm.domain.routes import RouteOff, RouteTo

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LIKES = ProviderService("7", "Likes", "Theirs", ServiceType.DEFAULT, Decimal("0.60"), 10, 10_000)
OURS = service(3)
RULES = SyncRules(Decimal(1), 20)
HERE, THERE = ProviderId(1), ProviderId(2)
KNOWN = RouteStanding(Decimal("0.60"), Decimal("0.60"))


def route(offer=LIKES, standing=KNOWN, *, listed=True, provider=HERE, rules=RULES):
    return ListedRoute(RouteTo(provider, "7"), rules, offer, listed, standing)


def line(*routes, of=OURS):
    return ServiceLine(of, routes)


def listed_at(rate):
    return structs.replace(LIKES, rate=Decimal(rate))


def test_the_first_cost_that_is_told_is_agreed_to():
    judged = judge_service(line(route(standing=RouteStanding())), NOW)
    assert (RouteStanding(Decimal("0.60"), Decimal("0.60"), name="Likes", category="Theirs"),) == judged.standings
    assert (Decimal("0.60"), None) == (judged.service.cost, judged.service.halted)


def test_costs_are_in_our_currency():
    judged = judge_service(line(route(standing=RouteStanding(), rules=SyncRules(Decimal("0.0119"), 20))), NOW)
    assert Decimal("0.007140") == judged.service.cost


@pytest.mark.parametrize(
    ("rate", "quarantined"), [("0.72", False), ("0.7200001", True), ("0.48", False), ("0.4799999", True), ("0", True)]
)
def test_a_move_beyond_the_share_up_or_down_is_a_quarantine(rate, quarantined):
    judged = judge_service(line(route(listed_at(rate))), NOW)
    expected = (NOW, Halt.QUARANTINE) if quarantined else (None, None)
    assert expected == (judged.standings[0].quarantined, judged.service.halted)
    assert (not quarantined) == judged.service.sold


def test_small_steps_add_up_to_a_quarantine():
    first = judge_service(line(route(listed_at("0.70"))), NOW)
    assert (Decimal("0.60"), None) == (first.standings[0].agreed, first.service.halted)
    second = judge_service(line(route(listed_at("0.80"), first.standings[0])), NOW)
    assert Halt.QUARANTINE is second.service.halted


def test_a_quarantine_lasts_until_it_is_approved_or_the_cost_comes_back():
    moved = judge_service(line(route(listed_at("1.20"))), NOW)
    back = judge_service(line(route(LIKES, moved.standings[0]), of=moved.service), NOW)
    assert (None, None) == (back.standings[0].quarantined, back.service.halted)
    still = judge_service(line(route(listed_at("1.10"), moved.standings[0]), of=moved.service), NOW + timedelta(days=1))
    assert (NOW, Halt.QUARANTINE) == (still.standings[0].quarantined, still.service.halted)
    approved = judge_service(line(route(listed_at("1.20"), moved.standings[0]), of=moved.service), NOW, approved=True)
    assert RouteStanding(Decimal("1.20"), Decimal("1.20"), name="Likes", category="Theirs") == approved.standings[0]
    assert None is approved.service.halted


def test_one_moved_route_of_several_is_set_aside_and_the_others_serve():
    judged = judge_service(line(route(listed_at("0.30")), route(provider=THERE)), NOW)
    assert (RouteOff.MOVED, None) == tuple(one.off for one in judged.standings)
    assert (None, Decimal("0.60")) == (judged.service.halted, judged.service.cost)
    both = judge_service(
        line(route(listed_at("0.30"), judged.standings[0]), route(listed_at("3"), provider=THERE)), NOW
    )
    assert (None, None, Halt.QUARANTINE) == (*(one.off for one in both.standings), both.service.halted)


def test_what_is_gone_is_off_sale_and_comes_back_by_itself_where_nothing_else_changed():
    gone = judge_service(line(route(listed=False)), NOW)
    assert (RouteOff.GONE, Halt.GONE, False) == (gone.standings[0].off, gone.service.halted, gone.service.sold)
    assert None is judge_service(line(route(LIKES, gone.standings[0]), of=gone.service), NOW).service.halted
    dearer = judge_service(line(route(listed_at("0.90"), gone.standings[0]), of=gone.service), NOW)
    assert Halt.QUARANTINE is dearer.service.halted


def test_a_route_gone_of_several_leaves_the_service_on_sale():
    judged = judge_service(line(route(listed=False), route(listed_at("0.65"), RouteStanding(), provider=THERE)), NOW)
    assert ((RouteOff.GONE, None), None, Decimal("0.65")) == (
        tuple(one.off for one in judged.standings), judged.service.halted, judged.service.cost,
    )  # fmt: skip


def test_a_number_that_was_never_listed_is_gone_once_the_list_was_read():
    never = route(None, RouteStanding(), listed=False)
    assert None is judge_service(line(never), NOW).standings[0].off
    assert None is judge_service(line(never), NOW, synced=THERE).standings[0].off
    assert RouteOff.GONE is judge_service(line(never), NOW, synced=HERE).standings[0].off


@pytest.mark.parametrize("kind", [ServiceType.PACKAGE, ServiceType.CUSTOM_COMMENTS, None])
def test_another_type_is_not_sold_and_nothing_of_its_line_is_taken(kind):
    judged = judge_service(line(route(structs.replace(LIKES, type=kind, rate=Decimal(9), max=1))), NOW)
    assert (structs.replace(KNOWN, off=RouteOff.TYPE), Halt.TYPE) == (judged.standings[0], judged.service.halted)
    assert (OURS.min, OURS.max, OURS.rate) == (judged.service.min, judged.service.max, judged.service.rate)


def test_range_and_told_flags_follow_the_first_route_in_use():
    theirs = structs.replace(LIKES, min=5, max=50, refill=True, dripfeed=True)
    changed = service(3, cancel=True)
    judged = judge_service(line(route(listed=False), route(theirs, RouteStanding(), provider=THERE), of=changed), NOW)
    assert (5, 50, True, True, True) == (
        judged.service.min, judged.service.max, judged.service.refill, judged.service.dripfeed, judged.service.cancel,
    )  # fmt: skip


def test_prices_stay_the_operators_unless_terms_are_kept():
    assert OURS.rate == judge_service(line(route(listed_at("0.70"))), NOW).service.rate
    rules = structs.replace(RULES, terms=PriceTerms(Decimal(1), Decimal(50)))
    followed = judge_service(line(route(listed_at("0.70"), rules=rules)), NOW)
    assert (Decimal("1.0500"), Decimal("0.70")) == (followed.service.rate, followed.standings[0].agreed)
    too_far = judge_service(line(route(listed_at("0.80"), rules=rules)), NOW)
    assert (OURS.rate, Halt.QUARANTINE) == (too_far.service.rate, too_far.service.halted)
    shared = judge_service(line(route(listed_at("0.70"), rules=rules), route(provider=THERE)), NOW)
    assert OURS.rate == shared.service.rate


def test_an_unknown_cost_of_one_route_makes_the_services_cost_unknown():
    assert (
        None
        is judge_service(line(route(), route(None, RouteStanding(), listed=False, provider=THERE)), NOW).service.cost
    )


def test_a_service_without_routes_is_left_as_it_is():
    assert not judge_service(line(), NOW).moves


def test_what_changed_is_told_and_a_drift_within_the_share_is_no_news():
    assert [] == changes_of(judge_service(line(route(listed_at("0.61"))), NOW))
    answer = changes_of(judge_service(line(route(structs.replace(LIKES, rate=Decimal("0.95"), max=50))), NOW))
    of_route = {"provider": HERE, "provider_service": "7"}
    assert [
        ListChange(ChangeCode.FIELD_MOVED, {"field": "max", "before": 10000, "after": 50}),
        ListChange(ChangeCode.SERVICE_QUARANTINED),
        ListChange(ChangeCode.BELOW_COST, {"cost": Decimal("0.95"), "rate": Decimal("0.90")}),
        ListChange(ChangeCode.ROUTE_COST_MOVED, of_route | {"before": Decimal("0.60"), "after": Decimal("0.95")}),
    ] == answer


TEN = [(str(number), ServiceType.DEFAULT) for number in range(10)]


@pytest.mark.parametrize(
    ("routed", "left", "doubted"),
    [(10, 10, False), (10, 5, False), (10, 4, True), (10, 0, True), (1, 0, True), (2, 1, False), (3, 1, True)],
)
def test_a_list_that_lost_more_than_half_of_what_it_fulfils_is_not_believed(routed, left, doubted):
    offers = [structs.replace(LIKES, service=str(number)) for number in range(left)]
    assert doubted == bool(find_doubt(TEN[:routed], offers))


def test_one_service_lost_is_believed_and_so_is_an_empty_list_of_nobodys():
    assert find_doubt(TEN[:1], [structs.replace(LIKES, service="other")]) is None
    assert find_doubt([], []) is None


def test_a_list_whose_types_are_garbled_is_not_believed():
    offers = [structs.replace(LIKES, service=theirs, type=None) for theirs, _ in TEN]
    assert ListDoubt(DoubtCode.LACKS_SERVICES, {"lost": 10, "fulfilled": 10}) == find_doubt(TEN, offers)


rates = st.decimals(0, 100, places=3)


@given(st.lists(st.tuples(rates, st.booleans()), min_size=1, max_size=30))
def test_whatever_the_lists_a_sold_service_costs_what_was_agreed_to_or_nearly(steps):
    at = line(route(standing=RouteStanding()))
    for rate, listed in steps:
        judged = judge_service(line(route(listed_at(rate), at.routes[0].standing, listed=listed), of=at.service), NOW)
        at = line(route(listed_at(rate), judged.standings[0]), of=judged.service)
        standing = judged.standings[0]
        if judged.service.sold:
            assert standing.cost is not None
            assert standing.agreed is not None
            assert abs(standing.cost - standing.agreed) * 5 <= standing.agreed


@pytest.mark.parametrize(
    ("cost", "rate", "free", "mode", "sold"),
    [
        (None, "0.90", False, BelowCost.REFUSE, True),
        ("0.90", "0.90", False, BelowCost.REFUSE, True),
        ("0.90001", "0.90", False, BelowCost.REFUSE, False),
        ("0.90001", "0.90", False, BelowCost.HOLD, True),
        ("0.90001", "0", True, BelowCost.REFUSE, True),
    ],
)
def test_nothing_is_sold_below_its_cost_unseen(cost, rate, free, mode, sold):
    one = service(3, rate=rate, free=free, cost=None if cost is None else Decimal(cost))
    catalogue = Catalogue(1, "USD", {one.id: one}, {}, below_cost=mode)
    assert sold == (catalogue.service(3, PriceListId(1)) is not None)


def test_the_customers_own_rate_counts():
    sold = service(3, cost=Decimal("0.50"))
    catalogue = Catalogue(1, "USD", {sold.id: sold}, {(PriceListId(2), ServiceId(3)): Decimal("0.40")})
    assert (sold, None) == (catalogue.service(3, PriceListId(1)), catalogue.service(3, PriceListId(2)))


def test_a_line_that_cannot_be_read_is_said_to_be_the_reason():
    answer = structs.replace(route(standing=RouteStanding()), listed=False)
    reason = LineFault(LineCode.NO_RATE, {"rate": "free"})
    why = {answer.to.provider_service: reason}
    judged = judge_service(line(answer), NOW, synced=HERE, unread=why)
    assert ListChange(ChangeCode.SERVICE_UNREAD, {"why": reason}) in changes_of(judged)
    assert (RouteOff.GONE, why[answer.to.provider_service]) == (judged.standings[0].off, judged.standings[0].unread)
    still = judge_service(line(structs.replace(answer, standing=judged.standings[0])), NOW)
    assert judged.standings == still.standings, "whoever judges anew without a list knows the reason still"

"""An ask is checked in the published order, priced, and drafted: every service type, every refusal."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmm.base.ids import PriceListId, RuleId, ServiceId
from opensmm.base.money import Money
from opensmm.domain import links
from opensmm.domain.catalogue import TYPE_PARAMETERS, Catalogue, DeliveryMethod, Service, ServiceType
from opensmm.domain.orders import MOST_NAMED, DialectRules, OrderState, PricedOrder, normalise, price_order
from opensmm.domain.policy import PolicyRule, RuleKind, compile_policy
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import MALFORMED, NO_DETAILS, AddOrder, TypeDetails

TODAY = date(2026, 3, 1)
LIST = PriceListId(1)
CHEAP = PriceListId(2)
V1 = DialectRules(own_before_link=True, link_alone_is_media=True)
V2 = DialectRules(own_before_link=False, link_alone_is_media=False)
BOTH = pytest.mark.parametrize("dialect_rules", [V1, V2], ids=["v1", "v2"])
LINK = "https://example.com/me"
STATED = DeliveryMethod.SOFTWARE_SERVICE
TYPES = {kind: ServiceId(at) for at, kind in enumerate(ServiceType, 1)}
NO_DRIP, HIDDEN = ServiceId(50), ServiceId(51)


def service(number, kind, **other):
    fields: dict[str, Any] = {
        "rate": Decimal("0.90"),
        "min": 2,
        "max": 1000,
        "dripfeed": True,
        "delivery_method": STATED,
    } | other
    return Service(ServiceId(number), "Name", kind, "Category", **fields)


SERVICES = {
    **{number: service(number, kind) for kind, number in TYPES.items()},
    NO_DRIP: service(NO_DRIP, ServiceType.DEFAULT, dripfeed=False),
    HIDDEN: service(HIDDEN, ServiceType.DEFAULT, on_sale=False),
}
CATALOGUE = Catalogue(7, "USD", SERVICES, {(CHEAP, TYPES[ServiceType.DEFAULT]): Decimal("0.5")})

T = ServiceType
THREE = ("a", "b", "c")
GOOD = {
    T.DEFAULT: (AddOrder(None, LINK, 100), 100, 9_000),
    T.PACKAGE: (AddOrder(None, LINK), 1, 90_000),
    T.SEO: (AddOrder(None, LINK, 100, details=TypeDetails(keywords=THREE)), 100, 9_000),
    T.CUSTOM_COMMENTS: (AddOrder(None, LINK, details=TypeDetails(comments=THREE)), 3, 270),
    T.CUSTOM_COMMENTS_PACKAGE: (AddOrder(None, LINK, details=TypeDetails(comments=THREE)), 1, 90_000),
    T.MENTIONS: (AddOrder(None, LINK, 100, details=TypeDetails(usernames=THREE)), 100, 9_000),
    T.MENTIONS_WITH_HASHTAGS: (
        AddOrder(None, LINK, 100, details=TypeDetails(usernames=THREE, hashtags=("#a",))),
        100,
        9_000,
    ),
    T.MENTIONS_CUSTOM_LIST: (AddOrder(None, LINK, details=TypeDetails(usernames=THREE)), 3, 270),
    T.MENTIONS_HASHTAG: (AddOrder(None, LINK, 100, details=TypeDetails(hashtag="#a")), 100, 9_000),
    T.MENTIONS_USER_FOLLOWERS: (AddOrder(None, LINK, 100, details=TypeDetails(username=LINK)), 100, 9_000),
    T.MENTIONS_MEDIA_LIKERS: (AddOrder(None, LINK, 100, details=TypeDetails(media=LINK)), 100, 9_000),
    T.COMMENT_LIKES: (AddOrder(None, LINK, 100, details=TypeDetails(username="them")), 100, 9_000),
    T.COMMENT_REPLIES: (AddOrder(None, LINK, details=TypeDetails(username="them", comments=THREE)), 3, 270),
    T.POLL: (AddOrder(None, LINK, 100, details=TypeDetails(answer_number=2)), 100, 9_000),
    T.INVITES_FROM_GROUPS: (AddOrder(None, LINK, 100, details=TypeDetails(groups=THREE)), 100, 9_000),
    T.SUBSCRIPTIONS: (AddOrder(None, details=TypeDetails(username="them", min=2, max=10, delay=0)), 0, 0),
    T.WEB_TRAFFIC: (
        AddOrder(None, LINK, 100, details=TypeDetails(country="US", device=5, type_of_traffic=2, referring_url=LINK)),
        100,
        9_000,
    ),
}


def ask_for(kind, **other):
    return msgspec.structs.replace(GOOD[kind][0], service=TYPES[kind], **other)


def with_details(kind, **other):
    request = ask_for(kind)
    return msgspec.structs.replace(request, details=msgspec.structs.replace(request.details, **other))


def drafted(request, dialect_rules=V2, price_list=LIST):
    return price_order(request, CATALOGUE, price_list, dialect_rules, TODAY)


def test_every_type_has_its_good_example():
    assert set(ServiceType) == set(GOOD)


@BOTH
@pytest.mark.parametrize("kind", ServiceType)
def test_every_type_is_drafted_and_priced(kind, dialect_rules):
    request, quantity, charge = GOOD[kind]
    expected = PricedOrder(
        service=SERVICES[TYPES[kind]],
        link="them" if kind is T.SUBSCRIPTIONS else LINK,
        quantity=quantity,
        runs=1,
        interval_min=0,
        rate=Decimal("0.90"),
        charge=Money(charge),
        details=request.details,
        packaged=kind in (T.PACKAGE, T.CUSTOM_COMMENTS_PACKAGE),
        state=OrderState.ACTIVE if kind is T.SUBSCRIPTIONS else OrderState.OPEN,
        price_list=LIST,
        catalogue_version=7,
    )
    assert expected == drafted(ask_for(kind), dialect_rules)


def test_only_the_two_package_types_are_sold_at_the_rate_itself():
    packaged = {kind for kind in ServiceType if (made := drafted(ask_for(kind))) and made.packaged}
    assert {T.PACKAGE, T.CUSTOM_COMMENTS_PACKAGE} == packaged


def test_a_price_list_sets_its_own_rate():
    made = drafted(ask_for(T.DEFAULT), price_list=CHEAP)
    assert (Decimal("0.5"), 5_000, CHEAP) == (made.rate, made.charge, made.price_list)


@BOTH
def test_parameters_that_the_type_does_not_use_are_ignored(dialect_rules):
    noise = TypeDetails(comments=THREE, answer_number=MALFORMED, expiry=date.min, min=MALFORMED)
    assert drafted(ask_for(T.DEFAULT), dialect_rules) == drafted(ask_for(T.DEFAULT, details=noise), dialect_rules)
    counted = ask_for(T.CUSTOM_COMMENTS, quantity=MALFORMED, runs=1, interval_min=MALFORMED)
    assert drafted(ask_for(T.CUSTOM_COMMENTS), dialect_rules) == drafted(counted, dialect_rules)
    package = ask_for(T.PACKAGE, quantity=99, runs=5, interval_min=5)
    assert drafted(ask_for(T.PACKAGE), dialect_rules) == drafted(package, dialect_rules)


@BOTH
@pytest.mark.parametrize(
    ("number", "refused"),
    [
        (None, Refused(Refusal.SERVICE_MISSING)),
        (MALFORMED, Refused(Refusal.SERVICE_UNKNOWN)),
        (0, Refused(Refusal.SERVICE_UNKNOWN)),
        (999, Refused(Refusal.SERVICE_UNKNOWN)),
        (HIDDEN, Refused(Refusal.SERVICE_UNKNOWN)),
    ],
)
def test_a_service_must_be_given_and_be_on_sale(dialect_rules, number, refused):
    assert refused == drafted(msgspec.structs.replace(ask_for(T.DEFAULT), service=number), dialect_rules)


@BOTH
@pytest.mark.parametrize("kind", [kind for kind in ServiceType if kind is not T.SUBSCRIPTIONS])
@pytest.mark.parametrize("link", ["", "javascript:x", "two words"])
def test_a_link_is_needed_by_every_type_but_subscriptions(dialect_rules, kind, link):
    assert Refused(Refusal.LINK) == drafted(ask_for(kind, link=link), dialect_rules)


@BOTH
@pytest.mark.parametrize(
    ("kind", "name", "fitting", "denied"),
    [
        (T.COMMENT_LIKES, "username", "bob", "ann"),
        (T.SUBSCRIPTIONS, "username", "bob", "ann"),
        (T.MENTIONS_MEDIA_LIKERS, "media", "https://a.example/bob", "https://a.example/ann"),
        (T.MENTIONS_CUSTOM_LIST, "usernames", ("bob", "cid"), ("bob", "@Ann")),
        (T.INVITES_FROM_GROUPS, "groups", ("bob",), ("bob", "a.example/ann")),
        (T.WEB_TRAFFIC, "referring_url", "https://a.example/bob", "https://a.example/ann"),
    ],
)
def test_every_parameter_that_names_a_page_or_a_person_is_held_against_the_policy(
    dialect_rules, kind, name, fitting, denied
):
    rules = compile_policy(1, [PolicyRule(RuleId(1), RuleKind.DENY, "@ann")])
    catalogue = msgspec.structs.replace(CATALOGUE, policy=rules)
    passing = price_order(with_details(kind, **{name: fitting}), catalogue, LIST, dialect_rules, TODAY)
    assert isinstance(passing, PricedOrder)
    assert fitting == getattr(passing.details, name)
    refused = price_order(with_details(kind, **{name: denied}), catalogue, LIST, dialect_rules, TODAY)
    assert Refused(Refusal.PARAMETER, name) == refused


@BOTH
@pytest.mark.parametrize(
    ("kind", "name"), [(T.MENTIONS, "usernames"), (T.INVITES_FROM_GROUPS, "groups"), (T.WEB_TRAFFIC, "referring_url")]
)
def test_what_names_a_page_or_a_person_is_no_longer_than_a_link(dialect_rules, kind, name):
    for length, refused in ((links.MAX_LINK, False), (links.MAX_LINK + 1, True)):
        text = "x" * length
        draft = drafted(with_details(kind, **{name: text if name == "referring_url" else ("a", text)}), dialect_rules)
        assert refused == (draft == Refused(Refusal.PARAMETER, name))


def test_a_list_of_people_or_groups_has_an_end():
    for count, refused in ((MOST_NAMED, False), (MOST_NAMED + 1, True)):
        draft = drafted(with_details(T.INVITES_FROM_GROUPS, groups=("a",) * count), V2)
        assert refused == (draft == Refused(Refusal.PARAMETER, "groups"))


OWN = [
    (kind, name)
    for kind, names in {
        T.SEO: ("keywords",),
        T.CUSTOM_COMMENTS: ("comments",),
        T.CUSTOM_COMMENTS_PACKAGE: ("comments",),
        T.MENTIONS: ("usernames",),
        T.MENTIONS_WITH_HASHTAGS: ("usernames", "hashtags"),
        T.MENTIONS_CUSTOM_LIST: ("usernames",),
        T.MENTIONS_HASHTAG: ("hashtag",),
        T.MENTIONS_USER_FOLLOWERS: ("username",),
        T.MENTIONS_MEDIA_LIKERS: ("media",),
        T.COMMENT_LIKES: ("username",),
        T.COMMENT_REPLIES: ("username", "comments"),
        T.POLL: ("answer_number",),
        T.INVITES_FROM_GROUPS: ("groups",),
        T.WEB_TRAFFIC: ("country", "device", "type_of_traffic"),
    }.items()
    for name in names
]


@BOTH
@pytest.mark.parametrize(("kind", "name"), OWN)
def test_a_missing_parameter_of_the_type_is_named(kind, name, dialect_rules):
    request = with_details(kind, **{name: getattr(NO_DETAILS, name)})
    if dialect_rules.link_alone_is_media and name == "media":
        assert isinstance(drafted(request, dialect_rules), PricedOrder)
    else:
        assert Refused(Refusal.PARAMETER, name) == drafted(request, dialect_rules)


@pytest.mark.parametrize(
    ("kind", "other", "name"),
    [
        (T.POLL, {"answer_number": 0}, "answer_number"),
        (T.POLL, {"answer_number": MALFORMED}, "answer_number"),
        (T.WEB_TRAFFIC, {"device": 0}, "device"),
        (T.WEB_TRAFFIC, {"device": 6}, "device"),
        (T.WEB_TRAFFIC, {"type_of_traffic": 4}, "type_of_traffic"),
        (T.WEB_TRAFFIC, {"type_of_traffic": MALFORMED}, "type_of_traffic"),
        (T.WEB_TRAFFIC, {"type_of_traffic": 1}, "google_keyword"),
        (T.WEB_TRAFFIC, {"type_of_traffic": 2, "referring_url": ""}, "referring_url"),
        (T.WEB_TRAFFIC, {"type_of_traffic": 2, "referring_url": "javascript:x"}, "referring_url"),
        (T.MENTIONS_MEDIA_LIKERS, {"media": "two words"}, "media"),
        (T.MENTIONS_USER_FOLLOWERS, {"username": "two words"}, "username"),
        (T.MENTIONS_USER_FOLLOWERS, {"username": "javascript:x"}, "username"),
    ],
)
def test_a_bad_parameter_of_the_type_is_named(kind, other, name):
    assert Refused(Refusal.PARAMETER, name) == drafted(with_details(kind, **other))


@pytest.mark.parametrize(
    "other",
    [
        {"type_of_traffic": 1, "google_keyword": "x"},
        {"type_of_traffic": 2, "referring_url": LINK},
        {"type_of_traffic": 3, "google_keyword": "", "referring_url": "javascript:x"},
    ],
)
def test_each_kind_of_traffic_needs_its_own_parameter_alone(other):
    assert isinstance(drafted(with_details(T.WEB_TRAFFIC, **other)), PricedOrder)


@pytest.mark.parametrize(("kind", "details"), [(1, ("x", "")), (2, ("", "ann")), (3, ("", ""))])
def test_only_the_parameter_of_the_kind_of_traffic_is_kept(kind, details):
    draft = with_details(T.WEB_TRAFFIC, type_of_traffic=kind, google_keyword="x", referring_url="ann")
    made = drafted(draft)
    assert details == (made.details.google_keyword, made.details.referring_url)
    rules = compile_policy(1, [PolicyRule(RuleId(1), RuleKind.DENY, "@ann")])
    passes = price_order(draft, msgspec.structs.replace(CATALOGUE, policy=rules), LIST, V2, TODAY)
    assert (kind == 2) == (passes == Refused(Refusal.PARAMETER, "referring_url"))


@pytest.mark.parametrize("who", ["name", "@name", "example.com/name", LINK])
def test_a_profile_may_be_a_link_or_a_name(who):
    assert who == drafted(with_details(T.MENTIONS_USER_FOLLOWERS, username=who)).details.username


def test_v2_looks_at_the_link_before_the_types_own_parameters_and_v1_after():
    request = msgspec.structs.replace(with_details(T.CUSTOM_COMMENTS, comments=()), link="")
    assert Refused(Refusal.LINK) == drafted(request, V2)
    assert Refused(Refusal.PARAMETER, "comments") == drafted(request, V1)


def test_on_the_v1_page_a_link_alone_is_the_media_and_means_the_minimum():
    request = AddOrder(TYPES[T.MENTIONS_MEDIA_LIKERS], LINK)
    made = drafted(request, V1)
    assert (2, LINK, 180) == (made.quantity, made.details.media, made.charge)
    assert Refused(Refusal.PARAMETER, "media") == drafted(request, V2)


@pytest.mark.parametrize("link", ["", "two words", "javascript:x"])
def test_on_the_v1_page_a_bad_link_is_a_bad_link_though_it_is_the_media(link):
    request = AddOrder(TYPES[T.MENTIONS_MEDIA_LIKERS], link, 100)
    assert Refused(Refusal.LINK) == drafted(request, V1) == drafted(request, V2)
    both = with_details(T.MENTIONS_MEDIA_LIKERS, media="two words")
    assert Refused(Refusal.PARAMETER, "media") == drafted(both, V1)


def test_on_the_v1_page_a_link_alone_means_one_where_the_minimum_is_nothing():
    nothing = service(TYPES[T.MENTIONS_MEDIA_LIKERS], T.MENTIONS_MEDIA_LIKERS, min=0)
    catalogue = Catalogue(7, "USD", {nothing.id: nothing}, {})
    made = price_order(AddOrder(nothing.id, LINK), catalogue, LIST, V1, TODAY)
    assert isinstance(made, PricedOrder)
    assert 1 == made.quantity


def test_the_v1_page_knows_no_media_so_the_link_is_it_whatever_the_quantity():
    made = drafted(AddOrder(TYPES[T.MENTIONS_MEDIA_LIKERS], LINK, 100), V1)
    assert (100, LINK) == (made.quantity, made.details.media)
    assert Refused(Refusal.PARAMETER, "media") == drafted(AddOrder(TYPES[T.MENTIONS_MEDIA_LIKERS], LINK, 100), V2)


@BOTH
@pytest.mark.parametrize("kind", [kind for kind in T if kind is not T.SUBSCRIPTIONS])
def test_what_a_type_does_not_use_is_neither_looked_at_nor_kept(kind, dialect_rules):
    plain = with_details(kind)
    own = TYPE_PARAMETERS[kind].own_parameters
    strays = {"media": "x" * 5000, "usernames": ("y" * 5000,), "delay": 7, "username": "@denied", "expiry": date.min}
    strays = {name: value for name, value in strays.items() if name not in own}
    stray = msgspec.structs.replace(plain, details=msgspec.structs.replace(plain.details, **strays))
    assert drafted(plain, dialect_rules) == drafted(stray, dialect_rules)


@BOTH
@pytest.mark.parametrize("kind", T)
def test_asks_that_differ_in_what_the_type_does_not_use_are_the_same(kind, dialect_rules):
    own, plain = TYPE_PARAMETERS[kind].own_parameters, ask_for(kind)
    strays = {"comments": THREE, "media": "x", "delay": 7, "answer_number": MALFORMED, "expiry": date.min}
    strays = {name: value for name, value in strays.items() if name not in own}
    noise: dict[str, Any] = {"details": msgspec.structs.replace(plain.details, **strays), "runs": 0, "interval_min": 0}
    noise |= {"quantity": 7} if kind not in WITH_QUANTITY else {}
    noise |= {"link": "x"} if kind is T.SUBSCRIPTIONS else {}
    noise |= {"runs": 3} if not TYPE_PARAMETERS[kind].may_drip else {}
    stray = msgspec.structs.replace(plain, **noise)
    assert plain == normalise(stray, CATALOGUE) == normalise(plain, CATALOGUE)
    assert (
        drafted(plain, dialect_rules)
        == drafted(stray, dialect_rules)
        == drafted(normalise(stray, CATALOGUE), dialect_rules)
    )


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        (T.DEFAULT, {"quantity": 101}),
        (T.DEFAULT, {"link": "b.example"}),
        (T.DEFAULT, {"runs": 2, "interval_min": 1}),
        (T.DEFAULT, {"runs": 0, "interval_min": 1}),
        (T.DEFAULT, {"quantity": MALFORMED}),
        (T.CUSTOM_COMMENTS, {"details": TypeDetails(comments=("a",))}),
        (T.SUBSCRIPTIONS, {"details": TypeDetails(username="them", min=2, max=11, delay=0)}),
    ],
)
def test_asks_that_differ_in_what_the_type_uses_are_others(kind, other):
    assert normalise(ask_for(kind, **other), CATALOGUE) == ask_for(kind, **other) != ask_for(kind)


def test_an_ask_for_a_service_that_nobody_knows_is_left_as_it_is():
    for number in (None, MALFORMED, 999):
        request = msgspec.structs.replace(ask_for(T.DEFAULT, runs=0), service=number)
        assert request == normalise(request, CATALOGUE)


WITH_QUANTITY = [kind for kind, (request, _, _) in GOOD.items() if request.quantity is not None]


@BOTH
@pytest.mark.parametrize("kind", WITH_QUANTITY)
@pytest.mark.parametrize(
    ("quantity", "refused"),
    [
        (None, Refused(Refusal.QUANTITY)),
        (MALFORMED, Refused(Refusal.QUANTITY)),
        (0, Refused(Refusal.QUANTITY_TOO_LOW, 2)),
        (1, Refused(Refusal.QUANTITY_TOO_LOW, 2)),
        (1001, Refused(Refusal.QUANTITY_TOO_HIGH, 1000)),
        (10**18 - 1, Refused(Refusal.QUANTITY_TOO_HIGH, 1000)),
    ],
)
def test_a_quantity_is_a_whole_number_in_the_services_range(kind, dialect_rules, quantity, refused):
    assert refused == drafted(ask_for(kind, quantity=quantity), dialect_rules)


@pytest.mark.parametrize("kind", [T.CUSTOM_COMMENTS, T.COMMENT_REPLIES])
def test_lines_are_counted_against_the_services_range(kind):
    assert Refused(Refusal.QUANTITY_TOO_LOW, 2) == drafted(with_details(kind, comments=("one",)))
    assert Refused(Refusal.QUANTITY_TOO_HIGH, 1000) == drafted(with_details(kind, comments=("x",) * 1001))


def test_names_are_counted_against_the_services_range():
    request = with_details(T.MENTIONS_CUSTOM_LIST, usernames=("one",))
    assert Refused(Refusal.QUANTITY_TOO_LOW, 2) == drafted(request)


@pytest.mark.parametrize("kind", [T.DEFAULT, T.WEB_TRAFFIC])
def test_a_drip_feed_is_charged_for_all_runs_at_once(kind):
    made = drafted(ask_for(kind, runs=5, interval_min=60))
    assert (100, 5, 60, 45_000) == (made.quantity, made.runs, made.interval_min, made.charge)


@pytest.mark.parametrize(("runs", "interval_min"), [(None, None), (0, 0)])
def test_both_absent_or_both_zero_is_no_drip_feed(runs, interval_min):
    made = drafted(ask_for(T.DEFAULT, runs=runs, interval_min=interval_min))
    assert (1, 0, 9_000) == (made.runs, made.interval_min, made.charge)


@BOTH
@pytest.mark.parametrize(
    ("runs", "interval_min", "why"),
    [
        (None, 5, Refusal.RUNS),
        (0, 5, Refusal.RUNS),
        (MALFORMED, 5, Refusal.RUNS),
        (1001, 5, Refusal.RUNS),
        (2, None, Refusal.INTERVAL),
        (2, 0, Refusal.INTERVAL),
        (2, MALFORMED, Refusal.INTERVAL),
        (2, 60 * 24 * 30 + 1, Refusal.INTERVAL),
    ],
)
def test_runs_and_interval_come_together_or_not_at_all(dialect_rules, runs, interval_min, why):
    assert Refused(why) == drafted(ask_for(T.DEFAULT, runs=runs, interval_min=interval_min), dialect_rules)


@BOTH
@pytest.mark.parametrize(("runs", "interval_min"), [(2, 5), (None, 5), (MALFORMED, MALFORMED)])
def test_where_there_is_no_drip_feed_it_is_refused(dialect_rules, runs, interval_min):
    request = msgspec.structs.replace(ask_for(T.DEFAULT, runs=runs, interval_min=interval_min), service=NO_DRIP)
    assert Refused(Refusal.NO_DRIP_FEED) == drafted(request, dialect_rules)


def test_min_and_max_are_tested_on_one_run():
    made = drafted(ask_for(T.DEFAULT, quantity=1000, runs=10, interval_min=1))
    assert (1000, 900_000) == (made.quantity, made.charge)
    assert Refused(Refusal.QUANTITY_TOO_LOW, 2) == drafted(ask_for(T.DEFAULT, quantity=1, runs=10, interval_min=1))


FAULTS = [
    ("service", None, Refused(Refusal.SERVICE_MISSING)),
    ("service", 999, Refused(Refusal.SERVICE_UNKNOWN)),
    ("link", "", Refused(Refusal.LINK)),
    ("details", NO_DETAILS, Refused(Refusal.PARAMETER, "country")),
    ("quantity", None, Refused(Refusal.QUANTITY)),
    ("quantity", 1, Refused(Refusal.QUANTITY_TOO_LOW, 2)),
    ("quantity", 1001, Refused(Refusal.QUANTITY_TOO_HIGH, 1000)),
    ("runs", 1001, Refused(Refusal.RUNS)),
    ("interval_min", 0, Refused(Refusal.INTERVAL)),
]


@given(st.sets(st.sampled_from(range(len(FAULTS))), min_size=1), st.sampled_from([V1, V2]))
def test_of_several_faults_the_first_in_the_published_order_is_told(faults, dialect_rules):
    order = [0, 1, 3, 2, *range(4, 9)] if dialect_rules.own_before_link else list(range(9))
    request = ask_for(T.WEB_TRAFFIC, runs=2, interval_min=5)
    chosen = {}
    for at in sorted(faults, reverse=True):
        chosen[FAULTS[at][0]] = FAULTS[at][1]
    # A parameter has one value: of two faults of one parameter the earlier check sees it.
    expected = next(FAULTS[at][2] for at in order if at in faults and chosen[FAULTS[at][0]] == FAULTS[at][1])
    assert expected == drafted(msgspec.structs.replace(request, **chosen), dialect_rules)


def test_nothing_is_less_than_minimal_whatever_the_service_allows():
    """An order of no units is a subscription's delivery alone."""
    nothing = service(TYPES[T.DEFAULT], T.DEFAULT, min=0)
    catalogue = Catalogue(7, "USD", {nothing.id: nothing}, {})
    request = ask_for(T.DEFAULT, quantity=0)
    assert Refused(Refusal.QUANTITY_TOO_LOW, 1) == price_order(request, catalogue, LIST, V2, TODAY)


@pytest.mark.parametrize(("runs", "interval_min"), [(1, None), (1, 60), (1, MALFORMED), (0, None), (None, 0)])
def test_one_run_or_none_is_an_ordinary_order_whatever_its_interval(runs, interval_min):
    made = drafted(ask_for(T.DEFAULT, runs=runs, interval_min=interval_min))
    assert (1, 0) == (made.runs, made.interval_min)


def test_a_subscription_without_a_delay_has_one_of_0():
    details = TypeDetails(username="them", min=2, max=11)
    made = drafted(ask_for(T.SUBSCRIPTIONS, details=details))
    assert 0 == made.details.delay
    assert 0 == normalise(ask_for(T.SUBSCRIPTIONS, details=details), CATALOGUE).details.delay

"""The policy: which rule meets what, and which of them counts."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opensmm.base.ids import RuleId, ServiceId
from opensmm.domain import links as places
from opensmm.domain.catalogue import DeliveryMethod, Service, ServiceType
from opensmm.domain.links import Target, read_targets
from opensmm.domain.operator_refusals import RefusalCode
from opensmm.domain.policy import MAX_VALUE, NO_POLICY, PolicyRule, RuleKind, compile_policy, read_place, read_value
from opensmm.domain.service_rules import check_sellable

PROHIBIT, DENY, ALLOW = RuleKind.PROHIBIT, RuleKind.DENY, RuleKind.ALLOW


def policy(*rules):
    return compile_policy(1, [PolicyRule(RuleId(at), kind, value) for at, (kind, value) in enumerate(rules, 1)])


@pytest.mark.parametrize(
    ("value", "denied", "passing"),
    [
        (
            "example.com",
            ["example.com", "https://example.com/x", "https://a.b.EXAMPLE.com/", "https://x@example.com:80/",
             "//example.com", "https://example.com.", "https://ex%61mple.com/", "https://example。com/x"],
            ["https://notexample.com/", "https://example.com.evil.org/", "https://example.org/example.com",
             "https://example.com@evil.org/", "https://evil.org/?u=https://example.com/", "example"],
        ),
        (
            "example.com/a/b",
            ["example.com/a/b", "https://www.example.com/A/b/c", "https://example.com//a/./b?x", "example.com/x/../a/b",
             "https://example.com/%61/b", "https://example.com/a%2Fb"],
            ["https://example.com/a", "https://example.com/a/bc", "https://example.com/x/a/b", "https://example.com/a/../b"],
        ),
        (
            "example.com/@Name",
            ["https://example.com/name", "https://example.com/@NAME/posts", "example.com/in/name", "https://m.example.com/n%61me"],
            ["https://example.com/names", "https://example.org/name", "https://example.com/x/name", "name"],
        ),
        (
            "@name",
            ["name", "@Name", "https://a.example/name", "https://b.example/@name/x", "tg://resolve?domain=name"],
            ["@names", "https://a.example/x/name", "https://name.example/"],
        ),
        (
            "*",
            ["name", "@name", "example.com", "https://a.example/b", "tg://resolve?domain=name"],
            [],
        ),
        (
            "https://مثال.example/",
            ["https://xn--mgbh0fb.example/x", "https://مثال.example"],
            ["https://example/"],
        ),
    ],
)  # fmt: skip
def test_a_denial_meets_its_place_in_every_spelling_and_no_other(value, denied, passing):
    rules = policy((DENY, value))
    assert [True] * len(denied) == [rules.denies(link) for link in denied]
    assert [False] * len(passing) == [rules.denies(link) for link in passing]


@pytest.mark.parametrize(
    ("rules", "link", "deciding"),
    [
        ([(DENY, "*"), (ALLOW, "example.com")], "https://example.com/x", 2),
        ([(DENY, "*"), (ALLOW, "example.com")], "https://example.org/x", 1),
        ([(DENY, "example.com"), (ALLOW, "help.example.com")], "https://help.example.com/", 2),
        ([(ALLOW, "example.com"), (DENY, "help.example.com")], "https://help.example.com/", 2),
        ([(DENY, "example.com"), (ALLOW, "example.com/a"), (DENY, "example.com/a/b")], "https://example.com/a/c", 2),
        ([(DENY, "example.com"), (ALLOW, "example.com/a"), (DENY, "example.com/a/b")], "https://example.com/a/b", 3),
        ([(ALLOW, "example.com"), (DENY, "@name")], "https://example.com/name", 2),
        ([(DENY, "@name"), (ALLOW, "example.com/@name")], "https://example.com/name", 2),
        ([(ALLOW, "example.com"), (DENY, "example.com")], "https://example.com/", 2),
        ([(DENY, "example.com"), (ALLOW, "example.com")], "https://example.com/", 1),
        ([(DENY, "example.com")], "https://example.org/", None),
    ],
)
def test_of_several_rules_the_nearest_counts_and_of_equals_the_denial(rules, link, deciding):
    rulebook = policy(*rules)
    rule = rulebook.link_rule(link)
    assert deciding == (rule.id if rule else None)
    assert rulebook.denies(link) is (rule is not None and rule.kind is DENY)


@pytest.mark.parametrize("rule", ["@bob", "t.me/@bob", "bob.t.me"])
def test_a_name_of_telegram_is_denied_as_a_host_too(rule):
    rules = policy((DENY, rule))
    links = ["bob.t.me", "https://bob.t.me/1", "t.me/bob"]
    links += [f"tg://{query}" for query in ("resolve?domain=bob", "resolve?domain=@bob", "resolve?Domain=bob%20")]
    assert [True] * 6 == [rules.denies(link) for link in links]
    assert not rules.denies("https://alice.t.me/")


@pytest.mark.parametrize(
    "link",
    ["https://example.com/#bob", "https://example.com/#!/bob", "https://example.com/bob.", "https://example.com/_u/bob",
     "https://example.com/n/bob", "https://example.com/stories/bob", "https://example.com/intent/user?screen_name=bob",
     "https://exam\u034fple.com/bob", "https://exam%E1%A0%8Bple.com/bob", "https://example.com/b\u115fob",
     "example.com/@b%CD%8Fob", "https://example.com/bob%20", "https://example.com/%09bob%00", "https://example.com/bob%c2%a0",
     "https://example.com/k/#@bob", "https://example.com/k/#%40bob", "https://example.com/intent/user?Screen_Name=bob%20",
     "https://example.com/intent/user?screen_name=+@bob", "https://example.com/profile.php?ID=bob"],
)  # fmt: skip
def test_an_account_is_denied_wherever_its_page_is_found(link):
    assert policy((DENY, "example.com/@bob")).denies(link)
    assert not policy((DENY, "example.com/@alice")).denies(link)


@pytest.mark.parametrize(
    ("host", "folder"),
    [("facebook.com", "pg"), ("facebook.com", "pages"), ("facebook.com", "people"), ("linkedin.com", "school"),
     ("linkedin.com", "showcase"), ("t.me", "boost")],
)  # fmt: skip
def test_an_account_is_denied_in_the_folders_of_its_host_and_one_called_so_elsewhere_too(host, folder):
    assert policy((DENY, f"{host}/@bob")).denies(f"https://www.{host}/{folder}/bob/7")
    assert policy((DENY, f"{host}/@{folder}")).denies(f"https://{host}/{folder}")
    assert policy((DENY, f"example.com/@{folder}")).denies(f"https://example.com/{folder}/p/7")


def test_names_in_codes_are_looked_into_within_a_bound_of_work(monkeypatch):
    folded: list[str] = []
    fold = places.fold

    def counted(text):
        folded.append(text)
        return fold(text)

    monkeypatch.setattr(places, "fold", counted)
    rules = policy((DENY, "example.com"))
    few = [f"xn--{at}-abc.example.org" for at in range(1_000)]
    assert not rules.denies_any(few, "https://example.org/")
    assert rules.denies_any([*few, "xn--x.example.com"], "https://example.org/")
    folded.clear()
    many = [f"xn--{at:08}-{'abc' * 8}.example.org" for at in range(10_000)]
    assert rules.denies_any(many, "https://example.org/")
    assert [] == folded
    assert not rules.denies_any([f"https://example.net/name{at}" for at in range(10_000)], "https://example.org/")


def test_of_two_readings_of_an_escaped_slash_a_denied_one_counts():
    rules = policy((DENY, "*"), (ALLOW, "example.com/ok"), (DENY, "example.com/ok/no"))
    assert rules.denies("https://example.com/ok%2Fx")
    assert rules.denies("https://example.com/ok/x%2f..%2fno")
    assert rules.denies("https://example.com/no/x%2f..%2f..%2fok")
    assert not rules.denies("https://example.com/ok/a%2fb")


LABELS = st.from_regex(r"[a-z]{1,5}", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=2, max_size=4).map(".".join)
PATHS = st.lists(LABELS, max_size=3).map("/".join)
VALUES = st.one_of(
    st.just("*"),
    LABELS.map("@{}".format),
    HOSTS,
    st.tuples(HOSTS, PATHS).map("/".join),
    st.tuples(HOSTS, LABELS).map("/@".join),
)
RULES = st.lists(st.tuples(st.sampled_from([DENY, ALLOW]), VALUES), max_size=6)
LINKS = st.one_of(LABELS, LABELS.map("@{}".format), st.tuples(HOSTS, PATHS).map("https://{0[0]}/{0[1]}".format))


@given(RULES, LINKS)
@example([(DENY, "a.b"), (ALLOW, "@c")], "https://a.b/c")
def test_the_short_way_to_a_verdict_agrees_with_the_long_one(rules, link):
    rulebook = policy(*rules)
    rule = rulebook.link_rule(link)
    assert rulebook.denies(link) is (rule is not None and rule.kind is DENY)


def plainly_denied(rules, target):
    """What ``read_place`` and the words of the manual say, rule by rule."""
    met = []
    for kind, value in rules:
        place = read_place(value)
        assert place is not None
        on_host = not place.host or target.host == place.host or target.host.endswith(f".{place.host}")
        on_path = target.path[: len(place.path)] == place.path
        if on_host and on_path and place.account in ("", target.account):
            met.append((bool(place.account), len(place.path), len(place.host), kind is DENY))
    return bool(met) and max(met)[-1]


@given(RULES, LINKS)
def test_a_verdict_is_what_all_rules_one_by_one_say(rules, link):
    (target,) = read_targets(link)
    assert plainly_denied(rules, target) == policy(*rules).denies(link)


NAMES = st.one_of(LABELS, LABELS.map("@{}".format), LABELS.map("@%61{}".format), LABELS.map("{}?x".format))


@given(RULES, HOSTS, NAMES)
def test_a_bare_name_beside_a_link_is_an_account_of_its_host(rules, host, name):
    (bare,) = read_targets(name)
    there = Target(host, (bare.account,), bare.account)
    assert plainly_denied(rules, there) == policy(*rules).denies_any([name], f"https://{host}/x")


@given(RULES, HOSTS, st.lists(st.one_of(NAMES, HOSTS, LINKS), max_size=4))
def test_a_list_is_denied_where_one_of_its_names_is(rules, host, names):
    rules, link = policy(*rules), f"https://{host}/x"
    assert any(rules.denies_any([name], link) for name in names) == rules.denies_any(names, link)


@pytest.mark.parametrize(
    ("rules", "denied", "passing"),
    [
        ([(DENY, "@name")], ["name", "@Name", "n%61me", "https://any.example/name"], ["names", "name.x"]),
        ([(DENY, "on.example/@name")], ["name", "https://m.on.example/@name"], ["https://off.example/name"]),
        ([(DENY, "off.example/@name")], ["https://off.example/name"], ["name"]),
        ([(DENY, "on.example/shop")], ["shop", "on.example/shop/x"], ["x", "on.example/shops"]),
        (
            [(DENY, "off.example"), (DENY, "مثال.example")],
            ["off.example", "@OFF.example", "x.off.example", "off.example/x", "XN--mgbh0fb.example"],
            ["off", "example", "on.example"],
        ),
        (
            [(DENY, "*"), (ALLOW, "on.example")],
            ["https://off.example/name", "off.example/name"],
            ["name", "@name", "first.last", "https://on.example/name"],
        ),
        ([(DENY, "*"), (ALLOW, "on.example"), (DENY, "@name")], ["name"], ["names"]),
        ([(DENY, "@name"), (ALLOW, "on.example/@name")], ["https://off.example/name"], ["name"]),
    ],
)  # fmt: skip
def test_people_and_pages_beside_a_link_are_denied_as_links_are(rules, denied, passing):
    rules = policy(*rules)
    assert [True] * len(denied) == [rules.denies_any(["x1", name], "https://on.example/post") for name in denied]
    assert not rules.denies_any(passing, "https://on.example/post")


def test_without_a_link_a_name_is_read_as_a_link():
    rules = policy((DENY, "*"), (ALLOW, "@name"), (ALLOW, "on.example"))
    assert [False, False, True] == [rules.denies_any([name], "") for name in ("name", "on.example", "names")]


@given(HOSTS, PATHS, LABELS)
def test_a_denied_path_ends_where_a_segment_ends(host, path, more):
    rules = policy((DENY, f"{host}/{path}"))
    assert rules.denies(f"https://{host}/{path}")
    assert rules.denies(f"https://{host}/{path}/{more}")
    assert rules.denies(f"https://{more}.{host}/{path}")
    assert not path or not rules.denies(f"https://{host}/{path}{more}")
    assert not rules.denies(f"https://{more}{host}/{path}")


@given(VALUES)
def test_a_place_is_kept_in_one_spelling(value):
    stored = read_value(DENY, value)
    assert stored is not None
    assert (stored, read_place(value)) == (read_value(DENY, stored), read_place(stored))


@pytest.mark.parametrize(
    "value",
    ["", " ", "name", "@", "@a/b", "a b.example", "example.com?x=1", "example.com#x", "ex%61mple.com", "x@example.com",
     "*.example.com", "https://", "<b>.example", "x" * MAX_VALUE + ".example"],
)  # fmt: skip
def test_what_is_no_place_is_no_rule_on_links(value):
    assert read_value(DENY, value) is None


@pytest.mark.parametrize(
    ("phrase", "met", "passing"),
    [
        ("review*", ["Google Reviews", "REVIEW", "5★ review-pack", "ｒｅｖｉｅｗs", "re\u200bviews", "Révïews"],
         ["Preview", "rev iews"]),
        ("poll vote*", ["Poll   Votes", "X poll_votes", "poll-vote"], ["Pollvotes", "votes for a poll"]),
        ("vote*", ["Votes", "🗳️Vote"], ["Upvotes", "devote"]),
        ("*تقييم*", ["تقييمات جوجل", "التقييم", "تـقـيـيـم", "تَقْيِيم"], ["تقويم"]),
        ("بيع حسابات", ["بيع حسابات قديمة"], ["بيع", "حسابات"]),
    ],
)  # fmt: skip
def test_a_phrase_is_found_as_words_in_any_dress(phrase, met, passing):
    rules = policy((PROHIBIT, "something else"), (PROHIBIT, phrase))
    assert [2] * len(met) == [rules.prohibits("", text).id for text in met]
    assert [None] * len(passing) == [rules.prohibits(text) for text in passing]


@pytest.mark.parametrize(("text", "stored"), [("  poll   vote* ", "poll vote*"), ("*", None), ("", None), ("★", None)])
def test_a_phrase_has_words(text, stored):
    assert stored == read_value(PROHIBIT, text)


def service(**other):
    fields = {
        "name": "Followers",
        "category": "Instagram",
        "description": "",
        "delivery_method": DeliveryMethod.PAID_ADS,
    } | other
    return Service(ServiceId(7), type=ServiceType.DEFAULT, rate=Decimal(1), min=1, max=9, **fields)


def test_nothing_is_sold_that_does_not_say_how_it_is_delivered():
    silent = service(delivery_method=DeliveryMethod.UNDISCLOSED)
    (refused,) = check_sellable([silent, service()], NO_POLICY)
    fields = {"service": 7, "service_name": "Followers"}
    assert (silent, RefusalCode.SERVICE_UNDISCLOSED, fields) == (refused.service, refused.why.code, refused.why.fields)
    assert [] == check_sellable([service(delivery_method=DeliveryMethod.UNDISCLOSED, on_sale=False)], NO_POLICY)


@pytest.mark.parametrize("field", ["name", "category", "description"])
def test_nothing_is_sold_whose_words_are_prohibited_and_the_rule_is_named(field):
    rules = compile_policy(1, [PolicyRule(RuleId(3), PROHIBIT, "review*", "they mislead")])
    wordy = service(**{field: "Shop reviews"})
    (refused,) = check_sellable([wordy, service()], rules)
    fields = {"service": 7, "service_name": wordy.name, "rule": 3, "phrase": "review*", "reason": "they mislead"}
    assert (RefusalCode.SERVICE_PROHIBITED, fields) == (refused.why.code, refused.why.fields)
    assert [] == check_sellable([service(**{field: "Shop reviews", "on_sale": False})], rules)


@pytest.mark.parametrize(
    "name",
    [
        "Instagram Blue&nbsp;Tick",
        "Instagram Blue&amp;nbsp;Tick",
        "Instagram <b>Blue</b> T<i>ick</i>",
        "Instagram Blue<br>Tick",
        "Instagram B\u00adlue Ti\u200bck",
        "Instagram Blue&shy; T&#8203;ick",
        "Instagram Bl\u115fue Tick",
        "Instagram Blue%20Tick",
        "Instagram Blue\\u00a0Tick",
    ],
)
def test_a_prohibited_phrase_is_found_through_encodings_tags_and_what_does_not_show(name):
    policy = compile_policy(1, [PolicyRule(RuleId(1), RuleKind.PROHIBIT, "blue tick")])
    assert policy.prohibits(name) is not None

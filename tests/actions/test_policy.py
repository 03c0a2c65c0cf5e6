"""The policy at work: a denied link is refused in the published words in both lanes, at once after an edit."""

import asyncio

import pytest
from tests.panel import (
    DEFAULT,
    LINK,
    OF_TYPE,
    ONE_PER_LINK,
    SHAPES,
    acting,
    balance,
    books,
    broken,
    fetch,
    now,
    open_api,
    service,
    stock,
    until,
)

from opensmm.actions import policy
from opensmm.actions.services import save_services
from opensmm.domain.catalogue import DeliveryMethod, ServiceType
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.policy import RuleKind
from opensmm.runtime import demo_services
from opensmm.store import policy as rows
from opensmm.store.connection import connect
from opensmm.store.policy import NewRule
from opensmm.texts.speech import ENGLISH

DENIED = "https://denied.example/me"
BAD = {"v2": {"error": "Bad link"}, "v1": {"error": "Bad Link"}}


async def deny(conn, *places):
    for place in places:
        await policy.add_rule(conn, NewRule(RuleKind.DENY, place), take_off_sale=False, by=acting(now()))


@pytest.fixture
async def denied(stocked):
    await deny(stocked, "denied.example", "@nobody")
    return stocked


async def said_of(api, dialect, who, number=DEFAULT, **fields):
    answer = await api.ask(dialect, who.key, "add", service=number, **({"link": LINK, "quantity": 100} | fields))
    return answer.get("error")


@pytest.mark.parametrize(("dialect", "words"), [("v2", "Bad link"), ("v1", "Bad Link")])
@pytest.mark.parametrize("more", [{}, {"idempotency_key": "k"}, {"number": ONE_PER_LINK}])
@pytest.mark.parametrize("link", [DENIED, "DENIED.example", "https://x@denied%2Eexample.:80/", "@Nobody"])
async def test_a_denied_link_is_a_bad_link_in_every_lane_and_nothing_changes(
    denied, ann, database, clock, dialect, words, more, link
):
    async with open_api(database.app_url, clock) as api:
        before = await books(denied)
        assert words == await said_of(api, dialect, ann, link=link, **more)
        assert before == await books(denied)
        assert await said_of(api, dialect, ann, **more) is None
    assert [] == await broken(denied)


BESIDE = [
    (ServiceType.MENTIONS_USER_FOLLOWERS, "username", "Nobody"),
    (ServiceType.COMMENT_LIKES, "username", DENIED),
    (ServiceType.COMMENT_REPLIES, "username", "Nobody"),
    (ServiceType.SUBSCRIPTIONS, "username", "Nobody"),
    (ServiceType.MENTIONS_MEDIA_LIKERS, "media", DENIED),
    (ServiceType.MENTIONS, "usernames", "ann,@NOBODY,ann"),
    (ServiceType.MENTIONS_WITH_HASHTAGS, "usernames", "nobody"),
    (ServiceType.MENTIONS_CUSTOM_LIST, "usernames", f"ann\r\n{DENIED}\r\nbob"),
    (ServiceType.INVITES_FROM_GROUPS, "groups", "a\nhttps://other.example/nobody"),
    (ServiceType.WEB_TRAFFIC, "referring_url", DENIED),
]


@pytest.mark.parametrize(("kind", "name", "target"), BESIDE)
async def test_a_denied_page_or_person_beside_the_link_is_refused_by_its_name(
    denied, ann, database, clock, kind, name, target
):
    async with open_api(database.app_url, clock) as api:
        before = await books(denied)
        fields = {**SHAPES[kind], name: target} | ({"type_of_traffic": 2} if name == "referring_url" else {})
        answer = await api.ask("v2", ann.key, "add", service=OF_TYPE[kind], **fields)
        assert {"error": f"Incorrect {name}"} == answer
        assert before == await books(denied)


async def test_an_edit_of_the_policy_holds_from_its_commit_on(stocked, ann, api):
    assert await said_of(api, "v2", ann, link=DENIED) is None
    await deny(stocked, "denied.example")
    assert "Bad link" == await said_of(api, "v2", ann, link=DENIED)
    (rule,) = [one for one in await rows.list_rules(stocked) if one.value == "denied.example"]
    await policy.remove_rules(stocked, [rule.id], by=acting(now()))

    async def taken():
        return await said_of(api, "v2", ann, link=DENIED) is None

    await until(taken)
    assert 10_000_000 - 2 * 9_000 == await balance(stocked, ann.id)


async def test_an_order_repeated_after_its_link_was_denied_is_still_the_same_order(stocked, ann, api):
    order = await api.add(ann.key, link=DENIED, idempotency_key="k")
    await deny(stocked, "denied.example")
    assert order == await api.add(ann.key, link=DENIED, idempotency_key="k")


async def test_the_policy_is_compiled_once_a_version(stocked):
    first = await rows.refresh(stocked, await policy.read_policy(stocked))
    assert first is await rows.refresh(stocked, first)
    await deny(stocked, "denied.example")
    assert first is not await rows.refresh(stocked, first)


async def test_an_edit_of_a_service_leaves_the_compiled_policy_alone(stocked, api):
    before = api.panel.catalogue_cache.catalogue
    await stock(stocked, [service(DEFAULT, rate="2")])
    await api.panel.refresh_catalogue()
    after = api.panel.catalogue_cache.catalogue
    assert (True, before.policy) == (after.version > before.version, after.policy)
    assert before.policy is after.policy


async def test_a_rule_and_a_service_that_it_prohibits_never_pass_each_other(stocked, database):
    wordy = service(900, name="Odd Likes")
    outcomes = await asyncio.gather(
        policy.add_rule(stocked, NewRule(RuleKind.PROHIBIT, "odd likes"), take_off_sale=False, by=acting(now())),
        _save_elsewhere(database, wordy),
        return_exceptions=True,
    )
    assert 1 == len([one for one in outcomes if isinstance(one, OperatorRefusal)])
    sold = await fetch(stocked, "select id from service where id = 900")
    ruled = [one for one in await rows.list_rules(stocked) if one.value == "odd likes"]
    assert 1 == len(sold) + len(ruled)


async def _save_elsewhere(database, service):
    connection = await connect(database.app_url)
    try:
        return await save_services(connection, [service], by=acting(now()))
    finally:
        await connection.close()


async def test_the_demo_sells_nothing_that_a_new_panel_prohibits(conn):
    services = list(demo_services.list_services())
    saved = await save_services(conn, services, by=acting(now()))
    assert len(services) == len(saved)
    assert {DeliveryMethod.SOFTWARE_SERVICE} == {one.delivery_method for one in services}


async def test_a_long_list_is_refused_with_the_first_few_by_name(conn):
    silent = [service(number, delivery_method=DeliveryMethod.UNDISCLOSED) for number in range(1, 9)]
    with pytest.raises(OperatorRefusal) as refused:
        await save_services(conn, silent, by=acting(now()))
    first = {"code": RefusalCode.SERVICE_UNDISCLOSED, "service": 1, "service_name": "Service 1"}
    fields = refused.value.fields
    assert (RefusalCode.NOT_FOR_SALE, 8, 5, first, 3) == (
        refused.value.code, fields["count"], len(fields["refused"]), fields["refused"][0], fields["more"],
    )  # fmt: skip
    says = ENGLISH.refusal(refused.value)
    assert "The service “Service 1” does not state how it is delivered. Its id is 1." in says
    assert says.endswith(" And 3 more.")
    assert [(0, 1)] == await fetch(conn, "select count(*), (select catalogue_version from panel) from service")

"""Customers, services and providers by id or by name; what is mistyped is refused with what there is."""

import pytest
from tests.panel import acting, buyer, now, service

from opensmm.actions.references import find_customer, find_provider, find_service, suggest
from opensmm.actions.selection import Selection, select
from opensmm.actions.services import save_services
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.store import catalogue as rows


@pytest.fixture
async def shop(conn):
    """Three services and a provider; two services share a name."""
    lines = [
        service(1, name="Likes [fast]", category="Instagram 📸"),
        service(2, name="Views", category="YouTube"),
        service(3, name="views", category="TikTok"),
    ]
    saved = await save_services(conn, lines, by=acting(now()))
    upstream = await rows.save_provider(conn, "Upstream", "sandbox", "sandbox:", "USD")
    await rows.save_provider(conn, "Elsewhere", "sandbox", "sandbox:1", "USD")
    await rows.route_all(conn, saved[:2], upstream)
    return conn


async def refused(work):
    with pytest.raises(OperatorRefusal) as raised:
        await work
    return raised.value.code, dict(raised.value.fields)


async def test_a_service_is_found_by_its_id_or_its_name_in_any_case(shop):
    assert [1, 1, 2] == [await find_service(shop, reference) for reference in ("1", "likes [FAST]", "2")]


async def test_a_name_that_two_services_share_is_refused_with_their_ids(shop):
    assert (RefusalCode.AMBIGUOUS_SERVICE, {"name": "Views", "ids": [2, 3]}) == await refused(
        find_service(shop, "Views")
    )


@pytest.mark.parametrize("reference", ["9", "Like", "", "99999999999999999999", "١"])
async def test_a_service_that_is_not_there_is_refused_with_what_there_is(shop, reference):
    code, fields = await refused(find_service(shop, reference))
    assert (RefusalCode.UNKNOWN_SERVICE, reference) == (code, fields["name"])
    assert "Likes [fast]" in fields["there_are"]


async def test_a_customer_is_found_by_name_first_and_by_id_else(conn):
    first, second = await buyer(conn), await buyer(conn)
    await conn.execute("update customer set name = %s where id = %s", [str(first.id), second.id])
    await conn.execute("update customer set name = 'Alpha' where id = %s", [first.id])
    assert first.id == await find_customer(conn, "Alpha")
    assert second.id == await find_customer(conn, str(first.id)), "a name wins over an id"
    code, fields = await refused(find_customer(conn, "alhpa"))
    assert (RefusalCode.UNKNOWN_CUSTOMER, "Alpha") == (code, fields["there_are"][0])


async def test_a_provider_that_is_not_there_is_refused_with_what_there_is(shop):
    assert "Upstream" == (await find_provider(shop, "Upstream")).name
    code, fields = await refused(find_provider(shop, "Upsteam"))
    assert (RefusalCode.UNKNOWN_PROVIDER, ["Upstream"]) == (code, fields["there_are"])


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        (Selection(references=("1", "2")), [1, 2]),
        (Selection(provider="Upstream"), [1, 2]),
        (Selection(category="tiktok"), [3]),
        (Selection(name_part="VIEW"), [2, 3]),
        (Selection(provider="Upstream", name_part="view"), [2]),
    ],
)
async def test_services_that_fit_every_mark_are_selected(shop, selection, ids):
    assert ids == [one.id for one in await select(shop, selection)]


@pytest.mark.parametrize(
    ("selection", "code", "field"),
    [
        (Selection(category="Instagram"), RefusalCode.UNKNOWN_CATEGORY, "Instagram 📸"),
        (Selection(provider="Nobody"), RefusalCode.UNKNOWN_PROVIDER, "Upstream"),
        (Selection(references=("1", "9")), RefusalCode.UNKNOWN_SERVICE, "Likes [fast]"),
        (Selection(name_part="shares"), RefusalCode.NO_SERVICE_FITS, None),
        (Selection(provider="Elsewhere"), RefusalCode.FULFILS_NOTHING, None),
        (Selection(provider="Upstream", category="tiktok"), RefusalCode.NO_SERVICE_FITS, None),
        (Selection(category="YouTube", name_part="likes"), RefusalCode.NO_SERVICE_FITS, None),
    ],
)
async def test_a_mark_that_nothing_fits_is_refused_and_not_nothing_to_do(shop, selection, code, field):
    refusal, fields = await refused(select(shop, selection))
    assert code == refusal
    assert field is None or field in fields["there_are"]


def test_names_like_a_mistyped_one_come_first_and_at_most_ten():
    names = [f"Category {number}" for number in range(30)] + ["Instagram 📸", "Telegram"]
    assert "Instagram 📸" == suggest("instagram", names)[0]
    assert 10 == len(suggest("zzz", names))

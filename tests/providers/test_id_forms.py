"""Ids are asked after in the form that a panel knows: the singular first, then whatever it turns out to read."""

import pytest
from tests.stepped_worker import TIMEOUT_S, FakeProvider, served

from opensmm.domain.dispatch import Declined
from opensmm.domain.orders import OrderStatus
from opensmm.domain.providers import IdForm
from opensmm.providers.client import PanelClient, close_session
from opensmm.providers.egress import open_session
from opensmm.providers.id_forms import KnownForms
from opensmm.wire.v2 import V2

DONE = {"status": "Completed"}
MISSING = {"error": "There are missing required parameters. Please check your API Manual"}
UNKNOWN = {"error": "Incorrect order ID"}


@pytest.fixture
async def panel():
    fake = FakeProvider()
    async with served(fake) as address:
        session = open_session(4, private=True)
        yield fake, PanelClient(session, address, "their key", V2, TIMEOUT_S)
        await close_session(session)


def anew(client):
    """Forgets what was learned and not kept, as another process."""
    client.forms = KnownForms(client.forms.new_forms)


def sent_ids(fake):
    names = ("order", "orders", "refill", "refills")
    return [{name: form[name] for name in names if name in form} for form in fake.requests]


async def test_one_id_is_asked_after_in_the_singular_and_many_in_a_list(panel):
    fake, client = panel
    fake.answers |= {"status": DONE, "refill": {"refill": "9"}, "refill_status": {"status": "Completed"}}
    assert [OrderStatus.COMPLETED] == [one.status for one in await client.statuses(["7001"])]
    assert ["9"] == await client.refills(["7001"])
    await client.refill_statuses(["9"])
    fake.answers |= {"status": {"7001": DONE, "7002": DONE}, "cancel": [{"order": 7001, "cancel": 1}]}
    assert 2 == len(await client.statuses(["7001", "7002"]))
    assert [True] == await client.cancels(["7001"])
    assert [{"order": "7001"}, {"order": "7001"}, {"refill": "9"}, {"orders": "7001,7002"}, {"orders": "7001"}] == (
        sent_ids(fake)
    )


@pytest.mark.parametrize("words", [MISSING, UNKNOWN])
async def test_a_panel_that_turns_a_list_down_is_asked_one_by_one_and_known_for_it(panel, words):
    fake, client = panel
    fake.answers["status"] = lambda form: DONE if "order" in form else words
    for _ in range(2):
        assert [OrderStatus.COMPLETED] * 2 == [one.status for one in await client.statuses(["7001", "7002"])]
    assert [{"orders": "7001,7002"}, *[{"order": "7001"}, {"order": "7002"}] * 2] == sent_ids(fake)


async def test_a_list_of_strangers_is_tried_one_by_one_only_once(panel):
    fake, client = panel
    fake.answers["status"] = UNKNOWN
    for _ in range(3):
        await client.look_ups(["1", "2"])
    assert 3 + 2 == len(fake.requests)


async def test_a_panel_that_knows_lists_alone_is_asked_with_a_list_of_one(panel):
    fake, client = panel
    fake.answers["status"] = lambda form: {"7001": DONE} if "orders" in form else MISSING
    for _ in range(2):
        assert [OrderStatus.COMPLETED] == [one.status for one in await client.statuses(["7001"])]
    assert [{"order": "7001"}, {"orders": "7001"}, {"orders": "7001"}] == sent_ids(fake)


async def test_a_cancel_of_a_list_that_is_turned_down_is_asked_in_the_singular(panel):
    fake, client = panel
    fake.answers["cancel"] = lambda form: {"cancel": 1} if "order" in form else UNKNOWN
    assert [True] == await client.cancels(["7001"])


async def test_a_refusal_of_one_order_stays_one(panel):
    fake, client = panel
    fake.answers["refill"] = {"error": "Order is not eligible for refill"}
    assert [Declined("Order is not eligible for refill")] == await client.refills(["7001"])
    assert 1 == len(fake.requests)


async def test_which_forms_are_answered_is_told_on_orders_that_stand_there(panel):
    fake, client = panel
    fake.answers["status"] = lambda form: DONE if "order" in form else MISSING
    assert (True, False) == await client.status_forms(["7001", "7002"])
    fake.answers["refill_status"] = lambda form: (
        [{"refill": 9, "status": "Odd"}] if "refills" in form else {"status": {}}
    )
    assert (False, True) == await client.refill_status_forms(["9"])
    fake.answers["status"] = (200, b"<html>")
    assert (False, False) == await client.status_forms(["7001", "7002"])
    assert {"status", "refill_status"} == {form["action"] for form in fake.requests}


async def test_strangers_who_are_turned_down_tell_nothing_of_how_our_orders_are_asked_after(panel):
    fake, client = panel
    fake.answers["status"] = lambda form: DONE if form.get("order", "") in ("7001", "7002") else UNKNOWN
    await client.look_ups(["1", "2"])
    assert [OrderStatus.COMPLETED] * 2 == [one.status for one in await client.statuses(["7001", "7002"])]
    assert {"status": IdForm.ONE_BY_ONE} == client.forms.new_forms


async def test_what_is_kept_of_a_panel_is_not_tried_out_again(panel):
    fake, client = panel
    fake.answers |= {
        "status": lambda form: DONE if "order" in form else MISSING,
        "refill_status": lambda form: [{"refill": 9, "status": "Completed"}] if "refills" in form else MISSING,
        "cancel": lambda form: {"cancel": 1} if "order" in form else UNKNOWN,
    }
    for _ in range(2):
        await client.statuses(["7001", "7002"])
        await client.refill_statuses(["9"])
        await client.cancels(["7001"])
        anew(client)
    assert (3 + 2 + 2) + (2 + 1 + 1) == len(fake.requests)


async def test_what_is_kept_gives_way_where_a_parameter_is_missed(panel):
    fake, client = panel
    client.forms = KnownForms({"status": IdForm.ONE_BY_ONE})
    fake.answers["status"] = lambda form: {"7001": DONE} if "orders" in form else MISSING
    assert [OrderStatus.COMPLETED] == [one.status for one in await client.statuses(["7001"])]
    assert {"status": IdForm.LIST_OF_ONE} == client.forms.new_forms


def test_what_was_kept_meanwhile_is_newer_than_what_was_learned():
    forms = KnownForms({"refill": IdForm.ONE_BY_ONE})
    forms.learn("status", IdForm.ONE_BY_ONE)
    forms.learn("cancel", IdForm.ONE_BY_ONE)
    forms.refresh({"status": IdForm.LIST_OF_ONE})
    assert (IdForm.LIST_OF_ONE, IdForm.ONE_BY_ONE, None) == tuple(map(forms.form_of, ("status", "cancel", "refill")))
    assert {"cancel": IdForm.ONE_BY_ONE} == forms.new_forms
    forms.refresh({"status": IdForm.LIST_OF_ONE, "cancel": IdForm.ONE_BY_ONE})
    assert {} == forms.new_forms

"""Known clients are answered as they need it; the switch of a key wins, and nobody else notices."""

import json

import pytest
from tests.panel import buyer

from opensmm.actions.accounts import NewKey
from opensmm.domain.clients import reads_title_case

SMART = b"SmartPanel API Sync"


@pytest.mark.parametrize(
    ("user_agent", "switch", "title_case"),
    [
        (SMART, None, True),
        (SMART, False, False),
        (b"curl/8.5", None, False),
        (b"curl/8.5", True, True),
        (b"SmartPanel API Sync/2", None, False),
        (b"smartpanel api sync", None, False),
        (None, None, False),
    ],
)
def test_a_client_is_known_by_its_exact_words_and_a_switch_wins(user_agent, switch, title_case):
    assert title_case is reads_title_case(user_agent, switch)


async def words(api, key, order, agent):
    fields = {"key": key, "action": "status", "order": order}
    return json.loads((await api.form("v1", fields, headers={"user-agent": agent.decode()})).body)["status"]


async def test_an_order_of_a_client_that_reads_title_case_alone_moves_over_v1(api, stocked):
    who = await buyer(stocked)
    order = await api.add(who.key)
    assert "Pending" == await words(api, who.key, order, SMART)
    assert "pending" == await words(api, who.key, order, b"curl/8.5")
    strict = await buyer(stocked, key=NewKey("s" * 40, title_case=False))
    order = await api.add(strict.key)
    assert "pending" == await words(api, strict.key, order, SMART)

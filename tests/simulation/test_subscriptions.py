"""No provider can have a customer charged for posts that were not ordered."""

import pytest
from tests.simulation.subscriptions import MUTATIONS, Scenario, hunted

from opensmm.domain.subscriptions import PostState

SEEDS = range(60)


def test_whatever_providers_list_customers_are_charged_for_what_they_ordered():
    assert None is hunted(SEEDS, None)


def test_scenarios_meet_posts_of_every_kind():
    met: set[str] = set()
    for seed in range(6):
        scenario = Scenario(seed)
        scenario.run()
        met |= scenario.met
    assert set(PostState) == met


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_bug_that_is_planted_among_posts_is_caught(mutation):
    assert hunted(SEEDS, mutation) is not None

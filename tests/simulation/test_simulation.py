"""The core gate: a million events of bad customers, lying providers and dying workers, and every check after each."""

from collections import Counter

import pytest
from tests.simulation import coverage, shrink
from tests.simulation.__main__ import hunt, kept_seeds, main, outcomes
from tests.simulation.mutations import MUTATIONS
from tests.simulation.world import World

SEEDS, EVENTS = range(100), 10_000


def test_a_million_events_break_nothing_and_meet_every_fault_in_every_state():
    ended = list(outcomes(SEEDS, EVENTS))
    met = sum((outcome.coverage for outcome in ended), Counter())
    assert [] == [outcome.finding for outcome in ended if outcome.finding is not None]
    assert len(SEEDS) * EVENTS == sum(outcome.events for outcome in ended)
    assert [] == coverage.missing(met)


@pytest.mark.parametrize(("seed", "events", "what"), kept_seeds())
def test_a_seed_that_found_something_once_finds_it_where_it_is_planted_and_nothing_more(seed, events, what):
    assert None is shrink.run(seed, events).finding
    if what in {mutation.name for mutation in MUTATIONS}:
        assert None is not shrink.run(seed, events, what).finding


def test_a_seed_replays_the_same_to_the_last_event():
    first, second = World(5, trace=True), World(5, trace=True)
    for world in (first, second):
        world.run(2_000)
    assert first.trace == second.trace
    assert first.store.transfers == second.store.transfers


def test_notes_for_people_change_nothing():
    quiet, noted = World(6), World(6, trace=True)
    for world in (quiet, noted):
        world.run(2_000)
    assert quiet.store.transfers == noted.store.transfers
    assert quiet.coverage == noted.coverage


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.name)
def test_a_bug_that_panels_have_had_is_caught(mutation):
    assert hunt(mutation.name) is not None


def test_a_failure_is_shrunk_to_the_events_that_are_enough():
    result = shrink.run(0, 2_000, "refunded twice").finding
    assert result is not None
    shrunk = shrink.shrink(result, "refunded twice", within_s=20)
    assert ("P3", True) == (shrunk.finding.check, len(shrunk.kept) < 60)
    assert shrunk.trace
    assert all(set(one.orders) & set(shrunk.finding.orders) for one in shrunk.trace)


def test_a_failure_is_shown_with_the_command_that_replays_it(monkeypatch, capsys):
    requests = ["simulation", "--seed", "0", "--events", "1500", "--mutation", "refunded twice"]
    monkeypatch.setattr("sys.argv", requests)
    assert 1 == main()
    output = capsys.readouterr().out
    assert output.startswith("P3 seed 0")
    assert output.endswith("Again: python -m tests.simulation --seed 0 --events 1500 --mutation 'refunded twice'\n")

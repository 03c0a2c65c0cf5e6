"""Keys in use are looked at again together, so that their callers wait for no look of their own."""

import pytest
from tests.panel import PEPPER, acting, now

from opensmm.actions import customers
from opensmm.actions.api_facade import ApiOperations
from opensmm.actions.customers import make_key
from opensmm.api.authentication import CACHED_S, REFRESH_BATCH, Authenticator
from opensmm.store import api_keys


class Looks:
    """Counts the statements that look keys up, and how many keys each looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        find = api_keys.find

        async def counted(connection, hashes):
            self.sizes.append(len(hashes))
            return await find(connection, hashes)

        monkeypatch.setattr(api_keys, "find", counted)

    def taken(self) -> list[int]:
        sizes, self.sizes = self.sizes, []
        return sizes


async def called(door: Authenticator, key: str):
    return door.get_cached(key) or await door.look_up(key, "192.0.2.1")


class Hands:
    """A clock that somebody moves."""

    at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
async def door(stocked, database, hands):
    panel = ApiOperations(database.app_url)
    await panel.open()
    yield Authenticator(panel, PEPPER, monotonic=hands)
    await panel.close()


async def test_a_key_in_use_is_looked_at_with_others_and_never_by_itself_again(door, hands, ann, stocked, monkeypatch):
    looks = Looks(monkeypatch)
    other = make_key("second")
    await customers.add_key(stocked, ann.id, other, PEPPER, by=acting(now()))
    for _ in range(10):
        for key in (ann.key, other.text):
            holder = await called(door, key)
            assert holder is not None
            assert holder.customer == ann.id
        await door.refresh()
        hands.at += CACHED_S / 2
    assert [1, 1, 2, 2] == looks.taken()[:4]
    await door.refresh()
    looks.taken()
    await door.refresh()
    assert [] == looks.taken(), "nobody used them meanwhile"


async def test_a_key_unused_for_long_is_looked_up_when_it_comes_back(door, hands, ann, monkeypatch):
    looks = Looks(monkeypatch)
    await called(door, ann.key)
    hands.at += CACHED_S
    await called(door, ann.key)
    assert [1, 1] == looks.taken()


async def test_a_refresh_shows_out_whoever_was_revoked_and_knows_who_was_suspended(door, hands, ann, stocked):
    first = await called(door, ann.key)
    assert first is not None
    assert not first.suspended
    await called(door, ann.key)
    await customers.set_suspended(stocked, ann.id, suspended=True, by=acting(now()))
    await door.refresh()
    holder = await called(door, ann.key)
    assert holder is not None
    assert holder.suspended
    await customers.revoke_keys(stocked, [first.key], by=acting(now()))
    await door.refresh()
    assert None is await called(door, ann.key)


async def test_many_keys_are_looked_at_in_pieces(door, ann, stocked, monkeypatch):
    many = [make_key(f"k{at}") for at in range(REFRESH_BATCH + 1)]
    for key in many:
        await customers.add_key(stocked, ann.id, key, PEPPER, by=acting(now()))
    for _ in range(2):
        for key in many:
            await called(door, key.text)
    looks = Looks(monkeypatch)
    await door.refresh()
    assert [REFRESH_BATCH, 1] == looks.taken()

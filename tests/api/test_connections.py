"""The table of open connections: who holds too many makes room, and nobody else."""

import asyncio

import pytest
from tests.panel import HANG_S, until
from tests.raw_http import heard, request, serving

from opensmm.api import connections, server
from opensmm.api.connections import ConnectionTable


class Held:
    """A connection that waits for its client, or, ``busy``, for us."""

    def __init__(self, *, busy=False):
        self.busy = busy
        self.ended = False

    def waiting_state(self):
        return None if self.busy else (self, True)

    def close_now(self):
        self.ended = True


def hold(table, count, address, *, bounded=True, busy=False):
    held = [Held(busy=busy) for _ in range(count)]
    for connection in held:
        table.add(connection, address, bounded=bounded)
    return held


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(connections, "MAX_PER_ADDRESS", 16)


def test_an_address_that_holds_too_many_loses_its_oldest_idle_ones():
    table = ConnectionTable(1000)
    others = hold(table, 3, "192.0.2.2")
    busy = hold(table, 4, "192.0.2.1", busy=True)
    idle = hold(table, 13, "192.0.2.1")
    assert [True, True] + [False] * 11 == [each.ended for each in idle]
    assert not any(each.ended for each in busy + others)


def test_a_new_one_is_ended_where_all_others_are_busy():
    table = ConnectionTable(1000)
    busy = hold(table, 16, "192.0.2.1", busy=True)
    (late,) = hold(table, 1, "192.0.2.1")
    assert (True, False) == (late.ended, any(each.ended for each in busy))


def test_one_network_of_ipv6_is_one_address():
    table = ConnectionTable(1000)
    held = [hold(table, 1, f"2001:db8:1:1::{at:x}")[0] for at in range(1, 18)]
    other = hold(table, 16, "2001:db8:1:2::1")
    assert held[0].ended
    assert not any(each.ended for each in other)


def test_a_trusted_proxy_may_hold_as_many_as_there_are_files():
    table = ConnectionTable(100)
    held = hold(table, 100, "192.0.2.1", bounded=False)
    assert not any(each.ended for each in held)
    hold(table, 1, "192.0.2.9")
    assert 12 == sum(each.ended for each in held)


def test_where_files_run_out_the_address_with_the_most_makes_room():
    table = ConnectionTable(30)
    few = hold(table, 5, "192.0.2.1")
    many = hold(table, 16, "192.0.2.2")
    some = hold(table, 10, "192.0.2.3")
    assert 2 == sum(each.ended for each in many)
    assert not any(each.ended for each in few + some)


def test_what_has_gone_counts_no_more():
    table = ConnectionTable(1000)
    for _ in range(5):
        held = hold(table, 16, "192.0.2.1")
        for connection in held:
            table.remove(connection, "192.0.2.1")
            table.remove(connection, "192.0.2.1")
        assert not any(each.ended for each in held)


async def test_silent_connections_of_an_address_do_not_keep_its_next_one_out(api, ann):
    async with serving(api.application, timeout_keep_alive=60, proxy_headers=False) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]

        async def oldest_ended():
            return silent[0][0].at_eof()

        await until(oldest_ended)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(f"key={ann.key}&action=balance".encode()))
        assert "100.00" == (await heard(reader))[1]["balance"]
        for _, each in [*silent, (reader, writer)]:
            each.close()


async def test_a_server_that_ticks_seldom_stops_when_it_is_told_to(api, monkeypatch):
    monkeypatch.setattr(server, "TICK_S", 3600.0)
    async with asyncio.timeout(HANG_S), serving(api.application) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(b""))
        assert "200 ok" in (await heard(reader))[0]
        writer.close()

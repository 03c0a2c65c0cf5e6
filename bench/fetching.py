"""The yardstick of a hundred orders' status: ``python -m bench.fetching`` fetches the same rows with psycopg alone."""

import sys
import time
from collections.abc import Sequence
from random import Random
from typing import Final

import msgspec
import psycopg
from msgspec import Struct

from bench.asks import some_orders
from opensmm.store.orders import _VIEWS

WARM_S: Final = 0.25
SETS: Final = 500


class Wanted(Struct, frozen=True):
    url: str
    orders: int
    customers: int
    seed: int
    seconds: float


def rate(wanted: Wanted) -> float:
    """Sets of 100 rows a second, over one connection, one after the other."""
    dice = Random(wanted.seed)
    sets = [some_orders(wanted.orders, wanted.customers, dice)[1] for _ in range(SETS)]
    with psycopg.connect(wanted.url, autocommit=True, prepare_threshold=1) as connection:
        _fetch(connection, sets, WARM_S)
        return _fetch(connection, sets, wanted.seconds)


def _fetch(connection: psycopg.Connection, sets: Sequence[list[int]], seconds: float) -> float:
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        wanted = sets[count % len(sets)]
        rows = connection.execute(_VIEWS.sql, [wanted], binary=True).fetchall()
        if len(rows) != len(wanted):
            sys.exit("rows are missing")
        count += 1
    return count / took


if __name__ == "__main__":
    sys.stdout.write(str(rate(msgspec.json.decode(sys.stdin.buffer.read(), type=Wanted))))

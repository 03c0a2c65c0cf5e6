"""Requests as resellers' programs send them, rendered to bytes before any clock starts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from random import Random
from typing import Final

from msgspec import Struct

PATH: Final = "/api/v2"
MANY: Final = 100
"""Orders in one ask for the status of many."""
LEAST_QUANTITY: Final = 100
MOST_QUANTITY: Final = 1000


class World(Struct, frozen=True):
    """What the requests may name. ``keys[i]`` is the key of customer ``i + 1``; ``orders`` were finished before."""

    keys: tuple[str, ...]
    services: tuple[int, ...]
    orders: int


def customer_of(order: int, customers: int) -> int:
    """Whose finished order it is: they are dealt out in turn."""
    return 1 + order % customers


def _add(world: World, dice: Random) -> Iterator[str]:
    while True:
        yield _order(world, dice, dice.choice(world.keys))


def _add_one(world: World, dice: Random) -> Iterator[str]:
    while True:
        yield _order(world, dice, world.keys[0])


def _order(world: World, dice: Random, key: str) -> str:
    link = f"https%3A%2F%2Fwww.instagram.com%2Fp%2F{dice.getrandbits(48):012x}%2F"
    quantity = LEAST_QUANTITY + int(dice.random() * (MOST_QUANTITY - LEAST_QUANTITY))
    return f"key={key}&action=add&service={dice.choice(world.services)}&link={link}&quantity={quantity}"


def _status(world: World, dice: Random) -> Iterator[str]:
    while True:
        order = 1 + int(dice.random() * world.orders)
        key = world.keys[customer_of(order, len(world.keys)) - 1]
        yield f"key={key}&action=status&order={order}"


def _statuses(world: World, dice: Random) -> Iterator[str]:
    while True:
        customer, orders = some_orders(world.orders, len(world.keys), dice)
        yield f"key={world.keys[customer - 1]}&action=status&orders={'%2C'.join(map(str, orders))}"


def some_orders(orders: int, customers: int, dice: Random) -> tuple[int, list[int]]:
    """A customer, and ``MANY`` of its finished orders from anywhere in the table (all, where it has fewer)."""
    customer = dice.randint(1, customers)
    own = range(customer - 1 or customers, orders + 1, customers)
    return customer, dice.sample(own, min(MANY, len(own)))


def _balance(world: World, dice: Random) -> Iterator[str]:
    while True:
        yield f"key={dice.choice(world.keys)}&action=balance"


def _services(world: World, dice: Random) -> Iterator[str]:
    while True:
        yield f"key={dice.choice(world.keys)}&action=services"


KINDS: Final[Mapping[str, Callable[[World, Random], Iterator[str]]]] = {
    "add": _add,
    "add-one": _add_one,
    "status": _status,
    "statuses": _statuses,
    "balance": _balance,
    "services": _services,
}
_HEAD: Final = (
    f"POST {PATH} HTTP/1.1\r\nHost: panel.example\r\nUser-Agent: Mozilla/4.0 (compatible; MSIE 5.01)\r\n"
    "Accept: */*\r\n%sContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n"
)


def render(kind: str, world: World, count: int, seed: int, *, gzip: bool = False) -> Sequence[bytes]:
    """So many requests of a kind, head and form in one piece; the same seed gives the same ones."""
    accept = "Accept-Encoding: gzip\r\n" if gzip else ""
    forms = islice(KINDS[kind](world, Random(seed)), count)
    return [(_HEAD % (accept, len(form)) + form).encode() for form in forms]

"""The demo panel: its customers, their keys, and the wait for its first answer."""

import http.client
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from opensmm.actions.customers import make_key
from opensmm.actions.demo import DemoCustomer, fill
from opensmm.base.money import money
from opensmm.config import Config, keep_secret
from opensmm.domain.audit import Actor, ActorKind, By
from opensmm.runtime.demo_services import list_services
from opensmm.store.connection import connect

FUNDS: Final = (("Demo customer", "1000.00"), ("Second customer", "10.00"))
PROVIDER_TIMEOUT_S: Final = "10"
ACTOR: Final = Actor(ActorKind.COMMAND_LINE, "demo")


class DemoKeys(Struct, frozen=True):
    """The keys of the two customers. They are kept in the data folder, since the database holds only their hashes."""

    key: str
    other_key: str


async def fill_panel(url: str, config: Config, now: datetime) -> DemoKeys:
    """Adds a price list and two funded customers, if they are missing. Returns the customers' keys."""
    keys = _read_or_make_keys(config.data / "demo.json")
    funded = zip(FUNDS, (keys.key, keys.other_key), strict=True)
    customers = [DemoCustomer(name, money(funds), key) for (name, funds), key in funded]
    connection = await connect(url, application="opensmm demo")
    try:
        await fill(connection, list(list_services()), customers, config.pepper(), by=By(ACTOR, "", now))
    finally:
        await connection.close()
    return keys


def _read_or_make_keys(path: Path) -> DemoKeys:
    # Read back even when just written: two demos that start at once must show the same keys.
    if not path.exists():
        fresh = DemoKeys(make_key().text, make_key().text)
        keep_secret(path, msgspec.json.encode(fresh).decode())
    return msgspec.json.decode(path.read_bytes(), type=DemoKeys)


def wait_for_answer(port: int, within_s: float, stopped: Callable[[float], bool]) -> bool:
    """Waits until the API answers a request. Returns False if it does not in time, or if ``stopped`` returns True.

    The request has no key, so that all but the database takes part in the answer.
    """
    until = time.monotonic() + within_s
    while time.monotonic() < until and not stopped(0.02):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", "/api/v2", "action=balance")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return True
        except OSError:
            continue
        finally:
            connection.close()
    return False

"""``demo``: a whole panel in one command, with a price list, two funded customers and a working sandbox."""

import asyncio
import http.client
import os
import time
from pathlib import Path
from typing import Annotated, Final

import msgspec
import psycopg
import typer
from msgspec import Struct

from opensmm.actions.customers import fresh_key
from opensmm.actions.demo import DemoCustomer, fill
from opensmm.base.errors import Misconfigured, Unavailable
from opensmm.base.money import money
from opensmm.cli import logs
from opensmm.cli.demo_services import services
from opensmm.cli.frame import UNAVAILABLE, Data, Json, answer, configured, err, fail, give_up, now, refuse
from opensmm.cli.processes import StopSignal, watch
from opensmm.cli.serving import Port, Stack
from opensmm.cli.stages import Stages
from opensmm.config import Config, keep_secret
from opensmm.domain.audit import Actor, ActorKind, By
from opensmm.domain.codes import NO_FIELDS, OperatorRefusal, StageCode
from opensmm.store.connection import connect

ANSWERS_WITHIN_S: Final = 60.0
FUNDS: Final = (("Demo customer", "1000.00"), ("Second customer", "10.00"))
DEMO_PROVIDER_TIMEOUT_S: Final = "10"
ACTOR: Final = Actor(ActorKind.COMMAND_LINE, "demo")


class DemoKeys(Struct, frozen=True):
    """The keys of the two customers: kept in the data folder, since the database holds but their hashes."""

    key: str
    other_key: str


def demo(
    port: Port = 8765,
    speed: Annotated[float, typer.Option("--speed", help="How much faster the sandbox's time runs.", min=0.01)] = 1.0,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run a complete panel to try out: prints where to look, a key and two curl lines. Ctrl-C ends it."""
    os.environ.setdefault("OPENSMM_PROVIDER_TIMEOUT", DEMO_PROVIDER_TIMEOUT_S)
    config, stop, steps = configured(data), StopSignal(), Stages(err)
    stack = Stack(config, "127.0.0.1", port, api_processes=1, speed=speed, report=steps, stopped=lambda: stop.wait(0))
    logs.set_up(config.log_level)
    try:
        with steps, stack.database() as urls:
            if stop.wait(0):  # the first start takes a while, and may have been thought better of
                return
            steps(StageCode.FILLING_DEMO, NO_FIELDS)
            keys = asyncio.run(_fill(urls.app, config))
            steps(StageCode.STARTING_PROCESSES, NO_FIELDS)
            stack.start()
            try:
                answers = _answers(stack.port, stop)
                steps.end()
                if answers:
                    _greet(stack.port, keys, json=json)
                    watch(stack.processes, stack.embedded, stop)
                elif not stop.wait(0):
                    fail(f"the panel did not answer within {ANSWERS_WITHIN_S:.0f} s", UNAVAILABLE)
            finally:
                stack.stop()
    except OperatorRefusal as refused:
        refuse(refused)
    except (Misconfigured, Unavailable, psycopg.OperationalError) as error:
        give_up(error)


async def _fill(url: str, config: Config) -> DemoKeys:
    keys = _kept_keys(config.data / "demo.json")
    named = zip(FUNDS, (keys.key, keys.other_key), strict=True)
    customers = [DemoCustomer(name, money(funds), key) for (name, funds), key in named]
    connection = await connect(url, application="opensmm demo")
    try:
        await fill(connection, list(services()), customers, config.pepper(), by=By(ACTOR, "", now()))
    finally:
        await connection.close()
    return keys


def _kept_keys(path: Path) -> DemoKeys:
    if not path.exists():
        fresh = DemoKeys(fresh_key().text, fresh_key().text)
        keep_secret(path, msgspec.json.encode(fresh).decode())
    return msgspec.json.decode(path.read_bytes(), type=DemoKeys)


def _answers(port: int, stop: StopSignal) -> bool:
    """Waits until the API answers for real: a refusal of an empty ask has been through all of it but the database."""
    until = time.monotonic() + ANSWERS_WITHIN_S
    while time.monotonic() < until and not stop.wait(0.02):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("POST", "/api/v2", "action=balance")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return True
        except OSError:
            continue
        finally:
            connection.close()
    return False


def _greet(port: int, keys: DemoKeys, *, json: bool) -> None:
    url = f"http://127.0.0.1:{port}"
    v1, v2 = f"{url}/api/v1", f"{url}/api/v2"
    said = {"url": url, "api_v1": v1, "api_v2": v2, "key": keys.key, "other_key": keys.other_key}
    text = f"""
  OpenSMM is running at {url} (the API's pages; in Arabic: {url}/v1)

  your key     {keys.key}   (1,000.00 USD at the start)
  another key  {keys.other_key}   (10.00 USD at the start)

  place an order:
    curl {v2} -d key={keys.key} -d action=add -d service=1 -d link=https://example.com/me -d quantity=100
  and follow it:
    curl {v2} -d key={keys.key} -d action=status -d order=1

  Links that end in /partial-40, /canceled, /refuse, /drop … try the other outcomes; Ctrl-C ends the demo.
"""
    answer(said, text, json=json)

"""``demo``: a panel in one command, with a price list, two customers with money and a working sandbox."""

import asyncio
import os
from typing import Annotated, Final

import typer

from opensmm.cli.context import Data, Json, answer, err, fail, now, read_config, report_faults
from opensmm.cli.serving import Port
from opensmm.cli.stages import Stages
from opensmm.domain.codes import NO_FIELDS, StageCode
from opensmm.runtime import logs
from opensmm.runtime.crashes import UNAVAILABLE
from opensmm.runtime.demo import PROVIDER_TIMEOUT_S, DemoKeys, fill_panel, wait_for_answer
from opensmm.runtime.processes import StopSignal, watch
from opensmm.runtime.serving import LOOPBACK
from opensmm.runtime.stack import Stack

ANSWERS_WITHIN_S: Final = 60.0


def demo(
    port: Port = 8765,
    speed: Annotated[
        float, typer.Option("--speed", help="How many times faster the sandbox's time runs.", min=0.01)
    ] = 1.0,
    data: Data = None,
    json: Json = False,
) -> None:
    """Run a complete panel to try out. Prints its address, a key and two curl commands; Ctrl-C ends it."""
    os.environ.setdefault("OPENSMM_PROVIDER_TIMEOUT", PROVIDER_TIMEOUT_S)
    config, stop, steps = read_config(data), StopSignal(), Stages(err)
    with report_faults(), steps:
        stack = Stack(config, LOOPBACK, port, api_processes=1, speed=speed, report=steps, stopped=lambda: stop.wait(0))
        logs.set_up(config.log_level)
        with stack.running() as urls:
            if stop.wait(0):  # the first start takes a while, and the operator may have stopped it
                return
            steps(StageCode.FILLING_DEMO, NO_FIELDS)
            keys = asyncio.run(fill_panel(urls.app, config, now()))
            steps(StageCode.STARTING_PROCESSES, NO_FIELDS)
            stack.release()
            _run(stack, keys, stop, steps, json=json)


def _run(stack: Stack, keys: DemoKeys, stop: StopSignal, steps: Stages, *, json: bool) -> None:
    answers = wait_for_answer(stack.port, ANSWERS_WITHIN_S, stop.wait)
    steps.end()
    if answers:
        _greet(stack.port, keys, json=json)
        watch(stack.processes, stack.embedded, stop)
    elif not stop.wait(0):
        fail(f"the panel did not answer within {ANSWERS_WITHIN_S:.0f} s", UNAVAILABLE)


def _greet(port: int, keys: DemoKeys, *, json: bool) -> None:
    url = f"http://127.0.0.1:{port}"
    v1, v2 = f"{url}/api/v1", f"{url}/api/v2"
    fields = {"url": url, "api_v1": v1, "api_v2": v2, "key": keys.key, "other_key": keys.other_key}
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
    answer(fields, text, json=json)

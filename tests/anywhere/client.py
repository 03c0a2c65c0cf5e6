"""Places an order at a running demo and waits until it is completed: ``client.py URL KEY [ORDER]``.

With an order's id it only waits. The last line that it prints is the id. It imports the standard library alone, so
that any Python runs it, inside any network.
"""

import json
import sys
import time
import urllib.parse
import urllib.request

PATIENCE_S = 300
"""How long an order's answer may stay the same before waiting is given up."""


def ask(url, **fields):
    body = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(f"{url}/api/v2", body, timeout=60) as reply:
        return json.load(reply)


def main(url, key, order=None):
    if order is None:
        placed = ask(url, key=key, action="add", service=1, link="https://example.com/anywhere", quantity=100)
        order = placed["order"]
    seen, since = None, time.monotonic()
    while (status := ask(url, key=key, action="status", order=order))["status"] != "Completed":
        if status != seen:
            seen, since = status, time.monotonic()
        if time.monotonic() - since > PATIENCE_S:
            raise SystemExit(f"order {order} does not move: {status}")
        time.sleep(0.2)
    print(order)  # noqa: T201 - this is a program


if __name__ == "__main__":
    main(*sys.argv[1:])

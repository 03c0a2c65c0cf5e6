"""Places one order and follows it to its end. Needs nothing but Python 3.

Usage: order.py [API_URL [KEY]]   or set API_URL and API_KEY.
Both dialects work: end the URL in /api/v2 or /api/v1.
"""

import json
import os
import sys
import time
import urllib.parse
import urllib.request
import uuid

given = [*sys.argv[1:], "", ""]
API_URL = given[0] or os.environ.get("API_URL", "http://127.0.0.1:8765/api/v2")
API_KEY = given[1] or os.environ.get("API_KEY", "YOUR_API_KEY")


def call(action, **parameters):
    """Returns the answer to an action; ends the program where it is refused."""
    form = urllib.parse.urlencode({"key": API_KEY, "action": action, **parameters})
    for pause_s in (1, 2, 4, None):
        try:
            with urllib.request.urlopen(API_URL, form.encode(), timeout=30) as response:
                answer = json.load(response)
            break
        except OSError as fault:  # no answer, or 429 or 503: the same request may be sent again
            if pause_s is None:
                sys.exit(f"No answer: {fault}")
            time.sleep(pause_s)
    if isinstance(answer, dict) and "error" in answer:
        sys.exit(f"Refused: {answer['error']}")
    return answer


# The price list: take the first service of type Default.
service = next(line for line in call("services") if line["type"].lower() == "default")
print(f"Service {service['service']}: {service['name']}, {service['rate']} per 1000")

balance = call("balance")
print(f"Balance: {balance['balance']} {balance['currency']}")

# The idempotency key makes a repeat safe: after a time-out the same order is answered, never a second one.
placed = call(
    "add",
    service=service["service"],
    link="https://example.com/my-post",
    quantity=service["min"],
    idempotency_key=str(uuid.uuid4()),
)
print(f"Order {placed['order']}")

# Ask until it has ended; give up after ten minutes.
for _ in range(300):
    status = call("status", order=placed["order"])
    print(f"{status['status']}: {status['remains']} remain, {status['charge']} charged")
    if status["status"].lower() in ("completed", "partial", "canceled"):
        sys.exit(0 if status["status"].lower() == "completed" else 1)
    time.sleep(2)
sys.exit(f"Order {placed['order']} has not ended yet")

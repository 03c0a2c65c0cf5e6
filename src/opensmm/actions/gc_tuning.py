"""How a process that runs for long has its cycles looked for.

Hardly anything an order leaves behind is a cycle, and what was made at the start lives as long as the process: looking
through all of it again and again took 20 ms a time with a big price list, and a sixth of a worker's processor time.
"""

import gc
from typing import Final

YOUNG: Final = 20_000
"""Objects more than there were, before those that came are looked through (Python's own choice: 700)."""


def leave_alone() -> None:
    """What there is by now is never looked through again, what comes later less often than by Python's own choice."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)

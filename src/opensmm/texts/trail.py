"""The audit trail put into words."""

import json
from collections.abc import Mapping
from typing import Final

from opensmm.texts.english import ACTIONS
from opensmm.texts.fields import change, label, value_of

_ACTIONS: Final[Mapping[str, str]] = {action.value: words for action, words in ACTIONS.items()}


def actor(name: str, kind: str | None) -> str:
    """Who acted. Rows from before there were kinds have it in the name."""
    return name if kind is None else f"{name} ({kind})"


def deed(action: str, subject: str) -> str:
    """What was done to which thing; an action that this release does not know is shown as it is kept."""
    words = _ACTIONS.get(action, f"{action} {{subject}}")
    return words.format(subject=subject)


def detail(told: Mapping[str, object]) -> list[str]:
    """Each field that changed, before and after, then what else is told. A row of another shape, as releases before
    this one wrote, is shown as it is kept."""
    changes = told.get("changes")
    if not isinstance(changes, Mapping):
        return [json.dumps(told, ensure_ascii=False)] if told else []
    lines = [change(str(name), *pair) for name, pair in changes.items() if pair[0] != pair[1]]
    return lines + [f"{label(name)}: {value_of(name, value)}" for name, value in told.items() if name != "changes"]
